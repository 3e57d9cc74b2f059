use junto_types::{ErrorKind, Hint};

/// Result of anything a source does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The failures of a source that users meet. Connectors map driver errors onto these once, at their edge.
///
/// No variant carries a password or a URL with one. The engine adds the connection's alias.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option has a value it cannot have.
    #[error("option `{option}` {reason}")]
    InvalidOption { option: String, reason: String },
    /// An option that this driver does not have.
    #[error("unknown option `{option}`")]
    UnknownOption { option: String, nearest: Option<String> },
    /// The connection URL cannot be read.
    #[error("invalid connection URL: {reason}")]
    InvalidUrl { reason: String },
    /// Nothing answered at this address in time.
    #[error("cannot reach {host}: {reason}")]
    Unreachable { host: String, reason: String },
    /// The server refused the login.
    #[error("login refused for user `{user}`: {reason}")]
    LoginRefused { user: String, reason: String },
    /// TLS could not be agreed, or the certificate is not trusted.
    #[error("secure connection to {host} failed: {reason}")]
    Tls { host: String, reason: String },
    /// The server has no such database.
    #[error("database `{database}` does not exist")]
    DatabaseNotFound { database: String },
    /// A file or folder is missing.
    #[error("no such file: {path}")]
    FileNotFound { path: String },
    /// A file is not what the driver reads.
    #[error("{path} is not a {expected}")]
    WrongFileType { path: String, expected: &'static str },
    /// Somebody else holds the file or the table.
    #[error("locked: {reason}")]
    Locked { reason: String },
    /// No such table, view or collection.
    #[error("table `{table}` not found")]
    TableNotFound { table: String, nearest: Option<String> },
    /// No such schema.
    #[error("schema `{schema}` not found")]
    SchemaNotFound { schema: String, nearest: Option<String> },
    /// The catalog changed since the statement was planned: refresh and plan again.
    #[error("the structure of `{table}` changed: {reason}")]
    StaleCatalog { table: String, reason: String },
    /// The login may not do this.
    #[error("permission denied: {reason}")]
    PermissionDenied { reason: String },
    /// The statement would write and the session is read-only.
    #[error("the connection is read-only: {reason}")]
    ReadOnly { reason: String },
    /// The connection ended while it was needed.
    #[error("connection lost: {reason}")]
    ConnectionLost { reason: String },
    /// The server has no connection left for us.
    #[error("the server accepts no more connections: {reason}")]
    TooManyConnections { reason: String },
    /// The deadline passed.
    #[error("timed out after {milliseconds} ms")]
    TimedOut { milliseconds: u64 },
    /// The caller or an operator of the server stopped the statement.
    #[error("cancelled")]
    Cancelled,
    /// The source refused a statement: its own words, code and byte position in the statement sent.
    #[error("{message}")]
    Statement { message: String, code: Option<String>, position: Option<usize>, hint: Option<String> },
    /// A stored value cannot be read as the type that was promised.
    #[error("column `{column}`{}: {reason}", row.map(|row| format!(", row {row}")).unwrap_or_default())]
    Decode { column: String, row: Option<u64>, reason: String, hint: Option<Hint> },
    /// A number does not fit the planned type; the engine may plan once more with `wanted`.
    #[error("column `{column}` holds a number that does not fit {planned}")]
    TooWide { column: String, planned: String, wanted: Option<arrow_schema::DataType> },
    /// The source cannot do this.
    #[error("{what} is not supported by {driver}")]
    Unsupported { driver: &'static str, what: String },
    /// A library that is loaded at run time is missing.
    #[error("{library} not found")]
    LibraryMissing { library: &'static str, command: &'static str },
    /// A limit of Junto or of the machine.
    #[error("{what}")]
    Resource { what: String },
    /// The source broke its own protocol, or Junto has a defect.
    #[error("{what}")]
    Internal { what: String },
}

impl Error {
    /// A broken promise, ours or the server's.
    pub fn internal(what: impl Into<String>) -> Self {
        Error::Internal { what: what.into() }
    }

    /// The source refused a statement, with nothing but its message.
    pub fn statement(message: impl Into<String>) -> Self {
        Error::Statement { message: message.into(), code: None, position: None, hint: None }
    }

    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        use Error as E;
        match self {
            E::InvalidOption { .. } | E::UnknownOption { .. } | E::InvalidUrl { .. } | E::TableNotFound { .. } => {
                ErrorKind::User
            }
            E::SchemaNotFound { .. } | E::Unsupported { .. } | E::LibraryMissing { .. } | E::ReadOnly { .. } => {
                ErrorKind::User
            }
            E::TimedOut { .. } | E::Resource { .. } => ErrorKind::Resource,
            E::Cancelled => ErrorKind::Cancelled,
            E::Internal { .. } => ErrorKind::Internal,
            _ => ErrorKind::Source,
        }
    }

    /// Whether a read may be tried once more, before its first row, without asking anybody.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::ConnectionLost { .. } | Error::StaleCatalog { .. })
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<Hint> {
        use Error as E;
        Some(match self {
            E::UnknownOption { nearest: Some(nearest), .. } | E::SchemaNotFound { nearest: Some(nearest), .. } => {
                format!("did you mean `{nearest}`?").into()
            }
            E::TableNotFound { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?").into(),
            E::TableNotFound { .. } => "`junto schema @connection` lists the tables".into(),
            E::Unreachable { .. } => "check host and port, and that the server is running".into(),
            E::LoginRefused { .. } => "check user and password; `${env:NAME}` reads one from the environment".into(),
            E::Tls { .. } => "give the server's certificate authority, or choose another TLS mode".into(),
            E::PermissionDenied { .. } => "grant the login read access, or use another login".into(),
            E::ReadOnly { .. } => "`--allow-write` permits writes on connections that allow them".into(),
            E::ConnectionLost { .. } => "run the statement again; the server's log says why it closed".into(),
            E::TooManyConnections { .. } => "lower `max_connections` of the connection, or raise the server's".into(),
            E::TimedOut { .. } => "raise `--timeout`, or narrow the statement".into(),
            E::LibraryMissing { command, .. } => format!("`{command}` brings it").into(),
            E::Locked { .. } => "close the program that holds it, then try again".into(),
            E::TooWide { .. } => "read the column as text, decimal(p,s) or double with the connection's options".into(),
            E::Statement { hint: Some(hint), .. } => hint.clone().into(),
            E::Decode { hint: Some(hint), .. } => hint.clone(),
            _ => return None,
        })
    }
}
