//! Reads over several connections: every row once, of one state, and one connection wherever that cannot be promised.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringViewArray};
use arrow_schema::{DataType, Field, Schema};
use futures::stream::select_all;
use futures::{StreamExt, TryStreamExt};
use junto_connector::expr::{Aggregate, AggregateFunction, CompareOp};
use junto_connector::plan::{AggregateOutput, JoinKind, Relation};
use junto_connector::{BatchStream, Connector, Error, Expr, Keys, Literal, OpenRequest, TableInfo, Workers};
use junto_testkit::conformance::plans;
use junto_testkit::mariadb::Server;
use junto_testkit::{mariadb, require};

use crate::faults::{assert_gone, is_running};
use crate::support::{connect, connect_with, filtered, request, scan, shown};

const ROWS: usize = 120_000;
const WORKERS: Workers = Workers { most: 3, groups_in_parts: false };

/// 120,000 rows in a table that nobody has changed since the server knows it: rebuilding forgets the time of the change.
const TABLE: &str = "create table t (id bigint not null, at int not null, note varchar(20), kind int not null, \
        primary key (id, at), key by_kind (kind)); \
    insert into t select cast(seq div 3 as signed) - 20000, seq mod 3, concat('n', seq), seq mod 1000 from seq_0_to_119999; \
    alter table t force; analyze table t";

/// The answer to one parallel read.
struct Read {
    streams: usize,
    queries: u64,
    notes: Vec<String>,
    rows: Vec<Vec<String>>,
}

async fn open(connector: &dyn Connector, request: OpenRequest, workers: Workers) -> Vec<BatchStream> {
    connector.open_parallel(request, workers).await.expect("streams")
}

async fn read(connector: &dyn Connector, request: OpenRequest, workers: Workers) -> Read {
    let metrics = Arc::clone(&request.context.metrics);
    let streams = open(connector, request, workers).await;
    let count = streams.len();
    let batches: Vec<RecordBatch> = select_all(streams).try_collect().await.expect("readable");
    let mut rows = shown(&batches);
    rows.sort();
    Read { streams: count, queries: metrics.queries(), notes: metrics.notes(), rows }
}

async fn table(connector: &dyn Connector, name: &str) -> TableInfo {
    connector.table(None, name).await.expect("the table exists")
}

/// Rows of a table, and how they came.
async fn whole(connector: &dyn Connector, name: &str) -> Read {
    read(connector, request(scan(&table(connector, name).await), None), WORKERS).await
}

/// As the server itself says.
fn expected(server: &Server, database: &str, sql: &str) -> Vec<Vec<String>> {
    let text = |cell: Option<String>| cell.unwrap_or_else(|| "∅".into());
    let lines = server.query(database, sql).into_iter().map(|line| line.into_iter().map(text).collect());
    let mut lines: Vec<Vec<String>> = lines.collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_comes_once() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "parallel_rows", TABLE, "").await;
    let answer = whole(connector.as_ref(), "t").await;
    assert_eq!((answer.streams, answer.notes.len()), (3, 0));
    assert!(answer.queries > 3, "{} parts", answer.queries);
    assert!(answer.rows == expected(server, "parallel_rows", "select * from t"), "{} rows", answer.rows.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_streams_show_the_state_of_one_moment() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "parallel_state", TABLE, "").await;
    let request = request(scan(&table(connector.as_ref(), "t").await), None);
    let streams = open(connector.as_ref(), request.clone(), WORKERS).await;
    assert_eq!(streams.len(), 3);
    server.execute("parallel_state", "delete from t where id < 0; update t set note = 'late'");
    let batches: Vec<RecordBatch> = select_all(streams).try_collect().await.expect("readable");
    let rows = shown(&batches);
    assert!(rows.len() == ROWS && rows.iter().all(|row| row[2] != "late"), "{} rows", rows.len());
    // The connections are free for others, outside of the old snapshot, and the table is known to change.
    let later = read(connector.as_ref(), request, WORKERS).await;
    assert_eq!((later.streams, later.rows.len()), (1, 60_000));
    assert_eq!(later.notes, ["parallel_state.t changes while it is read: one connection"]);
    assert!(later.rows.iter().all(|row| row[2] == "late"));
}

