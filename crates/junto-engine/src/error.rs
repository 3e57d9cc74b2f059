//! What can go wrong with a statement, and the one place where DataFusion's errors become ours.

use std::sync::Arc;

use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};
use junto_federation::SourceFailure;
use junto_types::{Alias, ErrorKind, Hint, Span};

/// Any failure of a statement. Positions are bytes of the statement's text.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text of the statement.
    #[error(transparent)]
    Statement(junto_sql::Error),
    /// A source failed; the cause says how.
    #[error("connection @{connection}: {source}")]
    Source { connection: Alias, source: Arc<junto_connector::Error>, span: Option<Span> },
    /// Several sources failed at once, before anything was read.
    #[error("{} connections failed: {}", failures.len(), failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Sources { failures: Vec<Error> },
    /// An option of a connection, before there is a connection.
    #[error("connection @{connection}: {source}")]
    Connection { connection: String, source: Arc<junto_connector::Error> },
    /// The alias cannot be one.
    #[error(transparent)]
    Alias(junto_types::InvalidAlias),
    /// Two connections with one alias.
    #[error("there is a connection @{0} already")]
    DuplicateAlias(Alias),
    /// A connection that is asked for by name.
    #[error("unknown connection `{name}`")]
    UnknownConnection { name: String, nearest: Option<String> },
    /// A statement without `@` and no way to tell where it goes.
    #[error("no connection is named")]
    NoConnection { known: Vec<Alias> },
    /// A setting forbids it.
    #[error("{what} (multiquery.{key})")]
    Refused { key: &'static str, what: String },
    /// The statement means nothing the engine can plan.
    #[error("{message}")]
    Plan { message: String, span: Option<Span>, hint: Option<Hint> },
    /// A value made the statement fail: overflow, division by zero, a text that is no number.
    #[error("{message}")]
    Value { message: String },
    /// Joins, sorts and aggregates need more memory than the statement may use.
    #[error("the statement needs more than its {limit_bytes} bytes of memory")]
    Memory { limit_bytes: usize, detail: String },
    /// The deadline passed.
    #[error("timed out after {milliseconds} ms")]
    TimedOut { milliseconds: u64 },
    /// A defect.
    #[error("internal error: {message}")]
    Internal { message: String },
}

impl Error {
    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Source { source, .. } | Error::Connection { source, .. } => source.kind(),
            Error::Sources { failures } => failures.first().map_or(ErrorKind::Source, Error::kind),
            Error::Memory { .. } | Error::TimedOut { .. } => ErrorKind::Resource,
            Error::Internal { .. } => ErrorKind::Internal,
            _ => ErrorKind::User,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            Error::Statement(error) => error.hint(),
            Error::Source { source, .. } | Error::Connection { source, .. } => source.hint(),
            Error::Sources { failures } => failures.iter().find_map(Error::hint),
            Error::UnknownConnection { nearest: Some(nearest), .. } => {
                Some(format!("did you mean `{nearest}`?").into())
            }
            Error::NoConnection { known } if known.is_empty() => {
                Some("name one with `-c alias=URL`, or write `@alias.table`".into())
            }
            Error::NoConnection { known } => {
                let known: Vec<String> = known.iter().map(|alias| format!("@{alias}")).collect();
                Some(format!("write `@alias.table`; connections: {}", known.join(", ")).into())
            }
            Error::Refused { key, .. } => Some(format!("`multiquery.{key}` in junto.toml permits it").into()),
            Error::Plan { hint, .. } => hint.clone(),
            Error::Memory { .. } => Some("raise `--memory-limit`, or filter before joining".into()),
            Error::TimedOut { .. } => Some("raise `--timeout`, or narrow the statement".into()),
            Error::Internal { .. } => Some("please report it with the statement".into()),
            _ => None,
        }
    }

    /// Where in the statement.
    pub fn span(&self) -> Option<Span> {
        match self {
            Error::Statement(error) => error.span(),
            Error::Source { span, .. } | Error::Plan { span, .. } => *span,
            Error::Sources { failures } => failures.iter().find_map(Error::span),
            _ => None,
        }
    }

    /// Alias of the connection that failed.
    pub fn connection(&self) -> Option<&str> {
        match self {
            Error::Source { connection, .. } => Some(connection.as_str()),
            Error::Connection { connection, .. } => Some(connection),
            Error::Sources { failures } => failures.first().and_then(Error::connection),
            _ => None,
        }
    }

    /// The failure of one source.
    pub(crate) fn source_failed(connection: &Alias, source: junto_connector::Error, span: Option<Span>) -> Self {
        Error::Source { connection: connection.clone(), source: Arc::new(source), span }
    }

    /// A DataFusion error, wherever it came from. `text` is the statement, for positions.
    pub(crate) fn from_datafusion(error: &DataFusionError, text: &str, memory_bytes: usize) -> Self {
        if let Some(failure) = SourceFailure::find(error) {
            let source = Arc::clone(&failure.error);
            return Error::Source { connection: failure.connection.clone(), source, span: None };
        }
        let span = error.diagnostic().and_then(|diagnostic| diagnostic.span).map(|span| bytes(text, &span));
        match error.find_root() {
            DataFusionError::ResourcesExhausted(detail) => {
                Error::Memory { limit_bytes: memory_bytes, detail: detail.clone() }
            }
            DataFusionError::ArrowError(arrow, _) => value_error(arrow),
            DataFusionError::SchemaError(schema, _) => {
                Error::Plan { message: schema_message(schema), span, hint: None }
            }
            DataFusionError::Plan(message) | DataFusionError::NotImplemented(message) => {
                let (message, hint) = match refused_subquery(message) {
                    Some((message, hint)) => (message.to_owned(), Some(hint.into())),
                    None => (tidy(message), None),
                };
                Error::Plan { message, span, hint }
            }
            DataFusionError::SQL(parser, _) => Error::Plan { message: parser.to_string(), span, hint: None },
            DataFusionError::Execution(message) => Error::Value { message: tidy(message) },
            other => Error::Internal { message: tidy(&other.to_string()) },
        }
    }
}

