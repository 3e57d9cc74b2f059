//! Reads over several threads: every row once, of one state, and one thread wherever that is as good.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use futures::stream::select_all;
use futures::{StreamExt, TryStreamExt};
use junto_connector::expr::{Aggregate, AggregateFunction, CompareOp};
use junto_connector::plan::{AggregateOutput, JoinKind, Relation};
use junto_connector::{BatchStream, Connector, Error, Expr, Keys, Literal, OpenRequest, Workers};
use junto_testkit::conformance::plans;
use junto_testkit::sqlite::File;

use crate::support::{connect_with, lines, open, request, scan};
use crate::unchanged::contents;

const WORKERS: Workers = Workers { most: 3, groups_in_parts: false };
const ROWS: usize = 60_000;

/// 60,000 rows whose rowids are negative, dense and far apart.
const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, kind INTEGER, note TEXT); \
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) \
      INSERT INTO t SELECT CASE WHEN i % 1000 = 0 THEN i * 5000 ELSE i - 30000 END, i % 100, 'n' || i FROM n; \
    CREATE INDEX by_kind ON t (kind);";

struct Read {
    streams: usize,
    queries: u64,
    notes: Vec<String>,
    rows: Vec<String>,
}

async fn streams(connector: &dyn Connector, request: OpenRequest, workers: Workers) -> Vec<BatchStream> {
    connector.open_parallel(request, workers).await.expect("streams")
}

async fn read(connector: &dyn Connector, root: Relation, workers: Workers) -> Read {
    let request = request(root, 1000);
    let metrics = Arc::clone(&request.context.metrics);
    let streams = streams(connector, request, workers).await;
    let count = streams.len();
    let batches: Vec<_> = select_all(streams).try_collect().await.expect("readable");
    let mut rows = lines(&batches);
    rows.sort();
    Read { streams: count, queries: metrics.queries(), notes: metrics.notes(), rows }
}

async fn all_of(connector: &dyn Connector, table: &str) -> Relation {
    scan(&connector.table(None, table).await.expect("found"))
}

fn expected(file: &File) -> Vec<String> {
    let connection = rusqlite::Connection::open(file.path()).expect("opens");
    let mut statement = connection.prepare("SELECT id || '|' || kind || '|' || note FROM t").expect("prepared");
    let rows = statement.query_map([], |row| row.get(0)).expect("runs");
    let mut rows: Vec<String> = rows.collect::<Result<_, _>>().expect("readable");
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_comes_once_and_the_file_stays_as_it_is() {
    for mode in ["DELETE", "WAL"] {
        let file = File::create(&format!("PRAGMA journal_mode = {mode}; {TABLE}"));
        let before = contents(file.folder());
        let connector = open(&file, "").await;
        let answer = read(connector.as_ref(), all_of(connector.as_ref(), "t").await, WORKERS).await;
        assert_eq!((answer.streams, answer.notes.len()), (3, 0), "{mode}");
        assert!(answer.queries > 3, "{} parts", answer.queries);
        connector.close().await;
        drop(connector);
        assert!(contents(file.folder()) == before, "{mode}");
        assert!(answer.rows == expected(&file), "{mode}: {} rows", answer.rows.len());
    }
}

/// A writer that commits while threads begin: whatever they read is one state, with or without helpers.
#[tokio::test(flavor = "multi_thread")]
async fn all_threads_see_one_state() {
    let file = File::create(&format!("PRAGMA journal_mode = WAL; {TABLE}"));
    let connector = open(&file, "").await;
    let plan = all_of(connector.as_ref(), "t").await;
    let path = file.path();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        let connection = rusqlite::Connection::open(path).expect("opens");
        connection.busy_timeout(std::time::Duration::from_secs(5)).expect("set");
        let mut round = 0;
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            round += 1;
            // Rows at both ends of the table, in different parts.
            let change = format!("UPDATE t SET kind = {round} WHERE id < -29000 OR id > 250000000");
            connection.execute(&change, []).expect("written");
        }
    });
    let mut changed = 0;
    for _ in 0..20 {
        let answer = read(connector.as_ref(), plan.clone(), WORKERS).await;
        assert_eq!(answer.rows.len(), ROWS);
        let kinds = |row: &&String| {
            let mut cells = row.split('|');
            let id: i64 = cells.next().and_then(|id| id.parse().ok()).expect("a number");
            (!(-29_000..=250_000_000).contains(&id)).then(|| cells.next().expect("a kind").to_owned())
        };
        let mut kinds: Vec<String> = answer.rows.iter().filter_map(|row| kinds(&row)).collect();
        kinds.sort();
        kinds.dedup();
        // Before the writer's first round every row has a kind of its own.
        assert!(kinds.len() == 1 || kinds.len() > 90, "{kinds:?}");
        changed += usize::from(!answer.notes.is_empty());
        assert!(answer.notes.iter().all(|note| note.contains("changes while it is read")), "{:?}", answer.notes);
    }
    drop(stop);
    writer.join().expect("no panic");
    eprintln!("{changed} of 20 reads met a commit");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_later_is_not_seen() {
    let file = File::create(&format!("PRAGMA journal_mode = WAL; {TABLE}"));
    let connector = open(&file, "").await;
    let root = all_of(connector.as_ref(), "t").await;
    let mut streams = streams(connector.as_ref(), request(root, 100), WORKERS).await;
    let mut batches = Vec::new();
    for stream in &mut streams {
        batches.extend(stream.next().await.transpose().expect("readable"));
    }
    file.execute("UPDATE t SET note = 'late'");
    batches.extend(select_all(streams).try_collect::<Vec<_>>().await.expect("readable"));
    let rows = lines(&batches);
    assert!(rows.len() == ROWS && rows.iter().all(|row| !row.ends_with("late")), "{} rows", rows.len());
}

