//! Runs the binary in a folder of its own.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rusqlite::Connection;
use tempfile::TempDir;

/// A folder with a home of its own and one SQLite database.
pub(crate) struct Place {
    folder: TempDir,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

impl Place {
    /// A folder whose `shop.db` holds what `sql` makes.
    pub(crate) fn with(sql: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a folder") };
        let connection = Connection::open(place.path().join("shop.db")).expect("a database");
        connection.execute_batch(sql).expect("good SQL");
        place
    }

    /// Makes `shop.duckdb`, which holds what the statements make.
    pub(crate) fn make_duckdb(&self, statements: &[&str]) {
        for sql in statements.iter().chain(&["CHECKPOINT"]) {
            let made = self.junto(&["query", "-c", "new=duckdb:shop.duckdb?create=true", "--allow-write", sql]);
            assert_eq!(made.code, Some(0), "{}", made.stderr);
        }
    }

    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("in the place")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).expect("readable")
    }

    pub(crate) fn read_bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).expect("readable")
    }

    /// Names of the files, sorted.
    pub(crate) fn names_in(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path().join(folder)).expect("a folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// `junto` with this folder as current folder and home, and no settings from outside.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_junto"));
        command.args(arguments);
        command
    }

    /// Runs a line as a shell does, in the same surroundings.
    pub(crate) fn shell(&self, line: &str) -> Outcome {
        self.program("sh").args(["-c", line]).output().expect("the shell starts").into()
    }

    fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("JUNTO_") && name != "JUNTO_DUCKDB_LIBRARY") {
                command.env_remove(name);
            }
        }
        // DuckDB's library stays where it was fetched to.
        let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
            || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache"),
            |cache| Path::new(&cache).to_owned(),
        );
        command.env("XDG_CACHE_HOME", cache).env("HOME", self.path()).env_remove("XDG_CONFIG_HOME");
        command.current_dir(self.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn junto(&self, arguments: &[&str]) -> Outcome {
        self.command(arguments).output().expect("the binary starts").into()
    }

    /// Runs statements on the SQLite database, called `shop`.
    pub(crate) fn query(&self, arguments: &[&str], sql: &str) -> Outcome {
        self.junto(&[&["query", "-c", "shop=sqlite:shop.db"], arguments, &[sql]].concat())
    }

    /// Starts a command whose output is read by the test.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
            code: output.status.code(),
        }
    }
}

impl Outcome {
    /// What a child printed until it ended.
    pub(crate) fn of(child: Child) -> Self {
        child.wait_with_output().expect("it ends").into()
    }

    /// Standard output of a command that must succeed and say nothing else.
    #[track_caller]
    pub(crate) fn rows(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{}", self.stdout);
        self.stdout
    }

    /// Standard error of a command that must end with this code and print no rows.
    #[track_caller]
    pub(crate) fn refused(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{}", self.stderr);
        self.stderr
    }
}
