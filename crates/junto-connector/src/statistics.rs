//! What a source knows about sizes. Always estimates: they decide how a plan runs, never what it answers.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::expr::Literal;

/// Statistics of one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableStatistics {
    /// Estimated rows.
    pub rows: Option<u64>,
    /// Estimated size in the source, in bytes.
    pub size_bytes: Option<u64>,
    /// Share of the table that the source can keep in memory, 0 to 1; none when all of it, or nothing is known.
    pub cached: Option<f64>,
    /// By column name in the source's spelling; columns without statistics are absent.
    pub columns: Vec<ColumnStatistics>,
    /// When they were read.
    pub collected_at: SystemTime,
}

impl TableStatistics {
    /// Statistics that know only a number of rows.
    pub fn rows_only(rows: Option<u64>) -> Self {
        Self { rows, size_bytes: None, cached: None, columns: Vec::new(), collected_at: SystemTime::now() }
    }

    /// Statistics of a column.
    pub fn column(&self, name: &str) -> Option<&ColumnStatistics> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// Statistics of one column.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ColumnStatistics {
    pub name: String,
    /// Estimated distinct non-NULL values.
    pub distinct: Option<u64>,
    /// Share of NULLs, 0 to 1.
    pub null_fraction: Option<f64>,
    /// Average width of a value in bytes.
    pub average_bytes: Option<u32>,
    pub min: Option<Literal>,
    pub max: Option<Literal>,
    /// Most common values with their share of all rows, most common first.
    pub common: Vec<(Literal, f64)>,
    /// Bounds of buckets holding equal numbers of the remaining rows, ascending.
    pub histogram: Vec<Literal>,
}
