//! The sources a binary is built with: one line and one feature each, nothing else.

use std::sync::Arc;

use junto_connector::{ConnectorFactory, Registry};

/// Every driver whose feature is on.
pub fn registry() -> Registry {
    let factories: Vec<Arc<dyn ConnectorFactory>> = vec![
        #[cfg(feature = "postgres")]
        Arc::new(junto_connector_postgres::PostgresFactory),
        #[cfg(feature = "mysql")]
        Arc::new(junto_connector_mysql::MySqlFactory),
        #[cfg(feature = "sqlite")]
        Arc::new(junto_connector_sqlite::SqliteFactory),
        #[cfg(feature = "adbc")]
        Arc::new(junto_connector_adbc::DuckDbFactory),
        #[cfg(feature = "adbc")]
        Arc::new(junto_connector_adbc::AdbcFactory),
        #[cfg(feature = "files")]
        Arc::new(junto_connector_files::FilesFactory),
    ];
    Registry::new(factories)
}
