//! Runs one query on a thread of its own and hands its batches through a short channel.
//!
//! ```text
//! thread of the query                                      engine
//!   connection -> statement -> convert -> coalesce -> channel(2) -> Batches: deadline, end or error
//!        ^                                                             |
//!        +------------------ cancel handle <-------- reaper <-------- drop
//! ```

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use adbc_core::options::{OptionConnection, OptionValue};
use adbc_core::{CancelHandle, Connection, Database, Statement};
use adbc_driver_manager::{ManagedConnection, ManagedDatabase};
use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::compute::BatchCoalescer;
use arrow::datatypes::SchemaRef;
use futures::Stream;
use junto_connector::{BatchStream, Error, Reaper, Result, StatementContext};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;

use crate::convert::Converter;
use crate::failure::{mapped, mapped_for, mapped_in_stream};

/// Batches that may wait for the engine.
const BATCHES_IN_FLIGHT: usize = 2;

/// Between two attempts to cancel. An attempt before the driver has begun has no effect, hence more than one.
const CANCEL_INTERVAL: Duration = Duration::from_millis(20);

/// A database, and what keeps others from replacing or reading it meanwhile.
pub(crate) struct Lease {
    // The order matters: the database is closed before others may open it.
    /// One that holds something; otherwise each query gets a new one.
    connection: Option<ManagedConnection>,
    database: ManagedDatabase,
    _hold: Box<dyn Send>,
}

impl Lease {
    /// `hold` is dropped when the last call into the database has returned.
    pub(crate) fn new(database: ManagedDatabase, hold: impl Send + 'static) -> Self {
        Self { connection: None, database, _hold: Box::new(hold) }
    }

    /// With one connection for all that follows.
    pub(crate) fn with_connection(mut self) -> Result<Self> {
        self.connection = Some(self.database.new_connection().map_err(mapped)?);
        Ok(self)
    }

    /// The connection of [`Self::with_connection`].
    pub(crate) fn connection(&mut self) -> Result<&mut ManagedConnection> {
        self.connection.as_mut().ok_or_else(|| Error::internal("a lease without a connection of its own"))
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lease")
    }
}

/// One query.
pub(crate) struct Query {
    pub(crate) sql: String,
    /// One row, a column per parameter.
    pub(crate) parameters: Option<RecordBatch>,
    /// Schema of the batches; `None` takes what comes.
    pub(crate) planned: Option<SchemaRef>,
    /// Rows per batch, at most.
    pub(crate) batch_rows: usize,
    /// Asks the driver for a read-only connection. DuckDB's is read-only already.
    pub(crate) read_only: bool,
    pub(crate) context: StatementContext,
}

/// A query whose result has a known schema.
pub(crate) struct Started {
    pub(crate) schema: SchemaRef,
    pub(crate) stream: BatchStream,
}

/// Starts a query and waits for its schema. Dropping the future or the stream stops the query.
///
/// # Errors
/// What the driver says of the statement; [`Error::TimedOut`] after the deadline.
pub(crate) async fn start(lease: Lease, query: Query, reaper: &Reaper) -> Result<Started> {
    let (started, wait) = oneshot::channel();
    let (sender, receiver) = mpsc::channel(BATCHES_IN_FLIGHT);
    let (finished, end) = oneshot::channel();
    let control = Arc::new(Control::default());
    let deadline = query.context.deadline;
    let begun = Instant::now();
    if deadline.is_some_and(|deadline| deadline <= begun) {
        return Err(Error::TimedOut { milliseconds: 0 });
    }
    let running = Running { control: Arc::clone(&control), end: Some(end), reaper: reaper.clone() };
    spawn("junto-adbc-read", move || {
        // Dropped at the end of the thread, whatever the end: the one signal that nothing runs any more.
        let _finished: oneshot::Sender<()> = finished;
        work(lease, query, &control, started, &sender);
    })?;
    let schema = match deadline {
        Some(deadline) => {
            tokio::time::timeout_at(deadline.into(), wait).await.map_err(|_| timed_out(begun, deadline))?
        }
        None => wait.await,
    };
    let schema = schema.map_err(|_| Error::internal("the reading thread ended early"))??;
    let sleep = deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline.into())));
    let stream = Batches { receiver, sleep, begun, ended: false, running };
    Ok(Started { schema, stream: Box::pin(stream) })
}

/// Runs a blocking call into a driver on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (sender, receiver) = oneshot::channel();
    spawn("junto-adbc", move || {
        let _ = sender.send(work());
    })?;
    receiver.await.map_err(|_| Error::internal("the driver's thread ended early"))?
}

/// Runs work that blocks on a thread of its own.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let builder = std::thread::Builder::new().name(name.into());
    builder.spawn(work).map_err(|cause| Error::Resource { what: format!("no thread for a query: {cause}") })?;
    Ok(())
}

fn timed_out(begun: Instant, deadline: Instant) -> Error {
    Error::TimedOut { milliseconds: deadline.saturating_duration_since(begun).as_millis() as u64 }
}

enum Message {
    Batch(RecordBatch),
    Failed(Error),
    /// The result is complete. A channel that closes without it is a failure.
    End,
}

/// What the engine's side holds of the thread's work.
#[derive(Default)]
struct Control {
    stopped: AtomicBool,
    cancel: Mutex<Option<Box<dyn CancelHandle>>>,
}

