//! The two traits of the contract, for SQLite.

use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::Schema;
use async_trait::async_trait;
use junto_connector::options::parse_path_url;
use junto_connector::plan::RelationColumn;
use junto_connector::{
    BatchStream, Capabilities, ConnectionConfig, Connector, ConnectorFactory, Error, Expr, Health, NativeRequest,
    NativeResult, OpenRequest, OptionSpec, Options, Privileges, Reaper, RemoteId, RemotePlan, Result, SchemaInfo,
    StatementContext, Support, TableInfo, TableStatistics, TableSummary, Workers, Workspace, check_plan,
};
use junto_connector_sql::{KeyValues, generate, tagged};
use junto_types::{TableName, nearest};
use tokio::sync::oneshot;

use crate::capabilities::{capabilities, support};
use crate::catalog::{Catalog, SCHEMA};
use crate::decode::{Column, Decoder};
use crate::dialect::SqliteDialect;
use crate::error::{from_sqlite, is_stale};
use crate::file::Database;
use crate::parallel::{self, Reading};
use crate::parts::{Part, may_be_listed};
use crate::pool::{Control, Pool, watch};
use crate::settings::{OPTIONS, Settings};
use crate::workspace::SqliteWorkspace;
use crate::{native, scan, workspace};

pub(crate) const DRIVER: &str = "sqlite";

/// Makes connections to SQLite files.
#[derive(Debug, Clone, Copy, Default)]
pub struct SqliteFactory;

#[async_trait]
impl ConnectorFactory for SqliteFactory {
    fn driver(&self) -> &'static str {
        DRIVER
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["sqlite"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn parse_url(&self, url: &str) -> Result<Options> {
        Options::checked(OPTIONS, parse_path_url(url)?)
    }

    async fn connect(&self, config: ConnectionConfig, reaper: Reaper) -> Result<Arc<dyn Connector>> {
        let settings = Settings::new(&config.options)?;
        let deadline = Instant::now() + settings.connect_timeout;
        let mut connector = SqliteConnector {
            remote_id: RemoteId::new(format!("{DRIVER}:{}", settings.path.display())),
            capabilities: Capabilities::none(),
            pool: Arc::new(Pool::new(settings, config.max_connections.max(1))),
            reaper,
            utf16: false,
        };
        let encoding = connector.check(Some(deadline)).await?;
        connector.utf16 = encoding.starts_with("UTF-16");
        connector.capabilities = capabilities(connector.utf16);
        Ok(Arc::new(connector))
    }
}

/// One file.
#[derive(Debug)]
pub(crate) struct SqliteConnector {
    remote_id: RemoteId,
    capabilities: Capabilities,
    pool: Arc<Pool>,
    reaper: Reaper,
    /// Text is stored in UTF-16.
    utf16: bool,
}

impl SqliteConnector {
    /// Reads the first page, which tells a database from another file and a lock from none. Returns the text encoding.
    async fn check(&self, deadline: Option<Instant>) -> Result<String> {
        let control = Control::new(deadline);
        let timed = Arc::clone(&control);
        let read = self.pool.run(control, |connection, settings| {
            let sql = "SELECT (SELECT count(*) FROM sqlite_schema), encoding FROM pragma_encoding";
            let encoding = connection.query_row(sql, [], |row| row.get(1));
            encoding.map_err(|cause| from_sqlite(&settings.path, cause))
        });
        read.await.map_err(|error| timed.explain(error))
    }

    async fn catalog<T: Send + 'static>(
        &self,
        work: impl FnOnce(Catalog<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let control = Control::new(None);
        self.pool.run(control, |connection, settings| work(Catalog::new(connection, settings))).await
    }

    fn check_schema(schema: Option<&str>) -> Result<()> {
        match schema {
            Some(schema) if !schema.eq_ignore_ascii_case(SCHEMA) => {
                Err(Error::SchemaNotFound { schema: schema.into(), nearest: nearest(schema, [SCHEMA]).map(Into::into) })
            }
            _ => Ok(()),
        }
    }

    fn decoder(plan: &RemotePlan, batch_rows: usize) -> Result<Decoder> {
        let tables = plan.root.tables();
        let table = match tables.as_slice() {
            [only] => Some(only.table.as_str()),
            _ => None,
        };
        let columns = plan.root.columns();
        let columns = columns.iter().map(|column| Column::of_plan(column, table)).collect::<Result<Vec<_>>>()?;
        Decoder::new(plan.schema(), columns, batch_rows.max(1))
    }
}

#[async_trait]
impl Connector for SqliteConnector {
    fn driver(&self) -> &'static str {
        DRIVER
    }

