//! Bad input, locks, cancellation.

use std::time::{Duration, Instant};

use futures::StreamExt;
use junto_connector::{Error, NativeRequest, StatementContext};
use junto_testkit::sqlite::File;

use crate::support::{connect, native, open, read, request, scan};

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
