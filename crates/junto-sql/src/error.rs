//! What can be wrong with a statement, and where.

use junto_types::{ErrorKind, Hint, LineColumn, Span};
use std::fmt;

/// Result of anything this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where in the user's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Bytes of the user's text.
    pub span: Span,
    /// The same start, as people count.
    pub at: LineColumn,
}

impl Place {
    /// The place of `span` in `text`.
    pub fn new(text: &str, span: Span) -> Self {
        Self { span, at: span.line_column(text) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.at.line, self.at.column)
    }
}

/// A connection that a statement names and nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownConnection {
    /// The name as it was written.
    pub name: String,
    /// The known alias most like it.
    pub nearest: Option<String>,
    /// Its first use.
    pub place: Place,
}

/// Everything that can be wrong with the text of a statement. The user has to act on each of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A quote or comment does not end; the place is its opening.
    #[error("unterminated {what} at {place}")]
    Unterminated { what: &'static str, place: Place },
    /// A reference ends in its dot, or goes on with something that is no name.
    #[error("`{reference}` lacks a name after the dot at {place}")]
    IncompleteReference { reference: String, place: Place },
    /// A reference with too few or too many names for where it stands.
    #[error("`{reference}` cannot name a {wanted} at {place}")]
    WrongParts { reference: String, wanted: &'static str, place: Place },
    /// A reference where neither a table nor a column can stand.
    #[error("`{reference}` stands where neither a table nor a column can stand at {place}")]
    MisplacedReference { reference: String, place: Place },
    /// The text is longer than the limit.
    #[error("the statement has {bytes} bytes, more than the limit of {limit}")]
    TooLong { bytes: usize, limit: usize },
    /// There is nothing but blanks and comments.
    #[error("the statement is empty")]
    Empty,
    /// A second statement follows.
    #[error("a second statement starts at {place}")]
    SeveralStatements { place: Place },
    /// The parser does not understand the text.
    #[error("{message} at {place}")]
    Syntax { message: String, place: Place, hint: Option<Hint> },
    /// Parentheses, subqueries or operators nest deeper than any of the following steps could follow.
    #[error("the statement nests too deeply")]
    TooDeep { place: Option<Place> },
    /// Connections that do not exist or are out of scope: all of them.
    #[error("{}", unknown_connections(unknown))]
    UnknownConnections { unknown: Vec<UnknownConnection> },
    /// A reference to every connection of a domain.
    #[error("`{reference}` at {place}: tables of all connections of a domain are not available yet")]
    FanOut { reference: String, place: Place },
    /// A table without a connection.
    #[error("no connection is named for table `{table}` at {place}")]
    NoConnection { table: String, candidates: Vec<String>, place: Place },
    /// A column name that no table in reach has.
    #[error("unknown column `{column}`{} at {place}", table.as_ref().map(|t| format!(" of `{t}`")).unwrap_or_default())]
    UnknownColumn { column: String, table: Option<String>, nearest: Option<String>, place: Place },
    /// A qualifier that names nothing in the FROM clause.
    #[error("no table `{table}` in the FROM clause for `{column}` at {place}")]
    UnknownTable { table: String, column: String, candidates: Vec<String>, place: Place },
    /// A name that fits several tables or columns.
    #[error("`{name}` is ambiguous at {place}: it may mean {}", candidates.join(" or "))]
    Ambiguous { name: String, candidates: Vec<String>, place: Place },
    /// The statement is understood, but cannot run over several connections.
    #[error("{what}{}", place.map(|place| format!(" at {place}")).unwrap_or_default())]
    Unsupported { what: String, place: Option<Place>, hint: Option<Hint> },
}

impl Error {
    /// Who has to act: the author of the statement.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::User
    }

    /// Where in the user's text, if at one place. Of several unknown connections, the first.
    pub fn span(&self) -> Option<Span> {
        use Error as E;
        match self {
            E::Unterminated { place, .. }
            | E::IncompleteReference { place, .. }
            | E::WrongParts { place, .. }
            | E::MisplacedReference { place, .. }
            | E::SeveralStatements { place }
            | E::Syntax { place, .. }
            | E::FanOut { place, .. }
            | E::NoConnection { place, .. }
            | E::UnknownColumn { place, .. }
            | E::UnknownTable { place, .. }
            | E::Ambiguous { place, .. } => Some(place.span),
            E::TooDeep { place } | E::Unsupported { place, .. } => place.map(|place| place.span),
            E::UnknownConnections { unknown } => unknown.first().map(|first| first.place.span),
            E::TooLong { .. } | E::Empty => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<Hint> {
        use Error as E;
        Some(match self {
            E::Unterminated { .. } => "close it; a quote inside is written twice".into(),
            E::IncompleteReference { .. } => {
                "write `@connection.table` without spaces, and other names in double quotes: `@conn.\"2024\"`".into()
            }
            E::WrongParts { wanted: "table", .. } => "write `@connection.table` or `@connection.schema.table`".into(),
            E::WrongParts { .. } => "write `@connection.table.column` or `@connection.schema.table.column`".into(),
            E::MisplacedReference { .. } => "use references as tables in FROM and JOIN, or as columns".into(),
            E::TooLong { .. } => "load long lists into a table and join it".into(),
            E::Empty => "write a statement, for example `SELECT * FROM @connection.table`".into(),
            E::SeveralStatements { .. } => "run the statements one by one".into(),
            E::Syntax { hint, .. } | E::Unsupported { hint, .. } => return hint.clone(),
            E::TooDeep { .. } => "use IN lists instead of nested conditions, or split the statement".into(),
            E::UnknownConnections { unknown } => return connection_hint(unknown),
            E::FanOut { .. } => "name each connection and combine them with UNION ALL".into(),
            E::NoConnection { table, candidates, .. } => connection_candidates(table, candidates),
            E::UnknownColumn { nearest, .. } => format!("did you mean `{}`?", nearest.as_ref()?).into(),
            E::UnknownTable { candidates, .. } if candidates.is_empty() => return None,
            E::UnknownTable { candidates, .. } => format!("tables here: {}", candidates.join(", ")).into(),
            E::Ambiguous { candidates, .. } => format!("write {}", candidates.join(" or ")).into(),
        })
    }
}

fn unknown_connections(unknown: &[UnknownConnection]) -> String {
    let named: Vec<String> = unknown.iter().map(|one| format!("`@{}` at {}", one.name, one.place)).collect();
    format!("unknown connection{} {}", if unknown.len() == 1 { "" } else { "s" }, named.join(", "))
}

fn connection_hint(unknown: &[UnknownConnection]) -> Option<Hint> {
    let suggestions: Vec<String> =
        unknown.iter().filter_map(|one| one.nearest.as_ref().map(|nearest| format!("`@{nearest}`"))).collect();
    Some(if suggestions.is_empty() {
        "`junto connections list` shows the connections in scope".into()
    } else {
        format!("did you mean {}?", suggestions.join(", ")).into()
    })
}

fn connection_candidates(table: &str, candidates: &[String]) -> Hint {
    match candidates {
        [] => format!("write `@connection.{table}`").into(),
        [one] => format!("write `@{one}.{table}`").into(),
        many => {
            let written: Vec<String> = many.iter().map(|alias| format!("`@{alias}.{table}`")).collect();
            format!("write {}", written.join(" or ")).into()
        }
    }
}