    fn remote_id(&self) -> &RemoteId {
        &self.remote_id
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn supports(&self, expr: &Expr, input: &[RelationColumn]) -> Support {
        support(&self.capabilities, expr, input)
    }

    async fn schemas(&self) -> Result<Vec<SchemaInfo>> {
        Ok(vec![SchemaInfo { name: SCHEMA.into(), is_default: true, comment: None }])
    }

    async fn tables(&self, schema: Option<&str>) -> Result<Vec<TableSummary>> {
        Self::check_schema(schema)?;
        self.catalog(|catalog| catalog.tables()).await
    }

    async fn table(&self, schema: Option<&str>, table: &str) -> Result<TableInfo> {
        Self::check_schema(schema)?;
        let table = table.to_owned();
        self.catalog(move |catalog| catalog.table(&table)).await
    }

    async fn statistics(&self, table: &TableName) -> Result<TableStatistics> {
        let table = table.table.clone();
        self.catalog(move |catalog| catalog.statistics(&table)).await
    }

    fn remote_text(&self, plan: &RemotePlan, keys: Option<&[usize]>) -> Result<String> {
        check_plan(self, plan)?;
        generate(&SqliteDialect, plan, keys.map(|columns| KeyValues::Shape { columns }))
    }

    async fn open(&self, request: OpenRequest) -> Result<BatchStream> {
        check_plan(self, &request.plan)?;
        if request.keys.as_ref().is_some_and(|keys| keys.values.num_rows() == 0 && !keys.nulls) {
            return Ok(Box::pin(futures::stream::empty()));
        }
        let sql = generate(&SqliteDialect, &request.plan, request.keys.as_ref().map(KeyValues::Values))?;
        let sql = tagged(&request.context.statement, &sql);
        let mut decoder = Self::decoder(&request.plan, request.batch_rows)?;
        let (sink, batches, control) = self.stream(&request.context);
        sink.count_query();
        let table = Self::first_table(&request.plan);
        self.pool.start(control, move |connection| {
            let read = connection
                .and_then(|(connection, settings)| scan::read(connection, &settings.path, &sql, &mut decoder, &sink));
            sink.finish(read.map_err(|error| stale(error, table)))
        })?;
        Ok(Box::pin(batches))
    }

    async fn open_parallel(&self, request: OpenRequest, workers: Workers) -> Result<Vec<BatchStream>> {
        check_plan(self, &request.plan)?;
        match self.parts(&request, workers).await? {
            parts if parts.len() < 2 => Ok(vec![self.open(request).await?]),
            parts => self.open_parts(&request, workers, parts),
        }
    }

    fn temporary_table(&self, name: &str, schema: &Schema) -> Result<TableInfo> {
        workspace::temporary_table(name, schema, self.utf16)
    }

    async fn workspace(&self, context: StatementContext) -> Result<Box<dyn Workspace>> {
        Ok(Box::new(SqliteWorkspace::open(self.of_workspace(), context).await?))
    }

    async fn native(&self, request: NativeRequest) -> Result<NativeResult> {
        let (sink, batches, control) = self.stream(&request.context);
        sink.count_query();
        let (started, schema) = oneshot::channel();
        let timed = Arc::clone(&control);
        let read_only = request.read_only;
        self.pool.start(control, move |connection| match connection {
            Ok((connection, settings)) => {
                let batch_rows = request.batch_rows.max(1);
                let outcome = native::run(connection, &settings.path, &request.sql, batch_rows, started, &sink);
                sink.finish(outcome)
            }
            Err(error) => {
                let _ = started.send(Err(error));
                sink.finish(Ok(()))
            }
        })?;
        let schema = schema.await.map_err(|_| Error::internal("a thread reading a SQLite file ended"))?;
        let schema = schema.map_err(|error| match timed.explain(error) {
            Error::ReadOnly { .. } if !read_only => Error::Unsupported { driver: DRIVER, what: "writing".into() },
            other => other,
        })?;
        Ok(NativeResult { schema, stream: Box::pin(batches), affected: None })
    }

    async fn health(&self) -> Result<Health> {
        let asked = Instant::now();
        self.check(None).await?;
        Ok(Health { version: format!("SQLite {}", rusqlite::version()), latency: asked.elapsed() })
    }

    async fn privileges(&self) -> Result<Privileges> {
        Ok(Privileges { can_create_temporary: true, ..Privileges::default() })
    }

    async fn close(&self) {
        self.pool.close();
    }
}

impl SqliteConnector {
    /// The same source, to be held by a workspace.
    fn of_workspace(&self) -> Self {
        Self {
            remote_id: self.remote_id.clone(),
            capabilities: self.capabilities.clone(),
            pool: Arc::clone(&self.pool),
            reaper: self.reaper.clone(),
            utf16: self.utf16,
        }
    }

    /// The options of the file.
    pub(crate) fn settings(&self) -> &Settings {
        self.pool.settings()
    }

    /// What waits for threads that nobody waits for.
    pub(crate) fn reaper(&self) -> &Reaper {
        &self.reaper
    }

