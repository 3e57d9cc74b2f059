//! Whose lexical rules a text follows: what quotes, what comments, what escapes.

/// The SQL family of a text. Federated statements are always [`Dialect::Federated`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Dialect {
    /// The language of statements with `@`: PostgreSQL's spelling.
    #[default]
    Federated,
    /// A native PostgreSQL statement.
    PostgreSql,
    /// A native MySQL or MariaDB statement with the default `sql_mode`.
    MySql,
    /// A native SQLite statement.
    Sqlite,
    /// A native DuckDB statement.
    DuckDb,
}

impl Dialect {
    /// A backslash escapes the next character in every string (MySQL manual, String Literals).
    pub(crate) fn backslash_escapes(self) -> bool {
        self == Dialect::MySql
    }

    /// `E'…'` is a string with backslash escapes (PostgreSQL manual, 4.1.2.2).
    pub(crate) fn escape_strings(self) -> bool {
        self.is_postgres_like()
    }

    /// `"…"` is a string, not an identifier.
    pub(crate) fn double_quoted_strings(self) -> bool {
        self == Dialect::MySql
    }

    /// `[…]` quotes an identifier.
    pub(crate) fn bracket_identifiers(self) -> bool {
        self == Dialect::Sqlite
    }

    /// `$tag$…$tag$` is a string.
    pub(crate) fn dollar_quotes(self) -> bool {
        self.is_postgres_like()
    }

    /// `/* /* */ */` is one comment.
    pub(crate) fn nested_comments(self) -> bool {
        self.is_postgres_like()
    }

    /// `#` starts a comment, and `--` only does when white space follows.
    pub(crate) fn mysql_comments(self) -> bool {
        self == Dialect::MySql
    }

    fn is_postgres_like(self) -> bool {
        matches!(self, Dialect::Federated | Dialect::PostgreSql | Dialect::DuckDb)
    }

    /// The parser's rules for this family.
    pub(crate) fn parser_rules(self) -> &'static dyn sqlparser::dialect::Dialect {
        match self {
            Dialect::Federated => &crate::federated::FederatedRules,
            Dialect::PostgreSql => &sqlparser::dialect::PostgreSqlDialect {},
            Dialect::MySql => &sqlparser::dialect::MySqlDialect {},
            Dialect::Sqlite => &sqlparser::dialect::SQLiteDialect {},
            Dialect::DuckDb => &sqlparser::dialect::DuckDbDialect {},
        }
    }
}
