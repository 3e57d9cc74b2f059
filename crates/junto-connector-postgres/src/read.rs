//! The stream of batches of one statement: rows are decoded where they lie in the receive buffer, when they are asked
//! for, so that a slow consumer slows the server down and nothing piles up.

use arrow::array::RecordBatch;
use futures::stream;
use junto_connector::{BatchStream, Error, Result, StatementContext};

use crate::decode::copy::CopyStream;
use crate::decode::rows::Rows;
use crate::error::{Origin, WireError};
use crate::pool::{Lease, within};
use crate::wire::{Frame, tag};

/// How rows arrive.
#[derive(Debug)]
pub(crate) enum Framing {
    /// In a `COPY … (FORMAT binary)`.
    Copy(CopyStream),
    /// One message each; `held` are rows that were received before the decoder was known.
    Rows { held: Vec<u8> },
}

/// What becomes of the connection after the last row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Afterwards {
    GiveBack,
    /// It is kept for the next part of the same read: see [`Reader::into_lease`].
    NextPart,
    /// The user's statement may have changed the session.
    Reset,
    Close,
}

/// Whose statement it is, for errors.
#[derive(Debug, Clone)]
pub(crate) enum Statement {
    Generated { tables: String },
    Native { sql: String, prefix: usize },
}

impl Statement {
    /// For mapping an error.
    pub(crate) fn origin(&self) -> Origin<'_> {
        match self {
            Statement::Generated { tables } => Origin::Generated { tables },
            Statement::Native { sql, prefix } => Origin::Native { sql, prefix: *prefix },
        }
    }
}

/// A statement under way.
pub(crate) struct Reader {
    /// Gone after the last row, unless it is kept for the next part.
    pub(crate) lease: Option<Lease>,
    pub(crate) rows: Rows,
    pub(crate) framing: Framing,
    pub(crate) context: StatementContext,
    pub(crate) statement: Statement,
    pub(crate) afterwards: Afterwards,
    /// The server said that the statement is complete.
    pub(crate) completed: bool,
    /// Everything was read.
    pub(crate) ended: bool,
}

/// What ended a step of the reader.
enum Step {
    BatchFull,
    End,
}

impl Reader {
    /// The batches. Dropped before its end, the stream cancels the statement on the server.
    pub(crate) fn into_stream(self) -> BatchStream {
        Box::pin(stream::try_unfold(self, |mut reader| async move {
            let batch = reader.next_batch().await?;
            Ok(batch.map(|batch| (batch, reader)))
        }))
    }

    /// The connection, after the last batch of a part.
    pub(crate) fn into_lease(self) -> Option<Lease> {
        self.lease.filter(|_| self.ended)
    }

    /// The next batch; none after the last.
    pub(crate) async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if self.ended || self.lease.is_none() {
            return Ok(None);
        }
        match within(self.context.deadline, self.step()).await? {
            Ok(Step::BatchFull) => self.batch().map(Some),
            Ok(Step::End) => {
                self.end().await;
                if self.rows.is_empty() { Ok(None) } else { self.batch().map(Some) }
            }
            Err(ReadError::Decode(error)) => Err(error),
            Err(ReadError::Wire(error)) => Err(self.failed(error).await),
        }
    }

    fn batch(&mut self) -> Result<RecordBatch> {
        let (rows, bytes) = self.rows.counts();
        self.context.metrics.add_rows(rows, bytes);
        self.rows.finish()
    }

    /// Decodes until the batch is full or the server is done.
    async fn step(&mut self) -> Result<Step, ReadError> {
        let Some(lease) = &mut self.lease else { return Ok(Step::End) };
        let session = lease.session();
        match &mut self.framing {
            Framing::Copy(copy) if copy.has_kept() => copy.resume(&mut self.rows)?,
            Framing::Rows { held } if !held.is_empty() => decode_held(&std::mem::take(held), &mut self.rows)?,
            _ => {}
        }
        loop {
            while !self.rows.is_full() {
                let Some(Frame { tag, body }) = session.next()? else { break };
                match (tag, &mut self.framing) {
                    (tag::COPY_DATA, Framing::Copy(copy)) => copy.message(body, &mut self.rows)?,
                    (tag::DATA_ROW, Framing::Rows { .. }) => decode_held(body, &mut self.rows)?,
                    (tag::COMMAND_COMPLETE, Framing::Copy(copy)) => self.completed = copy.is_complete(),
                    (tag::COMMAND_COMPLETE, Framing::Rows { .. }) => self.completed = true,
                    (tag::READY, _) if self.completed => return Ok(Step::End),
                    (tag::READY, _) => return Err(WireError::Protocol("an end before the last row").into()),
                    _ => {}
                }
            }
            if self.rows.is_full() {
                return Ok(Step::BatchFull);
            }
            session.fill().await?;
        }
    }

    async fn end(&mut self) {
        self.ended = true;
        if self.afterwards == Afterwards::NextPart {
            return;
        }
        let Some(lease) = self.lease.take() else { return };
        finish(lease, self.afterwards).await;
    }

    async fn failed(&mut self, error: WireError) -> Error {
        if let (WireError::Server(_), Some(mut lease)) = (&error, self.lease.take()) {
            // The server goes on with the next statement; what it still says is read, or the connection is dropped.
            if let Ok(Ok(())) = within(self.context.deadline, lease.session().settle()).await {
                finish(lease, self.afterwards).await;
            }
        }
        self.lease = None;
        error.of(self.statement.origin())
    }
}

/// Gives a connection back, or closes it, after a statement that ended.
pub(crate) async fn finish(mut lease: Lease, afterwards: Afterwards) {
    use crate::wire::Transaction;
    match afterwards {
        Afterwards::GiveBack => lease.give_back(),
        Afterwards::NextPart => lease.give_back_after_transaction().await,
        // A statement that ended our read-only transaction is not to be trusted with the session either.
        Afterwards::Reset if lease.session().transaction() == Transaction::None => drop(lease),
        Afterwards::Reset => lease.give_back_after_reset().await,
        Afterwards::Close => drop(lease),
    }
}

/// Decodes whole rows.
fn decode_held(mut bytes: &[u8], rows: &mut Rows) -> Result<()> {
    while !bytes.is_empty() {
        bytes = rows.row(bytes)?.ok_or_else(|| Error::internal("the server sent a row that ends too early"))?;
    }
    Ok(())
}

/// Keeps failures of the wire, whose meaning depends on the statement, apart from those of decoding.
enum ReadError {
    Wire(WireError),
    Decode(Error),
}

impl From<WireError> for ReadError {
    fn from(error: WireError) -> Self {
        ReadError::Wire(error)
    }
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        ReadError::Decode(error)
    }
}
