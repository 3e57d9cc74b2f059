//! How SQLite holds the values of an Arrow type.

use arrow::datatypes::{DataType, Schema, TimeUnit};
use junto_connector::{Result, TableInfo, TextSemantics};
use junto_connector_sql::temporary::{StoredType, describe};
use junto_types::TableName;

use crate::capabilities::EXACT_DECIMAL_DIGITS;
use crate::connector::DRIVER;
use crate::declared::{CHOSEN, ColumnType};

/// The schema by which a connection calls its own temporary tables.
const SCHEMA: &str = "temp";

/// Describes a temporary table. `utf16` says that the file, and so all text, is in UTF-16.
///
/// # Errors
/// [`junto_connector::Error::Unsupported`] for unsigned numbers of 64 bits, intervals, lists and other types without a
/// place.
pub(crate) fn temporary_table(name: &str, schema: &Schema, utf16: bool) -> Result<TableInfo> {
    describe(DRIVER, TableName::new(SCHEMA, name), schema, |data_type| stored(data_type, utf16))
}

/// Types and semantics are those that a column of the file with this declaration would have. Decimals that a double does
/// not hold are text, which SQLite must not compare; floats are in columns that leave a number as it is.
fn stored(data_type: &DataType, utf16: bool) -> Option<StoredType> {
    use DataType as T;
    let opaque = |name: String| StoredType { text: TextSemantics::Opaque, ..StoredType::exact(name, data_type) };
    Some(match data_type {
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 => {
            StoredType::exact("INTEGER", data_type)
        }
        T::Float32 | T::Float64 => opaque(format!("BLOB{CHOSEN}double")),
        T::Decimal128(precision @ ..=EXACT_DECIMAL_DIGITS, scale @ 0..) => {
            StoredType::exact(format!("DECIMAL({precision},{scale})"), data_type)
        }
        T::Decimal128(precision, scale @ 0..) | T::Decimal256(precision, scale @ 0..) => {
            let column = ColumnType::Decimal { precision: *precision, scale: scale.unsigned_abs() };
            opaque(format!("TEXT{CHOSEN}{}", column.option_name()))
        }
        T::Utf8View => {
            let text = if utf16 { TextSemantics::BinaryEquality } else { TextSemantics::Binary };
            StoredType { text, ..StoredType::exact("TEXT", data_type) }
        }
        T::Binary => StoredType::exact("BLOB", data_type),
        T::Boolean => opaque("BOOLEAN".into()),
        T::Date32 => opaque("DATE".into()),
        T::Time64(TimeUnit::Microsecond) => opaque("TIME".into()),
        T::Timestamp(TimeUnit::Microsecond, None) => opaque("TIMESTAMP".into()),
        T::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => opaque("TIMESTAMPTZ".into()),
        _ => return None,
    })
}

/// The declaration of a column without the type chosen for reading it.
pub(super) fn declaration(source_type: &str) -> &str {
    source_type.split_once(CHOSEN).map_or(source_type, |(declared, _)| declared)
}
