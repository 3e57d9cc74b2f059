//! Values as the suite compares them: one Rust value per cell, whatever Arrow container it came in.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types as t;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, PrimitiveArray, RecordBatch, StringArray,
    StringViewArray,
};
use arrow_buffer::i256;
use arrow_schema::{DataType, TimeUnit};
use junto_connector::Literal;

/// One row.
pub type Row = Vec<Value>;

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    Int(i128),
    /// Value = unscaled / 10^scale.
    Decimal {
        unscaled: i256,
        scale: i8,
    },
    /// Also of single precision.
    Float(f64),
    Text(String),
    Binary(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 1970-01-01T00:00:00; UTC when the column is.
    Timestamp(i64),
    /// Anything else, as Arrow prints it.
    Other(String),
}

impl Value {
    /// A decimal written as text, for example `-12.50` at scale 2.
    pub fn decimal(text: &str, scale: i8) -> Self {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{fraction:0<width$}", width = scale.max(0) as usize);
        Value::Decimal { unscaled: i256::from_string(&digits).expect("digits of a decimal"), scale }
    }

    /// Whether it is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Order as Arrow's kernels have it (floats in IEEE total order, text and bytes bytewise); nothing with NULL or
    /// between classes that do not compare.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        Some(match (self, other) {
            (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
            (Value::Int(a), Value::Int(b)) => a.cmp(b),
            (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
            (Value::Text(a), Value::Text(b)) | (Value::Other(a), Value::Other(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Value::Binary(a), Value::Binary(b)) => a.cmp(b),
            (Value::Date(a), Value::Date(b)) => a.cmp(b),
            (Value::Time(a), Value::Time(b)) | (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
            (Value::Decimal { .. } | Value::Int(_), Value::Decimal { .. } | Value::Int(_)) => {
                let scale = self.scale().max(other.scale());
                self.unscaled_at(scale)?.cmp(&other.unscaled_at(scale)?)
            }
            _ => return None,
        })
    }

    fn scale(&self) -> i8 {
        match self {
            Value::Decimal { scale, .. } => *scale,
            _ => 0,
        }
    }

    /// The number in units of 10^-scale, when it is one and fits; digits that are lost are cut off.
    pub fn unscaled_at(&self, scale: i8) -> Option<i256> {
        let (unscaled, from) = match self {
            Value::Int(value) => (i256::from_i128(*value), 0),
            Value::Decimal { unscaled, scale } => (*unscaled, *scale),
            _ => return None,
        };
        let factor = power_of_ten(u32::from((scale - from).unsigned_abs()))?;
        if scale >= from { unscaled.checked_mul(factor) } else { unscaled.checked_div(factor) }
    }

    /// The value as a literal of a plan; nothing for NULL and what no literal can say.
    pub fn literal(&self, data_type: &DataType) -> Option<Literal> {
        let unsigned = matches!(data_type, DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64);
        Some(match self {
            Value::Boolean(value) => Literal::Boolean(*value),
            Value::Int(value) if unsigned => Literal::UInt(u64::try_from(*value).ok()?),
            Value::Int(value) => Literal::Int(i64::try_from(*value).ok()?),
            Value::Decimal { unscaled, scale } => {
                let digits = unscaled.to_string().trim_start_matches('-').len() as u8;
                let precision = digits.max(*scale as u8).max(1);
                Literal::Decimal { unscaled: unscaled.to_string(), precision, scale: *scale }
            }
            Value::Float(value) => Literal::Float(*value),
            Value::Text(text) => Literal::Text(text.clone()),
            Value::Binary(bytes) => Literal::Binary(bytes.clone()),
            Value::Date(days) => Literal::Date(*days),
            Value::Time(micros) => Literal::Time(*micros),
            Value::Timestamp(micros) => {
                Literal::Timestamp { micros: *micros, utc: matches!(data_type, DataType::Timestamp(_, Some(_))) }
            }
            Value::Null | Value::Other(_) => return None,
        })
    }

    /// The value of a literal.
    pub fn of_literal(literal: &Literal) -> Self {
        match literal {
            Literal::Null(_) => Value::Null,
            Literal::Boolean(value) => Value::Boolean(*value),
            Literal::Int(value) => Value::Int((*value).into()),
            Literal::UInt(value) => Value::Int((*value).into()),
            Literal::Decimal { unscaled, scale, .. } => {
                Value::Decimal { unscaled: i256::from_string(unscaled).expect("digits of a decimal"), scale: *scale }
            }
            Literal::Float(value) => Value::Float(*value),
            Literal::Text(text) => Value::Text(text.clone()),
            Literal::Binary(bytes) => Value::Binary(bytes.clone()),
            Literal::Date(days) => Value::Date(*days),
            Literal::Time(micros) => Value::Time(*micros),
            Literal::Timestamp { micros, .. } => Value::Timestamp(*micros),
            Literal::Interval { .. } => Value::Other(format!("{literal:?}")),
        }
    }

    /// Text that is equal for equal values only. `rounded` forgives the last digits of a float, for sums.
    pub fn key(&self, rounded: bool) -> String {
        match self {
            Value::Float(value) if value.is_nan() => "Float(NaN)".into(),
            Value::Float(value) if rounded => format!("Float({value:.11e})"),
            other => format!("{other:?}"),
        }
    }
}

/// 10^exponent.
pub(crate) fn power_of_ten(exponent: u32) -> Option<i256> {
    i256::from_i128(10).checked_pow(exponent)
}

/// Rows of batches.
pub fn rows_of(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        rows.extend(
            (0..batch.num_rows()).map(|row| batch.columns().iter().map(|c| value_at(c.as_ref(), row)).collect()),
        );
    }
    rows
}

