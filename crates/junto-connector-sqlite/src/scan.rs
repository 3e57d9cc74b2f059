//! Streams of batches out of a thread of the pool.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use futures::Stream;
use junto_connector::{Error, Reaper, Result, SourceMetrics};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::decode::Decoder;
use crate::error::from_sqlite;
use crate::pool::Control;

/// Batches that wait for the reader: one being decoded, one ready, is enough to keep both sides busy.
const BATCHES_AHEAD: usize = 2;

/// What the thread says. A channel that closes without [`Message::End`] is a thread that died, not a complete answer.
pub(crate) enum Message {
    Batch(RecordBatch),
    Error(Error),
    End,
}

/// The sending side, on the thread.
pub(crate) struct Sink {
    messages: mpsc::Sender<Message>,
    control: Arc<Control>,
    metrics: Arc<SourceMetrics>,
    /// Tells the reaper, by being dropped, that the thread is done.
    _done: oneshot::Sender<()>,
}

/// The receiving side. Dropping it stops the thread.
pub(crate) struct Batches {
    messages: mpsc::Receiver<Message>,
    control: Arc<Control>,
    done: Option<oneshot::Receiver<()>>,
    reaper: Reaper,
    ended: bool,
}

/// Two ends of a stream.
pub(crate) fn channel(control: &Arc<Control>, metrics: &Arc<SourceMetrics>, reaper: &Reaper) -> (Sink, Batches) {
    let (messages, received) = mpsc::channel(BATCHES_AHEAD);
    let (done, finished) = oneshot::channel();
    let sink = Sink { messages, control: Arc::clone(control), metrics: Arc::clone(metrics), _done: done };
    let batches = Batches {
        messages: received,
        control: Arc::clone(control),
        done: Some(finished),
        reaper: reaper.clone(),
        ended: false,
    };
    (sink, batches)
}

/// Nobody reads any more.
#[derive(Debug)]
pub(crate) struct Abandoned;

impl Sink {
    /// Sends a batch; waits while the reader is slow.
    pub(crate) fn batch(&self, batch: RecordBatch) -> std::result::Result<(), Abandoned> {
        self.metrics.add_rows(batch.num_rows() as u64, batch.get_array_memory_size() as u64);
        self.messages.blocking_send(Message::Batch(batch)).map_err(|_| Abandoned)
    }

    /// Ends the stream.
    pub(crate) fn finish(self, outcome: Result<()>) {
        let last = match outcome {
            Ok(()) => Message::End,
            Err(error) => Message::Error(self.control.explain(error)),
        };
        let _ = self.messages.blocking_send(last);
    }
}

impl Stream for Batches {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let message = std::task::ready!(self.messages.poll_recv(context));
        self.ended = !matches!(message, Some(Message::Batch(_)));
        Poll::Ready(match message {
            Some(Message::Batch(batch)) => Some(Ok(batch)),
            Some(Message::Error(error)) => Some(Err(error)),
            Some(Message::End) => None,
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
pub(crate) fn read(connection: &Connection, path: &Path, sql: &str, mut decoder: Decoder, sink: &Sink) -> Result<()> {
    let mapped = |cause| from_sqlite(path, cause);
    let mut statement = connection.prepare(sql).map_err(mapped)?;
    let mut rows = statement.query([]).map_err(mapped)?;
    while let Some(row) = rows.next().map_err(mapped)? {
        decoder.append(|column| row.get_ref_unwrap(column))?;
        if decoder.is_full() && sink.batch(decoder.take()?).is_err() {
            return Err(Error::Cancelled);
        }
    }
    if !decoder.is_empty() && sink.batch(decoder.take()?).is_err() {
        return Err(Error::Cancelled);
    }
    Ok(())
}
