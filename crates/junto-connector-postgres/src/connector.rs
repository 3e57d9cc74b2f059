//! The live source.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::Schema;
use async_trait::async_trait;
use junto_connector::plan::RelationColumn;
use junto_connector::{
    BatchStream, Capabilities, Connector, Error, Expr, Health, NativeRequest, NativeResult, OpenRequest, Privileges,
    Reaper, RemoteId, RemotePlan, Result, SchemaInfo, StatementContext, Support, TableInfo, TableStatistics,
    TableSummary, Workers, Workspace, check_plan,
};
use junto_types::TableName;

use crate::capabilities::{capabilities, support};
use crate::parallel::{self, Layouts};
use crate::pool::{Pool, catalog_query};
use crate::settings::Settings;
use crate::workspace::PostgresWorkspace;
use crate::{catalog, estimate, native, scan, workspace};

const LOGIN: &str = "select coalesce(current_schema(), 'public'), current_setting('server_encoding')";
const VERSION: &str = "select version()";
/// Superusers, and members of the roles that reach the server's files and programs, can do more than a read-only
/// transaction forbids.
const PRIVILEGES: &str = "
select
  exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where c.relkind in ('r', 'p', 'v', 'f') and n.nspname not in ('pg_catalog', 'information_schema')
            and has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE'))
    or has_database_privilege(current_database(), 'CREATE'),
  has_database_privilege(current_database(), 'TEMPORARY'),
  concat_ws(',',
    case when (select rolsuper from pg_roles where rolname = current_user) then 'superuser' end,
    (select string_agg(rolname, ',' order by rolname) from pg_roles
     where rolname in ('pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files')
       and pg_has_role(oid, 'MEMBER') and not (select rolsuper from pg_roles where rolname = current_user)))";

/// One PostgreSQL database, through a pool of connections.
#[derive(Debug)]
pub(crate) struct PostgresConnector {
    pool: Pool,
    layouts: Layouts,
    remote_id: RemoteId,
    capabilities: Capabilities,
    default_schema: String,
}

impl PostgresConnector {
    /// Connects once and asks what must be known before planning.
    pub(crate) async fn connect(settings: Settings, reaper: Reaper) -> Result<Arc<dyn Connector>> {
        let remote_id = settings.remote_id();
        let schema = settings.schema.clone();
        let pool = Pool::new(settings, reaper);
        let limit = pool.settings().connect_timeout;
        let unreachable = || Error::Unreachable {
            host: pool.settings().host(),
            reason: format!("no answer within {} ms", limit.as_millis()),
        };
        let asked = tokio::time::timeout(limit, catalog_query(&pool, LOGIN, &[])).await;
        let rows = asked.map_err(|_| unreachable())??;
        let mut cells = rows.into_iter().next().unwrap_or_default().into_iter();
        let mut next = || cells.next().flatten().unwrap_or_default();
        let (current_schema, encoding) = (next(), next());
        Ok(Arc::new(Self {
            pool,
            layouts: Layouts::default(),
            remote_id,
            capabilities: capabilities(encoding == "UTF8"),
            default_schema: schema.unwrap_or(current_schema),
        }))
    }

    /// The same source, to be held by a workspace.
    fn of_workspace(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            layouts: Layouts::default(),
            remote_id: self.remote_id.clone(),
            capabilities: self.capabilities.clone(),
            default_schema: self.default_schema.clone(),
        }
    }

    /// The connections.
    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }
}

#[async_trait]
impl Connector for PostgresConnector {
    fn driver(&self) -> &'static str {
        crate::DRIVER
    }

    fn remote_id(&self) -> &RemoteId {
        &self.remote_id
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn supports(&self, expr: &Expr, input: &[RelationColumn]) -> Support {
        support(&self.capabilities, expr, input)
    }

    async fn schemas(&self) -> Result<Vec<SchemaInfo>> {
        catalog::schemas(&self.pool, &self.default_schema).await
    }

    async fn tables(&self, schema: Option<&str>) -> Result<Vec<TableSummary>> {
        catalog::tables(&self.pool, schema).await
    }

    async fn table(&self, schema: Option<&str>, table: &str) -> Result<TableInfo> {
        let table = catalog::table(&self.pool, schema.unwrap_or(&self.default_schema), table).await?;
        // It is asked for again when it has changed.
        self.layouts.forget(&table.name);
        Ok(table)
    }

    async fn statistics(&self, table: &TableName) -> Result<TableStatistics> {
        let statistics = catalog::statistics(&self.pool, table).await?;
        if let Some(bytes) = statistics.size_bytes {
            self.layouts.learn(table, bytes);
        }
        Ok(statistics)
    }

    async fn estimate(&self, plan: Arc<RemotePlan>, context: &StatementContext) -> Result<Option<f64>> {
        check_plan(self, &plan)?;
        estimate::rows(&self.pool, plan, context).await
    }

    fn remote_text(&self, plan: &RemotePlan, keys: Option<&[usize]>) -> Result<String> {
        check_plan(self, plan)?;
        scan::remote_text(plan, keys.map(|columns| (columns, false)))
    }

    async fn open(&self, request: OpenRequest) -> Result<BatchStream> {
        check_plan(self, &request.plan)?;
        scan::open(&self.pool, request).await
    }

    async fn open_parallel(&self, request: OpenRequest, workers: Workers) -> Result<Vec<BatchStream>> {
        check_plan(self, &request.plan)?;
        parallel::open(&self.pool, &self.layouts, request, workers).await
    }

    fn temporary_table(&self, name: &str, schema: &Schema) -> Result<TableInfo> {
        workspace::temporary_table(name, schema)
    }

    async fn workspace(&self, context: StatementContext) -> Result<Box<dyn Workspace>> {
        Ok(Box::new(PostgresWorkspace::open(self.of_workspace(), context).await?))
    }

    async fn native(&self, request: NativeRequest) -> Result<NativeResult> {
        native::native(&self.pool, request).await
    }

    async fn health(&self) -> Result<Health> {
        let start = Instant::now();
        let rows = catalog_query(&self.pool, VERSION, &[]).await?;
        let latency: Duration = start.elapsed();
        let version = rows.into_iter().next().and_then(|row| row.into_iter().next().flatten()).unwrap_or_default();
        Ok(Health { version, latency })
    }

    async fn privileges(&self) -> Result<Privileges> {
        let rows = catalog_query(&self.pool, PRIVILEGES, &[]).await?;
        let mut cells = rows.into_iter().next().unwrap_or_default().into_iter();
        let mut next = || cells.next().flatten().unwrap_or_default();
        let (can_write, can_create_temporary) = (next() == "t", next() == "t");
        let reason = |role: &str| match role {
            "superuser" => "the login is a superuser: it reaches the server's files and programs".to_owned(),
            role => format!("the login is a member of {role}"),
        };
        let roles = next();
        let not_enforceable = roles.split(',').filter(|role| !role.is_empty()).map(reason).collect();
        Ok(Privileges { can_write, can_create_temporary, not_enforceable })
    }

    async fn close(&self) {
        self.pool.close_idle().await;
    }
}
