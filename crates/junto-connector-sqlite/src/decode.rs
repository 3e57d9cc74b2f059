//! Puts SQLite's values into Arrow columns, each checked against the column's type.

use std::fmt::Write;

use arrow::datatypes::{SchemaRef, i256};
use junto_connector::plan::RelationColumn;
use junto_connector::{Error, Result};
use junto_connector_sql::columns::{ColumnBuilder, builders, finish_batch};
use junto_connector_sql::datetime;
use junto_connector_sql::decimal::{self, DecimalError, Unscaled};
use rusqlite::types::ValueRef;

use crate::declared::{CHOSEN, ColumnType, Declared};

const MICROS_PER_SECOND: f64 = 1e6;
const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Integers up to here are exact as doubles.
const EXACT_IN_DOUBLE: u64 = 1 << 53;
/// Decimals of so many digits differ as doubles when they differ at all.
const EXACT_DIGITS: f64 = 1e15;

/// A column as it is decoded.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) column_type: ColumnType,
    /// Other kinds of values are converted where that loses nothing: somebody asked for it, or the declaration means
    /// nothing to us. The source compares such a column by other rules, so nothing but NULL is tested there.
    pub(crate) lenient: bool,
    /// The option `type.TABLE.COLUMN` for it. The table is unknown under a join; empty for a native statement.
    pub(crate) option: String,
}

impl Column {
    /// # Errors
    /// [`Error::Internal`] for a type that no plan on SQLite has.
    pub(crate) fn of_plan(column: &RelationColumn, table: Option<&str>) -> Result<Self> {
        let column_type = ColumnType::of_plan(&column.data_type, column.source_type.as_deref());
        let column_type = column_type
            .ok_or_else(|| Error::internal(format!("column `{}` as {} of SQLite", column.name, column.data_type)))?;
        let lenient = column.source_type.as_deref().is_some_and(is_lenient);
        let option = format!("type.{}.{}", table.unwrap_or("TABLE"), column.name);
        Ok(Self { name: column.name.clone(), column_type, lenient, option })
    }
}

/// Whether a source type (`INTEGER as text`, `UUID`) lets values of other kinds in.
pub(crate) fn is_lenient(source_type: &str) -> bool {
    source_type.contains(CHOSEN) || Declared::of(source_type) == Declared::Unknown
}

/// Why a value does not fit its column.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit(pub(crate) String);

/// Decodes rows into batches.
#[derive(Debug)]
pub(crate) struct Decoder {
    schema: SchemaRef,
    columns: Vec<Column>,
    builders: Vec<ColumnBuilder>,
    batch_rows: usize,
    rows: usize,
    rows_before: u64,
    bytes: usize,
}

/// Size of a batch at which it is sent although it could take more rows.
const BATCH_BYTES: usize = 8 << 20;
/// What a cell takes beside its text, about.
const CELL_BYTES: usize = 8;

impl Decoder {
    pub(crate) fn new(schema: SchemaRef, columns: Vec<Column>, batch_rows: usize) -> Result<Self> {
        let capacity = batch_rows.min(BATCH_BYTES / (CELL_BYTES * columns.len().max(1)));
        let builders = builders(&schema, capacity)?;
        Ok(Self { schema, columns, builders, batch_rows, rows: 0, rows_before: 0, bytes: 0 })
    }

    /// Appends one row; `value` gives the value of a column.
    ///
    /// # Errors
    /// [`Error::Decode`] naming column and row (counted from 1 in the order in which rows are read).
    pub(crate) fn append<'v>(&mut self, value: impl Fn(usize) -> ValueRef<'v>) -> Result<()> {
        for (at, (builder, column)) in self.builders.iter_mut().zip(&self.columns).enumerate() {
            let value = value(at);
            if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = value {
                self.bytes += bytes.len();
            }
            if let Err(misfit) = append(builder, column, value) {
                return Err(Error::Decode {
                    column: column.name.clone(),
                    row: Some(self.rows_before + self.rows as u64 + 1),
                    reason: misfit.0,
                    hint: Some(hint(column, value)),
                });
            }
        }
        self.rows += 1;
        self.bytes += CELL_BYTES * self.columns.len();
        Ok(())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows >= self.batch_rows || self.bytes >= BATCH_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows so far.
    pub(crate) fn take(&mut self) -> Result<arrow::array::RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        self.rows_before += rows as u64;
        self.bytes = 0;
        finish_batch(&self.schema, &mut self.builders, rows)
    }
}

