//! The traits a source implements, and what goes through them.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use async_trait::async_trait;
use futures::Stream;
use junto_types::TableName;
use serde::{Deserialize, Serialize};

use crate::bytes::bytes_of;
use crate::capabilities::{Capabilities, Support, TypeClass};
use crate::catalog::{SchemaInfo, TableInfo, TableSummary, TextSemantics};
use crate::error::Result;
use crate::expr::Expr;
use crate::options::{ConnectionConfig, OptionSpec, Options};
use crate::plan::{RelationColumn, RemotePlan};
use crate::reaper::Reaper;
use crate::statistics::TableStatistics;

/// Batches of one read, in the plan's schema. After an error nothing more comes; an end without error is complete.
///
/// Dropping the stream stops the work on the source within two seconds, through the [`Reaper`].
pub type BatchStream = Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>;

/// Identity of the server or file behind a connection. Two connections with one id can share a pushed-down join.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RemoteId(String);

impl RemoteId {
    /// For example `postgres://reader@db:5432/shop`: driver, user, place, database; never a password.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for RemoteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes connections of one kind. Stateless; one value per driver, listed in a [`crate::Registry`].
#[async_trait]
pub trait ConnectorFactory: fmt::Debug + Send + Sync {
    /// The driver's name, as in `driver = "postgres"`.
    fn driver(&self) -> &'static str;

    /// URL schemes it answers to, without `:`.
    fn schemes(&self) -> &'static [&'static str];

    /// Every option it takes; anything else is refused.
    fn options(&self) -> &'static [OptionSpec];

    /// Options out of a URL of one of [`Self::schemes`]. No I/O.
    fn parse_url(&self, url: &str) -> Result<Options>;

    /// Checks the options, connects once (so that a wrong password fails here), and returns the live source.
    ///
    /// Ends within the option `connect_timeout`.
    async fn connect(&self, config: ConnectionConfig, reaper: Reaper) -> Result<Arc<dyn Connector>>;
}

/// A live source. Cheap to share; every method may be called at the same time as every other.
#[async_trait]
pub trait Connector: fmt::Debug + Send + Sync {
    /// Driver name, as [`ConnectorFactory::driver`].
    fn driver(&self) -> &'static str;

    /// Which server, database and login this is.
    fn remote_id(&self) -> &RemoteId;

    /// What it computes exactly.
    fn capabilities(&self) -> &Capabilities;

    /// How well it computes `expr` over a relation with these columns. Sources with types of their own refine it.
    fn supports(&self, expr: &Expr, input: &[RelationColumn]) -> Support {
        self.capabilities().support(expr, input)
    }

    /// Whether keys of this plan column's Arrow type may be given to [`Self::open`]. The rows delivered may be a
    /// superset of those with the keys, never less.
    fn accepts_keys(&self, column: &RelationColumn) -> bool {
        self.capabilities().keys.as_ref().is_some_and(|keys| {
            keys.types.contains(&TypeClass::of(&column.data_type)) && column.text != TextSemantics::Opaque
        })
    }

    /// Schemas the login may see; internal ones of the system are left out.
    async fn schemas(&self) -> Result<Vec<SchemaInfo>>;

    /// Tables, views and the like of one schema, or of all.
    async fn tables(&self, schema: Option<&str>) -> Result<Vec<TableSummary>>;

    /// One table in full. `schema: None` is the default schema. Names are matched exactly, else ignoring case when
    /// only one table matches.
    ///
    /// # Errors
    /// [`crate::Error::TableNotFound`] with the nearest name.
    async fn table(&self, schema: Option<&str>, table: &str) -> Result<TableInfo>;

    /// Estimates about one table, named as [`Self::table`] returned it. Cheap: no scan.
    async fn statistics(&self, table: &TableName) -> Result<TableStatistics>;

    /// Rows that the source itself expects this plan to deliver, by its own statistics and without reading rows: EXPLAIN.
    /// None from a source that cannot say, or only guesses. The plan has no parameters.
    ///
    /// # Errors
    /// What is in the way: the right to ask, for one. The reader does without.
    async fn estimate(&self, plan: Arc<RemotePlan>, context: &StatementContext) -> Result<Option<f64>> {
        let _ = (plan, context);
        Ok(None)
    }

