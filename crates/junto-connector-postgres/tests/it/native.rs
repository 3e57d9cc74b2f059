//! Statements of the user's: their results, and that reading stays reading.

use arrow::datatypes::DataType;
use junto_connector::Error;
use junto_testkit::postgres::shared;
use junto_testkit::require;

use crate::{connect, database, error_of, native, native_request, rows};

#[tokio::test]
async fn results_of_any_type_and_none() {
    let server = require!(shared());
    let connector =
        database(server, "native_types", "create type mood as enum ('ok'); create type pair as (a int, b text)").await;
    let sql = "select 1::int2 a, 'x'::char(3) b, 'ok'::mood c, row(1, 'y')::pair d, '[1,2)'::int4range e, 5::oid f,
        '{\"k\":1}'::jsonb g, array['a', null] h, null i, '1.2.3.4'::inet j";
    let batch = native(&*connector, sql).await.expect("readable");
    let expected = ["1", "x", "ok", "(1,y)", "[1,2)", "5", "{\"k\": 1}", "{a,NULL}", "∅", "1.2.3.4"];
    assert_eq!(rows(&batch), [expected.map(str::to_owned)]);
    assert_eq!(batch.schema().field(0).data_type(), &DataType::Int16);
    assert_eq!(native(&*connector, "select from generate_series(1, 3)").await.expect("readable").num_rows(), 3);
    assert_eq!(native(&*connector, "select 1 where false").await.expect("readable").num_rows(), 0);
    assert_eq!(native(&*connector, "").await.expect("an empty statement does nothing").num_columns(), 0);
}

#[tokio::test]
async fn nothing_writes_through_a_reading_session() {
    let server = require!(shared());
    let connector = database(server, "native_reads", "create table t (a int); insert into t values (1)").await;
    for write in [
        "insert into t values (2)",
        "with x as (delete from t returning a) select * from x",
        "create temp table x (a int)",
    ] {
        assert!(matches!(error_of(native(&*connector, write).await), Error::ReadOnly { .. }), "{write}");
    }
    assert!(native(&*connector, "set transaction read write").await.is_err());
    for escape in [
        "commit",
        "rollback",
        "set session characteristics as transaction read write",
        "set default_transaction_read_only = off",
    ] {
        native(&*connector, escape).await.unwrap_or_else(|error| panic!("{escape}: {error}"));
        let error = error_of(native(&*connector, "insert into t values (3)").await);
        assert!(matches!(error, Error::ReadOnly { .. }), "after {escape}: {error:?}");
    }
    assert!(native(&*connector, "select 1; insert into t values (4)").await.is_err());
    assert!(matches!(error_of(native(&*connector, "copy t to stdout").await), Error::Unsupported { .. }));
    assert!(native(&*connector, "copy t from stdin").await.is_err());
    native(&*connector, "set search_path = pg_catalog").await.expect("sessions may be changed");
    assert_eq!(rows(&native(&*connector, "select count(*) from t").await.expect("changes do not last")), [["1"]]);
}

#[tokio::test]
async fn writes_say_how_many_rows_they_changed() {
    let server = require!(shared());
    let connector = database(server, "native_writes", "create table t (a int)").await;
    let write = async |sql: &str| connector.native(native_request(sql, false)).await.expect("writes").affected;
    assert_eq!(write("insert into t select generate_series(1, 5)").await, Some(5));
    assert_eq!(write("update t set a = a where a > 3").await, Some(2));
    assert_eq!(write("create table u (a int)").await, None);
    assert_eq!(rows(&native(&*connector, "select count(*) from t").await.expect("readable")), [["5"]]);
}

#[tokio::test]
async fn errors_point_into_the_users_text() {
    let server = require!(shared());
    let connector = connect(&server.url("postgres")).await;
    let sql = "select 'ä', nothing";
    let error = error_of(native(&*connector, sql).await);
    let Error::Statement { code, position, .. } = &error else { panic!("{error:?}") };
    assert_eq!((code.as_deref(), *position), (Some("42703"), sql.find("nothing")));
    let error = error_of(native(&*connector, "select 1/0").await);
    assert!(matches!(&error, Error::Statement { code: Some(code), .. } if code == "22012"), "{error:?}");
    assert!(native(&*connector, "select $1").await.is_err());
    assert!(native(&*connector, "select 'a\0b'").await.is_err());
    assert!(connector.health().await.is_ok());
}

#[tokio::test]
async fn privileges_name_what_read_only_cannot_stop() {
    let server = require!(shared());
    server.create_database("native_roles");
    server.execute("native_roles", "drop role if exists reader; create role reader login password 'r'; create table t (a int); grant select on t to reader");
    let superuser = connect(&server.url("native_roles")).await.privileges().await.expect("known");
    assert!(superuser.can_write && !superuser.not_enforceable.is_empty());
    let url = format!("postgres://reader:r@127.0.0.1:{}/native_roles", server.port());
    let reader = connect(&url).await.privileges().await.expect("known");
    assert!(!reader.can_write && reader.not_enforceable.is_empty(), "{reader:?}");
}
