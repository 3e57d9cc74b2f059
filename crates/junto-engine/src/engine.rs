//! The engine: connections, and statements over them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::execution::session_state::SessionState;
use junto_connector::options::ConnectionConfig;
use junto_connector::{Connector, Prefer, Reaper, Registry};
use junto_federation::Reads;
use junto_types::{Alias, ConnectionId};

use crate::catalog::CatalogCache;
use crate::compile::{self, Compiled};
use crate::connections::{ConnectionSummary, Connections};
use crate::error::Error;
use crate::explain::Explanation;
use crate::language;
use crate::native;
use crate::run::Run;
use crate::settings::{Settings, StatementOptions, Strategy};
use crate::spill::SpillFolder;

/// Runs statements over connections. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) connections: Connections,
    pub(crate) catalog: Arc<CatalogCache>,
    pub(crate) session: SessionState,
    pub(crate) spill: Arc<SpillFolder>,
    /// Of all statements.
    pub(crate) reads: Arc<Reads>,
}

/// What a statement would do, found out without running it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Validation {
    /// Aliases the statement names, each once.
    pub connections: Vec<String>,
    /// Tables as written, without `@`.
    pub tables: Vec<String>,
    pub strategy: Strategy,
    pub read_only: bool,
}

impl Engine {
    /// Longest wait of [`Engine::shutdown`].
    const SHUTDOWN_LIMIT: Duration = Reaper::JOB_LIMIT;

    /// An engine without connections. Removes what killed processes left in the folder for spilled rows.
    ///
    /// # Panics
    /// When the functions of the language cannot be registered, which no input causes.
    pub fn new(registry: Registry, settings: Settings) -> Self {
        let session = language::base_session(&settings).expect("the functions of the language have distinct names");
        let connections = Connections::new(registry);
        let spill = Arc::new(SpillFolder::below(settings.spill_directory.clone()));
        let (catalog, reads) = (Arc::default(), Arc::default());
        Self { shared: Arc::new(Shared { settings, connections, catalog, session, spill, reads }) }
    }

    /// Adds a connection; it connects when a statement first needs it.
    ///
    /// # Errors
    /// [`Error::DuplicateAlias`].
    pub fn add_connection(&self, config: ConnectionConfig) -> Result<(), Error> {
        self.shared.connections.add(config)
    }

    /// Adds a connection from a URL, under its alias.
    ///
    /// # Errors
    /// A URL or option that cannot be, or an alias that is taken.
    pub fn add_url(&self, alias: &str, url: &str) -> Result<(), Error> {
        let failed = |source| Error::Connection { connection: alias.to_owned(), source: Arc::new(source) };
        let factory = self.shared.connections.registry().by_url(url).map_err(failed)?;
        let options = factory.parse_url(url).map_err(failed)?;
        self.add_connection(ConnectionConfig {
            id: ConnectionId::random(),
            name: alias.to_owned(),
            alias: Alias::new(alias).map_err(Error::Alias)?,
            driver: factory.driver().to_owned(),
            options,
            prefer: Prefer::default(),
            max_connections: self.shared.settings.multiquery.max_concurrent_connections,
        })
    }

    /// The drivers the engine was built with.
    pub fn registry(&self) -> &Registry {
        self.shared.connections.registry()
    }

    /// Settings the engine was made with.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// All connections, connected or not.
    pub fn connections(&self) -> Vec<ConnectionSummary> {
        self.shared.connections.summaries()
    }

    /// The live source behind an alias, connecting it when necessary.
    ///
    /// # Errors
    /// [`Error::UnknownConnection`], or the source's failure to connect.
    pub async fn connector(&self, alias: &str) -> Result<Arc<dyn Connector>, Error> {
        let alias = self.shared.connections.alias(alias)?;
        self.shared.connections.connector(&alias).await
    }

    /// Starts one statement. With `@` it is federated; without, it goes to one connection as it is.
    ///
    /// # Errors
    /// Whatever can be found before the first row. The rest comes out of [`Run::next`].
    pub async fn execute(&self, sql: &str, options: &StatementOptions) -> Result<Run, Error> {
        match native::target(&self.shared, sql, options)? {
            Some(alias) => native::run(&self.shared, &alias, sql, options).await,
            None => {
                let mut run = Box::pin(Run::planned(Arc::clone(&self.shared), sql, options)).await?;
                run.start(false)?;
                Ok(run)
            }
        }
    }

    /// How a statement would run; with `analyze` it is run, its rows are thrown away and the actual figures are shown.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn explain(&self, sql: &str, options: &StatementOptions, analyze: bool) -> Result<Explanation, Error> {
        if let Some(alias) = native::target(&self.shared, sql, options)? {
            return Ok(Explanation::native(&alias, sql));
        }
        let mut run = Box::pin(Run::planned(Arc::clone(&self.shared), sql, options)).await?;
        if analyze {
            run.start(true)?;
            while let Some(batch) = run.next().await {
                batch?;
            }
        }
        Ok(run.explanation())
    }

    /// Checks a statement without running it: names, types, connections.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn validate(&self, sql: &str, options: &StatementOptions) -> Result<Validation, Error> {
        if let Some(alias) = native::target(&self.shared, sql, options)? {
            self.shared.connections.connector(&alias).await?;
            return Ok(Validation {
                connections: vec![alias.to_string()],
                tables: Vec::new(),
                strategy: Strategy::Native,
                read_only: !options.allow_write,
            });
        }
        let compiled: Compiled =
            Box::pin(compile::compile(&self.shared, sql, options, compile::Plan::default())).await?;
        Ok(Validation {
            connections: compiled.connections(),
            strategy: compiled.strategy,
            tables: compiled.tables,
            read_only: true,
        })
    }

    /// Waits until work that dropped statements left on servers is cancelled. Blocks for at most two seconds.
    pub fn shutdown(&self) {
        let begun = Instant::now();
        // Half of the time is for what the reads leave behind.
        self.shared.reads.wait(Self::SHUTDOWN_LIMIT / 2);
        self.shared.connections.reaper().drain(Self::SHUTDOWN_LIMIT.saturating_sub(begun.elapsed()));
    }

    /// Closes idle connections.
    pub async fn close(&self) {
        futures::future::join_all(self.shared.connections.connected().iter().map(|connector| connector.close())).await;
    }
}
