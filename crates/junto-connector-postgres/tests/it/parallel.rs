//! One read over several connections: what is shared out, that nothing is lost or read twice, and that all see one state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, AsArray, Int32Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use futures::TryStreamExt;
use junto_connector::expr::{Aggregate, AggregateFunction, CompareOp};
use junto_connector::plan::{AggregateOutput, JoinKind, Output, Relation};
use junto_connector::{BatchStream, Connector, Expr, Keys, Literal, OpenRequest, Result, SourceMetrics, Workers};
use junto_testkit::postgres::{Server, shared};
use junto_testkit::require;

use crate::{connect, database, request, scan, try_connect_at_most, within_two_seconds};

/// 300,000 rows on some 4,000 pages, `amount` 100 in each.
pub(crate) const BIG: &str = "
    create table t (id int primary key, kind int, amount int not null, filler text);
    insert into t select x, x % 7, 100, repeat('x', 60) from generate_series(1, 300000) x;
    analyze t";
pub(crate) const BIG_ROWS: usize = 300_000;

pub(crate) fn workers(most: usize) -> Workers {
    Workers { most, groups_in_parts: false }
}

/// The rows of all streams, which are read at the same time.
pub(crate) async fn rows_of(streams: Vec<BatchStream>, request: &OpenRequest) -> Result<RecordBatch> {
    let batches: Vec<RecordBatch> = futures::stream::select_all(streams).try_collect().await?;
    Ok(concat_batches(&request.plan.schema(), &batches).expect("batches have the plan's schema"))
}

/// What a read came to: streams, rows, and what was counted and noted.
struct Outcome {
    streams: usize,
    rows: RecordBatch,
    metrics: Arc<SourceMetrics>,
}

async fn read_by(connector: &dyn Connector, root: Relation, keys: Option<Keys>, workers: Workers) -> Outcome {
    let request = request(root, keys);
    let streams = connector.open_parallel(request.clone(), workers).await.expect("opens");
    let count = streams.len();
    let rows = rows_of(streams, &request).await.expect("readable");
    Outcome { streams: count, rows, metrics: Arc::clone(&request.context.metrics) }
}

async fn scan_of(connector: &dyn Connector, table: &str) -> Relation {
    scan(&connector.table(None, table).await.expect("the table is there"))
}

fn ids(batch: &RecordBatch) -> Vec<i32> {
    let mut ids = batch.column(0).as_primitive::<Int32Type>().values().to_vec();
    ids.sort_unstable();
    ids
}

fn filtered(input: Relation, column: usize, op: CompareOp, value: i64) -> Relation {
    let predicate = Expr::compare(op, Expr::Column(column), Expr::Literal(Literal::Int(value)));
    Relation::Filter { input: Box::new(input), predicate }
}

/// `count(*)` by `kind`.
fn counted_by_kind(input: Relation) -> Relation {
    let aggregate = Aggregate { function: AggregateFunction::CountRows, argument: None, distinct: false, filter: None };
    let count = AggregateOutput { name: "n".into(), aggregate, data_type: DataType::Int64, nullable: false };
    let group = Output { name: "kind".into(), expr: Expr::Column(1), data_type: DataType::Int32, nullable: true };
    Relation::Aggregate { input: Box::new(input), groups: vec![group], aggregates: vec![count] }
}

fn in_transaction(server: &Server, database: &str) -> bool {
    let sql = format!("select 1 from pg_stat_activity where datname = '{database}' and state like 'idle in trans%'");
    !server.query("postgres", &sql).is_empty()
}

#[tokio::test]
async fn big_tables_are_read_by_several_and_every_row_once() {
    let server = require!(shared());
    let connector = database(server, "parallel", BIG).await;
    let table = scan_of(&*connector, "t").await;
    let outcome = read_by(&*connector, table.clone(), None, workers(3)).await;
    assert_eq!((outcome.streams, ids(&outcome.rows)), (3, (1..=BIG_ROWS as i32).collect()));
    assert!(outcome.metrics.queries() >= 3, "{} parts", outcome.metrics.queries());
    assert_eq!((outcome.metrics.rows(), outcome.metrics.notes()), (BIG_ROWS as u64, Vec::new()));
    let half = filtered(table, 0, CompareOp::Gt, 1000);
    let outcome = read_by(&*connector, half, None, workers(2)).await;
    assert_eq!((outcome.streams, outcome.rows.num_rows()), (2, BIG_ROWS - 1000));
    assert!(within_two_seconds(|| !in_transaction(server, "parallel")));
}

