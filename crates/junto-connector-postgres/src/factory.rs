//! How to connect.

use std::sync::Arc;

use async_trait::async_trait;
use junto_connector::options::parse_server_url;
use junto_connector::{ConnectionConfig, Connector, ConnectorFactory, OptionSpec, Options, Reaper, Result};

use crate::connector::PostgresConnector;
use crate::settings::{OPTIONS, Settings};

/// Makes connections to PostgreSQL.
#[derive(Debug, Clone, Copy, Default)]
pub struct PostgresFactory;

#[async_trait]
impl ConnectorFactory for PostgresFactory {
    fn driver(&self) -> &'static str {
        crate::DRIVER
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["postgres", "postgresql"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn parse_url(&self, url: &str) -> Result<Options> {
        Options::checked(OPTIONS, parse_server_url(url)?)
    }

    async fn connect(&self, config: ConnectionConfig, reaper: Reaper) -> Result<Arc<dyn Connector>> {
        PostgresConnector::connect(Settings::new(&config)?, reaper).await
    }
}
