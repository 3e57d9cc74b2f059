//! Packets over a byte stream: framing, reassembly of large packets, sequence numbers, and the big read buffer.

use std::fmt;

use junto_connector::{Error, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::cursor::malformed;

/// A TCP, unix or TLS stream.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Transport for T {}

/// Payload of a packet that is continued in the next one.
const FULL_PACKET: usize = 0xFF_FFFF;
const HEADER: usize = 4;
/// One read from the socket takes at most this much.
const READ_BYTES: usize = 512 << 10;

/// Packets one after the other in the read buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PacketRun<'a> {
    /// The packets, what lies between them, and what has arrived after them.
    pub(crate) bytes: &'a [u8],
    /// Where their payloads are.
    pub(crate) packets: &'a [Span],
}

/// A place in the bytes of a [`PacketRun`], which never are as many as 4 GB: packets of several parts are put together
/// elsewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// Reads and writes packets. Packets are lent out of the read buffer, where they are decoded in place.
pub(crate) struct PacketIo {
    transport: Box<dyn Transport>,
    buffer: Vec<u8>,
    /// Unread bytes are `buffer[start..end]`.
    start: usize,
    end: usize,
    /// A packet of several parts, while its parts arrive and until the next packet is asked for.
    assembled: Vec<u8>,
    is_assembling: bool,
    /// Packets of the last run.
    spans: Vec<Span>,
    /// Number of the next packet in either direction.
    sequence: u8,
    /// Largest packet taken, all parts together.
    max_packet: usize,
    outgoing: Vec<u8>,
}

impl fmt::Debug for PacketIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketIo").field("unread", &(self.end - self.start)).finish_non_exhaustive()
    }
}

impl PacketIo {
    pub(crate) fn new(transport: Box<dyn Transport>, max_packet: usize) -> Self {
        Self {
            transport,
            buffer: vec![0; 16 << 10],
            start: 0,
            end: 0,
            assembled: Vec::new(),
            is_assembling: false,
            spans: Vec::new(),
            sequence: 0,
            max_packet,
            outgoing: Vec::new(),
        }
    }

    /// The bare stream, to put TLS around it.
    ///
    /// # Errors
    /// When the server sent bytes before TLS was agreed: they could have come from anybody.
    pub(crate) fn into_transport(self) -> Result<(Box<dyn Transport>, u8)> {
        if self.start != self.end {
            return Err(malformed("bytes before TLS was agreed"));
        }
        Ok((self.transport, self.sequence))
    }

    /// Goes on counting packets where another connection layer stopped.
    pub(crate) fn continue_sequence(&mut self, sequence: u8) {
        self.sequence = sequence;
    }

    /// Takes packets up to this size from now on.
    pub(crate) fn set_max_packet(&mut self, bytes: usize) {
        self.max_packet = bytes;
    }

    /// Gives back the memory that a large packet needed.
    pub(crate) fn release_memory(&mut self) {
        self.assembled = Vec::new();
        if self.start == self.end && self.buffer.len() > READ_BYTES {
            self.buffer = vec![0; READ_BYTES];
            self.start = 0;
            self.end = 0;
        }
    }

    /// Whether the socket is open and silent, as that of an idle connection must be. Never blocks.
    pub(crate) fn is_idle(&mut self) -> bool {
        let mut byte = [0; 1];
        let mut space = tokio::io::ReadBuf::new(&mut byte);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        self.start == self.end
            && std::pin::Pin::new(&mut self.transport).poll_read(&mut context, &mut space).is_pending()
    }

    /// Adds a command to what goes out with the next [`Self::flush`]. A command starts a new count of packets.
    pub(crate) fn command(&mut self, code: u8, body: &[u8]) {
        self.sequence = 0;
        let mut payload = Vec::with_capacity(body.len() + 1);
        payload.push(code);
        payload.extend_from_slice(body);
        self.packet(&payload);
    }

    /// Adds a packet to what goes out with the next [`Self::flush`].
    pub(crate) fn packet(&mut self, payload: &[u8]) {
        let mut rest = payload;
        loop {
            let (part, after) = rest.split_at(rest.len().min(FULL_PACKET));
            let [a, b, c, _] = (part.len() as u32).to_le_bytes();
            self.outgoing.extend_from_slice(&[a, b, c, self.sequence]);
            self.outgoing.extend_from_slice(part);
            self.sequence = self.sequence.wrapping_add(1);
            rest = after;
            if part.len() < FULL_PACKET {
                return;
            }
        }
    }

