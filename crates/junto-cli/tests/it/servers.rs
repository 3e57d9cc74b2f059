//! Failures of real servers. No message may hold a password.

use junto_testkit::{postgres, require};

use crate::harness::Place;

#[test]
fn a_wrong_password_is_told_without_it() {
    let server = require!(postgres::shared());
    server.create_database("cli_login");
    let url = format!("pg=postgres://{}:canary-password@127.0.0.1:{}/cli_login", postgres::USER, server.port());
    let said = Place::empty().junto(&["query", "-c", &url, "SELECT * FROM @pg.t"]).refused(2);
    assert!(said.contains("connection @pg: login refused for user `postgres`"), "{said}");
    assert!(said.contains("hint: check user and password"), "{said}");
    assert!(!said.contains("canary"), "{said}");
}

#[test]
fn nobody_listens_on_the_port() {
    // The port was free a moment ago: whoever takes it in between is no PostgreSQL.
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    let url = format!("pg=postgres://u:canary@127.0.0.1:{port}/d");
    let said = Place::empty().junto(&["query", "-c", &url, "SELECT * FROM @pg.t"]).refused(2);
    assert!(said.contains("connection @pg: cannot reach 127.0.0.1"), "{said}");
    assert!(said.contains("hint: check host and port") && !said.contains("canary"), "{said}");
}

#[test]
fn one_statement_over_two_kinds_of_database() {
    let server = require!(postgres::shared());
    server.create_database("cli_join");
    server.execute(
        "cli_join",
        "create table users (id int primary key, name text); insert into users values (1, 'Ada'), (2, 'Grace')",
    );
    let place = Place::with(
        "CREATE TABLE orders (user_id INTEGER, total DECIMAL(10,2)); INSERT INTO orders VALUES (1, 2.5), (1, 4), (3, 9)",
    );
    let pg = format!("pg={}", server.url("cli_join"));
    let sql = "SELECT u.name, sum(o.total) AS total FROM @pg.public.users u JOIN @shop.orders o ON o.user_id = u.id GROUP BY u.name";
    assert_eq!(place.query(&["-c", &pg], sql).rows(), "name,total\nAda,6.50\n");
}

#[test]
fn writes_need_to_be_allowed() {
    let server = require!(postgres::shared());
    server.create_database("cli_write");
    server.execute("cli_write", "create table t (id int); insert into t values (1), (2)");
    let pg = format!("pg={}", server.url("cli_write"));
    let place = Place::empty();
    let refused = place.junto(&["query", "-c", &pg, "delete from t"]);
    assert_ne!(refused.code, Some(0), "{}", refused.stderr);
    assert!(refused.stderr.contains("read-only"), "{}", refused.stderr);
    assert_eq!(server.query("cli_write", "select id from t").len(), 2);
    let done = place.junto(&["query", "-c", &pg, "--allow-write", "delete from t where id = 1"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), "1 row changed\n"));
    assert_eq!(server.query("cli_write", "select id from t").len(), 1);
}
