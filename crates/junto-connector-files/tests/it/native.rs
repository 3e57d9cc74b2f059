//! Statements in DataFusion's own SQL over the folder's tables.

use junto_connector::Error;

use crate::support::{Folder, native, refused};

#[tokio::test]
async fn tables_are_found_by_name_and_only_queries_run() {
    let folder = Folder::new();
    folder.write("Orders.csv", "id,total\n1,10\n2,32\n");
    folder.write("raw/x.csv", "id\n1\n");
    folder.write("raw/y.jsonl", "{\"id\":2}\n");
    let files = folder.connect().await;
    let sql =
        "with big as (select * from orders where total > 20) select big.id, y.id from big join raw.y on y.id = big.id";
    assert_eq!(native(files.as_ref(), sql).await.expect("rows"), ["2|2"]);
    assert_eq!(native(files.as_ref(), "select sum(total) from \"Orders\"").await.expect("rows"), ["42"]);
    for sql in [
        "create table t as select 1",
        "copy (select 1) to 'x.csv'",
        "create external table t stored as csv location '/etc/passwd'",
        "insert into orders values (3, 4)",
        "set datafusion.execution.batch_size = 1",
    ] {
        let error = refused(native(files.as_ref(), sql).await, sql);
        assert!(matches!(error, Error::ReadOnly { .. } | Error::Statement { .. }), "{sql}: {error:?}");
    }
    let missing = refused(native(files.as_ref(), "select * from order").await, "an unknown table");
    assert!(matches!(missing, Error::TableNotFound { .. } | Error::Statement { .. }), "{missing:?}");
    let unknown = refused(native(files.as_ref(), "select * from ordres").await, "an unknown table");
    assert_eq!(unknown.hint().as_deref(), Some("did you mean `Orders`?"));
    assert!(matches!(native(files.as_ref(), "selec 1").await, Err(Error::Statement { .. })));
}
