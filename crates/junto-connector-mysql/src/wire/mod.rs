//! The wire protocol of MySQL and MariaDB, from the socket to packets of rows.
//!
//! Own code rather than a driver, because a scan is decoded in place from the read buffer. Start at [`connection`].

mod connection;
mod cursor;
mod login;
mod messages;
mod packet_io;
mod tls;

pub(crate) use connection::{Answer, Connection};
pub(crate) use cursor::{Cursor, malformed};
pub(crate) use messages::{BINARY_COLLATION, Failure, RowPacket, ServerError, WireColumn};
pub(crate) use packet_io::{PacketRun, Span};
pub(crate) use tls::TlsMode;
