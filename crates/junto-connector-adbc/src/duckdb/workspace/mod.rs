//! A connection of its own that holds temporary tables.
//!
//! DuckDB keeps them in the memory of the connection, beside the file, which stays open for reading only. Batches go
//! through ADBC's bulk ingestion on a thread of their own, one at a time; the thread and its connection end when the
//! workspace is dropped.

mod ingest;
mod stored;

pub(super) use stored::temporary_table;

use std::time::Instant;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use junto_connector::{
    BatchStream, Error, OpenRequest, Reaper, Result, StatementContext, TableInfo, Workspace, check_plan,
};
use junto_connector_sql::temporary::{LONGEST_WAIT, abandoned, before_deadline, finished, next_batch};
use tokio::sync::{mpsc, oneshot};

use super::DRIVER;
use super::connector::DuckDbConnector;
use crate::read::{Lease, blocking, spawn};

/// Batches that may wait for the thread.
const BATCHES_IN_FLIGHT: usize = 1;

/// A connection with temporary tables.
#[derive(Debug)]
pub(super) struct DuckDbWorkspace {
    /// For the checks of plans, and for reading.
    connector: DuckDbConnector,
    /// Gone while a table is filled, and after that failed.
    lease: Option<Lease>,
    context: StatementContext,
}

impl DuckDbWorkspace {
    /// Opens the connection. A write to the file that is under way must end first.
    pub(super) async fn open(connector: DuckDbConnector, context: StatementContext) -> Result<Self> {
        let wait = Instant::now() + LONGEST_WAIT;
        let wait = context.deadline.map_or(wait, |deadline| deadline.min(wait));
        let lease = tokio::time::timeout_at(wait.into(), connector.lease()).await;
        let late = |_| Error::Locked { reason: "a statement of this program writes to the file".into() };
        let lease = lease.map_err(late)??;
        let lease = blocking(move || lease.with_connection()).await?;
        Ok(Self { connector, lease: Some(lease), context })
    }
}

/// Hands the batches to the thread; returns the connection, rows sent and rows stored.
async fn hand_over(
    lease: Lease,
    table: &TableInfo,
    mut rows: BatchStream,
    context: &StatementContext,
    reaper: &Reaper,
) -> Result<(Lease, u64, u64)> {
    if table.columns.is_empty() {
        return Err(Error::Unsupported { driver: DRIVER, what: "a temporary table without columns".into() });
    }
    let (batches, receiver) = mpsc::channel(BATCHES_IN_FLIGHT);
    let mut thread = Thread::start(lease, table.clone(), receiver, context, reaper)?;
    let mut sent = 0;
    while let Some(batch) = next_batch(&mut rows, context).await? {
        let batch = stored::checked(table, &batch)?;
        sent += batch.num_rows() as u64;
        // A thread that takes no more has failed, and says why.
        if before_deadline(context, batches.send(batch)).await?.is_err() {
            break;
        }
    }
    drop(batches);
    let (lease, stored) = before_deadline(context, thread.end()).await??;
    Ok((lease, sent, stored))
}

impl Drop for DuckDbWorkspace {
    fn drop(&mut self) {
        // Freeing what the connection holds takes its time.
        if let Some(lease) = self.lease.take() {
            self.connector.reaper().post(async move { drop(lease) });
        }
    }
}

#[async_trait]
impl Workspace for DuckDbWorkspace {
    async fn fill(&mut self, table: &TableInfo, rows: BatchStream) -> Result<u64> {
        let lease = self.lease.take().ok_or_else(abandoned)?;
        let (lease, sent, stored) = hand_over(lease, table, rows, &self.context, self.connector.reaper()).await?;
        let stored = finished(&self.context, table, sent, stored)?;
        self.lease = Some(lease);
        Ok(stored)
    }

    async fn open(mut self: Box<Self>, request: OpenRequest) -> Result<BatchStream> {
        check_plan(&self.connector, &request.plan)?;
        let lease = self.lease.take().ok_or_else(abandoned)?;
        self.connector.open_over(lease, request).await
    }
}

/// How a thread ended: the connection and the rows stored.
type Outcome = Result<(Lease, u64)>;

/// The thread that fills a table. Dropped before its end, it is left to the reaper, so that the end of the program waits
/// for it.
struct Thread {
    outcome: Option<oneshot::Receiver<Outcome>>,
    reaper: Reaper,
}

impl Thread {
    fn start(
        mut lease: Lease,
        table: TableInfo,
        batches: mpsc::Receiver<RecordBatch>,
        context: &StatementContext,
        reaper: &Reaper,
    ) -> Result<Self> {
        let (sender, outcome) = oneshot::channel();
        let context = context.clone();
        spawn("junto-adbc-fill", move || {
            let stored = ingest::ingest(&mut lease, &table, batches, &context);
            // Nobody waits for it any more: the connection ends here.
            let _ = sender.send(stored.map(|stored| (lease, stored)));
        })?;
        Ok(Self { outcome: Some(outcome), reaper: reaper.clone() })
    }

    async fn end(&mut self) -> Outcome {
        let early = || Error::internal("the thread that fills a table ended early");
        let outcome = self.outcome.as_mut().ok_or_else(early)?.await;
        self.outcome = None;
        outcome.map_err(|_| early())?
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome.take() {
            self.reaper.post(async move { drop(outcome.await) });
        }
    }
}
