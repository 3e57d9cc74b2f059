//! Types of columns whose declaration does not say enough, from their values.

use std::path::Path;

use junto_connector::Result;
use junto_connector_sql::decimal::parse;
use junto_connector_sql::standard::quote;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::declared::{ColumnType, Declared};
use crate::error::from_sqlite;

/// Values looked at.
const SAMPLE_ROWS: usize = 1_000;
/// Digits after the point that a bare DECIMAL has at most; reals with more are doubles by nature.
const BARE_SCALE: u8 = 10;

/// Which kinds of values a sample holds.
#[derive(Debug, Default)]
struct Kinds {
    integers: bool,
    reals: bool,
    texts: bool,
    blobs: bool,
    /// Most digits after the point.
    scale: u8,
    /// Some real needs more than [`BARE_SCALE`].
    inexact: bool,
}

/// Types of columns by their first values: integers, doubles (decimals for those declared so without precision), text
/// or blobs; text when they are mixed or there are none. Values further on that are otherwise are errors when they are
/// read. One query for all columns: reading a view may be dear.
pub(crate) fn column_types(
    connection: &Connection,
    path: &Path,
    table: &str,
    columns: &[(String, Declared)],
) -> Result<Vec<(String, ColumnType)>> {
    let unclear = |declared: &Declared| matches!(declared, Declared::Nothing | Declared::BareDecimal);
    let columns: Vec<_> = columns.iter().filter(|(_, declared)| unclear(declared)).collect();
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let names = columns.iter().map(|(name, _)| quote(name, '"')).collect::<Vec<_>>().join(", ");
    let sql = format!("SELECT {names} FROM main.{} LIMIT {SAMPLE_ROWS}", quote(table, '"'));
    let seen = look(connection, &sql, columns.len()).map_err(|cause| from_sqlite(path, cause))?;
    let decided = columns.into_iter().zip(seen);
    Ok(decided.map(|((name, declared), kinds)| (name.clone(), kinds.column_type(*declared))).collect())
}

impl Kinds {
    fn add(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => {}
            ValueRef::Integer(_) => self.integers = true,
            ValueRef::Real(real) => {
                self.reals = true;
                match needed_scale(real) {
                    Some(scale) => self.scale = self.scale.max(scale),
                    None => self.inexact = true,
                }
            }
            ValueRef::Text(_) => self.texts = true,
            ValueRef::Blob(_) => self.blobs = true,
        }
    }

    fn column_type(&self, declared: Declared) -> ColumnType {
        let numbers = !self.texts && !self.blobs;
        match declared {
            Declared::BareDecimal if numbers && !self.inexact => {
                ColumnType::Decimal { precision: 38, scale: self.scale.max(2) }
            }
            Declared::BareDecimal if numbers => ColumnType::Double,
            _ if numbers && self.reals => ColumnType::Double,
            _ if numbers && self.integers => ColumnType::Integer,
            _ if self.blobs && !self.texts && !self.integers && !self.reals => ColumnType::Blob,
            _ => ColumnType::Text,
        }
    }
}

fn look(connection: &Connection, sql: &str, columns: usize) -> rusqlite::Result<Vec<Kinds>> {
    let mut kinds: Vec<Kinds> = (0..columns).map(|_| Kinds::default()).collect();
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for (at, kinds) in kinds.iter_mut().enumerate() {
            kinds.add(row.get_ref(at)?);
        }
    }
    Ok(kinds)
}

/// Digits after the point of the shortest text of a real, if they are few.
fn needed_scale(real: f64) -> Option<u8> {
    let text = format!("{real:e}");
    (0..=BARE_SCALE).find(|scale| parse::<i128>(&text, 38, *scale as i8).is_ok())
}

/// Columns that hold a value of another kind than declared. Reads the whole table, once for all columns.
pub(crate) fn violated_columns(
    connection: &Connection,
    path: &Path,
    table: &str,
    columns: &[(String, Declared)],
) -> Result<Vec<String>> {
    let tests: Vec<(&String, String)> = columns
        .iter()
        .filter_map(|(name, declared)| {
            let kinds = match declared {
                Declared::Type(ColumnType::Integer | ColumnType::Boolean) => "'integer'",
                Declared::Type(ColumnType::Double | ColumnType::Decimal { .. }) | Declared::BareDecimal => {
                    "'integer', 'real'"
                }
                Declared::Type(ColumnType::Blob) => "'blob'",
                Declared::Type(_) => "'text'",
                Declared::Nothing | Declared::Unknown => return None,
            };
            Some((name, format!("max(typeof({}) NOT IN ('null', {kinds}))", quote(name, '"'))))
        })
        .collect();
    if tests.is_empty() {
        return Ok(Vec::new());
    }
    let list = tests.iter().map(|(_, test)| test.as_str()).collect::<Vec<_>>().join(", ");
    let sql = format!("SELECT {list} FROM main.{}", quote(table, '"'));
    let violated = connection.query_row(&sql, [], |row| {
        let mut violated = Vec::new();
        for (at, (name, _)) in tests.iter().enumerate() {
            if row.get::<_, Option<i64>>(at)? == Some(1) {
                violated.push((*name).clone());
            }
        }
        Ok(violated)
    });
    violated.map_err(|cause| from_sqlite(path, cause))
}
