//! The handle on a DuckDB file: opened read-only and locked down, and replaced while a permitted write runs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adbc_core::options::{OptionDatabase, OptionValue};
use adbc_core::{Connection, Database as _, Driver, Statement};
use adbc_driver_manager::{ManagedDatabase, ManagedDriver};
use junto_connector::{Error, Options, Result};
use tokio::sync::RwLock;

use crate::failure::mapped;
use crate::read::{Lease, blocking};

/// Settings of every handle, in this order: nothing can be changed after the last.
const SANDBOX: [&str; 8] = [
    "SET GLOBAL produce_arrow_string_view = true",
    "SET GLOBAL arrow_output_version = '1.4'",
    "SET GLOBAL arrow_lossless_conversion = true",
    "SET GLOBAL autoload_known_extensions = false",
    "SET GLOBAL autoinstall_known_extensions = false",
    "SET GLOBAL allow_community_extensions = false",
    "SET GLOBAL enable_external_access = false",
    "SET GLOBAL lock_configuration = true",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    ReadOnly,
    ReadWrite,
}

/// How to open the file.
#[derive(Debug)]
struct Opening {
    driver: ManagedDriver,
    path: PathBuf,
    /// Makes the file when there is none.
    create: bool,
    /// Statements that come before [`SANDBOX`].
    settings: Vec<String>,
}

/// An open DuckDB file. Reads share one handle; a write waits for them, closes it, and opens the file for itself.
pub(super) struct Database {
    opening: Arc<Opening>,
    /// None during a write and after it, until the next read.
    handle: Arc<RwLock<Option<ManagedDatabase>>>,
}

impl Database {
    /// Opens a file; with the option `create`, makes it first when there is none.
    ///
    /// # Errors
    /// [`Error::FileNotFound`], [`Error::WrongFileType`], [`Error::Locked`] by a process that writes.
    pub(super) async fn open(driver: ManagedDriver, path: PathBuf, options: &Options) -> Result<Self> {
        let opening = Arc::new(Opening { driver, path, create: options.is_on("create"), settings: settings(options) });
        let database = Self { opening, handle: Arc::default() };
        database.lease().await?;
        Ok(database)
    }

    /// The handle for reading. No write begins while the lease lives.
    pub(super) async fn lease(&self) -> Result<Lease> {
        loop {
            let guard = Arc::clone(&self.handle).read_owned().await;
            if let Some(database) = guard.clone() {
                return Ok(Lease::new(database, guard));
            }
            drop(guard);
            let mut guard = self.handle.write().await;
            if guard.is_none() {
                *guard = Some(self.opened(Access::ReadOnly).await?);
            }
        }
    }

    /// The file, open for writing. Nobody reads it while the lease lives.
    pub(super) async fn write_lease(&self) -> Result<Lease> {
        let mut guard = Arc::clone(&self.handle).write_owned().await;
        *guard = None;
        let database = self.opened(Access::ReadWrite).await?;
        Ok(Lease::new(database, guard))
    }

    async fn opened(&self, access: Access) -> Result<ManagedDatabase> {
        let opening = Arc::clone(&self.opening);
        blocking(move || opening.open(access)).await
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("opening", &self.opening).finish_non_exhaustive()
    }
}

impl Opening {
    fn open(&self, access: Access) -> Result<ManagedDatabase> {
        if self.create && !self.path.exists() {
            drop(self.handle(Access::ReadWrite)?);
        }
        check_file(&self.path, &self.path.display().to_string())?;
        let database = self.handle(access)?;
        let mut connection = database.new_connection().map_err(mapped)?;
        for setting in self.settings.iter().map(String::as_str).chain(SANDBOX) {
            let mut statement = connection.new_statement().map_err(mapped)?;
            statement.set_sql_query(setting).map_err(mapped)?;
            statement.execute_update().map_err(mapped)?;
        }
        Ok(database)
    }

    fn handle(&self, access: Access) -> Result<ManagedDatabase> {
        let mode = match access {
            Access::ReadOnly => "READ_ONLY",
            Access::ReadWrite => "READ_WRITE",
        };
        let option = |name: &str, value: &str| (OptionDatabase::Other(name.into()), OptionValue::from(value));
        let options = [option("path", &self.path.to_string_lossy()), option("access_mode", mode)];
        self.driver.clone().new_database_with_opts(options).map_err(|cause| {
            if cause.message.contains("not a valid DuckDB database file") {
                return Error::WrongFileType { path: self.path.display().to_string(), expected: "DuckDB database" };
            }
            mapped(cause)
        })
    }
}

/// DuckDB would make a file that is missing when it opens it for writing.
fn check_file(path: &Path, shown: &str) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => Err(Error::WrongFileType { path: shown.into(), expected: "DuckDB database" }),
        Err(cause) if cause.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(Error::PermissionDenied { reason: format!("{shown} cannot be read") })
        }
        Err(_) => Err(Error::FileNotFound { path: shown.into() }),
    }
}

/// What the options say. Without a folder for temporary files nothing spills, and nothing is left beside the file.
fn settings(options: &Options) -> Vec<String> {
    let quoted = |text: &str| text.replace('\'', "''");
    let mut settings = vec!["SET GLOBAL TimeZone = 'UTC'".to_owned()];
    settings
        .push(format!("SET GLOBAL temp_directory = '{}'", quoted(options.text("temp_directory").unwrap_or_default())));
    if let Some(limit) = options.text("memory_limit") {
        settings.push(format!("SET GLOBAL memory_limit = '{}'", quoted(limit)));
    }
    if let Some(threads) = options.integer("threads") {
        settings.push(format!("SET GLOBAL threads = {threads}"));
    }
    settings
}
