//! The suite every connector runs.

use junto_testkit::conformance::{self, Dialect, NativeProbe, Subject, dataset};
use junto_testkit::{mariadb, require};

use crate::support::connect;

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "conformance", &dataset::sql(Dialect::Mariadb), "").await;
    let subject = Subject::new(connector)
        .seeded_as(Dialect::Mariadb)
        .watched(move |tag| {
            let sql = format!("select 1 from information_schema.processlist where info like '%{tag}%' and info not like '%processlist%'");
            !server.query("", &sql).is_empty()
        })
        .native(NativeProbe {
            read: "select 1".into(),
            writes: ["delete from parent", "truncate parent", "create table x (a int)", "set tx_read_only = 0"]
                .map(Into::into)
                .into(),
        });
    conformance::run(&subject).await;
}
