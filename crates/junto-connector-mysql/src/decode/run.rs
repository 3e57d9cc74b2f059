//! One column of many binary rows at a time: the loops that a scan spends its time in.
//!
//! A row-by-row decoder chooses by the types of cell and builder at each cell; here the choice is made once per run.

use arrow_array::ArrowPrimitiveType;
use arrow_array::builder::PrimitiveBuilder;
use arrow_schema::SchemaRef;
use junto_connector::{Error, Result};

use super::cell::{Cell, CellKind, read_binary};
use super::column::{ColumnBuilder, Problem, date};
use super::number::{days, decimal128, short_decimal};
use crate::settings::ZeroDates;
use crate::wire::{Cursor, malformed};

/// A row, read up to some column.
#[derive(Debug)]
pub(super) struct BinaryRow<'a> {
    nulls: &'a [u8],
    rest: Cursor<'a>,
}

impl<'a> BinaryRow<'a> {
    /// The row in this packet, before its first column.
    #[inline]
    pub(super) fn new(packet: &'a [u8], columns: usize) -> Result<Self> {
        let mut rest = Cursor::new(packet);
        rest.u8()?;
        // Two bits are reserved in front of the first column's.
        let nulls = rest.take((columns + 7 + 2) / 8)?;
        Ok(Self { nulls, rest })
    }

