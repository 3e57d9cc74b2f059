use std::fmt;

/// Stable identity of a connection; survives renames and reconnects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct ConnectionId(pub uuid::Uuid);

impl ConnectionId {
    /// A new random id.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4())
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What follows `@` in a statement. Keeps its spelling; two aliases are the same when they differ only in case.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Alias(String);

/// Why a text cannot be an alias.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAlias {
    /// The alias has no characters.
    #[error("an alias must not be empty")]
    Empty,
    /// A colon separates domain and connection in computed keys.
    #[error("alias `{0}` contains a colon")]
    Colon(String),
    /// A control character or a NUL.
    #[error("alias `{0}` contains a control character")]
    Control(String),
}

impl Alias {
    /// Checks and wraps `text`: not empty, no colon, no control characters.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidAlias> {
        let text = text.into();
        if text.is_empty() {
            return Err(InvalidAlias::Empty);
        }
        if text.contains(':') {
            return Err(InvalidAlias::Colon(text));
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidAlias::Control(text.escape_default().to_string()));
        }
        Ok(Self(text))
    }

    /// The alias as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` names this alias, ignoring case.
    pub fn matches(&self, text: &str) -> bool {
        self.0.to_lowercase() == text.to_lowercase()
    }
}

impl PartialEq for Alias {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Alias {}

impl std::hash::Hash for Alias {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_lowercase().hash(state);
    }
}

impl PartialOrd for Alias {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Alias {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.to_lowercase().cmp(&other.0.to_lowercase())
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Alias {
    type Error = InvalidAlias;
    fn try_from(text: String) -> Result<Self, InvalidAlias> {
        Self::new(text)
    }
}

impl From<Alias> for String {
    fn from(alias: Alias) -> Self {
        alias.0
    }
}

/// A table inside one source, in the source's own spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct TableName {
    /// `None` only for sources that have no schemas.
    pub schema: Option<String>,
    /// Name of the table, view or collection.
    pub table: String,
}

impl TableName {
    /// A table in a schema.
    pub fn new(schema: impl Into<String>, table: impl Into<String>) -> Self {
        Self { schema: Some(schema.into()), table: table.into() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.table),
            None => f.write_str(&self.table),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_ignore_case_and_refuse_colons() {
        let alias = Alias::new("Users_DB").expect("a valid alias");
        assert!(alias.matches("users_db"));
        assert_eq!(alias, Alias::new("USERS_db").expect("a valid alias"));
        assert_eq!(Alias::new("a:b"), Err(InvalidAlias::Colon("a:b".into())));
        assert_eq!(Alias::new(""), Err(InvalidAlias::Empty));
    }
}
