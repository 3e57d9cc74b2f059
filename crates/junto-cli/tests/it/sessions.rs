//! Sessions of Junto on the servers, watched from outside, and what ends them.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use junto_testkit::{mariadb, postgres};

use crate::harness::Outcome;

/// How long the end of a session may take once its client is gone.
pub(crate) const SOON: Duration = Duration::from_secs(3);

/// Polls until `ready` is true. The child must not end before.
pub(crate) fn wait_for(mut child: Child, ready: impl Fn() -> bool) -> Child {
    let patience = Instant::now() + Duration::from_secs(30);
    while !ready() {
        if Instant::now() > patience || child.try_wait().expect("a child").is_some() {
            let _ = child.kill();
            panic!("it never came so far: {:?}", Outcome::of(child));
        }
        std::thread::yield_now();
    }
    child
}

pub(crate) fn assert_within(limit: Duration, since: Instant, what: &str, done: impl Fn() -> bool) {
    while !done() {
        assert!(since.elapsed() < limit, "{what} after {:?}", since.elapsed());
        std::thread::yield_now();
    }
}

/// Presses Ctrl-C, which ends the statement in time; says when.
pub(crate) fn cancelled(child: Child) -> Instant {
    let since = Instant::now();
    interrupt(&child);
    assert_eq!(Outcome::of(child).refused(130), "error: cancelled\n");
    assert!(since.elapsed() < Duration::from_millis(2_500), "{:?}", since.elapsed());
    since
}

/// Waits for the statement's time-out; says when it was over.
pub(crate) fn timed_out(child: Child) -> Instant {
    let said = Outcome::of(child).refused(1);
    assert!(said.contains("timed out after"), "{said}");
    Instant::now()
}

pub(crate) fn interrupt(child: &Child) {
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill starts");
    assert!(signal.success());
}

/// Ends the program as a crash would; says when.
pub(crate) fn crashed(mut child: Child) -> Instant {
    child.kill().expect("killed");
    let since = Instant::now();
    let outcome = Outcome::of(child);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (None, ""), "{}", outcome.stderr);
    since
}

/// Ends sessions until the child has ended; returns its outcome. Once is not enough: a lost connection makes the statement
/// start over once.
pub(crate) fn ending(mut child: Child, end: impl Fn()) -> Outcome {
    let patience = Instant::now() + Duration::from_secs(30);
    while child.try_wait().expect("a child").is_none() {
        end();
        if Instant::now() > patience {
            let _ = child.kill();
            panic!("it goes on without: {:?}", Outcome::of(child));
        }
    }
    Outcome::of(child)
}

/// A server whose sessions can be watched.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Server<'a> {
    Postgres(&'a postgres::Server),
    MariaDb(&'a mariadb::Server),
}

impl Server<'_> {
    pub(crate) fn create_database(self, name: &str) {
        match self {
            Server::Postgres(server) => server.create_database(name),
            Server::MariaDb(server) => server.create_database(name),
        }
    }

    pub(crate) fn execute(self, database: &str, sql: &str) {
        match self {
            Server::Postgres(server) => server.execute(database, sql),
            Server::MariaDb(server) => server.execute(database, sql),
        }
    }

    pub(crate) fn port(self) -> u16 {
        match self {
            Server::Postgres(server) => server.port(),
            Server::MariaDb(server) => server.port(),
        }
    }

    /// Start of a URL for the login with all rights, up to the host.
    pub(crate) fn login(self) -> String {
        match self {
            Server::Postgres(_) => format!("postgres://{}:{}@", postgres::USER, postgres::PASSWORD),
            Server::MariaDb(_) => format!("mysql://{}:{}@", mariadb::USER, mariadb::PASSWORD),
        }
    }

    pub(crate) fn url(self, database: &str) -> String {
        format!("{}127.0.0.1:{}/{database}", self.login(), self.port())
    }

    /// Numbers of Junto's sessions in a database.
    pub(crate) fn sessions(self, database: &str) -> Vec<String> {
        self.numbers(match self {
            Server::Postgres(_) => {
                format!("select pid from pg_stat_activity where datname = '{database}' and application_name = 'junto'")
            }
            Server::MariaDb(_) => format!("select id from information_schema.processlist where db = '{database}'"),
        })
    }

    /// Of these, those that work on a statement like this, or have an open transaction after it.
    pub(crate) fn working(self, database: &str, like: &str) -> Vec<String> {
        self.numbers(match self {
            Server::Postgres(_) => format!(
                "select pid from pg_stat_activity where state <> 'idle' and datname = '{database}'
                 and application_name = 'junto' and query like '{like}'"
            ),
            Server::MariaDb(_) => format!(
                "select id from information_schema.processlist where db = '{database}' and command <> 'Sleep'
                 and info like '{like}'"
            ),
        })
    }

    /// Of PostgreSQL's, those that have nothing to do after a statement like this.
    pub(crate) fn finished(self, database: &str, like: &str) -> Vec<String> {
        self.numbers(format!(
            "select pid from pg_stat_activity where state = 'idle' and datname = '{database}'
             and application_name = 'junto' and query like '{like}'"
        ))
    }

    /// Of these, those that wait in a function that sleeps.
    pub(crate) fn sleeping(self, database: &str) -> Vec<String> {
        self.numbers(match self {
            Server::Postgres(_) => format!(
                "select pid from pg_stat_activity where wait_event = 'PgSleep' and datname = '{database}'
                 and application_name = 'junto'"
            ),
            Server::MariaDb(_) => format!(
                "select id from information_schema.processlist where db = '{database}' and state = 'User sleep'"
            ),
        })
    }

    /// Temporary tables of Junto in a database. MariaDB must have been started so that they are files.
    pub(crate) fn temporary_tables(self, database: &str) -> usize {
        match self {
            Server::Postgres(server) => {
                server.query(database, r"select relname from pg_class where relname like 'junto\_%'").len()
            }
            Server::MariaDb(server) => {
                // Files without a session would be left for ever.
                let others = format!("select id from information_schema.processlist where not db <=> '{database}'");
                let others = self.numbers(others);
                server.owners_of_temporary_files().iter().filter(|owner| !others.contains(&owner.to_string())).count()
            }
        }
    }

    /// Ends sessions that may have ended by themselves.
    pub(crate) fn end(self, sessions: &[String]) {
        for session in sessions {
            match self {
                Server::Postgres(server) => {
                    server.query("postgres", &format!("select pg_terminate_backend({session})"));
                }
                Server::MariaDb(server) => {
                    let _gone_by_itself = server.try_query("", &format!("kill {session}"));
                }
            }
        }
    }

    fn numbers(self, sql: String) -> Vec<String> {
        let rows = match self {
            Server::Postgres(server) => server.query("postgres", &sql),
            Server::MariaDb(server) => server.query("", &sql),
        };
        rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
    }
}
