//! Connects to files and reads tables whole.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::StreamExt;
use junto_connector::plan::Relation;
use junto_connector::{
    ConnectionConfig, Connector, ConnectorFactory, NativeRequest, OpenRequest, Prefer, Reaper, RemotePlan, Result,
    ScanColumn, StatementContext, TableInfo,
};
use junto_connector_sqlite::SqliteFactory;
use junto_testkit::sqlite::File;
use junto_types::{Alias, ConnectionId};

/// Connects with a URL; four connections are kept.
pub(crate) async fn connect(url: &str) -> Result<Arc<dyn Connector>> {
    connect_with(url, 4).await
}

/// Connects with a URL; so many connections are kept.
pub(crate) async fn connect_with(url: &str, max_connections: usize) -> Result<Arc<dyn Connector>> {
    let factory = SqliteFactory;
    let config = ConnectionConfig {
        id: ConnectionId::random(),
        name: "test".into(),
        alias: Alias::new("test").expect("a valid alias"),
        driver: factory.driver().into(),
        options: factory.parse_url(url)?,
        prefer: Prefer::default(),
        max_connections,
    };
    factory.connect(config, Reaper::start()).await
}

/// Connects to a file, with options as in a URL's query.
pub(crate) async fn open(file: &File, options: &str) -> Arc<dyn Connector> {
    let url = if options.is_empty() { file.url() } else { format!("{}?{options}", file.url()) };
    connect(&url).await.expect("the file is a database")
}

/// A scan of all columns.
pub(crate) fn scan(info: &TableInfo) -> Relation {
    let column = |column: &junto_connector::ColumnInfo| ScanColumn {
        name: column.name.clone(),
        source_type: column.source_type.clone(),
        data_type: column.data_type.clone(),
        nullable: column.nullable,
        text: column.text,
    };
    Relation::Scan { table: info.name.clone(), columns: info.columns.iter().map(column).collect() }
}

pub(crate) fn request(root: Relation, batch_rows: usize) -> OpenRequest {
    OpenRequest { plan: Arc::new(RemotePlan { root }), keys: None, batch_rows, context: StatementContext::new(None) }
}

pub(crate) async fn collect(connector: &dyn Connector, request: OpenRequest) -> Result<Vec<RecordBatch>> {
    let mut stream = connector.open(request).await?;
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await {
        batches.push(batch?);
    }
    Ok(batches)
}

/// All rows of a table, each as `a|b|c`.
pub(crate) async fn read(connector: &dyn Connector, table: &str) -> Result<Vec<String>> {
    let info = connector.table(None, table).await?;
    Ok(lines(&collect(connector, request(scan(&info), 1000)).await?))
}

/// Rows and column types of a native statement.
pub(crate) async fn native(connector: &dyn Connector, sql: &str) -> Result<(Vec<String>, Vec<String>)> {
    let context = StatementContext::new(None);
    let request = NativeRequest { sql: sql.into(), read_only: true, batch_rows: 100, context };
    let mut result = connector.native(request).await?;
    let types = result.schema.fields().iter().map(|field| field.data_type().to_string()).collect();
    let mut batches = Vec::new();
    while let Some(batch) = result.stream.next().await {
        batches.push(batch?);
    }
    Ok((types, lines(&batches)))
}

pub(crate) fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).expect("a printable type"))
            .collect();
        for row in 0..batch.num_rows() {
            lines.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"));
        }
    }
    lines
}