    /// The text that [`Self::open`] sends for this plan (with `keys`, the shape of each keyed query), for EXPLAIN and
    /// logs. Made by the function that makes the text which is sent.
    fn remote_text(&self, plan: &RemotePlan, keys: Option<&[usize]>) -> Result<String>;

    /// The one read call.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] for a plan that [`crate::check_plan`] refuses: wrong rows are never an answer.
    async fn open(&self, request: OpenRequest) -> Result<BatchStream>;

    /// The same read through several connections at once: at least one stream and at most `workers.most`, which together
    /// deliver every row once, of one state of the data. A source that cannot split the plan, or cannot promise one
    /// state, returns one stream and says why in [`SourceMetrics::note`].
    ///
    /// Only the first stream may wait for a connection. Another that finds none free ends at once and leaves its part
    /// to the rest, so that statements which need many connections cannot block each other. The streams are polled at the
    /// same time; each stops its own work when it is dropped.
    ///
    /// # Errors
    /// As [`Self::open`].
    async fn open_parallel(&self, request: OpenRequest, _workers: Workers) -> Result<Vec<BatchStream>> {
        Ok(vec![self.open(request).await?])
    }

    /// How the source would hold a temporary table with these columns, for plans over it: the name in its spelling, and
    /// columns of types that hold every value of the schema exactly. No I/O.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] for a source without temporary tables, or a type that none of its types holds.
    fn temporary_table(&self, name: &str, schema: &Schema) -> Result<TableInfo> {
        let _ = (name, schema);
        Err(crate::Error::Unsupported { driver: self.driver(), what: "a temporary table".into() })
    }

    /// A session of its own for one statement, in which temporary tables can be made and nothing else changed.
    ///
    /// # Errors
    /// [`crate::Error::PermissionDenied`] when the login may not make temporary tables.
    async fn workspace(&self, context: StatementContext) -> Result<Box<dyn Workspace>> {
        let _ = context;
        Err(crate::Error::Unsupported { driver: self.driver(), what: "a temporary table".into() })
    }

    /// Runs one statement of the user's, in the source's own dialect. With [`NativeRequest::read_only`] the session
    /// refuses writes by itself, not by looking at the text.
    async fn native(&self, request: NativeRequest) -> Result<NativeResult>;

    /// A round trip to the server.
    async fn health(&self) -> Result<Health>;

    /// What the login may do beyond reading.
    async fn privileges(&self) -> Result<Privileges>;

    /// Closes idle connections. Streams that are open go on.
    async fn close(&self);
}

/// A session that holds temporary tables. They go with it: when it is dropped, and when the program dies.
#[async_trait]
pub trait Workspace: fmt::Debug + Send {
    /// Makes a table as [`Connector::temporary_table`] described it and fills it; returns the rows stored.
    ///
    /// # Errors
    /// Those of the rows, and of the source. The session is of no use afterwards.
    async fn fill(&mut self, table: &TableInfo, rows: BatchStream) -> Result<u64>;

    /// As [`Connector::open`], over tables of the source and those of this session, which ends with the stream.
    ///
    /// # Errors
    /// As [`Connector::open`].
    async fn open(self: Box<Self>, request: OpenRequest) -> Result<BatchStream>;
}

/// How a read may be shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workers {
    /// Streams, at most; at least one.
    pub most: usize,
    /// An aggregate at the root of the plan may be delivered in parts: several rows of one group, each over some of the
    /// rows, which the reader merges. Without groups: several rows, one per part.
    pub groups_in_parts: bool,
}

/// Values that key columns of the plan may have. Sorted, distinct, without NULLs.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Positions of the key columns among the plan's output columns.
    pub columns: Vec<usize>,
    /// One column per key column, in its Arrow type; a row is a key.
    pub values: RecordBatch,
    /// Rows whose (single) key column is NULL are wanted too.
    pub nulls: bool,
}

