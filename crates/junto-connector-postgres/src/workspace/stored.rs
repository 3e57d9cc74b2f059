//! Which of PostgreSQL's types holds the values of an Arrow type.

use arrow::datatypes::{DataType, IntervalUnit, Schema, TimeUnit};
use junto_connector::{Result, TableInfo, TextSemantics};
use junto_connector_sql::temporary::{StoredType, describe};
use junto_types::TableName;

/// The schema by which a session calls its own temporary tables.
const SCHEMA: &str = "pg_temp";

/// Describes a temporary table.
///
/// # Errors
/// [`junto_connector::Error::Unsupported`] for lists and other types without a counterpart.
pub(crate) fn temporary_table(name: &str, schema: &Schema) -> Result<TableInfo> {
    describe(crate::DRIVER, TableName::new(SCHEMA, name), schema, stored)
}

/// Text has the database's own collation, so that a comparison with other columns needs no other one and can use their
/// indexes; such a collation is always deterministic. Unsigned integers are stored in the next wider signed type.
fn stored(data_type: &DataType) -> Option<StoredType> {
    use DataType as T;
    let name = match data_type {
        T::Boolean => "boolean",
        T::Int8 | T::UInt8 | T::Int16 => "smallint",
        T::UInt16 | T::Int32 => "integer",
        T::UInt32 | T::Int64 => "bigint",
        T::UInt64 => "numeric(20,0)",
        T::Float32 => "real",
        T::Float64 => "double precision",
        T::Decimal128(precision, scale @ 0..) | T::Decimal256(precision, scale @ 0..) => {
            return Some(StoredType::exact(format!("numeric({precision},{scale})"), data_type));
        }
        T::Utf8View => {
            let text = TextSemantics::BinaryEquality;
            return Some(StoredType { text, ..StoredType::exact("text", data_type) });
        }
        T::Binary => "bytea",
        T::Date32 => "date",
        T::Time64(TimeUnit::Microsecond) => "time without time zone",
        T::Timestamp(TimeUnit::Microsecond, None) => "timestamp without time zone",
        T::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamp with time zone",
        T::Interval(IntervalUnit::MonthDayNano) => "interval",
        _ => return None,
    };
    Some(StoredType::exact(name, data_type))
}
