//! What a statement of the user's must not be able to do.

use junto_connector::Error;

use crate::support::{Fixture, collect, native, native_request, refused};

#[tokio::test]
async fn files_extensions_settings_and_writes_are_out_of_reach() {
    let fixture = Fixture::new("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1)");
    let folder = fixture.path.parent().expect("a folder").to_owned();
    let bytes = std::fs::read(&fixture.path).expect("the file");
    let duckdb = fixture.connect().await;
    let target = folder.join("out");
    let out = target.display();
    let attempts = [
        "insert into t values (2)".to_owned(),
        "with x as (select 1) insert into t select * from x".into(),
        "update t set id = 2".into(),
        "delete from t".into(),
        "create table u (a int)".into(),
        "create temp table u (a int)".into(),
        "create macro m(a) as a + 1".into(),
        "drop table t".into(),
        format!("copy t to '{out}'"),
        format!("copy (select 1) to '{out}' (format parquet)"),
        format!("export database '{out}'"),
        format!("attach '{out}' as other"),
        "attach ':memory:' as other".into(),
        "detach shop".into(),
        "alter database shop set alias to other".into(),
        "use system".into(),
        "select * from read_text('/etc/passwd')".into(),
        "select * from read_csv('/etc/passwd')".into(),
        "select * from read_blob('/etc/passwd')".into(),
        "from '/etc/passwd'".into(),
        "select * from glob('/*')".into(),
        "select * from parquet_scan('x.parquet')".into(),
        "select * from sniff_csv('/etc/passwd')".into(),
        "install httpfs".into(),
        "load httpfs".into(),
        "force install httpfs".into(),
        "create secret s (type s3)".into(),
        "set lock_configuration = false".into(),
        "set enable_external_access = true".into(),
        "set memory_limit = '100GB'".into(),
        "reset lock_configuration".into(),
        "pragma enable_profiling".into(),
        "call enable_logging()".into(),
        "prepare p as select 1".into(),
        "explain analyze insert into t values (2)".into(),
        "select 1; delete from t".into(),
        "select getenv('HOME')".into(),
        "begin transaction; delete from t; commit".into(),
        "checkpoint".into(),
        "vacuum".into(),
    ];
    for sql in &attempts {
        let error = refused(native(duckdb.as_ref(), sql).await, sql);
        assert!(
            matches!(error, Error::ReadOnly { .. } | Error::PermissionDenied { .. } | Error::Statement { .. }),
            "{sql}: {error:?}"
        );
    }
    assert_eq!(native(duckdb.as_ref(), "select * from t").await.expect("unchanged"), [["1"]]);
    assert_eq!(std::fs::read(&fixture.path).expect("the file"), bytes);
    let beside: Vec<_> = std::fs::read_dir(folder).expect("the folder").collect();
    assert_eq!(beside.len(), 1, "{beside:?}");
}

#[tokio::test]
async fn a_permitted_write_has_the_file_to_itself() {
    let fixture = Fixture::new("CREATE TABLE t (id INTEGER)");
    let duckdb = fixture.connect().await;
    let write = async |sql: &str| duckdb.native(native_request(sql, false)).await;
    let inserted = write("insert into t select * from range(3)").await.expect("permitted");
    assert_eq!(inserted.affected, Some(3));
    let returned = write("insert into t values (9) returning id").await.expect("permitted");
    assert_eq!(collect(returned.stream).await.expect("rows")[0].num_rows(), 1);
    assert_eq!(write("create table u (a int)").await.expect("permitted").affected, None);
    assert_eq!(native(duckdb.as_ref(), "select count(*) from t").await.expect("a read again"), [["4"]]);
    let outside = write("copy t to '/nowhere/x'").await.map(|_| ());
    assert!(matches!(refused(outside, "a file"), Error::PermissionDenied { .. }));
    assert!(duckdb.table(None, "u").await.is_ok());
}
