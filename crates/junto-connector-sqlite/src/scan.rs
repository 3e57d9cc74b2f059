//! Streams of batches out of a thread of the pool.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use futures::Stream;
use junto_connector::{Error, Reaper, Result, SourceMetrics};
use parking_lot::Mutex;
use rusqlite::{Connection, Rows};
use tokio::sync::{mpsc, oneshot};

use crate::decode::Decoder;
use crate::error::from_sqlite;
use crate::pool::{Control, Report};

/// Batches that wait for the reader: one being decoded, one ready, is enough to keep both sides busy.
const BATCHES_AHEAD: usize = 2;

/// How a stream ended. Empty when the channel closes: the thread died, and what came is not a complete answer.
type Outcome = Arc<Mutex<Option<Result<()>>>>;

/// The sending side, on the thread.
pub(crate) struct Sink {
    batches: mpsc::Sender<RecordBatch>,
    outcome: Outcome,
    control: Arc<Control>,
    metrics: Arc<SourceMetrics>,
    /// Tells the reaper, by being dropped, that the thread is done.
    _done: oneshot::Sender<()>,
}

/// The receiving side. Dropping it stops the thread.
pub(crate) struct Batches {
    batches: mpsc::Receiver<RecordBatch>,
    outcome: Outcome,
    control: Arc<Control>,
    done: Option<oneshot::Receiver<()>>,
    reaper: Reaper,
    ended: bool,
}

/// Two ends of a stream.
pub(crate) fn channel(control: &Arc<Control>, metrics: &Arc<SourceMetrics>, reaper: &Reaper) -> (Sink, Batches) {
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
    let (done, finished) = oneshot::channel();
    let outcome = Outcome::default();
    let sink = Sink {
        batches: sender,
        outcome: Arc::clone(&outcome),
        control: Arc::clone(control),
        metrics: Arc::clone(metrics),
        _done: done,
    };
    let batches = Batches {
        batches: receiver,
        outcome,
        control: Arc::clone(control),
        done: Some(finished),
        reaper: reaper.clone(),
        ended: false,
    };
    (sink, batches)
}

impl Sink {
    /// Sends a batch; waits while the reader is slow.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when nobody reads any more or the deadline has passed.
    pub(crate) fn batch(&self, batch: RecordBatch) -> Result<()> {
        if self.control.is_stopped() {
            return Err(Error::Cancelled);
        }
        self.metrics.add_batch(&batch);
        self.batches.blocking_send(batch).map_err(|_| Error::Cancelled)
    }

    /// One more query is sent.
    pub(crate) fn count_query(&self) {
        self.metrics.add_query();
    }

    /// See [`SourceMetrics::note`].
    pub(crate) fn note(&self, note: String) {
        self.metrics.note(note);
    }

    /// Ends the stream when the report is made.
    pub(crate) fn finish(self, outcome: Result<()>) -> Report {
        *self.outcome.lock() = Some(outcome.map_err(|error| self.control.explain(error)));
        Box::new(move || drop(self))
    }
}

impl Stream for Batches {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(batch) = std::task::ready!(self.batches.poll_recv(context)) {
            return Poll::Ready(Some(Ok(batch)));
        }
        self.ended = true;
        let outcome = self.outcome.lock().take();
        Poll::Ready(match outcome {
            Some(Ok(())) => None,
            Some(Err(error)) => Some(Err(error)),
            None => Some(Err(Error::internal("a thread reading a SQLite file ended"))),
        })
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.control.cancel();
        // The end of the program waits for the reaper, so that the file is closed properly even then.
        if let Some(done) = self.done.take() {
            self.reaper.post(async move {
                let _ = done.await;
            });
        }
    }
}

/// Runs a statement to its end, decoding its rows into the sink. The statement may have more columns than the decoder.
pub(crate) fn read(connection: &Connection, path: &Path, sql: &str, decoder: &mut Decoder, sink: &Sink) -> Result<()> {
    let mapped = |cause| from_sqlite(path, cause);
    let mut statement = connection.prepare(sql).map_err(mapped)?;
    let mut rows = statement.query([]).map_err(mapped)?;
    send(&mut rows, path, decoder, sink)
}

/// Decodes the rows that are left into the sink.
pub(crate) fn send(rows: &mut Rows<'_>, path: &Path, decoder: &mut Decoder, sink: &Sink) -> Result<()> {
    while let Some(row) = rows.next().map_err(|cause| from_sqlite(path, cause))? {
        // Cannot panic: the statement has at least the columns that the decoder was made for.
        decoder.append(|column| row.get_ref_unwrap(column))?;
        if decoder.is_full() {
            sink.batch(decoder.take()?)?;
        }
    }
    if !decoder.is_empty() {
        sink.batch(decoder.take()?)?;
    }
    Ok(())
}
