//! Running remote plans: what a statement knows of its sources, and the physical leaf that reads one.

mod ahead;
mod condition;
mod forgetting;
mod materialize;
mod measured;
mod merge;
mod once;
mod repeated;
mod room;
mod scan;
mod shared;
mod stored;
mod underway;

use std::collections::HashMap;
use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

pub use ahead::{ReadAhead, ReadAheadExec};
pub(crate) use condition::MOST_LISTED;
use datafusion::common::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::prelude::SessionConfig;
pub use forgetting::{ForgettingExec, Forgotten};
use junto_connector::{Connector, SourceMetrics, StatementContext};
use junto_types::Alias;
pub use materialize::MaterializeExec;
pub use measured::MeasuredExec;
pub(crate) use merge::{merged, read};
pub use once::{ReadOnce, SharedScanExec};
pub use repeated::{ComputeOnce, RepeatedExec};
pub use scan::{KeyBinding, KeyColumn, RemoteScanExec};
pub use stored::apart;
use tokio::sync::watch;
pub use underway::Reads;

/// The live sources of one statement. Put into the session's configuration; physical plans name sources by alias.
#[derive(Debug)]
pub struct StatementSources {
    pub statement: uuid::Uuid,
    pub deadline: Option<Instant>,
    sources: HashMap<Alias, Source>,
    reads: Arc<Reads>,
    is_over: watch::Sender<bool>,
}

#[derive(Debug)]
struct Source {
    connector: Arc<dyn Connector>,
    metrics: Arc<SourceMetrics>,
}

impl StatementSources {
    /// The sources `connectors` for one statement, whose reads are counted among `reads`.
    pub fn new(
        statement: uuid::Uuid,
        deadline: Option<Instant>,
        connectors: impl IntoIterator<Item = (Alias, Arc<dyn Connector>)>,
        reads: Arc<Reads>,
    ) -> Self {
        let source = |connector| Source { connector, metrics: Arc::default() };
        let sources = connectors.into_iter().map(|(alias, connector)| (alias, source(connector))).collect();
        Self { statement, deadline, sources, reads, is_over: watch::channel(false).0 }
    }

    /// Nobody wants rows of the statement any more: what computes some beside its plan stops.
    pub fn end(&self) {
        self.is_over.send_replace(true);
    }

    /// Waits for [`Self::end`].
    pub(crate) async fn over(&self) {
        // The sender lives in `self`, so the channel cannot close while this waits.
        let _ = self.is_over.subscribe().wait_for(|over| *over).await;
    }

    /// The connector behind an alias.
    pub fn connector(&self, alias: &Alias) -> Option<&Arc<dyn Connector>> {
        self.sources.get(alias).map(|source| &source.connector)
    }

    /// Counters per source.
    pub fn metrics(&self) -> impl Iterator<Item = (&Alias, &Arc<SourceMetrics>)> {
        self.sources.iter().map(|(alias, source)| (alias, &source.metrics))
    }

    /// What a statement asks a source with.
    pub(crate) fn context(&self, alias: &Alias) -> Option<StatementContext> {
        let metrics = Arc::clone(&self.sources.get(alias)?.metrics);
        Some(StatementContext { statement: self.statement, deadline: self.deadline, metrics })
    }

    pub(crate) fn of(task: &TaskContext) -> datafusion::error::Result<Arc<Self>> {
        Self::of_session(task.session_config())
    }

    pub(crate) fn of_session(config: &SessionConfig) -> datafusion::error::Result<Arc<Self>> {
        config.get_extension::<Self>().ok_or_else(|| DataFusionError::Internal("the statement has no sources".into()))
    }
}

/// An error of a source on its way through DataFusion; [`SourceFailure::find`] gets it back.
#[derive(Debug)]
pub struct SourceFailure {
    pub connection: Alias,
    pub error: Arc<junto_connector::Error>,
}

impl SourceFailure {
    pub(crate) fn wrap(connection: &Alias, error: junto_connector::Error) -> DataFusionError {
        DataFusionError::External(Box::new(Self { connection: connection.clone(), error: Arc::new(error) }))
    }

    /// The source's error inside `error`, wherever DataFusion wrapped it.
    pub fn find(error: &DataFusionError) -> Option<&SourceFailure> {
        let mut current: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(inner) = current {
            if let Some(failure) = inner.downcast_ref::<SourceFailure>() {
                return Some(failure);
            }
            current = match inner.downcast_ref::<DataFusionError>() {
                Some(DataFusionError::Collection(errors)) => return errors.iter().find_map(Self::find),
                Some(DataFusionError::External(boxed)) => Some(boxed.as_ref()),
                Some(DataFusionError::Shared(shared)) => return Self::find(shared),
                Some(DataFusionError::ArrowError(arrow, _)) => match arrow.as_ref() {
                    arrow::error::ArrowError::ExternalError(boxed) => Some(boxed.as_ref()),
                    other => other.source(),
                },
                _ => inner.source(),
            };
        }
        None
    }
}

impl fmt::Display for SourceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.connection)
    }
}

impl std::error::Error for SourceFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.error.as_ref())
    }
}
