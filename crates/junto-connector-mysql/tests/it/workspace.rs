//! Temporary tables of one statement.

use std::time::{Duration, Instant};

use arrow_schema::DataType;
use junto_connector::{Error, StatementContext};
use junto_testkit::conformance::value::Value;
use junto_testkit::conformance::workspace::{Gate, behaves, gated, gated_table, round_trips, with_one_connection};
use junto_testkit::mariadb::{self, Server};
use junto_testkit::require;

use crate::faults::assert_gone;
use crate::support::{connect, connect_url, connect_with};

const OWN: &str = "create table own (id bigint, name varchar(20));
    insert into own values (1, 'name 1'), (2, 'name 2'), (3, 'Name 3')";

fn context() -> StatementContext {
    StatementContext::new(Some(Instant::now() + Duration::from_secs(30)))
}

/// What MariaDB's types do not have.
fn lacks(data_type: &DataType, value: Option<&Value>) -> bool {
    match value {
        None => matches!(data_type, DataType::Decimal256(66.., _)),
        Some(Value::Float(value)) => !value.is_finite() || (*value == 0.0 && value.is_sign_negative()),
        Some(Value::Date(days)) => !(-719_162..=2_932_896).contains(days),
        Some(Value::Time(micros)) => !(0..86_400_000_000).contains(micros),
        Some(Value::Timestamp(micros)) => !(-62_135_596_800_000_000..=253_402_300_799_999_999).contains(micros),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_comes_back_as_it_was() {
    let server = require!(mariadb::shared());
    for options in ["", "time=time&zero_dates=error", "tinyint1=boolean&zero_dates=text"] {
        let connector = connect(server, "stored", "", options).await;
        round_trips(&*connector, lacks).await.assert_empty();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workspaces_hold_what_they_are_given() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "workspaces", OWN, "").await;
    let own = connector.table(None, "own").await.expect("there");
    behaves(&*connector, &own).await.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn text_joins_whatever_the_collation() {
    let server = require!(mariadb::shared());
    for collation in ["latin1_swedish_ci", "utf8mb4_nopad_bin", "utf8mb3_general_ci"] {
        let own = OWN.replace("varchar(20)", &format!("varchar(20) collate {collation}"));
        let connector = connect(server, "collated", &own, "").await;
        let own = connector.table(None, "own").await.expect("there");
        behaves(&*connector, &own).await.assert_empty();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_tables_are_joined_by_hashing() {
    let arguments =
        ["--slow-query-log", "--slow-query-log-file=slow.log", "--long-query-time=0", "--log-slow-verbosity=explain"];
    let arguments = arguments.map(str::to_owned).to_vec();
    let server = require!(Server::start_with(&mariadb::Settings { arguments, ..mariadb::Settings::default() }));
    let connector = connect(&server, "hashed", OWN, "").await;
    let own = connector.table(None, "own").await.expect("there");
    behaves(&*connector, &own).await.assert_empty();
    let limit = Instant::now() + Duration::from_secs(10);
    while !server.slow_log().lines().any(|line| line.starts_with("# explain:") && line.contains("BNLH join")) {
        assert!(Instant::now() < limit, "{}", server.slow_log());
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_is_enough_for_one_workspace() {
    let server = require!(mariadb::shared());
    server.create_database("alone");
    let connector = connect_with(&server.url("alone"), 1).await.expect("the server takes the login");
    with_one_connection(&*connector).await.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_that_may_not_are_told_what_to_grant() {
    let server = require!(mariadb::shared());
    server.create_database("untemporary");
    server.execute(
        "",
        "create or replace user no_temp@'127.0.0.1' identified by 'x'; grant select on untemporary.* to no_temp@'127.0.0.1'",
    );
    let url = format!("mysql://no_temp:x@127.0.0.1:{}/untemporary", server.port());
    let connector = connect_url(&url).await.expect("the server takes the login");
    let error = connector.workspace(context()).await.expect_err("not permitted");
    let Error::PermissionDenied { reason } = &error else { panic!("{error:?}") };
    assert!(reason.contains("GRANT CREATE TEMPORARY TABLES ON `untemporary`.* TO 'no_temp'"), "{reason}");
    // With that one right it can, although it may not write anywhere.
    server.execute("", "grant create temporary tables on untemporary.* to no_temp@'127.0.0.1'");
    let connector = connect_url(&url).await.expect("the server takes the login");
    let table = gated_table(&*connector, "junto_m1");
    let mut workspace = connector.workspace(context()).await.expect("permitted");
    let stored = workspace.fill(&table, Box::pin(futures::stream::empty())).await;
    assert_eq!(stored.expect("filled"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn small_packets_are_enough() {
    let server = require!(Server::start_with(&mariadb::Settings {
        arguments: vec!["--max-allowed-packet=64K".into()],
        ..mariadb::Settings::default()
    }));
    let connector = connect(&server, "packets", OWN, "").await;
    let own = connector.table(None, "own").await.expect("there");
    behaves(&*connector, &own).await.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_connection_is_an_error_and_leaves_nothing() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "killed_filling", OWN, "").await;
    let table = gated_table(&*connector, "junto_m1");
    let mut workspace = connector.workspace(context()).await.expect("permitted");
    let Gate { rows, reached, go_on } = gated(5_000);
    let kill = async {
        reached.await.expect("the first batch is asked for");
        // The pool's other connections wait too; killing them all is the surer way to hit the right one.
        let find = "select id from information_schema.processlist where db = 'killed_filling'";
        for row in server.query("", find) {
            server.execute("", &format!("kill {}", row[0].as_deref().expect("a number")));
        }
        go_on.send(()).expect("it waits");
    };
    let (filled, ()) = tokio::join!(workspace.fill(&table, rows), kill);
    let error = filled.expect_err("the session is gone");
    assert!(matches!(error, Error::ConnectionLost { .. }), "{error:?}");
    let again = workspace.fill(&table, gated(0).rows).await.expect_err("of no use afterwards");
    assert!(matches!(again, Error::Internal { .. }), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_workspace_is_gone_from_the_server() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "dropped_filling", OWN, "").await;
    connector.close().await;
    let context = context();
    let tag = context.statement.to_string();
    let table = gated_table(&*connector, "junto_m1");
    let mut workspace = connector.workspace(context).await.expect("permitted");
    let Gate { rows, reached, go_on: _never } = gated(1);
    tokio::select! {
        filled = workspace.fill(&table, rows) => panic!("{filled:?}"),
        _ = reached => {}
    }
    drop(workspace);
    assert_gone(server, &tag);
    let limit = Instant::now() + Duration::from_secs(2);
    let find = "select id from information_schema.processlist where db = 'dropped_filling'";
    while !server.query("", find).is_empty() {
        assert!(Instant::now() < limit, "the session is still there after two seconds");
        std::thread::yield_now();
    }
}