    /// Sends what was added.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        let outgoing = std::mem::take(&mut self.outgoing);
        self.transport.write_all(&outgoing).await.map_err(lost)?;
        self.transport.flush().await.map_err(lost)
    }

    /// The next packet, waiting for it.
    pub(crate) async fn read(&mut self) -> Result<&[u8]> {
        while !self.has_packet()? {
            self.fill().await?;
        }
        self.take_packet()
    }

    /// The next packet when all of it has arrived. Call [`Self::fill`] when it has not.
    #[inline]
    pub(crate) fn read_buffered(&mut self) -> Result<Option<&[u8]>> {
        if self.has_packet()? { self.take_packet().map(Some) } else { Ok(None) }
    }

    /// Takes up to `limit` packets that begin with `mark` and have arrived whole, in the order of their arrival. Stops
    /// before any other packet, and before one of several parts.
    pub(crate) fn read_run(&mut self, mark: u8, limit: usize) -> Result<PacketRun<'_>> {
        let first = self.start;
        self.spans.clear();
        while self.spans.len() < limit && !self.is_assembling {
            let from = self.start + HEADER;
            match self.part_length()? {
                Some(length) if length < FULL_PACKET && self.buffer[from..from + length].first() == Some(&mark) => {
                    let span = Span { start: (from - first) as u32, end: (from + length - first) as u32 };
                    self.spans.push(span);
                    self.start = from + length;
                    self.sequence = self.sequence.wrapping_add(1);
                }
                _ => break,
            }
        }
        Ok(PacketRun { bytes: &self.buffer[first..self.end], packets: &self.spans })
    }

    /// Waits for more bytes.
    ///
    /// # Errors
    /// [`Error::ConnectionLost`] when the stream ends: no packet may be missing.
    pub(crate) async fn fill(&mut self) -> Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            // Small answers stay in the small first buffer; a scan reaches the large one at once.
            let larger = (self.buffer.len() * 2).max(READ_BYTES);
            self.buffer.resize(larger, 0);
        }
        let space = &mut self.buffer[self.end..];
        let limit = space.len().min(READ_BYTES);
        match self.transport.read(&mut space[..limit]).await.map_err(lost)? {
            0 => Err(Error::ConnectionLost { reason: "the server closed the connection".into() }),
            count => {
                self.end += count;
                Ok(())
            }
        }
    }

    /// Whether a whole packet is in the buffers. Moves the parts of a large packet into `assembled` as they come.
    #[inline]
    fn has_packet(&mut self) -> Result<bool> {
        loop {
            let Some(length) = self.part_length()? else { return Ok(false) };
            if length < FULL_PACKET {
                return Ok(true);
            }
            self.assemble_part(length);
        }
    }

    /// Payload length of the part at the front, when all of it is there.
    #[inline]
    fn part_length(&self) -> Result<Option<usize>> {
        let unread = &self.buffer[self.start..self.end];
        let Some(([a, b, c, sequence], payload)) = unread.split_first_chunk::<HEADER>() else { return Ok(None) };
        if *sequence != self.sequence {
            return Err(malformed("packets out of order"));
        }
        let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
        let collected = if self.is_assembling { self.assembled.len() } else { 0 };
        if collected + length > self.max_packet {
            return Err(too_large(self.max_packet));
        }
        Ok((payload.len() >= length).then_some(length))
    }

    #[cold]
    fn assemble_part(&mut self, length: usize) {
        if !self.is_assembling {
            self.assembled.clear();
            self.is_assembling = true;
        }
        let from = self.start + HEADER;
        self.assembled.extend_from_slice(&self.buffer[from..from + length]);
        self.start = from + length;
        self.sequence = self.sequence.wrapping_add(1);
    }

    #[inline]
    fn take_packet(&mut self) -> Result<&[u8]> {
        let length = self.part_length()?.ok_or_else(|| malformed("a packet ends too early"))?;
        if self.is_assembling {
            self.assemble_part(length);
            self.is_assembling = false;
            return Ok(&self.assembled);
        }
        let from = self.start + HEADER;
        self.start = from + length;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(&self.buffer[from..from + length])
    }
}

#[cold]
fn too_large(max_packet: usize) -> Error {
    Error::Resource { what: format!("a row is larger than {} MB; raise the option `max_row_mb`", max_packet >> 20) }
}

fn lost(cause: std::io::Error) -> Error {
    Error::ConnectionLost { reason: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(sequence: u8, payload: &[u8]) -> Vec<u8> {
        let [a, b, c, _] = (payload.len() as u32).to_le_bytes();
        [&[a, b, c, sequence], payload].concat()
    }

    async fn reading(bytes: Vec<u8>, max_packet: usize) -> Result<Vec<usize>> {
        let (client, mut server) = tokio::io::duplex(64 << 10);
        let writer = tokio::spawn(async move {
            let _ = server.write_all(&bytes).await;
        });
        let mut io = PacketIo::new(Box::new(client), max_packet);
        let mut lengths = Vec::new();
        let outcome = loop {
            match io.read().await {
                Ok(packet) => lengths.push(packet.len()),
                Err(Error::ConnectionLost { .. }) => break Ok(lengths),
                Err(error) => break Err(error),
            }
        };
        drop(io);
        writer.await.expect("the writer does not panic");
        outcome
    }

    #[tokio::test]
    async fn large_packets_are_put_together_up_to_the_cap() {
        let large = vec![7; FULL_PACKET];
        let bytes = [framed(0, b"a"), framed(1, &large), framed(2, b"bc"), framed(3, b""), framed(4, b"x")].concat();
        assert_eq!(reading(bytes.clone(), 64 << 20).await.expect("taken"), [1, FULL_PACKET + 2, 0, 1]);
        assert!(matches!(reading(bytes, 16 << 20).await, Err(Error::Resource { .. })));
    }

    #[tokio::test]
    async fn packets_out_of_order_are_refused() {
        assert!(matches!(reading(framed(3, b"a"), 1 << 20).await, Err(Error::Internal { .. })));
    }
}