impl Control {
    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        if let Some(handle) = self.cancel.lock().as_ref() {
            // A driver without cancellation stops at its next batch, when the channel is found closed.
            let _ = handle.try_cancel();
        }
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

/// Stops the thread's work when dropped before its end.
struct Running {
    control: Arc<Control>,
    end: Option<oneshot::Receiver<()>>,
    reaper: Reaper,
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut end) = self.end.take() else { return };
        if !matches!(end.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
            return;
        }
        let control = Arc::clone(&self.control);
        self.reaper.post(async move {
            loop {
                let control = Arc::clone(&control);
                let attempt = tokio::task::spawn_blocking(move || control.stop());
                if tokio::time::timeout(CANCEL_INTERVAL, &mut end).await.is_ok() || attempt.await.is_err() {
                    return;
                }
            }
        });
    }
}

struct Batches {
    receiver: mpsc::Receiver<Message>,
    sleep: Option<Pin<Box<Sleep>>>,
    begun: Instant,
    ended: bool,
    running: Running,
}

impl Batches {
    fn fail(&mut self, error: Error) -> Poll<Option<Result<RecordBatch>>> {
        self.ended = true;
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for Batches {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let deadline = self.sleep.as_ref().map(|sleep| sleep.deadline().into_std());
        if let (Some(deadline), Some(sleep)) = (deadline, self.sleep.as_mut())
            && sleep.as_mut().poll(context).is_ready()
        {
            self.running.control.stop();
            let begun = self.begun;
            return self.fail(timed_out(begun, deadline));
        }
        let message = std::task::ready!(self.receiver.poll_recv(context));
        match message {
            Some(Message::Batch(batch)) => Poll::Ready(Some(Ok(batch))),
            Some(Message::Failed(error)) => self.fail(error),
            Some(Message::End) => {
                self.ended = true;
                Poll::Ready(None)
            }
            None => self.fail(Error::internal("the reading thread ended early")),
        }
    }
}

fn work(
    lease: Lease,
    query: Query,
    control: &Control,
    started: oneshot::Sender<Result<SchemaRef>>,
    sender: &mpsc::Sender<Message>,
) {
    let mut result = match execute(&lease, &query, control) {
        Ok(result) => result,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    if started.send(Ok(Arc::clone(result.converter.schema()))).is_err() {
        return;
    }
    let last = match deliver(&mut result, &query, control, sender) {
        Ok(()) => Message::End,
        Err(error) => Message::Failed(error),
    };
    let _ = sender.blocking_send(last);
}

/// A result that has begun. Fields are dropped in this order: the reader before its statement and connection.
struct Executed {
    reader: Box<dyn RecordBatchReader + Send>,
    converter: Converter,
    _statement: Box<dyn std::any::Any>,
}

fn execute(lease: &Lease, query: &Query, control: &Control) -> Result<Executed> {
    let mut connection = connect(lease, query.read_only)?;
    *control.cancel.lock() = Some(connection.get_cancel_handle());
    if control.is_stopped() {
        return Err(Error::Cancelled);
    }
    let mut statement = connection.new_statement().map_err(mapped)?;
    query.context.metrics.add_query();
    statement.set_sql_query(&query.sql).map_err(|cause| mapped_for(&query.sql, cause))?;
    if let Some(parameters) = &query.parameters {
        statement.bind(parameters.clone()).map_err(mapped)?;
    }
    let reader = statement.execute().map_err(|cause| mapped_for(&query.sql, cause))?;
    let converter = Converter::new(&reader.schema(), query.planned.clone())?;
    Ok(Executed { reader, converter, _statement: Box::new((statement, connection)) })
}

fn connect(lease: &Lease, read_only: bool) -> Result<ManagedConnection> {
    if let Some(connection) = &lease.connection {
        return Ok(connection.clone());
    }
    if !read_only {
        return lease.database.new_connection().map_err(mapped);
    }
    let option = (OptionConnection::ReadOnly, OptionValue::from("true"));
    lease.database.new_connection_with_opts([option]).map_err(|cause| Error::ReadOnly {
        reason: format!("the driver has no read-only sessions ({})", cause.message),
    })
}

fn deliver(result: &mut Executed, query: &Query, control: &Control, sender: &mpsc::Sender<Message>) -> Result<()> {
    let schema = Arc::clone(result.converter.schema());
    let mut coalescer = BatchCoalescer::new(Arc::clone(&schema), query.batch_rows.max(1));
    let arrow = |cause: arrow::error::ArrowError| Error::internal(cause.to_string());
    let send = |batch: RecordBatch| {
        query.context.metrics.add_batch(&batch);
        sender.blocking_send(Message::Batch(batch)).map_err(|_| Error::Cancelled)
    };
    for batch in result.reader.by_ref() {
        if control.is_stopped() {
            return Err(Error::Cancelled);
        }
        let batch = result.converter.convert(&batch.map_err(|cause| mapped_in_stream(&query.sql, cause))?)?;
        if schema.fields().is_empty() {
            send(batch)?;
            continue;
        }
        coalescer.push_batch(batch).map_err(arrow)?;
        while let Some(batch) = coalescer.next_completed_batch() {
            send(batch)?;
        }
    }
    coalescer.finish_buffered_batch().map_err(arrow)?;
    while let Some(batch) = coalescer.next_completed_batch() {
        send(batch)?;
    }
    Ok(())
}
