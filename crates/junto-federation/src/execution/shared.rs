//! One read of a source whose streams are shared by all output partitions of a scan.
//!
//! The source decides how many streams there are; the plan has decided how many partitions consume them. A partition
//! takes batches from the stream of its own number first, then from the others, so that no core waits while rows come.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::error::Result;
use futures::{Stream, StreamExt, stream};
use junto_connector::BatchStream;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

/// A read that is opened by whoever polls first, and closed when the last partition is dropped.
///
/// Partitions start when they like: one may be dropped, because its rows are enough or none are needed, before the next
/// one starts. Rows that the first was not given are the next one's.
#[derive(Default)]
pub(super) struct SharedRead {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    read: Option<Arc<Read>>,
    /// Partitions that were started so far.
    started: usize,
    /// Partitions that are being read.
    readers: usize,
}

#[derive(Default)]
struct Read {
    streams: OnceCell<std::result::Result<Vec<AsyncMutex<Option<BatchStream>>>, Arc<DataFusionError>>>,
    /// Whether somebody was given rows.
    is_begun: AtomicBool,
}

/// One partition's share. Dropped, it counts as done.
struct Reader {
    shared: Arc<SharedRead>,
    read: Arc<Read>,
    partition: usize,
    /// Partitions that there are.
    partitions: usize,
    /// Streams this reader has seen the end of.
    ended: usize,
}

impl SharedRead {
    /// The batches of one of so many partitions. `open` runs for the first partition that is polled.
    ///
    /// # Errors
    /// Those of `open`, and of the streams.
    pub(super) fn partition<F>(
        self: &Arc<Self>,
        partition: usize,
        partitions: usize,
        open: F,
    ) -> impl Stream<Item = Result<junto_connector::Result<RecordBatch>>> + Send + 'static
    where
        F: Future<Output = Result<Vec<BatchStream>>> + Send + 'static,
    {
        let mut reader = self.start(partition, partitions);
        stream::once(async move {
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

    fn start(self: &Arc<Self>, partition: usize, partitions: usize) -> Reader {
        let mut state = self.state.lock();
        state.started += 1;
        state.readers += 1;
        let read = Arc::clone(state.read.get_or_insert_with(Arc::default));
        Reader { shared: Arc::clone(self), read, partition, partitions, ended: 0 }
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
                    Some(Ok(batch)) => {
                        self.read.is_begun.store(true, Ordering::Relaxed);
                        return Some(Ok(batch));
                    }
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
        // Before anybody was given rows, whoever starts later can open the read again.
        let is_missed = state.started < self.partitions && self.read.is_begun.load(Ordering::Relaxed);
        if state.readers == 0 && self.leaves_rows() && !is_missed {
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

#[cfg(test)]
mod tests {
    use std::future::ready;

    use arrow::array::Int64Array;
    use futures::TryStreamExt;

    use super::*;

    /// Two streams of two rows each, a batch per row.
    fn open() -> impl Future<Output = Result<Vec<BatchStream>>> {
        let batch = |value: i64| RecordBatch::try_from_iter([("v", Arc::new(Int64Array::from(vec![value])) as _)]);
        let stream = |first: i64| -> BatchStream {
            Box::pin(stream::iter([first, first + 1]).map(move |value| Ok(batch(value).expect("a batch"))))
        };
        ready(Ok(vec![stream(10), stream(20)]))
    }

    async fn rows(read: impl Stream<Item = Result<junto_connector::Result<RecordBatch>>>) -> usize {
        let batches: Vec<_> = read.try_collect().await.expect("it is open");
        batches.into_iter().map(|batch| batch.expect("rows").num_rows()).sum()
    }

    #[tokio::test]
    async fn a_partition_that_starts_late_is_given_what_the_others_left() {
        for taken in 0..=4 {
            let read = Arc::new(SharedRead::default());
            let mut first = Box::pin(read.partition(0, 2, open()));
            for _ in 0..taken {
                first.next().await.expect("a batch").expect("it is open").expect("rows");
            }
            drop(first);
            assert_eq!(rows(read.partition(1, 2, open())).await, 4 - taken);
        }
    }

    #[tokio::test]
    async fn nothing_stays_open_when_the_last_partition_gives_up() {
        let read = Arc::new(SharedRead::default());
        let mut all: Vec<_> = (0..2).map(|partition| Box::pin(read.partition(partition, 2, open()))).collect();
        for partition in &mut all {
            partition.next().await.expect("a batch").expect("it is open").expect("rows");
        }
        drop(all);
        assert!(read.state.lock().read.is_none());
    }
}
