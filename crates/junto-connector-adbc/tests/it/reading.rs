//! Catalog, statistics, keys, concurrency, cancellation and deadlines.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{Field, Schema};
use futures::StreamExt;
use junto_connector::expr::CompareOp;
use junto_connector::{Error, Expr, Keys, Literal, Reaper, RemotePlan, StatementContext, TableKind};
use junto_connector_adbc::DuckDbFactory;

use crate::support::{Fixture, collect, connect_with, filter, native, native_request, refused, request, scan, texts};

/// Runs for hours when nobody stops it.
const RUNAWAY: &str = "select count(*) from range(10000000) a, range(10000000) b where a.range + b.range = -1";

#[tokio::test]
async fn the_catalog_has_keys_indexes_and_comments() {
    let fixture = Fixture::new(
        "CREATE TABLE \"Customers\" (id INTEGER PRIMARY KEY, email VARCHAR NOT NULL UNIQUE, nick VARCHAR UNIQUE); \
         CREATE TABLE orders (id INTEGER, line INTEGER, customer INTEGER REFERENCES \"Customers\"(id), PRIMARY KEY (id, line)); \
         CREATE INDEX by_customer ON orders (customer, line); \
         COMMENT ON TABLE orders IS 'what was sold'; COMMENT ON COLUMN orders.line IS 'from 1'; \
         CREATE SCHEMA reports; CREATE VIEW reports.totals AS SELECT count(*) AS n FROM orders; \
         INSERT INTO \"Customers\" SELECT range, 'c' || range, NULL FROM range(1000)",
    );
    let duckdb = fixture.connect().await;
    let schemas = duckdb.schemas().await.expect("schemas");
    assert_eq!(
        schemas.iter().map(|s| (s.name.as_str(), s.is_default)).collect::<Vec<_>>(),
        [("main", true), ("reports", false)]
    );
    let names: Vec<String> = duckdb.tables(None).await.expect("tables").iter().map(|t| t.name.to_string()).collect();
    assert_eq!(names, ["main.Customers", "main.orders", "reports.totals"]);
    let customers = duckdb.table(None, "customers").await.expect("ignoring case");
    assert_eq!(customers.name.table, "Customers");
    assert_eq!(customers.primary_key, ["id"]);
    assert_eq!(customers.unique_keys, [["email"]], "a nullable key is not unique enough");
    assert_eq!(customers.row_estimate, Some(1000));
    let orders = duckdb.table(Some("main"), "orders").await.expect("a table");
    assert_eq!(orders.primary_key, ["id", "line"]);
    assert_eq!(orders.foreign_keys[0].references.table, "Customers");
    assert_eq!(orders.foreign_keys[0].referenced_columns, ["id"]);
    assert_eq!(orders.indexes[0].columns, ["customer", "line"]);
    assert_eq!(orders.comment.as_deref(), Some("what was sold"));
    assert_eq!(orders.columns[1].comment.as_deref(), Some("from 1"));
    assert_eq!(duckdb.table(Some("reports"), "totals").await.expect("a view").kind, TableKind::View);
    let missing = refused(duckdb.table(None, "order").await, "an unknown table");
    assert_eq!(missing.hint().as_deref(), Some("did you mean `orders`?"));
    let statistics = duckdb.statistics(&customers.name).await.expect("statistics");
    let id = statistics.column("id").expect("of id");
    assert_eq!((id.min.clone(), id.max.clone()), (Some(Literal::Int(0)), Some(Literal::Int(999))));
    assert!(id.distinct.is_some_and(|distinct| (800..=1200).contains(&distinct)), "{id:?}");
}

#[tokio::test]
async fn rows_of_views_are_estimated_and_shares_of_rows_are_not() {
    let fixture = Fixture::new(
        "CREATE TABLE t AS SELECT range AS id, 'k' || range AS name FROM range(300000); \
         CREATE VIEW v AS SELECT id, name FROM t; CREATE VIEW g AS SELECT id % 7 AS g, count(*) AS n FROM t GROUP BY 1",
    );
    let duckdb = fixture.connect().await;
    let context = StatementContext::new(None);
    let rows = async |root| {
        duckdb.estimate(Arc::new(RemotePlan { root }), &context).await.expect("an estimate").map(|rows| rows as u64)
    };
    let view = scan(&duckdb.table(None, "v").await.expect("a view"));
    assert_eq!(rows(view.clone()).await, Some(300_000));
    let groups = scan(&duckdb.table(None, "g").await.expect("a view"));
    assert!(rows(groups).await.is_some_and(|rows| rows < 300_000));
    let few = Expr::compare(CompareOp::Eq, Expr::Column(1), Expr::Literal(Literal::Text("k5".into())));
    assert_eq!(rows(filter(view, few)).await, None, "a fixed share");
}

