//! Networks that drip, break off and fall silent between Junto and its servers.

use std::time::{Duration, Instant};

use junto_connector::Reaper;
use junto_engine::{Engine, Error, StatementOptions, Strategy};
use junto_testkit::proxy::{Disturbance, Proxy};
use junto_testkit::{Certificates, mariadb, postgres, require};

use crate::engine::{count, engine, within};
use crate::sessions::{SOON, Server, assert_within};

/// How much longer than its time-out a statement may take.
const GRACE: Duration = Duration::from_secs(1);
const READ: &str = "SELECT id, note FROM @db.t";

/// A server with a table `@db.t`, behind a proxy.
pub(crate) struct Behind<'a> {
    pub(crate) server: Server<'a>,
    pub(crate) database: String,
    /// Ends the URL.
    pub(crate) options: &'static str,
    pub(crate) proxy: Proxy,
    /// Other connections.
    pub(crate) beside: Vec<(&'static str, String)>,
    /// What is read, and how many rows that has.
    pub(crate) sql: &'static str,
    pub(crate) rows: usize,
    pub(crate) strategy: Strategy,
    pub(crate) connections: usize,
    /// The engine has read it all once before anything is disturbed.
    pub(crate) is_warm: bool,
}

impl<'a> Behind<'a> {
    pub(crate) fn postgres(
        server: &'a postgres::Server,
        database: &str,
        rows: usize,
        options: &'static str,
    ) -> Behind<'a> {
        let table = format!(
            "create table t as select n as id, repeat('x', 900) as note from generate_series(1, {rows}) n; analyze t"
        );
        Self::new(Server::Postgres(server), database, &table, rows, options)
    }

    pub(crate) fn mariadb(server: &'a mariadb::Server, database: &str, rows: usize, options: &'static str) -> Self {
        let table = format!(
            "create table t (id int primary key, note varchar(900));
             insert into t select seq, repeat('x', 900) from seq_1_to_{rows}; alter table t force; analyze table t"
        );
        Self::new(Server::MariaDb(server), database, &table, rows, options)
    }

    fn new(server: Server<'a>, database: &str, table: &str, rows: usize, options: &'static str) -> Self {
        server.create_database(database);
        server.execute(database, table);
        Self {
            server,
            database: database.to_owned(),
            options,
            proxy: Proxy::start(server.port()),
            beside: Vec::new(),
            sql: READ,
            rows,
            strategy: Strategy::Auto,
            connections: 10,
            is_warm: false,
        }
    }

    /// A new engine, which has to connect.
    pub(crate) fn engine(&self) -> Engine {
        let url = format!("{}127.0.0.1:{}/{}{}", self.server.login(), self.proxy.port(), self.database, self.options);
        let beside = self.beside.iter().map(|(alias, url)| (*alias, url.as_str()));
        let urls: Vec<(&str, &str)> = beside.chain([("db", url.as_str())]).collect();
        engine(&urls, self.connections)
    }

    /// How a statement runs for so long.
    pub(crate) fn options(&self, timeout: Duration) -> StatementOptions {
        StatementOptions { strategy: self.strategy, ..within(timeout) }
    }

    /// The outcome of reading the table, which must not take longer than it may, nor leave anything.
    pub(crate) async fn read(&self, disturbance: Disturbance, timeout: Duration) -> Result<usize, Error> {
        let engine = self.engine();
        if self.is_warm {
            self.proxy.disturb(Disturbance::None);
            let rows = count(&engine, self.sql, &self.options(Duration::from_secs(30))).await;
            assert_eq!(rows.expect("nothing is disturbed yet"), self.rows);
        }
        self.proxy.forget();
        self.proxy.disturb(disturbance);
        let started = Instant::now();
        let outcome = count(&engine, self.sql, &self.options(timeout)).await;
        assert!(started.elapsed() < timeout + GRACE, "{disturbance:?}: {:?}", started.elapsed());
        drop(engine);
        // It cannot always be told to stop over this network.
        let limit = SOON + Reaper::JOB_LIMIT;
        assert_within(limit, Instant::now(), &format!("{disturbance:?}: something is left on the server"), || {
            self.server.sessions(&self.database).is_empty()
        });
        outcome
    }

    /// Bytes of the longest connection when nothing is disturbed.
    pub(crate) async fn whole(&self) -> u64 {
        assert_eq!(
            self.read(Disturbance::None, Duration::from_secs(30)).await.expect("nothing is disturbed"),
            self.rows
        );
        self.proxy.longest()
    }

    /// Cuts connections after so many bytes; says whether there was an answer, which is whole then.
    pub(crate) async fn answers_when_cut(&self, after: u64) -> bool {
        match self.read(Disturbance::Cut { after }, Duration::from_secs(10)).await {
            Ok(rows) => {
                assert_eq!(rows, self.rows, "cut after {after} bytes");
                true
            }
            Err(error) => {
                assert_eq!(error.connection(), Some("db"), "cut after {after} bytes: {error}");
                false
            }
        }
    }

    pub(crate) async fn assert_never_partial(&self, cuts: u64) {
        let whole = self.whole().await;
        // The first bytes are the login, one message after the other.
        let login = (0..cuts).map(|step| step * 4_000 / cuts);
        let rows = (0..cuts).map(|step| whole * step / cuts);
        for after in login.chain(rows) {
            let answered = self.answers_when_cut(after).await;
            assert!(!answered || after > whole / 2, "an answer in {after} of {whole} bytes");
        }
        // Explanations and names of sessions are not always as long.
        assert!(self.answers_when_cut(whole * 2).await, "nothing is cut");
    }

    pub(crate) async fn assert_in_time(&self) {
        let whole = self.whole().await;
        let drip = Disturbance::Drip { pause: Duration::from_millis(1) };
        for disturbance in [drip].into_iter().chain([0, 10, 500, whole / 2, whole - 20].map(stall)) {
            self.assert_too_late(disturbance).await;
        }
        assert_eq!(self.read(Disturbance::None, Duration::from_secs(30)).await.expect("all is well"), self.rows);
    }

    pub(crate) async fn assert_too_late(&self, disturbance: Disturbance) {
        let error = self.read(disturbance, Duration::from_millis(1_500)).await.expect_err("it is too late");
        assert!(error.to_string().contains("timed out after"), "{disturbance:?}: {error}");
    }
}

