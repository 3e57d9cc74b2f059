//! What a source holds: schemas, tables, columns, keys and indexes, in the source's own spelling.

use arrow_schema::DataType;
use junto_types::TableName;
use serde::{Deserialize, Serialize};

/// One schema (database, folder) of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaInfo {
    /// Name in the source's spelling.
    pub name: String,
    /// Where `@alias.table` looks.
    pub is_default: bool,
    /// Comment stored in the source.
    pub comment: Option<String>,
}

/// What kind of thing a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    Table,
    View,
    MaterializedView,
    PartitionedTable,
    /// A leaf of a partitioned table; hidden from listings unless asked for by name.
    Partition,
    ForeignTable,
    File,
    Collection,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSummary {
    pub name: TableName,
    pub kind: TableKind,
    pub comment: Option<String>,
    /// The source's own estimate; never exact.
    pub row_estimate: Option<u64>,
}

/// A table in full. Columns are in the source's order and are exactly what a scan can ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableInfo {
    pub name: TableName,
    pub kind: TableKind,
    pub comment: Option<String>,
    pub columns: Vec<ColumnInfo>,
    /// Column names, in key order; empty when there is none.
    pub primary_key: Vec<String>,
    /// Other unique keys whose columns are all NOT NULL, primary key excluded.
    pub unique_keys: Vec<Vec<String>>,
    pub foreign_keys: Vec<ForeignKey>,
    pub indexes: Vec<IndexInfo>,
    /// Leaves of a partitioned table.
    pub partitions: Vec<TableName>,
    pub row_estimate: Option<u64>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnInfo {
    /// Name in the source's spelling.
    pub name: String,
    /// Type as the source spells it, for example `numeric(15,2)` or `tinyint(1)`.
    pub source_type: String,
    /// Arrow type of every batch a scan of this column delivers.
    pub data_type: DataType,
    /// `false` only where the source guarantees it.
    pub nullable: bool,
    /// How the source compares it, when it is text.
    pub text: TextSemantics,
    pub comment: Option<String>,
    /// Why `data_type` holds less than the source's type, for `junto schema`; none when nothing is lost.
    pub remark: Option<String>,
}

/// How a source compares a text column, against Junto's byte-wise comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextSemantics {
    /// Equality and order are those of the bytes (UTF-8), as in Junto. Also for columns that are not text.
    #[default]
    Binary,
    /// Equality is that of the bytes, order is not (a deterministic collation).
    BinaryEquality,
    /// Equality joins more values than bytes do (case-insensitive, padding).
    Loose,
    /// The values are only a rendering of another type (json, enum, mixed types): the source compares something else.
    Opaque,
}

impl TextSemantics {
    /// What holds for values that come from either of two columns.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if (self as u8) < (other as u8) { other } else { self }
    }
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    pub columns: Vec<String>,
    pub references: TableName,
    pub referenced_columns: Vec<String>,
}

/// An index that a keyed scan or a sort could use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexInfo {
    pub name: String,
    /// Columns in index order; an index on an expression lists only its leading plain columns.
    pub columns: Vec<String>,
    pub unique: bool,
}

impl TableInfo {
    /// Whether an index (or key) starts with exactly these columns, in any order.
    pub fn has_index_on(&self, columns: &[&str]) -> bool {
        let starts = |index: &[String]| {
            index.len() >= columns.len() && index[..columns.len()].iter().all(|name| columns.contains(&name.as_str()))
        };
        self.orders().any(starts)
    }

    /// Whether an index (or key) that begins with `first` has all of these columns, so that nothing else need be read.
    pub fn has_index_over(&self, first: &str, columns: &[&str]) -> bool {
        let covers = |index: &[String]| {
            let has = |name: &&str| index.iter().any(|of_index| of_index == name);
            index.first().is_some_and(|leading| leading == first) && columns.iter().all(has)
        };
        self.orders().any(covers)
    }

    /// The columns of each index and key.
    fn orders(&self) -> impl Iterator<Item = &[String]> {
        let keys = std::iter::once(&self.primary_key).chain(&self.unique_keys);
        keys.map(Vec::as_slice).chain(self.indexes.iter().map(|index| index.columns.as_slice()))
    }

    /// Whether no two rows share these columns (NULLs excluded by the key itself).
    pub fn is_unique_on(&self, columns: &[&str]) -> bool {
        let covered = |key: &[String]| !key.is_empty() && key.iter().all(|name| columns.contains(&name.as_str()));
        covered(&self.primary_key) || self.unique_keys.iter().any(|key| covered(key))
    }
}