fn counted(input: Relation) -> Relation {
    let argument = Some(Expr::Column(1));
    let aggregate = Aggregate { function: AggregateFunction::Count, argument, distinct: false, filter: None };
    let aggregates = vec![AggregateOutput { name: "n".into(), aggregate, data_type: DataType::Int64, nullable: false }];
    Relation::Aggregate { input: Box::new(input), groups: Vec::new(), aggregates }
}

fn kind_is(input: Relation, kind: i64) -> Relation {
    let predicate = Expr::compare(CompareOp::Eq, Expr::Column(1), Expr::Literal(Literal::Int(kind)));
    Relation::Filter { input: Box::new(input), predicate }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_whole_scans_of_large_tables_are_shared() {
    let file = File::create(&format!(
        "{TABLE} CREATE TABLE keyed (id INTEGER PRIMARY KEY, a TEXT) WITHOUT ROWID; \
         INSERT INTO keyed SELECT id, note FROM t; CREATE VIEW seen AS SELECT * FROM t; \
         CREATE TABLE named (rowid TEXT, _rowid_ TEXT, oid TEXT); INSERT INTO named SELECT note, note, note FROM t; \
         CREATE TABLE half (rowid TEXT, a TEXT); INSERT INTO half SELECT note, note FROM t; \
         CREATE TABLE small (a TEXT); INSERT INTO small SELECT note FROM t LIMIT 1000; \
         CREATE VIRTUAL TABLE words USING fts5(word); INSERT INTO words SELECT note FROM t;"
    ));
    let connector = open(&file, "").await;
    for (table, threads, rows) in [
        ("t", 3, ROWS),
        ("half", 3, ROWS),
        ("keyed", 1, ROWS),
        ("seen", 1, ROWS),
        ("named", 1, ROWS),
        ("words", 1, ROWS),
        ("small", 1, 1000),
    ] {
        let answer = read(connector.as_ref(), all_of(connector.as_ref(), table).await, WORKERS).await;
        assert_eq!((answer.streams, answer.rows.len(), answer.notes.len()), (threads, rows, 0), "{table}");
    }
    let t = all_of(connector.as_ref(), "t").await;
    let indexed = read(connector.as_ref(), kind_is(t.clone(), 7), WORKERS).await;
    assert_eq!((indexed.streams, indexed.queries, indexed.rows.len()), (1, 1, 600));
    let whole = Relation::Project { input: Box::new(t.clone()), outputs: Vec::new() };
    let covered = read(connector.as_ref(), whole, WORKERS).await;
    assert_eq!((covered.streams, covered.rows.len()), (1, ROWS), "an index is smaller");
    let limited = Relation::Limit { input: Box::new(t.clone()), skip: 0, fetch: Some(5) };
    assert_eq!(read(connector.as_ref(), limited, WORKERS).await.rows.len(), 5);
    let half = counted(all_of(connector.as_ref(), "half").await);
    assert_eq!(read(connector.as_ref(), half.clone(), WORKERS).await.rows, ["60000"]);
    let parts = read(connector.as_ref(), half, Workers { groups_in_parts: true, ..WORKERS }).await;
    let total: usize = parts.rows.iter().map(|row| row.parse::<usize>().expect("a number")).sum();
    assert!(parts.streams == 3 && parts.rows.len() > 3 && total == ROWS, "{:?}", parts.rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_an_index_finds_are_looked_up_by_several_threads() {
    let file = File::create(&format!(
        "{TABLE} CREATE TABLE bare (id INTEGER, kind INTEGER, note TEXT); INSERT INTO bare SELECT * FROM t;"
    ));
    let connector = open(&file, "").await;
    let wanted = Int64Array::from_iter_values(-25_000..-20_000);
    for (table, threads) in [("t", 3), ("bare", 1)] {
        let root = all_of(connector.as_ref(), table).await;
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
        let values = RecordBatch::try_new(schema, vec![Arc::new(wanted.clone())]).expect("one column");
        let keys = Keys { columns: vec![0], values, nulls: false };
        let request = OpenRequest { keys: Some(keys), ..request(root, 1000) };
        let streams = streams(connector.as_ref(), request, WORKERS).await;
        let count = streams.len();
        let batches: Vec<_> = select_all(streams).try_collect().await.expect("readable");
        let rows: HashSet<String> = lines(&batches).into_iter().collect();
        // Each thousandth row has its key elsewhere.
        assert_eq!((count, rows.len(), rows.len()), (threads, 4995, lines(&batches).len()), "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_are_read_in_parts_of_their_first_table() {
    let file = File::create(&format!(
        "{TABLE} CREATE TABLE kinds (kind INTEGER PRIMARY KEY, name TEXT); \
         INSERT INTO kinds SELECT DISTINCT kind, 'k' || kind FROM t WHERE kind < 50; \
         CREATE TABLE loose (kind INTEGER, name TEXT); INSERT INTO loose SELECT * FROM kinds;"
    ));
    let connector = open(&file, "").await;
    let t = all_of(connector.as_ref(), "t").await;
    for (other, threads) in [("kinds", 3), ("loose", 1)] {
        let right = all_of(connector.as_ref(), other).await;
        for (kind, rows) in [(JoinKind::Left, ROWS), (JoinKind::LeftSemi, ROWS / 2), (JoinKind::LeftAnti, ROWS / 2)] {
            let plan = plans::join(t.clone(), right.clone(), kind, &[(1, 0)], None);
            let answer = read(connector.as_ref(), plan, WORKERS).await;
            assert_eq!(answer.rows.len(), rows, "{other} {kind:?}");
            assert!(kind != JoinKind::Left || answer.streams == threads, "{other}: {}", answer.streams);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn helpers_join_only_where_connections_are_free() {
    let file = File::create(TABLE);
    let one = connect_with(&file.url(), 1).await.expect("a database");
    let root = all_of(one.as_ref(), "t").await;
    assert_eq!(read(one.as_ref(), root.clone(), WORKERS).await.streams, 1);
    let two = connect_with(&file.url(), 2).await.expect("a database");
    let mut busy = two.open(request(root.clone(), 10)).await.expect("a stream");
    busy.next().await.expect("a batch").expect("readable");
    let answer = read(two.as_ref(), root, WORKERS).await;
    assert_eq!((answer.streams, answer.rows.len()), (1, ROWS));
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_streams_stop_their_threads() {
    let file = File::create(&format!("PRAGMA journal_mode = WAL; {TABLE}"));
    let connector = open(&file, "").await;
    let root = all_of(connector.as_ref(), "t").await;
    let mut streams = streams(connector.as_ref(), request(root, 10), WORKERS).await;
    streams[0].next().await.expect("a batch").expect("readable");
    drop(streams);
    // A file in WAL mode keeps its helper files as long as somebody reads.
    let started = std::time::Instant::now();
    drop(connector);
    while std::fs::read_dir(file.folder()).expect("readable").count() > 1 {
        assert!(started.elapsed() < std::time::Duration::from_secs(2), "still reading");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_reach_their_stream() {
    let file = File::create(&format!("{TABLE} UPDATE t SET kind = 'many' WHERE id = 5"));
    let connector = open(&file, "").await;
    let info = connector.table(None, "t").await.expect("found");
    let all = async || {
        let streams = streams(connector.as_ref(), request(scan(&info), 100), WORKERS).await;
        select_all(streams).try_collect::<Vec<_>>().await
    };
    assert!(matches!(all().await, Err(Error::Decode { row: None, .. })));
    file.execute("DROP INDEX by_kind; ALTER TABLE t DROP COLUMN kind");
    assert!(matches!(all().await, Err(Error::StaleCatalog { .. })));
    file.execute("DROP TABLE t");
    assert!(matches!(all().await, Err(Error::StaleCatalog { .. })));
}
