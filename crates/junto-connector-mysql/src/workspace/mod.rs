//! A session of its own that holds temporary tables.
//!
//! It is read-only, as every session of ours; the servers let it write to temporary tables all the same. Only making one
//! needs the right to write, which the session has for that statement alone. Rows go as INSERTs of about a megabyte:
//! LOAD DATA LOCAL would have to be permitted on both sides. The session is strict, so that a value that does not fit is an
//! error and never another value.

mod insert;
mod stored;

pub(crate) use stored::Storage;

use std::time::Instant;

use async_trait::async_trait;
use junto_connector::{
    BatchStream, Error, OpenRequest, Result, StatementContext, TableInfo, TextSemantics, Workspace, check_plan,
};
use junto_connector_sql::temporary::{abandoned, create_table, finished, next_batch, stored_columns};
use junto_connector_sql::{Dialect, tagged};
use junto_types::TableName;

use crate::connector::MySqlConnector;
use crate::dialect::MySqlDialect;
use crate::error::{Origin, before_deadline, statement_error};
use crate::pool::Lease;
use crate::scan;
use crate::wire::Answer;
use insert::{Insert, Rows};

/// An INSERT is sent when it has this many bytes, if the server takes that many.
const INSERT_BYTES: usize = 1 << 20;
/// A table that is made and dropped to see whether it can be.
const PROBE: &str = "junto_probe";
const MAY_WRITE: &str = "SET SESSION TRANSACTION READ WRITE";
const MAY_READ: &str = "SET SESSION TRANSACTION READ ONLY";
const STRICT: &str = "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES')";
/// Temporary tables have no indexes: MariaDB, which joins such tables by nested loops unless it is told, joins them by
/// hashing, as MySQL does unasked. Its buffers take no more than an estimate of the rows needs, and several in one
/// statement share the limit.
const JOINED_BY_HASH: &str =
    "SET SESSION join_cache_level = 4, join_buffer_size = 67108864, join_buffer_space_limit = 268435456";

/// A session with temporary tables.
#[derive(Debug)]
pub(crate) struct MySqlWorkspace {
    /// For the checks of plans.
    connector: MySqlConnector,
    /// Gone while a table is filled, and after that failed.
    lease: Option<Lease>,
    context: StatementContext,
    since: Instant,
}

impl MySqlWorkspace {
    /// Connects, and sees whether temporary tables can be made in this database.
    pub(crate) async fn open(connector: MySqlConnector, context: StatementContext) -> Result<Self> {
        let since = Instant::now();
        let database = connector.storage().database()?.to_owned();
        let mut lease = before_deadline(&context, since, connector.pool().own()).await?;
        let workspace = Self { connector, lease: None, context, since };
        let probe = MySqlDialect::plain().table(&TableName::new(database.as_str(), PROBE));
        workspace.run(&mut lease, STRICT).await?;
        if workspace.connector.is_mariadb() {
            workspace.run(&mut lease, JOINED_BY_HASH).await?;
        }
        workspace.run(&mut lease, MAY_WRITE).await?;
        let made = workspace.run(&mut lease, &format!("CREATE TEMPORARY TABLE {probe} (c0 tinyint)")).await;
        made.map_err(|error| workspace.explained(error, &database))?;
        workspace.run(&mut lease, &format!("DROP TEMPORARY TABLE {probe}")).await?;
        workspace.run(&mut lease, MAY_READ).await?;
        Ok(Self { lease: Some(lease), ..workspace })
    }

    /// What to grant, when it is that.
    fn explained(&self, error: Error, database: &str) -> Error {
        let Error::PermissionDenied { reason } = error else { return error };
        let user = &self.connector.pool().settings().user;
        let grant = format!("GRANT CREATE TEMPORARY TABLES ON `{database}`.* TO '{user}'@'…'");
        Error::PermissionDenied { reason: format!("{reason}; `{grant}` permits temporary tables") }
    }

    /// Makes and fills a table; returns rows sent and rows stored.
    async fn insert(&self, lease: &mut Lease, table: &TableInfo, mut rows: BatchStream) -> Result<(u64, u64)> {
        if table.columns.is_empty() {
            return Err(Error::Unsupported { driver: crate::DRIVER, what: "a temporary table without columns".into() });
        }
        self.run(lease, MAY_WRITE).await?;
        self.run(lease, &create_table(&MySqlDialect::plain(), table)).await?;
        self.run(lease, MAY_READ).await?;
        let head = format!("INSERT INTO {} VALUES ", MySqlDialect::plain().table(&table.name));
        let longest = self.connector.max_statement_bytes();
        let mut insert = Insert::new(tagged(&self.context.statement, &head));
        let (mut sent, mut stored) = (0, 0);
        loop {
            // The rows may take long: a session that is lost meanwhile is told at once.
            let batch = tokio::select! {
                biased;
                batch = next_batch(&mut rows, &self.context) => batch?,
                error = lease.connection()?.ended() => return Err(error),
            };
            let Some(batch) = batch else { break };
            let columns = stored_columns(table, &batch)?;
            let encoded = Rows::new(table, &columns)?;
            for row in 0..batch.num_rows() {
                if let Some(full) = insert.add(&encoded, row, INSERT_BYTES.min(longest))? {
                    stored += self.send(lease, &full, longest).await?;
                }
            }
            sent += batch.num_rows() as u64;
        }
        if let Some(last) = insert.finish() {
            stored += self.send(lease, &last, longest).await?;
        }
        Ok((sent, stored))
    }

    /// Sends one INSERT; returns the rows it stored.
    async fn send(&self, lease: &mut Lease, sql: &str, longest: usize) -> Result<u64> {
        if sql.len() > longest {
            let what = format!("a row of {} bytes is longer than the {longest} bytes this server takes", sql.len());
            return Err(Error::Resource { what });
        }
        self.sent(lease, sql).await
    }

    /// Runs a statement of ours without rows.
    async fn run(&self, lease: &mut Lease, sql: &str) -> Result<()> {
        self.sent(lease, &tagged(&self.context.statement, sql)).await.map(drop)
    }

    async fn sent(&self, lease: &mut Lease, sql: &str) -> Result<u64> {
        self.context.metrics.add_query();
        let connection = lease.connection()?;
        let answer = before_deadline(&self.context, self.since, connection.query(sql)).await;
        match answer.map_err(|failure| statement_error(failure, Origin::Generated { table: "a temporary table" }))? {
            Answer::Done(done) => Ok(done.affected),
            Answer::Rows(_) => Err(Error::internal("the server answered a statement without rows with some")),
        }
    }
}

#[async_trait]
impl Workspace for MySqlWorkspace {
    async fn fill(&mut self, table: &TableInfo, rows: BatchStream) -> Result<u64> {
        let mut lease = self.lease.take().ok_or_else(abandoned)?;
        let (sent, stored) = self.insert(&mut lease, table, rows).await?;
        let stored = finished(&self.context, table, sent, stored)?;
        self.lease = Some(lease);
        Ok(stored)
    }

    async fn open(mut self: Box<Self>, request: OpenRequest) -> Result<BatchStream> {
        check_plan(&self.connector, &request.plan)?;
        let lease = self.lease.take().ok_or_else(abandoned)?;
        scan::open_over(lease, request, self.connector.max_statement_bytes()).await
    }
}

/// How text with this collation compares.
fn semantics(collation: &str) -> TextSemantics {
    // The only one of the three that ignores trailing blanks.
    if collation == stored::PADDING { TextSemantics::Loose } else { TextSemantics::Binary }
}
