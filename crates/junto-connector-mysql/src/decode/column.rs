//! One Arrow column in the making, and which cells it takes.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder, NullBuilder, PrimitiveBuilder};
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::IntervalMonthDayNano;
use arrow_schema::{DataType, IntervalUnit, SchemaRef, TimeUnit};
use junto_connector::{Error, Result};
use junto_connector_sql::datetime;
use junto_connector_sql::decimal::DecimalError;
use junto_types::Hint;

use super::cell::{Cell, Moment, moment_from_text};
use super::number::{days, decimal128, decimal256, integer};
use super::text::TextBuilder;
use crate::settings::ZeroDates;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A builder of one Arrow type.
#[derive(Debug)]
pub(super) enum ColumnBuilder {
    Null(NullBuilder),
    Boolean(BooleanBuilder),
    Int8(PrimitiveBuilder<Int8Type>),
    Int16(PrimitiveBuilder<Int16Type>),
    Int32(PrimitiveBuilder<Int32Type>),
    Int64(PrimitiveBuilder<Int64Type>),
    UInt8(PrimitiveBuilder<UInt8Type>),
    UInt16(PrimitiveBuilder<UInt16Type>),
    UInt32(PrimitiveBuilder<UInt32Type>),
    UInt64(PrimitiveBuilder<UInt64Type>),
    Float32(PrimitiveBuilder<Float32Type>),
    Float64(PrimitiveBuilder<Float64Type>),
    Decimal128(PrimitiveBuilder<Decimal128Type>, u8, i8),
    Decimal256(PrimitiveBuilder<Decimal256Type>, u8, i8),
    Date(PrimitiveBuilder<Date32Type>, ZeroDates),
    Timestamp(PrimitiveBuilder<TimestampMicrosecondType>, ZeroDates),
    Time(PrimitiveBuilder<Time64MicrosecondType>),
    Interval(PrimitiveBuilder<IntervalMonthDayNanoType>),
    Text(TextBuilder),
    Binary(BinaryBuilder),
}

/// Why a cell does not go into its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    NotThisType,
    NotUtf8,
    NotBoolean,
    TooWide,
    ScaleLost,
    ZeroDate,
    ImpossibleDate,
    NotATimeOfDay,
}

impl Problem {
    /// As an error about this column and row.
    #[cold]
    pub(super) fn at(self, schema: &SchemaRef, column: usize, row: u64) -> Error {
        let field = schema.field(column);
        let name = field.name().clone();
        let planned = field.data_type();
        let (reason, hint): (String, Option<Hint>) = match self {
            Problem::TooWide => {
                let wanted = match planned {
                    DataType::Decimal128(38, 0) | DataType::Int64 => Some(DataType::Decimal256(76, 0)),
                    DataType::Decimal128(_, scale) => Some(DataType::Decimal256(76, *scale)),
                    _ => None,
                };
                return Error::TooWide { column: name, planned: planned.to_string(), wanted };
            }
            Problem::NotThisType => (format!("is no {planned}"), None),
            Problem::NotUtf8 => {
                let hint = "declare the column as varbinary or blob, or its text in the right character set";
                ("is not valid UTF-8".into(), Some(hint.into()))
            }
            Problem::NotBoolean => {
                ("is neither 0 nor 1".into(), Some("read tinyint(1) as numbers: `tinyint1 = \"integer\"`".into()))
            }
            Problem::ScaleLost => (format!("has more decimal places than {planned}"), None),
            Problem::ZeroDate => {
                let hint = "`zero_dates = \"null\"` reads such dates as NULL, `\"text\"` as text";
                ("is a date with a zero in it".into(), Some(hint.into()))
            }
            Problem::ImpossibleDate => {
                let hint = "read the column as text with `type.schema.table.column = \"text\"`";
                ("is a date that the calendar does not have".into(), Some(hint.into()))
            }
            Problem::NotATimeOfDay => {
                let hint = "`time = \"interval\"` reads times beyond a day";
                ("is not a time of day".into(), Some(hint.into()))
            }
        };
        Error::Decode { column: name, row: Some(row), reason, hint }
    }
}

impl From<DecimalError> for Problem {
    fn from(error: DecimalError) -> Self {
        match error {
            DecimalError::NotANumber => Problem::NotThisType,
            DecimalError::TooWide => Problem::TooWide,
            DecimalError::ScaleLost => Problem::ScaleLost,
        }
    }
}

