//! Arrow columns as rows of a `COPY … FROM STDIN (FORMAT binary)`.
//!
//! A value that PostgreSQL's type does not have is an error, never another value. Every NaN becomes the one that
//! PostgreSQL knows, as when it is read.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use junto_connector::{ColumnInfo, Error, Result, TableInfo};
use junto_connector_sql::temporary::no_such_value;

use crate::decode::{EPOCH_DAYS, EPOCH_MICROS, numeric_bytes};

/// Signature, flags, and the length of an extension that is not there.
pub(super) const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Field count of the end.
pub(super) const TRAILER: [u8; 2] = [0xff, 0xff];

const NULL: [u8; 4] = (-1_i32).to_be_bytes();
const MICROS_PER_DAY: i64 = 86_400_000_000;
/// 24 November 4714 BC and the day after 31 December 5874897, counted from 2000-01-01 (src/include/datatype/timestamp.h).
const DATES: std::ops::Range<i32> = -2_451_545..2_145_031_949;
/// The first instant, counted in microseconds from 2000-01-01. The last is beyond Arrow's range.
const FIRST_TIMESTAMP: i64 = -211_813_488_000_000_000;

/// Appends the value of one row without its length, or says what the type does not have.
type Append<'a> = Box<dyn Fn(usize, &mut Vec<u8>) -> Result<(), &'static str> + Send + 'a>;

struct Column<'a> {
    info: &'a ColumnInfo,
    array: &'a ArrayRef,
    append: Append<'a>,
}

/// Rows of one batch that are still to be encoded.
pub(super) struct CopyRows<'a> {
    columns: Vec<Column<'a>>,
    next: usize,
    rows: usize,
}

impl<'a> CopyRows<'a> {
    /// # Errors
    /// [`Error::Internal`] for a type that `stored` does not have.
    pub(super) fn new(table: &'a TableInfo, columns: &'a [ArrayRef], rows: usize) -> Result<Self> {
        let column = |(info, array): (&'a ColumnInfo, &'a ArrayRef)| {
            let append = appender(array).ok_or_else(|| Error::internal(format!("{} is not stored", info.data_type)))?;
            Ok(Column { info, array, append })
        };
        let columns = table.columns.iter().zip(columns).map(column).collect::<Result<_>>()?;
        Ok(Self { columns, next: 0, rows })
    }

    /// Encodes rows until there are at least `most` bytes; `false` when all rows are encoded first.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a value that PostgreSQL's type does not have.
    pub(super) fn append(&mut self, out: &mut Vec<u8>, most: usize) -> Result<bool> {
        while self.next < self.rows {
            if out.len() >= most {
                return Ok(true);
            }
            self.row(self.next, out)?;
            self.next += 1;
        }
        Ok(false)
    }

    fn row(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        out.extend((self.columns.len() as u16).to_be_bytes());
        for column in &self.columns {
            if column.array.is_null(row) {
                out.extend(NULL);
                continue;
            }
            let start = out.len();
            out.extend([0; 4]);
            (column.append)(row, out).map_err(|value| no_such_value(crate::DRIVER, value, column.info))?;
            let length = i32::try_from(out.len() - start - 4)
                .map_err(|_| no_such_value(crate::DRIVER, "a value of more than 2 GB", column.info))?;
            out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }
}

/// The encoder of an array; none for types that are not stored.
fn appender(array: &ArrayRef) -> Option<Append<'_>> {
    use DataType as T;
    Some(match array.data_type() {
        T::Boolean => {
            let values = array.as_boolean();
            Box::new(move |row, out| {
                out.push(u8::from(values.value(row)));
                Ok(())
            })
        }
        T::Int8 => fixed::<Int8Type, 2>(array, |value| Ok(i16::from(value).to_be_bytes())),
        T::UInt8 => fixed::<UInt8Type, 2>(array, |value| Ok(i16::from(value).to_be_bytes())),
        T::Int16 => fixed::<Int16Type, 2>(array, |value| Ok(value.to_be_bytes())),
        T::UInt16 => fixed::<UInt16Type, 4>(array, |value| Ok(i32::from(value).to_be_bytes())),
        T::Int32 => fixed::<Int32Type, 4>(array, |value| Ok(value.to_be_bytes())),
        T::UInt32 => fixed::<UInt32Type, 8>(array, |value| Ok(i64::from(value).to_be_bytes())),
        T::Int64 => fixed::<Int64Type, 8>(array, |value| Ok(value.to_be_bytes())),
        T::UInt64 => numeric::<UInt64Type>(array, 0),
        T::Float32 => fixed::<Float32Type, 4>(array, |v| Ok(if v.is_nan() { f32::NAN } else { v }.to_be_bytes())),
        T::Float64 => fixed::<Float64Type, 8>(array, |v| Ok(if v.is_nan() { f64::NAN } else { v }.to_be_bytes())),
        T::Decimal128(_, scale) => numeric::<Decimal128Type>(array, *scale),
        T::Decimal256(_, scale) => numeric::<Decimal256Type>(array, *scale),
        T::Utf8View => {
            let values = array.as_string_view();
            Box::new(move |row, out| text(values.value(row), out))
        }
        T::Binary => {
            let values = array.as_binary::<i32>();
            Box::new(move |row, out| {
                out.extend(values.value(row));
                Ok(())
            })
        }
        T::Date32 => fixed::<Date32Type, 4>(array, date),
        T::Time64(_) => fixed::<Time64MicrosecondType, 8>(array, time),
        T::Timestamp(..) => fixed::<TimestampMicrosecondType, 8>(array, timestamp),
        T::Interval(_) => {
            let values = array.as_primitive_opt::<IntervalMonthDayNanoType>()?;
            Box::new(move |row, out| interval(values.value(row), out))
        }
        _ => return None,
    })
}

