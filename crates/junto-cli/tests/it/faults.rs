//! Connections that are killed, logins that may not, and users who had enough, while several sources work together.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use junto_testkit::{mariadb, postgres, require};

use crate::harness::{Outcome, Place};

/// Polls until `ready` is true. The child must not end before.
fn wait_for(mut child: Child, ready: impl Fn() -> bool) -> Child {
    let patience = Instant::now() + Duration::from_secs(30);
    while !ready() {
        if Instant::now() > patience || child.try_wait().expect("a child").is_some() {
            let _ = child.kill();
            panic!("it never came so far: {:?}", Outcome::from(child.wait_with_output().expect("it ends")));
        }
        std::thread::yield_now();
    }
    child
}

fn assert_within(limit: Duration, since: Instant, what: &str, done: impl Fn() -> bool) {
    while !done() {
        assert!(since.elapsed() < limit, "{what} after {:?}", since.elapsed());
        std::thread::yield_now();
    }
}

fn interrupt(child: &Child) {
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill starts");
    assert!(signal.success());
}

/// Two databases: `users` in the first; in the second `slow`, whose last row never comes for the login that reads it.
struct Pair {
    server: &'static postgres::Server,
    users: String,
    slow: String,
    login: String,
}

const MATERIALIZED: &str =
    "SELECT count(*) AS n, sum(s.amount) AS total FROM @users.users u JOIN @slow.slow s ON s.id = u.id";

impl Pair {
    fn create(server: &'static postgres::Server, name: &str) -> Self {
        let pair =
            Self { server, users: format!("{name}_users"), slow: format!("{name}_slow"), login: name.to_owned() };
        server.create_database(&pair.users);
        server.execute(
            &pair.users,
            "create table users as select n as id, 'user ' || n as name from generate_series(1, 50000) n; analyze users",
        );
        server.create_database(&pair.slow);
        // A policy, because a table has statistics and a view has none: the view would be taken for the larger side.
        server.execute(
            &pair.slow,
            &format!(
                "create table slow as select n as id, n % 7 as amount from generate_series(1, 20001) n; analyze slow;
                 create policy slowly on slow using (id <= 20000 or pg_sleep(600) is null);
                 alter table slow enable row level security;
                 drop role if exists {name}; create role {name} login password 'x'; grant select on slow to {name}"
            ),
        );
        pair
    }

    fn spawn(&self, place: &Place, more: &[&str]) -> Child {
        let users = format!("users={}", self.server.url(&self.users));
        let slow = format!("slow=postgres://{}:x@127.0.0.1:{}/{}", self.login, self.server.port(), self.slow);
        let arguments = ["query", "-c", &users, "-c", &slow, "--strategy", "materialize"];
        place.spawn(&[&arguments, more, &[MATERIALIZED]].concat())
    }

    fn is_filling(&self) -> bool {
        active(self.server, &self.users, "%COPY%") == 1 && active(self.server, &self.slow, "%slow%") == 1
    }

    /// Nothing of Junto's works or is left.
    fn is_idle(&self) -> bool {
        active(self.server, &self.users, "%") + active(self.server, &self.slow, "%") + self.temporary_tables() == 0
    }

    fn temporary_tables(&self) -> usize {
        self.server.query(&self.users, r"select relname from pg_class where relname like 'junto\_%'").len()
    }
}

/// Backends of Junto that work in a database on a statement like this, or have an open transaction after it.
fn active(server: &postgres::Server, database: &str, like: &str) -> usize {
    let sql = format!(
        "select 1 from pg_stat_activity where state <> 'idle' and datname = '{database}'
         and application_name = 'junto' and query like '{like}'"
    );
    server.query("postgres", &sql).len()
}

#[test]
fn ctrl_c_while_rows_are_brought_to_a_database() {
    let pair = Pair::create(require!(postgres::shared()), "cli_int_fill");
    let place = Place::empty();
    let child = wait_for(pair.spawn(&place, &["--timeout", "none"]), || pair.is_filling());
    assert_eq!(pair.temporary_tables(), 1);
    let interrupted = Instant::now();
    interrupt(&child);
    let outcome: Outcome = child.wait_with_output().expect("it ends").into();
    assert_eq!(outcome.refused(130), "error: cancelled\n");
    assert!(interrupted.elapsed() < Duration::from_millis(2_500), "{:?}", interrupted.elapsed());
    assert_within(Duration::from_secs(3), interrupted, "something is left on the servers", || pair.is_idle());
}

