//! Ctrl-C, time-outs and readers that go away.

use std::io::{BufRead, BufReader};
use std::process::Command;
use std::time::{Duration, Instant};

use junto_testkit::{postgres, require};

use crate::harness::{Outcome, Place};

/// Statements that the server is running in a database.
fn running(server: &postgres::Server, database: &str) -> usize {
    let sql = format!("select 1 from pg_stat_activity where state = 'active' and datname = '{database}'");
    server.query("postgres", &sql).len()
}

#[test]
fn ctrl_c_reaches_the_server() {
    let server = require!(postgres::shared());
    server.create_database("cli_cancel");
    let place = Place::empty();
    let url = format!("pg={}", server.url("cli_cancel"));
    let mut child = place.spawn(&["query", "-c", &url, "--timeout", "none", "select pg_sleep(600)"]);
    let patience = Instant::now() + Duration::from_secs(30);
    while running(server, "cli_cancel") == 0 {
        if Instant::now() > patience || child.try_wait().expect("a child").is_some() {
            child.kill().expect("killed");
            panic!("the statement never ran: {:?}", Outcome::from(child.wait_with_output().expect("it ends")));
        }
        std::thread::yield_now();
    }
    let interrupted = Instant::now();
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill starts");
    assert!(signal.success());
    let outcome: Outcome = child.wait_with_output().expect("it ends").into();
    assert!(interrupted.elapsed() < Duration::from_millis(2_500), "{:?}", interrupted.elapsed());
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(130), "error: cancelled\n"));
    while running(server, "cli_cancel") > 0 {
        assert!(interrupted.elapsed() < Duration::from_secs(3), "the server still works");
        std::thread::yield_now();
    }
}

#[test]
fn time_outs_end_in_time() {
    let server = require!(postgres::shared());
    server.create_database("cli_timeout");
    let url = format!("pg={}", server.url("cli_timeout"));
    let started = Instant::now();
    let said = Place::empty().junto(&["query", "-c", &url, "--timeout", "500ms", "select pg_sleep(600)"]).refused(1);
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert!(said.contains("timed out after") && said.contains("--timeout"), "{said}");
}

#[test]
fn a_reader_that_had_enough_is_no_error() {
    let rows = "CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
        SELECT i, 'some text to fill the pipe' AS text FROM n";
    let place = Place::with(rows);
    let mut child = place.spawn(&["query", "-c", "shop=sqlite:shop.db", "SELECT * FROM @shop.t"]);
    let mut first = String::new();
    let mut reader = BufReader::new(child.stdout.take().expect("piped"));
    reader.read_line(&mut first).expect("a line");
    assert_eq!(first, "i,text\n");
    drop(reader);
    let outcome: Outcome = child.wait_with_output().expect("it ends").into();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
}
