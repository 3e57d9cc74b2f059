//! The suite every connector runs.

use junto_testkit::conformance::{self, Dialect, NativeProbe, Subject, dataset};

use crate::support::Fixture;

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    let fixture = Fixture::new(&dataset::sql(Dialect::Duckdb));
    let writes =
        ["delete from parent", "insert into parent values (9, 'x', 1)", "drop table parent", "create table x (a int)"];
    let subject = Subject::new(fixture.connect().await)
        .seeded_as(Dialect::Duckdb)
        .native(NativeProbe { read: "select * from parent".into(), writes: writes.map(str::to_owned).to_vec() });
    conformance::run(&subject).await;
}