#[tokio::test]
async fn whichever_connection_is_free_reads_everything() {
    let server = require!(shared());
    let connector = database(server, "parallel_any", BIG).await;
    let table = scan_of(&*connector, "t").await;
    for first_reads in [true, false] {
        let request = request(table.clone(), None);
        let mut streams = connector.open_parallel(request.clone(), workers(2)).await.expect("opens");
        assert_eq!(streams.len(), 2);
        if first_reads {
            streams.reverse();
        }
        for expected in [BIG_ROWS, 0] {
            let stream = streams.pop().expect("two streams");
            assert_eq!(rows_of(vec![stream], &request).await.expect("readable").num_rows(), expected);
        }
    }
}

#[tokio::test]
async fn one_connection_suffices_for_what_is_small_or_found_by_an_index() {
    let server = require!(shared());
    let sql = format!("{BIG}; create table small as select x from generate_series(1, 1000) x");
    let connector = database(server, "parallel_small", &sql).await;
    let (big, small) = (scan_of(&*connector, "t").await, scan_of(&*connector, "small").await);
    let few = filtered(big.clone(), 0, CompareOp::Lt, 100);
    let limited = Relation::Limit { input: Box::new(big), skip: 0, fetch: Some(99) };
    for (plan, expected) in [(small, 1000), (few, 99), (limited, 99)] {
        let outcome = read_by(&*connector, plan, None, workers(4)).await;
        assert_eq!((outcome.streams, outcome.rows.num_rows()), (1, expected));
        assert_eq!((outcome.metrics.queries(), outcome.metrics.notes()), (1, Vec::new()));
    }
}

#[tokio::test]
async fn partitions_heirs_and_materialized_views_are_shared_out_too() {
    let server = require!(shared());
    let sql = "
        create table parts (id int, filler text) partition by range (id);
        create table low partition of parts for values from (minvalue) to (20000);
        create table high partition of parts for values from (20000) to (maxvalue) partition by hash (id);
        create table high0 partition of high for values with (modulus 2, remainder 0);
        create table high1 partition of high for values with (modulus 2, remainder 1);
        create table ancestor (id int, filler text); create table heir (more int) inherits (ancestor);
        insert into parts select x, repeat('x', 60) from generate_series(1, 300000) x;
        insert into ancestor select x, repeat('x', 60) from generate_series(1, 100000) x;
        insert into heir select x, repeat('x', 60) from generate_series(100001, 300000) x;
        create materialized view stored as select * from parts;
        analyze";
    let connector = database(server, "parallel_trees", sql).await;
    for table in ["parts", "ancestor", "stored"] {
        let outcome = read_by(&*connector, scan_of(&*connector, table).await, None, workers(3)).await;
        assert_eq!(outcome.streams, 3, "{table}: {:?}", outcome.metrics.notes());
        assert_eq!(ids(&outcome.rows), (1..=BIG_ROWS as i32).collect::<Vec<_>>(), "{table}");
    }
    let low = filtered(scan_of(&*connector, "parts").await, 0, CompareOp::Lt, 20_000);
    let outcome = read_by(&*connector, low, None, workers(3)).await;
    assert_eq!((outcome.streams, outcome.rows.num_rows()), (1, 19_999));
}

#[tokio::test]
async fn what_cannot_be_shared_out_says_why() {
    let server = require!(shared());
    let sql = format!(
        "{BIG}; create view v as select * from t; drop role if exists some_columns;
         create role some_columns login password 'x'; grant select (id) on t to some_columns"
    );
    let connector = database(server, "parallel_obstacles", &sql).await;
    let outcome = read_by(&*connector, scan_of(&*connector, "v").await, None, workers(2)).await;
    assert_eq!((outcome.streams, outcome.rows.num_rows()), (1, BIG_ROWS));
    assert_eq!(outcome.metrics.notes(), ["public.v is read over one connection: it is a view"]);
    let url = format!("postgres://some_columns:x@127.0.0.1:{}/parallel_obstacles", server.port());
    let limited = connect(&url).await;
    let Relation::Scan { table, mut columns } = scan_of(&*connector, "t").await else { unreachable!("a scan") };
    columns.truncate(1);
    let outcome = read_by(&*limited, Relation::Scan { table, columns }, None, workers(2)).await;
    assert_eq!((outcome.streams, outcome.rows.num_rows()), (1, BIG_ROWS));
    assert!(outcome.metrics.notes().concat().contains("only some of its columns"), "{:?}", outcome.metrics.notes());
}

