//! A SQLite file of our own.

use std::path::{Path, PathBuf};

/// A SQLite database in a temporary folder; removed when dropped.
#[derive(Debug)]
pub struct File {
    folder: tempfile::TempDir,
}

impl File {
    /// A new database holding what these statements make.
    ///
    /// # Panics
    /// With SQLite's message when a statement fails.
    pub fn create(sql: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = Self { folder };
        file.execute(sql);
        file
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }

    /// Folder of the file, to look for files left beside it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Connection URL.
    pub fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    /// Runs statements, through a connection of our own that is closed afterwards.
    pub fn execute(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.path()).expect("the file can be opened");
        connection.execute_batch(sql).unwrap_or_else(|error| panic!("{error}\nin: {sql}"));
    }
}