fn counted(input: Relation) -> Relation {
    let aggregate = |function, argument| Aggregate { function, argument, distinct: false, filter: None };
    let output = |name: &str, aggregate| AggregateOutput {
        name: name.into(),
        aggregate,
        data_type: DataType::Int64,
        nullable: false,
    };
    let aggregates = vec![
        output("n", aggregate(AggregateFunction::CountRows, None)),
        output("notes", aggregate(AggregateFunction::Count, Some(Expr::Column(2)))),
    ];
    Relation::Aggregate { input: Box::new(input), groups: Vec::new(), aggregates }
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregates_come_in_parts_only_when_that_is_allowed() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "parallel_groups", TABLE, "").await;
    let request = request(counted(scan(&table(connector.as_ref(), "t").await)), None);
    let at_once = read(connector.as_ref(), request.clone(), WORKERS).await;
    assert_eq!((at_once.streams, at_once.rows), (1, vec![vec!["120000".into(), "120000".into()]]));
    let parts = read(connector.as_ref(), request, Workers { groups_in_parts: true, ..WORKERS }).await;
    let total = |at: usize| parts.rows.iter().map(|row| row[at].parse::<u64>().expect("a number")).sum::<u64>();
    assert!(parts.streams == 3 && parts.rows.len() > 3, "{} parts", parts.rows.len());
    assert_eq!((total(0), total(1)), (120_000, 120_000));
}

fn kind_is(relation: Relation, op: CompareOp, kind: i64) -> Relation {
    filtered(relation, Expr::compare(op, Expr::Column(3), Expr::Literal(Literal::Int(kind))))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_index_finds_is_not_looked_for_in_parts() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "parallel_index", TABLE, "").await;
    let t = table(connector.as_ref(), "t").await;
    let few = read(connector.as_ref(), request(kind_is(scan(&t), CompareOp::Eq, 7), None), WORKERS).await;
    assert_eq!((few.streams, few.queries, few.rows.len()), (1, 1, 120));
    let most = read(connector.as_ref(), request(kind_is(scan(&t), CompareOp::GtEq, 7), None), WORKERS).await;
    assert_eq!((most.streams, most.rows.len()), (3, ROWS - 7 * 120));
    // Delivering the columns is more work than reading the table for them.
    let kinds = read(connector.as_ref(), request(plans::scan(&t, &["kind"]), None), WORKERS).await;
    assert_eq!((kinds.streams, kinds.rows.len()), (3, ROWS));
}

/// Rows are counted in the smallest index, also those without a value there.
#[tokio::test(flavor = "multi_thread")]
async fn a_count_is_read_in_parts_of_the_index_it_is_taken_from() {
    let server = require!(mariadb::shared());
    let sql = "create table days (id varchar(9) primary key, day date, note char(99), key by_day (day)); \
        insert into days select seq, if(seq % 7 = 0, null, '2024-01-01' + interval seq % 900 day), seq \
            from seq_1_to_90000; \
        alter table days force; analyze table days";
    let connector = connect(server, "parallel_count", &format!("{TABLE}; {sql}"), "").await;
    let workers = Workers { groups_in_parts: true, ..WORKERS };
    for (name, columns) in [("t", ["id", "at", "kind"].as_slice()), ("days", &["id", "day", "id"])] {
        let table = table(connector.as_ref(), name).await;
        let count = read(connector.as_ref(), request(counted(plans::scan(&table, columns)), None), workers).await;
        let total: u64 = count.rows.iter().map(|row| row[0].parse::<u64>().expect("a number")).sum();
        let expected = expected(server, "parallel_count", &format!("select count(*) from {name}"));
        assert_eq!(vec![vec![total.to_string()]], expected, "{name}");
        assert!(count.streams == 3 && count.rows.len() > 3, "{name}: {:?} {:?}", count.rows, count.notes);
    }
}

