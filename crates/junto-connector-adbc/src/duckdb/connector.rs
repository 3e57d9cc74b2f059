//! The contract's answers for a DuckDB file.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, AsArray, ListArray, RecordBatch};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit};
use async_trait::async_trait;
use futures::StreamExt;
use junto_connector::{
    BatchStream, Capabilities, Connector, Error, Expr, Health, Keys, NativeRequest, NativeResult, OpenRequest, Options,
    Privileges, Reaper, RelationColumn, RemoteId, RemotePlan, Result, SchemaInfo, StatementContext, Support, TableInfo,
    TableStatistics, TableSummary, TextSemantics, TypeClass, Workspace, check_plan,
};
use junto_connector_sql::{KeyValues, can_express, generate};
use junto_types::TableName;

use super::capabilities::{capabilities, refuses};
use super::catalog::Catalog;
use super::database::Database;
use super::dialect::{DuckDb, KEYS_AS_LITERALS};
use super::workspace::DuckDbWorkspace;
use super::{DRIVER, gate, statistics, workspace};
use crate::read::{Lease, Query, Started, start};

/// Rows per batch of metadata queries.
const METADATA_ROWS: usize = 8192;

/// A live DuckDB file.
#[derive(Debug)]
pub(super) struct DuckDbConnector {
    session: Arc<Session>,
    remote_id: RemoteId,
    capabilities: Capabilities,
    options: Options,
    writable: bool,
}

/// What metadata queries need.
#[derive(Debug)]
pub(super) struct Session {
    database: Database,
    reaper: Reaper,
}

impl Session {
    /// Runs a query of ours and collects its rows.
    pub(super) async fn rows(&self, sql: String) -> Result<(Arc<Schema>, Vec<RecordBatch>)> {
        let query = native_query(NativeRequest {
            sql,
            read_only: true,
            batch_rows: METADATA_ROWS,
            context: StatementContext::new(None),
        });
        let Started { schema, mut stream } = start(self.database.lease().await?, query, &self.reaper).await?;
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await {
            batches.push(batch?);
        }
        Ok((schema, batches))
    }
}

impl DuckDbConnector {
    pub(super) fn new(database: Database, path: &Path, options: Options, reaper: Reaper) -> Self {
        let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let writable = std::fs::metadata(&full).is_ok_and(|metadata| !metadata.permissions().readonly());
        Self {
            session: Arc::new(Session { database, reaper }),
            remote_id: RemoteId::new(format!("duckdb:{}", full.display())),
            capabilities: capabilities(),
            options,
            writable,
        }
    }

    /// The same source, to be held by a workspace.
    fn of_workspace(&self) -> Self {
        Self {
            session: Arc::clone(&self.session),
            remote_id: self.remote_id.clone(),
            capabilities: self.capabilities.clone(),
            options: self.options.clone(),
            writable: self.writable,
        }
    }

    /// The handle for reading.
    pub(super) async fn lease(&self) -> Result<Lease> {
        self.session.database.lease().await
    }

    /// Where what a dropped read leaves behind is finished.
    pub(super) fn reaper(&self) -> &Reaper {
        &self.session.reaper
    }

    /// Reads a plan that was checked over this handle.
    pub(super) async fn open_over(&self, lease: Lease, request: OpenRequest) -> Result<BatchStream> {
        let plan = Arc::clone(&request.plan);
        let Some(query) = planned_query(request)? else { return Ok(Box::pin(futures::stream::empty())) };
        let started = start(lease, query, self.reaper()).await;
        Ok(started.map_err(|error| stale(error, &plan))?.stream)
    }

    fn catalog(&self) -> Catalog<'_> {
        Catalog { session: &self.session, options: &self.options }
    }

    async fn write(&self, request: NativeRequest) -> Result<NativeResult> {
        let waits = self.session.database.write_lease();
        let lease = match request.context.deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), waits)
                .await
                .map_err(|_| Error::Locked { reason: "statements of this program still read the file".into() })??,
            None => waits.await?,
        };
        let reads = gate::check(&request.sql).is_ok();
        let started = start(lease, native_query(request), &self.session.reaper).await?;
        if reads || !is_acknowledgement(&started.schema) {
            return Ok(NativeResult { schema: started.schema, stream: started.stream, affected: None });
        }
        Ok(NativeResult::without_rows(counted(started.stream).await?))
    }
}

