//! SQLite's errors as those of the contract.

use std::path::Path;

use junto_connector::Error;
use rusqlite::ErrorCode;

/// Maps an error of SQLite met while working on `path`.
///
/// An interrupt is [`Error::Cancelled`] here; whoever knows of a deadline replaces it.
pub(crate) fn from_sqlite(path: &Path, error: rusqlite::Error) -> Error {
    let shown = path.display();
    let (code, extended, message) = match &error {
        rusqlite::Error::SqliteFailure(cause, message) => {
            let message = message.clone().unwrap_or_else(|| cause.to_string());
            (Some(cause.code), cause.extended_code, message)
        }
        rusqlite::Error::SqlInputError { error, msg, offset, .. } => {
            return statement_error(msg.clone(), error.extended_code, usize::try_from(*offset).ok());
        }
        rusqlite::Error::Utf8Error(column, _) | rusqlite::Error::FromSqlConversionFailure(column, ..) => {
            return Error::Decode {
                column: format!("number {}", column + 1),
                row: None,
                reason: "the text is not valid UTF-8".into(),
                hint: Some("read it with CAST(… AS BLOB)".into()),
            };
        }
        other => (None, 0, other.to_string()),
    };
    match code {
        Some(ErrorCode::OperationInterrupted) => Error::Cancelled,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            Error::Locked { reason: format!("{shown} is being written by another program ({message})") }
        }
        Some(ErrorCode::NotADatabase) => {
            Error::WrongFileType { path: shown.to_string(), expected: "SQLite database (or it is encrypted)" }
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Error::PermissionDenied { reason: format!("{shown} cannot be opened ({message})") }
        }
        Some(ErrorCode::ReadOnly) if extended == rusqlite::ffi::SQLITE_READONLY_ROLLBACK => Error::Locked {
            reason: format!("{shown} has the journal of a program that crashed; open it once with one that may write"),
        },
        Some(ErrorCode::ReadOnly) => {
            Error::ReadOnly { reason: format!("SQLite files are opened for reading only ({message})") }
        }
        Some(ErrorCode::AuthorizationForStatementDenied) if message.contains("function") => {
            Error::PermissionDenied { reason: message }
        }
        Some(ErrorCode::AuthorizationForStatementDenied) => {
            Error::ReadOnly { reason: "SQLite files are opened for reading only".into() }
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            Error::Statement { message, code: Some("SQLITE_CORRUPT".into()), position: None, hint: None }
        }
        Some(ErrorCode::OutOfMemory | ErrorCode::TooBig | ErrorCode::DiskFull) => {
            Error::Resource { what: format!("{shown}: {message}") }
        }
        _ => statement_error(message, extended, None),
    }
}

fn statement_error(message: String, extended: i32, position: Option<usize>) -> Error {
    if extended == rusqlite::ffi::SQLITE_AUTH {
        return Error::ReadOnly { reason: "SQLite files are opened for reading only".into() };
    }
    Error::Statement { message, code: Some(extended.to_string()), position, hint: None }
}

/// Whether the error says that a table or column of a generated statement is no longer there.
pub(crate) fn is_stale(error: &Error) -> bool {
    matches!(error, Error::Statement { message, .. }
        if message.starts_with("no such table") || message.starts_with("no such column"))
}
