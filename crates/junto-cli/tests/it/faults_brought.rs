//! Statements that end while a database joins what was brought to it.

use std::process::Child;
use std::time::{Duration, Instant};

use junto_testkit::{postgres, require};

use crate::faults_materialize::mariadb_with_files;
use crate::harness::Place;
use crate::sessions::{SOON, Server, assert_within, cancelled, crashed, ending, timed_out, wait_for};

const JOINED: &str = "SELECT count(*) AS n FROM @few.users u JOIN @many.slow s ON s.id = u.id";
/// How long MariaDB may sleep before it looks for its client, and a bit.
const A_NAP: Duration = Duration::from_secs(10);

/// A few users, in SQLite, that are brought to a server with a view `slow` that never gives its last row.
struct OnServer {
    place: Place,
    server: Server<'static>,
    database: &'static str,
}

impl OnServer {
    fn create(server: Server<'static>, database: &'static str) -> Self {
        server.create_database(database);
        // The view has no statistics: it is taken for the larger side.
        let series = match server {
            Server::Postgres(_) => {
                "generate_series(1, 20001) numbers (seq) where seq <= 20000 or pg_sleep(600) is null"
            }
            Server::MariaDb(_) => "seq_1_to_20001 where seq <= 20000 or sleep(600) = 1",
        };
        server.execute(database, &format!("create view slow as select seq as id from {series}"));
        let users = "CREATE TABLE users (id INTEGER); INSERT INTO users VALUES (1), (2), (20001)";
        Self { place: Place::with(users), server, database }
    }

    fn joining(&self, timeout: &str) -> Child {
        let many = format!("many={}", self.server.url(self.database));
        let options = ["--strategy", "materialize", "--timeout", timeout, JOINED];
        let child = self.place.spawn(&[&["query", "-c", "few=sqlite:shop.db", "-c", &many], &options[..]].concat());
        wait_for(child, || {
            self.server.sleeping(self.database).len() == 1 && self.server.temporary_tables(self.database) == 1
        })
    }

    fn assert_ends_well(&self) {
        self.assert_nothing_left(SOON, cancelled(self.joining("none")));
        self.assert_nothing_left(SOON, timed_out(self.joining("4s")));
        self.assert_nothing_left(A_NAP, crashed(self.joining("none")));
        let end = || self.server.end(&self.server.sleeping(self.database));
        let said = ending(self.joining("none"), end).refused(2);
        assert!(said.contains("connection @many: "), "{said}");
        self.assert_nothing_left(SOON, Instant::now());
    }

    fn assert_nothing_left(&self, limit: Duration, since: Instant) {
        assert_within(limit, since, "something is left on the server", || {
            self.server.sessions(self.database).is_empty() && self.server.temporary_tables(self.database) == 0
        });
    }
}

#[test]
fn postgresql_joins_what_was_brought() {
    OnServer::create(Server::Postgres(require!(postgres::shared())), "cli_brought").assert_ends_well();
}

#[test]
fn mariadb_joins_what_was_brought() {
    OnServer::create(Server::MariaDb(require!(mariadb_with_files())), "cli_brought").assert_ends_well();
}

/// A few users, in PostgreSQL, that are brought to a file with a view `slow` that never comes to its end.
struct InFile {
    place: Place,
    url: &'static str,
    file: &'static str,
    source: Server<'static>,
    database: &'static str,
}

impl InFile {
    fn create(place: Place, url: &'static str, source: &'static postgres::Server, database: &'static str) -> Self {
        let source = Server::Postgres(source);
        source.create_database(database);
        source.execute(database, "create table users as select n as id from generate_series(1, 3) n; analyze users");
        let file = url.split_once(':').expect("a URL").1;
        Self { place, url, file, source, database }
    }

    /// The users have been read by then.
    fn joining(&self, timeout: &str) -> Child {
        let (few, many) = (format!("few={}", self.source.url(self.database)), format!("many={}", self.url));
        let options = ["--strategy", "materialize", "--timeout", timeout, JOINED];
        let child = self.place.spawn(&[&["query", "-c", &few, "-c", &many], &options[..]].concat());
        wait_for(child, || self.source.finished(self.database, "/* junto:%users%").len() == 1)
    }

    fn assert_ends_well(&self) {
        let bytes = self.place.read_bytes(self.file);
        let ways: [fn(Child) -> Instant; 3] = [cancelled, timed_out, crashed];
        for (end, timeout) in ways.into_iter().zip(["none", "4s", "none"]) {
            let begun = Instant::now();
            let since = end(self.joining(timeout));
            assert!(begun.elapsed() < Duration::from_secs(4) + SOON, "{:?}", begun.elapsed());
            let left = || self.source.sessions(self.database);
            assert_within(SOON, since, "something is left on the server", || left().is_empty());
            assert_eq!(self.place.names_in("."), [self.file]);
            assert!(self.place.read_bytes(self.file) == bytes, "{} was changed", self.file);
            let many = format!("many={}", self.url);
            let rows = self.place.junto(&["query", "-c", &many, "SELECT count(*) AS n FROM @many.digits"]).rows();
            assert_eq!(rows, "n\n1000\n");
        }
    }
}

#[test]
fn sqlite_joins_what_was_brought() {
    let place = Place::with(
        "CREATE TABLE digits (id INTEGER PRIMARY KEY);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO digits SELECT i FROM n;
         CREATE VIEW slow AS SELECT a.id FROM digits a, digits b, digits c, digits d, digits e",
    );
    InFile::create(place, "sqlite:shop.db", require!(postgres::shared()), "cli_brought_sqlite").assert_ends_well();
}

#[test]
fn duckdb_joins_what_was_brought() {
    let place = Place::empty();
    place.make_duckdb(&[
        "CREATE TABLE digits AS SELECT range AS id FROM range(1000)",
        "CREATE VIEW slow AS SELECT range AS id FROM range(100000000000000)",
    ]);
    InFile::create(place, "duckdb:shop.duckdb", require!(postgres::shared()), "cli_brought_duckdb").assert_ends_well();
}