#[test]
fn a_time_out_while_rows_are_brought_to_a_database() {
    let pair = Pair::create(require!(postgres::shared()), "cli_late_fill");
    let place = Place::empty();
    let child = wait_for(pair.spawn(&place, &["--timeout", "4s"]), || pair.is_filling());
    let outcome: Outcome = child.wait_with_output().expect("it ends").into();
    let ended = Instant::now();
    assert!(outcome.refused(1).contains("timed out after"));
    assert_within(Duration::from_secs(2), ended, "something is left on the servers", || pair.is_idle());
}

/// Kills what works in a database on a statement like this, until the child has ended; returns its outcome. Once is not
/// enough: a lost connection makes the statement start over once.
fn killing_backends(server: &postgres::Server, mut child: Child, database: &str, like: &str) -> Outcome {
    let kill = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where state = 'active' and datname = '{database}'
         and application_name = 'junto' and query like '{like}'"
    );
    let patience = Instant::now() + Duration::from_secs(30);
    while child.try_wait().expect("a child").is_none() {
        server.query("postgres", &kill);
        if Instant::now() > patience {
            let _ = child.kill();
            panic!("it goes on without: {:?}", Outcome::from(child.wait_with_output().expect("it ends")));
        }
    }
    child.wait_with_output().expect("it ends").into()
}

#[test]
fn a_backend_that_is_killed_while_it_is_filled() {
    let pair = Pair::create(require!(postgres::shared()), "cli_kill_fill");
    let place = Place::empty();
    let child = wait_for(pair.spawn(&place, &["--timeout", "none"]), || pair.is_filling());
    let said = killing_backends(pair.server, child, &pair.users, "%COPY%").refused(2);
    assert!(said.contains("connection @users: "), "{said}");
    assert_within(Duration::from_secs(2), Instant::now(), "something is left on the servers", || pair.is_idle());
}

#[test]
fn a_backend_that_is_killed_while_it_reads_what_was_brought() {
    let server = require!(postgres::shared());
    server.create_database("cli_kill_read");
    // The view has no statistics: it is taken for the larger side.
    server.execute(
        "cli_kill_read",
        "create view slow as select n as id, n % 7 as amount from generate_series(1, 20001) n
         where n <= 20000 or pg_sleep(600) is null",
    );
    let place = Place::with("CREATE TABLE users (id INTEGER PRIMARY KEY); INSERT INTO users VALUES (1), (2), (3)");
    let slow = format!("slow={}", server.url("cli_kill_read"));
    let sql = "SELECT u.id, s.amount FROM @shop.users u JOIN @slow.slow s ON s.id = u.id";
    let arguments =
        ["query", "-c", "shop=sqlite:shop.db", "-c", &slow, "--timeout", "none", "--strategy", "materialize", sql];
    let reading = "%junto_m0%slow%";
    let child = wait_for(place.spawn(&arguments), || active(server, "cli_kill_read", reading) == 1);
    let said = killing_backends(server, child, "cli_kill_read", reading).refused(2);
    assert!(said.contains("connection @slow: "), "{said}");
    let left = server.query("cli_kill_read", r"select relname from pg_class where relname like 'junto\_%'");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn logins_without_temporary_tables_are_answered_in_another_way() {
    let server = require!(postgres::shared());
    server.create_database("cli_no_temporary");
    // The join of both tables has many rows, and the users choose few of them.
    server.execute(
        "cli_no_temporary",
        "create table events as select n as id, n % 1000 as user_id, n % 300 as item, n % 11 as amount
             from generate_series(1, 60000) n;
         create table details as select n as id, n % 300 as item, n % 7 as weight from generate_series(1, 150000) n;
         analyze; drop role if exists cli_no_temporary; create role cli_no_temporary login password 'x';
         grant select on events, details to cli_no_temporary;
         revoke temporary on database cli_no_temporary from public",
    );
    let place = Place::with(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, country TEXT);
         INSERT INTO users VALUES (50, 'a'), (100, 'b'), (150, 'a'), (200, 'b')",
    );
    let sql = "SELECT count(*) AS n, sum(d.weight * e.amount) AS total FROM @pg.events e \
               JOIN @pg.details d ON d.item = e.item JOIN @shop.users u ON u.id = e.user_id";
    let may = format!("pg={}", server.url("cli_no_temporary"));
    let may_not = format!("pg=postgres://cli_no_temporary:x@127.0.0.1:{}/cli_no_temporary", server.port());
    let said = place.query(&["-c", &may_not, "--strategy", "materialize"], sql).refused(2);
    assert!(said.contains("the login may not make temporary tables"), "{said}");
    let mut answers = Vec::new();
    for (url, strategy) in [(&may, "materialize"), (&may_not, "federated")] {
        let outcome = place.junto(&["query", "-c", "shop=sqlite:shop.db", "-c", url, "--timing", sql]);
        let timing: serde_json::Value =
            serde_json::from_str(&outcome.stderr).unwrap_or_else(|_| panic!("{}", outcome.stderr));
        assert_eq!(timing["strategy"], strategy, "{timing}");
        let reason = timing["reason"].as_str().expect("a reason");
        assert_eq!(reason.contains("rows cannot be brought to @pg"), strategy == "federated", "{reason}");
        answers.push(outcome.stdout);
    }
    assert_eq!(answers[0], answers[1]);
}

