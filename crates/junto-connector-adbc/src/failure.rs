//! Errors of ADBC drivers, and of DuckDB in particular, as the errors users meet.

use adbc_core::error::{Error as AdbcError, Status};
use arrow::error::ArrowError;
use junto_connector::Error;

/// An error of any driver.
pub(crate) fn mapped(cause: AdbcError) -> Error {
    from_text(&cause.message, cause.status, None)
}

/// An error about a statement, whose text gives the position.
pub(crate) fn mapped_for(sql: &str, cause: AdbcError) -> Error {
    from_text(&cause.message, cause.status, Some(sql))
}

/// An error in the middle of a result: all that is left of it is text.
pub(crate) fn mapped_in_stream(sql: &str, cause: ArrowError) -> Error {
    match cause {
        ArrowError::CDataInterface(text) => from_text(&text, Status::Unknown, Some(sql)),
        other => Error::internal(other.to_string()),
    }
}

/// DuckDB's errors begin with their class (`Catalog Error: …`); for other drivers the status decides.
fn from_text(text: &str, status: Status, sql: Option<&str>) -> Error {
    let class = text.split_once(" Error: ").map_or("", |(class, _)| class);
    let first_line = text.lines().next().unwrap_or(text).trim().to_owned();
    match (class, status) {
        ("INTERRUPT", _) | (_, Status::Cancelled) => Error::Cancelled,
        ("Permission", _) | (_, Status::Unauthorized) => Error::PermissionDenied { reason: first_line },
        (_, Status::Unauthenticated) => Error::PermissionDenied { reason: first_line },
        ("Out of Memory", _) => Error::Resource { what: format!("{first_line}; raise the connection's memory_limit") },
        ("IO", _) if text.contains("Could not set lock") => Error::Locked { reason: first_line },
        _ if text.contains("read-only mode") => Error::ReadOnly { reason: first_line },
        (_, Status::Timeout) => Error::ConnectionLost { reason: first_line },
        _ => Error::Statement {
            message: message(text),
            code: (!class.is_empty() && class.len() < 32).then(|| format!("{class} Error")),
            position: sql.and_then(|sql| position(text, sql)),
            hint: None,
        },
    }
}

/// The error without the excerpt of the statement that DuckDB appends.
fn message(text: &str) -> String {
    let end = text.find("\n\nLINE ").unwrap_or(text.len());
    text[..end].trim().to_owned()
}

/// Byte that the caret under DuckDB's excerpt `LINE n: …` points at. None when the excerpt leaves out the line's start.
fn position(text: &str, sql: &str) -> Option<usize> {
    let excerpt = &text[text.find("\n\nLINE ")? + 2..];
    let mut lines = excerpt.lines();
    let (shown, pointer) = (lines.next()?, lines.next()?);
    let (label, content) = shown.split_once(": ")?;
    let number: usize = label.strip_prefix("LINE ")?.parse().ok()?;
    let column = pointer.find('^')?.checked_sub(label.len() + 2)?;
    if content.starts_with("...") {
        return None;
    }
    let start: usize = sql.split_inclusive('\n').take(number.checked_sub(1)?).map(str::len).sum();
    let in_line = content.char_indices().nth(column).map_or(content.len(), |(at, _)| at);
    Some(start + in_line).filter(|at| *at <= sql.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str, sql: &str) -> Error {
        from_text(text, Status::Internal, Some(sql))
    }

    #[test]
    fn statements_keep_their_message_class_and_place() {
        let text = "Catalog Error: Table with name nope does not exist!\n\nLINE 2: from nope\n             ^";
        let Error::Statement { message, code, position, .. } = error(text, "select 1\nfrom nope") else {
            panic!("a statement error");
        };
        assert_eq!(message, "Catalog Error: Table with name nope does not exist!");
        assert_eq!(code.as_deref(), Some("Catalog Error"));
        assert_eq!(position, Some(14));
    }

    #[test]
    fn classes_become_the_contracts_errors() {
        assert!(matches!(error("INTERRUPT Error: Interrupted!", ""), Error::Cancelled));
        assert!(matches!(
            error("Permission Error: file system operations are disabled", ""),
            Error::PermissionDenied { .. }
        ));
        let locked = "IO Error: Could not set lock on file \"x\": Conflicting lock is held";
        assert!(matches!(error(locked, ""), Error::Locked { .. }));
        let write = "Invalid Input Error: Cannot execute statement of type \"INSERT\" on database \"a\" which is attached in read-only mode!";
        assert!(matches!(error(write, ""), Error::ReadOnly { .. }));
    }
}