impl ColumnBuilder {
    /// A builder with room for `capacity` cells.
    pub(super) fn new(data_type: &DataType, capacity: usize, zero_dates: ZeroDates) -> Result<Self> {
        fn primitive<T: arrow_array::ArrowPrimitiveType>(of: &DataType, capacity: usize) -> PrimitiveBuilder<T> {
            PrimitiveBuilder::with_capacity(capacity).with_data_type(of.clone())
        }
        Ok(match data_type {
            DataType::Null => ColumnBuilder::Null(NullBuilder::new()),
            DataType::Boolean => ColumnBuilder::Boolean(BooleanBuilder::with_capacity(capacity)),
            DataType::Int8 => ColumnBuilder::Int8(primitive(data_type, capacity)),
            DataType::Int16 => ColumnBuilder::Int16(primitive(data_type, capacity)),
            DataType::Int32 => ColumnBuilder::Int32(primitive(data_type, capacity)),
            DataType::Int64 => ColumnBuilder::Int64(primitive(data_type, capacity)),
            DataType::UInt8 => ColumnBuilder::UInt8(primitive(data_type, capacity)),
            DataType::UInt16 => ColumnBuilder::UInt16(primitive(data_type, capacity)),
            DataType::UInt32 => ColumnBuilder::UInt32(primitive(data_type, capacity)),
            DataType::UInt64 => ColumnBuilder::UInt64(primitive(data_type, capacity)),
            DataType::Float32 => ColumnBuilder::Float32(primitive(data_type, capacity)),
            DataType::Float64 => ColumnBuilder::Float64(primitive(data_type, capacity)),
            DataType::Decimal128(precision, scale) => {
                ColumnBuilder::Decimal128(primitive(data_type, capacity), *precision, *scale)
            }
            DataType::Decimal256(precision, scale) => {
                ColumnBuilder::Decimal256(primitive(data_type, capacity), *precision, *scale)
            }
            DataType::Date32 => ColumnBuilder::Date(primitive(data_type, capacity), zero_dates),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                ColumnBuilder::Timestamp(primitive(data_type, capacity), zero_dates)
            }
            DataType::Time64(TimeUnit::Microsecond) => ColumnBuilder::Time(primitive(data_type, capacity)),
            DataType::Interval(IntervalUnit::MonthDayNano) => ColumnBuilder::Interval(primitive(data_type, capacity)),
            DataType::Utf8View => ColumnBuilder::Text(TextBuilder::with_capacity(capacity)),
            DataType::Binary => ColumnBuilder::Binary(BinaryBuilder::with_capacity(capacity, 0)),
            other => return Err(Error::Unsupported { driver: crate::DRIVER, what: format!("reading {other}") }),
        })
    }

    /// Appends a NULL.
    #[inline]
    pub(super) fn append_null(&mut self) {
        match self {
            ColumnBuilder::Null(builder) => builder.append_null(),
            ColumnBuilder::Boolean(builder) => builder.append_null(),
            ColumnBuilder::Int8(builder) => builder.append_null(),
            ColumnBuilder::Int16(builder) => builder.append_null(),
            ColumnBuilder::Int32(builder) => builder.append_null(),
            ColumnBuilder::Int64(builder) => builder.append_null(),
            ColumnBuilder::UInt8(builder) => builder.append_null(),
            ColumnBuilder::UInt16(builder) => builder.append_null(),
            ColumnBuilder::UInt32(builder) => builder.append_null(),
            ColumnBuilder::UInt64(builder) => builder.append_null(),
            ColumnBuilder::Float32(builder) => builder.append_null(),
            ColumnBuilder::Float64(builder) => builder.append_null(),
            ColumnBuilder::Decimal128(builder, ..) => builder.append_null(),
            ColumnBuilder::Decimal256(builder, ..) => builder.append_null(),
            ColumnBuilder::Date(builder, _) => builder.append_null(),
            ColumnBuilder::Timestamp(builder, _) => builder.append_null(),
            ColumnBuilder::Time(builder) => builder.append_null(),
            ColumnBuilder::Interval(builder) => builder.append_null(),
            ColumnBuilder::Text(builder) => builder.append_null(),
            ColumnBuilder::Binary(builder) => builder.append_null(),
        }
    }

    /// Appends a value, or says why it cannot be held exactly.
    #[inline]
    pub(super) fn append(&mut self, cell: Cell<'_>) -> Result<(), Problem> {
        match self {
            ColumnBuilder::Null(_) => return Err(Problem::NotThisType),
            ColumnBuilder::Boolean(builder) => match whole::<i64>(cell)? {
                0 => builder.append_value(false),
                1 => builder.append_value(true),
                _ => return Err(Problem::NotBoolean),
            },
            ColumnBuilder::Int8(builder) => builder.append_value(whole(cell)?),
            ColumnBuilder::Int16(builder) => builder.append_value(whole(cell)?),
            ColumnBuilder::Int32(builder) => builder.append_value(whole(cell)?),
            ColumnBuilder::Int64(builder) => builder.append_value(whole(cell)?),
            ColumnBuilder::UInt8(builder) => builder.append_value(whole(cell)?),
            ColumnBuilder::UInt16(builder) => builder.append_value(whole(cell)?),
            ColumnBuilder::UInt32(builder) => builder.append_value(whole(cell)?),
            ColumnBuilder::UInt64(builder) => builder.append_value(whole(cell)?),
            ColumnBuilder::Float32(builder) => match cell {
                Cell::Float32(value) => builder.append_value(value),
                Cell::Bytes(text) => builder.append_value(parsed(text)?),
                _ => return Err(Problem::NotThisType),
            },
            ColumnBuilder::Float64(builder) => builder.append_value(double(cell)?),
            ColumnBuilder::Decimal128(builder, precision, scale) => builder.append_value(match cell {
                Cell::Bytes(text) => decimal128(text, *precision, *scale)?,
                number => decimal128(whole::<i128>(number)?.to_string().as_bytes(), *precision, *scale)?,
            }),
            ColumnBuilder::Decimal256(builder, precision, scale) => builder.append_value(match cell {
                Cell::Bytes(text) => decimal256(text, *precision, *scale)?,
                number => decimal256(whole::<i128>(number)?.to_string().as_bytes(), *precision, *scale)?,
            }),
            ColumnBuilder::Date(builder, zero_dates) => builder.append_option(date(moment(cell)?, *zero_dates)?),
            ColumnBuilder::Timestamp(builder, zero_dates) => {
                let moment = moment(cell)?;
                match days(moment.year, moment.month, moment.day) {
                    Some(days) => builder.append_value(i64::from(days) * MICROS_PER_DAY + moment.micros),
                    None => match without_day(moment, *zero_dates) {
                        None => builder.append_null(),
                        Some(problem) => return Err(problem),
                    },
                }
            }
            ColumnBuilder::Time(builder) => match micros(cell)? {
                inside @ 0..MICROS_PER_DAY => builder.append_value(inside),
                _ => return Err(Problem::NotATimeOfDay),
            },
            ColumnBuilder::Interval(builder) => {
                builder.append_value(IntervalMonthDayNano::new(0, 0, micros(cell)? * 1_000));
            }
            ColumnBuilder::Text(builder) => {
                let is_text = match cell {
                    Cell::Bytes(text) => builder.append(text),
                    other => builder.append(rendered(other).as_bytes()),
                };
                return if is_text { Ok(()) } else { Err(Problem::NotUtf8) };
            }
            ColumnBuilder::Binary(builder) => match cell {
                Cell::Bytes(bytes) => builder.append_value(bytes),
                _ => return Err(Problem::NotThisType),
            },
        }
        Ok(())
    }

    /// The column so far; the builder begins anew, with room for as many cells again.
    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            ColumnBuilder::Null(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Boolean(builder) => Arc::new(builder.finish()),
            ColumnBuilder::Int8(builder) => primitive_array(builder),
            ColumnBuilder::Int16(builder) => primitive_array(builder),
            ColumnBuilder::Int32(builder) => primitive_array(builder),
            ColumnBuilder::Int64(builder) => primitive_array(builder),
            ColumnBuilder::UInt8(builder) => primitive_array(builder),
            ColumnBuilder::UInt16(builder) => primitive_array(builder),
            ColumnBuilder::UInt32(builder) => primitive_array(builder),
            ColumnBuilder::UInt64(builder) => primitive_array(builder),
            ColumnBuilder::Float32(builder) => primitive_array(builder),
            ColumnBuilder::Float64(builder) => primitive_array(builder),
            ColumnBuilder::Decimal128(builder, ..) => primitive_array(builder),
            ColumnBuilder::Decimal256(builder, ..) => primitive_array(builder),
            ColumnBuilder::Date(builder, _) => primitive_array(builder),
            ColumnBuilder::Timestamp(builder, _) => primitive_array(builder),
            ColumnBuilder::Time(builder) => primitive_array(builder),
            ColumnBuilder::Interval(builder) => primitive_array(builder),
            ColumnBuilder::Text(builder) => builder.finish(),
            ColumnBuilder::Binary(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Finishes, and starts the next column with the room this one needed, so that it never grows in steps.
fn primitive_array<T: arrow_array::ArrowPrimitiveType>(builder: &mut PrimitiveBuilder<T>) -> ArrayRef {
    let array = builder.finish();
    *builder = PrimitiveBuilder::with_capacity(array.len()).with_data_type(array.data_type().clone());
    Arc::new(array)
}

/// Days since 1970-01-01, or what the option makes of a date with a zero in it.
pub(super) fn date(moment: Moment, zero_dates: ZeroDates) -> Result<Option<i32>, Problem> {
    match days(moment.year, moment.month, moment.day) {
        Some(days) if moment.micros == 0 => Ok(Some(days)),
        Some(_) => Err(Problem::NotThisType),
        None => without_day(moment, zero_dates).map_or(Ok(None), Err),
    }
}

/// A whole number that fits.
#[inline]
fn whole<T: TryFrom<i64> + TryFrom<u64> + TryFrom<i128>>(cell: Cell<'_>) -> Result<T, Problem> {
    match cell {
        Cell::Int(value) => T::try_from(value).map_err(|_| Problem::TooWide),
        Cell::UInt(value) => T::try_from(value).map_err(|_| Problem::TooWide),
        Cell::Bytes(text) => T::try_from(integer(text).ok_or(Problem::NotThisType)?).map_err(|_| Problem::TooWide),
        _ => Err(Problem::NotThisType),
    }
}

fn double(cell: Cell<'_>) -> Result<f64, Problem> {
    match cell {
        Cell::Float64(value) => Ok(value),
        Cell::Float32(value) => Ok(value.into()),
        Cell::Int(value) => Ok(value as f64),
        Cell::UInt(value) => Ok(value as f64),
        Cell::Bytes(text) => parsed(text),
        _ => Err(Problem::NotThisType),
    }
}

fn parsed<T: std::str::FromStr>(text: &[u8]) -> Result<T, Problem> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Problem::NotThisType)
}

