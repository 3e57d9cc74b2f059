//! What goes wrong: logins, addresses, TLS, servers that die, freeze or talk nonsense.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use junto_connector::{Error, OpenRequest};
use junto_testkit::postgres::{Server, Settings, shared};
use junto_testkit::{Certificates, require};

use crate::{
    connect, database, error_of, native, native_request, read_table, request, scan, try_connect, within_two_seconds,
};

#[tokio::test]
async fn logins_fail_with_their_reason_and_without_the_password() {
    let server = require!(shared());
    let port = server.port();
    let fail = async |url: String| {
        let start = Instant::now();
        let error = error_of(try_connect(&url).await);
        assert!(start.elapsed() < Duration::from_secs(6), "{error:?}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("Secret-5432"), "{shown}");
        error
    };
    let error = fail(format!("postgres://postgres:hunter2@127.0.0.1:{port}/postgres")).await;
    assert!(matches!(error, Error::LoginRefused { .. }), "{error:?}");
    let error = fail(format!("postgres://postgres@127.0.0.1:{port}/postgres")).await;
    assert!(matches!(error, Error::LoginRefused { .. }), "{error:?}");
    let error = fail(server.url("no_such_database")).await;
    assert!(matches!(&error, Error::DatabaseNotFound { database } if database == "no_such_database"), "{error:?}");
    let error = fail("postgres://a:hunter2@127.0.0.1:1/x".into()).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    let error = fail("postgres://a:hunter2@no-such-host.invalid/x".into()).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    let error = fail(format!("{}?sslmode=require", server.url("postgres"))).await;
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn unix_sockets_work() {
    let server = require!(shared());
    let folder = server.socket_folder().display().to_string();
    let encoded = folder.replace('/', "%2F");
    for url in [
        format!("postgres:///postgres?user=postgres&password=Secret-5432&host={folder}&port={}", server.port()),
        format!("postgres://postgres:Secret-5432@{encoded}:{}/postgres", server.port()),
    ] {
        connect(&url).await.health().await.expect("answers");
    }
}

#[tokio::test]
async fn tls_is_as_strict_as_its_mode() {
    let certificates = Certificates::self_signed("localhost");
    let server = require!(Server::start_with(&Settings { tls: Some(certificates.clone()), ..Settings::default() }));
    let folder = tempfile_with(&certificates.certificate);
    let authority = folder.path().join("ca.pem").display().to_string();
    let by_name = |host: &str, mode: &str| {
        format!("postgres://postgres:Secret-5432@{host}:{}/postgres?sslmode={mode}", server.port())
    };
    for mode in ["prefer", "require"] {
        let connector = connect(&by_name("127.0.0.1", mode)).await;
        let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
        assert_eq!(crate::rows(&native(&*connector, sql).await.expect("readable")), [["true"]], "{mode}");
    }
    connect(&format!("{}&sslrootcert={authority}", by_name("localhost", "verify-full"))).await;
    connect(&format!("{}&sslrootcert={authority}", by_name("127.0.0.1", "verify-ca"))).await;
    for mode in ["verify-ca", "verify-full"] {
        let error = error_of(try_connect(&by_name("localhost", mode)).await);
        assert!(matches!(error, Error::Tls { .. }), "{mode}: {error:?}");
    }
}

fn tempfile_with(authority: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("ca.pem"), authority).expect("can be written");
    folder
}

const MANY: &str = "create table t as select x, repeat('x', 100) y from generate_series(1, 500000) x";

#[tokio::test]
async fn a_backend_killed_in_mid_stream_is_an_error() {
    let server = require!(shared());
    let connector = database(server, "killed", MANY).await;
    let table = connector.table(None, "t").await.expect("there");
    let request = request(scan(&table), None);
    let tag = request.context.statement;
    let mut stream = connector.open(request).await.expect("opens");
    assert!(stream.next().await.is_some_and(|batch| batch.is_ok()));
    let kill = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like '%{tag}%' and pid <> pg_backend_pid()"
    );
    server.query("killed", &kill);
    let error = stream.try_collect::<Vec<_>>().await.expect_err("the stream is not complete");
    assert!(matches!(error, Error::ConnectionLost { .. }), "{error:?}");
    assert!(read_table(&*connector, "t").await.is_ok());
}

