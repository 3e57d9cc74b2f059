//! The suite every connector runs, and the faults of this one.

use std::path::Path;
use std::sync::Arc;

use junto_connector::{ConnectionConfig, Connector, ConnectorFactory, Error, Prefer, Reaper, Result};
use junto_connector_example::ExampleFactory;
use junto_testkit::conformance::{self, Subject};
use junto_types::{Alias, ConnectionId};

async fn connect(folder: &Path) -> Result<Arc<dyn Connector>> {
    let factory = ExampleFactory;
    let config = ConnectionConfig {
        id: ConnectionId::random(),
        name: "test".into(),
        alias: Alias::new("test").expect("a valid alias"),
        driver: factory.driver().into(),
        options: factory.parse_url(&format!("example:{}", folder.display()))?,
        prefer: Prefer::default(),
        max_connections: 1,
    };
    factory.connect(config, Reaper::start()).await
}

/// People, one without a name, some texts that differ only for bytes; and a table without rows.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let names = ["Ada", "ada", "Grace", "it's", "日本", "%_"];
    let mut people = String::from("# id integer\n# name text\n# boss integer\n");
    for (id, name) in names.iter().enumerate() {
        people.push_str(&format!("\nid = {id}\nname = {name}\nboss = {}\n", id / 2));
    }
    people.push_str("\nid = -9223372036854775808\n\nid = 7\nname =\n");
    std::fs::write(folder.path().join("people.records"), people).expect("written");
    std::fs::write(folder.path().join("nobody.records"), "# id integer\n").expect("written");
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    let folder = folder();
    let connector = connect(folder.path()).await.expect("connects");
    conformance::run(&Subject::new(connector)).await;
}

#[tokio::test]
async fn faults_are_named() {
    let folder = folder();
    assert!(matches!(connect(&folder.path().join("none")).await, Err(Error::FileNotFound { .. })));
    let connector = connect(folder.path()).await.expect("connects");
    let error = connector.table(None, "poeple").await.expect_err("a slip");
    assert_eq!(error.hint().as_deref(), Some("did you mean `people`?"));
}
