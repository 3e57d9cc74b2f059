//! Temporary tables of one statement.

use std::time::{Duration, Instant};

use arrow::datatypes::DataType;
use junto_connector::{Error, StatementContext};
use junto_testkit::conformance::value::Value;
use junto_testkit::conformance::workspace::{Gate, behaves, gated, gated_table, round_trips, with_one_connection};
use junto_testkit::postgres::{Server, shared};
use junto_testkit::require;

use crate::{connect, database, error_of, try_connect_at_most, within_two_seconds};

const OWN: &str = "create table own (id bigint, name text);
    insert into own values (1, 'name 1'), (2, 'name 2'), (3, 'Name 3')";

fn context() -> StatementContext {
    StatementContext::new(Some(Instant::now() + Duration::from_secs(30)))
}

/// What PostgreSQL's types do not have.
fn lacks(_: &DataType, value: Option<&Value>) -> bool {
    match value {
        Some(Value::Text(text)) => text.contains('\0'),
        Some(Value::Date(days)) => {
            (2_145_042_906..i32::MAX).contains(days) || (i32::MIN + 1..-2_440_588).contains(days)
        }
        Some(Value::Time(micros)) => !(0..86_400_000_000).contains(micros),
        Some(Value::Timestamp(micros)) => *micros == i64::MIN + 1,
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_comes_back_as_it_was() {
    let server = require!(shared());
    let connector = connect(&server.url("postgres")).await;
    round_trips(&*connector, lacks).await.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn workspaces_hold_what_they_are_given_and_leave_nothing() {
    let server = require!(shared());
    let connector = database(server, "workspaces", OWN).await;
    let own = connector.table(None, "own").await.expect("there");
    behaves(&*connector, &own).await.assert_empty();
    assert!(within_two_seconds(|| leftovers(server, "workspaces").is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_joins_whatever_the_collation() {
    let server = require!(shared());
    let collated = OWN.replace("name text", "name text collate \"en-x-icu\"");
    let connector = database(server, "collated", &collated).await;
    let own = connector.table(None, "own").await.expect("there");
    behaves(&*connector, &own).await.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_is_enough_for_one_workspace() {
    let server = require!(shared());
    let connector = try_connect_at_most(&server.url("postgres"), 1).await.expect("the server accepts us");
    with_one_connection(&*connector).await.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_that_may_not_are_told_what_to_grant() {
    let server = require!(shared());
    server.create_database("untemporary");
    server.execute(
        "untemporary",
        "drop role if exists no_temp; create role no_temp login password 'x';
         revoke temporary on database untemporary from public",
    );
    let connector = connect(&format!("postgres://no_temp:x@127.0.0.1:{}/untemporary", server.port())).await;
    let error = error_of(connector.workspace(context()).await);
    let Error::PermissionDenied { reason } = &error else { panic!("{error:?}") };
    assert!(reason.contains("GRANT TEMPORARY ON DATABASE \"untemporary\" TO \"no_temp\""), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_by_role_may_still_make_temporary_tables() {
    let server = require!(shared());
    server.create_database("reader");
    server.execute(
        "reader",
        &format!(
            "{OWN}; drop role if exists only_reads; create role only_reads login password 'x';
             alter role only_reads set default_transaction_read_only = on; grant select on own to only_reads"
        ),
    );
    let connector = connect(&format!("postgres://only_reads:x@127.0.0.1:{}/reader", server.port())).await;
    let own = connector.table(None, "own").await.expect("there");
    behaves(&*connector, &own).await.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_backend_is_an_error_and_leaves_nothing() {
    let server = require!(shared());
    let connector = database(server, "killed_filling", OWN).await;
    let context = context();
    let tag = context.statement;
    let table = gated_table(&*connector, "junto_m1");
    let mut workspace = connector.workspace(context).await.expect("permitted");
    let Gate { rows, reached, go_on } = gated(5_000);
    let kill = async {
        reached.await.expect("the first batch is asked for");
        assert_eq!(leftovers(server, "killed_filling").len(), 1, "it is there while it is filled");
        let find = "select pg_terminate_backend(pid) from pg_stat_activity where query like";
        server.query("postgres", &format!("{find} '%{tag}%COPY%' and pid <> pg_backend_pid()"));
        go_on.send(()).expect("it waits");
    };
    let (filled, ()) = tokio::join!(workspace.fill(&table, rows), kill);
    assert!(matches!(error_of(filled), Error::ConnectionLost { .. }));
    assert!(matches!(error_of(workspace.fill(&table, gated(0).rows).await), Error::Internal { .. }));
    assert!(within_two_seconds(|| leftovers(server, "killed_filling").is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_workspace_is_gone_from_the_server() {
    let server = require!(shared());
    let connector = database(server, "dropped_filling", OWN).await;
    let table = gated_table(&*connector, "junto_m1");
    let mut workspace = connector.workspace(context()).await.expect("permitted");
    let Gate { rows, reached, go_on: _never } = gated(1);
    tokio::select! {
        filled = workspace.fill(&table, rows) => panic!("{filled:?}"),
        _ = reached => {}
    }
    drop(workspace);
    assert!(within_two_seconds(|| leftovers(server, "dropped_filling").is_empty()));
}

/// Temporary tables in a database.
fn leftovers(server: &Server, database: &str) -> Vec<Vec<Option<String>>> {
    server.query(database, "select relname from pg_class where relname like 'junto\\_%'")
}
