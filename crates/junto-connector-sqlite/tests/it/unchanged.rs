//! Reading leaves the file and its folder exactly as they were.

use std::collections::BTreeMap;
use std::path::Path;

use junto_connector::Error;
use junto_testkit::sqlite::File;

use crate::support::{connect, native, open, read};

/// Names and contents of a folder. The content of a `-shm`, an index that readers share, may change.
pub(crate) fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let content = |entry: std::fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let bytes = if name.ends_with("-shm") { Vec::new() } else { std::fs::read(entry.path()).expect("readable") };
        (name, bytes)
    };
    entries.map(|entry| content(entry.expect("readable"))).collect()
}

const ROWS: &str = "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2);";

/// Everything a session does; then it ends.
async fn use_and_close(file: &File) -> Vec<String> {
    let connector = open(file, "").await;
    let rows = read(connector.as_ref(), "t").await.expect("readable");
    let _ = native(connector.as_ref(), "DELETE FROM t").await.expect_err("refused");
    let both = tokio::join!(read(connector.as_ref(), "t"), read(connector.as_ref(), "t"));
    assert_eq!((both.0.expect("readable"), both.1.expect("readable")), (rows.clone(), rows.clone()));
    connector.close().await;
    assert_eq!(read(connector.as_ref(), "t").await.expect("readable again"), rows);
    drop(connector);
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_rollback_journal() {
    let file = File::create(ROWS);
    let before = contents(file.folder());
    assert_eq!(use_and_close(&file).await, ["1", "2"]);
    assert_eq!(contents(file.folder()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_wal_mode_that_nobody_uses() {
    let file = File::create(&format!("PRAGMA journal_mode = WAL; {ROWS}"));
    let before = contents(file.folder());
    assert_eq!(before.len(), 1, "its writer has cleaned up");
    assert_eq!(use_and_close(&file).await, ["1", "2"]);
    assert_eq!(contents(file.folder()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_wal_mode_with_a_writer_at_work() {
    let file = File::create(&format!("PRAGMA journal_mode = WAL; {ROWS}"));
    let writer = rusqlite::Connection::open(file.path()).expect("opens");
    writer.execute("INSERT INTO t VALUES (3)", []).expect("inserts");
    let before = contents(file.folder());
    assert_eq!(before.len(), 3, "-wal and -shm are there");
    assert_eq!(use_and_close(&file).await, ["1", "2", "3"]);
    assert_eq!(contents(file.folder()), before);
    drop(writer);
    assert_eq!(contents(file.folder()).len(), 1, "the writer can still clean up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_wal_mode_whose_writer_begins_while_we_read() {
    let file = File::create(&format!("PRAGMA journal_mode = WAL; {ROWS}"));
    let connector = open(&file, "").await;
    let writer = rusqlite::Connection::open(file.path()).expect("opens");
    writer.execute("INSERT INTO t VALUES (3)", []).expect("inserts");
    assert_eq!(read(connector.as_ref(), "t").await.expect("readable"), ["1", "2", "3"]);
    drop(writer);
    drop(connector);
    // Whoever was last has cleaned up, or left a -wal with what was written; nothing is lost.
    let reader = open(&file, "").await;
    assert_eq!(read(reader.as_ref(), "t").await.expect("readable"), ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wal_without_its_index_is_refused_and_kept() {
    let file = File::create(&format!("PRAGMA journal_mode = WAL; {ROWS}"));
    let writer = rusqlite::Connection::open(file.path()).expect("opens");
    writer.execute("INSERT INTO t VALUES (3)", []).expect("inserts");
    let copy = tempfile::tempdir().expect("a folder");
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", file.path().display());
        std::fs::copy(from, copy.path().join(format!("copy.db{suffix}"))).expect("copied");
    }
    let before = contents(copy.path());
    let url = format!("sqlite:{}", copy.path().join("copy.db").display());
    let error = connect(&url).await.expect_err("needs recovery");
    assert!(matches!(&error, Error::Locked { reason } if reason.contains("-wal")), "{error}");
    assert_eq!(contents(copy.path()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immutable_file() {
    let file = File::create(&format!("PRAGMA journal_mode = WAL; {ROWS}"));
    let before = contents(file.folder());
    let connector = open(&file, "immutable=true").await;
    assert_eq!(read(connector.as_ref(), "t").await.expect("readable"), ["1", "2"]);
    assert_eq!(contents(file.folder()), before);
}