/// The first table is cut, whatever is joined to it.
#[tokio::test(flavor = "multi_thread")]
async fn joins_are_read_in_parts_of_their_first_table() {
    let server = require!(mariadb::shared());
    let sql = "create table kinds (kind int primary key, name varchar(9)); \
        insert into kinds select seq, concat('k', seq) from seq_1_to_500; alter table kinds force; \
        create table loose as select * from kinds where kind < 50; alter table loose force; analyze table kinds, loose";
    let connector = connect(server, "parallel_joins", &format!("{TABLE}; {sql}"), "").await;
    let t = table(connector.as_ref(), "t").await;
    for other in ["kinds", "loose"] {
        let right = table(connector.as_ref(), other).await;
        for (kind, join) in [(JoinKind::Inner, "join"), (JoinKind::Left, "left join")] {
            let plan = plans::join(scan(&t), scan(&right), kind, &[(3, 0)], None);
            let answer = read(connector.as_ref(), request(plan, None), WORKERS).await;
            let sql = format!("select t.*, o.kind, o.name from t {join} {other} o on t.kind = o.kind");
            assert!(answer.rows == expected(server, "parallel_joins", &sql), "{other} {kind:?}");
            // An inner join may begin at the other table, which finds its rows by an index.
            assert!(kind == JoinKind::Inner || answer.streams == 3, "{other}: {}", answer.streams);
        }
    }
    let kinds = table(connector.as_ref(), "kinds").await;
    let semi = plans::join(scan(&t), scan(&kinds), JoinKind::LeftAnti, &[(3, 0)], None);
    let answer = read(connector.as_ref(), request(semi, None), WORKERS).await;
    let sql = "select * from t where kind not in (select kind from kinds)";
    assert!(answer.rows == expected(server, "parallel_joins", sql), "{} rows", answer.rows.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_without_snapshot_or_key_are_read_over_one_connection() {
    let server = require!(mariadb::shared());
    let sql = "create table heap (a int); create table old (id int primary key) engine = myisam; \
        create table text_key (id varchar(20) primary key); create table huge (id bigint unsigned primary key); \
        create table split (id int primary key) partition by hash (id) partitions 3; \
        insert into heap select seq from seq_1_to_60000; insert into old select seq from seq_1_to_60000; \
        insert into text_key select seq from seq_1_to_60000; insert into split select seq from seq_1_to_60000; \
        insert into huge select 18446744073709551615 - seq from seq_1_to_60000; \
        create view seen as select * from split; \
        alter table heap force; alter table text_key force; alter table huge force; alter table split force; \
        analyze table heap, old, text_key, huge, split";
    let connector = connect(server, "parallel_other", sql, "").await;
    for (name, note) in [
        (
            "heap",
            Some("parallel_other.heap has no primary key that begins with a whole number or a date: one connection"),
        ),
        (
            "text_key",
            Some(
                "parallel_other.text_key has no primary key that begins with a whole number or a date: one connection",
            ),
        ),
        ("old", Some("parallel_other.old is no table of InnoDB, which has snapshots: one connection")),
        ("split", Some("parallel_other.split is no table of InnoDB, which has snapshots: one connection")),
        ("huge", None),
        ("seen", None),
    ] {
        let answer = whole(connector.as_ref(), name).await;
        assert_eq!((answer.streams, answer.rows.len()), (1, 60_000), "{name}");
        assert_eq!(answer.notes.first().map(String::as_str), note, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_tables_cost_no_more_questions_than_the_read_itself() {
    let server = require!(Server::start());
    let sql = "create table small (id int primary key); insert into small select seq from seq_1_to_1000";
    let connector = connect(&server, "parallel_small", sql, "").await;
    let request = request(scan(&table(connector.as_ref(), "small").await), None);
    // Statements by kind: the goodbyes of clients, which the server counts late, are none.
    let asked = || {
        let counters = server.query("", r"show global status like 'Com\_%'");
        let numbers = counters.into_iter().map(|row| row[1].clone().expect("a number"));
        numbers.map(|number| number.parse::<u64>().expect("a number")).sum::<u64>()
    };
    let (before, counting) = (asked(), asked());
    let answer = read(connector.as_ref(), request, WORKERS).await;
    let after = asked();
    assert_eq!((answer.streams, answer.rows.len()), (1, 1_000));
    // A preparation, an execution, and the SELECT that is executed.
    assert_eq!(after - counting, counting - before + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_is_enough() {
    let server = require!(mariadb::shared());
    let _ = connect(server, "parallel_one", TABLE, "").await;
    let connector = connect_with(&server.url("parallel_one"), 1).await.expect("logged in");
    let answer = whole(connector.as_ref(), "t").await;
    assert_eq!((answer.streams, answer.rows.len()), (1, ROWS));
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_all_want_every_connection_do_not_block_each_other() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "parallel_many", TABLE, "").await;
    let t = Arc::new(table(connector.as_ref(), "t").await);
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let (connector, t): (Arc<dyn Connector>, _) = (Arc::clone(&connector), Arc::clone(&t));
            tokio::spawn(async move {
                let workers = Workers { most: 4, groups_in_parts: false };
                read(connector.as_ref(), request(scan(&t), None), workers).await.rows.len()
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("no panic"), ROWS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn further_connections_leave_one_free_and_go_to_whoever_waits() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "parallel_spared", TABLE, "").await;
    let t = table(connector.as_ref(), "t").await;
    let request = request(scan(&t), None);
    let streams = open(connector.as_ref(), request.clone(), Workers { most: 4, groups_in_parts: false }).await;
    assert_eq!(streams.len(), 3);
    connector.open(request.clone()).await.map(drop).expect("one is left");
    drop(streams);

    let mut streams = open(connector.as_ref(), request.clone(), Workers { most: 2, groups_in_parts: false }).await;
    let mut in_use = Vec::new();
    for _ in 0..2 {
        in_use.push(connector.open(request.clone()).await.expect("two are left"));
    }
    let further = streams.split_off(1);
    // Nothing of the first stream is read meanwhile.
    let waiting = async { connector.open(request.clone()).await.map(drop) };
    let (waited, given_up) = futures::join!(waiting, select_all(further).try_collect::<Vec<_>>());
    waited.expect("one is given back");
    drop(in_use);
    let given_up = shown(&given_up.expect("readable")).len();
    let rest = shown(&select_all(streams).try_collect::<Vec<_>>().await.expect("readable")).len();
    assert!(given_up < ROWS / 2, "{given_up} rows were read before");
    assert_eq!(given_up + rest, ROWS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_connection_fails_its_stream_and_dropping_the_others_ends_them() {
    let server = require!(mariadb::shared());
    let sql = "create table wide (id int primary key, note varchar(400)); \
        insert into wide select seq, repeat('x', 400) from seq_1_to_150000; alter table wide force; analyze table wide";
    let connector = connect(server, "parallel_killed", sql, "").await;
    let wide = table(connector.as_ref(), "wide").await;
    let request = request(scan(&wide), None);
    let tag = request.context.statement.to_string();
    let mut streams = open(connector.as_ref(), request.clone(), Workers { most: 2, groups_in_parts: false }).await;
    assert_eq!(streams.len(), 2);
    let find = format!("select id from information_schema.processlist where info like '/* junto:{tag}%'");
    // Between two parts, a connection works on nothing.
    let id = loop {
        for stream in &mut streams {
            stream.next().await.expect("a batch").expect("readable");
        }
        if let Some(row) = server.query("", &find).pop() {
            break row[0].clone().expect("a number");
        }
    };
    server.execute("", &format!("kill {id}"));
    let rest = select_all(streams).try_collect::<Vec<_>>().await;
    let error = rest.expect_err("a killed connection delivers no whole answer");
    assert!(matches!(error, Error::ConnectionLost { .. } | Error::Cancelled), "{error:?}");
    assert_gone(server, &tag);

    let mut streams = open(connector.as_ref(), request.clone(), Workers { most: 2, groups_in_parts: false }).await;
    while !is_running(server, &tag) {
        streams[0].next().await.expect("a batch").expect("readable");
    }
    drop(streams);
    assert_gone(server, &tag);
    assert_eq!(whole(connector.as_ref(), "wide").await.rows.len(), 150_000);
}

fn keys(values: ArrayRef, column: usize) -> Keys {
    let schema = Schema::new(vec![Field::new("k", values.data_type().clone(), false)]);
    let values = RecordBatch::try_new(Arc::new(schema), vec![values]).expect("one column");
    Keys { columns: vec![column], values, nulls: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_of_keys_are_shared() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "parallel_keys", TABLE, "").await;
    let t = table(connector.as_ref(), "t").await;
    let many: ArrayRef = Arc::new(Int64Array::from_iter_values((-20_000..5_000).step_by(1)));
    let answer = read(connector.as_ref(), request(scan(&t), Some(keys(many, 0))), WORKERS).await;
    assert_eq!((answer.streams, answer.queries), (3, 3));
    assert!(answer.rows == expected(server, "parallel_keys", "select * from t where id < 5000"));
    let few: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
    let answer = read(connector.as_ref(), request(scan(&t), Some(keys(few, 0))), WORKERS).await;
    assert_eq!((answer.streams, answer.queries, answer.rows.len()), (1, 1, 300));
    server.execute("parallel_keys", "update t set note = 'x' where id = 0");
    let many: ArrayRef = Arc::new(Int64Array::from_iter_values(-20_000..5_000));
    let answer = read(connector.as_ref(), request(scan(&t), Some(keys(many, 0))), WORKERS).await;
    assert_eq!((answer.streams, answer.queries, answer.notes.len(), answer.rows.len()), (1, 3, 1, 75_000));
}

/// Keys that the column's collation takes for equal stand in different lists.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_comes_once_though_several_lists_find_it() {
    let server = require!(mariadb::shared());
    let sql = "create table words (word varchar(20) primary key) collate utf8mb4_general_ci; \
        insert into words select concat('w', seq) from seq_1_to_100";
    let connector = connect(server, "parallel_words", sql, "").await;
    let words = table(connector.as_ref(), "words").await;
    let upper = (1..=12_000).map(|number| format!("W{number}"));
    let mut values: Vec<String> = upper.chain((1..=12_000).map(|number| format!("w{number}"))).collect();
    values.sort();
    let values: ArrayRef = Arc::new(StringViewArray::from_iter_values(values));
    let stream = connector.open(request(scan(&words), Some(keys(values, 0)))).await.expect("a stream");
    let rows = shown(&stream.try_collect::<Vec<_>>().await.expect("readable"));
    assert_eq!(rows.len(), 100);
}
