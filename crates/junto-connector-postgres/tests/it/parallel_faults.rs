//! What goes wrong while several connections share a read.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use junto_connector::{Error, OpenRequest};
use junto_testkit::postgres::{Server, shared};
use junto_testkit::require;

use crate::parallel::{BIG, BIG_ROWS, rows_of, workers};
use crate::{database, error_of, read_table, request, scan, within_two_seconds};

/// Backends that work on the statement.
fn active(server: &Server, request: &OpenRequest) -> Vec<String> {
    let tag = request.context.statement;
    let sql = format!(
        "select pid from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and query like '%{tag}%'"
    );
    server.query("postgres", &sql).into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
}

async fn big_request(connector: &dyn junto_connector::Connector) -> OpenRequest {
    // Batches are small, so that a part is still under way after its first.
    let table = connector.table(None, "t").await.expect("the table is there");
    OpenRequest { batch_rows: 500, ..request(scan(&table), None) }
}

#[tokio::test]
async fn a_killed_backend_fails_its_stream_and_dropping_the_others_stops_them() {
    let server = require!(shared());
    let connector = database(server, "parallel_killed", BIG).await;
    let request = big_request(&*connector).await;
    let mut streams = connector.open_parallel(request.clone(), workers(3)).await.expect("opens");
    assert_eq!(streams.len(), 3);
    let mut killed = streams.remove(0);
    assert!(killed.next().await.is_some_and(|batch| batch.is_ok()));
    let [backend] = active(server, &request).try_into().expect("one stream was polled");
    for stream in &mut streams {
        assert!(stream.next().await.is_some_and(|batch| batch.is_ok()));
    }
    assert_eq!(active(server, &request).len(), 3);
    server.query("postgres", &format!("select pg_terminate_backend({backend})"));
    let error = killed.try_collect::<Vec<_>>().await.expect_err("the stream is not complete");
    assert!(matches!(error, Error::ConnectionLost { .. }), "{error:?}");
    drop(streams);
    assert!(within_two_seconds(|| active(server, &request).is_empty()));
    assert_eq!(read_table(&*connector, "t").await.expect("readable").num_rows(), BIG_ROWS);
}

#[tokio::test]
async fn a_deadline_ends_every_stream() {
    let server = require!(shared());
    let connector = database(server, "parallel_late", BIG).await;
    let mut request = big_request(&*connector).await;
    let deadline = Instant::now() + Duration::from_secs(3);
    request.context.deadline = Some(deadline);
    let mut streams = connector.open_parallel(request.clone(), workers(2)).await.expect("opens");
    for stream in &mut streams {
        assert!(stream.next().await.is_some_and(|batch| batch.is_ok()));
    }
    tokio::time::sleep_until(deadline.into()).await;
    for stream in streams {
        let error = error_of(stream.try_collect::<Vec<_>>().await);
        assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    }
    assert!(within_two_seconds(|| active(server, &request).is_empty()));
    request.context.deadline = Some(deadline);
    assert!(matches!(error_of(connector.open_parallel(request, workers(2)).await), Error::TimedOut { .. }));
}

#[tokio::test]
async fn a_changed_table_is_stale() {
    let server = require!(shared());
    let connector = database(server, "parallel_stale", BIG).await;
    let request = big_request(&*connector).await;
    server.execute("parallel_stale", "alter table t drop column filler");
    let outcome = match connector.open_parallel(request.clone(), workers(2)).await {
        Ok(streams) => rows_of(streams, &request).await,
        Err(error) => Err(error),
    };
    assert!(matches!(error_of(outcome), Error::StaleCatalog { .. }));
}

#[tokio::test]
async fn an_idle_connection_that_died_is_replaced() {
    let server = require!(shared());
    let connector = database(server, "parallel_idle", BIG).await;
    let kill = "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = 'parallel_idle' and application_name = 'junto' and state <> 'idle in transaction'";
    for _ in 0..3 {
        let request = big_request(&*connector).await;
        server.query("postgres", kill);
        let streams = connector.open_parallel(request.clone(), workers(3)).await.expect("a new connection");
        server.query("postgres", kill);
        assert_eq!(rows_of(streams, &request).await.expect("readable").num_rows(), BIG_ROWS);
    }
}

/// A connection that came after a waiting `VACUUM FULL` would find the rows at other places.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_joins_behind_a_change_of_the_table() {
    let server = require!(shared());
    let connector = database(server, "parallel_ddl", BIG).await;
    let request = big_request(&*connector).await;
    let mut streams = connector.open_parallel(request.clone(), workers(2)).await.expect("opens");
    let (first, second) = (streams.remove(0), streams.remove(0));
    std::thread::scope(|scope| {
        scope.spawn(|| server.execute("parallel_ddl", "vacuum full t"));
        let waiting = "select 1 from pg_locks where relation = 't'::regclass and not granted";
        assert!(within_two_seconds(|| !server.query("parallel_ddl", waiting).is_empty()));
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                assert_eq!(rows_of(vec![second], &request).await.expect("ends").num_rows(), 0);
                assert_eq!(rows_of(vec![first], &request).await.expect("readable").num_rows(), BIG_ROWS);
            });
        });
    });
    let notes = request.context.metrics.notes().concat();
    assert!(notes.contains("fewer connections"), "{notes}");
}

#[tokio::test]
async fn the_last_free_connection_is_left_to_whoever_needs_one() {
    let server = require!(shared());
    let connector = database(server, "parallel_busy", BIG).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(connector.open(big_request(&*connector).await).await.expect("opens"));
    }
    let request = big_request(&*connector).await;
    let streams = connector.open_parallel(request.clone(), workers(4)).await.expect("opens");
    assert_eq!(streams.len(), 1);
    assert!(request.context.metrics.notes().concat().contains("no other could be spared"));
    held.push(connector.open(big_request(&*connector).await).await.expect("one is left"));
    assert_eq!(rows_of(streams, &request).await.expect("readable").num_rows(), BIG_ROWS);
}

/// Nothing is taken from the first stream meanwhile: whoever reads one read after the other must not wait for ever.
#[tokio::test]
async fn a_further_connection_goes_to_whoever_waits_for_one() {
    let server = require!(shared());
    let connector = database(server, "parallel_spared", BIG).await;
    let request = big_request(&*connector).await;
    let mut streams = connector.open_parallel(request.clone(), workers(2)).await.expect("opens");
    for stream in &mut streams {
        assert!(stream.next().await.is_some_and(|batch| batch.is_ok()));
    }
    let further = streams.split_off(1);
    let mut in_use = Vec::new();
    for _ in 0..2 {
        in_use.push(connector.open(big_request(&*connector).await).await.expect("two are left"));
    }
    let waiting = async { connector.open(big_request(&*connector).await).await.expect("one is given back") };
    let (second, given_up) = futures::join!(waiting, rows_of(further, &request));
    let given_up = given_up.expect("readable").num_rows();
    drop(second);
    let rest = rows_of(streams, &request).await.expect("readable").num_rows();
    assert!(given_up < BIG_ROWS / 3, "{given_up} rows were read before");
    assert_eq!(given_up + rest + 2 * request.batch_rows, BIG_ROWS);
}
