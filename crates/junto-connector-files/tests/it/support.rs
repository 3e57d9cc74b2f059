//! Folders for the tests, and short ways to read them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use futures::StreamExt;
use junto_connector::options::{ConnectionConfig, Prefer};
use junto_connector::{
    BatchStream, Connector, ConnectorFactory, Error, Expr, Keys, NativeRequest, OpenRequest, Reaper, Relation,
    RemotePlan, Result, ScanColumn, StatementContext, TableInfo,
};
use junto_connector_files::FilesFactory;
use junto_types::{Alias, ConnectionId};
use tempfile::TempDir;

/// A folder that is gone after the test.
pub(crate) struct Folder {
    folder: TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, and the folders it lies in.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, content).expect("a file");
    }

    /// Writes a Parquet file with row groups of so many rows.
    pub(crate) fn parquet(&self, name: &str, columns: Vec<(&str, ArrayRef)>, rows_per_group: usize) {
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows_per_group)).build();
        let file = fs::File::create(path).expect("a file");
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a schema Parquet has");
        writer.write(&batch).expect("rows");
        writer.close().expect("a footer");
    }

    pub(crate) async fn connect(&self) -> Arc<dyn Connector> {
        self.connect_with("").await
    }

    /// With options, as in a URL.
    pub(crate) async fn connect_with(&self, options: &str) -> Arc<dyn Connector> {
        connect(&format!("files:{}?{options}", self.path().display())).await.expect("the folder opens")
    }
}

pub(crate) async fn connect(url: &str) -> Result<Arc<dyn Connector>> {
    let config = ConnectionConfig {
        id: ConnectionId::random(),
        name: "test".into(),
        alias: Alias::new("test").expect("an alias"),
        driver: "files".into(),
        options: FilesFactory.parse_url(url)?,
        prefer: Prefer::Fastest,
        max_connections: 4,
    };
    FilesFactory.connect(config, Reaper::start()).await
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

pub(crate) async fn collect(mut stream: BatchStream) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await {
        batches.push(batch?);
    }
    Ok(batches)
}

/// All rows of a table.
pub(crate) async fn rows(connector: &dyn Connector, table: &str) -> Result<Vec<String>> {
    let info = connector.table(None, table).await?;
    Ok(texts(&collect(connector.open(request(scan(&info), None)).await?).await?))
}

pub(crate) async fn native(connector: &dyn Connector, sql: &str) -> Result<Vec<String>> {
    let context = StatementContext::new(None);
    let request = NativeRequest { sql: sql.into(), read_only: true, batch_rows: 8192, context };
    Ok(texts(&collect(connector.native(request).await?.stream).await?))
}

/// Every row as text, values separated by `|`, NULL as `∅`.
pub(crate) fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("∅");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<ArrayRef> = batch.columns().iter().map(displayable).collect();
        let formatters: Vec<_> =
            columns.iter().map(|column| ArrayFormatter::try_new(column, &options).expect("a known type")).collect();
        rows.extend((0..batch.num_rows()).map(|row| {
            formatters.iter().map(|formatter| formatter.value(row).to_string()).collect::<Vec<_>>().join("|")
        }));
    }
    rows
}

/// Time zones by name need a table that the tests do without.
fn displayable(column: &ArrayRef) -> ArrayRef {
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
