//! The engine with the connections of the command line and the configuration file.

use junto_engine::{Engine, Settings, StatementOptions};
use junto_types::Alias;

use crate::arguments::{SourceArguments, StatementArguments};
use crate::configuration::{Configuration, Declared};
use crate::failure::{Failure, Result};

/// An engine that is ready, and what it needs to know of the command line.
pub(crate) struct Session {
    pub(crate) engine: Engine,
    /// The only connection of the command line, if there is one: statements without `@` go there.
    flagged: Option<Alias>,
    /// Connections of the file that cannot be opened as they are written. They fail only when they are used.
    broken: Vec<(Alias, Failure)>,
}

impl Session {
    /// Reads the configuration and declares every connection; none is opened yet.
    ///
    /// # Errors
    /// Whatever is wrong with the file or with a `-c`.
    pub(crate) fn open(sources: &SourceArguments) -> Result<Self> {
        let configuration = Configuration::load(sources.config.as_deref())?;
        let settings = Settings { multiquery: configuration.multiquery, ..Settings::default() };
        let engine = Engine::new(junto_connectors::registry(), settings);
        let flags: Vec<Declared> =
            sources.connections.iter().map(|text| Declared::from_flag(text)).collect::<Result<_>>()?;
        for declared in &flags {
            engine.add_connection(declared.config(engine.registry())?)?;
        }
        let mut broken = Vec::new();
        for declared in configuration.connections {
            if flags.iter().any(|flag| flag.alias == declared.alias) {
                continue;
            }
            match declared.config(engine.registry()) {
                Ok(config) => engine.add_connection(config)?,
                Err(failure) => broken.push((declared.alias, failure)),
            }
        }
        let flagged = match flags.as_slice() {
            [only] => Some(only.alias.clone()),
            _ => None,
        };
        Ok(Self { engine, flagged, broken })
    }

    /// Options of a statement: flags over configuration. Without a row limit and without permission to write.
    pub(crate) fn options(&self, arguments: &StatementArguments) -> StatementOptions {
        let multiquery = &self.engine.settings().multiquery;
        let mut limits = multiquery.limits();
        if let Some(timeout) = arguments.timeout {
            limits.timeout = timeout.0;
        }
        if let Some(bytes) = arguments.memory_limit {
            limits.memory_bytes = bytes;
        }
        StatementOptions {
            connection: arguments.on.clone().or_else(|| self.flagged.as_ref().map(Alias::to_string)),
            limits,
            strategy: arguments.strategy.unwrap_or(multiquery.default_strategy),
            allow_write: false,
        }
    }

    /// How to cut a text into statements: the target's own rules when no connection is named in it.
    pub(crate) fn dialect(&self, text: &str, options: &StatementOptions) -> junto_sql::Dialect {
        if junto_sql::has_references(text) {
            return junto_sql::Dialect::Federated;
        }
        let connections = self.engine.connections();
        let target = match (&options.connection, connections.as_slice()) {
            (Some(alias), all) => all.iter().find(|one| one.alias.to_lowercase() == alias.to_lowercase()),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        match target.map(|target| target.driver.as_str()) {
            Some("postgres") => junto_sql::Dialect::PostgreSql,
            Some("mysql" | "mariadb") => junto_sql::Dialect::MySql,
            Some("sqlite") => junto_sql::Dialect::Sqlite,
            Some("duckdb") => junto_sql::Dialect::DuckDb,
            _ => junto_sql::Dialect::Federated,
        }
    }

    /// The failure of a connection that a statement uses and that cannot be opened as it is written.
    pub(crate) fn broken_connection(&self, statement: &str, options: &StatementOptions) -> Option<Failure> {
        if self.broken.is_empty() {
            return None;
        }
        let references = junto_sql::references(statement).unwrap_or_default();
        let used = |alias: &Alias| match references.as_slice() {
            [] => options.connection.as_deref().is_some_and(|name| alias.matches(name)),
            references => references.iter().any(|reference| alias.matches(&reference.connection().text)),
        };
        self.broken.iter().find(|(alias, _)| used(alias)).map(|(_, failure)| failure.clone())
    }

    /// The failure of the connection with this alias, if it cannot be opened as it is written.
    pub(crate) fn broken(&self, alias: &str) -> Option<Failure> {
        self.broken.iter().find(|(broken, _)| broken.matches(alias)).map(|(_, failure)| failure.clone())
    }
}
