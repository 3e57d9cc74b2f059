//! The connections an engine knows, connected on first use.

use std::sync::Arc;

use junto_connector::options::ConnectionConfig;
use junto_connector::{Connector, Prefer, Reaper, Registry};
use junto_types::{Alias, nearest};
use tokio::sync::OnceCell;

use crate::error::Error;

/// What may be shown of a connection.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ConnectionSummary {
    pub alias: String,
    pub name: String,
    pub driver: String,
    /// Options that are not secret.
    pub options: Vec<(String, String)>,
}

#[derive(Debug)]
pub(crate) struct Connections {
    registry: Registry,
    reaper: Reaper,
    entries: parking_lot::RwLock<Vec<Arc<Entry>>>,
}

#[derive(Debug)]
struct Entry {
    config: ConnectionConfig,
    live: OnceCell<Arc<dyn Connector>>,
}

impl Connections {
    pub(crate) fn new(registry: Registry) -> Self {
        Self { registry, reaper: Reaper::start(), entries: parking_lot::RwLock::default() }
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn reaper(&self) -> &Reaper {
        &self.reaper
    }

    pub(crate) fn add(&self, config: ConnectionConfig) -> Result<(), Error> {
        let mut entries = self.entries.write();
        if entries.iter().any(|entry| entry.config.alias == config.alias) {
            return Err(Error::DuplicateAlias(config.alias));
        }
        entries.push(Arc::new(Entry { config, live: OnceCell::new() }));
        Ok(())
    }

    pub(crate) fn aliases(&self) -> Vec<Alias> {
        self.entries.read().iter().map(|entry| entry.config.alias.clone()).collect()
    }

    pub(crate) fn summaries(&self) -> Vec<ConnectionSummary> {
        let summary = |entry: &Arc<Entry>| ConnectionSummary {
            alias: entry.config.alias.to_string(),
            name: entry.config.name.clone(),
            driver: entry.config.driver.clone(),
            options: entry.config.options.public().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        };
        self.entries.read().iter().map(summary).collect()
    }

    /// The alias a text means, in the spelling it was made with.
    pub(crate) fn alias(&self, text: &str) -> Result<Alias, Error> {
        let aliases = self.aliases();
        aliases.iter().find(|alias| alias.matches(text)).cloned().ok_or_else(|| Error::UnknownConnection {
            name: text.into(),
            nearest: nearest(text, aliases.iter().map(Alias::as_str)).map(Into::into),
        })
    }

    /// What the owner of a connection wants of the planner.
    pub(crate) fn prefer(&self, alias: &Alias) -> Prefer {
        let entries = self.entries.read();
        entries
            .iter()
            .find(|entry| entry.config.alias == *alias)
            .map_or_else(Prefer::default, |entry| entry.config.prefer)
    }

    /// The live source behind an alias; connects when it is not yet connected. A failed attempt is not remembered.
    pub(crate) async fn connector(&self, alias: &Alias) -> Result<Arc<dyn Connector>, Error> {
        let entry = self.entries.read().iter().find(|entry| entry.config.alias == *alias).cloned();
        let Some(entry) = entry else {
            return Err(Error::UnknownConnection { name: alias.to_string(), nearest: None });
        };
        let connect = || async {
            let factory = self.registry.by_driver(&entry.config.driver)?;
            factory.connect(entry.config.clone(), self.reaper.clone()).await
        };
        entry.live.get_or_try_init(connect).await.cloned().map_err(|error| Error::source_failed(alias, error, None))
    }

    /// The live sources, without connecting any.
    pub(crate) fn connected(&self) -> Vec<Arc<dyn Connector>> {
        self.entries.read().iter().filter_map(|entry| entry.live.get().cloned()).collect()
    }
}
