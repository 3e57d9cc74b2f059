//! Finds and loads drivers' shared libraries.

use std::path::PathBuf;

use adbc_core::LOAD_FLAG_DEFAULT;
use adbc_core::options::AdbcVersion;
use adbc_driver_manager::ManagedDriver;
use junto_connector::{Error, Result};

use crate::failure::mapped;

/// First three numbers of the version that `xtask fetch-duckdb` brings.
const DUCKDB_VERSION: &str = "1.5.5";
const DUCKDB_ENTRY_POINT: &[u8] = b"duckdb_adbc_init";
const FETCH_COMMAND: &str = "./dev fetch-duckdb";

/// Loads DuckDB: from `JUNTO_DUCKDB_LIBRARY` when that is set, else from the cache folder.
///
/// # Errors
/// [`Error::LibraryMissing`], whose hint names the command that brings it.
pub(crate) fn load_duckdb() -> Result<ManagedDriver> {
    let missing = || Error::LibraryMissing { library: "DuckDB's library (libduckdb)", command: FETCH_COMMAND };
    let path = duckdb_path(|name| std::env::var_os(name).map(PathBuf::from)).ok_or_else(missing)?;
    if !path.is_file() {
        return Err(missing());
    }
    ManagedDriver::load_dynamic_from_filename(&path, Some(DUCKDB_ENTRY_POINT), AdbcVersion::V110)
        .map_err(|cause| Error::Resource { what: format!("cannot load {}: {}", path.display(), cause.message) })
}

/// Loads any ADBC driver: a path, or a name that ADBC's own search finds (manifests, library path).
pub(crate) fn load_driver(name: &str, entry_point: Option<&str>) -> Result<ManagedDriver> {
    let entry_point = entry_point.map(str::as_bytes);
    ManagedDriver::load_from_name(name, entry_point, AdbcVersion::V110, LOAD_FLAG_DEFAULT, None).map_err(mapped)
}

fn duckdb_path(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.as_os_str().is_empty());
    if let Some(path) = set("JUNTO_DUCKDB_LIBRARY") {
        return Some(path);
    }
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
    let file = if cfg!(target_os = "macos") { "libduckdb.dylib" } else { "libduckdb.so" };
    Some(cache.join("junto").join("duckdb").join(DUCKDB_VERSION).join(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_looked_for_where_it_is_fetched_to() {
        let path = |set: &'static [(&str, &str)]| {
            duckdb_path(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| PathBuf::from(value)))
        };
        let file = if cfg!(target_os = "macos") { "libduckdb.dylib" } else { "libduckdb.so" };
        let cached = |folder: &str| Some(PathBuf::from(format!("{folder}/junto/duckdb/{DUCKDB_VERSION}/{file}")));
        assert_eq!(path(&[("HOME", "/h")]), cached("/h/.cache"));
        assert_eq!(path(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]), cached("/c"));
        assert_eq!(path(&[("HOME", "/h"), ("XDG_CACHE_HOME", "")]), cached("/h/.cache"));
        assert_eq!(path(&[("JUNTO_DUCKDB_LIBRARY", "/l.so"), ("HOME", "/h")]), Some("/l.so".into()));
        assert_eq!(path(&[]), None);
    }
}