#[tokio::test]
async fn a_server_that_shares_no_snapshot_is_read_over_one_connection() {
    let server = require!(shared());
    let sql = format!(
        "{BIG}; drop role if exists no_snapshots; create role no_snapshots login password 'x'; grant select on t to \
         no_snapshots; revoke execute on function pg_export_snapshot() from public"
    );
    drop(database(server, "parallel_refused", &sql).await);
    let url = format!("postgres://no_snapshots:x@127.0.0.1:{}/parallel_refused", server.port());
    let connector = connect(&url).await;
    let outcome = read_by(&*connector, scan_of(&*connector, "t").await, None, workers(2)).await;
    assert_eq!((outcome.streams, outcome.rows.num_rows()), (1, BIG_ROWS));
    assert!(outcome.metrics.notes().concat().contains("pg_export_snapshot"), "{:?}", outcome.metrics.notes());
    assert!(within_two_seconds(|| !in_transaction(server, "parallel_refused")));
}

#[tokio::test]
async fn all_connections_see_the_state_at_the_beginning() {
    let server = require!(shared());
    let connector = database(server, "parallel_snapshot", BIG).await;
    let request = request(scan_of(&*connector, "t").await, None);
    let streams = connector.open_parallel(request.clone(), workers(3)).await.expect("opens");
    assert_eq!(streams.len(), 3);
    server
        .execute("parallel_snapshot", "update t set amount = 0, id = -id where id % 2 = 0; delete from t where id = 1");
    let rows = rows_of(streams, &request).await.expect("readable");
    assert_eq!(ids(&rows), (1..=BIG_ROWS as i32).collect::<Vec<_>>());
    assert_eq!(total(&rows), 100 * BIG_ROWS as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_moved_meanwhile_is_neither_lost_nor_seen_twice() {
    let server = require!(shared());
    let connector = database(server, "parallel_writer", BIG).await;
    let table = scan_of(&*connector, "t").await;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                round += 1;
                let sql = format!(
                    "update t set amount = amount + case when id <= 150000 then -1 else 1 end
                     where (id + {round}) % 1500 = 0"
                );
                server.execute("parallel_writer", &sql);
            }
        });
        let read = |_| {
            let read = read_by(&*connector, table.clone(), None, workers(4));
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(read))
        };
        let outcomes: Vec<Outcome> = (0..5).map(read).collect();
        // Before anything is checked: the writer would never end.
        done.store(true, Ordering::Relaxed);
        for outcome in outcomes {
            assert_eq!((outcome.streams, total(&outcome.rows)), (3, 100 * BIG_ROWS as i64));
            assert_eq!(outcome.rows.num_rows(), BIG_ROWS);
        }
    });
}

fn total(batch: &RecordBatch) -> i64 {
    batch.column(2).as_primitive::<Int32Type>().values().iter().map(|amount| i64::from(*amount)).sum()
}

#[tokio::test]
async fn groups_come_in_parts_only_when_asked_for() {
    let server = require!(shared());
    drop(database(server, "parallel_groups", BIG).await);
    let alone = "alter database parallel_groups set max_parallel_workers_per_gather = 0";
    server.execute("parallel_groups", alone);
    let connector = connect(&server.url("parallel_groups")).await;
    let plan = counted_by_kind(scan_of(&*connector, "t").await);
    for (groups_in_parts, streams) in [(true, 3), (false, 1)] {
        let outcome = read_by(&*connector, plan.clone(), None, Workers { most: 3, groups_in_parts }).await;
        assert_eq!(outcome.streams, streams);
        let mut counts = [0; 7];
        let (kinds, parts) = (outcome.rows.column(0).as_primitive::<Int32Type>(), outcome.rows.column(1));
        for (kind, part) in kinds.values().iter().zip(parts.as_primitive::<Int64Type>().values()) {
            counts[*kind as usize] += part;
        }
        assert_eq!(counts, [42857, 42858, 42857, 42857, 42857, 42857, 42857]);
        assert_eq!(outcome.rows.num_rows() > 7, groups_in_parts);
    }
}