#[tokio::test]
async fn a_connection_that_died_while_idle_is_replaced() {
    let server = require!(shared());
    let connector = database(server, "idle", "create table t (a int); insert into t values (1)").await;
    let kill =
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'idle' and application_name = 'junto'";
    for _ in 0..3 {
        server.query("postgres", kill);
        assert_eq!(read_table(&*connector, "t").await.expect("a new connection").num_rows(), 1);
        server.query("postgres", kill);
        assert_eq!(native(&*connector, "select 1").await.expect("a new connection").num_rows(), 1);
    }
}

#[tokio::test]
async fn deadlines_hold_and_reach_the_server() {
    let server = require!(shared());
    let connector = connect(&server.url("postgres")).await;
    let mut slow = native_request("select pg_sleep(60)", true);
    slow.context.deadline = Some(Instant::now() + Duration::from_millis(300));
    let tag = slow.context.statement;
    let start = Instant::now();
    let outcome = match connector.native(slow).await {
        Ok(result) => result.stream.try_collect::<Vec<_>>().await.map(drop),
        Err(error) => Err(error),
    };
    assert!(matches!(error_of(outcome), Error::TimedOut { .. }));
    assert!(start.elapsed() < Duration::from_secs(2));
    let sql = format!(
        "select 1 from pg_stat_activity where state = 'active' and query like '%{tag}%' and pid <> pg_backend_pid()"
    );
    assert!(within_two_seconds(|| server.query("postgres", &sql).is_empty()));
}

#[tokio::test]
async fn a_frozen_server_does_not_hold_us() {
    let server = require!(Server::start());
    server.create_database("frozen");
    server.execute("frozen", MANY);
    let connector = connect(&server.url("frozen")).await;
    let table = connector.table(None, "t").await.expect("there");
    let deadline = Instant::now() + Duration::from_millis(1500);
    let mut request: OpenRequest = request(scan(&table), None);
    request.context.deadline = Some(deadline);
    let mut stream = connector.open(request).await.expect("opens");
    assert!(stream.next().await.is_some_and(|batch| batch.is_ok()));
    server.freeze();
    let outcome = stream.try_collect::<Vec<_>>().await;
    server.thaw();
    assert!(matches!(error_of(outcome), Error::TimedOut { .. }));
    assert!(deadline.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_changed_table_is_stale() {
    let server = require!(shared());
    let connector = database(server, "stale", "create table t (a int, b int); insert into t values (1, 2)").await;
    let table = connector.table(None, "t").await.expect("there");
    let open = async || -> junto_connector::Result<Vec<arrow::array::RecordBatch>> {
        connector.open(request(scan(&table), None)).await?.try_collect().await
    };
    server.execute("stale", "alter table t drop column b");
    assert!(matches!(error_of(open().await), Error::StaleCatalog { .. }));
    server.execute("stale", "drop table t");
    assert!(matches!(error_of(open().await), Error::StaleCatalog { .. }));
}

#[tokio::test]
async fn permission_is_asked_of_the_server() {
    let server = require!(shared());
    server.create_database("denied");
    server.execute(
        "denied",
        "drop role if exists nobody_special; create role nobody_special login password 'x'; create table t (a int)",
    );
    let connector = connect(&format!("postgres://nobody_special:x@127.0.0.1:{}/denied", server.port())).await;
    assert!(connector.tables(None).await.expect("listed").is_empty());
    assert!(matches!(error_of(read_table(&*connector, "t").await), Error::PermissionDenied { .. }));
}

#[tokio::test]
async fn nonsense_from_a_server_is_an_error() {
    let answers: [&[u8]; 6] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"NR\0\0\0\x08\0\0\0\0Z\0\0\0\x05I",
        b"NR\0\0\0\x0c\0\0\0\x03zzzz",
        b"NR\xff\xff\xff\xff",
        b"NE\0\0\0\x05X",
        b"",
    ];
    for answer in answers {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let server = std::thread::spawn(move || {
            let Ok((mut socket, _)) = listener.accept() else { return };
            let _ = socket.read(&mut [0; 512]);
            let _ = socket.write_all(answer);
        });
        let error = error_of(try_connect(&format!("postgres://a:b@127.0.0.1:{port}/x?connect_timeout=2s")).await);
        assert!(!matches!(error, Error::Internal { .. }), "{error:?}");
        server.join().expect("the rogue server ends");
    }
}