    /// Whether every byte was used.
    pub(super) fn is_read(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    fn is_null(&self, column: usize) -> bool {
        let bit = column + 2;
        self.nulls.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
    }
}

/// Why a run stopped.
#[derive(Debug)]
pub(super) enum RunFailure {
    /// The value of this row of the run does not fit its column.
    Value(usize, Problem),
    /// The row is not what the protocol says.
    Protocol(Error),
}

impl RunFailure {
    /// As an error; `first` is the number of the run's first row.
    pub(super) fn into_error(self, schema: &SchemaRef, column: usize, first: u64) -> Error {
        match self {
            RunFailure::Value(row, problem) => problem.at(schema, column, first + row as u64),
            RunFailure::Protocol(error) => error,
        }
    }
}

impl From<Error> for RunFailure {
    fn from(error: Error) -> Self {
        RunFailure::Protocol(error)
    }
}

/// Why a cell stopped a run; small, so that it costs nothing to return.
enum CellFailure {
    Value(Problem),
    /// The packet ends within the cell.
    Broken,
}

impl CellFailure {
    #[cold]
    fn at(self, row: usize) -> RunFailure {
        match self {
            CellFailure::Value(problem) => RunFailure::Value(row, problem),
            CellFailure::Broken => RunFailure::Protocol(malformed("a row ends too early")),
        }
    }
}

/// Appends column `column` of every row. The pairs that make up most of a scan have loops of their own.
pub(super) fn append(
    kind: CellKind,
    builder: &mut ColumnBuilder,
    column: usize,
    rows: &mut [BinaryRow<'_>],
) -> Result<(), RunFailure> {
    macro_rules! fixed {
        ($builder:ident, $number:ty) => {
            numbers($builder, column, rows, |cursor| {
                cursor.try_array().map(|bytes| Some(<$number>::from_le_bytes(bytes))).ok_or(CellFailure::Broken)
            })
        };
    }
    match (kind, builder) {
        (CellKind::Int8, ColumnBuilder::Int8(builder)) => fixed!(builder, i8),
        (CellKind::Int16, ColumnBuilder::Int16(builder)) => fixed!(builder, i16),
        (CellKind::Int32, ColumnBuilder::Int32(builder)) => fixed!(builder, i32),
        (CellKind::Int64, ColumnBuilder::Int64(builder)) => fixed!(builder, i64),
        (CellKind::UInt32, ColumnBuilder::UInt32(builder)) => fixed!(builder, u32),
        (CellKind::UInt64, ColumnBuilder::UInt64(builder)) => fixed!(builder, u64),
        (CellKind::Float64, ColumnBuilder::Float64(builder)) => fixed!(builder, f64),
        (CellKind::Bytes, ColumnBuilder::Decimal128(builder, precision, scale)) => {
            numbers(builder, column, rows, |cursor| {
                let text = cursor.try_bytes().ok_or(CellFailure::Broken)?;
                match short_decimal(text, *precision, *scale) {
                    Some(value) => Ok(Some(value.into())),
                    None => long_decimal(text, *precision, *scale),
                }
            })
        }
        (CellKind::Bytes, ColumnBuilder::Text(builder)) => {
            for (at, row) in rows.iter_mut().enumerate() {
                if row.is_null(column) {
                    builder.append_null();
                    continue;
                }
                let ahead = row.rest;
                let bytes = row.rest.try_bytes().ok_or_else(|| CellFailure::Broken.at(at))?;
                if !builder.append_within(bytes, ahead.after_length()) {
                    return Err(RunFailure::Value(at, Problem::NotUtf8));
                }
            }
            Ok(())
        }
        (CellKind::Date, ColumnBuilder::Date(builder, zero_dates)) => {
            numbers(builder, column, rows, |cursor| match plain_date(cursor) {
                Some(days) => Ok(Some(days)),
                None => odd_date(cursor, *zero_dates),
            })
        }
        (kind, builder) => cells(kind, builder, column, rows),
    }
}

/// Any cells into any column.
fn cells(
    kind: CellKind,
    builder: &mut ColumnBuilder,
    column: usize,
    rows: &mut [BinaryRow<'_>],
) -> Result<(), RunFailure> {
    for (at, row) in rows.iter_mut().enumerate() {
        if row.is_null(column) {
            builder.append_null();
        } else {
            let cell = read_binary(kind, &mut row.rest)?;
            builder.append(cell).map_err(|problem| RunFailure::Value(at, problem))?;
        }
    }
    Ok(())
}

/// Collects the values of a run, so that they go into the builder at once.
#[inline]
fn numbers<T: ArrowPrimitiveType>(
    builder: &mut PrimitiveBuilder<T>,
    column: usize,
    rows: &mut [BinaryRow<'_>],
    read: impl Fn(&mut Cursor<'_>) -> Result<Option<T::Native>, CellFailure>,
) -> Result<(), RunFailure> {
    let mut values = Vec::with_capacity(rows.len());
    // Empty while no value is NULL.
    let mut is_valid = Vec::new();
    for (at, row) in rows.iter_mut().enumerate() {
        let value = if row.is_null(column) { None } else { read(&mut row.rest).map_err(|failure| failure.at(at))? };
        if value.is_none() {
            is_valid.resize(at, true);
            is_valid.push(false);
        }
        values.push(value.unwrap_or_default());
    }
    if is_valid.is_empty() {
        builder.append_slice(&values);
    } else {
        is_valid.resize(values.len(), true);
        builder.append_values(&values, &is_valid);
    }
    Ok(())
}

/// A date without zeros; leaves the cursor where it was for anything else.
#[inline]
fn plain_date(cursor: &mut Cursor<'_>) -> Option<i32> {
    let mut ahead = *cursor;
    let [4, low, high, month, day] = ahead.try_array()? else { return None };
    let days = days(u16::from_le_bytes([low, high]), month, day)?;
    *cursor = ahead;
    Some(days)
}

/// A date of another length, with a zero in it, or none of the calendar.
#[cold]
fn odd_date(cursor: &mut Cursor<'_>, zero_dates: ZeroDates) -> Result<Option<i32>, CellFailure> {
    let Ok(Cell::Moment(moment)) = read_binary(CellKind::Date, cursor) else { return Err(CellFailure::Broken) };
    date(moment, zero_dates).map_err(CellFailure::Value)
}

#[cold]
fn long_decimal(text: &[u8], precision: u8, scale: i8) -> Result<Option<i128>, CellFailure> {
    decimal128(text, precision, scale).map(Some).map_err(|error| CellFailure::Value(error.into()))
}
