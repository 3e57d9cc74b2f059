//! Cuts the bytes of the server into protocol messages, in place.

use std::io;
use std::ops::Range;

use bytes::{BufMut, BytesMut};
use postgres_protocol::message::backend::Message;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::error::WireError;

/// Bytes asked of the socket at once.
const READ_BYTES: usize = 128 << 10;
/// PostgreSQL sends no message longer than this; a longer one is an attack or garbage.
const LONGEST_FRAME: usize = 1 << 30;
/// A buffer that grew beyond this for one large value is given back.
const KEPT_BYTES: usize = 1 << 20;
/// Tag and length.
const HEADER: usize = 5;

/// One message: its tag and what follows the length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) tag: u8,
    pub(crate) body: &'a [u8],
}

impl Frame<'_> {
    /// The message in full, checked by `postgres-protocol`.
    pub(crate) fn parse(&self) -> Result<Message, WireError> {
        let mut bytes = BytesMut::with_capacity(HEADER + self.body.len());
        bytes.put_u8(self.tag);
        bytes.put_u32(self.body.len() as u32 + 4);
        bytes.extend_from_slice(self.body);
        Message::parse(&mut bytes)?.ok_or(WireError::Protocol("a message shorter than its length"))
    }
}

/// Bytes received and not yet looked at. Grows only as bytes really arrive, never on a length's word.
#[derive(Debug)]
pub(crate) struct Frames {
    data: Vec<u8>,
    start: usize,
    end: usize,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self { data: vec![0; READ_BYTES], start: 0, end: 0 }
    }

    /// Passes over the next whole message and says where its body lies; none when more bytes are needed.
    ///
    /// # Errors
    /// A length no server sends.
    pub(crate) fn advance(&mut self) -> io::Result<Option<(u8, Range<usize>)>> {
        let available = &self.data[self.start..self.end];
        let Some((header, rest)) = available.split_first_chunk::<HEADER>() else { return Ok(None) };
        let [tag, length @ ..] = *header;
        let length = u32::from_be_bytes(length) as usize;
        if !(4..=LONGEST_FRAME).contains(&length) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the server sent a message of {length} bytes"),
            ));
        }
        let Some(body) = rest.get(..length - 4) else { return Ok(None) };
        let body_start = self.start + HEADER;
        self.start = body_start + body.len();
        Ok(Some((tag, body_start..self.start)))
    }

    /// As [`Self::advance`], without passing over it.
    pub(crate) fn peek(&mut self) -> io::Result<Option<(u8, &[u8])>> {
        let start = self.start;
        let next = self.advance()?;
        self.start = start;
        Ok(next.map(|(tag, range)| (tag, self.body(range))))
    }

    /// The body of a message passed over since the last [`Self::fill`].
    pub(crate) fn body(&self, range: Range<usize>) -> &[u8] {
        self.data.get(range).unwrap_or_default()
    }

    /// Waits for more bytes; `false` when the server closed the connection. Safe to drop while waiting.
    pub(crate) async fn fill(&mut self, socket: &mut (impl AsyncRead + Unpin + ?Sized)) -> io::Result<bool> {
        self.make_room();
        let read = socket.read(&mut self.data[self.end..]).await?;
        self.end += read;
        Ok(read > 0)
    }

    /// Whether bytes wait that nobody has looked at.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn make_room(&mut self) {
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
            if self.data.len() > KEPT_BYTES {
                self.data = vec![0; READ_BYTES];
            }
            return;
        }
        if self.data.len() - self.end >= READ_BYTES / 2 {
            return;
        }
        self.data.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.data.len() - self.end < READ_BYTES / 2 {
            self.data.resize(self.data.len() * 2, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All bodies when the bytes arrive `step` at a time.
    async fn bodies(bytes: &[u8], step: usize) -> Vec<(u8, Vec<u8>)> {
        let mut frames = Frames::new();
        let mut found = Vec::new();
        for mut chunk in bytes.chunks(step) {
            while !chunk.is_empty() {
                assert!(frames.fill(&mut chunk).await.expect("slices can be read"));
                while let Some((tag, body)) = frames.advance().expect("valid lengths") {
                    found.push((tag, frames.body(body).to_vec()));
                }
            }
        }
        assert!(frames.is_empty());
        found
    }

    #[tokio::test]
    async fn messages_survive_any_cut_and_size() {
        let large = vec![7; 3 * READ_BYTES];
        let mut bytes = Vec::new();
        for body in [&b""[..], b"ab", &large, b"c"] {
            bytes.push(b'd');
            bytes.extend((body.len() as u32 + 4).to_be_bytes());
            bytes.extend(body);
        }
        for step in [1, 3, 1000, bytes.len()] {
            let found = bodies(&bytes, step).await;
            assert_eq!(found.iter().map(|(_, body)| body.len()).collect::<Vec<_>>(), [0, 2, large.len(), 1]);
        }
    }

    #[tokio::test]
    async fn impossible_lengths_are_errors() {
        for length in [0_u32, 3, u32::MAX] {
            let mut frames = Frames::new();
            let mut bytes = vec![b'd'];
            bytes.extend(length.to_be_bytes());
            frames.fill(&mut bytes.as_slice()).await.expect("slices can be read");
            assert!(frames.advance().is_err(), "{length}");
        }
    }
}