#[inline]
fn moment(cell: Cell<'_>) -> Result<Moment, Problem> {
    match cell {
        Cell::Moment(moment) => Ok(moment),
        Cell::Bytes(text) => moment_from_text(text).ok_or(Problem::NotThisType),
        _ => Err(Problem::NotThisType),
    }
}

/// What becomes of a date without a day of the calendar: none for NULL.
#[cold]
fn without_day(moment: Moment, zero_dates: ZeroDates) -> Option<Problem> {
    if moment.month != 0 && moment.day != 0 {
        return Some(Problem::ImpossibleDate);
    }
    (zero_dates != ZeroDates::Null).then_some(Problem::ZeroDate)
}

fn micros(cell: Cell<'_>) -> Result<i64, Problem> {
    match cell {
        Cell::Time(micros) => Ok(micros),
        Cell::Bytes(text) => std::str::from_utf8(text).ok().and_then(datetime::parse_time).ok_or(Problem::NotThisType),
        _ => Err(Problem::NotThisType),
    }
}

/// A value that is not text, for columns read as text.
#[cold]
fn rendered(cell: Cell<'_>) -> String {
    match cell {
        Cell::Int(value) => value.to_string(),
        Cell::UInt(value) => value.to_string(),
        Cell::Float32(value) => value.to_string(),
        Cell::Float64(value) => value.to_string(),
        Cell::Moment(moment) => {
            let date = format!("{:04}-{:02}-{:02}", moment.year, moment.month, moment.day);
            if moment.has_time { format!("{date} {}", datetime::time_to_text(moment.micros)) } else { date }
        }
        Cell::Time(micros) => datetime::time_to_text(micros),
        Cell::Bytes(text) => String::from_utf8_lossy(text).into_owned(),
    }
}