fn hint(column: &Column, value: ValueRef<'_>) -> std::borrow::Cow<'static, str> {
    if column.option.is_empty() {
        return "convert the column in the statement, with CAST(… AS TEXT) or CAST(… AS BLOB)".into();
    }
    let (otherwise, others) = match (value, column.column_type) {
        (ValueRef::Text(_), ColumnType::Text) => ("blob", ""),
        (ValueRef::Integer(_), ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampUtc) => {
            ("unixepoch", " (or `unixepoch_ms`, `julianday`, `text`)")
        }
        (_, ColumnType::Decimal { .. }) => ("double", " (or `text`, or a wider `decimal(p,s)`)"),
        _ => ("text", ""),
    };
    format!("set the connection's option `{} = {otherwise}`{others}", column.option).into()
}

/// Appends one value, or says why it does not fit.
pub(crate) fn append(builder: &mut ColumnBuilder, column: &Column, value: ValueRef<'_>) -> Result<(), Misfit> {
    let lenient = column.lenient;
    match (builder, value) {
        (builder, ValueRef::Null) => builder.append_null(),
        (ColumnBuilder::Int64(builder), ValueRef::Integer(value)) => builder.append_value(value),
        (ColumnBuilder::Int64(builder), other) if lenient => builder.append_value(integer(other)?),
        (ColumnBuilder::Int64(_), other) => return Err(misfit(other, "an integer")),
        (ColumnBuilder::Int8(builder), value) => builder.append_value(narrow(value)?),
        (ColumnBuilder::Int16(builder), value) => builder.append_value(narrow(value)?),
        (ColumnBuilder::Int32(builder), value) => builder.append_value(narrow(value)?),
        (ColumnBuilder::UInt8(builder), value) => builder.append_value(narrow(value)?),
        (ColumnBuilder::UInt16(builder), value) => builder.append_value(narrow(value)?),
        (ColumnBuilder::UInt32(builder), value) => builder.append_value(narrow(value)?),
        (ColumnBuilder::Float32(builder), value) => builder.append_value(single(value)?),
        (ColumnBuilder::Float64(builder), ValueRef::Real(value)) => builder.append_value(value),
        (ColumnBuilder::Float64(builder), other) => builder.append_value(double(other, lenient)?),
        (ColumnBuilder::Utf8View(builder), ValueRef::Text(bytes)) => builder.append_value(utf8(bytes)?),
        (ColumnBuilder::Utf8View(builder), other) if lenient => append_as_text(builder, other)?,
        (ColumnBuilder::Utf8View(_), other) => return Err(misfit(other, "text")),
        (ColumnBuilder::Decimal128(builder, precision, scale), value) => {
            builder.append_value(decimal128(value, *precision, *scale)?);
        }
        (ColumnBuilder::Decimal256(builder, precision, scale), value) => {
            builder.append_value(decimal_text::<i256>(value, *precision, *scale)?);
        }
        (ColumnBuilder::Boolean(builder), value) => builder.append_value(boolean(value)?),
        (ColumnBuilder::Binary(builder), ValueRef::Blob(bytes)) => builder.append_value(bytes),
        // Text whose bytes are not UTF-8 is read like this.
        (ColumnBuilder::Binary(builder), ValueRef::Text(bytes)) if lenient => builder.append_value(bytes),
        (ColumnBuilder::Date32(builder), value) => builder.append_value(date(value)?),
        (ColumnBuilder::Time64(builder), value) => builder.append_value(time(value)?),
        (ColumnBuilder::Timestamp(builder), value) => builder.append_value(timestamp(column.column_type, value)?),
        (ColumnBuilder::Binary(_), other) => return Err(misfit(other, "a blob")),
        (_, other) => return Err(misfit(other, "this type")),
    }
    Ok(())
}

/// `the integer 5 is not a date`.
fn misfit(value: ValueRef<'_>, expected: &str) -> Misfit {
    let shown = match value {
        ValueRef::Null => "NULL".into(),
        ValueRef::Integer(value) => format!("the integer {value}"),
        ValueRef::Real(value) => format!("the real {value:?}"),
        ValueRef::Text(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let short: String = text.chars().take(40).collect();
            format!("the text `{}`{}", short.escape_debug(), if short.len() < text.len() { "…" } else { "" })
        }
        ValueRef::Blob(bytes) => format!("a blob of {} bytes", bytes.len()),
    };
    Misfit(format!("{shown} is not {expected}"))
}

fn utf8(bytes: &[u8]) -> Result<&str, Misfit> {
    std::str::from_utf8(bytes).map_err(|_| Misfit("the text is not valid UTF-8".into()))
}

fn integer(value: ValueRef<'_>) -> Result<i64, Misfit> {
    let parsed = match value {
        // Exact within the range where every integer is a double.
        ValueRef::Real(real) if real.fract() == 0.0 && real.abs() <= EXACT_IN_DOUBLE as f64 => Some(real as i64),
        ValueRef::Text(bytes) => utf8(bytes).ok().and_then(|text| text.trim().parse().ok()),
        _ => None,
    };
    parsed.ok_or_else(|| misfit(value, "an integer"))
}

/// An integer of a temporary table, in the width it came in.
fn narrow<T: TryFrom<i64>>(value: ValueRef<'_>) -> Result<T, Misfit> {
    let stored = if let ValueRef::Integer(stored) = value { T::try_from(stored).ok() } else { None };
    stored.ok_or_else(|| misfit(value, "an integer of this width"))
}

/// A number of single precision of a temporary table.
fn single(value: ValueRef<'_>) -> Result<f32, Misfit> {
    match value {
        ValueRef::Real(real) if f64::from(real as f32) == real => Ok(real as f32),
        other => Err(misfit(other, "a number of single precision")),
    }
}

fn double(value: ValueRef<'_>, lenient: bool) -> Result<f64, Misfit> {
    let parsed = match value {
        ValueRef::Integer(value) if value.unsigned_abs() <= EXACT_IN_DOUBLE => Some(value as f64),
        ValueRef::Text(bytes) if lenient => utf8(bytes).ok().and_then(|text| text.trim().parse().ok()),
        _ => None,
    };
    parsed.ok_or_else(|| misfit(value, "a number that a double holds"))
}

fn boolean(value: ValueRef<'_>) -> Result<bool, Misfit> {
    let is = |bytes: &[u8], words: &[&str]| words.iter().any(|word| bytes.eq_ignore_ascii_case(word.as_bytes()));
    match value {
        ValueRef::Integer(0) => Ok(false),
        ValueRef::Integer(1) => Ok(true),
        ValueRef::Text(bytes) if is(bytes, &["true", "t"]) => Ok(true),
        ValueRef::Text(bytes) if is(bytes, &["false", "f"]) => Ok(false),
        other => Err(misfit(other, "0 or 1")),
    }
}

/// Text as it is; numbers as SQLite users write them. A blob only when its bytes are UTF-8.
fn append_as_text(builder: &mut arrow::array::StringViewBuilder, value: ValueRef<'_>) -> Result<(), Misfit> {
    match value {
        ValueRef::Integer(value) => builder.append_value(value.to_string()),
        // Debug is the shortest text that reads back as the same double, and always shows it is a real: `3.0`.
        ValueRef::Real(value) => builder.append_value(format!("{value:?}")),
        ValueRef::Blob(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => builder.append_value(text),
            Err(_) => return Err(misfit(value, "text")),
        },
        ValueRef::Text(_) | ValueRef::Null => return Err(misfit(value, "text")),
    }
    Ok(())
}

/// SQLite stores 0.1 in a column declared DECIMAL as a double. The decimal meant is the shortest text that reads back
/// as that double.
fn decimal128(value: ValueRef<'_>, precision: u8, scale: i8) -> Result<i128, Misfit> {
    if let (ValueRef::Real(real), 0..=15) = (value, scale) {
        let factor = 10_f64.powi(scale.into());
        let unscaled = (real * factor).round();
        // At most 15 digits and the same double: no other decimal of at most 15 digits is, so this is the shortest.
        if unscaled.abs() < EXACT_DIGITS.min(10_f64.powi(precision.into())) && unscaled / factor == real {
            return Ok(unscaled as i128);
        }
    }
    decimal_text::<i128>(value, precision, scale)
}

fn decimal_text<T: Unscaled>(value: ValueRef<'_>, precision: u8, scale: i8) -> Result<T, Misfit> {
    let mut rendered = String::new();
    let text = match value {
        ValueRef::Integer(value) => {
            let _ = write!(rendered, "{value}");
            rendered.as_str()
        }
        ValueRef::Real(value) => {
            let _ = write!(rendered, "{value:e}");
            rendered.as_str()
        }
        ValueRef::Text(bytes) => utf8(bytes)?.trim(),
        other => return Err(misfit(other, "a decimal number")),
    };
    decimal::parse(text, precision, scale).map_err(|error| {
        let expected = match error {
            DecimalError::NotANumber => "a decimal number".into(),
            DecimalError::TooWide => format!("within {precision} digits, {scale} of them after the point"),
            DecimalError::ScaleLost => format!("exact with {scale} digits after the point"),
        };
        misfit(value, &expected)
    })
}

/// `YYYY-MM-DD`, or that with a time of midnight.
fn date(value: ValueRef<'_>) -> Result<i32, Misfit> {
    let parsed = match value {
        ValueRef::Text(bytes) => utf8(bytes).ok().and_then(|text| {
            datetime::parse_date(text).or_else(|| {
                let midnight = datetime::parse_timestamp(text)?;
                let plain = midnight.offset_seconds.unwrap_or(0) == 0 && midnight.micros % MICROS_PER_DAY == 0;
                plain.then(|| midnight.micros.div_euclid(MICROS_PER_DAY) as i32)
            })
        }),
        _ => None,
    };
    parsed.ok_or_else(|| misfit(value, "a date such as 2024-02-29"))
}

fn time(value: ValueRef<'_>) -> Result<i64, Misfit> {
    let parsed = match value {
        ValueRef::Text(bytes) => utf8(bytes).ok().and_then(datetime::parse_time),
        _ => None,
    };
    parsed.filter(|micros| (0..MICROS_PER_DAY).contains(micros)).ok_or_else(|| misfit(value, "a time such as 23:59:59"))
}

/// A distance from UTC that the text names is applied, as SQLite's own date functions do.
fn timestamp(column_type: ColumnType, value: ValueRef<'_>) -> Result<i64, Misfit> {
    let parsed = match (column_type, value) {
        (ColumnType::UnixSeconds, ValueRef::Integer(seconds)) => seconds.checked_mul(1_000_000),
        (ColumnType::UnixSeconds, ValueRef::Real(seconds)) => whole_micros(seconds * MICROS_PER_SECOND),
        (ColumnType::UnixMilliseconds, ValueRef::Integer(milliseconds)) => milliseconds.checked_mul(1_000),
        (ColumnType::UnixMilliseconds, ValueRef::Real(milliseconds)) => whole_micros(milliseconds * 1_000.0),
        (ColumnType::JulianDay, ValueRef::Real(days)) => julian(days),
        (ColumnType::JulianDay, ValueRef::Integer(days)) => julian(days as f64),
        (ColumnType::Timestamp | ColumnType::TimestampUtc, ValueRef::Text(bytes)) => {
            utf8(bytes).ok().and_then(datetime::parse_timestamp).map(datetime::ParsedTimestamp::utc_micros)
        }
        _ => None,
    };
    let expected = match column_type {
        ColumnType::UnixSeconds => "a number of seconds since 1970",
        ColumnType::UnixMilliseconds => "a number of milliseconds since 1970",
        ColumnType::JulianDay => "a Julian day number",
        _ => "a timestamp such as 2024-02-29 23:59:59",
    };
    parsed.ok_or_else(|| misfit(value, expected))
}

/// 1970-01-01T00:00 is Julian day 2440587.5. A double resolves a present-day Julian day to about 40 microseconds, so it
/// is rounded to milliseconds, as SQLite does.
fn julian(days: f64) -> Option<i64> {
    whole_micros(((days - 2_440_587.5) * 86_400_000.0).round() * 1_000.0)
}

fn whole_micros(micros: f64) -> Option<i64> {
    let rounded = micros.round();
    // i64::MAX as a double is 2^63, one too many.
    (rounded >= i64::MIN as f64 && rounded < i64::MAX as f64).then_some(rounded as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reals_become_the_decimals_that_were_meant() {
        let read = |value, precision, scale| decimal128(ValueRef::Real(value), precision, scale).map_err(|e| e.0);
        assert_eq!(read(0.1, 15, 2), Ok(10));
        assert_eq!(read(-771.64, 15, 2), Ok(-77_164));
        assert_eq!(read(9_999_999_999_999.98, 15, 2), Ok(999_999_999_999_998));
        assert_eq!(read(1e20, 38, 2), Ok(10_i128.pow(22)));
        assert_eq!(
            read(0.1 + 0.2, 15, 2),
            Err("the real 0.30000000000000004 is not exact with 2 digits after the point".into())
        );
        assert!(read(0.125, 15, 2).is_err());
        assert!(read(f64::INFINITY, 15, 2).is_err());
        assert!(read(1000.0, 5, 2).is_err());
    }

    proptest! {
        /// The short cut agrees with the text, whatever the double.
        #[test]
        fn the_short_cut_is_exact(unscaled in -999_999_999_999_999_i64..=999_999_999_999_999, scale in 0_i8..=15) {
            let text = decimal::to_text(&unscaled.to_string(), scale).expect("an integer");
            let real: f64 = text.parse().expect("a number");
            prop_assert_eq!(decimal128(ValueRef::Real(real), 38, scale), Ok(unscaled.into()));
        }

        #[test]
        fn any_double_gives_its_shortest_text_or_an_error(real in any::<f64>(), scale in 0_i8..=15) {
            let slow = decimal_text::<i128>(ValueRef::Real(real), 38, scale);
            let fast = decimal128(ValueRef::Real(real), 38, scale);
            prop_assert_eq!(fast.is_ok(), slow.is_ok());
            prop_assert_eq!(fast.ok(), slow.ok());
        }
    }
}
