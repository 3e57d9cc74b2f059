//! The user's own statements: the server's dialect, one at a time, and nothing written in a read-only session.

use junto_connector::{Error, NativeRequest, StatementContext};
use junto_testkit::{mariadb, require};

use crate::support::{connect, native, shown};

#[tokio::test(flavor = "multi_thread")]
async fn statements_keep_the_servers_own_dialect() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "own", "create table t (a int); insert into t values (1), (2)", "").await;
    let run = async |sql: &str| shown(&native(connector.as_ref(), sql, true).await.expect(sql));
    assert_eq!(run("select \"it\\'s\", 1 || 0").await, [["it's", "1"]]);
    assert_eq!(run("select a / 2 from t order by a").await, [["0.5000"], ["1.0000"]]);
    assert_eq!(run("select cast(0.1 as float), 1e300").await, [["0.1", "1e300"]]);
    assert_eq!(run("show tables").await, [["t"]]);
    assert_eq!(run("select now(6) > '2020-01-01', @@time_zone").await, [["1", "+00:00"]]);
    assert!(run("explain select * from t;").await.len() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_session_writes_nothing() {
    let server = require!(mariadb::shared());
    let sql = "create table t (a int); insert into t values (1); create sequence s; \
        create function f() returns int modifies sql data begin insert into t values (2); return 1; end";
    server.create_database("guarded");
    for statement in sql.split_inclusive("; ").take(3) {
        server.execute("guarded", statement);
    }
    server.execute("guarded", &sql[sql.find("create function").expect("in the text")..]);
    let connector = connect_again(server).await;
    for write in [
        "insert into t values (3)",
        "update t set a = 4",
        "delete from t",
        "truncate t",
        "drop table t",
        "create table x (a int)",
        "create temporary table x (a int)",
        "select f()",
        "select nextval(s)",
        "with x as (select 1) select * from x into outfile 'x'",
        "set session transaction read write",
        "set password = ''",
        "create user evil",
        "start transaction read write",
        "commit",
        "call p()",
        "do release_lock('x')",
        "load data infile '/etc/passwd' into table t",
        "lock tables t write",
        "select 1; delete from t",
        "select 1 /*! into outfile 'x' */",
        "select load_file('/etc/passwd')",
    ] {
        let error = native(connector.as_ref(), write, true).await.expect_err(write);
        assert!(matches!(error, Error::ReadOnly { .. }), "{write}: {error:?}");
    }
    assert_eq!(server.query("guarded", "select count(*), max(a) from t"), [[Some("1".into()), Some("1".into())]]);
}

async fn connect_again(server: &mariadb::Server) -> std::sync::Arc<dyn junto_connector::Connector> {
    crate::support::connect_url(&server.url("guarded")).await.expect("the server takes the login")
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_are_possible_where_they_are_allowed() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "writable", "create table t (a int)", "").await;
    let context = StatementContext::new(None);
    let sql = "insert into t values (1), (2), (3)".to_owned();
    let request = NativeRequest { sql, read_only: false, batch_rows: 10, context };
    let result = connector.native(request).await.expect("a write");
    assert_eq!((result.affected, result.schema.fields().len()), (Some(3), 0));
    native(connector.as_ref(), "set @x = 1", false).await.expect("a session variable");
    let rows = native(connector.as_ref(), "select @x", true).await.expect("a read");
    assert_eq!(shown(&rows), [["∅"]], "no session state may reach the next statement");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_keep_the_servers_words_and_code() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "wrong", "", "").await;
    let error = native(connector.as_ref(), "selec 1", false).await.expect_err("wrong");
    assert!(matches!(&error, Error::Statement { code: Some(code), .. } if code.starts_with("1064")), "{error:?}");
    let error = native(connector.as_ref(), "select ?", true).await.expect_err("wrong");
    assert!(error.to_string().contains("parameter"), "{error:?}");
    assert!(matches!(native(connector.as_ref(), "", true).await, Err(Error::Statement { .. })));
}
