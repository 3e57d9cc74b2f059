//! Failures of the wire and of the server, mapped onto the contract's errors once, here.

use std::io;

use junto_connector::Error;
use junto_types::nearest;

use crate::settings::Settings;

/// What can go wrong on a connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("the server refused the statement")]
    Server(Box<ServerError>),
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("the server closed the connection")]
    Closed,
    /// The request cannot be written in the protocol.
    #[error("the statement cannot be sent")]
    Unsendable(#[source] io::Error),
    #[error("the server sent {0}")]
    Protocol(&'static str),
    #[error("TLS failed: {0}")]
    Tls(String),
    #[error("login refused: {0}")]
    Refused(String),
    /// A COPY from or to the client, in a statement of the user's.
    #[error("COPY is not supported")]
    CopyRefused,
}

/// An error response.
#[derive(Debug, Default)]
pub(crate) struct ServerError {
    pub(crate) code: String,
    pub(crate) message: String,
    hint: Option<String>,
    detail: Option<String>,
    /// Character in the statement, from 1.
    position: Option<usize>,
}

/// SQLSTATE of a statement that was cancelled.
const CANCELLED: &str = "57014";

/// Longest text taken from a server's error, in bytes.
const LONGEST_MESSAGE: usize = 2_000;

impl ServerError {
    /// Reads the body of an error response; fields it does not know are left out.
    pub(crate) fn parse(body: &[u8]) -> Self {
        let mut error = Self::default();
        for field in body.split(|byte| *byte == 0) {
            let Some((tag, value)) = field.split_first() else { continue };
            let shown = value.get(..LONGEST_MESSAGE).unwrap_or(value);
            let text = String::from_utf8_lossy(shown).into_owned();
            match tag {
                b'C' => error.code = text,
                b'M' => error.message = text,
                b'D' => error.detail = Some(text),
                b'H' => error.hint = Some(text),
                b'P' => error.position = text.parse().ok(),
                _ => {}
            }
        }
        error
    }
}

impl From<ServerError> for WireError {
    fn from(error: ServerError) -> Self {
        WireError::Server(Box::new(error))
    }
}

/// Whose statement failed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// Made by the generator for these tables: a missing table or column means that the catalog is stale.
    Generated { tables: &'a str },
    /// The user's own, sent after this many bytes of ours.
    Native { sql: &'a str, prefix: usize },
    /// A catalog query of ours.
    Catalog,
}

impl WireError {
    /// Whether the connection is gone, so that a read which has not begun may be tried on another.
    pub(crate) fn is_farewell(&self) -> bool {
        match self {
            WireError::Server(error) => error.code.starts_with("57P"),
            WireError::Closed => true,
            WireError::Io(cause) => cause.kind() != io::ErrorKind::InvalidData,
            _ => false,
        }
    }

    /// Whether the server will not do this, and the connection is still good for something else. A statement that was
    /// cancelled is not refused.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, WireError::Server(error) if error.code != CANCELLED) && !self.is_farewell()
    }

    /// As a failure to connect.
    pub(crate) fn at_login(self, settings: &Settings) -> Error {
        let host = settings.host();
        match self {
            WireError::Server(error) => match error.code.as_str() {
                "28000" | "28P01" => Error::LoginRefused { user: settings.user.clone(), reason: error.message },
                "3D000" => Error::DatabaseNotFound { database: settings.database.clone() },
                "53300" | "53400" => Error::TooManyConnections { reason: error.message },
                "42501" => Error::PermissionDenied { reason: error.message },
                code if code.starts_with("57P") => Error::Unreachable { host, reason: error.message },
                _ => Error::Statement {
                    message: error.message,
                    code: Some(error.code),
                    position: None,
                    hint: error.hint,
                },
            },
            WireError::Refused(reason) => Error::LoginRefused { user: settings.user.clone(), reason },
            WireError::Tls(reason) => Error::Tls { host, reason },
            WireError::Io(cause) => Error::Unreachable { host, reason: cause.to_string() },
            WireError::Closed => Error::Unreachable { host, reason: "the server closed the connection".into() },
            WireError::Unsendable(cause) => {
                Error::InvalidOption { option: "user".into(), reason: format!("cannot be sent: {cause}") }
            }
            WireError::CopyRefused => Error::internal("a COPY during the login"),
            WireError::Protocol(what) => Error::Unreachable { host, reason: format!("not PostgreSQL: it sent {what}") },
        }
    }

    /// As a failure of a statement.
    pub(crate) fn of(self, origin: Origin<'_>) -> Error {
        match self {
            WireError::Server(error) => server_error(*error, origin),
            WireError::Io(cause) if cause.kind() == io::ErrorKind::InvalidData => Error::internal(cause.to_string()),
            WireError::Io(cause) => Error::ConnectionLost { reason: cause.to_string() },
            WireError::Closed => Error::ConnectionLost { reason: "the server closed it".into() },
            WireError::Unsendable(cause) => Error::statement(format!("the statement cannot be sent: {cause}")),
            WireError::Protocol(what) => Error::internal(format!("the server sent {what}")),
            WireError::Tls(reason) | WireError::Refused(reason) => Error::ConnectionLost { reason },
            WireError::CopyRefused => {
                Error::Unsupported { driver: crate::DRIVER, what: "COPY from or to the client".into() }
            }
        }
    }
}

fn server_error(error: ServerError, origin: Origin<'_>) -> Error {
    let reason = error.message.clone();
    match (error.code.as_str(), origin) {
        (CANCELLED, _) => Error::Cancelled,
        ("42P01" | "42703" | "3F000", Origin::Generated { tables }) => {
            Error::StaleCatalog { table: tables.into(), reason }
        }
        ("42501", _) => Error::PermissionDenied { reason },
        ("25006", _) => Error::ReadOnly { reason },
        ("53300", _) => Error::TooManyConnections { reason },
        ("55P03", _) => Error::Locked { reason },
        ("53100" | "53200" | "54000" | "54001" | "54011", Origin::Native { .. }) => {
            Error::Resource { what: format!("the server ran out of resources: {reason}") }
        }
        (code, _) if code.starts_with("57P") || code.starts_with("08") => Error::ConnectionLost { reason },
        _ => Error::Statement {
            position: statement_position(error.position, origin),
            message: match error.detail {
                Some(detail) => format!("{} ({detail})", error.message),
                None => error.message,
            },
            code: Some(error.code),
            hint: error.hint,
        },
    }
}

/// Byte position, from 0, in the user's own text.
fn statement_position(character: Option<usize>, origin: Origin<'_>) -> Option<usize> {
    let Origin::Native { sql, prefix } = origin else { return None };
    let at = character?.checked_sub(1 + prefix)?;
    Some(sql.char_indices().nth(at).map_or(sql.len(), |(byte, _)| byte))
}

/// The error for a name that is not there.
pub(crate) fn table_not_found<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Error {
    Error::TableNotFound { table: wanted.into(), nearest: nearest(wanted, names).map(Into::into) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_responses_survive_garbage() {
        for body in [&b""[..], b"\0\0", b"C", b"Cx", b"M\xff\xfe\0P9999999999999999999999\0"] {
            let _ = ServerError::parse(body);
        }
        let error = ServerError::parse(b"SERROR\0C42P01\0Mrelation \"x\" does not exist\0P15\0\0");
        assert_eq!((error.code.as_str(), error.position), ("42P01", Some(15)));
    }

    #[test]
    fn positions_are_bytes_of_the_users_text() {
        let origin = Origin::Native { sql: "select 'ä', x", prefix: 3 };
        assert_eq!(statement_position(Some(16), origin), Some(13));
        assert_eq!(statement_position(Some(2), origin), None);
    }
}
