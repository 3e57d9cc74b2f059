//! The factory and the live source: thin, each method hands over to the module that does the work.

use std::sync::Arc;
use std::time::Instant;

use arrow_schema::Schema;
use async_trait::async_trait;
use junto_connector::options::parse_server_url;
use junto_connector::plan::RelationColumn;
use junto_connector::{
    BatchStream, Capabilities, ConnectionConfig, Connector, ConnectorFactory, Expr, Health, NativeRequest,
    NativeResult, OpenRequest, OptionSpec, Options, Privileges, Reaper, RemoteId, RemotePlan, Result, SchemaInfo,
    StatementContext, Support, TableInfo, TableStatistics, TableSummary, TextSemantics, TypeClass, Workers, Workspace,
    check_plan,
};
use junto_connector_sql::KeyValues;
use junto_types::TableName;

use crate::known::KnownTables;
use crate::pool::{Pool, Session};
use crate::settings::{OPTIONS, Settings};
use crate::workspace::{MySqlWorkspace, Storage};
use crate::{DRIVER, capabilities, catalog, native, scan, statistics};

/// Bytes of a statement beside its text, and some air.
const PACKET_MARGIN: usize = 1024;
/// What servers take by default at least.
const DEFAULT_PACKET: usize = 4 << 20;
/// Statements longer than this are not generated, whatever the server takes.
const MAX_STATEMENT: usize = 16 << 20;

/// Makes connections to MySQL and MariaDB.
#[derive(Debug, Clone, Copy, Default)]
pub struct MySqlFactory;

#[async_trait]
impl ConnectorFactory for MySqlFactory {
    fn driver(&self) -> &'static str {
        DRIVER
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["mysql", "mariadb"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn parse_url(&self, url: &str) -> Result<Options> {
        Options::checked(OPTIONS, parse_server_url(url)?)
    }

    async fn connect(&self, config: ConnectionConfig, reaper: Reaper) -> Result<Arc<dyn Connector>> {
        let settings = Settings::new(&config.options)?;
        let database = settings.database.clone().unwrap_or_default();
        let remote_id = RemoteId::new(format!("mysql://{}@{}/{database}", settings.user, settings.address));
        let pool = Pool::new(settings, reaper, config.max_connections);
        let mut lease = pool.lease(Session::Generated).await?;
        let connection = lease.connection()?;
        let (version, is_mariadb) = (connection.version().to_owned(), connection.is_mariadb());
        drop(lease);
        let answer = pool.ask("SELECT @@max_allowed_packet", "max_allowed_packet").await?;
        let packet = answer.into_iter().flatten().next().flatten().and_then(|bytes| bytes.parse::<usize>().ok());
        let max_statement_bytes = packet.unwrap_or(DEFAULT_PACKET).saturating_sub(PACKET_MARGIN).min(MAX_STATEMENT);
        let capabilities = capabilities::declared(max_statement_bytes);
        let known = KnownTables::default();
        Ok(Arc::new(MySqlConnector { pool, remote_id, capabilities, version, is_mariadb, known }))
    }
}

/// A live MySQL or MariaDB source.
#[derive(Debug)]
pub(crate) struct MySqlConnector {
    pool: Arc<Pool>,
    remote_id: RemoteId,
    capabilities: Capabilities,
    version: String,
    is_mariadb: bool,
    known: KnownTables,
}

impl MySqlConnector {
    /// The same source, to be held by a workspace.
    fn of_workspace(&self) -> Self {
        Self {
            pool: Arc::clone(&self.pool),
            remote_id: self.remote_id.clone(),
            capabilities: self.capabilities.clone(),
            version: self.version.clone(),
            is_mariadb: self.is_mariadb,
            known: KnownTables::default(),
        }
    }

    /// The connections.
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// MariaDB, not MySQL.
    pub(crate) fn is_mariadb(&self) -> bool {
        self.is_mariadb
    }

    /// Longest statement the server takes.
    pub(crate) fn max_statement_bytes(&self) -> usize {
        self.capabilities.max_statement_bytes
    }

    /// What temporary tables can hold.
    pub(crate) fn storage(&self) -> Storage {
        Storage::new(self.pool.settings().database.as_deref(), self.is_mariadb, &self.version)
    }
}

#[async_trait]
impl Connector for MySqlConnector {
    fn driver(&self) -> &'static str {
        DRIVER
    }

