//! What a parallel read needs to know about tables, remembered from questions that were asked anyway.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_schema::DataType;
use junto_connector::{IndexInfo, Result, TableKind};
use junto_types::TableName;
use parking_lot::Mutex;

use crate::catalog::{self, Described};
use crate::pool::Pool;

/// How long it is taken for true. The engine's catalog lives as long.
const FRESH: Duration = Duration::from_mins(1);
/// When more tables are remembered, old ones are forgotten.
const MOST_TABLES: usize = 10_000;

/// A table, as far as reading it in parts goes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KnownTable {
    /// Estimated.
    pub(crate) rows: u64,
    /// One InnoDB table, whose snapshots hold and whose changes the server dates.
    pub(crate) is_plain_innodb: bool,
    /// Share of its pages that the server can keep in memory.
    pub(crate) cached: f64,
    /// The first column of each index, by the index's name, when ranges of it can be told apart by numbers.
    pub(crate) orders: HashMap<String, LeadingColumn>,
}

/// The index in whose order a table is stored.
pub(crate) const PRIMARY: &str = "PRIMARY";

/// The first column of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeadingColumn {
    pub(crate) name: String,
    pub(crate) is_date: bool,
    pub(crate) is_nullable: bool,
}

/// Tables seen not long ago.
#[derive(Debug, Default)]
pub(crate) struct KnownTables {
    by_name: Mutex<HashMap<TableName, (Instant, KnownTable)>>,
}

impl KnownTables {
    /// Remembers what the catalog said.
    pub(crate) fn remember(&self, described: &Described) -> KnownTable {
        let table = KnownTable::new(described);
        let mut by_name = self.by_name.lock();
        if by_name.len() >= MOST_TABLES {
            by_name.retain(|_, (since, _)| since.elapsed() < FRESH);
        }
        by_name.insert(described.info.name.clone(), (Instant::now(), table.clone()));
        table
    }

    /// The table of exactly this name; the server is asked when it was not seen lately.
    pub(crate) async fn table(&self, pool: &Arc<Pool>, name: &TableName) -> Result<KnownTable> {
        let known = self.by_name.lock().get(name).cloned();
        match known {
            Some((since, table)) if since.elapsed() < FRESH => Ok(table),
            _ => {
                let described = catalog::table(pool, name.schema.as_deref(), &name.table).await?;
                Ok(self.remember(&described))
            }
        }
    }
}

impl KnownTable {
    fn new(described: &Described) -> Self {
        let info = &described.info;
        let leading = |index: &IndexInfo| {
            let first = index.columns.first()?;
            let column = info.columns.iter().find(|column| column.name == *first)?;
            let is_date = column.source_type == "date";
            let found = LeadingColumn { name: first.clone(), is_date, is_nullable: column.nullable };
            (is_date || is_whole(&column.source_type, &column.data_type)).then(|| (index.name.clone(), found))
        };
        Self {
            rows: info.row_estimate.unwrap_or_default(),
            is_plain_innodb: info.kind == TableKind::Table && described.engine.eq_ignore_ascii_case("InnoDB"),
            cached: described.cached,
            orders: info.indexes.iter().filter_map(leading).collect(),
        }
    }
}

fn is_whole(source_type: &str, data_type: &DataType) -> bool {
    let name = source_type.split(['(', ' ']).next().unwrap_or_default();
    data_type.is_integer() && matches!(name, "tinyint" | "smallint" | "mediumint" | "int" | "bigint")
}
