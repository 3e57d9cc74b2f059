//! Databases for the tests, and short ways to read them.

use std::path::PathBuf;
use std::sync::Arc;

use adbc_core::options::{AdbcVersion, OptionDatabase, OptionValue};
use adbc_core::{Connection, Database, Driver, Statement};
use adbc_driver_manager::{ManagedDatabase, ManagedDriver};
use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::StreamExt;
use junto_connector::options::{ConnectionConfig, Prefer};
use junto_connector::{
    BatchStream, Connector, ConnectorFactory, Error, Expr, Keys, NativeRequest, OpenRequest, Reaper, Relation,
    RemotePlan, Result, ScanColumn, StatementContext, TableInfo,
};
use junto_connector_adbc::DuckDbFactory;
use junto_types::{Alias, ConnectionId};
use tempfile::TempDir;

/// A DuckDB file in a folder of its own.
pub(crate) struct Fixture {
    _folder: TempDir,
    pub(crate) path: PathBuf,
}

impl Fixture {
    /// A new file, after these statements.
    pub(crate) fn new(sql: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("shop.duckdb");
        let fixture = Self { _folder: folder, path };
        fixture.execute(sql);
        fixture
    }

    /// Runs statements with the file open for writing.
    pub(crate) fn execute(&self, sql: &str) {
        let database = open_for_writing(&self.path);
        let mut connection = database.new_connection().expect("a connection");
        let mut statement = connection.new_statement().expect("a statement");
        statement.set_sql_query(sql).unwrap_or_else(|error| panic!("{}: {sql}", error.message));
        statement.execute_update().unwrap_or_else(|error| panic!("{}: {sql}", error.message));
    }

    pub(crate) fn url(&self) -> String {
        format!("duckdb:{}", self.path.display())
    }

    pub(crate) async fn connect(&self) -> Arc<dyn Connector> {
        connect(&self.url()).await.expect("the file opens")
    }
}

pub(crate) fn library() -> PathBuf {
    if let Some(path) = std::env::var_os("JUNTO_DUCKDB_LIBRARY") {
        return path.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"));
    let file = if cfg!(target_os = "macos") { "libduckdb.dylib" } else { "libduckdb.so" };
    let path = cache.join("junto/duckdb/1.5.5").join(file);
    assert!(path.is_file(), "no DuckDB library at {}: `./dev fetch-duckdb` brings it", path.display());
    path
}

pub(crate) fn open_for_writing(path: &std::path::Path) -> ManagedDatabase {
    let mut driver = ManagedDriver::load_dynamic_from_filename(library(), Some(b"duckdb_adbc_init"), AdbcVersion::V110)
        .expect("the library loads");
    let option = (OptionDatabase::Other("path".into()), OptionValue::from(path.to_str().expect("UTF-8")));
    driver.new_database_with_opts([option]).unwrap_or_else(|error| panic!("{}", error.message))
}

pub(crate) async fn connect(url: &str) -> Result<Arc<dyn Connector>> {
    connect_with(&DuckDbFactory, url, Reaper::start()).await
}

pub(crate) async fn connect_with(
    factory: &dyn ConnectorFactory,
    url: &str,
    reaper: Reaper,
) -> Result<Arc<dyn Connector>> {
    let config = ConnectionConfig {
        id: ConnectionId::random(),
        name: "test".into(),
        alias: Alias::new("test").expect("an alias"),
        driver: factory.driver().into(),
        options: factory.parse_url(url)?,
        prefer: Prefer::Fastest,
        max_connections: 4,
    };
    factory.connect(config, reaper).await
}

/// Every column of a table.
pub(crate) fn scan(table: &TableInfo) -> Relation {
    let column = |column: &junto_connector::ColumnInfo| ScanColumn {
        name: column.name.clone(),
        source_type: column.source_type.clone(),
        data_type: column.data_type.clone(),
        nullable: column.nullable,
        text: column.text,
    };
    Relation::Scan { table: table.name.clone(), columns: table.columns.iter().map(column).collect() }
}

pub(crate) fn filter(input: Relation, predicate: Expr) -> Relation {
    Relation::Filter { input: Box::new(input), predicate }
}

pub(crate) fn request(root: Relation, keys: Option<Keys>) -> OpenRequest {
    OpenRequest { plan: Arc::new(RemotePlan { root }), keys, batch_rows: 8192, context: StatementContext::new(None) }
}

pub(crate) fn native_request(sql: &str, read_only: bool) -> NativeRequest {
    NativeRequest { sql: sql.into(), read_only, batch_rows: 8192, context: StatementContext::new(None) }
}

pub(crate) async fn collect(mut stream: BatchStream) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await {
        batches.push(batch?);
    }
    Ok(batches)
}

pub(crate) async fn read(connector: &dyn Connector, root: Relation) -> Result<Vec<Vec<String>>> {
    Ok(texts(&collect(connector.open(request(root, None)).await?).await?))
}

pub(crate) async fn native(connector: &dyn Connector, sql: &str) -> Result<Vec<Vec<String>>> {
    Ok(texts(&collect(connector.native(native_request(sql, true)).await?.stream).await?))
}

/// Every value as text, NULL as `∅`.
pub(crate) fn texts(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("∅");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch.columns().iter().map(displayable).collect();
        let formatters: Vec<_> =
            columns.iter().map(|column| ArrayFormatter::try_new(column, &options).expect("a known type")).collect();
        rows.extend((0..batch.num_rows()).map(|row| formatters.iter().map(|f| f.value(row).to_string()).collect()));
    }
    rows
}

/// Time zones by name need a table that the tests do without.
fn displayable(column: &arrow::array::ArrayRef) -> arrow::array::ArrayRef {
    match column.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            cast(column, &DataType::Timestamp(*unit, Some("+00:00".into()))).expect("the same instant")
        }
        _ => Arc::clone(column),
    }
}

/// The error of something that must fail.
pub(crate) fn refused<T>(outcome: Result<T>, what: &str) -> Error {
    match outcome {
        Ok(_) => panic!("{what} was not refused"),
        Err(error) => error,
    }
}
