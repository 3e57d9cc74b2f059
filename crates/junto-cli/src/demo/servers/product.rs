//! What differs between the two servers.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{Account, command, empty_folder, folder_with, run_to_end, search_path};
use super::{NOT_INSTALLED, Reason};
use crate::demo::table::Table;
use crate::demo::{billing, support};

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Product {
    Postgres,
    MariaDb,
}

/// The programs that a server needs: one makes its folder of data, the other is the server.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    installer: PathBuf,
    server: PathBuf,
}

impl Product {
    pub(super) const ALL: [Self; 2] = [Self::Postgres, Self::MariaDb];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
        }
    }

    /// Alias of the connection, and name of the server's folder.
    pub(super) fn alias(self) -> &'static str {
        match self {
            Self::Postgres => "billing",
            Self::MariaDb => "support",
        }
    }

    /// The connection's name for people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Postgres => "Invoices and payments",
            Self::MariaDb => "Messages to and from support",
        }
    }

    pub(super) fn driver(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MariaDb => "mysql",
        }
    }

    pub(super) fn tables(self) -> Vec<Table> {
        match self {
            Self::Postgres => billing::tables(),
            Self::MariaDb => support::tables(),
        }
    }

    /// Makes the database of the demo's tables, and a login that has all rights there and none elsewhere.
    pub(super) fn create_database(self) -> Vec<String> {
        let statements: &[&str] = match self {
            Self::Postgres => &["CREATE ROLE demo LOGIN", "CREATE DATABASE billing OWNER demo"],
            Self::MariaDb => &[
                "CREATE DATABASE support CHARACTER SET utf8mb4",
                "CREATE USER demo@localhost",
                "GRANT ALL ON support.* TO demo@localhost",
            ],
        };
        statements.iter().map(|sql| (*sql).to_owned()).collect()
    }

    /// Options of a connection to the demo's tables.
    pub(super) fn options(self, place: &Path) -> Vec<(String, String)> {
        self.options_of("demo", self.alias(), place)
    }

    /// Options of a connection with all rights, to a database that every server has.
    pub(super) fn administrator(self, place: &Path) -> Vec<(String, String)> {
        match self {
            Self::Postgres => self.options_of("postgres", "postgres", place),
            Self::MariaDb => self.options_of("root", "mysql", place),
        }
    }

    fn options_of(self, user: &str, database: &str, place: &Path) -> Vec<(String, String)> {
        let (option, path) = match self {
            Self::Postgres => ("host", place.to_owned()),
            Self::MariaDb => ("socket", socket(place)),
        };
        let path = path.to_string_lossy();
        [(option, &*path), ("user", user), ("database", database)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    /// Where its programs are.
    pub(super) fn programs(self) -> Result<Programs, Reason> {
        let found = match self {
            Self::Postgres => {
                let folders = search_path().into_iter().chain(postgres_folders());
                folder_with(&["initdb", "postgres"], folders)
                    .map(|folder| Programs { installer: folder.join("initdb"), server: folder.join("postgres") })
            }
            Self::MariaDb => {
                let find = |program| Some(folder_with(&[program], search_path())?.join(program));
                find("mariadb-install-db")
                    .zip(find("mariadbd"))
                    .map(|(installer, server)| Programs { installer, server })
            }
        };
        found.ok_or_else(|| NOT_INSTALLED.to_owned())
    }

    fn account(self) -> Option<Account> {
        Account::for_root(match self {
            Self::Postgres => &["postgres", "nobody"],
            Self::MariaDb => &["mysql", "nobody"],
        })
    }

    /// Makes the server's folder with nothing in its databases, in place of what was there.
    pub(super) fn install(self, programs: &Programs, place: &Path) -> Result<(), Reason> {
        let account = self.account();
        empty_folder(place, account)?;
        let mut command = command(account, &programs.installer, place);
        match self {
            // Nobody else can reach the socket, so nobody has to be asked for a password.
            Self::Postgres => command
                .args(["--no-sync", "--no-instructions", "--auth=trust", "--encoding=UTF8"])
                .args(["--locale=C", "--username=postgres", "--pgdata=data"]),
            Self::MariaDb => command
                .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
                .args(["--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0"])
                .arg(path_argument("--datadir", &place.join("data")))
                .arg(path_argument("--tmpdir", place)),
        };
        run_to_end(command)
    }

    /// Runs the server.
    pub(super) fn command(self, programs: &Programs, place: &Path) -> (Option<Account>, Command) {
        let mut command = Command::new(&programs.server);
        match self {
            Self::Postgres => {
                command.args(["-D", "data", "-c", "listen_addresses=", "-c", "synchronous_commit=off"]);
                command.args(["-c", "shared_buffers=32MB", "-c", "max_connections=50", "-c"]);
                command.arg(path_argument("unix_socket_directories", place));
            }
            Self::MariaDb => {
                command.args(["--no-defaults", "--skip-networking", "--skip-log-bin", "--performance-schema=off"]);
                command.args(["--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0"]);
                command.arg(path_argument("--datadir", &place.join("data")));
                command.arg(path_argument("--tmpdir", place));
                command.arg(path_argument("--socket", &socket(place)));
                command.arg(path_argument("--pid-file", &self.process_file(place)));
            }
        }
        (self.account(), command)
    }

    /// What ends the server without waiting for its sessions.
    pub(super) fn stop_signal(self) -> &'static str {
        match self {
            Self::Postgres => "INT",
            Self::MariaDb => "TERM",
        }
    }

    /// The statement that stops the server: it reaches the right one, whatever process ids have become.
    pub(super) fn stop_statement(self) -> &'static str {
        match self {
            Self::Postgres => "COPY (SELECT 1) TO PROGRAM 'kill -s INT $(head -n 1 postmaster.pid)'",
            Self::MariaDb => "SHUTDOWN",
        }
    }

    /// A file that is there while the server runs.
    pub(super) fn process_file(self, place: &Path) -> PathBuf {
        match self {
            Self::Postgres => place.join("data").join("postmaster.pid"),
            Self::MariaDb => place.join("mariadbd.pid"),
        }
    }
}

/// Folders of Debian's packages, the newest version first.
fn postgres_folders() -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")))
}

fn socket(place: &Path) -> PathBuf {
    place.join("mariadbd.sock")
}

fn path_argument(name: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(format!("{name}="));
    argument.push(path);
    argument
}
