//! The suite every connector runs.

use junto_testkit::conformance::{self, Dialect, NativeProbe, Subject, dataset};
use junto_testkit::postgres::shared;
use junto_testkit::require;

use crate::connect;

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    let server = require!(shared());
    server.create_database("conformance");
    server.execute("conformance", &dataset::sql(Dialect::Postgres));
    let connector = connect(&server.url("conformance")).await;
    let active = |tag: &str| {
        let sql = format!(
            "select 1 from pg_stat_activity where state <> 'idle' and pid <> pg_backend_pid() and query like '%{tag}%'"
        );
        !server.query("postgres", &sql).is_empty()
    };
    let writes = [
        "delete from parent",
        "create table junk (a int)",
        "create temp table junk (a int)",
        "commit",
        "set transaction read write",
    ];
    let subject = Subject::new(connector)
        .seeded_as(Dialect::Postgres)
        .watched(active)
        .native(NativeProbe { read: "select 1".into(), writes: writes.into_iter().take(3).map(Into::into).collect() });
    conformance::run(&subject).await;
}
