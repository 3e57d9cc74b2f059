//! Reads by keys that are killed, cancelled or too slow.

use std::process::Child;
use std::time::Instant;

use junto_testkit::{mariadb, postgres, require};

use crate::harness::Place;
use crate::joins::read_of;
use crate::sessions::{SOON, Server, assert_within, cancelled, ending, timed_out, wait_for};

/// Makes a database with `events`, some of which never come: those of user 7. Returns its URL.
pub(crate) fn with_a_slow_row(server: Server<'_>, database: &str) -> String {
    server.create_database(database);
    match server {
        // A policy, because a view has no statistics.
        Server::Postgres(_) => {
            server.execute(
                database,
                &format!(
                    "create table events (id int primary key, user_id int, amount int);
                     insert into events select n, n % 20000, n % 11 from generate_series(1, 300000) n;
                     create index on events (user_id); analyze events;
                     create policy slowly on events using (user_id <> 7 or id < 200000 or pg_sleep(600) is null);
                     alter table events enable row level security; drop role if exists {database};
                     create role {database} login password 'x'; grant select on events to {database}"
                ),
            );
            format!("postgres://{database}:x@127.0.0.1:{}/{database}", server.port())
        }
        Server::MariaDb(_) => {
            server.execute(
                database,
                "create table recorded (id int primary key, user_id int, amount int, key (user_id));
                 insert into recorded select seq, seq % 20000, seq % 11 from seq_1_to_300000; analyze table recorded;
                 create view events as select * from recorded where user_id <> 7 or id < 200000 or sleep(600) = 1",
            );
            server.url(database)
        }
    }
}

/// A few users in SQLite, whose events are looked up in a database.
struct Lookup<'a> {
    server: Server<'a>,
    database: &'static str,
    url: String,
    place: Place,
}

const LOOKUP: &str = "SELECT u.name, e.amount FROM @shop.users u JOIN @db.events e ON e.user_id = u.id";

impl<'a> Lookup<'a> {
    /// Makes sure that it is looked up by keys.
    fn create(server: Server<'a>, database: &'static str) -> Self {
        let url = format!("db={}", with_a_slow_row(server, database));
        let place = Place::with(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
             INSERT INTO users VALUES (6, 'Ada'), (7, 'Grace'), (8, 'Edsger')",
        );
        let lookup = Self { server, database, url, place };
        let fast = format!("{LOOKUP} WHERE u.id <> 7");
        let explained = lookup.place.junto(&lookup.arguments("explain", &["--json", "--analyze", &fast]));
        let plan: serde_json::Value =
            serde_json::from_str(&explained.stdout).unwrap_or_else(|_| panic!("{explained:?}"));
        assert_eq!(read_of(&plan["root"], "db").expect("it is read")["actual_keys"], 2, "{plan}");
        lookup
    }

    fn arguments<'s>(&'s self, command: &'s str, more: &[&'s str]) -> Vec<&'s str> {
        [&[command, "-c", "shop=sqlite:shop.db", "-c", &self.url, "--strategy", "federated"], more].concat()
    }

    /// A statement that waits for a row.
    fn reading(&self, timeout: &str) -> Child {
        self.waiting(&self.arguments("query", &["--timeout", timeout, LOOKUP]))
    }

    fn waiting(&self, arguments: &[&str]) -> Child {
        let child = self.place.spawn(arguments);
        wait_for(child, || self.server.sleeping(self.database).len() == 1)
    }

    fn assert_ends_when_killed(&self) {
        let end = || self.server.end(&self.server.sleeping(self.database));
        let said = ending(self.reading("none"), end).refused(2);
        assert!(said.contains("connection @db: "), "{said}");
        self.assert_nothing_left(Instant::now());
    }

    fn assert_ends_in_time(&self) {
        self.assert_nothing_left(cancelled(self.reading("none")));
        let analyzing = self.arguments("explain", &["--timeout", "none", "--analyze", LOOKUP]);
        self.assert_nothing_left(cancelled(self.waiting(&analyzing)));
        self.assert_nothing_left(timed_out(self.reading("4s")));
    }

    fn assert_nothing_left(&self, since: Instant) {
        assert_within(SOON, since, "something is left on the server", || {
            self.server.sessions(self.database).is_empty()
        });
    }
}

#[test]
fn a_backend_that_is_killed_while_it_reads_by_keys() {
    let server = Server::Postgres(require!(postgres::shared()));
    Lookup::create(server, "cli_kill_keyed").assert_ends_when_killed();
}

#[test]
fn ctrl_c_and_time_outs_while_postgresql_reads_by_keys() {
    let server = Server::Postgres(require!(postgres::shared()));
    Lookup::create(server, "cli_int_keyed").assert_ends_in_time();
}

#[test]
fn a_connection_of_mariadb_that_is_killed_while_it_reads_by_keys() {
    let server = Server::MariaDb(require!(mariadb::shared()));
    Lookup::create(server, "cli_kill_keyed").assert_ends_when_killed();
}

#[test]
fn ctrl_c_and_time_outs_while_mariadb_reads_by_keys() {
    let server = Server::MariaDb(require!(mariadb::shared()));
    Lookup::create(server, "cli_int_keyed").assert_ends_in_time();
}
