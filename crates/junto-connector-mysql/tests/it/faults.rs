//! Dropped streams, deadlines, dead connections, hostile servers: never a hang, never a short answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use junto_connector::{Connector, Error, NativeRequest, StatementContext};
use junto_testkit::mariadb::Server;
use junto_testkit::{mariadb, require};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{connect, connect_url, native, read, request, scan, shown};

const MANY: &str = "create table many (id bigint primary key, note varchar(200)); \
    insert into many select seq, repeat('x', 200) from seq_1_to_200000";

/// Whether the server still works on a statement with this id.
pub(crate) fn is_running(server: &Server, tag: &str) -> bool {
    let sql = format!(
        "select 1 from information_schema.processlist where info like '%{tag}%' and info not like '%processlist%'"
    );
    !server.query("", &sql).is_empty()
}

/// Waits until the statement is gone, as long as it may take.
pub(crate) fn assert_gone(server: &Server, tag: &str) {
    let limit = Instant::now() + Duration::from_secs(2);
    while is_running(server, tag) {
        assert!(Instant::now() < limit, "the statement still runs after two seconds");
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_stream_ends_its_statement() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "dropped", MANY, "").await;
    let table = connector.table(None, "many").await.expect("the table exists");
    let request = request(scan(&table), None);
    let tag = request.context.statement.to_string();
    let mut stream = connector.open(request).await.expect("a stream");
    stream.next().await.expect("a batch").expect("readable");
    assert!(is_running(server, &tag));
    drop(stream);
    assert_gone(server, &tag);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_a_statement_that_waits() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "late", "", "").await;
    let context = StatementContext::new(Some(Instant::now() + Duration::from_millis(300)));
    let tag = context.statement.to_string();
    let sql = "select sleep(30)".to_owned();
    let start = Instant::now();
    let result = connector.native(NativeRequest { sql, read_only: true, batch_rows: 10, context }).await;
    let error = match result {
        Err(error) => error,
        Ok(result) => result.stream.try_collect::<Vec<_>>().await.expect_err("too late"),
    };
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    assert!(start.elapsed() < Duration::from_millis(1300), "{:?}", start.elapsed());
    assert_gone(server, &tag);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_connection_is_an_error_and_the_next_one_works() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "killed", MANY, "").await;
    let table = connector.table(None, "many").await.expect("the table exists");
    let request = request(scan(&table), None);
    let tag = request.context.statement.to_string();
    let mut stream = connector.open(request).await.expect("a stream");
    stream.next().await.expect("a batch").expect("readable");
    let find = format!("select id from information_schema.processlist where info like '/* junto:{tag}%'");
    let id = server.query("", &find)[0][0].clone().expect("a number");
    server.execute("", &format!("kill {id}"));
    let rest = stream.try_collect::<Vec<_>>().await;
    let error = rest.expect_err("a killed connection delivers no whole answer");
    assert!(matches!(error, Error::ConnectionLost { .. } | Error::Cancelled), "{error:?}");
    let rows = read(connector.as_ref(), scan(&table), None).await.expect("a new connection");
    assert_eq!(rows.iter().map(arrow_array::RecordBatch::num_rows).sum::<usize>(), 200_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn warm_connections_that_died_are_replaced_unseen() {
    let server = require!(Server::start());
    let connector = connect_url(&server.url("mysql")).await.expect("logged in");
    native(connector.as_ref(), "select 1", true).await.expect("a read");
    server.kill();
    assert!(matches!(connector.health().await, Err(Error::Unreachable { .. })));
    server.restart().expect("starts again");
    connector.health().await.expect("a new connection");
    let rows = native(connector.as_ref(), "select 1", true).await.expect("a new connection");
    assert_eq!(shown(&rows), [["1"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_table_is_a_stale_catalog() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "stale", "create table t (a int, b int)", "").await;
    let table = connector.table(None, "t").await.expect("the table exists");
    server.execute("stale", "alter table t drop column b");
    let error = read(connector.as_ref(), scan(&table), None).await.expect_err("no such column");
    assert!(matches!(&error, Error::StaleCatalog { table, .. } if table == "stale.t"), "{error:?}");
    server.execute("stale", "drop table t");
    let error = read(connector.as_ref(), scan(&table), None).await.expect_err("no such table");
    assert!(matches!(error, Error::StaleCatalog { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_rows_pass_up_to_the_limit() {
    let server = require!(mariadb::shared());
    let sql = "create table large (a longtext); insert into large select repeat('x', 20000000)";
    let connector = connect(server, "large", sql, "").await;
    let table = connector.table(None, "large").await.expect("the table exists");
    let rows = read(connector.as_ref(), scan(&table), None).await.expect("20 MB");
    assert_eq!(rows[0].get_array_memory_size() / 20_000_000, 1);
    let small = connect_url(&format!("{}?max_row_mb=16", server.url("large"))).await.expect("logged in");
    let error = read(small.as_ref(), scan(&table), None).await.expect_err("too large");
    assert!(matches!(error, Error::Resource { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_waits_for_a_connection_as_long_as_it_may_run() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "many_at_once", MANY, "connect_timeout=200ms").await;
    let table = connector.table(None, "many").await.expect("the table exists");
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(connector.open(request(scan(&table), None)).await.expect("within the limit"));
    }
    let mut late = request(scan(&table), None);
    late.context.deadline = Some(Instant::now() + Duration::from_millis(600));
    let start = Instant::now();
    let error = connector.open(late).await.map(drop).expect_err("one too many");
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    assert!(start.elapsed() >= Duration::from_millis(600), "{:?}", start.elapsed());
    let (opened, ()) = futures::join!(connector.open(request(scan(&table), None)), async {
        drop(streams.pop());
    });
    assert!(opened.is_ok(), "{:?}", opened.map(drop));
}

/// A server that answers every client with these bytes.
async fn rogue(bytes: Vec<u8>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.write_all(&bytes).await;
            let _ = socket.read_to_end(&mut Vec::new()).await;
        }
    });
    format!("mysql://u:canary@127.0.0.1:{port}/d?connect_timeout=300ms")
}

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = (payload.len() as u32).to_le_bytes();
    [&[a, b, c, sequence], payload].concat()
}

fn greeting() -> Vec<u8> {
    let mut payload = b"\x0a8.0.0\0\x01\0\0\0aaaaaaaa\0".to_vec();
    payload.extend_from_slice(&[0xFF, 0xF7, 45, 2, 0, 0xFF, 0x81, 21]);
    payload.extend_from_slice(&[0; 10]);
    payload.extend_from_slice(b"bbbbbbbbbbbb\0mysql_native_password\0");
    packet(0, &payload)
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_servers_get_nothing() {
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("silence", Vec::new()),
        ("noise", vec![0x5A; 400]),
        ("a huge greeting", [&[0xFF, 0xFF, 0xFF, 0][..], &[0; 100]].concat()),
        ("clear text wanted", [greeting(), packet(2, b"\xFEmysql_clear_password\0")].concat()),
        ("old passwords wanted", [greeting(), packet(2, b"\xFE")].concat()),
        ("an unknown plugin", [greeting(), packet(2, b"\xFEevil_plugin\0xx")].concat()),
        ("a file wanted", [greeting(), packet(2, b"\0\0\0\x02\0\0\0"), packet(1, b"\xFB/etc/passwd")].concat()),
        ("too many columns", [greeting(), packet(2, b"\0\0\0\x02\0\0\0"), packet(1, b"\xFD\xFF\xFF\xFF")].concat()),
    ];
    for (name, bytes) in cases {
        let start = Instant::now();
        let error = connect_url(&rogue(bytes).await).await.map(drop).expect_err(name);
        assert!(!format!("{error:?}").contains("canary"), "{name}: {error:?}");
        assert!(start.elapsed() < Duration::from_millis(1300), "{name}: {:?}", start.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_readers_share_one_connector() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "shared_use", MANY, "").await;
    let table = Arc::new(connector.table(None, "many").await.expect("the table exists"));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (connector, table): (Arc<dyn Connector>, _) = (Arc::clone(&connector), Arc::clone(&table));
            tokio::spawn(async move {
                let rows = read(connector.as_ref(), scan(&table), None).await.expect("a read");
                rows.iter().map(arrow_array::RecordBatch::num_rows).sum::<usize>()
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("no panic"), 200_000);
    }
}
