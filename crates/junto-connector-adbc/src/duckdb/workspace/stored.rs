//! Which of DuckDB's types holds the values of an Arrow type, and which values it does not have.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Field, IntervalMonthDayNanoType, IntervalUnit, Schema, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampNanosecondType,
};
use junto_connector::{ColumnInfo, Error, Result, TableInfo};
use junto_connector_sql::temporary::{StoredType, describe, no_such_value, stored_columns};
use junto_types::TableName;

use crate::duckdb::DRIVER;

/// Most digits of a decimal.
const MOST_DIGITS: u8 = 38;
const MICROS_PER_DAY: i64 = 86_400_000_000;
/// The first instant, 290309-12-22 BC; smaller numbers mean other things.
const FIRST_TIMESTAMP: i64 = -9_223_372_022_400_000_000;

/// Describes a temporary table. Its name has no schema: a connection looks among its own tables first.
///
/// # Errors
/// [`Error::Unsupported`] for wide decimals, lists and other types without a counterpart.
pub(in crate::duckdb) fn temporary_table(name: &str, schema: &Schema) -> Result<TableInfo> {
    describe(DRIVER, TableName { schema: None, table: name.into() }, schema, stored)
}

fn stored(data_type: &DataType) -> Option<StoredType> {
    use DataType as T;
    let name = match data_type {
        T::Boolean => "BOOLEAN",
        T::Int8 => "TINYINT",
        T::Int16 => "SMALLINT",
        T::Int32 => "INTEGER",
        T::Int64 => "BIGINT",
        T::UInt8 => "UTINYINT",
        T::UInt16 => "USMALLINT",
        T::UInt32 => "UINTEGER",
        T::UInt64 => "UBIGINT",
        T::Float32 => "FLOAT",
        T::Float64 => "DOUBLE",
        T::Decimal128(precision @ ..=MOST_DIGITS, scale @ 0..) => {
            return Some(StoredType::exact(format!("DECIMAL({precision},{scale})"), data_type));
        }
        T::Utf8View => "VARCHAR",
        T::Binary => "BLOB",
        T::Date32 => "DATE",
        T::Time64(TimeUnit::Microsecond) => "TIME",
        T::Timestamp(TimeUnit::Microsecond, None) => "TIMESTAMP",
        T::Timestamp(TimeUnit::Nanosecond, None) => "TIMESTAMP_NS",
        T::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => "TIMESTAMP WITH TIME ZONE",
        T::Interval(IntervalUnit::MonthDayNano) => "INTERVAL",
        _ => return None,
    };
    Some(StoredType::exact(name, data_type))
}

/// The batch as the table stores it.
///
/// # Errors
/// [`Error::Unsupported`] for a value that DuckDB's type does not have, or takes for another.
pub(super) fn checked(table: &TableInfo, batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = stored_columns(table, batch)?;
    for (array, column) in columns.iter().zip(&table.columns) {
        if let Some(value) = foreign(array) {
            return Err(no_such_value(DRIVER, value, column));
        }
    }
    let field = |column: &ColumnInfo| Field::new(&column.name, column.data_type.clone(), true);
    let schema = Schema::new(table.columns.iter().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns).map_err(|cause| Error::internal(cause.to_string()))
}

/// A value that DuckDB has not or takes for an infinite one, if the array holds one.
fn foreign(array: &ArrayRef) -> Option<&'static str> {
    macro_rules! any {
        ($type:ty, $test:expr, $what:expr) => {
            array.as_primitive::<$type>().iter().flatten().any($test).then_some($what)
        };
    }
    match array.data_type() {
        DataType::Date32 => any!(Date32Type, |days| days == i32::MAX || days <= -i32::MAX, "a date beyond its range"),
        DataType::Time64(_) => {
            any!(Time64MicrosecondType, |micros| !(0..MICROS_PER_DAY).contains(&micros), "a time outside the day")
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => any!(
            TimestampMicrosecondType,
            |micros| micros == i64::MAX || micros < FIRST_TIMESTAMP,
            "a timestamp beyond its range"
        ),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => any!(
            TimestampNanosecondType,
            |nanos| nanos == i64::MAX || nanos < FIRST_TIMESTAMP,
            "a timestamp beyond its range"
        ),
        DataType::Interval(_) => {
            any!(IntervalMonthDayNanoType, |value| value.nanoseconds % 1_000 != 0, "an interval with nanoseconds")
        }
        _ => None,
    }
}
