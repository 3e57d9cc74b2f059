//! A connection of its own that holds temporary tables, in memory.
//!
//! The file stays open as every other connection has it (see `file`); while a table is filled, `guard` lets statements
//! make and change temporary tables and nothing else. Temporary tables live in the memory of this program, which is
//! limited: nothing of them is ever written to a file. Each table is filled on a thread of its own, to which the connection
//! is lent.

mod insert;
mod stored;

pub(crate) use stored::temporary_table;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::Builder;

use arrow::array::ArrayRef;
use async_trait::async_trait;
use junto_connector::{
    BatchStream, Error, OpenRequest, Reaper, Result, StatementContext, TableInfo, Workspace, check_plan,
};
use junto_connector_sql::temporary::{abandoned, before_deadline, finished, next_batch, stored_columns};
use tokio::sync::{mpsc, oneshot};

use crate::connector::{DRIVER, SqliteConnector};
use crate::error::from_sqlite;
use crate::file::Database;
use crate::guard;
use crate::pool::{Control, watch};
use crate::settings::Settings;

/// Batches that may wait for the thread.
const BATCHES_IN_FLIGHT: usize = 1;

/// A connection with temporary tables.
#[derive(Debug)]
pub(crate) struct SqliteWorkspace {
    /// For the checks of plans, and for reading.
    connector: SqliteConnector,
    /// Gone while a table is filled, and after that failed.
    database: Option<Database>,
    context: StatementContext,
}

impl SqliteWorkspace {
    /// Opens the file once more.
    pub(crate) async fn open(connector: SqliteConnector, context: StatementContext) -> Result<Self> {
        let settings = connector.settings().clone();
        let opened = on_thread(connector.reaper(), Control::new(context.deadline), move |_| {
            let mut database = Database::open(&settings)?;
            let held = guard::hold_temporary_tables_in_memory(database.connection());
            held.map_err(|cause| from_sqlite(&settings.path, cause))?;
            Ok(database)
        })?;
        let database = before_deadline(&context, opened.end()).await??;
        Ok(Self { connector, database: Some(database), context })
    }
}

impl Drop for SqliteWorkspace {
    fn drop(&mut self) {
        // Closing may remove files, and the end of the program must wait for it.
        if let Some(database) = self.database.take() {
            self.connector.reaper().post(async move { drop(database) });
        }
    }
}

#[async_trait]
impl Workspace for SqliteWorkspace {
    async fn fill(&mut self, table: &TableInfo, rows: BatchStream) -> Result<u64> {
        let database = self.database.take().ok_or_else(abandoned)?;
        let (connector, context) = (&self.connector, &self.context);
        let lent = Lent { database, settings: connector.settings().clone() };
        let (database, sent, stored) = hand_over(lent, table, rows, context, connector.reaper()).await?;
        let stored = finished(context, table, sent, stored)?;
        self.database = Some(database);
        Ok(stored)
    }

    async fn open(mut self: Box<Self>, request: OpenRequest) -> Result<BatchStream> {
        check_plan(&self.connector, &request.plan)?;
        let database = self.database.take().ok_or_else(abandoned)?;
        self.connector.open_over(database, &request)
    }
}

/// A connection on its way to the thread that fills a table.
struct Lent {
    database: Database,
    settings: Settings,
}

impl Lent {
    fn path(&self) -> PathBuf {
        self.settings.path.clone()
    }
}

/// Hands the batches to a thread; returns the connection, rows sent and rows stored.
async fn hand_over(
    lent: Lent,
    table: &TableInfo,
    mut rows: BatchStream,
    context: &StatementContext,
    reaper: &Reaper,
) -> Result<(Database, u64, u64)> {
    if table.columns.is_empty() {
        return Err(Error::Unsupported { driver: DRIVER, what: "a temporary table without columns".into() });
    }
    let (batches, receiver) = mpsc::channel(BATCHES_IN_FLIGHT);
    let (filled, metrics) = (table.clone(), Arc::clone(&context.metrics));
    metrics.add_query();
    let thread = on_thread(reaper, Control::new(context.deadline), move |control| {
        let stored = fill(lent, &filled, receiver, &control);
        stored.map_err(|error| control.explain(error))
    })?;
    let mut sent = 0;
    while let Some(batch) = next_batch(&mut rows, context).await? {
        let columns = stored_columns(table, &batch)?;
        sent += batch.num_rows() as u64;
        metrics.add_query();
        // A thread that takes no more has failed, and says why.
        if before_deadline(context, batches.send(Chunk { columns, rows: batch.num_rows() })).await?.is_err() {
            break;
        }
    }
    drop(batches);
    let (database, stored) = before_deadline(context, thread.end()).await??;
    Ok((database, sent, stored))
}

/// Columns of a batch as the table stores them.
struct Chunk {
    columns: Vec<ArrayRef>,
    rows: usize,
}

/// Makes the table and inserts what comes until the channel closes.
fn fill(
    mut lent: Lent,
    table: &TableInfo,
    mut chunks: mpsc::Receiver<Chunk>,
    control: &Arc<Control>,
) -> Result<(Database, u64)> {
    let path = lent.path();
    let mapped = |cause| from_sqlite(&path, cause);
    let connection = lent.database.connection();
    watch(connection, control, &lent.settings).map_err(mapped)?;
    guard::let_temporary_tables_change(connection).map_err(mapped)?;
    let insert = insert::Insert::begin(connection, table).map_err(mapped)?;
    while let Some(chunk) = chunks.blocking_recv() {
        if control.is_stopped() {
            return Err(Error::Cancelled);
        }
        insert.rows(connection, &path, table, &chunk.columns, chunk.rows)?;
    }
    let stored = insert.end(connection).map_err(mapped)?;
    guard::lock(connection).map_err(mapped)?;
    Ok((lent.database, stored))
}

/// Work on a thread of its own. Dropped before its end, it stops, and the reaper waits for it, so that the file is closed
/// properly before the program ends.
struct Running<T: Send + 'static> {
    outcome: Option<oneshot::Receiver<Result<T>>>,
    control: Arc<Control>,
    reaper: Reaper,
}

fn on_thread<T: Send + 'static>(
    reaper: &Reaper,
    control: Arc<Control>,
    work: impl FnOnce(Arc<Control>) -> Result<T> + Send + 'static,
) -> Result<Running<T>> {
    let (sender, outcome) = oneshot::channel();
    let own = Arc::clone(&control);
    let started = Builder::new().name("junto-sqlite-fill".into()).spawn(move || drop(sender.send(work(own))));
    started.map_err(|cause| Error::Resource { what: format!("no thread for a temporary table: {cause}") })?;
    Ok(Running { outcome: Some(outcome), control, reaper: reaper.clone() })
}

impl<T: Send + 'static> Running<T> {
    async fn end(mut self) -> Result<T> {
        let early = || Error::internal("a thread with a temporary table ended");
        let outcome = self.outcome.as_mut().ok_or_else(early)?.await;
        self.outcome = None;
        outcome.map_err(|_| early())?
    }
}

impl<T: Send + 'static> Drop for Running<T> {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome.take() {
            self.control.cancel();
            self.reaper.post(async move { drop(outcome.await) });
        }
    }
}
