//! One column in the making: fixed-width values, and the choice of a decoder by Arrow type.

use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BinaryBuilder, BooleanBuilder, PrimitiveBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNano,
    IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use junto_connector::{Error, Result};

use super::list::ListCells;
use super::numeric::{Decimal128Cells, Decimal256Cells, unsigned_numeric};
use super::text::{TextCells, UuidCells};
use super::{EPOCH_DAYS, EPOCH_MICROS, Misfit};

/// A column in the making.
pub(crate) trait Cells: Send {
    /// Appends a value in PostgreSQL's binary form.
    fn value(&mut self, bytes: &[u8]) -> Result<(), Misfit>;
    /// Appends NULL.
    fn null(&mut self);
    /// The column so far; the next begins.
    fn finish(&mut self) -> ArrayRef;
}

/// Binary forms of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// The text's bytes, as for every type a scan reads as text.
    Plain,
    /// 16 bytes, written as canonical lower-case text.
    Uuid,
    /// A version byte, then text.
    Jsonb,
    /// Padded to a width; the padding means nothing and is left out.
    Padded,
    /// A number, written out: one that no decimal type holds.
    Numeric,
}

/// The decoder of a type.
///
/// # Errors
/// Types no column of this source has.
pub(crate) fn cells(data_type: &DataType, encoding: Encoding, rows: usize) -> Result<Box<dyn Cells>> {
    Ok(match data_type {
        DataType::Boolean => Box::new(BooleanCells(BooleanBuilder::with_capacity(rows))),
        DataType::Int8 => Box::new(Fixed::<Int8Type, _>::new(rows, integer)),
        DataType::Int16 => Box::new(Fixed::<Int16Type, _>::new(rows, integer)),
        DataType::Int32 => Box::new(Fixed::<Int32Type, _>::new(rows, integer)),
        DataType::Int64 => Box::new(Fixed::<Int64Type, _>::new(rows, integer)),
        DataType::UInt8 => Box::new(Fixed::<UInt8Type, _>::new(rows, integer)),
        DataType::UInt16 => Box::new(Fixed::<UInt16Type, _>::new(rows, integer)),
        DataType::UInt32 => Box::new(Fixed::<UInt32Type, _>::new(rows, integer)),
        DataType::UInt64 => Box::new(Fixed::<UInt64Type, _>::new(rows, unsigned)),
        DataType::Float32 => Box::new(Fixed::<Float32Type, _>::new(rows, single)),
        DataType::Float64 => Box::new(Fixed::<Float64Type, _>::new(rows, double)),
        DataType::Decimal128(precision, scale) => Box::new(Decimal128Cells::new(*precision, *scale, rows)?),
        DataType::Decimal256(precision, scale) => Box::new(Decimal256Cells::new(*precision, *scale, rows)?),
        DataType::Utf8View if encoding == Encoding::Uuid => Box::new(UuidCells::new(rows)),
        DataType::Utf8View => Box::new(TextCells::new(encoding, rows)),
        DataType::Binary => Box::new(BinaryCells(BinaryBuilder::with_capacity(rows, 0))),
        DataType::Date32 => Box::new(Fixed::<Date32Type, _>::new(rows, date)),
        DataType::Time64(TimeUnit::Microsecond) => Box::new(Fixed::<Time64MicrosecondType, _>::new(rows, time)),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let builder = TimestampMicrosecondBuilder::with_capacity(rows).with_timezone_opt(zone.clone());
            Box::new(Fixed { builder, decode: timestamp, value: PhantomData })
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            Box::new(Fixed::<IntervalMonthDayNanoType, _>::new(rows, interval))
        }
        DataType::List(field) => Box::new(ListCells::new(field, cells(field.data_type(), encoding, rows)?)),
        other => {
            return Err(Error::Unsupported { driver: crate::DRIVER, what: format!("reading a column as {other}") });
        }
    })
}

/// Whether [`cells`] has a decoder.
pub(crate) fn is_readable(data_type: &DataType) -> bool {
    cells(data_type, Encoding::Plain, 0).is_ok()
}

/// Values of one width, decoded by a function.
struct Fixed<T: ArrowPrimitiveType, D> {
    builder: PrimitiveBuilder<T>,
    decode: D,
    value: PhantomData<fn() -> T>,
}

impl<T: ArrowPrimitiveType, D: Fn(&[u8]) -> Result<T::Native, Misfit>> Fixed<T, D> {
    fn new(rows: usize, decode: D) -> Self {
        Self { builder: PrimitiveBuilder::with_capacity(rows), decode, value: PhantomData }
    }
}

