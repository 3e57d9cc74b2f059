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

/// Type of a column by its first values: integers, doubles (or decimals, where `decimal` says so), text or blobs; text
/// when they are mixed or there are none. Values further on that are otherwise are errors when they are read.
pub(crate) fn column_type(
    connection: &Connection,
    path: &Path,
    table: &str,
    column: &str,
    decimal: bool,
) -> Result<ColumnType> {
    let sql = format!("SELECT {} FROM main.{} LIMIT {SAMPLE_ROWS}", quote(column, '"'), quote(table, '"'));
    let kinds = look(connection, &sql).map_err(|cause| from_sqlite(path, cause))?;
    Ok(match kinds {
        Kinds { texts: false, blobs: false, inexact: false, scale, .. } if decimal => {
            ColumnType::Decimal { precision: 38, scale: scale.max(2) }
        }
        Kinds { texts: false, blobs: false, .. } if decimal => ColumnType::Double,
        Kinds { integers: true, reals: false, texts: false, blobs: false, .. } => ColumnType::Integer,
        Kinds { reals: true, texts: false, blobs: false, .. } => ColumnType::Double,
        Kinds { integers: false, reals: false, texts: false, blobs: true, .. } => ColumnType::Blob,
        _ => ColumnType::Text,
    })
}

fn look(connection: &Connection, sql: &str) -> rusqlite::Result<Kinds> {
    let mut kinds = Kinds::default();
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        match row.get_ref(0)? {
            ValueRef::Null => {}
            ValueRef::Integer(_) => kinds.integers = true,
            ValueRef::Real(real) => {
                kinds.reals = true;
                match needed_scale(real) {
                    Some(scale) => kinds.scale = kinds.scale.max(scale),
                    None => kinds.inexact = true,
                }
            }
            ValueRef::Text(_) => kinds.texts = true,
            ValueRef::Blob(_) => kinds.blobs = true,
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
