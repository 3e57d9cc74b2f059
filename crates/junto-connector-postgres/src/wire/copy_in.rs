//! `COPY … FROM STDIN`: rows to the server.

use std::io;

use bytes::BufMut;
use futures::FutureExt;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::Session;
use crate::error::WireError;

/// Tag of a message with rows.
const COPY_DATA: u8 = b'd';
/// Longest message: its length, which counts itself, has 31 bits.
const LONGEST_MESSAGE: usize = i32::MAX as usize - 4;

impl Session {
    /// Sends the statement and waits until the server asks for rows.
    pub(crate) async fn begin_copy(&mut self, sql: &str) -> Result<(), WireError> {
        self.simple(sql)?;
        self.flush().await?;
        match self.message().await? {
            Some(Message::CopyInResponse(_)) => Ok(()),
            _ => Err(WireError::Protocol("no request for the rows of a COPY")),
        }
    }

    /// Sends rows, or parts of rows; waits while the server is slow.
    ///
    /// # Errors
    /// What the server says against earlier rows as soon as it has arrived.
    pub(crate) async fn copy_data(&mut self, rows: &[u8]) -> Result<(), WireError> {
        for rows in rows.chunks(LONGEST_MESSAGE) {
            self.append(|out| {
                out.put_u8(COPY_DATA);
                out.put_u32(rows.len() as u32 + 4);
                out.extend_from_slice(rows);
                io::Result::Ok(())
            })?;
            self.flush().await?;
        }
        while self.fill().now_or_never().transpose()?.is_some() {
            self.next()?;
        }
        Ok(())
    }

    /// Waits until the server breaks the COPY off or the connection ends, between rows. Safe to drop while waiting.
    pub(crate) async fn copy_broken_off(&mut self) -> WireError {
        loop {
            match self.next() {
                Err(error) => return error,
                Ok(Some(_)) => {}
                Ok(None) => {
                    if let Err(error) = self.fill().await {
                        return error;
                    }
                }
            }
        }
    }

    /// Says that all rows were sent; returns how many the server stored.
    pub(crate) async fn end_copy(&mut self) -> Result<u64, WireError> {
        self.append(|out| {
            frontend::copy_done(out);
            io::Result::Ok(())
        })?;
        self.flush().await?;
        let mut stored = None;
        while let Some(message) = self.message().await? {
            if let Message::CommandComplete(body) = message {
                stored = body.tag().ok().and_then(|tag| tag.strip_prefix("COPY ")?.parse().ok());
            }
        }
        stored.ok_or(WireError::Protocol("an end of a COPY without the number of rows"))
    }
}