impl<T: ArrowPrimitiveType, D: Fn(&[u8]) -> Result<T::Native, Misfit> + Send> Cells for Fixed<T, D> {
    fn value(&mut self, bytes: &[u8]) -> Result<(), Misfit> {
        self.builder.append_value((self.decode)(bytes)?);
        Ok(())
    }

    fn null(&mut self) {
        self.builder.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.builder.finish())
    }
}

struct BooleanCells(BooleanBuilder);

impl Cells for BooleanCells {
    fn value(&mut self, bytes: &[u8]) -> Result<(), Misfit> {
        let [byte] = exact(bytes)?;
        self.0.append_value(byte != 0);
        Ok(())
    }

    fn null(&mut self) {
        self.0.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

struct BinaryCells(BinaryBuilder);

impl Cells for BinaryCells {
    fn value(&mut self, bytes: &[u8]) -> Result<(), Misfit> {
        self.0.append_value(bytes);
        Ok(())
    }

    fn null(&mut self) {
        self.0.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

fn exact<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Misfit> {
    bytes.try_into().map_err(|_| Misfit::Malformed("a value of another width"))
}

/// An integer of any width that fits: functions of the server may return a wider or narrower one than planned.
fn integer<T: TryFrom<i64>>(bytes: &[u8]) -> Result<T, Misfit> {
    let value = match *bytes {
        [a, b] => i16::from_be_bytes([a, b]).into(),
        [a, b, c, d] => i32::from_be_bytes([a, b, c, d]).into(),
        _ => i64::from_be_bytes(exact(bytes)?),
    };
    T::try_from(value).map_err(|_| Misfit::NoSuchValue("an integer beyond the planned width"))
}

/// An unsigned integer, out of a signed one of any width or a numeric without decimal places. Eight bytes are a signed
/// integer; a numeric of eight bytes is zero and looks the same.
fn unsigned(bytes: &[u8]) -> Result<u64, Misfit> {
    if matches!(bytes.len(), 2 | 4 | 8) { integer(bytes) } else { unsigned_numeric(bytes) }
}

/// PostgreSQL knows one NaN, above all other numbers; Arrow orders NaNs by their sign, so all become the positive one.
fn single(bytes: &[u8]) -> Result<f32, Misfit> {
    let value = exact(bytes).map(f32::from_be_bytes)?;
    Ok(if value.is_nan() { f32::NAN } else { value })
}

/// As [`single`].
fn double(bytes: &[u8]) -> Result<f64, Misfit> {
    let value = match *bytes {
        [a, b, c, d] => f32::from_be_bytes([a, b, c, d]).into(),
        _ => exact(bytes).map(f64::from_be_bytes)?,
    };
    Ok(if value.is_nan() { f64::NAN } else { value })
}

/// `infinity` and `-infinity` are the ends of Arrow's range, in the same order against every other date.
fn date(bytes: &[u8]) -> Result<i32, Misfit> {
    match i32::from_be_bytes(exact(bytes)?) {
        end @ (i32::MAX | i32::MIN) => Ok(end),
        days => days.checked_add(EPOCH_DAYS).ok_or(Misfit::NoSuchValue("a date beyond Arrow's range")),
    }
}

/// As [`date`].
fn timestamp(bytes: &[u8]) -> Result<i64, Misfit> {
    match i64::from_be_bytes(exact(bytes)?) {
        end @ (i64::MAX | i64::MIN) => Ok(end),
        micros => micros.checked_add(EPOCH_MICROS).ok_or(Misfit::NoSuchValue("a timestamp beyond Arrow's range")),
    }
}

fn time(bytes: &[u8]) -> Result<i64, Misfit> {
    match i64::from_be_bytes(exact(bytes)?) {
        micros @ 0..86_400_000_000 => Ok(micros),
        86_400_000_000 => Err(Misfit::NoSuchValue("the time 24:00:00")),
        _ => Err(Misfit::Malformed("a time outside the day")),
    }
}

fn interval(bytes: &[u8]) -> Result<IntervalMonthDayNano, Misfit> {
    let bytes: [u8; 16] = exact(bytes)?;
    let (micros, rest) = bytes.split_at(8);
    let (days, months) = rest.split_at(4);
    let nanos = i64::from_be_bytes(exact(micros)?).checked_mul(1000);
    let nanos = nanos.ok_or(Misfit::NoSuchValue("an interval of more than 292 years of hours"))?;
    Ok(IntervalMonthDayNano::new(i32::from_be_bytes(exact(months)?), i32::from_be_bytes(exact(days)?), nanos))
}
