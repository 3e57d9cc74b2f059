//! The messages of the protocol: greeting, OK, ERR, end of rows, column definitions.
//!
//! Layouts: MariaDB documentation, "Clients & Utilities / Server Client Software / Client-Server Protocol".

use junto_connector::{Error, Result};
use mysql_common::constants::{CapabilityFlags, ColumnFlags, ColumnType, StatusFlags};

use super::cursor::{Cursor, malformed};

/// First packet of the server.
#[derive(Debug, Clone)]
pub(crate) struct Greeting {
    pub(crate) version: String,
    pub(crate) thread_id: u32,
    pub(crate) nonce: Vec<u8>,
    pub(crate) capabilities: CapabilityFlags,
    pub(crate) plugin: Vec<u8>,
}

/// An ERR packet. The message is data: shortened, never interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerError {
    pub(crate) code: u16,
    pub(crate) state: String,
    pub(crate) message: String,
}

/// An OK packet.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Done {
    pub(crate) affected: u64,
    pub(crate) status: StatusFlags,
}

/// A column of a result.
#[derive(Debug, Clone)]
pub(crate) struct WireColumn {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    pub(crate) flags: ColumnFlags,
    /// Collation number; 63 is binary.
    pub(crate) collation: u16,
    /// Display width.
    pub(crate) length: u32,
    pub(crate) decimals: u8,
}

/// What a packet within rows is.
#[derive(Debug)]
pub(crate) enum RowPacket<'a> {
    Row(&'a [u8]),
    /// Every row was delivered.
    End,
}

const MAX_MESSAGE: usize = 2048;
/// Collation number of bytes.
pub(crate) const BINARY_COLLATION: u16 = 63;

impl Greeting {
    pub(crate) fn parse(packet: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new(packet);
        if cursor.u8()? != 10 {
            return Err(malformed("not the greeting of a MySQL or MariaDB server"));
        }
        let version = text(cursor.until_nul());
        let thread_id = cursor.u32()?;
        let mut nonce = cursor.take(8)?.to_vec();
        cursor.u8()?;
        let low = cursor.u16()?;
        cursor.u8()?;
        cursor.u16()?;
        let high = cursor.u16()?;
        let nonce_length = usize::from(cursor.u8()?);
        cursor.take(10)?;
        nonce.extend_from_slice(cursor.take(nonce_length.saturating_sub(8).max(13))?);
        nonce.truncate(20);
        let capabilities = CapabilityFlags::from_bits_retain(u32::from(low) | u32::from(high) << 16);
        let plugin = cursor.until_nul().to_vec();
        Ok(Self { version, thread_id, nonce, capabilities, plugin })
    }
}

impl ServerError {
    /// Reads an ERR packet, without its first byte 0xFF. Greets may come without a state.
    pub(crate) fn parse(packet: &[u8]) -> Self {
        let mut cursor = Cursor::new(packet.get(1..).unwrap_or_default());
        let code = cursor.u16().unwrap_or_default();
        let rest = cursor.take_rest();
        let (state, message) = match rest.split_at_checked(6) {
            Some((state, message)) if state.starts_with(b"#") => (text(&state[1..]), message),
            _ => (String::new(), rest),
        };
        Self { code, state, message: text(&message[..message.len().min(MAX_MESSAGE)]) }
    }
}

impl Done {
    /// Reads an OK packet, or one that ends rows.
    pub(crate) fn parse(packet: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new(packet);
        cursor.u8()?;
        let affected = cursor.integer()?;
        cursor.integer()?;
        Ok(Self { affected, status: StatusFlags::from_bits_retain(cursor.u16()?) })
    }

    /// Refuses a second result: only one is ever asked for.
    pub(crate) fn check_last(self) -> Result<()> {
        if self.status.contains(StatusFlags::SERVER_MORE_RESULTS_EXISTS) {
            return Err(malformed("several results, which were not asked for"));
        }
        Ok(())
    }

    /// Reads the old EOF packet.
    fn parse_eof(packet: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new(packet);
        cursor.u8()?;
        cursor.u16()?;
        Ok(Self { affected: 0, status: StatusFlags::from_bits_retain(cursor.u16()?) })
    }
}

impl WireColumn {
    pub(crate) fn parse(packet: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new(packet);
        for _catalog_schema_table_original in 0..4 {
            cursor.bytes()?;
        }
        let name = text(cursor.bytes()?);
        cursor.bytes()?;
        cursor.u8()?;
        let collation = cursor.u16()?;
        let length = cursor.u32()?;
        let code = cursor.u8()?;
        let flags = ColumnFlags::from_bits_retain(cursor.u16()?);
        let decimals = cursor.u8()?;
        let column_type = ColumnType::try_from(code).unwrap_or(ColumnType::MYSQL_TYPE_UNKNOWN);
        Ok(Self { name, column_type, flags, collation, length, decimals })
    }

    pub(crate) fn is_unsigned(&self) -> bool {
        self.flags.contains(ColumnFlags::UNSIGNED_FLAG)
    }
}

impl<'a> RowPacket<'a> {
    /// Tells rows from the end of rows. `ends_with_ok` is the capability DEPRECATE_EOF.
    #[inline]
    pub(crate) fn parse(packet: &'a [u8], ends_with_ok: bool) -> Result<Self, Failure> {
        match packet.first() {
            Some(0xFE) if packet.len() < 9 && !ends_with_ok => {
                Done::parse_eof(packet)?.check_last()?;
                Ok(RowPacket::End)
            }
            // A text row may start with 0xFE too: the length of a value of 16 MB or more.
            Some(0xFE) if packet.len() < 0xFF_FFFF && ends_with_ok => {
                Done::parse(packet)?.check_last()?;
                Ok(RowPacket::End)
            }
            Some(0xFF) => Err(Failure::Server(ServerError::parse(packet))),
            Some(_) => Ok(RowPacket::Row(packet)),
            None => Err(Failure::Local(malformed("an empty row"))),
        }
    }
}

/// Why a command or its rows ended before their end.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server's words, still to be put into Junto's.
    Server(ServerError),
    /// Network, protocol or limit: already in Junto's words.
    Local(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Local(error)
    }
}

/// Text of the server in names and messages; what is not UTF-8 is shown as U+FFFD.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_an_error_with_and_without_state() {
        let with = ServerError::parse(b"\xFF\x15\x04#28000Access denied");
        assert_eq!((with.code, with.state.as_str(), with.message.as_str()), (1045, "28000", "Access denied"));
        let without = ServerError::parse(b"\xFF\x10\x04Too many connections");
        assert_eq!((without.code, without.state.as_str()), (1040, ""));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parsers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Greeting::parse(&bytes);
            let _ = ServerError::parse(&bytes);
            let _ = Done::parse(&bytes);
            let _ = WireColumn::parse(&bytes);
            let _ = RowPacket::parse(&bytes, true);
            let _ = RowPacket::parse(&bytes, false);
        }
    }
}