    /// Reads a plan that was checked over this connection, on a thread of its own, and closes it before the end is told.
    pub(crate) fn open_over(&self, mut database: Database, request: &OpenRequest) -> Result<BatchStream> {
        if request.keys.as_ref().is_some_and(|keys| keys.values.num_rows() == 0 && !keys.nulls) {
            return Ok(Box::pin(futures::stream::empty()));
        }
        let sql = generate(&SqliteDialect, &request.plan, request.keys.as_ref().map(KeyValues::Values))?;
        let sql = tagged(&request.context.statement, &sql);
        let mut decoder = Self::decoder(&request.plan, request.batch_rows)?;
        let (sink, batches, control) = self.stream(&request.context);
        sink.count_query();
        let (table, settings) = (Self::first_table(&request.plan), self.settings().clone());
        let work = move || {
            let connection = database.connection();
            let read = watch(connection, &control, &settings)
                .map_err(|cause| from_sqlite(&settings.path, cause))
                .and_then(|()| scan::read(connection, &settings.path, &sql, &mut decoder, &sink));
            drop(database);
            sink.finish(read.map_err(|error| stale(error, table)))();
        };
        let started = std::thread::Builder::new().name("junto-sqlite".into()).spawn(work);
        started.map_err(|cause| Error::Resource { what: format!("no thread for a query: {cause}") })?;
        Ok(Box::pin(batches))
    }

    /// What shares out the plan's first table; less than two parts when one thread is to read it.
    async fn parts(&self, request: &OpenRequest, workers: Workers) -> Result<Vec<Part>> {
        let workers = Workers { most: workers.most.min(self.pool.max_connections()), ..workers };
        let may_share = request.keys.as_ref().is_none_or(|keys| may_be_listed(&request.plan, keys));
        let table = match request.plan.first_table(workers.groups_in_parts) {
            Some(table) if workers.most > 1 && may_share => table.table.clone(),
            _ => return Ok(Vec::new()),
        };
        let control = Control::new(request.context.deadline);
        let timed = Arc::clone(&control);
        let (plan, keys) = (Arc::clone(&request.plan), request.keys.clone());
        let asked = self.pool.run(control, move |connection, settings| {
            let catalog = Catalog::new(connection, settings);
            match &keys {
                Some(keys) => catalog.lists(&plan, keys, workers),
                None => catalog.parts(&plan, &table, workers),
            }
        });
        match asked.await.map_err(|error| timed.explain(error)) {
            Err(error @ (Error::Locked { .. } | Error::Cancelled | Error::TimedOut { .. })) => Err(error),
            // Reading says better what is wrong.
            asked => Ok(asked.unwrap_or_default()),
        }
    }

    /// Starts the threads of a parallel read. The first may be one too many for the file's connections; others only join
    /// when there is room for them.
    fn open_parts(&self, request: &OpenRequest, workers: Workers, parts: Vec<Part>) -> Result<Vec<BatchStream>> {
        let most = workers.most.min(self.pool.max_connections()).min(parts.len());
        let reading = Arc::new(Reading::new(request, parts));
        let (leader, helpers) = parallel::team(most - 1);
        let mut streams: Vec<BatchStream> = Vec::new();
        let table = Self::first_table(&request.plan);
        let decoder = Self::decoder(&request.plan, request.batch_rows)?;
        let (sink, batches, control) = self.stream(&request.context);
        streams.push(Box::pin(batches));
        let shared = Arc::clone(&reading);
        self.pool.start(control, move |connection| {
            let read = connection
                .and_then(|(connection, settings)| leader.run(&shared, connection, &settings.path, decoder, &sink));
            sink.finish(read.map_err(|error| stale(error, table)))
        })?;
        for helper in helpers {
            let table = Self::first_table(&request.plan);
            let decoder = Self::decoder(&request.plan, request.batch_rows)?;
            let (sink, batches, control) = self.stream(&request.context);
            let reading = Arc::clone(&reading);
            let started = self.pool.start_if_free(control, move |connection| {
                // A helper that gets no connection is not needed.
                let read = connection.map_or(Ok(()), |(connection, settings)| {
                    helper.run(&reading, connection, &settings.path, decoder, &sink)
                });
                sink.finish(read.map_err(|error| stale(error, table)))
            });
            if started {
                streams.push(Box::pin(batches));
            }
        }
        Ok(streams)
    }

    /// For errors.
    fn first_table(plan: &RemotePlan) -> String {
        plan.root.tables().first().map(ToString::to_string).unwrap_or_default()
    }

    fn stream(&self, context: &StatementContext) -> (scan::Sink, scan::Batches, Arc<Control>) {
        let control = Control::new(context.deadline);
        let (sink, batches) = scan::channel(&control, &context.metrics, &self.reaper);
        (sink, batches, control)
    }
}

/// The error of a generated statement: a name that is missing means that the catalog is old.
fn stale(error: Error, table: String) -> Error {
    if is_stale(&error) { Error::StaleCatalog { table, reason: error.to_string() } } else { error }
}
