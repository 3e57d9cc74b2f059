//! Reads the fields of a packet from its front. Every length is checked: packets come from a server nobody trusts.

use junto_connector::{Error, Result};

/// The unread rest of a packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

/// The server broke its protocol.
#[cold]
pub(crate) fn malformed(what: &str) -> Error {
    Error::internal(format!("the server broke the protocol: {what}"))
}

#[cold]
fn too_short() -> Error {
    malformed("a packet ends too early")
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(packet: &'a [u8]) -> Self {
        Self { rest: packet }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Everything that is left.
    pub(crate) fn take_rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    #[inline]
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        self.try_take(length).ok_or_else(too_short)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.try_array().ok_or_else(too_short)
    }

    /// As [`Self::take`], in a form that stays in registers: an [`Error`] is large.
    #[inline]
    fn try_take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// As [`Self::array`], for the loops of a scan.
    #[inline]
    pub(crate) fn try_array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    /// How many bytes are left.
    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next bytes, which stay unread; none when there are less.
    #[inline]
    pub(crate) fn peek<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.rest.first_chunk()
    }

    /// Passes over bytes that were peeked at.
    #[inline]
    pub(crate) fn skip(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default();
    }

    /// As [`Self::bytes`], for the loops of a scan; none for NULL and for a broken packet.
    #[inline]
    pub(crate) fn try_bytes(&mut self) -> Option<&'a [u8]> {
        let (first, rest) = self.rest.split_first()?;
        if *first <= 0xFA {
            self.rest = rest;
            return self.try_take(usize::from(*first));
        }
        self.bytes().ok()
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A length-encoded integer; `None` is the marker of NULL (0xFB).
    #[inline]
    pub(crate) fn length(&mut self) -> Result<Option<u64>> {
        Ok(Some(match self.u8()? {
            short @ 0..=0xFA => u64::from(short),
            0xFB => return Ok(None),
            0xFC => u64::from(self.u16()?),
            0xFD => {
                let [a, b, c] = self.array()?;
                u64::from(u32::from_le_bytes([a, b, c, 0]))
            }
            0xFE => self.u64()?,
            0xFF => return Err(malformed("an impossible length")),
        }))
    }

    /// A length-encoded integer that cannot be NULL.
    pub(crate) fn integer(&mut self) -> Result<u64> {
        self.length()?.ok_or_else(|| malformed("NULL instead of a number"))
    }

    /// Length-encoded bytes; `None` is NULL.
    #[inline]
    pub(crate) fn bytes_or_null(&mut self) -> Result<Option<&'a [u8]>> {
        match self.length()? {
            None => Ok(None),
            Some(length) => {
                let length = usize::try_from(length).map_err(|_| malformed("an impossible length"))?;
                self.take(length).map(Some)
            }
        }
    }

    /// Length-encoded bytes that cannot be NULL.
    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        self.bytes_or_null()?.ok_or_else(|| malformed("NULL instead of a text"))
    }

    /// Bytes up to a NUL, which is passed over; all that is left when there is none.
    pub(crate) fn until_nul(&mut self) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| *byte == 0).unwrap_or(self.rest.len());
        let taken = &self.rest[..end];
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_of_length() {
        let packet = [5, 0xFC, 0x34, 0x12, 0xFD, 1, 0, 1, 0xFE, 1, 0, 0, 0, 0, 0, 0, 0, 0xFB, 0xFF];
        let mut cursor = Cursor::new(&packet);
        let mut next = || cursor.length();
        assert_eq!(next().expect("short"), Some(5));
        assert_eq!(next().expect("two bytes"), Some(0x1234));
        assert_eq!(next().expect("three bytes"), Some(0x10001));
        assert_eq!(next().expect("eight bytes"), Some(1));
        assert_eq!(next().expect("NULL"), None);
        assert!(next().is_err());
    }

    #[test]
    fn refuses_lengths_beyond_the_packet() {
        assert!(Cursor::new(&[4, b'a', b'b']).bytes().is_err());
        assert!(Cursor::new(&[0xFE, 255, 255, 255, 255, 255, 255, 255, 255]).bytes().is_err());
        assert_eq!(Cursor::new(b"ab").until_nul(), b"ab");
    }
}
