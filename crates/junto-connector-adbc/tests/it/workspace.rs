//! Temporary tables of one statement in a DuckDB file.

use std::time::{Duration, Instant};

use arrow::datatypes::DataType;
use futures::stream;
use junto_connector::{Error, Reaper, StatementContext};
use junto_connector_adbc::DuckDbFactory;
use junto_testkit::conformance::value::Value;
use junto_testkit::conformance::workspace::{Gate, behaves, gated, gated_table, round_trips};

use crate::support::{Fixture, collect, connect, connect_with, native, request, scan, texts};

const OWN: &str = "create table own (id bigint, name varchar);
    insert into own values (1, 'name 1'), (2, 'name 2'), (3, 'Name 3')";

fn context() -> StatementContext {
    StatementContext::new(Some(Instant::now() + Duration::from_secs(30)))
}

/// What DuckDB's types do not have.
fn lacks(data_type: &DataType, value: Option<&Value>) -> bool {
    match value {
        None => matches!(data_type, DataType::Decimal256(..)),
        Some(Value::Date(days)) => matches!(*days, i32::MAX | i32::MIN) || *days == i32::MIN + 1,
        Some(Value::Time(micros)) => !(0..86_400_000_000).contains(micros),
        Some(Value::Timestamp(micros)) => *micros == i64::MAX || *micros <= i64::MIN + 1,
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_comes_back_as_it_was() {
    let connector = Fixture::new(OWN).connect().await;
    round_trips(&*connector, lacks).await.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn workspaces_hold_what_they_are_given_and_leave_the_file_alone() {
    let fixture = Fixture::new(OWN);
    let before = std::fs::read(&fixture.path).expect("readable");
    let reaper = Reaper::start();
    let connector = connect_with(&DuckDbFactory, &fixture.url(), reaper.clone()).await.expect("opens");
    let own = connector.table(None, "own").await.expect("there");
    behaves(&*connector, &own).await.assert_empty();
    drop(connector);
    reaper.drain(Duration::from_secs(2));
    assert_eq!(std::fs::read(&fixture.path).expect("readable"), before);
    let beside = std::fs::read_dir(fixture.path.parent().expect("a folder")).expect("readable");
    assert_eq!(beside.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_the_file_do_not_get_in_the_way() {
    let others = "create schema shop.temp; create table shop.main.junto_m1 (a int); \
        create table shop.temp.junto_m1 (a int)";
    let fixture = Fixture::new(&format!("{OWN}; {others}"));
    let connector = fixture.connect().await;
    let table = gated_table(&*connector, "junto_m1");
    let mut workspace = connector.workspace(context()).await.expect("permitted");
    let Gate { rows, reached: _reached, go_on } = gated(0);
    go_on.send(()).expect("it waits");
    assert_eq!(workspace.fill(&table, rows).await.expect("filled"), 1_001);
    let read = workspace.open(request(scan(&table), None)).await.expect("opens");
    assert_eq!(texts(&collect(read).await.expect("readable")).len(), 1_001);
    assert_eq!(native(&*connector, "select count(*) from main.junto_m1").await.expect("readable"), [["0"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_do_not_see_each_others_tables() {
    let connector = Fixture::new(OWN).connect().await;
    let table = gated_table(&*connector, "junto_m1");
    let mut one = connector.workspace(context()).await.expect("permitted");
    let mut other = connector.workspace(context()).await.expect("permitted");
    assert_eq!(one.fill(&table, Box::pin(stream::empty())).await.expect("filled"), 0);
    assert_eq!(other.fill(&table, Box::pin(stream::empty())).await.expect("filled"), 0);
    assert!(native(&*connector, "select * from junto_m1").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_does_not_suffice_is_an_error() {
    let fixture = Fixture::new(OWN);
    let connector = connect(&format!("{}?memory_limit=20MB", fixture.url())).await.expect("opens");
    let table = gated_table(&*connector, "junto_m1");
    let mut workspace = connector.workspace(context()).await.expect("permitted");
    let Gate { rows, reached: _reached, go_on } = gated(5_000);
    go_on.send(()).expect("it waits");
    let error = workspace.fill(&table, rows).await.expect_err("5 million rows do not fit");
    assert!(matches!(error, Error::Resource { .. }), "{error:?}");
}
