//! The connector against real servers.

mod catalog;
mod contract;
mod faults;
mod keyed;
mod native;
mod parallel;
mod parallel_faults;
mod scans;
mod types;
mod workspace;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use junto_connector::plan::Relation;
use junto_connector::{
    ColumnInfo, ConnectionConfig, Connector, ConnectorFactory, Error, Keys, NativeRequest, OpenRequest, Prefer, Reaper,
    RemotePlan, Result, ScanColumn, StatementContext, TableInfo,
};
use junto_connector_postgres::PostgresFactory;
use junto_testkit::postgres::Server;
use junto_types::{Alias, ConnectionId};

/// Connects by URL.
async fn try_connect(url: &str) -> Result<Arc<dyn Connector>> {
    try_connect_at_most(url, 4).await
}

/// Connects by URL, with at most so many connections.
async fn try_connect_at_most(url: &str, max_connections: usize) -> Result<Arc<dyn Connector>> {
    let config = ConnectionConfig {
        id: ConnectionId::random(),
        name: "test".into(),
        alias: Alias::new("pg").expect("a valid alias"),
        driver: "postgres".into(),
        options: PostgresFactory.parse_url(url)?,
        prefer: Prefer::default(),
        max_connections,
    };
    PostgresFactory.connect(config, Reaper::start()).await
}

async fn connect(url: &str) -> Arc<dyn Connector> {
    try_connect(url).await.expect("the server accepts us")
}

/// A new database with these tables, and a connection to it.
async fn database(server: &Server, name: &str, sql: &str) -> Arc<dyn Connector> {
    server.create_database(name);
    server.execute(name, sql);
    connect(&server.url(name)).await
}

fn scan_column(column: &ColumnInfo) -> ScanColumn {
    ScanColumn {
        name: column.name.clone(),
        source_type: column.source_type.clone(),
        data_type: column.data_type.clone(),
        nullable: column.nullable,
        text: column.text,
    }
}

/// A scan of all columns.
fn scan(table: &TableInfo) -> Relation {
    Relation::Scan { table: table.name.clone(), columns: table.columns.iter().map(scan_column).collect() }
}

fn request(root: Relation, keys: Option<Keys>) -> OpenRequest {
    OpenRequest {
        plan: Arc::new(RemotePlan { root }),
        keys,
        batch_rows: 8192,
        context: StatementContext::new(Some(Instant::now() + Duration::from_secs(30))),
    }
}

/// All rows of a read, as one batch.
async fn read(connector: &dyn Connector, root: Relation, keys: Option<Keys>) -> Result<RecordBatch> {
    let request = request(root, keys);
    let schema = request.plan.schema();
    let batches: Vec<RecordBatch> = connector.open(request).await?.try_collect().await?;
    Ok(concat_batches(&schema, &batches).expect("batches have the plan's schema"))
}

/// All rows of a table.
async fn read_table(connector: &dyn Connector, table: &str) -> Result<RecordBatch> {
    let table = connector.table(None, table).await?;
    read(connector, scan(&table), None).await
}

fn native_request(sql: &str, read_only: bool) -> NativeRequest {
    NativeRequest {
        sql: sql.into(),
        read_only,
        batch_rows: 8192,
        context: StatementContext::new(Some(Instant::now() + Duration::from_secs(30))),
    }
}

/// All rows of a statement of the user's.
async fn native(connector: &dyn Connector, sql: &str) -> Result<RecordBatch> {
    let result = connector.native(native_request(sql, true)).await?;
    let schema = Arc::clone(&result.schema);
    let batches: Vec<RecordBatch> = result.stream.try_collect().await?;
    Ok(concat_batches(&schema, &batches).expect("batches have the result's schema"))
}

/// Rows as text, NULL as `∅`.
fn rows(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("∅");
    let formatters: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).expect("a type that can be shown"))
        .collect();
    let row = |row| formatters.iter().map(|formatter| formatter.value(row).to_string()).collect();
    (0..batch.num_rows()).map(row).collect()
}

/// Waits until `is_done` says so, at most two seconds; says whether it did.
fn within_two_seconds(is_done: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(2);
    loop {
        if is_done() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::yield_now();
    }
}

fn error_of<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("expected an error"),
        Err(error) => error,
    }
}
