//! Scans: batches, metrics, filters written by the generator, and streams that end early.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use junto_connector::expr::CompareOp;
use junto_connector::plan::Relation;
use junto_connector::{Expr, Literal, Support};
use junto_testkit::postgres::shared;
use junto_testkit::require;

use crate::{database, read, request, rows, scan, within_two_seconds};

#[tokio::test]
async fn batches_keep_their_size_and_are_counted() {
    let server = require!(shared());
    let connector = database(
        server,
        "batches",
        "create table t as select x::int, 'row ' || x as y from generate_series(1, 20000) x",
    )
    .await;
    let table = connector.table(None, "t").await.expect("the table is there");
    let mut request = request(scan(&table), None);
    request.batch_rows = 3000;
    let metrics = Arc::clone(&request.context.metrics);
    let batches: Vec<_> = connector.open(request).await.expect("opens").try_collect().await.expect("readable");
    let sizes: Vec<usize> = batches.iter().map(arrow::array::RecordBatch::num_rows).collect();
    assert_eq!(sizes, [3000, 3000, 3000, 3000, 3000, 3000, 2000]);
    assert_eq!((metrics.queries(), metrics.rows()), (1, 20_000));
    assert!(metrics.bytes() > 200_000);
}

#[tokio::test]
async fn a_scan_without_columns_counts_rows() {
    let server = require!(shared());
    let connector = database(server, "counted", "create table t as select x from generate_series(1, 7) x").await;
    let table = connector.table(None, "t").await.expect("the table is there");
    let plan = Relation::Scan { table: table.name.clone(), columns: Vec::new() };
    assert_eq!(read(&*connector, plan, None).await.expect("readable").num_rows(), 7);
}

#[tokio::test]
async fn text_is_compared_by_its_bytes_whatever_the_collation() {
    let server = require!(shared());
    let sql = "create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        create table t (loose text collate nocase, german text collate \"de-x-icu\", padded char(5), plain text);
        insert into t values ('A', 'A', 'A', 'A'), ('a', 'a', 'a', 'a'), ('B', 'B', 'B', 'B'), ('ä', 'ä', 'ä', 'ä')";
    let connector = database(server, "collations", sql).await;
    let table = connector.table(None, "t").await.expect("the table is there");
    for column in 0..4 {
        for (op, expected) in
            [(CompareOp::Eq, vec!["a"]), (CompareOp::Gt, vec!["ä"]), (CompareOp::NotEq, vec!["A", "B", "ä"])]
        {
            let literal = Expr::Literal(Literal::Text("a".into()));
            let predicate = Expr::compare(op, Expr::Column(column), literal);
            let input = scan(&table);
            assert_eq!(connector.supports(&predicate, &input.columns()), Support::Exact);
            let plan = Relation::Filter { input: Box::new(input), predicate };
            let batch = read(&*connector, plan, None).await.expect("readable");
            let mut found: Vec<String> = rows(&batch).into_iter().map(|row| row[column].clone()).collect();
            found.sort();
            assert_eq!(found, expected, "column {column}, {op:?}");
        }
    }
    // Columns of different collations can be compared with each other.
    let both = Expr::compare(CompareOp::Eq, Expr::Column(1), Expr::Column(0));
    let plan = Relation::Filter { input: Box::new(scan(&table)), predicate: both };
    assert_eq!(read(&*connector, plan, None).await.expect("readable").num_rows(), 4);
}

#[tokio::test]
async fn a_dropped_stream_leaves_nothing_on_the_server() {
    let server = require!(shared());
    let connector =
        database(server, "dropped", "create table t as select x, repeat('x', 100) from generate_series(1, 500000) x")
            .await;
    let table = connector.table(None, "t").await.expect("the table is there");
    let request = request(scan(&table), None);
    let tag = request.context.statement.to_string();
    let mut stream = connector.open(request).await.expect("opens");
    assert!(stream.next().await.is_some_and(|batch| batch.is_ok()));
    let sql = format!(
        "select 1 from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and query like '%{tag}%'"
    );
    assert!(!server.query("dropped", &sql).is_empty(), "the statement should be under way");
    drop(stream);
    assert!(within_two_seconds(|| server.query("dropped", &sql).is_empty()));
    // The connector goes on with other connections.
    assert!(connector.health().await.is_ok());
}
