//! Errors of the server in Junto's words. The only place that knows the servers' error numbers.
//!
//! Numbers: MariaDB documentation, "MariaDB Error Code Reference"; MySQL 8 manual, "Server Error Message Reference".

use std::time::Instant;

use junto_connector::{Error, StatementContext};

use crate::settings::Settings;
use crate::wire::{Failure, ServerError};

/// Whose statement failed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// Junto's own: a name that is missing means that the catalog is old.
    Generated { table: &'a str },
    /// The user's.
    Native,
}

/// A failed login.
pub(crate) fn login_error(error: ServerError, settings: &Settings) -> Error {
    let reason = error.message;
    match error.code {
        1040 | 1203 | 1226 => Error::TooManyConnections { reason },
        1049 => Error::DatabaseNotFound { database: settings.database.clone().unwrap_or_default() },
        1044 => Error::PermissionDenied { reason },
        1129 | 1130 => Error::Unreachable { host: settings.address.to_string(), reason },
        _ => Error::LoginRefused { user: settings.user.clone(), reason },
    }
}

/// A failed statement.
pub(crate) fn statement_error(failure: Failure, origin: Origin<'_>) -> Error {
    let ServerError { code, state, message } = match failure {
        Failure::Server(error) => error,
        Failure::Local(error) => return error,
    };
    match (code, origin) {
        // No such table, column, database or view content; a table that changed its form since a snapshot was taken.
        (1146 | 1054 | 1049 | 1051 | 1356 | 1412 | 1932, Origin::Generated { table }) => {
            Error::StaleCatalog { table: table.into(), reason: message }
        }
        (1044 | 1045 | 1142 | 1143 | 1227 | 1370, _) => Error::PermissionDenied { reason: message },
        (1792 | 1290 | 1836, _) => Error::ReadOnly { reason: message },
        (1040 | 1203 | 1226, _) => Error::TooManyConnections { reason: message },
        (1205 | 1213, _) => Error::Locked { reason: message },
        (1317, _) => Error::Cancelled,
        // The server's own limit of time: its length is not known here.
        (1969 | 3024, _) => Error::Statement {
            message,
            code: Some(code.to_string()),
            position: None,
            hint: Some("the server limits the time of statements; narrow the statement or raise its limit".into()),
        },
        (1053 | 1927, _) => Error::ConnectionLost { reason: message },
        _ => Error::Statement { message, code: Some(format!("{code} ({state})")), position: None, hint: None },
    }
}

/// The deadline of a statement passed.
pub(crate) fn timed_out(since: Instant) -> Error {
    Error::TimedOut { milliseconds: since.elapsed().as_millis() as u64 }
}

/// Runs `work` until the statement's deadline.
pub(crate) async fn before_deadline<T, E: From<Error>>(
    context: &StatementContext,
    since: Instant,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match context.deadline {
        None => work.await,
        Some(deadline) => match tokio::time::timeout_at(deadline.into(), work).await {
            Ok(done) => done,
            Err(_) => Err(timed_out(since).into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(code: u16, origin: Origin<'_>) -> Error {
        let error = ServerError { code, state: "HY000".into(), message: "words".into() };
        statement_error(Failure::Server(error), origin)
    }

    #[test]
    fn a_missing_table_is_stale_only_for_generated_statements() {
        assert!(matches!(mapped(1146, Origin::Generated { table: "t" }), Error::StaleCatalog { .. }));
        assert!(matches!(mapped(1146, Origin::Native), Error::Statement { .. }));
        assert!(matches!(mapped(1792, Origin::Native), Error::ReadOnly { .. }));
        assert!(matches!(mapped(1317, Origin::Native), Error::Cancelled));
    }
}
