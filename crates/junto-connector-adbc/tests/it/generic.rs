//! DuckDB's library as any ADBC driver.

use junto_connector::{Error, Reaper};
use junto_connector_adbc::AdbcFactory;

use crate::support::{Fixture, connect_with, library, native, read, refused, scan};

#[tokio::test]
async fn any_driver_can_be_read() {
    let fixture = Fixture::new(
        "CREATE TABLE t AS SELECT range AS id, 'n' || range AS name FROM range(5); CREATE VIEW v AS SELECT 1 AS one",
    );
    let url = format!(
        "adbc:{}?entrypoint=duckdb_adbc_init&option.path={}&option.access_mode=READ_ONLY",
        library().display(),
        fixture.path.display()
    );
    let adbc = connect_with(&AdbcFactory, &url, Reaper::start()).await.expect("the driver loads");
    let names: Vec<String> = adbc.tables(None).await.expect("tables").iter().map(|t| t.name.to_string()).collect();
    assert!(names.contains(&"main.t".to_owned()) && names.contains(&"main.v".to_owned()), "{names:?}");
    let table = adbc.table(Some("main"), "T").await.expect("a table");
    let rows = read(adbc.as_ref(), scan(&table)).await.expect("rows");
    assert_eq!((rows.len(), rows[4].join(" ")), (5, "4 n4".to_owned()));
    assert!(adbc.health().await.expect("health").version.to_lowercase().contains("duckdb"));
    let missing = refused(adbc.table(Some("main"), "tt").await, "an unknown table");
    assert!(matches!(missing, Error::TableNotFound { .. }), "{missing:?}");
    // DuckDB has no read-only connections through ADBC, so only a permitted write may run a native statement.
    assert!(matches!(native(adbc.as_ref(), "select 1").await, Err(Error::ReadOnly { .. })));
}

#[tokio::test]
async fn a_driver_that_is_not_there_is_an_error() {
    let missing = connect_with(&AdbcFactory, "adbc:no_such_driver?uri=secret-canary", Reaper::start()).await;
    let error = refused(missing, "a missing driver");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
}
