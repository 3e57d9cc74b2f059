//! Reads that are under way, counted.
//!
//! The tasks of a dropped statement end a moment later. The end of a program waits for that: only then is known what is left
//! to be cancelled on the servers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::Stream;
use parking_lot::{Condvar, Mutex};

/// How many reads of all statements have not let go of their connections.
#[derive(Debug, Default)]
pub struct Reads {
    underway: Mutex<usize>,
    ended: Condvar,
}

impl Reads {
    /// These rows, counted as a read until they are dropped.
    pub(super) fn count<S>(self: &Arc<Self>, rows: S) -> Counted<S> {
        *self.underway.lock() += 1;
        Counted { rows, _read: Read(Arc::clone(self)) }
    }

    /// Waits until no read is under way, at most `limit`. Blocks: for the end of a program.
    pub fn wait(&self, limit: Duration) {
        let patience = Instant::now() + limit;
        let mut underway = self.underway.lock();
        while *underway > 0 && !self.ended.wait_until(&mut underway, patience).timed_out() {}
    }
}

#[derive(Debug)]
struct Read(Arc<Reads>);

impl Drop for Read {
    fn drop(&mut self) {
        *self.0.underway.lock() -= 1;
        self.0.ended.notify_all();
    }
}

/// Rows of a read.
#[derive(Debug)]
pub(super) struct Counted<S> {
    // Dropped first.
    rows: S,
    _read: Read,
}

impl<S: Stream + Unpin> Stream for Counted<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        Pin::new(&mut self.rows).poll_next(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_waits_for_reads_that_are_dropped_elsewhere() {
        let reads = Arc::new(Reads::default());
        let read = reads.count(futures::stream::empty::<()>());
        let (begun, waits) = (Instant::now(), Duration::from_millis(20));
        reads.wait(waits);
        assert!(begun.elapsed() >= waits);
        let elsewhere = std::thread::spawn(move || drop(read));
        reads.wait(Duration::from_mins(1));
        assert_eq!(*reads.underway.lock(), 0);
        elsewhere.join().expect("dropped");
    }
}