#[tokio::test]
async fn keys_are_sent_as_literals_or_as_lists() {
    let fixture =
        Fixture::new("CREATE TABLE t AS SELECT range AS id, 'k' || range AS name, range % 7 AS g FROM range(100000)");
    let duckdb = fixture.connect().await;
    let table = duckdb.table(None, "t").await.expect("a table");
    let rows = async |columns: Vec<usize>, values: Vec<ArrayRef>| {
        let fields = values.iter().map(|values| Field::new("k", values.data_type().clone(), false));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let values = RecordBatch::try_new(schema, values).expect("columns of one length");
        let keys = Keys { columns, values, nulls: false };
        texts(&collect(duckdb.open(request(scan(&table), Some(keys))).await.expect("a scan")).await.expect("rows"))
    };
    let numbers = |range: std::ops::Range<i64>| -> ArrayRef { Arc::new(Int64Array::from_iter_values(range)) };
    assert_eq!(rows(vec![0], vec![numbers(3..5)]).await.len(), 2);
    assert_eq!(rows(vec![0], vec![numbers(-10..5_000)]).await.len(), 5_000);
    let names: ArrayRef = Arc::new(StringViewArray::from_iter_values((0..50).map(|n| format!("k{n}"))));
    assert_eq!(rows(vec![1], vec![Arc::clone(&names)]).await.len(), 50);
    assert_eq!(rows(vec![1, 2], vec![names, numbers(0..50)]).await.len(), 7, "both columns of a key must match");
}

#[tokio::test]
async fn rows_stream_before_the_end_in_batches_of_the_size_asked_for() {
    let fixture = Fixture::new("CREATE TABLE t (a INTEGER)");
    let duckdb = fixture.connect().await;
    let mut request = native_request("select range as r from range(100000000000)", true);
    request.batch_rows = 5000;
    let mut result = duckdb.native(request).await.expect("a stream");
    for _ in 0..3 {
        assert_eq!(result.stream.next().await.expect("a batch").expect("rows").num_rows(), 5000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_reads_run_at_once() {
    let fixture = Fixture::new("CREATE TABLE t AS SELECT range AS id FROM range(300000)");
    let duckdb = fixture.connect().await;
    let table = duckdb.table(None, "t").await.expect("a table");
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(duckdb.open(request(scan(&table), None)).await.expect("a scan"));
    }
    // All are open before the first is read.
    for stream in streams {
        let rows: usize = collect(stream).await.expect("rows").iter().map(RecordBatch::num_rows).sum();
        assert_eq!(rows, 300_000);
    }
    let again = fixture.connect().await;
    assert_eq!(native(again.as_ref(), "select count(*) from t").await.expect("a second handle"), [["300000"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runaway_statement_stops_when_it_is_dropped() {
    let fixture = Fixture::new("CREATE TABLE t (a INTEGER)");
    let reaper = Reaper::start();
    let duckdb = connect_with(&DuckDbFactory, &fixture.url(), reaper.clone()).await.expect("the file opens");
    let begun = Instant::now();
    let waited = tokio::time::timeout(Duration::from_millis(300), duckdb.native(native_request(RUNAWAY, true))).await;
    assert!(waited.is_err(), "the statement ended by itself");
    reaper.drain(Reaper::JOB_LIMIT);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // A write needs every read to have ended.
    let mut write = native_request("insert into t values (1)", false);
    write.context = StatementContext::new(Some(Instant::now() + Duration::from_secs(2)));
    assert_eq!(duckdb.native(write).await.expect("nobody reads").affected, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_stops_a_runaway_statement() {
    let fixture = Fixture::new("CREATE TABLE t (a INTEGER)");
    let duckdb = fixture.connect().await;
    let begun = Instant::now();
    let mut request = native_request(RUNAWAY, true);
    request.context = StatementContext::new(Some(begun + Duration::from_millis(200)));
    let error = refused(duckdb.native(request).await, "a late statement");
    assert!(matches!(error, Error::TimedOut { milliseconds: 190..=200 }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_table_that_has_gone_makes_the_catalog_stale() {
    let fixture = Fixture::new("CREATE TABLE t (a INTEGER)");
    let duckdb = fixture.connect().await;
    let table = duckdb.table(None, "t").await.expect("a table");
    duckdb.native(native_request("alter table t rename a to b", false)).await.expect("permitted");
    let error = refused(duckdb.open(request(scan(&table), None)).await, "a column that is gone");
    assert!(matches!(error, Error::StaleCatalog { .. }), "{error:?}");
}
