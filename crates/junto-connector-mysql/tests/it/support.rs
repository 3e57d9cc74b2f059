//! What the tests share: connecting, reading a table, showing its values.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_array::RecordBatch;
use futures::TryStreamExt;
use junto_connector::plan::Relation;
use junto_connector::{
    ConnectionConfig, Connector, ConnectorFactory, Expr, Keys, NativeRequest, OpenRequest, Prefer, Reaper, RemotePlan,
    Result, ScanColumn, StatementContext, TableInfo,
};
use junto_connector_mysql::MySqlFactory;
use junto_testkit::mariadb::Server;
use junto_types::{Alias, ConnectionId};

/// A connector for a URL, with at most four connections.
pub(crate) async fn connect_url(url: &str) -> Result<Arc<dyn Connector>> {
    connect_with(url, 4).await
}

/// A connector for a URL, with at most so many connections.
pub(crate) async fn connect_with(url: &str, max_connections: usize) -> Result<Arc<dyn Connector>> {
    let config = ConnectionConfig {
        id: ConnectionId::random(),
        name: "test".into(),
        alias: Alias::new("test").expect("a valid alias"),
        driver: "mysql".into(),
        options: MySqlFactory.parse_url(url)?,
        prefer: Prefer::Fastest,
        max_connections,
    };
    MySqlFactory.connect(config, Reaper::start()).await
}

/// A connector for a fresh database, filled by `sql`. `options` follow a `?` in the URL.
pub(crate) async fn connect(server: &Server, database: &str, sql: &str, options: &str) -> Arc<dyn Connector> {
    server.create_database(database);
    if !sql.is_empty() {
        server.execute(database, sql);
    }
    connect_url(&format!("{}?{options}", server.url(database))).await.expect("the server takes the login")
}

/// A scan of every column.
pub(crate) fn scan(table: &TableInfo) -> Relation {
    let columns = table.columns.iter().map(|column| ScanColumn {
        name: column.name.clone(),
        source_type: column.source_type.clone(),
        data_type: column.data_type.clone(),
        nullable: column.nullable,
        text: column.text,
    });
    Relation::Scan { table: table.name.clone(), columns: columns.collect() }
}

/// Rows for which the predicate is true.
pub(crate) fn filtered(input: Relation, predicate: Expr) -> Relation {
    Relation::Filter { input: Box::new(input), predicate }
}

/// A request for a plan.
pub(crate) fn request(root: Relation, keys: Option<Keys>) -> OpenRequest {
    OpenRequest { plan: Arc::new(RemotePlan { root }), keys, batch_rows: 1000, context: StatementContext::new(None) }
}

/// All batches of a plan.
pub(crate) async fn read(connector: &dyn Connector, root: Relation, keys: Option<Keys>) -> Result<Vec<RecordBatch>> {
    connector.open(request(root, keys)).await?.try_collect().await
}

/// All batches of a native statement.
pub(crate) async fn native(connector: &dyn Connector, sql: &str, read_only: bool) -> Result<Vec<RecordBatch>> {
    let context = StatementContext::new(None);
    let request = NativeRequest { sql: sql.into(), read_only, batch_rows: 1000, context };
    connector.native(request).await?.stream.try_collect().await
}

/// Values as text, row by row; NULL is `∅`.
pub(crate) fn shown(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("∅");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).expect("a type that can be shown"))
            .collect();
        rows.extend(
            (0..batch.num_rows()).map(|row| columns.iter().map(|column| column.value(row).to_string()).collect()),
        );
    }
    rows
}

/// Values of the first column, sorted.
pub(crate) fn first_column(batches: &[RecordBatch]) -> Vec<String> {
    let mut values: Vec<String> = shown(batches).into_iter().map(|row| row[0].clone()).collect();
    values.sort();
    values
}

/// The one value per column of a table with one row, by column.
pub(crate) async fn only_row(connector: &dyn Connector, table: &str) -> BTreeMap<String, (String, String)> {
    let table = connector.table(None, table).await.expect("the table exists");
    let types = table.columns.iter().map(|column| (column.name.clone(), column.data_type.to_string()));
    let types: Vec<(String, String)> = types.collect();
    let batches = read(connector, scan(&table), None).await.expect("the row can be read");
    let row = shown(&batches).pop().expect("one row");
    types.into_iter().zip(row).map(|((name, data_type), value)| (name, (data_type, value))).collect()
}
