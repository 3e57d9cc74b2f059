//! Keys of a keyed scan as array parameters in PostgreSQL's binary form.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use junto_connector::plan::RelationColumn;
use junto_connector::{Error, Keys, Result};

use crate::decode::{EPOCH_DAYS, EPOCH_MICROS, numeric_bytes};
use crate::dialect::is_canonical_uuid;
use crate::types::{is_text, is_uuid};

/// Parameters of one keyed query.
#[derive(Debug)]
pub(crate) struct KeyParameters {
    /// Object ids of the array types.
    pub(crate) types: Vec<u32>,
    pub(crate) values: Vec<Vec<u8>>,
    /// Keys in each array.
    pub(crate) rows: usize,
}

/// The keys as one array per key column. Keys no row can have (text that is no canonical uuid, for a uuid column) are
/// left out.
///
/// # Errors
/// Types that [`crate::capabilities`] does not declare for keys.
pub(crate) fn parameters(keys: &Keys, columns: &[RelationColumn]) -> Result<KeyParameters> {
    let mut rows: Vec<usize> = (0..keys.values.num_rows()).collect();
    for (values, index) in keys.values.columns().iter().zip(&keys.columns) {
        let source_type = columns.get(*index).and_then(|column| column.source_type.as_deref());
        if is_text(values.data_type()) {
            let uuid = source_type.is_some_and(is_uuid);
            rows.retain(|row| {
                text(values, *row).is_some_and(|text| !text.contains('\0') && (!uuid || is_canonical_uuid(text)))
            });
        }
    }
    let mut parameters = KeyParameters { types: Vec::new(), values: Vec::new(), rows: rows.len() };
    for values in keys.values.columns() {
        let (array, element) = array_type(values.data_type())?;
        parameters.types.push(array);
        parameters.values.push(encode(values, &rows, element)?);
    }
    Ok(parameters)
}

/// Object ids of the array type and of its elements.
fn array_type(data_type: &DataType) -> Result<(u32, u32)> {
    Ok(match data_type {
        DataType::Boolean => (1000, 16),
        DataType::Int16 => (1005, 21),
        DataType::Int32 => (1007, 23),
        DataType::Int64 => (1016, 20),
        DataType::Float32 => (1021, 700),
        DataType::Float64 => (1022, 701),
        DataType::Decimal128(..) | DataType::Decimal256(..) => (1231, 1700),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => (1009, 25),
        DataType::Binary => (1001, 17),
        DataType::Date32 => (1182, 1082),
        DataType::Time64(TimeUnit::Microsecond) => (1183, 1083),
        DataType::Timestamp(TimeUnit::Microsecond, None) => (1115, 1114),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => (1185, 1184),
        other => return Err(Error::Unsupported { driver: crate::DRIVER, what: format!("keys of type {other}") }),
    })
}

fn encode(values: &ArrayRef, rows: &[usize], element: u32) -> Result<Vec<u8>> {
    let count = i32::try_from(rows.len()).map_err(|_| Error::internal("too many keys"))?;
    let mut bytes = Vec::with_capacity(20 + rows.len() * 12);
    let no_nulls = 0_i32;
    let lower_bound = 1_i32;
    for word in [1, no_nulls, element.cast_signed(), count, lower_bound] {
        bytes.extend(word.to_be_bytes());
    }
    for row in rows {
        let start = bytes.len();
        bytes.extend([0; 4]);
        append(values, *row, &mut bytes)?;
        let length = i32::try_from(bytes.len() - start - 4).map_err(|_| Error::internal("a key is too long"))?;
        bytes[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
    Ok(bytes)
}

fn append(values: &ArrayRef, row: usize, bytes: &mut Vec<u8>) -> Result<()> {
    use DataType as T;
    macro_rules! primitive {
        ($type:ty) => {
            values.as_primitive::<$type>().value(row)
        };
    }
    match values.data_type() {
        T::Boolean => bytes.push(u8::from(values.as_boolean().value(row))),
        T::Int16 => bytes.extend(primitive!(Int16Type).to_be_bytes()),
        T::Int32 => bytes.extend(primitive!(Int32Type).to_be_bytes()),
        T::Int64 => bytes.extend(primitive!(Int64Type).to_be_bytes()),
        T::Float32 => bytes.extend(primitive!(Float32Type).to_be_bytes()),
        T::Float64 => bytes.extend(primitive!(Float64Type).to_be_bytes()),
        T::Decimal128(_, scale) => bytes.extend(numeric_bytes(&primitive!(Decimal128Type).to_string(), *scale)),
        T::Decimal256(_, scale) => bytes.extend(numeric_bytes(&primitive!(Decimal256Type).to_string(), *scale)),
        T::Utf8 | T::LargeUtf8 | T::Utf8View => bytes.extend(text(values, row).unwrap_or_default().as_bytes()),
        T::Binary => bytes.extend(values.as_binary::<i32>().value(row)),
        T::Date32 => {
            let days = primitive!(Date32Type);
            let ours = if matches!(days, i32::MAX | i32::MIN) { days } else { days.saturating_sub(EPOCH_DAYS) };
            bytes.extend(ours.to_be_bytes());
        }
        T::Time64(_) => bytes.extend(primitive!(Time64MicrosecondType).to_be_bytes()),
        T::Timestamp(..) => {
            let micros = primitive!(TimestampMicrosecondType);
            let ours = if matches!(micros, i64::MAX | i64::MIN) { micros } else { micros.saturating_sub(EPOCH_MICROS) };
            bytes.extend(ours.to_be_bytes());
        }
        other => return Err(Error::internal(format!("keys of type {other}"))),
    }
    Ok(())
}

fn text(values: &ArrayRef, row: usize) -> Option<&str> {
    match values.data_type() {
        DataType::Utf8 => Some(values.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(values.as_string::<i64>().value(row)),
        DataType::Utf8View => Some(values.as_string_view().value(row)),
        _ => None,
    }
}
