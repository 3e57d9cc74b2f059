//! A connection as the user declared it, and how it becomes one the engine can open.

use std::path::{Path, PathBuf};

use junto_connector::options::{ConnectionConfig, OptionKind, OptionSpec, Options};
use junto_connector::{ConnectorFactory, Error, Prefer, Registry};
use junto_types::{Alias, ConnectionId};

use super::variables::{expand, expand_url};
use crate::failure::{Failure, Result};

/// One connection of the command line or of a file. Values are still as written, with their `${env:…}`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) alias: Alias,
    pub(crate) id: Option<ConnectionId>,
    pub(crate) name: Option<String>,
    pub(crate) driver: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) options: Vec<(String, String)>,
    pub(crate) prefer: Prefer,
    /// Connections Junto may hold to this source at once.
    pub(crate) max_connections: Option<usize>,
    /// Folder that relative paths start from; none for the current one.
    pub(crate) folder: Option<PathBuf>,
}

impl std::fmt::Debug for Declared {
    /// Values may be passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Declared").field("alias", &self.alias).field("driver", &self.driver).finish_non_exhaustive()
    }
}

/// Checks a text as an alias.
pub(crate) fn alias(text: &str) -> Result<Alias> {
    Alias::new(text).map_err(|error| Failure::user(error.to_string()))
}

impl Declared {
    /// A connection with nothing but an alias.
    pub(crate) fn new(alias: Alias) -> Self {
        Self {
            alias,
            id: None,
            name: None,
            driver: None,
            url: None,
            options: Vec::new(),
            prefer: Prefer::default(),
            max_connections: None,
            folder: None,
        }
    }

    /// `-c ALIAS=URL`.
    ///
    /// # Errors
    /// No `=`, or an alias that cannot be one.
    pub(crate) fn from_flag(text: &str) -> Result<Self> {
        let (name, url) = text
            .split_once('=')
            .filter(|(name, url)| !name.contains(':') && !url.is_empty())
            .ok_or_else(|| Failure::user("`-c` takes ALIAS=URL").hint("for example `-c shop=sqlite:shop.db`"))?;
        Ok(Self { url: Some(url.to_owned()), ..Self::new(alias(name)?) })
    }

    /// What the engine needs: driver found, variables replaced, options checked, paths made absolute.
    ///
    /// # Errors
    /// Unknown drivers, schemes and options with the nearest known ones; values of the wrong kind; variables that are
    /// not set.
    pub(crate) fn config(&self, registry: &Registry) -> Result<ConnectionConfig> {
        self.resolve(registry).map_err(|error| match error {
            Error::UnknownOption { option, nearest } if self.driver.as_deref() == Some(option.as_str()) => {
                let known: Vec<_> = registry.factories().iter().map(|factory| factory.driver()).collect();
                let hint = match nearest {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("drivers: {}", known.join(", ")),
                };
                Failure::user(format!("connection @{}: unknown driver `{option}`", self.alias)).hint(hint)
            }
            error => Failure::source(self.alias.as_str(), &error),
        })
    }

    fn resolve(&self, registry: &Registry) -> junto_connector::Result<ConnectionConfig> {
        let (factory, mut values) = match (&self.url, &self.driver) {
            (Some(url), driver) => {
                let url = expand_url(url)?;
                let factory = match driver {
                    Some(driver) => registry.by_driver(driver)?,
                    None => registry.by_url(&url)?,
                };
                (factory, values_of(factory.options(), &factory.parse_url(&url)?))
            }
            (None, Some(driver)) => (registry.by_driver(driver)?, Vec::new()),
            (None, None) => {
                return Err(Error::InvalidOption { option: "url".into(), reason: "or `driver` is required".into() });
            }
        };
        for (name, value) in &self.options {
            values.retain(|(known, _)| known != name);
            values.push((name.clone(), expand(name, value)?));
        }
        for (name, value) in &mut values {
            if kind(factory.options(), name) == Some(OptionKind::Path) {
                *value = self.path(value);
            }
        }
        self.finish(factory.as_ref(), values)
    }

    fn finish(
        &self,
        factory: &dyn ConnectorFactory,
        values: Vec<(String, String)>,
    ) -> junto_connector::Result<ConnectionConfig> {
        Ok(ConnectionConfig {
            id: self.id.unwrap_or_else(ConnectionId::random),
            name: self.name.clone().unwrap_or_else(|| self.alias.to_string()),
            alias: self.alias.clone(),
            driver: factory.driver().to_owned(),
            options: Options::checked(factory.options(), values)?,
            prefer: self.prefer,
            max_connections: self.max_connections.unwrap_or(DEFAULT_MAX_CONNECTIONS),
        })
    }

