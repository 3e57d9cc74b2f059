//! Rows that are brought to a database whose source, target, user or program ends in the middle.

use std::process::Child;
use std::sync::OnceLock;
use std::time::Instant;

use junto_testkit::{StartError, mariadb, postgres, require};

use crate::harness::Place;
use crate::sessions::{SOON, Server, assert_within, cancelled, crashed, ending, timed_out, wait_for};

/// A MariaDB whose temporary tables can be seen from outside: they are files.
pub(crate) fn mariadb_with_files() -> Result<&'static mariadb::Server, StartError> {
    static SERVER: OnceLock<Result<mariadb::Server, StartError>> = OnceLock::new();
    let arguments = vec!["--default-tmp-storage-engine=Aria".to_owned()];
    let start = || mariadb::Server::start_with(&mariadb::Settings { arguments, ..mariadb::Settings::default() });
    SERVER.get_or_init(start).as_ref().map_err(Clone::clone)
}

/// Where the larger table `users` is.
enum Target {
    Server {
        server: Server<'static>,
        database: String,
    },
    /// A file in the place, with its URL and its bytes.
    File {
        name: &'static str,
        url: &'static str,
        bytes: Vec<u8>,
    },
}

/// In a PostgreSQL `slow`, whose last row never comes for the login that reads it; it is brought to the `users`.
struct Pair {
    place: Place,
    target: Target,
    source: Server<'static>,
    /// Name of its database and of the login.
    slow: String,
}

const BROUGHT: &str =
    "SELECT count(*) AS n, max(s.amount) AS most FROM @users.users u JOIN @slow.slow s ON s.id = u.id";
const ANSWER: &str = "n,most\n20001,6\n";

impl Pair {
    fn create(place: Place, target: Target, source: &'static postgres::Server, slow: &str) -> Self {
        let source = Server::Postgres(source);
        source.create_database(slow);
        // A policy, because a table has statistics and a view has none: the view would be taken for the larger side.
        source.execute(
            slow,
            &format!(
                "create table slow as select n as id, n % 7 as amount from generate_series(1, 20001) n; analyze slow;
                 create policy slowly on slow using (id <= 20000 or pg_sleep(600) is null);
                 alter table slow enable row level security;
                 drop role if exists {slow}; create role {slow} login password 'x'; grant select on slow to {slow}"
            ),
        );
        Self { place, target, source, slow: slow.to_owned() }
    }

    fn with_server(server: Server<'static>, source: &'static postgres::Server, name: &str) -> Self {
        let database = format!("{name}_users");
        server.create_database(&database);
        let series = match server {
            Server::Postgres(_) => "generate_series(1, 50000) as numbers (seq); analyze users",
            Server::MariaDb(_) => "seq_1_to_50000; analyze table users",
        };
        let users = "create table users (id int primary key); insert into users select seq from";
        server.execute(&database, &format!("{users} {series}"));
        Self::create(Place::empty(), Target::Server { server, database }, source, name)
    }

    fn with_sqlite(source: &'static postgres::Server, name: &str) -> Self {
        let place = Place::with(
            "CREATE TABLE users (id INTEGER PRIMARY KEY);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
                 INSERT INTO users SELECT i FROM n; ANALYZE",
        );
        let bytes = place.read_bytes("shop.db");
        Self::create(place, Target::File { name: "shop.db", url: "sqlite:shop.db", bytes }, source, name)
    }

    fn with_duckdb(source: &'static postgres::Server, name: &str) -> Self {
        let place = Place::empty();
        place.make_duckdb(&["CREATE TABLE users AS SELECT range AS id FROM range(1, 50001)"]);
        let bytes = place.read_bytes("shop.duckdb");
        Self::create(place, Target::File { name: "shop.duckdb", url: "duckdb:shop.duckdb", bytes }, source, name)
    }