impl Keys {
    /// The keys in lists of at most `most`; NULL goes with the first.
    pub fn lists(&self, most: usize) -> impl Iterator<Item = Keys> {
        let (rows, most) = (self.values.num_rows(), most.max(1));
        let least = usize::from(self.nulls);
        (0..rows.div_ceil(most).max(least)).map(move |list| {
            let from = list * most;
            Keys {
                columns: self.columns.clone(),
                values: self.values.slice(from, (rows - from).min(most)),
                nulls: self.nulls && list == 0,
            }
        })
    }
}

/// A read.
#[derive(Debug, Clone)]
pub struct OpenRequest {
    pub plan: Arc<RemotePlan>,
    /// Restricts the plan's *result* (never what is below a limit or aggregate inside it).
    pub keys: Option<Keys>,
    /// Rows per batch, at most.
    pub batch_rows: usize,
    pub context: StatementContext,
}

/// What belongs to the statement of the user, whatever it makes of remote queries.
#[derive(Debug, Clone)]
pub struct StatementContext {
    /// Goes into a comment of every remote query, so that it can be found in the server's activity list.
    pub statement: uuid::Uuid,
    /// When the statement must have ended.
    pub deadline: Option<Instant>,
    pub metrics: Arc<SourceMetrics>,
}

impl StatementContext {
    /// A context of its own, for tests and metadata.
    pub fn new(deadline: Option<Instant>) -> Self {
        Self { statement: uuid::Uuid::new_v4(), deadline, metrics: Arc::default() }
    }

    /// Time left; `None` without a deadline, zero after it.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// Counters of one statement on one source, or of one of its reads. Counted by the connector while it reads.
#[derive(Debug, Default)]
pub struct SourceMetrics {
    /// Counts everything too.
    whole: Option<Arc<SourceMetrics>>,
    queries: AtomicU64,
    rows: AtomicU64,
    bytes: AtomicU64,
    notes: Mutex<BTreeSet<String>>,
}

impl SourceMetrics {
    /// Counters of a part of what `whole` counts.
    pub fn part_of(whole: Arc<SourceMetrics>) -> Self {
        Self { whole: Some(whole), ..Self::default() }
    }

    /// Something about how the source was read that whoever reads the plan should know, said once.
    pub fn note(&self, note: impl Into<String>) {
        let note = note.into();
        if let Some(whole) = &self.whole {
            whole.note(note.clone());
        }
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).insert(note);
    }

    /// What was noted.
    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// One more query was sent.
    pub fn add_query(&self) {
        self.whole.iter().for_each(|whole| whole.add_query());
        self.queries.fetch_add(1, Ordering::Relaxed);
    }

    /// Rows arrived, and the bytes they took on the wire.
    pub fn add_rows(&self, rows: u64, bytes: u64) {
        self.whole.iter().for_each(|whole| whole.add_rows(rows, bytes));
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A batch of a source without a wire.
    pub fn add_batch(&self, batch: &RecordBatch) {
        self.add_rows(batch.num_rows() as u64, bytes_of(batch) as u64);
    }

    /// Queries sent so far.
    pub fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// Rows received so far.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Bytes received so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// A statement in the source's own dialect.
#[derive(Debug, Clone)]
pub struct NativeRequest {
    pub sql: String,
    pub read_only: bool,
    pub batch_rows: usize,
    pub context: StatementContext,
}

/// Answer to a native statement.
pub struct NativeResult {
    /// Empty for statements that return no rows.
    pub schema: SchemaRef,
    pub stream: BatchStream,
    /// Rows changed, when the source says so. Final before the stream is returned.
    pub affected: Option<u64>,
}

impl NativeResult {
    /// Answer of a statement without rows.
    pub fn without_rows(affected: Option<u64>) -> Self {
        Self { schema: Arc::new(Schema::empty()), stream: Box::pin(futures::stream::empty()), affected }
    }
}

impl fmt::Debug for NativeResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeResult")
            .field("schema", &self.schema)
            .field("affected", &self.affected)
            .finish_non_exhaustive()
    }
}

/// Outcome of a health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Product and version in the server's words.
    pub version: String,
    /// Round trip.
    pub latency: Duration,
}

/// What the login may do beyond reading.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Privileges {
    pub can_write: bool,
    pub can_create_temporary: bool,
    /// Why read-only cannot be fully enforced for this login (superuser, file rights …); empty when it can.
    pub not_enforceable: Vec<String>,
}
