//! One of the connections that share a read: it takes parts from the queue until none is left.

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::stream;
use junto_connector::{BatchStream, Error, Keys, OpenRequest, Result};
use junto_connector_sql::parts::PartQueue;

use super::layout::PageRange;
use super::snapshot::{self, Tables};
use crate::pool::{Lease, Pool, within};
use crate::read::{Afterwards, Reader};
use crate::scan::{Query, statement};

/// What one query reads.
#[derive(Debug)]
pub(super) enum Part {
    Pages(PageRange),
    Keys(Keys),
}

/// What the workers of one read share.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) pool: Pool,
    pub(super) request: OpenRequest,
    pub(super) queue: PartQueue<Part>,
    /// Valid until the first worker has found the queue empty: whoever has not begun by then has nothing to read.
    pub(super) snapshot: String,
    pub(super) tables: Tables,
}

/// One connection's share of the read.
pub(super) struct Worker {
    read: Arc<Read>,
    /// Its connection is a further one, which goes to whoever waits for one. The first worker reads on.
    is_further: bool,
    state: State,
}

enum State {
    /// Without a connection, and perhaps never with one.
    Joining,
    /// In the shared snapshot, between two parts.
    Begun(Lease),
    Reading(Box<Reader>),
    Ended,
}

impl Worker {
    /// The one whose transaction exported the snapshot.
    pub(super) fn begun(read: Arc<Read>, lease: Lease) -> Self {
        Self { read, is_further: false, state: State::Begun(lease) }
    }

    /// One that looks for a connection when it is first polled.
    pub(super) fn joining(read: Arc<Read>) -> Self {
        Self { read, is_further: true, state: State::Joining }
    }

    /// The batches of its parts. Dropped before its end, the stream cancels its statement on the server.
    pub(super) fn into_stream(self) -> BatchStream {
        Box::pin(stream::try_unfold(self, |mut worker| async move {
            let batch = worker.next_batch().await?;
            Ok(batch.map(|batch| (batch, worker)))
        }))
    }

    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let read = Arc::clone(&self.read);
        loop {
            self.state = match std::mem::replace(&mut self.state, State::Ended) {
                State::Joining => read.join().await?.map_or(State::Ended, State::Begun),
                State::Begun(lease) if self.is_further && read.pool.is_wanted() => {
                    lease.give_back_after_transaction().await;
                    State::Ended
                }
                State::Begun(lease) => match read.queue.take() {
                    Some(part) => read.begin(lease, &part).await?,
                    None => {
                        lease.give_back_after_transaction().await;
                        State::Ended
                    }
                },
                State::Reading(mut reader) => match reader.next_batch().await? {
                    Some(batch) => {
                        self.state = State::Reading(reader);
                        return Ok(Some(batch));
                    }
                    None => reader.into_lease().map_or(State::Ended, State::Begun),
                },
                State::Ended => return Ok(None),
            }
        }
    }
}

impl Read {
    /// Sends the query of a part.
    async fn begin(&self, mut lease: Lease, part: &Part) -> Result<State> {
        let request = &self.request;
        let query = match part {
            Part::Pages(range) => Query::new(request, Some(&range.condition()))?,
            Part::Keys(keys) => Query::new(&OpenRequest { keys: Some(keys.clone()), ..request.clone() }, None)?,
        };
        if query.is_empty() {
            return Ok(State::Begun(lease));
        }
        request.context.metrics.add_query();
        match within(request.context.deadline, query.send(lease.session())).await? {
            Ok(()) => Ok(State::Reading(Box::new(query.reader(lease, request, Afterwards::NextPart)?))),
            Err(error) => Err(error.of(statement(request).origin())),
        }
    }

    /// A connection in the shared snapshot; none when there is nothing left to read, or whatever is in the way: the
    /// worker that began reads on.
    async fn join(&self) -> Result<Option<Lease>> {
        if self.queue.is_empty() {
            return Ok(None);
        }
        match self.try_join().await {
            Ok(lease) => Ok(lease),
            Err(error @ Error::TimedOut { .. }) => Err(error),
            // The first worker ends when no part is left, and its snapshot with it.
            Err(_) if self.queue.is_empty() => Ok(None),
            Err(error) => {
                let note = format!("read over fewer connections than planned: {error}");
                self.request.context.metrics.note(note);
                Ok(None)
            }
        }
    }

    async fn try_join(&self) -> Result<Option<Lease>> {
        let deadline = self.request.context.deadline;
        loop {
            let Some(mut lease) = self.pool.get_further(deadline).await? else { return Ok(None) };
            match within(deadline, snapshot::import(lease.session(), &self.snapshot, &self.tables)).await? {
                Ok(()) => return Ok(Some(lease)),
                Err(error) if lease.reused && error.is_farewell() => {}
                Err(error) => {
                    if error.is_refusal() {
                        lease.give_back_after_transaction().await;
                    }
                    return Err(error.of(statement(&self.request).origin()));
                }
            }
        }
    }
}
