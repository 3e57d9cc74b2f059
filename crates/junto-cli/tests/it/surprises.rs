//! What is planned with is not what is found: tables that changed, statistics that are wrong or may not be seen.

use std::time::Duration;

use junto_engine::{Engine, Error};
use junto_testkit::{mariadb, postgres, require};

use crate::engine::{count, engine, within};
use crate::harness::Place;

const PATIENCE: Duration = Duration::from_secs(30);

/// Rows of a statement whose table is changed after it was planned.
async fn changed(engine: &Engine, sql: &str, change: impl FnOnce()) -> Result<(usize, usize), Error> {
    let mut run = engine.execute(sql, &within(PATIENCE)).await?;
    change();
    let batches = run.collect().await?;
    Ok((run.columns.len(), batches.iter().map(arrow::array::RecordBatch::num_rows).sum()))
}

/// `execute` is given statements that change the database `cli_changed`.
async fn assert_changes_are_noticed(url: &str, execute: impl Fn(&str)) {
    execute(
        "create table t (id int, name varchar(20), extra int); insert into t values (1, 'Ada', 5), (2, 'Grace', 6)",
    );
    let engine = engine(&[("db", url)], 4);
    let all = "SELECT * FROM @db.t";
    assert_eq!(changed(&engine, all, || ()).await.expect("unchanged"), (3, 2));
    let dropped = changed(&engine, all, || execute("alter table t drop column extra")).await;
    assert_eq!(dropped.expect("planned anew"), (2, 2));
    let renamed =
        changed(&engine, "SELECT id, name FROM @db.t", || execute("alter table t rename column name to called"));
    let error = renamed.await.expect_err("there is no such column any more");
    assert!(error.to_string().contains("name"), "{error}");
    let gone = changed(&engine, "SELECT id FROM @db.t", || execute("drop table t")).await.expect_err("it is gone");
    assert!(gone.to_string().contains('t'), "{gone}");
    execute("create table t (id int); insert into t values (1)");
    assert_eq!(count(&engine, all, &within(PATIENCE)).await.expect("it is there again"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_postgresql_that_change_after_planning() {
    let server = require!(postgres::shared());
    server.create_database("cli_changed");
    assert_changes_are_noticed(&server.url("cli_changed"), |sql| server.execute("cli_changed", sql)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_mariadb_that_change_after_planning() {
    let server = require!(mariadb::shared());
    server.create_database("cli_changed");
    assert_changes_are_noticed(&server.url("cli_changed"), |sql| server.execute("cli_changed", sql)).await;
}

const JOINED: &str = "SELECT u.country, count(*) AS n, sum(e.amount) AS total FROM @db.events e \
    JOIN @shop.users u ON u.id = e.user_id GROUP BY u.country ORDER BY u.country";

fn users() -> Place {
    Place::with(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, country TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO users SELECT i, 'country ' || (i % 4) FROM n",
    )
}

/// 60,000 events, 20 of each user, in the spelling of either server.
const EVENTS: &str = "create table events (id int primary key, user_id int, amount int);
    create index by_user on events (user_id);";

/// What `JOINED` answers.
fn expected() -> String {
    let mut totals = [(0, 0); 4];
    for id in 1..=60_000_u64 {
        let total = &mut totals[((id % 3000 + 1) % 4) as usize];
        *total = (total.0 + 1, total.1 + id % 11);
    }
    let lines = totals.iter().enumerate().map(|(country, (n, total))| format!("country {country},{n},{total}\n"));
    format!("country,n,total\n{}", lines.collect::<String>())
}

#[test]
fn statistics_that_are_wrong_or_absent_change_no_answer() {
    let server = require!(postgres::shared());
    server.create_database("cli_wrong");
    server.execute("cli_wrong", EVENTS);
    server.execute("cli_wrong", "insert into events select n, n % 3000 + 1, n % 11 from generate_series(1, 60000) n");
    let maria = require!(mariadb::shared());
    maria.create_database("cli_wrong");
    maria.execute("cli_wrong", EVENTS);
    maria.execute("cli_wrong", "insert into events select seq, seq % 3000 + 1, seq % 11 from seq_1_to_60000");
    let place = users();
    let of_postgres = format!("db={}", server.url("cli_wrong"));
    let of_maria = format!("db={}", maria.url("cli_wrong"));
    let assert_right = |url: &str, what: &str| {
        for strategy in ["auto", "federated"] {
            let answer = place.query(&["-c", url, "--strategy", strategy], JOINED).rows();
            assert_eq!(answer, expected(), "{what}, {strategy}");
        }
    };
    assert_right(&of_postgres, "no statistics");
    for (rows, pages) in [(1, 1), (0, 0), (2_000_000_000, 100_000_000)] {
        let lie = format!(
            "analyze events; update pg_class set reltuples = {rows}, relpages = {pages} where relname = 'events'"
        );
        server.execute("cli_wrong", &lie);
        assert_right(&of_postgres, &format!("{rows} rows"));
    }
    for rows in [1_u64, 2_000_000_000] {
        maria.execute(
            "cli_wrong",
            &format!(
                "analyze table events; update mysql.innodb_table_stats set n_rows = {rows} \
                 where database_name = 'cli_wrong'; flush tables"
            ),
        );
        assert_right(&of_maria, &format!("{rows} rows"));
    }
}

/// In PostgreSQL: no statistics, no snapshots to share, no sizes. In MariaDB: no view is explained.
#[test]
fn a_login_that_may_only_read_is_answered() {
    let server = require!(postgres::shared());
    server.create_database("cli_only_reads");
    server.execute(
        "cli_only_reads",
        &format!(
            "{EVENTS} insert into events select n, n % 3000 + 1, n % 11 from generate_series(1, 60000) n;
             alter table events add column filler text; update events set filler = repeat('x', 500); analyze events;
             drop role if exists cli_only_reads; create role cli_only_reads login password 'x';
             grant select on events to cli_only_reads;
             revoke select on pg_stats, pg_statistic_ext, pg_stats_ext from public;
             revoke execute on function pg_export_snapshot() from public"
        ),
    );
    let maria = require!(mariadb::shared());
    maria.create_database("cli_only_reads");
    maria.execute(
        "cli_only_reads",
        "create table hidden (id int primary key, user_id int, amount int);
         insert into hidden select seq, seq % 3000 + 1, seq % 11 from seq_1_to_60000;
         create view events as select * from hidden;
         create or replace user cli_only_reads@'127.0.0.1' identified by 'x';
         grant select on cli_only_reads.events to cli_only_reads@'127.0.0.1'",
    );
    let place = users();
    let of_postgres = format!("db=postgres://cli_only_reads:x@127.0.0.1:{}/cli_only_reads", server.port());
    let of_maria = format!("db=mysql://cli_only_reads:x@127.0.0.1:{}/cli_only_reads", maria.port());
    for url in [&of_postgres, &of_maria] {
        assert_eq!(place.query(&["-c", url], JOINED).rows(), expected());
        let sums = "SELECT count(*) AS n, sum(amount) AS total FROM @db.events";
        assert_eq!(place.query(&["-c", url], sums).rows().lines().count(), 2);
    }
    let arguments = ["explain", "-c", &of_postgres, "--analyze", "SELECT id, amount, filler FROM @db.events"];
    let explained = place.junto(&arguments);
    assert!(explained.stdout.contains("shares no snapshot"), "{explained:?}");
}
