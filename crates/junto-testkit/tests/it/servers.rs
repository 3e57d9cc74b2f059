//! Servers start, answer, freeze, crash, come back and leave nothing behind.

use junto_testkit::{Certificates, mariadb, postgres, require, sqlite};

#[test]
fn postgres_serves_isolated_databases() {
    let server = require!(postgres::shared());
    server.create_database("one");
    server.execute("one", "create table t (id int, note text); insert into t values (1, 'a'), (2, null)");
    let rows = server.query("one", "select id, note from t order by id");
    assert_eq!(rows, [[Some("1".to_owned()), Some("a".to_owned())], [Some("2".to_owned()), None]]);
    server.create_database("two");
    assert!(server.try_query("two", "select 1 from t").expect_err("no such table").contains("does not exist"));
}

#[test]
fn postgres_survives_its_own_crash() {
    let settings = postgres::Settings { tls: Some(Certificates::self_signed("127.0.0.1")), ..Default::default() };
    let server = require!(postgres::Server::start_with(&settings));
    server.create_database("kept");
    server.execute("kept", "create table t as select 42 as id; checkpoint");
    server.kill();
    assert!(server.try_query("kept", "select id from t").is_err());
    server.restart().expect("it starts again");
    assert_eq!(server.query("kept", "select id from t"), [[Some("42".to_owned())]]);
    assert_eq!(server.query("kept", "show ssl"), [[Some("on".to_owned())]]);
    let folder = server.socket_folder().to_owned();
    assert!(folder.exists());
    drop(server);
    assert!(!folder.exists(), "its files are gone");
}

#[test]
fn mariadb_serves_isolated_databases() {
    let server = require!(mariadb::shared());
    server.create_database("one");
    server.execute("one", "create table t (id int, note text); insert into t values (1, 'a'), (2, null)");
    let rows = server.query("one", "select id, note from t order by id");
    assert_eq!(rows, [[Some("1".to_owned()), Some("a".to_owned())], [Some("2".to_owned()), None]]);
    server.create_database("two");
    assert!(server.try_query("two", "select 1 from t").expect_err("no such table").contains("doesn't exist"));
}

#[test]
fn mariadb_survives_its_own_crash() {
    let settings = mariadb::Settings { tls: Some(Certificates::self_signed("127.0.0.1")), ..Default::default() };
    let server = require!(mariadb::Server::start_with(&settings));
    server.create_database("kept");
    server.execute("kept", "create table t engine=aria as select 42 as id; flush tables");
    server.kill();
    assert!(server.try_query("kept", "select id from t").is_err());
    server.restart().expect("it starts again");
    assert_eq!(server.query("kept", "select id from t"), [[Some("42".to_owned())]]);
    assert_eq!(server.query("kept", "select @@have_ssl"), [[Some("YES".to_owned())]]);
}

#[test]
fn frozen_servers_do_not_answer_until_thawed() {
    let server = require!(postgres::Server::start());
    server.freeze();
    std::thread::scope(|scope| {
        let (answered, answer) = std::sync::mpsc::channel();
        let server = &server;
        scope.spawn(move || answered.send(server.query("postgres", "select 1")));
        assert!(answer.recv_timeout(std::time::Duration::from_millis(300)).is_err());
        server.thaw();
        let rows = answer.recv_timeout(std::time::Duration::from_secs(10)).expect("an answer after thawing");
        assert_eq!(rows, [[Some("1".to_owned())]]);
    });
}

#[test]
fn sqlite_files_hold_what_was_asked() {
    let file = sqlite::File::create("create table t (id int); insert into t values (1)");
    file.execute("insert into t values (2)");
    assert!(file.url().starts_with("sqlite:/"));
    assert_eq!(std::fs::read_dir(file.folder()).expect("it is there").count(), 1);
}