#[tokio::test]
async fn joins_are_shared_out_by_their_first_table() {
    let server = require!(shared());
    let sql = format!("{BIG}; create table kinds as select x as kind from generate_series(0, 2) x; analyze");
    let connector = database(server, "parallel_joins", &sql).await;
    let (left, right) = (scan_of(&*connector, "t").await, scan_of(&*connector, "kinds").await);
    let matching = (1..=BIG_ROWS as i32).filter(|id| id % 7 <= 2).collect::<Vec<_>>();
    let others = (1..=BIG_ROWS as i32).filter(|id| id % 7 > 2).collect::<Vec<_>>();
    for (kind, expected) in
        [(JoinKind::Inner, &matching), (JoinKind::LeftSemi, &matching), (JoinKind::LeftAnti, &others)]
    {
        let (left, right) = (Box::new(left.clone()), Box::new(right.clone()));
        let plan = Relation::Join { left, right, kind, on: vec![(Expr::Column(1), Expr::Column(0))], filter: None };
        let outcome = read_by(&*connector, plan, None, workers(3)).await;
        assert_eq!((outcome.streams, ids(&outcome.rows) == *expected), (3, true), "{kind:?}");
    }
}

#[tokio::test]
async fn work_the_server_shares_among_its_processes_takes_one_connection() {
    let server = require!(shared());
    let connector = database(server, "parallel_gather", BIG).await;
    let plan = counted_by_kind(scan_of(&*connector, "t").await);
    let outcome = read_by(&*connector, plan, None, Workers { most: 2, groups_in_parts: true }).await;
    assert_eq!((outcome.streams, outcome.rows.num_rows()), (1, 7));
}

#[tokio::test]
async fn many_keys_are_shared_out_where_an_index_finds_them() {
    let server = require!(shared());
    let sql = format!("{BIG}; create table u as select * from t; insert into t values (0, null, 100, null); analyze");
    drop(database(server, "parallel_keys", &sql).await);
    // As on a table so large that reading all of it costs more than looking up the keys.
    server.execute("parallel_keys", "alter database parallel_keys set random_page_cost = 0.1");
    let connector = connect(&server.url("parallel_keys")).await;
    let keys = |column: usize, count: i32| {
        let values: ArrayRef = Arc::new(Int32Array::from_iter_values((1..=count).map(|key| key * 20)));
        let values = RecordBatch::try_from_iter([("k", values)]).expect("one column");
        Some(Keys { columns: vec![column], values, nulls: true })
    };
    let expected: Vec<i32> = (1..=15_000).map(|key| key * 20).collect();
    for (table, count, streams) in [("t", 15_000, 3), ("u", 15_000, 1), ("t", 4_000, 1)] {
        let outcome = read_by(&*connector, scan_of(&*connector, table).await, keys(0, count), workers(3)).await;
        assert_eq!((outcome.streams, ids(&outcome.rows)), (streams, expected[..count as usize].to_vec()), "{table}");
    }
}

#[tokio::test]
async fn a_pool_of_one_connection_reads_by_one() {
    let server = require!(shared());
    drop(database(server, "parallel_one", BIG).await);
    let connector = try_connect_at_most(&server.url("parallel_one"), 1).await.expect("accepted");
    let outcome = read_by(&*connector, scan_of(&*connector, "t").await, None, workers(4)).await;
    assert_eq!((outcome.streams, outcome.rows.num_rows()), (1, BIG_ROWS));
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_want_all_connections_do_not_block_each_other() {
    let server = require!(shared());
    let connector = database(server, "parallel_greedy", BIG).await;
    let table = scan_of(&*connector, "t").await;
    let reads = (0..8).map(|_| read_by(&*connector, table.clone(), None, workers(4)));
    for outcome in futures::future::join_all(reads).await {
        assert_eq!(outcome.rows.num_rows(), BIG_ROWS);
    }
}