    /// A path as the user means it: `~` is the home folder, and a file's paths start at the file's folder.
    fn path(&self, value: &str) -> String {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let path = match (value.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => match &self.folder {
                Some(folder) if !value.starts_with(':') => folder.join(value),
                _ => PathBuf::from(value),
            },
        };
        path.to_string_lossy().into_owned()
    }

    /// The folder of a configuration file, for [`Self::folder`].
    pub(super) fn folder_of(file: &Path) -> Option<PathBuf> {
        file.parent().filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_owned)
    }
}

/// Connections to one source unless said otherwise.
const DEFAULT_MAX_CONNECTIONS: usize = 10;

/// All values of checked options, those of maps under their full names.
fn values_of(specs: &[OptionSpec], options: &Options) -> Vec<(String, String)> {
    let mut values = Vec::new();
    for spec in specs {
        if spec.kind == OptionKind::Map {
            values.extend(
                options.entries(spec.name).map(|(key, value)| (format!("{}.{key}", spec.name), value.to_owned())),
            );
        } else if let Some(value) = options.text(spec.name) {
            values.push((spec.name.to_owned(), value.to_owned()));
        }
    }
    values
}

fn kind(specs: &[OptionSpec], name: &str) -> Option<OptionKind> {
    specs.iter().find(|spec| spec.name == name).map(|spec| spec.kind)
}

impl Declared {
    /// Whether a password stands in plain text in its URL or options.
    pub(super) fn secrecy(&self, registry: &Registry) -> super::Secrecy {
        if self.plain_secrets(registry).is_empty() { super::Secrecy::Outside } else { super::Secrecy::InFile }
    }

    /// Names of the secret options that are given in plain text.
    pub(crate) fn plain_secrets(&self, registry: &Registry) -> Vec<&'static str> {
        let factory = match (&self.driver, &self.url) {
            (Some(driver), _) => registry.by_driver(driver),
            (None, Some(url)) => registry.by_url(url),
            (None, None) => return Vec::new(),
        };
        let Ok(factory) = factory else { return Vec::new() };
        let from_url = self.url.as_ref().and_then(|url| factory.parse_url(url).ok());
        let given = |name: &str| {
            let option = self.options.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            option.or_else(|| from_url.as_ref()?.text(name).map(str::to_owned))
        };
        let plain = |spec: &&OptionSpec| spec.secret && given(spec.name).is_some_and(|value| !value.contains("${env:"));
        factory.options().iter().filter(plain).map(|spec| spec.name).collect()
    }

    /// The same with every plain secret replaced by a variable, `${env:JUNTO_SHOP_PASSWORD}` for `password` of `shop`.
    /// A URL with secrets becomes a driver and options, without the options that have their default value.
    ///
    /// # Errors
    /// A URL or driver that cannot be read.
    pub(crate) fn without_secrets(&self, registry: &Registry) -> Result<Self> {
        let secrets = self.plain_secrets(registry);
        if secrets.is_empty() {
            return Ok(self.clone());
        }
        let config = self.config(registry)?;
        let factory =
            registry.by_driver(&config.driver).map_err(|error| Failure::source(self.alias.as_str(), &error))?;
        let default =
            |name: &str| factory.options().iter().find(|spec| spec.name == name).and_then(|spec| spec.default);
        let variable = |name: &str| {
            let text = format!("JUNTO_{}_{name}", self.alias).to_uppercase();
            format!("${{env:{}}}", text.replace(|c: char| !c.is_ascii_alphanumeric(), "_"))
        };
        let options = values_of(factory.options(), &config.options)
            .into_iter()
            .filter(|(name, value)| default(name) != Some(value.as_str()))
            .map(
                |(name, value)| {
                    if secrets.contains(&name.as_str()) { (name.clone(), variable(&name)) } else { (name, value) }
                },
            )
            .collect();
        Ok(Self { url: None, driver: Some(config.driver), options, ..self.clone() })
    }

    /// The same for a file in another folder: path options are absolute, and win over the URL.
    pub(crate) fn with_absolute_paths(&self, registry: &Registry) -> Self {
        let Ok(config) = self.config(registry) else { return self.clone() };
        let Ok(factory) = registry.by_driver(&config.driver) else { return self.clone() };
        let paths = factory.options().iter().filter(|spec| spec.kind == OptionKind::Path);
        let mut moved = self.clone();
        for spec in paths {
            let Some(path) = config.options.text(spec.name) else { continue };
            moved.options.retain(|(name, _)| name != spec.name);
            moved.options.push((spec.name.to_owned(), path.to_owned()));
        }
        moved
    }
}
