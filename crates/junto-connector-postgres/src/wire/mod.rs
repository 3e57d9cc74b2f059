//! One connection to a server: messages in, messages out, and what the server still owes.
//!
//! Login and message formats come from `postgres-protocol`. The reading side is our own, because a scan decodes rows
//! where they lie in the receive buffer, because a COPY goes out in one round trip, and because the columns of a native
//! statement are asked for in binary or in text one by one, which needs the result's types before the bind.

mod cancel;
mod copy_in;
mod frames;
mod login;
mod query;

pub(crate) use cancel::cancel;
pub(crate) use frames::Frame;
pub(crate) use login::{Access, login};
pub(crate) use query::{Bind, TextRow};

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::error::{ServerError, WireError};
use frames::Frames;

/// Tags of the server's messages that the readers look at themselves.
pub(crate) mod tag {
    pub(crate) const COMMAND_COMPLETE: u8 = b'C';
    pub(crate) const COPY_DATA: u8 = b'd';
    pub(crate) const DATA_ROW: u8 = b'D';
    pub(crate) const READY: u8 = b'Z';
    pub(super) const ERROR: u8 = b'E';
    pub(super) const NOTICE: u8 = b'N';
    pub(super) const NOTIFICATION: u8 = b'A';
    pub(super) const PARAMETER_STATUS: u8 = b'S';
}

/// A socket of any kind, with TLS or without.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for T {}

/// What the server said of the transaction when it last became ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transaction {
    None,
    Open,
    Failed,
}

/// What a cancel request names.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CancelKey {
    process: i32,
    secret: i32,
}

/// A logged-in connection.
pub(crate) struct Session {
    socket: Box<dyn Duplex>,
    frames: Frames,
    out: BytesMut,
    /// Requests sent for which the server has not yet said that it is ready.
    owed: usize,
    transaction: Transaction,
    cancel_key: CancelKey,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("process", &self.cancel_key.process).finish_non_exhaustive()
    }
}

impl Session {
    fn new(socket: Box<dyn Duplex>) -> Self {
        Self {
            socket,
            frames: Frames::new(),
            out: BytesMut::new(),
            owed: 0,
            transaction: Transaction::None,
            cancel_key: CancelKey::default(),
        }
    }

    /// Appends a request that ends in one "ready" of the server. Sent by the next [`Self::flush`].
    ///
    /// # Errors
    /// Text with a NUL byte, or longer than the protocol's length field.
    pub(crate) fn request(&mut self, write: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> Result<(), WireError> {
        let before = self.out.len();
        if let Err(cause) = write(&mut self.out) {
            self.out.truncate(before);
            return Err(WireError::Unsendable(cause));
        }
        self.owed += 1;
        Ok(())
    }

    /// Appends statements of the simple protocol, without parameters.
    pub(crate) fn simple(&mut self, sql: &str) -> Result<(), WireError> {
        self.request(|out| frontend::query(sql, out))
    }

    /// Appends a message after which the server does not become ready by itself.
    fn append(&mut self, write: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> Result<(), WireError> {
        write(&mut self.out).map_err(WireError::Unsendable)
    }

    /// Sends what was appended.
    pub(crate) async fn flush(&mut self) -> Result<(), WireError> {
        self.socket.write_all_buf(&mut self.out).await?;
        self.socket.flush().await?;
        Ok(())
    }

    /// The next message that has arrived whole; none when [`Self::fill`] must wait for more.
    ///
    /// Notices, notifications and reported settings are passed over, "ready" is counted, and an error of the server is `Err`; after that
    /// the server still owes its "ready".
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'_>>, WireError> {
        loop {
            let Some((tag, range)) = self.frames.advance()? else { return Ok(None) };
            match tag {
                tag::NOTICE | tag::NOTIFICATION | tag::PARAMETER_STATUS => {}
                tag::ERROR => return Err(ServerError::parse(self.frames.body(range)).into()),
                tag::READY => {
                    self.owed = self.owed.saturating_sub(1);
                    self.transaction = match self.frames.body(range) {
                        b"I" => Transaction::None,
                        b"T" => Transaction::Open,
                        _ => Transaction::Failed,
                    };
                    return Ok(Some(Frame { tag, body: &[] }));
                }
                _ => return Ok(Some(Frame { tag, body: self.frames.body(range) })),
            }
        }
    }

    /// Waits for the first bytes of an answer. A connection that died while idle is found out here.
    pub(crate) async fn await_answer(&mut self) -> Result<(), WireError> {
        self.fill().await?;
        match self.frames.peek()? {
            Some((tag::ERROR, body)) => {
                let error = WireError::from(ServerError::parse(body));
                if error.is_farewell() { Err(error) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Waits for more bytes. Safe to drop while waiting.
    pub(crate) async fn fill(&mut self) -> Result<(), WireError> {
        if self.frames.fill(&mut self.socket).await? { Ok(()) } else { Err(WireError::Closed) }
    }

    /// The next message, parsed; for everything but the rows of a scan. "Ready" is never among them: see
    /// [`Self::settle`].
    pub(crate) async fn message(&mut self) -> Result<Option<Message>, WireError> {
        loop {
            match self.next()? {
                Some(Frame { tag: tag::READY, .. }) => return Ok(None),
                Some(frame) => return frame.parse().map(Some),
                None => self.fill().await?,
            }
        }
    }

    /// Reads until the server owes nothing. The first error on the way is returned, after all was read.
    pub(crate) async fn settle(&mut self) -> Result<(), WireError> {
        let mut outcome = Ok(());
        while self.owed > 0 {
            match self.next() {
                Ok(Some(_)) => {}
                Ok(None) => self.fill().await?,
                Err(error @ WireError::Server(_)) => outcome = outcome.and(Err(error)),
                Err(error) => return Err(error),
            }
        }
        outcome
    }

    /// Whether nothing is under way and no transaction is open.
    pub(crate) fn is_idle(&self) -> bool {
        self.owed == 0 && self.transaction == Transaction::None && self.out.is_empty()
    }

    /// Whether the server may still be working for us.
    pub(crate) fn is_busy(&self) -> bool {
        self.owed > 0
    }

    /// Whether an idle connection is still open: neither closed nor with unexpected news (such as a shutdown).
    pub(crate) fn is_alive(&mut self) -> bool {
        let mut byte = [0];
        let mut waiting = ReadBuf::new(&mut byte);
        let polled = Pin::new(&mut self.socket).poll_read(&mut Context::from_waker(Waker::noop()), &mut waiting);
        self.frames.is_empty() && matches!(polled, Poll::Pending)
    }

    /// State of the transaction when the server last became ready.
    pub(crate) fn transaction(&self) -> Transaction {
        self.transaction
    }

    /// What cancels the statement under way.
    pub(crate) fn cancel_key(&self) -> CancelKey {
        self.cancel_key
    }

    /// Says good-bye, so that the server's log stays clean.
    pub(crate) async fn close(mut self) {
        frontend::terminate(&mut self.out);
        let _ = self.flush().await;
        let _ = self.socket.shutdown().await;
    }
}