    /// The statement, for the login for which the last row never comes, or for the one that gets them all.
    fn arguments(&self, login: &str, timeout: &str) -> Vec<String> {
        let users = match &self.target {
            Target::Server { server, database } => server.url(database),
            Target::File { url, .. } => (*url).to_owned(),
        };
        let slow = format!("slow=postgres://{login}@127.0.0.1:{}/{}", self.source.port(), self.slow);
        let options = ["--strategy", "materialize", "--timeout", timeout, BROUGHT].map(str::to_owned);
        [vec!["query".into(), "-c".into(), format!("users={users}"), "-c".into(), slow], options.to_vec()].concat()
    }

    /// The statement, begun and waiting for the last row.
    fn filling(&self, timeout: &str) -> Child {
        let arguments = self.arguments(&format!("{}:x", self.slow), timeout);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let is_waiting = || self.source.sleeping(&self.slow).len() == 1;
        let is_holding = || match &self.target {
            Target::Server { server, database } => server.temporary_tables(database) == 1,
            Target::File { .. } => true,
        };
        wait_for(self.place.spawn(&arguments), || is_waiting() && is_holding())
    }

    fn ctrl_c(&self) {
        self.assert_as_before(cancelled(self.filling("none")));
    }

    fn time_out(&self) {
        self.assert_as_before(timed_out(self.filling("4s")));
    }

    fn killed_source(&self) {
        let end = || self.source.end(&self.source.sleeping(&self.slow));
        let said = ending(self.filling("none"), end).refused(2);
        assert!(said.contains("connection @slow: "), "{said}");
        self.assert_as_before(Instant::now());
    }

    /// In every way: a file has no session to kill.
    fn assert_ends_well(&self) {
        self.ctrl_c();
        self.time_out();
        self.killed_source();
        if let Target::Server { server, database } = &self.target {
            self.killed_target(*server, database);
        }
        self.crash();
    }

    fn killed_target(&self, server: Server<'_>, database: &str) {
        let end = || {
            if server.temporary_tables(database) > 0 {
                server.end(&server.sessions(database));
            }
        };
        let said = ending(self.filling("none"), end).refused(2);
        assert!(said.contains("connection @users: "), "{said}");
        self.assert_as_before(Instant::now());
    }

    fn crash(&self) {
        self.assert_as_before(crashed(self.filling("none")));
    }

    /// Nothing of Junto's is left soon, and the statement has its answer.
    fn assert_as_before(&self, since: Instant) {
        assert_within(SOON, since, "the source still works", || self.source.sessions(&self.slow).is_empty());
        match &self.target {
            Target::Server { server, database } => {
                let is_gone = || server.sessions(database).is_empty() && server.temporary_tables(database) == 0;
                assert_within(SOON, since, "something is left on the target", is_gone);
            }
            Target::File { name, bytes, .. } => {
                assert_eq!(self.place.names_in("."), [*name]);
                assert!(self.place.read_bytes(name) == *bytes, "{name} was changed");
            }
        }
        let arguments = self.arguments(&format!("{}:{}", postgres::USER, postgres::PASSWORD), "30s");
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert_eq!(self.place.junto(&arguments).rows(), ANSWER);
    }
}

#[test]
fn rows_on_their_way_to_postgresql() {
    let server = require!(postgres::shared());
    let pair = Pair::with_server(Server::Postgres(server), server, "cli_to_postgres");
    pair.assert_ends_well();
}

#[test]
fn rows_on_their_way_to_mariadb() {
    let target = Server::MariaDb(require!(mariadb_with_files()));
    let pair = Pair::with_server(target, require!(postgres::shared()), "cli_to_mariadb");
    pair.assert_ends_well();
}

#[test]
fn rows_on_their_way_to_sqlite() {
    let pair = Pair::with_sqlite(require!(postgres::shared()), "cli_to_sqlite");
    pair.assert_ends_well();
}

#[test]
fn rows_on_their_way_to_duckdb() {
    let pair = Pair::with_duckdb(require!(postgres::shared()), "cli_to_duckdb");
    pair.assert_ends_well();
}