/// Silence after so many bytes.
pub(crate) fn stall(after: u64) -> Disturbance {
    Disturbance::Stall { after }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_cut_anywhere_is_never_a_part_of_an_answer() {
    let server = require!(postgres::shared());
    Behind::postgres(server, "cli_cut", 2_000, "").assert_never_partial(25).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_cut_anywhere_is_never_a_part_of_an_answer() {
    let server = require!(mariadb::shared());
    Behind::mariadb(server, "cli_cut", 2_000, "").assert_never_partial(25).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_connections_cut_anywhere_are_never_a_part_of_an_answer() {
    let (postgres, mariadb) = (require!(postgres::shared()), require!(mariadb::shared()));
    Behind::postgres(postgres, "cli_cut_shared", 40_000, "").assert_never_partial(6).await;
    Behind::mariadb(mariadb, "cli_cut_shared", 60_000, "").assert_never_partial(6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_that_drips_or_falls_silent_ends_in_time() {
    let server = require!(postgres::shared());
    Behind::postgres(server, "cli_silent", 10_000, "").assert_in_time().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_that_drips_or_falls_silent_ends_in_time() {
    let server = require!(mariadb::shared());
    Behind::mariadb(server, "cli_silent", 10_000, "").assert_in_time().await;
}

/// The login never goes in clear text, wherever the handshake ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_is_cut_falls_back_to_nothing() {
    let tls = Some(Certificates::self_signed("localhost"));
    let settings = postgres::Settings { tls: tls.clone(), ..postgres::Settings::default() };
    let postgres = require!(postgres::Server::start_with(&settings));
    let settings = mariadb::Settings { tls, ..mariadb::Settings::default() };
    let mariadb = require!(mariadb::Server::start_with(&settings));
    let cases = [
        (Behind::postgres(&postgres, "cli_tls", 100, "?sslmode=require"), b"postgres\0".as_slice()),
        (Behind::mariadb(&mariadb, "cli_tls", 100, "?sslmode=require"), b"root\0"),
    ];
    for (behind, login) in cases {
        behind.whole().await;
        for after in (0..3_000).step_by(100).chain([1, 5, 90]) {
            behind.answers_when_cut(after).await;
        }
        assert!(!behind.proxy.saw(login), "{} in clear text", String::from_utf8_lossy(login));
    }
    let plain = Behind::postgres(&postgres, "cli_tls", 100, "?sslmode=disable");
    plain.whole().await;
    assert!(plain.proxy.saw(b"postgres\0"), "the test would notice");
    let plain = Behind::mariadb(&mariadb, "cli_tls", 100, "?sslmode=disable");
    plain.whole().await;
    assert!(plain.proxy.saw(b"root\0"), "the test would notice");
}
