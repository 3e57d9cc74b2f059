//! Missing library, missing file, other files, and a file that another process holds.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use junto_connector::Error;

use crate::support::{Fixture, connect, native, open_for_writing, refused};

/// Tells the test [`in_another_process`] what to do; unset in an ordinary run.
const ROLE: &str = "JUNTO_TEST_DUCKDB_ROLE";

/// This test binary again, running only [`in_another_process`].
fn another_process(role: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", "faults::in_another_process", "--nocapture"]).env(ROLE, role);
    command.envs(variables.iter().copied());
    command
}

/// Not a test of its own: the other side of the tests below.
#[tokio::test]
async fn in_another_process() {
    match std::env::var(ROLE).as_deref() {
        Ok("hold") => {
            let path = PathBuf::from(std::env::var_os("HELD_FILE").expect("a file"));
            let _database = open_for_writing(&path);
            println!("held");
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).expect("a pipe");
        }
        Ok("connect") => {
            let error = refused(connect("duckdb:any.duckdb").await, "a missing library");
            println!("{error}: {}", error.hint().expect("a hint"));
        }
        _ => {}
    }
}

#[test]
fn a_missing_library_names_the_command_that_brings_it() {
    let output = another_process("connect", &[("JUNTO_DUCKDB_LIBRARY", "/no/such/library.so")]).output();
    let output = String::from_utf8(output.expect("this binary runs").stdout).expect("UTF-8");
    assert!(output.contains("DuckDB's library (libduckdb) not found: `./dev fetch-duckdb` brings it"), "{output}");
}

#[tokio::test]
async fn a_file_that_another_process_writes_is_locked() {
    let fixture = Fixture::new("CREATE TABLE t (a INTEGER)");
    let path = fixture.path.to_str().expect("UTF-8");
    let mut holder = another_process("hold", &[("HELD_FILE", path)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this binary runs");
    let mut lines = BufReader::new(holder.stdout.take().expect("a pipe")).lines();
    let held = lines.by_ref().map_while(Result::ok).any(|line| line.contains("held"));
    assert!(held, "the other process failed");
    let error = refused(connect(&fixture.url()).await, "a locked file");
    assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    drop(holder.stdin.take());
    holder.wait().expect("the other process ends");
    assert!(connect(&fixture.url()).await.is_ok());
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_nothing_is_made() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = folder.path().join("missing.duckdb");
    let error = refused(connect(&format!("duckdb:{}", missing.display())).await, "a missing file");
    assert!(matches!(error, Error::FileNotFound { .. }), "{error:?}");
    assert!(!missing.exists());
    let text = folder.path().join("text.duckdb");
    std::fs::write(&text, "not a database").expect("a file");
    let error = refused(connect(&format!("duckdb:{}", text.display())).await, "a text file");
    assert!(matches!(error, Error::WrongFileType { .. }), "{error:?}");
    let error = refused(connect(&format!("duckdb:{}", folder.path().display())).await, "a folder");
    assert!(matches!(error, Error::WrongFileType { .. }), "{error:?}");
    let error = refused(connect("duckdb::memory:").await, "no file at all");
    assert!(matches!(error, Error::FileNotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn errors_say_where() {
    let fixture = Fixture::new("CREATE TABLE orders (id INTEGER)");
    let duckdb = fixture.connect().await;
    let sql = "select id\nfrom ordres";
    let Error::Statement { message, position, .. } = refused(native(duckdb.as_ref(), sql).await, sql) else {
        panic!("a statement error");
    };
    assert!(message.contains("ordres"), "{message}");
    assert_eq!(position, sql.find("ordres"));
    let error = refused(native(duckdb.as_ref(), "select cast('x' as int)").await, "a cast");
    assert!(matches!(error, Error::Statement { .. }), "{error:?}");
    let options = connect(&format!("{}?memory_limit=nonsense", fixture.url())).await;
    assert!(options.is_err());
    let columns: Vec<String> = (0..5000).map(|n| format!("c{n} INTEGER")).collect();
    duckdb
        .native(crate::support::native_request(&format!("create table wide ({})", columns.join(", ")), false))
        .await
        .expect("5,000 columns");
    assert_eq!(duckdb.table(None, "wide").await.expect("a table").columns.len(), 5000);
}
