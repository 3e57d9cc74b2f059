//! Networks that break off and fall silent while a join looks rows up by keys, or while rows are brought to a database.

use std::time::Duration;

use junto_engine::{PlanNode, Strategy};
use junto_testkit::{mariadb, postgres, require};

use crate::harness::Place;
use crate::network::{Behind, stall};

const JOIN: &str = "SELECT u.id, t.note FROM @shop.users u JOIN @db.t t ON t.id = u.id";
/// Rows of `@db.t`.
const ROWS: usize = 20_000;

/// `shop.db` with users, the first of which are in a database of `ROWS` too.
fn users(count: usize) -> Place {
    Place::with(&format!(
        "CREATE TABLE users (id INTEGER PRIMARY KEY);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) INSERT INTO users SELECT i FROM n;
         ANALYZE"
    ))
}

impl<'a> Behind<'a> {
    /// The table joined with that many users, in this way.
    fn joined(self, place: &Place, rows: usize, strategy: Strategy) -> Behind<'a> {
        let shop = format!("sqlite:{}", place.path().join("shop.db").display());
        Behind { beside: vec![("shop", shop)], sql: JOIN, rows, strategy, ..self }
    }

    /// The table is looked up by the keys of a few users, over one connection: a read leaves one free.
    async fn looked_up(self, place: &Place) -> Behind<'a> {
        let behind = Behind { connections: 2, ..self.joined(place, 1_000, Strategy::Federated) };
        let options = behind.options(Duration::from_secs(30));
        let plan = behind.engine().explain(JOIN, &options, true).await.expect("a plan");
        assert_eq!(keys(&plan.root), Some(1_000), "{plan:?}");
        behind
    }

    /// Users are brought to the table, by an engine that knows it and makes one more connection for that.
    fn brought_to(self, place: &Place) -> Behind<'a> {
        Behind { is_warm: true, ..self.joined(place, 3_000, Strategy::Materialize) }
    }

    /// Cuts the session that rows are brought to, wherever it is; then it falls silent there.
    async fn assert_whole_or_nothing(&self, insert: &[u8]) {
        let whole = self.whole().await;
        let filled = self.until_said(insert).await;
        // Only what is read at last has this column.
        let read = self.until_said(b"note").await;
        assert!(filled < read && read < whole / 10, "{filled} bytes, {read} bytes, {whole} bytes");
        let early = (0..filled).step_by(50);
        let filling = (filled..read).step_by((read - filled).div_ceil(15) as usize);
        let reading = (1..10).map(|tenths| read + (whole - read) * tenths / 10);
        for after in early.chain(filling).chain(reading) {
            assert!(!self.answers_when_cut(after).await, "an answer in {after} of {whole} bytes");
        }
        assert!(self.answers_when_cut(whole * 2).await, "nothing is cut");
        for after in [filled, read - 2, whole / 2, whole - 20] {
            self.assert_too_late(stall(after)).await;
            let said = (self.proxy.saw(insert), self.proxy.saw(b"note"));
            assert_eq!(said, (true, after >= read), "silent after {after} bytes");
        }
    }

    /// How few bytes of the server make the client say this, or one more: a cut may come before what it says.
    async fn until_said(&self, what: &[u8]) -> u64 {
        let (mut few, mut enough) = (0, 8_000);
        while few + 1 < enough {
            let after = u64::midpoint(few, enough);
            self.answers_when_cut(after).await;
            *(if self.proxy.saw(what) { &mut enough } else { &mut few }) = after;
        }
        enough
    }
}

/// Keys that were sent, by the first read that had some.
fn keys(node: &PlanNode) -> Option<u64> {
    node.actual_keys.or_else(|| node.children.iter().find_map(keys))
}

#[tokio::test(flavor = "multi_thread")]
async fn keyed_reads_of_postgresql_are_whole_and_in_time() {
    let server = require!(postgres::shared());
    let place = users(1_000);
    let behind = Behind::postgres(server, "cli_net_keyed", ROWS, "");
    server.execute("cli_net_keyed", "alter table t add primary key (id)");
    let behind = behind.looked_up(&place).await;
    behind.assert_never_partial(15).await;
    behind.assert_in_time().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keyed_reads_of_mariadb_are_whole_and_in_time() {
    let server = require!(mariadb::shared());
    let place = users(1_000);
    let behind = Behind::mariadb(server, "cli_net_keyed", ROWS, "").looked_up(&place).await;
    behind.assert_never_partial(15).await;
    behind.assert_in_time().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_brought_to_postgresql_are_all_or_none() {
    let server = require!(postgres::shared());
    let place = users(3_000);
    Behind::postgres(server, "cli_net_to", ROWS, "").brought_to(&place).assert_whole_or_nothing(b"COPY ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_brought_to_mariadb_are_all_or_none() {
    let server = require!(mariadb::shared());
    let place = users(3_000);
    Behind::mariadb(server, "cli_net_to", ROWS, "").brought_to(&place).assert_whole_or_nothing(b"INSERT INTO").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_brought_from_postgresql_are_all_or_none() {
    let server = require!(postgres::shared());
    let place = users(30_000);
    let behind = Behind::postgres(server, "cli_net_from", 2_000, "").joined(&place, 2_000, Strategy::Materialize);
    behind.assert_never_partial(10).await;
    behind.assert_in_time().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_brought_from_mariadb_are_all_or_none() {
    let server = require!(mariadb::shared());
    let place = users(30_000);
    let behind = Behind::mariadb(server, "cli_net_from", 2_000, "").joined(&place, 2_000, Strategy::Materialize);
    behind.assert_never_partial(10).await;
    behind.assert_in_time().await;
}
