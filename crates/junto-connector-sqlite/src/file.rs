//! Opens a database file without changing it and without leaving a file beside it.
//!
//! Most files need nothing special: they are opened for reading. A file in WAL mode is harder, because its readers
//! share an index in a file `-shm`, and need a file `-wal`, even an empty one. SQLite makes both when they are missing,
//! and a connection for reading cannot remove them afterwards (it cannot take the lock that proves it is the last one).
//! So, by what stands beside a file in WAL mode:
//!
//! | `-wal` | `-shm` | |
//! |---|---|---|
//! | missing or empty | any | nothing waits to be written: opened for *writing*, guarded by `guard`, so that SQLite's own protocol removes both files when the last program closes |
//! | with content | there | opened for reading: both files stay as they were |
//! | with content | missing | refused: reading would leave a `-shm`, cleaning up would write the `-wal` into the database |
//!
//! The option `immutable` opens without any of this.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use junto_connector::{Error, Result};
use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::from_sqlite;
use crate::guard;
use crate::settings::Settings;

/// An open connection, locked down.
#[derive(Debug)]
pub(crate) struct Database {
    connection: Option<Connection>,
    path: PathBuf,
    /// SQLite may remove its own helper files when it closes.
    removes_helpers: bool,
}

impl Database {
    /// Opens the file.
    pub(crate) fn open(settings: &Settings) -> Result<Self> {
        let path = &settings.path;
        let access = access(settings)?;
        let flags = match access {
            Access::Read | Access::Immutable => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Access::WriteToCleanUp => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let mapped = |cause| from_sqlite(path, cause);
        let mut connection = match access {
            Access::Immutable => {
                Connection::open_with_flags(immutable_uri(path), flags | OpenFlags::SQLITE_OPEN_URI).map_err(mapped)?
            }
            _ => Connection::open_with_flags(path, flags).map_err(mapped)?,
        };
        if access == Access::WriteToCleanUp {
            if connection.is_readonly("main").map_err(mapped)? {
                return Err(needs_write_permission(path));
            }
            // Closing never moves a -wal into the database, unless `drop` finds that there is nothing to move.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(mapped)?;
        }
        guard::lock_down(&mut connection).map_err(mapped)?;
        Ok(Self { connection: Some(connection), path: path.clone(), removes_helpers: access == Access::WriteToCleanUp })
    }

    /// The connection.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("it is taken only by drop")
    }
}

/// Connections close one after the other: of two that close at once, SQLite takes neither for the last, and its helper
/// files stay.
static CLOSING: Mutex<()> = Mutex::new(());

impl Drop for Database {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let _closing = CLOSING.lock();
        if self.removes_helpers && length(&beside(&self.path, "-wal")) == 0 {
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
        }
        // A connection that fails to close is dropped, which closes it at the next chance.
        let _ = connection.close();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    WriteToCleanUp,
    Immutable,
}

fn access(settings: &Settings) -> Result<Access> {
    let path = &settings.path;
    let uses_wal = read_header(path)?;
    if settings.immutable {
        return Ok(Access::Immutable);
    }
    if !uses_wal {
        return Ok(Access::Read);
    }
    let (wal, shm) = (beside(path, "-wal"), beside(path, "-shm"));
    if length(&wal) > 0 {
        return if shm.exists() { Ok(Access::Read) } else { Err(unfinished(path)) };
    }
    match fs::OpenOptions::new().write(true).open(path) {
        Ok(_) => Ok(Access::WriteToCleanUp),
        Err(_) => Err(needs_write_permission(path)),
    }
}

/// Whether the file is in WAL mode. <https://www.sqlite.org/fileformat2.html>, section 1.3.
fn read_header(path: &Path) -> Result<bool> {
    let wrong = || Error::WrongFileType { path: path.display().to_string(), expected: "SQLite database" };
    let failed = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::NotFound => Error::FileNotFound { path: path.display().to_string() },
        std::io::ErrorKind::IsADirectory => wrong(),
        _ => Error::PermissionDenied { reason: format!("{}: {cause}", path.display()) },
    };
    let mut header = Vec::new();
    fs::File::open(path).and_then(|file| file.take(20).read_to_end(&mut header)).map_err(failed)?;
    match header.as_slice() {
        // A database without anything in it.
        [] => Ok(false),
        [magic @ .., _, _, write_version, read_version] if magic == b"SQLite format 3\0" => {
            Ok(*write_version == 2 || *read_version == 2)
        }
        _ => Err(wrong()),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Zero when there is no such file.
fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for character in path.to_string_lossy().chars() {
        match character {
            '%' => uri.push_str("%25"),
            '?' => uri.push_str("%3f"),
            '#' => uri.push_str("%23"),
            other => uri.push(other),
        }
    }
    uri + "?immutable=1"
}

fn needs_write_permission(path: &Path) -> Error {
    Error::PermissionDenied {
        reason: format!(
            "{} is in WAL mode, which SQLite can read only where it may write beside the file; if nothing writes to it, \
             set the option `immutable = true`",
            path.display()
        ),
    }
}

fn unfinished(path: &Path) -> Error {
    Error::Locked {
        reason: format!(
            "{} has changes in a -wal file and no -shm file; open it once with a program that may write, which takes \
             them over",
            path.display()
        ),
    }
}
