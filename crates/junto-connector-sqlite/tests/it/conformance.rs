//! The suite every connector runs.

use junto_testkit::conformance::{self, Dialect, NativeProbe, Subject, dataset};
use junto_testkit::sqlite::File;

use crate::support::open;

fn probe() -> NativeProbe {
    let writes = [
        "DELETE FROM parent",
        "INSERT INTO parent VALUES (9, 'nine', NULL)",
        "UPDATE parent SET name = 'x' RETURNING id",
        "DROP TABLE child",
        "CREATE TEMP TABLE t (a)",
        "ATTACH 'other.db' AS other",
        "VACUUM INTO 'copy.db'",
        "PRAGMA query_only = OFF",
        "PRAGMA journal_mode = WAL",
        "PRAGMA writable_schema = ON",
        "PRAGMA user_version = 5",
        "BEGIN IMMEDIATE",
        "SELECT load_extension('x')",
        "REINDEX",
        "SELECT 1; SELECT 2",
    ];
    NativeProbe { read: "SELECT name FROM parent".into(), writes: writes.map(Into::into).to_vec() }
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    let file = File::create(&dataset::sql(Dialect::Sqlite));
    let subject = Subject::new(open(&file, "").await).seeded_as(Dialect::Sqlite).native(probe());
    conformance::run(&subject).await;
}

/// The bytes of a file in UTF-16 sort otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_on_a_file_in_utf_16() {
    let sql = format!("PRAGMA encoding = 'UTF-16le';\n{}", dataset::sql(Dialect::Sqlite));
    let file = File::create(&sql);
    let subject = Subject::new(open(&file, "").await).seeded_as(Dialect::Sqlite);
    conformance::run(&subject).await;
}
