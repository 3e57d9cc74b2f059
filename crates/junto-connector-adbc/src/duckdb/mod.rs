//! DuckDB files: read-only and sandboxed, with catalog, pushdown and keyed scans.
//!
//! `database` opens the file and locks the session down, `connector` answers the contract, `types` says how each type
//! is read, `dialect` and `capabilities` what is pushed down and how it is spelled, `gate` what a user may type,
//! `workspace` holds rows of other sources in temporary tables.

mod capabilities;
mod catalog;
mod connector;
mod costs;
mod database;
mod dialect;
mod gate;
mod statistics;
mod types;
mod workspace;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use junto_connector::options::parse_path_url;
use junto_connector::{
    ConnectionConfig, Connector, ConnectorFactory, Error, OptionKind, OptionSpec, Options, Reaper, Result,
};

use crate::library::load_duckdb;
use connector::DuckDbConnector;
use database::Database;

const DRIVER: &str = "duckdb";

const OPTIONS: &[OptionSpec] = &[
    OptionSpec::new("path", OptionKind::Path, "The database file.").required(),
    OptionSpec::new("create", OptionKind::Boolean, "Makes the file when there is none.").with_default("false"),
    OptionSpec::new("memory_limit", OptionKind::Text, "Memory DuckDB may use for this file, such as `2GB`.")
        .with_default("1GB"),
    OptionSpec::new("threads", OptionKind::Integer { min: 1, max: 1024 }, "Threads of DuckDB; default: one per core."),
    OptionSpec::new(
        "temp_directory",
        OptionKind::Path,
        "Folder to which sorts and aggregates in DuckDB may spill; without it they do not.",
    ),
    OptionSpec::new("type", OptionKind::Map, "`type.<table>.<column> = text` reads a column as text."),
    OptionSpec::new("connect_timeout", OptionKind::Duration, "How long opening the file may take.").with_default("10s"),
];

/// The driver `duckdb`.
#[derive(Debug, Clone, Copy, Default)]
pub struct DuckDbFactory;

#[async_trait]
impl ConnectorFactory for DuckDbFactory {
    fn driver(&self) -> &'static str {
        DRIVER
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["duckdb"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn parse_url(&self, url: &str) -> Result<Options> {
        Options::checked(OPTIONS, parse_path_url(url)?)
    }

    async fn connect(&self, config: ConnectionConfig, reaper: Reaper) -> Result<Arc<dyn Connector>> {
        let options = &config.options;
        for (column, wanted) in options.entries("type") {
            if wanted != "text" {
                let option = format!("type.{column}");
                return Err(Error::InvalidOption { option, reason: "can only be `text`".into() });
            }
        }
        let path = PathBuf::from(options.text("path").unwrap_or_default());
        let driver = load_duckdb()?;
        let limit = options.duration("connect_timeout").unwrap_or_default();
        let database = tokio::time::timeout(limit, Database::open(driver, path.clone(), options))
            .await
            .map_err(|_| Error::TimedOut { milliseconds: limit.as_millis() as u64 })??;
        Ok(Arc::new(DuckDbConnector::new(database, &path, options.clone(), reaper)))
    }
}
