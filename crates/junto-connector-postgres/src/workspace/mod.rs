//! A session of its own that holds temporary tables.
//!
//! It is read-only from the start, as every session. Only `CREATE TEMPORARY TABLE` runs in a transaction that may write;
//! a COPY into a temporary table and ANALYZE are allowed in a read-only transaction. Rows go out as they come in,
//! in the binary form of COPY; nothing piles up but one buffer.

mod encode;
mod stored;

pub(crate) use stored::temporary_table;

use async_trait::async_trait;
use junto_connector::{BatchStream, Error, OpenRequest, Result, StatementContext, TableInfo, Workspace, check_plan};
use junto_connector_sql::temporary::{abandoned, create_table, finished, next_batch, stored_columns};
use junto_connector_sql::{Dialect, tagged};

use crate::connector::PostgresConnector;
use crate::dialect::PostgresDialect;
use crate::error::{Origin, WireError};
use crate::pool::{Lease, within};
use crate::read::Afterwards;
use crate::scan::{Query, statement};
use encode::CopyRows;

/// Whether the login may make temporary tables, and whether the server only repeats what another one does.
const PERMITTED: &str =
    "select has_database_privilege(current_database(), 'TEMPORARY'), pg_is_in_recovery(), current_database(), user";

/// Encoded rows are sent when there are this many bytes of them.
const CHUNK_BYTES: usize = 64 << 10;

/// A session with temporary tables.
#[derive(Debug)]
pub(crate) struct PostgresWorkspace {
    /// For the checks of plans.
    connector: PostgresConnector,
    /// Gone while a table is filled, and after that failed.
    lease: Option<Lease>,
    context: StatementContext,
}

impl PostgresWorkspace {
    /// Connects, and asks whether temporary tables can be made.
    pub(crate) async fn open(connector: PostgresConnector, context: StatementContext) -> Result<Self> {
        let mut lease = connector.pool().get_own(context.deadline).await?;
        context.metrics.add_query();
        let asked = within(context.deadline, lease.session().query(PERMITTED, &[])).await?;
        let rows = asked.map_err(|error| error.of(Origin::Catalog))?;
        let mut cells = rows.into_iter().next().unwrap_or_default().into_iter();
        let mut next = || cells.next().flatten().unwrap_or_default();
        let (permitted, repeats, database, user) = (next() == "t", next() == "t", next(), next());
        if repeats {
            return Err(Error::Unsupported { driver: crate::DRIVER, what: "a temporary table on a standby".into() });
        }
        if !permitted {
            let grant = format!("GRANT TEMPORARY ON DATABASE {} TO {}", quoted(&database), quoted(&user));
            let reason = format!("the login may not make temporary tables; `{grant}` permits it");
            return Err(Error::PermissionDenied { reason });
        }
        Ok(Self { connector, lease: Some(lease), context })
    }

    /// Makes and fills a table; returns rows sent and rows stored.
    async fn copy(&self, lease: &mut Lease, table: &TableInfo, rows: BatchStream) -> Result<(u64, u64)> {
        let name = PostgresDialect.table(&table.name);
        let create = create_table(&PostgresDialect, table);
        self.run(lease, &format!("BEGIN READ WRITE; {create} ON COMMIT PRESERVE ROWS; COMMIT")).await?;
        self.context.metrics.add_query();
        let copy = tagged(&self.context.statement, &format!("COPY {name} FROM STDIN (FORMAT binary)"));
        self.timed(lease.session().begin_copy(&copy)).await?;
        let sent = self.send(lease, table, rows).await?;
        let stored = self.timed(lease.session().end_copy()).await?;
        self.run(lease, &format!("ANALYZE {name}")).await?;
        Ok((sent, stored))
    }

    /// Sends the rows; returns how many.
    async fn send(&self, lease: &mut Lease, table: &TableInfo, mut rows: BatchStream) -> Result<u64> {
        let mut chunk = encode::HEADER.to_vec();
        let mut sent = 0;
        loop {
            // The rows may take long: a session that is lost meanwhile is told at once.
            let batch = tokio::select! {
                biased;
                batch = next_batch(&mut rows, &self.context) => batch?,
                error = lease.session().copy_broken_off() => return Err(failed(error)),
            };
            let Some(batch) = batch else { break };
            let columns = stored_columns(table, &batch)?;
            let mut encoded = CopyRows::new(table, &columns, batch.num_rows())?;
            while encoded.append(&mut chunk, CHUNK_BYTES)? {
                self.timed(lease.session().copy_data(&chunk)).await?;
                chunk.clear();
            }
            sent += batch.num_rows() as u64;
        }
        chunk.extend(encode::TRAILER);
        self.timed(lease.session().copy_data(&chunk)).await?;
        Ok(sent)
    }

    /// Runs statements of ours without rows.
    async fn run(&self, lease: &mut Lease, sql: &str) -> Result<()> {
        self.context.metrics.add_query();
        let session = lease.session();
        session.simple(&tagged(&self.context.statement, sql)).map_err(failed)?;
        self.timed(session.answer()).await.map(drop)
    }

    /// Within the statement's deadline.
    async fn timed<T>(&self, work: impl Future<Output = Result<T, WireError>>) -> Result<T> {
        within(self.context.deadline, work).await?.map_err(failed)
    }
}

#[async_trait]
impl Workspace for PostgresWorkspace {
    async fn fill(&mut self, table: &TableInfo, rows: BatchStream) -> Result<u64> {
        let mut lease = self.lease.take().ok_or_else(abandoned)?;
        let (sent, stored) = self.copy(&mut lease, table, rows).await?;
        let stored = finished(&self.context, table, sent, stored)?;
        self.lease = Some(lease);
        Ok(stored)
    }

    async fn open(mut self: Box<Self>, request: OpenRequest) -> Result<BatchStream> {
        check_plan(&self.connector, &request.plan)?;
        let mut lease = self.lease.take().ok_or_else(abandoned)?;
        let query = Query::new(&request, None)?;
        if query.is_empty() {
            return Ok(Box::pin(futures::stream::empty()));
        }
        request.context.metrics.add_query();
        let sent = within(request.context.deadline, query.send(lease.session())).await?;
        sent.map_err(|error| error.of(statement(&request).origin()))?;
        Ok(query.reader(lease, &request, Afterwards::Close)?.into_stream())
    }
}

fn failed(error: WireError) -> Error {
    error.of(Origin::Catalog)
}

fn quoted(name: &str) -> String {
    PostgresDialect.quote(name)
}
