//! Bad input, locks, cancellation.

use std::time::{Duration, Instant};

use futures::StreamExt;
use junto_connector::expr::CompareOp;
use junto_connector::plan::Relation;
use junto_connector::{Error, Expr, Literal, NativeRequest, StatementContext, Support};
use junto_testkit::sqlite::File;

use crate::support::{collect, connect, native, open, read, request, scan};

/// Never ends, never returns a row.
const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0";

#[tokio::test]
async fn files_that_are_no_databases() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "this is not a database, but it is long enough to be looked at").expect("written");
    let url = |path: &std::path::Path| format!("sqlite:{}", path.display());
    assert!(matches!(connect(&url(&path)).await, Err(Error::WrongFileType { .. })));
    assert!(matches!(connect(&url(folder.path())).await, Err(Error::WrongFileType { .. })));
    assert!(matches!(connect(&url(&folder.path().join("no.db"))).await, Err(Error::FileNotFound { .. })));
    std::fs::write(&path, b"SQLite format 3\0 and then nothing that makes sense, page after page").expect("written");
    assert!(matches!(connect(&url(&path)).await, Err(Error::WrongFileType { .. } | Error::Statement { .. })));
    let error = connect(&format!("{}?type.t.c=strange", url(&path))).await.expect_err("unknown type");
    assert!(error.to_string().contains("unknown type `strange`"), "{error}");
}

#[tokio::test]
async fn wrong_names_get_the_nearest() {
    let file = File::create("CREATE TABLE customers (a)");
    let connector = open(&file, "").await;
    let error = connector.table(None, "customer").await.expect_err("no such table");
    assert_eq!(error.hint().as_deref(), Some("did you mean `customers`?"));
    assert!(matches!(connector.tables(Some("public")).await, Err(Error::SchemaNotFound { .. })));
}

