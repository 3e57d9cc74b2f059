//! Keys of a keyed scan, and how a cell of an Arrow array becomes a literal.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use junto_connector::{Error, Keys, Literal, Result};

/// What stands for the keys in the text.
#[derive(Debug, Clone, Copy)]
pub enum KeyValues<'a> {
    /// The keys themselves, printed as literals.
    Values(&'a Keys),
    /// Parameters `$1`, `$2` …, one array per key column.
    Parameters { columns: &'a [usize], nulls: bool },
    /// Only the place where they would stand, for EXPLAIN.
    Shape { columns: &'a [usize] },
}

impl<'a> KeyValues<'a> {
    /// Positions of the key columns among the plan's output columns.
    pub fn columns(&self) -> &'a [usize] {
        match self {
            KeyValues::Values(keys) => &keys.columns,
            KeyValues::Parameters { columns, .. } | KeyValues::Shape { columns } => columns,
        }
    }
}

/// The value of one cell; NULL when the cell is.
///
/// # Errors
/// For types that no literal exists for (nested types, intervals).
pub fn literal_at(array: &ArrayRef, row: usize) -> Result<Literal> {
    use DataType as T;
    if row >= array.len() {
        return Err(Error::internal(format!("row {row} of an array of {} values", array.len())));
    }
    if array.is_null(row) {
        return Ok(Literal::Null(array.data_type().clone()));
    }
    macro_rules! primitive {
        ($type:ty) => {
            array.as_primitive::<$type>().value(row)
        };
    }
    let timestamp = |micros: i64, utc: bool| Literal::Timestamp { micros, utc };
    let scaled = |value: i64, factor: i64| {
        value.checked_mul(factor).ok_or_else(|| Error::internal("a timestamp beyond the range of microseconds"))
    };
    Ok(match array.data_type() {
        T::Boolean => Literal::Boolean(array.as_boolean().value(row)),
        T::Int8 => Literal::Int(primitive!(Int8Type).into()),
        T::Int16 => Literal::Int(primitive!(Int16Type).into()),
        T::Int32 => Literal::Int(primitive!(Int32Type).into()),
        T::Int64 => Literal::Int(primitive!(Int64Type)),
        T::UInt8 => Literal::UInt(primitive!(UInt8Type).into()),
        T::UInt16 => Literal::UInt(primitive!(UInt16Type).into()),
        T::UInt32 => Literal::UInt(primitive!(UInt32Type).into()),
        T::UInt64 => Literal::UInt(primitive!(UInt64Type)),
        T::Float32 => Literal::Float(primitive!(Float32Type).into()),
        T::Float64 => Literal::Float(primitive!(Float64Type)),
        T::Decimal128(precision, scale) => {
            Literal::Decimal { unscaled: primitive!(Decimal128Type).to_string(), precision: *precision, scale: *scale }
        }
        T::Decimal256(precision, scale) => {
            Literal::Decimal { unscaled: primitive!(Decimal256Type).to_string(), precision: *precision, scale: *scale }
        }
        T::Utf8 => Literal::Text(array.as_string::<i32>().value(row).into()),
        T::LargeUtf8 => Literal::Text(array.as_string::<i64>().value(row).into()),
        T::Utf8View => Literal::Text(array.as_string_view().value(row).into()),
        T::Binary => Literal::Binary(array.as_binary::<i32>().value(row).into()),
        T::LargeBinary => Literal::Binary(array.as_binary::<i64>().value(row).into()),
        T::BinaryView => Literal::Binary(array.as_binary_view().value(row).into()),
        T::FixedSizeBinary(_) => Literal::Binary(array.as_fixed_size_binary().value(row).into()),
        T::Date32 => Literal::Date(primitive!(Date32Type)),
        T::Time64(TimeUnit::Microsecond) => Literal::Time(primitive!(Time64MicrosecondType)),
        T::Timestamp(TimeUnit::Microsecond, zone) => timestamp(primitive!(TimestampMicrosecondType), zone.is_some()),
        T::Timestamp(TimeUnit::Millisecond, zone) => {
            timestamp(scaled(primitive!(TimestampMillisecondType), 1_000)?, zone.is_some())
        }
        T::Timestamp(TimeUnit::Second, zone) => {
            timestamp(scaled(primitive!(TimestampSecondType), 1_000_000)?, zone.is_some())
        }
        other => return Err(Error::internal(format!("keys of type {other}"))),
    })
}