    fn remote_id(&self) -> &RemoteId {
        &self.remote_id
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn supports(&self, expr: &Expr, input: &[RelationColumn]) -> Support {
        capabilities::support(&self.capabilities, expr, input)
    }

    /// Also of the rendered types that the server makes out of text again: it finds at least the rows asked for.
    fn accepts_keys(&self, column: &RelationColumn) -> bool {
        let is_rendered = || {
            let source_type = column.source_type.as_deref().unwrap_or_default();
            column.text != TextSemantics::Opaque || matches!(source_type, "uuid" | "inet4" | "inet6")
        };
        let class = TypeClass::of(&column.data_type);
        self.capabilities.keys.as_ref().is_some_and(|keys| keys.types.contains(&class)) && is_rendered()
    }

    async fn schemas(&self) -> Result<Vec<SchemaInfo>> {
        catalog::schemas(&self.pool).await
    }

    async fn tables(&self, schema: Option<&str>) -> Result<Vec<TableSummary>> {
        catalog::tables(&self.pool, schema).await
    }

    async fn table(&self, schema: Option<&str>, table: &str) -> Result<TableInfo> {
        let described = catalog::table(&self.pool, schema, table).await?;
        self.known.remember(&described);
        Ok(described.info)
    }

    async fn statistics(&self, table: &TableName) -> Result<TableStatistics> {
        statistics::statistics(&self.pool, table, self.is_mariadb).await
    }

    async fn estimate(&self, plan: Arc<RemotePlan>, context: &StatementContext) -> Result<Option<f64>> {
        check_plan(self, &plan)?;
        scan::estimate(&self.pool, &plan, context, self.is_mariadb).await
    }

    fn remote_text(&self, plan: &RemotePlan, keys: Option<&[usize]>) -> Result<String> {
        check_plan(self, plan)?;
        let keys = keys.map(|columns| KeyValues::Shape { columns });
        scan::remote_text(plan, keys, self.pool.settings().types.zero_dates)
    }

    async fn open(&self, request: OpenRequest) -> Result<BatchStream> {
        check_plan(self, &request.plan)?;
        scan::open(&self.pool, request, self.capabilities.max_statement_bytes).await
    }

    async fn open_parallel(&self, request: OpenRequest, workers: Workers) -> Result<Vec<BatchStream>> {
        check_plan(self, &request.plan)?;
        scan::open_parallel(&self.pool, &self.known, request, workers, self.capabilities.max_statement_bytes).await
    }

    fn temporary_table(&self, name: &str, schema: &Schema) -> Result<TableInfo> {
        self.storage().temporary_table(name, schema)
    }

    async fn workspace(&self, context: StatementContext) -> Result<Box<dyn Workspace>> {
        Ok(Box::new(MySqlWorkspace::open(self.of_workspace(), context).await?))
    }

    async fn native(&self, request: NativeRequest) -> Result<NativeResult> {
        native::run(&self.pool, request).await
    }

    async fn health(&self) -> Result<Health> {
        let start = Instant::now();
        self.pool.ask("SELECT 1", "health").await?;
        Ok(Health { version: self.version.clone(), latency: start.elapsed() })
    }

    async fn privileges(&self) -> Result<Privileges> {
        let lines = self.pool.ask("SHOW GRANTS", "grants").await?;
        Ok(granted(lines.into_iter().flatten().flatten()))
    }

    async fn close(&self) {
        self.pool.close_idle().await;
    }
}

/// What the lines of SHOW GRANTS allow beyond reading.
fn granted(lines: impl Iterator<Item = String>) -> Privileges {
    let mut privileges = Privileges::default();
    for line in lines {
        let upper = line.to_ascii_uppercase();
        let Some(list) = upper.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON ")).map(|(list, _)| list)
        else {
            continue;
        };
        let has =
            |word: &str| list.split(',').any(|item| item.trim() == word || item.trim().starts_with("ALL PRIVILEGES"));
        let is_global = upper.contains(" ON *.* ");
        privileges.can_write |= ["INSERT", "UPDATE", "DELETE", "DROP", "CREATE"].into_iter().any(has);
        privileges.can_create_temporary |= has("CREATE TEMPORARY TABLES");
        for right in ["FILE", "SUPER"] {
            let reason = format!("the login has the right {right}, which read-only sessions do not restrain");
            if is_global && has(right) && !privileges.not_enforceable.contains(&reason) {
                privileges.not_enforceable.push(reason);
            }
        }
    }
    privileges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_understood() {
        let of = |line: &str| granted(std::iter::once(line.to_owned()));
        assert_eq!(of("GRANT SELECT ON `shop`.* TO `r`@`%`"), Privileges::default());
        let writer = of("GRANT SELECT, INSERT, CREATE TEMPORARY TABLES ON `shop`.* TO `w`@`%`");
        assert!(writer.can_write && writer.can_create_temporary && writer.not_enforceable.is_empty());
        assert_eq!(of("GRANT ALL PRIVILEGES ON *.* TO `root`@`%`").not_enforceable.len(), 2);
        assert_eq!(of("GRANT FILE ON *.* TO `f`@`%`").not_enforceable.len(), 1);
    }
}