impl From<junto_sql::Error> for Error {
    fn from(error: junto_sql::Error) -> Self {
        Error::Statement(error)
    }
}

fn value_error(error: &ArrowError) -> Error {
    match error {
        ArrowError::DivideByZero => Error::Value { message: "division by zero".into() },
        ArrowError::ArithmeticOverflow(detail) => Error::Value { message: format!("number out of range: {detail}") },
        ArrowError::CastError(detail) | ArrowError::ParseError(detail) | ArrowError::ComputeError(detail) => {
            Error::Value { message: tidy(detail) }
        }
        ArrowError::InvalidArgumentError(detail) => Error::Value { message: tidy(detail) },
        other => Error::Internal { message: tidy(&other.to_string()) },
    }
}

fn schema_message(error: &SchemaError) -> String {
    match error {
        SchemaError::FieldNotFound { field, .. } => format!("unknown column `{}`", field.flat_name()),
        SchemaError::AmbiguousReference { field } => format!("column `{}` is ambiguous", field.flat_name()),
        other => tidy(&other.to_string()),
    }
}

/// What to say and to do about a subquery of which DataFusion can make no join.
fn refused_subquery(message: &str) -> Option<(&'static str, &'static str)> {
    let asks = ["ScalarSubquery", "Exists(", "InSubquery"].iter().any(|kind| message.contains(kind));
    if message.contains("Physical plan does not support logical expression") && asks {
        return Some(("a subquery looks outside in a way that cannot run as a join", "write a join"));
    }
    let places = ["Correlated scalar subquery can only be used in", "subquery can only be used in Projection"];
    places.iter().any(|place| message.contains(place)).then_some((
        "a subquery looks outside from where it cannot run as a join",
        "select it, and what it looks at, in a subquery of FROM and use its name",
    ))
}

/// DataFusion's message without its ornaments.
fn tidy(message: &str) -> String {
    let first = message.split("\n\nbacktrace:").next().unwrap_or(message).trim();
    let first = first.strip_prefix("Error during planning: ").unwrap_or(first);
    let mut chars = first.trim_end_matches('.').chars();
    match chars.next() {
        Some(initial) if chars.clone().next().is_some_and(char::is_lowercase) => {
            initial.to_lowercase().chain(chars).collect()
        }
        _ => first.to_owned(),
    }
}

/// The parser counts lines and characters from 1.
fn bytes(text: &str, span: &datafusion::common::Span) -> Span {
    let at = |line: u64, column: u64| {
        let mut lines = text.split_inclusive('\n');
        let start: usize = lines.by_ref().take(line.saturating_sub(1) as usize).map(str::len).sum();
        let rest = text.get(start..).unwrap_or_default();
        let skipped = rest.char_indices().nth(column.saturating_sub(1) as usize).map_or(rest.len(), |(at, _)| at);
        start + skipped
    };
    let start = at(span.start.line, span.start.column);
    Span::new(start, at(span.end.line, span.end.column).max(start))
}