#[async_trait]
impl Connector for DuckDbConnector {
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
        let support = self.capabilities.support(expr, input);
        if support == Support::Unsupported || refuses(expr, input) || !can_express(&DuckDb, expr, input) {
            return Support::Unsupported;
        }
        support
    }

    fn accepts_keys(&self, column: &RelationColumn) -> bool {
        let keys = self.capabilities.keys.as_ref();
        !matches!(column.data_type, DataType::Timestamp(TimeUnit::Nanosecond, _) | DataType::Decimal256(..))
            && column.text != TextSemantics::Opaque
            && keys.is_some_and(|keys| keys.types.contains(&TypeClass::of(&column.data_type)))
    }

    async fn schemas(&self) -> Result<Vec<SchemaInfo>> {
        self.catalog().schemas().await
    }

    async fn tables(&self, schema: Option<&str>) -> Result<Vec<TableSummary>> {
        self.catalog().tables(schema).await
    }

    async fn table(&self, schema: Option<&str>, table: &str) -> Result<TableInfo> {
        self.catalog().table(schema, table).await
    }

    async fn statistics(&self, table: &TableName) -> Result<TableStatistics> {
        let info = self.catalog().table(table.schema.as_deref(), &table.table).await?;
        statistics::collect(&self.session, &info).await
    }

    async fn estimate(&self, plan: Arc<RemotePlan>, _context: &StatementContext) -> Result<Option<f64>> {
        check_plan(self, &plan)?;
        statistics::estimate(&self.session, &plan).await
    }

    fn remote_text(&self, plan: &RemotePlan, keys: Option<&[usize]>) -> Result<String> {
        check_plan(self, plan)?;
        generate(&DuckDb, plan, keys.map(|columns| KeyValues::Shape { columns }))
    }

    async fn open(&self, request: OpenRequest) -> Result<BatchStream> {
        check_plan(self, &request.plan)?;
        self.open_over(self.lease().await?, request).await
    }

    fn temporary_table(&self, name: &str, schema: &Schema) -> Result<TableInfo> {
        workspace::temporary_table(name, schema)
    }

    async fn workspace(&self, context: StatementContext) -> Result<Box<dyn Workspace>> {
        Ok(Box::new(DuckDbWorkspace::open(self.of_workspace(), context).await?))
    }

    async fn native(&self, request: NativeRequest) -> Result<NativeResult> {
        if !request.read_only {
            return self.write(request).await;
        }
        gate::check(&request.sql)?;
        let lease = self.session.database.lease().await?;
        let started = start(lease, native_query(request), &self.session.reaper).await?;
        Ok(NativeResult { schema: started.schema, stream: started.stream, affected: None })
    }

    async fn health(&self) -> Result<Health> {
        let begun = Instant::now();
        let (_, batches) = self.session.rows("SELECT version()".into()).await?;
        let version = batches.first().and_then(|batch| batch.column(0).as_string_view_opt()?.iter().next()?);
        Ok(Health { version: format!("DuckDB {}", version.unwrap_or_default()), latency: begun.elapsed() })
    }

    async fn privileges(&self) -> Result<Privileges> {
        Ok(Privileges { can_write: self.writable, can_create_temporary: true, not_enforceable: Vec::new() })
    }

    async fn close(&self) {}
}

/// The query for a plan; none when no row can have any of the keys.
fn planned_query(request: OpenRequest) -> Result<Option<Query>> {
    if request.keys.as_ref().is_some_and(|keys| keys.values.num_rows() == 0 && !keys.nulls) {
        return Ok(None);
    }
    let (sql, parameters) = match &request.keys {
        None => (generate(&DuckDb, &request.plan, None)?, None),
        Some(keys) if keys.values.num_rows() <= KEYS_AS_LITERALS => {
            (generate(&DuckDb, &request.plan, Some(KeyValues::Values(keys)))?, None)
        }
        Some(keys) => {
            let values = KeyValues::Parameters { columns: &keys.columns, nulls: keys.nulls };
            (generate(&DuckDb, &request.plan, Some(values))?, Some(key_lists(keys)?))
        }
    };
    Ok(Some(Query {
        sql,
        parameters,
        planned: Some(request.plan.schema()),
        batch_rows: request.batch_rows,
        read_only: false,
        context: request.context,
    }))
}

fn native_query(request: NativeRequest) -> Query {
    Query {
        sql: request.sql,
        parameters: None,
        planned: None,
        batch_rows: request.batch_rows,
        read_only: false,
        context: request.context,
    }
}

/// DuckDB answers statements without rows with one column, `Count` or `Success`.
fn is_acknowledgement(schema: &Schema) -> bool {
    matches!(schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>()[..], ["Count" | "Success"])
}

async fn counted(mut stream: BatchStream) -> Result<Option<u64>> {
    let mut affected = None;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let counts = batch.column(0).as_primitive_opt::<Int64Type>();
        affected = counts.and_then(|counts| counts.iter().flatten().next()).map(|count| count as u64).or(affected);
    }
    Ok(affected)
}

/// One row with a list per key column, which `unnest($1)` turns back into rows.
fn key_lists(keys: &Keys) -> Result<RecordBatch> {
    let lists = keys.values.columns().iter().map(|column| {
        let item = Arc::new(Field::new("item", column.data_type().clone(), true));
        let offsets = OffsetBuffer::from_lengths([column.len()]);
        let list = ListArray::try_new(item, offsets, Arc::clone(column), None);
        list.map(|list| Arc::new(list) as ArrayRef).map_err(|cause| Error::internal(cause.to_string()))
    });
    let lists = lists.collect::<Result<Vec<_>>>()?;
    let fields = lists.iter().enumerate().map(|(at, list)| Field::new(at.to_string(), list.data_type().clone(), false));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), lists).map_err(|cause| Error::internal(cause.to_string()))
}

/// Generated SQL names nothing that was not in the catalog, so a name that is missing has gone since.
fn stale(error: Error, plan: &RemotePlan) -> Error {
    match error {
        Error::Statement { message, code: Some(code), .. } if code == "Catalog Error" || code == "Binder Error" => {
            let table = plan.root.tables().first().map(ToString::to_string).unwrap_or_default();
            Error::StaleCatalog { table, reason: message }
        }
        other => other,
    }
}
