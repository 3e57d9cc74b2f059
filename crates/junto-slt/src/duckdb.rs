//! Makes a DuckDB file, through DuckDB's own library; Junto itself opens such files for reading only.

use std::path::{Path, PathBuf};

use adbc_core::options::{AdbcVersion, OptionDatabase, OptionValue};
use adbc_core::{Connection as _, Database as _, Driver as _, Statement as _};
use adbc_driver_manager::{ManagedConnection, ManagedDriver, ManagedStatement};
use arrow::array::RecordBatch;

/// The library: from `JUNTO_DUCKDB_LIBRARY`, else the newest that `./dev fetch-duckdb` has put into the cache folder.
pub(crate) fn library() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("JUNTO_DUCKDB_LIBRARY").filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
    let file = if cfg!(target_os = "macos") { "libduckdb.dylib" } else { "libduckdb.so" };
    let versions = std::fs::read_dir(cache.join("junto/duckdb")).ok()?.flatten();
    let mut found: Vec<PathBuf> = versions.map(|v| v.path().join(file)).filter(|path| path.is_file()).collect();
    found.sort();
    found.pop()
}

/// A database in a file, or in memory.
pub(crate) struct Database {
    connection: ManagedConnection,
}

impl Database {
    /// Opens a file, which is created if it is missing; `:memory:` is none.
    ///
    /// # Errors
    /// DuckDB's own words, here and below.
    pub(crate) fn open(library: &Path, file: &Path) -> Result<Self, String> {
        let entry_point: &[u8] = b"duckdb_adbc_init";
        let mut driver = ManagedDriver::load_dynamic_from_filename(library, Some(entry_point), AdbcVersion::V110)
            .map_err(message)?;
        let path = OptionValue::String(file.display().to_string());
        let database =
            driver.new_database_with_opts([(OptionDatabase::Other("path".into()), path)]).map_err(message)?;
        Ok(Self { connection: database.new_connection().map_err(message)? })
    }

    fn statement(&mut self, sql: &str) -> Result<ManagedStatement, String> {
        let mut statement = self.connection.new_statement().map_err(message)?;
        statement.set_sql_query(sql).map_err(message)?;
        Ok(statement)
    }

    /// Runs statements separated by semicolons.
    pub(crate) fn execute(&mut self, sql: &str) -> Result<(), String> {
        self.statement(sql)?.execute_update().map_err(message)?;
        Ok(())
    }

    /// Runs one statement.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Vec<RecordBatch>, String> {
        let mut statement = self.statement(sql)?;
        let reader = statement.execute().map_err(message)?;
        reader.map(|batch| batch.map_err(|error| error.to_string())).collect()
    }
}

fn message(error: adbc_core::error::Error) -> String {
    error.message
}

/// Creates the file with what these statements make.
pub(crate) fn create(library: &Path, file: &Path, sql: &str) -> Result<(), String> {
    Database::open(library, file)?.execute(sql)
}
