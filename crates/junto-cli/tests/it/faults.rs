//! Connections that are killed, logins that may not, and users who had enough, while several sources work together.

use std::process::Child;
use std::time::Instant;

use junto_testkit::{mariadb, postgres, require};

use crate::faults_keyed::with_a_slow_row;
use crate::harness::{Outcome, Place};
use crate::sessions::{SOON, Server, assert_within, cancelled, ending, interrupt, timed_out, wait_for};

#[test]
fn logins_without_temporary_tables_are_answered_in_another_way() {
    let server = require!(postgres::shared());
    server.create_database("cli_no_temporary");
    // The join of both tables has many rows, and the users choose few of them.
    server.execute(
        "cli_no_temporary",
        "create table events as select n as id, n % 1000 as user_id, n % 300 as item, n % 11 as amount
             from generate_series(1, 60000) n;
         create table details as select n as id, n % 300 as item, n % 7 as weight from generate_series(1, 150000) n;
         analyze; drop role if exists cli_no_temporary; create role cli_no_temporary login password 'x';
         grant select on events, details to cli_no_temporary;
         revoke temporary on database cli_no_temporary from public",
    );
    let place = Place::with(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, country TEXT);
         INSERT INTO users VALUES (50, 'a'), (100, 'b'), (150, 'a'), (200, 'b')",
    );
    let sql = "SELECT count(*) AS n, sum(d.weight * e.amount) AS total FROM @pg.events e \
               JOIN @pg.details d ON d.item = e.item JOIN @shop.users u ON u.id = e.user_id";
    let may = format!("pg={}", server.url("cli_no_temporary"));
    let may_not = format!("pg=postgres://cli_no_temporary:x@127.0.0.1:{}/cli_no_temporary", server.port());
    let said = place.query(&["-c", &may_not, "--strategy", "materialize"], sql).refused(2);
    assert!(said.contains("the login may not make temporary tables"), "{said}");
    let mut answers = Vec::new();
    for (url, strategy) in [(&may, "materialize"), (&may_not, "federated")] {
        let outcome = place.junto(&["query", "-c", "shop=sqlite:shop.db", "-c", url, "--timing", sql]);
        let timing: serde_json::Value =
            serde_json::from_str(&outcome.stderr).unwrap_or_else(|_| panic!("{}", outcome.stderr));
        assert_eq!(timing["strategy"], strategy, "{timing}");
        let reason = timing["reason"].as_str().expect("a reason");
        assert_eq!(reason.contains("rows cannot be brought to @pg"), strategy == "federated", "{reason}");
        answers.push(outcome.stdout);
    }
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn connections_that_are_killed_while_they_share_an_aggregate() {
    let server = Server::MariaDb(require!(mariadb::shared()));
    server.create_database("cli_kill_groups");
    server.execute(
        "cli_kill_groups",
        "create table sales (id int primary key, item int, amount int, note varchar(100));
         insert into sales select seq, seq % 50, seq % 13, repeat('x', 100) from seq_1_to_1000000;
         alter table sales force; analyze table sales",
    );
    let place = Place::empty();
    let my = format!("my={}", server.url("cli_kill_groups"));
    let sql = "SELECT count(*) AS n, sum(amount) AS total FROM @my.sales";
    assert_eq!(place.junto(&["query", "-c", &my, sql]).rows(), "n,total\n1000000,5999995\n");
    let working = || server.working("cli_kill_groups", "/* junto:%SUM(%");
    let child = wait_for(place.spawn(&["query", "-c", &my, sql]), || working().len() > 1);
    let said = ending(child, || server.end(&working())).refused(2);
    assert!(said.contains("connection @my: "), "{said}");
}

#[test]
fn ctrl_c_while_several_connections_share_a_read() {
    let server = Server::Postgres(require!(postgres::shared()));
    server.create_database("cli_int_shared");
    server.execute(
        "cli_int_shared",
        "create table wide as select n as id, repeat('x', 400) as note from generate_series(1, 300000) n; analyze wide",
    );
    let place = Place::empty();
    let pg = format!("pg={}", server.url("cli_int_shared"));
    // Nobody reads what it writes, so it never comes to its end.
    let child = place.spawn(&["query", "-c", &pg, "--timeout", "none", "SELECT id, note FROM @pg.wide"]);
    let child = wait_for(child, || server.working("cli_int_shared", "%wide%").len() > 1);
    let since = Instant::now();
    interrupt(&child);
    assert_within(SOON, since, "the server still works", || server.working("cli_int_shared", "%").is_empty());
    let outcome = Outcome::of(child);
    assert_eq!(outcome.code, Some(130), "{}", outcome.stderr);
}

/// Two reads that are one.
const SHARED: &str = "WITH e AS (SELECT user_id, amount FROM @pg.events) SELECT count(*) AS n, sum(a.amount) AS total \
    FROM e a JOIN e b ON b.user_id = a.user_id WHERE a.amount * b.amount > random()";

/// The shared read, begun in a database of its own, whose last row never comes.
fn reading_once(place: &Place, server: &postgres::Server, database: &str, timeout: &str) -> Child {
    let slow = format!("pg={}", with_a_slow_row(Server::Postgres(server), database));
    let arguments = ["query", "-c", &slow, "--strategy", "federated", "--timeout", timeout, SHARED];
    wait_for(place.spawn(&arguments), || !Server::Postgres(server).sleeping(database).is_empty())
}

#[test]
fn ctrl_c_and_time_outs_end_a_read_that_two_share() {
    let server = require!(postgres::shared());
    let left = || Server::Postgres(server).sessions("cli_int_once");
    let place = Place::empty();
    let since = cancelled(reading_once(&place, server, "cli_int_once", "none"));
    assert_within(SOON, since, "the server still works", || left().is_empty());
    let since = timed_out(reading_once(&place, server, "cli_int_once", "3s"));
    assert_within(SOON, since, "the server still works", || left().is_empty());
}

#[test]
fn a_backend_that_is_killed_under_two_readers() {
    let server = require!(postgres::shared());
    let place = Place::empty();
    let child = reading_once(&place, server, "cli_kill_once", "none");
    let server = Server::Postgres(server);
    let said = ending(child, || server.end(&server.working("cli_kill_once", "%events%"))).refused(2);
    assert!(said.contains("connection @pg: "), "{said}");
}
