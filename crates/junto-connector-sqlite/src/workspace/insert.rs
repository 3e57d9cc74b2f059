//! Arrow columns into a temporary table, value by value through one prepared statement. Blocks.
//!
//! A value that SQLite would store as another one is an error.

use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time64MicrosecondType, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
};
use junto_connector::{ColumnInfo, Result, TableInfo};
use junto_connector_sql::temporary::{create_table, no_such_value};
use junto_connector_sql::{Dialect, datetime, decimal};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql};

use super::stored::declaration;
use crate::connector::DRIVER;
use crate::dialect::SqliteDialect;
use crate::error::from_sqlite;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A table that is being filled, in one transaction.
pub(super) struct Insert {
    sql: String,
    name: String,
}

impl Insert {
    /// Makes the table.
    pub(super) fn begin(connection: &Connection, table: &TableInfo) -> rusqlite::Result<Self> {
        let declared = |column: &ColumnInfo| ColumnInfo {
            source_type: declaration(&column.source_type).to_owned(),
            ..column.clone()
        };
        let stored = TableInfo { columns: table.columns.iter().map(declared).collect(), ..table.clone() };
        connection.execute_batch("BEGIN")?;
        connection.execute_batch(&create_table(&SqliteDialect, &stored))?;
        let name = SqliteDialect.table(&table.name);
        let values = vec!["?"; table.columns.len()].join(", ");
        Ok(Self { sql: format!("INSERT INTO {name} VALUES ({values})"), name })
    }

    /// Inserts the rows of a batch.
    pub(super) fn rows(
        &self,
        connection: &Connection,
        path: &Path,
        table: &TableInfo,
        columns: &[ArrayRef],
        rows: usize,
    ) -> Result<()> {
        let mapped = |cause| from_sqlite(path, cause);
        let mut statement = connection.prepare_cached(&self.sql).map_err(mapped)?;
        for row in 0..rows {
            for (at, (array, column)) in columns.iter().zip(&table.columns).enumerate() {
                let bound = bound(array, row).map_err(|value| no_such_value(DRIVER, value, column))?;
                statement.raw_bind_parameter(at + 1, bound).map_err(mapped)?;
            }
            statement.raw_execute().map_err(mapped)?;
        }
        Ok(())
    }

    /// Ends the transaction; returns the rows that are in the table.
    pub(super) fn end(self, connection: &Connection) -> rusqlite::Result<u64> {
        connection.execute_batch("COMMIT")?;
        connection.flush_prepared_statement_cache();
        let sql = format!("SELECT count(*) FROM {}", self.name);
        connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map(|count| count as u64)
    }
}

/// A value to be bound: text and bytes where they are, everything else by itself.
struct Bound<'a>(ToSqlOutput<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match &self.0 {
            ToSqlOutput::Borrowed(value) => ToSqlOutput::Borrowed(*value),
            ToSqlOutput::Owned(value) => ToSqlOutput::Borrowed(ValueRef::from(value)),
            _ => return Err(rusqlite::Error::InvalidQuery),
        })
    }
}

/// The value of one row, or what SQLite does not have.
fn bound(array: &ArrayRef, row: usize) -> Result<Bound<'_>, &'static str> {
    use DataType as T;
    macro_rules! primitive {
        ($type:ty) => {
            array.as_primitive::<$type>().value(row)
        };
    }
    if array.is_null(row) {
        return Ok(Bound(ToSqlOutput::Borrowed(ValueRef::Null)));
    }
    let integer = |value: i64| Bound(ToSqlOutput::Borrowed(ValueRef::Integer(value)));
    let digits = |unscaled: String, scale| decimal::to_text(&unscaled, scale).map(owned).ok_or("this decimal");
    Ok(match array.data_type() {
        T::Boolean => integer(array.as_boolean().value(row).into()),
        T::Int8 => integer(primitive!(Int8Type).into()),
        T::Int16 => integer(primitive!(Int16Type).into()),
        T::Int32 => integer(primitive!(Int32Type).into()),
        T::Int64 => integer(primitive!(Int64Type)),
        T::UInt8 => integer(primitive!(UInt8Type).into()),
        T::UInt16 => integer(primitive!(UInt16Type).into()),
        T::UInt32 => integer(primitive!(UInt32Type).into()),
        T::Float32 => real(primitive!(Float32Type).into())?,
        T::Float64 => real(primitive!(Float64Type))?,
        T::Decimal128(_, scale) => digits(primitive!(Decimal128Type).to_string(), *scale)?,
        T::Decimal256(_, scale) => digits(primitive!(Decimal256Type).to_string(), *scale)?,
        T::Utf8View => {
            let text = array.as_string_view().value(row);
            Bound(ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())))
        }
        T::Binary => Bound(ToSqlOutput::Borrowed(ValueRef::Blob(array.as_binary::<i32>().value(row)))),
        T::Date32 => date(primitive!(Date32Type))?,
        T::Time64(_) => time(primitive!(Time64MicrosecondType))?,
        T::Timestamp(..) => timestamp(primitive!(TimestampMicrosecondType))?,
        _ => return Err("a value of this type"),
    })
}

fn owned<'a>(text: String) -> Bound<'a> {
    Bound(ToSqlOutput::Owned(Value::Text(text)))
}

/// SQLite takes NaN for NULL.
fn real<'a>(value: f64) -> Result<Bound<'a>, &'static str> {
    if value.is_nan() { Err("NaN") } else { Ok(Bound(ToSqlOutput::Borrowed(ValueRef::Real(value)))) }
}

/// Only what is read back as the same day.
fn date<'a>(days: i32) -> Result<Bound<'a>, &'static str> {
    let text = datetime::date_to_text(days);
    if datetime::parse_date(&text) == Some(days) { Ok(owned(text)) } else { Err("a date of such a year") }
}

fn time<'a>(micros: i64) -> Result<Bound<'a>, &'static str> {
    let is_in_day = (0..MICROS_PER_DAY).contains(&micros);
    if is_in_day { Ok(owned(datetime::time_to_text(micros))) } else { Err("a time outside the day") }
}

/// Only what is read back as the same instant.
fn timestamp<'a>(micros: i64) -> Result<Bound<'a>, &'static str> {
    let text = datetime::timestamp_to_text(micros);
    let read = datetime::parse_timestamp(&text).map(datetime::ParsedTimestamp::utc_micros);
    if read == Some(micros) { Ok(owned(text)) } else { Err("a timestamp of such a year") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_stored_as_something_else_is_refused() {
        assert!(real(f64::NAN).is_err() && real(f64::INFINITY).is_ok());
        assert!(date(0).is_ok() && time(-1).is_err() && time(MICROS_PER_DAY).is_err());
    }
}
