//! DataFusion's and Arrow's errors about files, as the errors users meet.

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use junto_connector::Error;

/// An error while `what` (a file, or a table's folder) was read.
pub(crate) fn reading(what: &str, cause: &DataFusionError) -> Error {
    match cause.find_root() {
        DataFusionError::ArrowError(cause, _) => decoding(what, cause),
        DataFusionError::ParquetError(cause) => parquet(what, &cause.to_string()),
        DataFusionError::ObjectStore(cause) => {
            Error::ConnectionLost { reason: format!("{what} cannot be read: {cause}") }
        }
        DataFusionError::IoError(cause) => Error::ConnectionLost { reason: format!("{what} cannot be read: {cause}") },
        DataFusionError::ResourcesExhausted(text) => Error::Resource { what: text.clone() },
        DataFusionError::External(cause) => match cause.downcast_ref::<ArrowError>() {
            Some(cause) => decoding(what, cause),
            None => Error::internal(format!("{what}: {cause}")),
        },
        DataFusionError::Execution(text) => Error::statement(text.clone()),
        other => Error::internal(format!("{what}: {}", other.strip_backtrace())),
    }
}

/// An error of a statement that the user wrote.
pub(crate) fn statement(cause: &DataFusionError) -> Error {
    match cause.find_root() {
        DataFusionError::SQL(parser, _) => Error::statement(parser.to_string()),
        DataFusionError::Plan(text)
            if text.contains("not supported:") || text.contains("DDL") || text.contains("DML") =>
        {
            Error::ReadOnly { reason: text.clone() }
        }
        DataFusionError::Plan(text) | DataFusionError::NotImplemented(text) => Error::statement(text.clone()),
        DataFusionError::SchemaError(text, _) => Error::statement(text.to_string()),
        _ => reading("a file of the statement", cause),
    }
}

fn decoding(what: &str, cause: &ArrowError) -> Error {
    match cause {
        ArrowError::CsvError(text) | ArrowError::ParseError(text) => {
            let text = text.trim_start_matches("Parser error: ");
            Error::Decode {
                column: number_after(text, "for column ")
                    .map_or_else(|| "?".into(), |column| format!("#{}", column + 1)),
                row: number_after(text, "at line ").or_else(|| number_after(text, "for line ")),
                reason: format!("{} in {what}", shortened(text)),
                hint: Some("read it as another type: option `type.<table>.<column> = text`".into()),
            }
        }
        ArrowError::JsonError(text) => Error::Decode {
            column: quoted_after(text, "field ").unwrap_or_else(|| "?".into()),
            row: number_after(text, "line "),
            reason: format!("{} in {what}", shortened(text)),
            hint: Some("all values of one name must have one type; numbers and text cannot be mixed".into()),
        },
        ArrowError::CastError(text) => Error::Decode {
            column: "?".into(),
            row: None,
            reason: format!("{} in {what}", shortened(text)),
            hint: Some("read it as another type: option `type.<table>.<column> = text`".into()),
        },
        ArrowError::ParquetError(text) => parquet(what, text),
        ArrowError::ExternalError(cause) => match cause.downcast_ref::<DataFusionError>() {
            Some(cause) => reading(what, cause),
            None => Error::internal(format!("{what}: {cause}")),
        },
        other => Error::statement(other.to_string()),
    }
}

fn parquet(what: &str, text: &str) -> Error {
    Error::Decode {
        column: "?".into(),
        row: None,
        reason: format!("{} in {what}", shortened(text)),
        hint: Some("the file is damaged or not a Parquet file".into()),
    }
}

/// The number that stands after a phrase of a message.
fn number_after(text: &str, phrase: &str) -> Option<u64> {
    let rest = &text[text.find(phrase)? + phrase.len()..];
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

/// The name in quotes that stands after a phrase of a message.
fn quoted_after(text: &str, phrase: &str) -> Option<String> {
    let rest = text[text.find(phrase)? + phrase.len()..].strip_prefix('\'')?;
    Some(rest[..rest.find('\'')?].to_owned())
}

/// Without the whole row that CSV errors repeat.
fn shortened(text: &str) -> &str {
    let text = text.split(". Row data:").next().unwrap_or(text);
    text.char_indices().nth(300).map_or(text, |(at, _)| &text[..at])
}
