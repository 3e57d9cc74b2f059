//! One read of a source whose streams are shared by all output partitions of a scan.
//!
//! The source decides how many streams there are; the plan has decided how many partitions consume them. A partition
//! takes batches from the stream of its own number first, then from the others, so that no core waits while rows come.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::error::Result;
use futures::{Stream, StreamExt, stream};
use junto_connector::BatchStream;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

/// A read that is opened by whoever polls first, and closed when the last partition that was started is dropped.
#[derive(Default)]
pub(super) struct SharedRead {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    read: Option<Arc<Read>>,
    /// Partitions that are being read.
    readers: usize,
    /// All readers were dropped before the end: whoever starts now would miss rows.
    abandoned: bool,
}

#[derive(Default)]
struct Read {
    streams: OnceCell<std::result::Result<Vec<AsyncMutex<Option<BatchStream>>>, Arc<DataFusionError>>>,
}

/// One partition's share. Dropped, it counts as done.
struct Reader {
    shared: Arc<SharedRead>,
    read: Arc<Read>,
    partition: usize,
    /// Streams this reader has seen the end of.
    ended: usize,
}

impl SharedRead {
    /// The batches of one partition. `open` runs for the first partition that is polled.
    ///
    /// # Errors
    /// Those of `open`, and of the streams.
    pub(super) fn partition<F>(
        self: &Arc<Self>,
        partition: usize,
        open: F,
    ) -> impl Stream<Item = Result<junto_connector::Result<RecordBatch>>> + Send + 'static
    where
        F: Future<Output = Result<Vec<BatchStream>>> + Send + 'static,
    {
        let reader = self.start(partition);
        stream::once(async move {
            let mut reader = reader?;
            reader.open(open).await?;
            Ok::<_, DataFusionError>(stream::unfold(reader, |mut reader| async move {
                reader.next().await.map(|batch| (batch, reader))
            }))
        })
        .flat_map(|opened| match opened {
            Ok(batches) => batches.map(Ok).left_stream(),
            Err(error) => stream::once(async move { Err(error) }).right_stream(),
        })
    }

    fn start(self: &Arc<Self>, partition: usize) -> Result<Reader> {
        let mut state = self.state.lock();
        if state.abandoned {
            return Err(DataFusionError::Internal("a partition was started after the read was given up".into()));
        }
        state.readers += 1;
        let read = Arc::clone(state.read.get_or_insert_with(Arc::default));
        Ok(Reader { shared: Arc::clone(self), read, partition, ended: 0 })
    }
}

impl Reader {
    async fn open(&mut self, open: impl Future<Output = Result<Vec<BatchStream>>>) -> Result<()> {
        let opened = self.read.streams.get_or_init(|| async move {
            let streams = open.await.map_err(Arc::new)?;
            Ok(streams.into_iter().map(|stream| AsyncMutex::new(Some(stream))).collect())
        });
        match opened.await {
            Ok(_) => Ok(()),
            Err(error) => Err(DataFusionError::Shared(Arc::clone(error))),
        }
    }

    async fn next(&mut self) -> Option<junto_connector::Result<RecordBatch>> {
        let Some(Ok(streams)) = self.read.streams.get() else { return None };
        while self.ended < streams.len() {
            let mut slot = streams[(self.partition + self.ended) % streams.len()].lock().await;
            if let Some(stream) = slot.as_mut() {
                match stream.next().await {
                    Some(Ok(batch)) => return Some(Ok(batch)),
                    Some(Err(error)) => {
                        *slot = None;
                        self.ended += 1;
                        return Some(Err(error));
                    }
                    None => *slot = None,
                }
            }
            self.ended += 1;
        }
        None
    }

    /// Whether rows would be missing for whoever starts from here.
    fn leaves_rows(&self) -> bool {
        matches!(self.read.streams.get(), Some(Ok(streams)) if self.ended < streams.len())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.readers -= 1;
        if state.readers == 0 && self.leaves_rows() {
            state.abandoned = true;
            // The streams end here, and with them the work on the source.
            state.read = None;
        }
    }
}

impl fmt::Debug for SharedRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRead").field("readers", &self.state.lock().readers).finish_non_exhaustive()
    }
}
