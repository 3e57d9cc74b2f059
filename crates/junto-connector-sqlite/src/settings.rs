//! Options of a SQLite connection.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use junto_connector::{Error, OptionKind, OptionSpec, Options, Result};

use crate::declared::ColumnType;

/// Every option, as documented to users.
pub(crate) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::new("path", OptionKind::Path, "The database file.").required(),
    OptionSpec::new(
        "type",
        OptionKind::Map,
        "How to read one column: `type.table.column = text | integer | double | boolean | decimal(p,s) | date | time | \
         timestamp | timestamptz | unixepoch | unixepoch_ms | julianday | blob`.",
    ),
    OptionSpec::new(
        "mixed",
        OptionKind::Choice(&["error", "text"]),
        "Columns that hold values of other types than declared: an error that names the row, or text (every table is \
         read once to find them).",
    )
    .with_default("error"),
    OptionSpec::new("busy_timeout", OptionKind::Duration, "How long to wait for a program that is writing.")
        .with_default("5s"),
    OptionSpec::new("connect_timeout", OptionKind::Duration, "How long opening the file may take.").with_default("10s"),
    OptionSpec::new(
        "immutable",
        OptionKind::Boolean,
        "Nothing writes to the file while it is open: skips all locking. Only for read-only media and private copies; \
         answers are wrong if it is not true.",
    )
    .with_default("false"),
];

/// The options, typed.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Absolute, so that SQLite cannot take it for a URI.
    pub(crate) path: PathBuf,
    /// By `table.column`, in lower case.
    pub(crate) types: BTreeMap<String, ColumnType>,
    pub(crate) mixed_as_text: bool,
    pub(crate) busy_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) immutable: bool,
}

impl Settings {
    /// # Errors
    /// [`Error::FileNotFound`], or [`Error::InvalidOption`] for a type that is not known.
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let given = options.text("path").unwrap_or_default();
        let path = std::fs::canonicalize(given).map_err(|cause| match cause.kind() {
            std::io::ErrorKind::NotFound => Error::FileNotFound { path: given.into() },
            _ => Error::PermissionDenied { reason: format!("{given}: {cause}") },
        })?;
        let mut types = BTreeMap::new();
        for (column, text) in options.entries("type") {
            let chosen = ColumnType::from_option(text).ok_or_else(|| Error::InvalidOption {
                option: format!("type.{column}"),
                reason: format!("has the unknown type `{text}`; known are {}", ColumnType::OPTION_NAMES),
            })?;
            types.insert(column.to_lowercase(), chosen);
        }
        Ok(Self {
            path,
            types,
            mixed_as_text: options.text("mixed") == Some("text"),
            busy_timeout: options.duration("busy_timeout").unwrap_or(Duration::from_secs(5)),
            connect_timeout: options.duration("connect_timeout").unwrap_or(Duration::from_secs(10)),
            immutable: options.is_on("immutable"),
        })
    }

    /// The type that an option gives a column.
    pub(crate) fn chosen_type(&self, table: &str, column: &str) -> Option<ColumnType> {
        self.types.get(&format!("{table}.{column}").to_lowercase()).copied()
    }
}
