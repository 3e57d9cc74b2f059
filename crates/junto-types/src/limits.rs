use std::time::Duration;

/// Bounds on one statement. Every field has a default; nothing is unbounded by accident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Rows of the *result*; `None` means all. Never applied to a source before a join.
    pub max_rows: Option<u64>,
    /// Wall time from the SQL text to the last row.
    pub timeout: Option<Duration>,
    /// Memory of joins, sorts, aggregates and scan buffers of one statement, in bytes, before they spill.
    pub memory_bytes: usize,
    /// Rows in one batch.
    pub batch_rows: usize,
    /// Length of the SQL text in bytes.
    pub max_statement_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_rows: None,
            timeout: Some(Duration::from_secs(30)),
            memory_bytes: 512 << 20,
            batch_rows: 8192,
            max_statement_bytes: 16 << 20,
        }
    }
}
