use std::sync::Arc;

use junto_types::nearest;

use crate::connector::ConnectorFactory;
use crate::error::{Error, Result};

/// The drivers a binary was built with. Handed to the engine as a value; there is no global one.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    factories: Vec<Arc<dyn ConnectorFactory>>,
}

impl Registry {
    /// A registry of these factories.
    pub fn new(factories: Vec<Arc<dyn ConnectorFactory>>) -> Self {
        Self { factories }
    }

    /// Every driver.
    pub fn factories(&self) -> &[Arc<dyn ConnectorFactory>] {
        &self.factories
    }

    /// The driver with this name.
    pub fn by_driver(&self, driver: &str) -> Result<&Arc<dyn ConnectorFactory>> {
        self.factories.iter().find(|factory| factory.driver() == driver).ok_or_else(|| {
            let known = self.factories.iter().map(|factory| factory.driver());
            Error::UnknownOption { option: driver.into(), nearest: nearest(driver, known).map(Into::into) }
        })
    }

    /// The driver for a connection URL, chosen by its scheme.
    pub fn by_url(&self, url: &str) -> Result<&Arc<dyn ConnectorFactory>> {
        let Some((scheme, _)) = url.split_once(':') else {
            return Err(Error::InvalidUrl {
                reason: format!("no scheme; it starts with one of {}", self.schemes().join(", ")),
            });
        };
        self.factories
            .iter()
            .find(|factory| factory.schemes().iter().any(|known| known.eq_ignore_ascii_case(scheme)))
            .ok_or_else(|| Error::InvalidUrl {
                reason: match nearest(scheme, self.factories.iter().flat_map(|f| f.schemes().iter().copied())) {
                    Some(near) => format!("unknown scheme `{scheme}`; did you mean `{near}`?"),
                    None => format!("unknown scheme `{scheme}`; known: {}", self.schemes().join(", ")),
                },
            })
    }

    fn schemes(&self) -> Vec<String> {
        self.factories.iter().flat_map(|f| f.schemes()).map(|scheme| format!("{scheme}:")).collect()
    }
}