#[tokio::test]
async fn a_table_that_changed_since_is_stale() {
    let file = File::create("CREATE TABLE t (a INTEGER, b INTEGER)");
    let connector = open(&file, "").await;
    let info = connector.table(None, "t").await.expect("found");
    file.execute("ALTER TABLE t DROP COLUMN b");
    let mut stream = connector.open(request(scan(&info), 10)).await.expect("starts");
    assert!(matches!(stream.next().await, Some(Err(Error::StaleCatalog { .. }))));
    assert!(stream.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_file_is_waited_for_and_then_reported() {
    let file = File::create("CREATE TABLE t (a INTEGER)");
    let connector = open(&file, "busy_timeout=200ms").await;
    let writer = rusqlite::Connection::open(file.path()).expect("opens");
    writer.execute_batch("BEGIN EXCLUSIVE").expect("locks");
    let started = Instant::now();
    assert!(matches!(read(connector.as_ref(), "t").await, Err(Error::Locked { .. })));
    assert!(started.elapsed() >= Duration::from_millis(200));
    writer.execute_batch("ROLLBACK").expect("unlocks");
    assert!(read(connector.as_ref(), "t").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_a_statement_without_rows() {
    let file = File::create("CREATE TABLE t (a INTEGER)");
    let connector = open(&file, "").await;
    let context = StatementContext::new(Some(Instant::now() + Duration::from_millis(200)));
    let started = Instant::now();
    let request = NativeRequest { sql: ENDLESS.into(), read_only: true, batch_rows: 10, context };
    assert!(matches!(connector.native(request).await, Err(Error::TimedOut { .. })));
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_statement_stops() {
    let file = File::create("PRAGMA journal_mode = WAL; CREATE TABLE t (a INTEGER)");
    let connector = open(&file, "").await;
    let context = StatementContext::new(None);
    let request = NativeRequest { sql: ENDLESS.into(), read_only: true, batch_rows: 10, context };
    let abandoned = tokio::time::timeout(Duration::from_millis(100), connector.native(request)).await;
    assert!(abandoned.is_err(), "it never ends by itself");
    let started = Instant::now();
    // A file in WAL mode keeps its helper files as long as somebody reads.
    drop(connector);
    while std::fs::read_dir(file.folder()).expect("readable").count() > 1 {
        assert!(started.elapsed() < Duration::from_secs(2), "still reading");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn nonsense_says_where() {
    let file = File::create("CREATE TABLE t (a INTEGER)");
    let connector = open(&file, "").await;
    let error = native(connector.as_ref(), "SELECT a FRM t").await.expect_err("nonsense");
    assert!(matches!(&error, Error::Statement { position: Some(_), .. }), "{error:?}");
}

/// A text in a column of integers is greater than all of them to SQLite. A condition must not count its row.
#[tokio::test]
async fn values_that_do_not_fit_match_no_condition() {
    let file = File::create(
        "CREATE TABLE t (a INTEGER, d DECIMAL(5,2)); INSERT INTO t VALUES (1, 1.5), (9, 9.5), ('', ''), ('x', 'x')",
    );
    let connector = open(&file, "").await;
    let info = connector.table(None, "t").await.expect("found");
    for column in 0..2 {
        let number = |whole: i64| match column {
            0 => Expr::Literal(Literal::Int(whole)),
            _ => Expr::Literal(Literal::Decimal { unscaled: format!("{whole}00"), precision: 5, scale: 2 }),
        };
        let compare = |op| Expr::compare(op, Expr::Column(column), number(5));
        let reversed = Expr::compare(CompareOp::Lt, number(5), Expr::Column(column));
        let list = vec![Literal::Int(1)];
        let negated = Expr::InList { expr: Box::new(Expr::Column(0)), list, negated: true };
        for (predicate, expected) in [
            (compare(CompareOp::Gt), 1),
            (compare(CompareOp::GtEq), 1),
            (compare(CompareOp::NotEq), 2),
            (compare(CompareOp::Lt), 1),
            (reversed, 1),
            (negated, 1),
        ] {
            let input = Box::new(scan(&info));
            let rows = Relation::Filter { input, predicate: predicate.clone() };
            let none = Relation::Project { input: Box::new(rows), outputs: Vec::new() };
            let batches = collect(connector.as_ref(), request(none, 10)).await.expect("readable");
            let count: usize = batches.iter().map(arrow::array::RecordBatch::num_rows).sum();
            assert_eq!(count, expected, "{predicate:?}");
        }
        let columns = scan(&info).columns();
        for refused in [Expr::Not(Box::new(compare(CompareOp::Lt))), compare(CompareOp::IsDistinctFrom)] {
            assert_eq!(connector.supports(&refused, &columns), Support::Unsupported);
        }
    }
}

/// A program that crashed in mid-write leaves a journal that only a writer can roll back.
#[tokio::test]
async fn the_journal_of_a_crash_is_reported_and_kept() {
    let file = File::create("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
    let copy = tempfile::tempdir().expect("a folder");
    {
        let mut writer = rusqlite::Connection::open(file.path()).expect("opens");
        // The pages do not fit the cache, so the journal is complete and the file is half written.
        writer.execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1").expect("set");
        let transaction = writer.transaction().expect("begins");
        transaction
            .execute_batch(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
                 INSERT INTO t SELECT i FROM n; UPDATE t SET a = a + 1",
            )
            .expect("written");
        for suffix in ["", "-journal"] {
            let from = format!("{}{suffix}", file.path().display());
            std::fs::copy(from, copy.path().join(format!("copy.db{suffix}"))).expect("copied");
        }
    }
    let url = format!("sqlite:{}", copy.path().join("copy.db").display());
    let error = match connect(&url).await {
        Ok(connector) => read(connector.as_ref(), "t").await.expect_err("needs a rollback"),
        Err(error) => error,
    };
    assert!(matches!(&error, Error::Locked { reason } if reason.contains("crashed")), "{error:?}");
    assert_eq!(std::fs::read_dir(copy.path()).expect("readable").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_reads_at_once_do_not_wait_for_each_other() {
    let file = File::create("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2), (3)");
    let connector = open(&file, "").await;
    let info = connector.table(None, "t").await.expect("found");
    // More streams than connections are kept, each begun and none read to its end.
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = connector.open(request(scan(&info), 1)).await.expect("starts");
        assert!(stream.next().await.expect("a batch").is_ok());
        streams.push(stream);
    }
    for stream in streams {
        assert_eq!(stream.count().await, 2);
    }
}

/// As wide as SQLite allows, with long texts: batches stay small whatever was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn wide_rows_come_in_small_batches() {
    let columns: Vec<String> = (0..2000).map(|at| format!("c{at} INTEGER")).collect();
    let file = File::create(&format!(
        "CREATE TABLE wide ({}); INSERT INTO wide (c0, c1999)
           WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) SELECT i, -i FROM n;
         CREATE TABLE long (t TEXT); INSERT INTO long
           WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) SELECT hex(zeroblob(500000)) FROM n",
        columns.join(", ")
    ));
    let connector = open(&file, "").await;
    for (table, rows) in [("wide", 1500), ("long", 50)] {
        let info = connector.table(None, table).await.expect("found");
        let batches = collect(connector.as_ref(), request(scan(&info), 8192)).await.expect("readable");
        assert_eq!(batches.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), rows);
        assert!(batches.len() > 2, "{table}: {} batches", batches.len());
    }
}

#[tokio::test]
async fn a_predicate_of_ten_thousand_terms() {
    let file = File::create("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (5), (9999), (NULL), (20000)");
    let connector = open(&file, "").await;
    let info = connector.table(None, "t").await.expect("found");
    let equal = |value| Expr::compare(CompareOp::Eq, Expr::Column(0), Expr::Literal(Literal::Int(value)));
    let predicate = Expr::Or((0..10_000).map(equal).collect());
    let plan = Relation::Filter { input: Box::new(scan(&info)), predicate };
    let batches = collect(connector.as_ref(), request(plan, 10)).await.expect("readable");
    assert_eq!(crate::support::lines(&batches), ["5", "9999"]);
}