/// Values that all take `N` bytes.
fn fixed<T: ArrowPrimitiveType, const N: usize>(
    array: &ArrayRef,
    encode: impl Fn(T::Native) -> Result<[u8; N], &'static str> + Send + 'static,
) -> Append<'_> {
    let values = array.as_primitive::<T>();
    Box::new(move |row, out| {
        out.extend(encode(values.value(row))?);
        Ok(())
    })
}

/// Integers in units of 10^-scale.
fn numeric<T: ArrowPrimitiveType>(array: &ArrayRef, scale: i8) -> Append<'_>
where
    T::Native: ToString,
{
    let values = array.as_primitive::<T>();
    Box::new(move |row, out| {
        out.extend(numeric_bytes(&values.value(row).to_string(), scale));
        Ok(())
    })
}

fn text(value: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    if value.as_bytes().contains(&0) {
        return Err("text with a NUL character");
    }
    out.extend(value.as_bytes());
    Ok(())
}

/// The ends of Arrow's range are the infinities, as when they are read.
fn date(days: i32) -> Result<[u8; 4], &'static str> {
    if matches!(days, i32::MIN | i32::MAX) {
        return Ok(days.to_be_bytes());
    }
    let stored = days.checked_sub(EPOCH_DAYS).filter(|days| DATES.contains(days));
    stored.map(i32::to_be_bytes).ok_or("a date before 4714 BC or after 5874897")
}

/// As [`date`].
fn timestamp(micros: i64) -> Result<[u8; 8], &'static str> {
    if matches!(micros, i64::MIN | i64::MAX) {
        return Ok(micros.to_be_bytes());
    }
    let stored = micros.checked_sub(EPOCH_MICROS).filter(|micros| *micros >= FIRST_TIMESTAMP);
    stored.map(i64::to_be_bytes).ok_or("a timestamp before 4714 BC")
}

fn time(micros: i64) -> Result<[u8; 8], &'static str> {
    if (0..MICROS_PER_DAY).contains(&micros) { Ok(micros.to_be_bytes()) } else { Err("a time outside the day") }
}

fn interval(
    value: <IntervalMonthDayNanoType as ArrowPrimitiveType>::Native,
    out: &mut Vec<u8>,
) -> Result<(), &'static str> {
    if value.nanoseconds % 1_000 != 0 {
        return Err("an interval with nanoseconds");
    }
    out.extend((value.nanoseconds / 1_000).to_be_bytes());
    out.extend(value.days.to_be_bytes());
    out.extend(value.months.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_beyond_the_servers_range_are_errors_and_never_infinite() {
        for days in [i32::MIN + 1, i32::MIN + EPOCH_DAYS, i32::MAX - 1, -2_440_589] {
            assert!(date(days).is_err(), "{days}");
        }
        assert_eq!(date(i32::MAX), Ok(i32::MAX.to_be_bytes()));
        assert_eq!(date(-2_440_588), Ok((-2_451_545_i32).to_be_bytes()));
        assert!(timestamp(i64::MIN + 1).is_err() && timestamp(i64::MAX - 1).is_ok());
        assert!(time(-1).is_err() && time(MICROS_PER_DAY).is_err());
    }
}