/// One cell of an array.
pub fn value_at(array: &dyn Array, row: usize) -> Value {
    use DataType as T;
    if array.is_null(row) {
        return Value::Null;
    }
    macro_rules! primitive {
        ($type:ty) => {
            array.as_primitive::<$type>().value(row)
        };
    }
    match array.data_type() {
        T::Null => Value::Null,
        T::Boolean => Value::Boolean(array.as_boolean().value(row)),
        T::Int8 => Value::Int(primitive!(t::Int8Type).into()),
        T::Int16 => Value::Int(primitive!(t::Int16Type).into()),
        T::Int32 => Value::Int(primitive!(t::Int32Type).into()),
        T::Int64 => Value::Int(primitive!(t::Int64Type).into()),
        T::UInt8 => Value::Int(primitive!(t::UInt8Type).into()),
        T::UInt16 => Value::Int(primitive!(t::UInt16Type).into()),
        T::UInt32 => Value::Int(primitive!(t::UInt32Type).into()),
        T::UInt64 => Value::Int(primitive!(t::UInt64Type).into()),
        T::Float32 => Value::Float(primitive!(t::Float32Type).into()),
        T::Float64 => Value::Float(primitive!(t::Float64Type)),
        T::Decimal128(_, scale) => {
            Value::Decimal { unscaled: i256::from_i128(primitive!(t::Decimal128Type)), scale: *scale }
        }
        T::Decimal256(_, scale) => Value::Decimal { unscaled: primitive!(t::Decimal256Type), scale: *scale },
        T::Utf8 => Value::Text(array.as_string::<i32>().value(row).into()),
        T::LargeUtf8 => Value::Text(array.as_string::<i64>().value(row).into()),
        T::Utf8View => Value::Text(array.as_string_view().value(row).into()),
        T::Binary => Value::Binary(array.as_binary::<i32>().value(row).into()),
        T::LargeBinary => Value::Binary(array.as_binary::<i64>().value(row).into()),
        T::BinaryView => Value::Binary(array.as_binary_view().value(row).into()),
        T::FixedSizeBinary(_) => Value::Binary(array.as_fixed_size_binary().value(row).into()),
        T::Date32 => Value::Date(primitive!(t::Date32Type)),
        T::Time64(TimeUnit::Microsecond) => Value::Time(primitive!(t::Time64MicrosecondType)),
        T::Timestamp(TimeUnit::Second, _) => Value::Timestamp(primitive!(t::TimestampSecondType) * 1_000_000),
        T::Timestamp(TimeUnit::Millisecond, _) => Value::Timestamp(primitive!(t::TimestampMillisecondType) * 1_000),
        T::Timestamp(TimeUnit::Microsecond, _) => Value::Timestamp(primitive!(t::TimestampMicrosecondType)),
        _ => Value::Other(format!("{:?}", array.slice(row, 1))),
    }
}

