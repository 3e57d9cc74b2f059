//! Temporary tables of one statement: in memory, and never a trace in or beside the file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::{DataType, IntervalUnit};
use junto_connector::{Connector, ConnectorFactory, Error, Reaper, StatementContext};
use junto_connector_sqlite::SqliteFactory;
use junto_testkit::conformance::value::Value;
use junto_testkit::conformance::workspace::{Gate, behaves, gated, gated_table, round_trips};
use junto_testkit::sqlite::File;

use crate::support::open;
use crate::unchanged::contents;

const OWN: &str = "CREATE TABLE own (id INTEGER, name TEXT);
    INSERT INTO own VALUES (1, 'name 1'), (2, 'name 2'), (3, 'Name 3');";

fn context() -> StatementContext {
    StatementContext::new(Some(Instant::now() + Duration::from_secs(30)))
}

/// What SQLite does not have.
fn lacks(data_type: &DataType, value: Option<&Value>) -> bool {
    match value {
        None => *data_type == DataType::UInt64,
        Some(Value::Float(value)) => value.is_nan(),
        Some(Value::Date(days)) => days.unsigned_abs() > 1_000_000_000,
        Some(Value::Timestamp(micros)) => *micros <= i64::MIN + 1,
        Some(Value::Time(micros)) => !(0..86_400_000_000).contains(micros),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_comes_back_as_it_was() {
    for encoding in ["UTF-8", "UTF-16"] {
        let file = File::create(&format!("PRAGMA encoding = '{encoding}'; {OWN}"));
        let connector = open(&file, "").await;
        round_trips(&*connector, lacks).await.assert_empty();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workspaces_hold_what_they_are_given_and_leave_the_file_alone() {
    for mode in ["", "PRAGMA journal_mode = WAL;"] {
        let file = File::create(&format!("{mode} {OWN}"));
        let before = contents(file.folder());
        let reaper = Reaper::start();
        let connector = connected(&file, &reaper).await;
        let own = connector.table(None, "own").await.expect("there");
        behaves(&*connector, &own).await.assert_empty();
        drop(connector);
        reaper.drain(Duration::from_secs(2));
        assert_eq!(contents(file.folder()), before, "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_while_a_table_is_filled() {
    for mode in ["", "PRAGMA journal_mode = WAL;"] {
        let file = File::create(&format!("{mode} {OWN}"));
        let reaper = Reaper::start();
        let connector = connected(&file, &reaper).await;
        let table = gated_table(&*connector, "junto_m1");
        let mut workspace = connector.workspace(context()).await.expect("opens");
        let Gate { rows, reached, go_on } = gated(200);
        let look = async {
            reached.await.expect("the first batch is asked for");
            // A writer is not kept from the file meanwhile.
            let writer = rusqlite::Connection::open(file.path()).expect("opens");
            writer.execute("CREATE TABLE another (a)", []).expect("nobody holds a lock");
            writer.execute("DROP TABLE another", []).expect("nobody holds a lock");
            drop(writer);
            go_on.send(()).expect("it waits");
        };
        let (filled, ()) = tokio::join!(workspace.fill(&table, rows), look);
        assert_eq!(filled.expect("filled"), 201_001);
        let names: Vec<String> = contents(file.folder()).into_keys().collect();
        assert!(!names.iter().any(|name| name.contains("journal") || name.contains("etilqs")), "{names:?}");
        drop(workspace);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_without_a_place_are_named() {
    let connector = open(&File::create(OWN), "").await;
    let schema = |data_type| arrow::datatypes::Schema::new(vec![arrow::datatypes::Field::new("a", data_type, true)]);
    for data_type in [DataType::UInt64, DataType::Interval(IntervalUnit::MonthDayNano)] {
        let error = connector.temporary_table("junto_m1", &schema(data_type.clone())).expect_err("no place");
        assert!(matches!(&error, Error::Unsupported { what, .. } if what.contains(&data_type.to_string())), "{error}");
    }
}

/// A connector whose threads can be waited for.
async fn connected(file: &File, reaper: &Reaper) -> Arc<dyn Connector> {
    let config = junto_connector::ConnectionConfig {
        id: junto_types::ConnectionId::random(),
        name: "test".into(),
        alias: junto_types::Alias::new("test").expect("a valid alias"),
        driver: "sqlite".into(),
        options: SqliteFactory.parse_url(&file.url()).expect("a valid URL"),
        prefer: junto_connector::Prefer::default(),
        max_connections: 4,
    };
    SqliteFactory.connect(config, reaper.clone()).await.expect("the file is a database")
}