/// Connections of Junto that work on an aggregate in a database of MariaDB.
fn working(server: &mariadb::Server, database: &str) -> Vec<String> {
    let sql = format!(
        "select id from information_schema.processlist where db = '{database}' and info like '/* junto:%SUM(%'"
    );
    server.query("", &sql).into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
}

#[test]
fn connections_that_are_killed_while_they_share_an_aggregate() {
    let server = require!(mariadb::shared());
    server.create_database("cli_kill_groups");
    server.execute(
        "cli_kill_groups",
        "create table sales (id int primary key, item int, amount int, note varchar(100));
         insert into sales select seq, seq % 50, seq % 13, repeat('x', 100) from seq_1_to_1000000;
         alter table sales force; analyze table sales",
    );
    let place = Place::empty();
    let my = format!("my={}", server.url("cli_kill_groups"));
    let sql = "SELECT count(*) AS n, sum(amount) AS total FROM @my.sales";
    assert_eq!(place.junto(&["query", "-c", &my, sql]).rows(), "n,total\n1000000,5999995\n");
    let mut child = wait_for(place.spawn(&["query", "-c", &my, sql]), || working(server, "cli_kill_groups").len() > 1);
    while child.try_wait().expect("a child").is_none() {
        for id in working(server, "cli_kill_groups") {
            let _gone_by_itself = server.try_query("", &format!("kill {id}"));
        }
    }
    let outcome: Outcome = child.wait_with_output().expect("it ends").into();
    let said = outcome.refused(2);
    assert!(said.contains("connection @my: "), "{said}");
}

#[test]
fn ctrl_c_while_several_connections_share_a_read() {
    let server = require!(postgres::shared());
    server.create_database("cli_int_shared");
    server.execute(
        "cli_int_shared",
        "create table wide as select n as id, repeat('x', 400) as note from generate_series(1, 300000) n; analyze wide",
    );
    let place = Place::empty();
    let pg = format!("pg={}", server.url("cli_int_shared"));
    // Nobody reads what it writes, so it never comes to its end.
    let child = place.spawn(&["query", "-c", &pg, "--timeout", "none", "SELECT id, note FROM @pg.wide"]);
    let child = wait_for(child, || active(server, "cli_int_shared", "%wide%") > 1);
    let interrupted = Instant::now();
    interrupt(&child);
    assert_within(Duration::from_secs(3), interrupted, "the server still works", || {
        active(server, "cli_int_shared", "%") == 0
    });
    let outcome: Outcome = child.wait_with_output().expect("it ends").into();
    assert_eq!(outcome.code, Some(130), "{}", outcome.stderr);
}