/// An array of these values in a type; nothing where this suite cannot build one.
pub fn array_of(values: &[Value], data_type: &DataType) -> Option<ArrayRef> {
    use DataType as T;
    let whole = || values.iter().map(|value| if let Value::Int(value) = value { Some(*value) } else { None });
    macro_rules! integers {
        ($type:ty, $native:ty) => {
            Arc::new(PrimitiveArray::<$type>::from_iter(whole().map(|value| value.map(|value| value as $native))))
        };
    }
    let micros =
        || values.iter().map(|value| if let Value::Timestamp(at) | Value::Time(at) = value { Some(*at) } else { None });
    let texts = || values.iter().map(|value| if let Value::Text(text) = value { Some(text.as_str()) } else { None });
    let bytes = || values.iter().map(|value| if let Value::Binary(bytes) = value { Some(&bytes[..]) } else { None });
    let floats = || values.iter().map(|value| if let Value::Float(value) = value { Some(*value) } else { None });
    let unscaled = |scale: i8| values.iter().map(move |value| value.unscaled_at(scale));
    Some(match data_type {
        T::Boolean => Arc::new(BooleanArray::from_iter(
            values.iter().map(|value| if let Value::Boolean(value) = value { Some(*value) } else { None }),
        )),
        T::Int8 => integers!(t::Int8Type, i8),
        T::Int16 => integers!(t::Int16Type, i16),
        T::Int32 => integers!(t::Int32Type, i32),
        T::Int64 => integers!(t::Int64Type, i64),
        T::UInt8 => integers!(t::UInt8Type, u8),
        T::UInt16 => integers!(t::UInt16Type, u16),
        T::UInt32 => integers!(t::UInt32Type, u32),
        T::UInt64 => integers!(t::UInt64Type, u64),
        T::Float32 => Arc::new(PrimitiveArray::<t::Float32Type>::from_iter(floats().map(|v| v.map(|v| v as f32)))),
        T::Float64 => Arc::new(PrimitiveArray::<t::Float64Type>::from_iter(floats())),
        T::Decimal128(precision, scale) => Arc::new(
            PrimitiveArray::<t::Decimal128Type>::from_iter(unscaled(*scale).map(|v| v.and_then(i256::to_i128)))
                .with_precision_and_scale(*precision, *scale)
                .ok()?,
        ),
        T::Decimal256(precision, scale) => Arc::new(
            PrimitiveArray::<t::Decimal256Type>::from_iter(unscaled(*scale))
                .with_precision_and_scale(*precision, *scale)
                .ok()?,
        ),
        T::Utf8 => Arc::new(StringArray::from_iter(texts())),
        T::Utf8View => Arc::new(StringViewArray::from_iter(texts())),
        T::Binary => Arc::new(BinaryArray::from_iter(bytes())),
        T::BinaryView => Arc::new(BinaryViewArray::from_iter(bytes())),
        T::Date32 => Arc::new(PrimitiveArray::<t::Date32Type>::from_iter(
            values.iter().map(|value| if let Value::Date(days) = value { Some(*days) } else { None }),
        )),
        T::Time64(TimeUnit::Microsecond) => Arc::new(PrimitiveArray::<t::Time64MicrosecondType>::from_iter(micros())),
        T::Timestamp(TimeUnit::Microsecond, zone) => {
            Arc::new(PrimitiveArray::<t::TimestampMicrosecondType>::from_iter(micros()).with_timezone_opt(zone.clone()))
        }
        _ => return None,
    })
}
