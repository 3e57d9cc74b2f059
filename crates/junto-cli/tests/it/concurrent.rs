//! Statements that together want more connections than a source has.

use std::time::{Duration, Instant};

use junto_engine::Engine;
use junto_testkit::{mariadb, postgres, require};

use crate::engine::{count, engine, within};

/// Four different reads of one table, each of all rows but one.
const FOUR_READS: &str = "SELECT id FROM @db.t WHERE id <> 1 UNION ALL SELECT id FROM @db.t WHERE id <> 2 \
    UNION ALL SELECT id FROM @db.t WHERE id <> 3 UNION ALL SELECT id FROM @db.t WHERE id <> 4";

/// Runs the statement twice at the same time.
async fn assert_both_answer(engine: &Engine, sql: &str, rows: usize) {
    let options = within(Duration::from_mins(1));
    let started = Instant::now();
    let (first, second) = tokio::join!(count(engine, sql, &options), count(engine, sql, &options));
    assert_eq!((first.expect("an answer"), second.expect("an answer")), (rows, rows));
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_over_several_connections_of_postgresql_wait_for_nobody() {
    let server = require!(postgres::shared());
    server.create_database("cli_concurrent");
    server.execute(
        "cli_concurrent",
        "create table t (id int, filler text); alter table t alter filler set storage plain;
         insert into t select n, repeat('x', 1900) from generate_series(1, 10000) n; analyze t",
    );
    for connections in [2, 3] {
        let engine = engine(&[("db", &server.url("cli_concurrent"))], connections);
        assert_both_answer(&engine, FOUR_READS, 4 * 9_999).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_over_several_connections_of_mariadb_wait_for_nobody() {
    let server = require!(mariadb::shared());
    server.create_database("cli_concurrent");
    server.execute(
        "cli_concurrent",
        "create table t (id int primary key); insert into t select seq from seq_1_to_60000;
         alter table t force; analyze table t",
    );
    for connections in [2, 3] {
        let engine = engine(&[("db", &server.url("cli_concurrent"))], connections);
        assert_both_answer(&engine, FOUR_READS, 4 * 59_999).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_reads_wait_for_each_other_longer_than_a_login_may_take() {
    let server = require!(mariadb::shared());
    server.create_database("cli_queue");
    for view in ["a", "b", "c", "d"] {
        server.execute("cli_queue", &format!("create view {view} as select sleep(0.6) as slept, '{view}' as name"));
    }
    let url = format!("{}?connect_timeout=1s", server.url("cli_queue"));
    let engine = engine(&[("db", &url)], 2);
    let sql =
        "SELECT * FROM @db.a UNION ALL SELECT * FROM @db.b UNION ALL SELECT * FROM @db.c UNION ALL SELECT * FROM @db.d";
    assert_both_answer(&engine, sql, 4).await;
}