/// A row that never comes for the login that reads it.
fn with_a_slow_row(server: &postgres::Server, database: &str, login: &str) -> String {
    server.create_database(database);
    server.execute(
        database,
        &format!(
            "create table events (id int primary key, user_id int, amount int);
             insert into events select n, n % 20000, n % 11 from generate_series(1, 300000) n;
             create index on events (user_id); analyze events;
             create policy slowly on events using (user_id <> 7 or id < 200000 or pg_sleep(600) is null);
             alter table events enable row level security;
             drop role if exists {login}; create role {login} login password 'x'; grant select on events to {login}"
        ),
    );
    format!("pg=postgres://{login}:x@127.0.0.1:{}/{database}", server.port())
}

#[test]
fn a_backend_that_is_killed_while_it_reads_by_keys() {
    let server = require!(postgres::shared());
    let slow = with_a_slow_row(server, "cli_kill_keyed", "cli_kill_keyed");
    let place = Place::with(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
         INSERT INTO users VALUES (6, 'Ada'), (7, 'Grace'), (8, 'Edsger')",
    );
    let sql = "SELECT u.name, e.amount FROM @shop.users u JOIN @pg.events e ON e.user_id = u.id";
    let fast = format!("pg={}", server.url("cli_kill_keyed"));
    let arguments = ["explain", "-c", "shop=sqlite:shop.db", "-c", &fast, "--strategy", "federated"];
    let explained = place.junto(&[&arguments[..], &["--json", "--analyze", sql]].concat());
    assert!(
        explained.stdout.contains("\"actual_keys\": 3") || explained.stdout.contains("\"actual_keys\":3"),
        "{explained:?}"
    );
    let arguments =
        ["query", "-c", "shop=sqlite:shop.db", "-c", &slow, "--timeout", "none", "--strategy", "federated", sql];
    let reading = || active(server, "cli_kill_keyed", "%events%") == 1;
    let child = wait_for(place.spawn(&arguments), reading);
    let said = killing_backends(server, child, "cli_kill_keyed", "%events%").refused(2);
    assert!(said.contains("connection @pg: "), "{said}");
    assert_within(Duration::from_secs(2), Instant::now(), "something is left on the server", || {
        active(server, "cli_kill_keyed", "%") == 0
    });
}

/// Two reads that are one.
const SHARED: &str = "WITH e AS (SELECT user_id, amount FROM @pg.events) SELECT count(*) AS n, sum(a.amount) AS total \
    FROM e a JOIN e b ON b.user_id = a.user_id WHERE a.amount * b.amount > random()";

#[test]
fn ctrl_c_and_time_outs_end_a_read_that_two_share() {
    let server = require!(postgres::shared());
    let slow = with_a_slow_row(server, "cli_int_once", "cli_int_once");
    let idle = || active(server, "cli_int_once", "%") == 0;
    let place = Place::empty();
    let spawn = |timeout: &str| {
        let arguments = ["query", "-c", &slow, "--strategy", "federated", "--timeout", timeout, SHARED];
        wait_for(place.spawn(&arguments), || active(server, "cli_int_once", "%events%") > 0)
    };
    let child = spawn("none");
    let interrupted = Instant::now();
    interrupt(&child);
    let outcome: Outcome = child.wait_with_output().expect("it ends").into();
    assert_eq!(outcome.refused(130), "error: cancelled\n");
    assert_within(Duration::from_secs(3), interrupted, "the server still works", idle);

    let outcome: Outcome = spawn("3s").wait_with_output().expect("it ends").into();
    let ended = Instant::now();
    assert!(outcome.refused(1).contains("timed out after"));
    assert_within(Duration::from_secs(2), ended, "the server still works", idle);
}

#[test]
fn a_backend_that_is_killed_under_two_readers() {
    let server = require!(postgres::shared());
    let slow = with_a_slow_row(server, "cli_kill_once", "cli_kill_once");
    let place = Place::empty();
    let arguments = ["query", "-c", &slow, "--strategy", "federated", "--timeout", "none", SHARED];
    let child = wait_for(place.spawn(&arguments), || active(server, "cli_kill_once", "%events%") > 0);
    let said = killing_backends(server, child, "cli_kill_once", "%events%").refused(2);
    assert!(said.contains("connection @pg: "), "{said}");
}
