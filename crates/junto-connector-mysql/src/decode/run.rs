//! One column of many binary rows at a time: the loops that a scan spends its time in.
//!
//! A row-by-row decoder chooses by the types of cell and builder at each cell; here the choice is made once per run. The
//! loops look only at the end of the read buffer, not at the end of each row: whether every row ends where its packet
//! does is checked once, after the last column.

use arrow_array::ArrowPrimitiveType;
use arrow_array::builder::PrimitiveBuilder;
use arrow_schema::SchemaRef;
use junto_connector::{Error, Result};

use super::cell::{Cell, CellKind, read_binary};
use super::column::{ColumnBuilder, Problem, date};
use super::number::{days, decimal128, few_digits, short_decimal};
use super::text::{TextBuilder, TextFailure};
use crate::settings::ZeroDates;
use crate::wire::{Cursor, PacketRun, Span, malformed};

/// Values collected before they go into a builder.
const CHUNK: usize = 128;

/// Memory for the places of a run, used again for the next one.
#[derive(Debug, Default)]
pub(super) struct RunPlaces {
    places: Vec<u32>,
    nulls: Vec<u8>,
}

/// Rows, read up to some column.
#[derive(Debug)]
pub(super) struct Run<'a> {
    bytes: &'a [u8],
    packets: &'a [Span],
    /// Where the next column of each row begins.
    places: &'a mut [u32],
    /// Bits of the columns that are NULL in some row.
    nulls: &'a [u8],
}

impl<'a> Run<'a> {
    /// The rows in these packets, before their first column.
    pub(super) fn new(packets: PacketRun<'a>, columns: usize, memory: &'a mut RunPlaces) -> Result<Self> {
        let PacketRun { bytes, packets } = packets;
        // Two bits are reserved in front of the first column's.
        let null_bytes = (columns + 7 + 2) / 8;
        memory.nulls.clear();
        memory.nulls.resize(null_bytes, 0);
        memory.places.clear();
        for packet in packets {
            let row = bytes.get(packet.start as usize..packet.end as usize).unwrap_or_default();
            let bits = row.get(1..1 + null_bytes).ok_or_else(|| malformed("a row ends too early"))?;
            for (joined, bits) in memory.nulls.iter_mut().zip(bits) {
                *joined |= bits;
            }
            memory.places.push(packet.start + 1 + null_bytes as u32);
        }
        Ok(Self { bytes, packets, places: &mut memory.places, nulls: &memory.nulls })
    }

    /// Whether every row ends where its packet does, or before.
    pub(super) fn ends(&self, or_before: bool) -> bool {
        let mut rows = self.places.iter().zip(self.packets);
        rows.all(|(place, packet)| *place == packet.end || (or_before && *place < packet.end))
    }

    /// Whether the column is NULL in some row.
    fn has_null(&self, column: usize) -> bool {
        bit(self.nulls, column)
    }

    fn is_null(&self, row: usize, column: usize) -> bool {
        self.packets.get(row).is_some_and(|packet| {
            let bits = self.bytes.get(packet.start as usize + 1..packet.end as usize);
            bits.is_some_and(|bits| bit(bits, column))
        })
    }

    #[inline]
    fn cursor(&self, row: usize) -> Cursor<'a> {
        let place = self.places.get(row).map_or(usize::MAX, |place| *place as usize);
        Cursor::new(self.bytes.get(place..).unwrap_or_default())
    }

    #[inline]
    fn go_on(&mut self, row: usize, after: Cursor<'a>) {
        if let Some(place) = self.places.get_mut(row) {
            *place = (self.bytes.len() - after.remaining()) as u32;
        }
    }
}

fn bit(bits: &[u8], column: usize) -> bool {
    let bit = column + 2;
    bits.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
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
    /// The bytes end within the cell.
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
    run: &mut Run<'_>,
) -> Result<(), RunFailure> {
    macro_rules! fixed {
        ($builder:ident, $number:ty) => {
            numbers(
                $builder,
                column,
                run,
                |cursor| cursor.try_array().map(<$number>::from_le_bytes),
                |_| Err(CellFailure::Broken),
            )
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
        (CellKind::Bytes, ColumnBuilder::Decimal128(builder, precision, scale)) => numbers(
            builder,
            column,
            run,
            |cursor| few_digits(cursor, *precision, *scale).map(i128::from),
            |cursor| decimal(cursor, *precision, *scale),
        ),
        (CellKind::Bytes, ColumnBuilder::Text(builder)) if !run.has_null(column) => {
            builder.append_run(run.bytes, run.places).map_err(|(row, failure)| match failure {
                TextFailure::NotUtf8 => RunFailure::Value(row, Problem::NotUtf8),
                TextFailure::Broken => CellFailure::Broken.at(row),
            })
        }
        (CellKind::Bytes, ColumnBuilder::Text(builder)) => texts(builder, column, run),
        (CellKind::Date, ColumnBuilder::Date(builder, zero_dates)) => {
            numbers(builder, column, run, plain_date, |cursor| odd_date(cursor, *zero_dates))
        }
        (kind, builder) => cells(kind, builder, column, run),
    }
}

/// Any cells into any column.
fn cells(kind: CellKind, builder: &mut ColumnBuilder, column: usize, run: &mut Run<'_>) -> Result<(), RunFailure> {
    for row in 0..run.packets.len() {
        if run.is_null(row, column) {
            builder.append_null();
            continue;
        }
        let mut cursor = run.cursor(row);
        let cell = read_binary(kind, &mut cursor)?;
        builder.append(cell).map_err(|problem| RunFailure::Value(row, problem))?;
        run.go_on(row, cursor);
    }
    Ok(())
}

/// Texts, some of them NULL.
fn texts(builder: &mut TextBuilder, column: usize, run: &mut Run<'_>) -> Result<(), RunFailure> {
    for row in 0..run.packets.len() {
        if run.is_null(row, column) {
            builder.append_null();
            continue;
        }
        let mut cursor = run.cursor(row);
        let text = cursor.try_bytes().ok_or_else(|| CellFailure::Broken.at(row))?;
        if !builder.append(text) {
            return Err(RunFailure::Value(row, Problem::NotUtf8));
        }
        run.go_on(row, cursor);
    }
    Ok(())
}

/// Numbers and the like. `plain` reads what nearly all cells are, and leaves others unread; `odd` reads those, and may
/// find NULL in them.
#[inline]
fn numbers<T: ArrowPrimitiveType>(
    builder: &mut PrimitiveBuilder<T>,
    column: usize,
    run: &mut Run<'_>,
    plain: impl Fn(&mut Cursor<'_>) -> Option<T::Native>,
    odd: impl Fn(&mut Cursor<'_>) -> Result<Option<T::Native>, CellFailure>,
) -> Result<(), RunFailure> {
    let has_null = run.has_null(column);
    let mut values = [T::Native::default(); CHUNK];
    let rows = run.packets.len();
    for first in (0..rows).step_by(CHUNK) {
        let values = &mut values[..CHUNK.min(rows - first)];
        // Empty while no value is NULL.
        let mut is_valid = Vec::new();
        for (at, slot) in values.iter_mut().enumerate() {
            let row = first + at;
            let mut value = None;
            if !(has_null && run.is_null(row, column)) {
                let mut cursor = run.cursor(row);
                value = plain(&mut cursor);
                if value.is_none() {
                    value = odd(&mut cursor).map_err(|failure| failure.at(row))?;
                }
                run.go_on(row, cursor);
            }
            if value.is_none() {
                is_valid.resize(at, true);
                is_valid.push(false);
            }
            *slot = value.unwrap_or_default();
        }
        if is_valid.is_empty() {
            builder.append_slice(values);
        } else {
            is_valid.resize(values.len(), true);
            builder.append_values(values, &is_valid);
        }
    }
    Ok(())
}

/// A date without zeros; leaves the cursor where it was for anything else.
#[inline]
fn plain_date(cursor: &mut Cursor<'_>) -> Option<i32> {
    let [4, low, high, month, day] = *cursor.peek()? else { return None };
    let days = days(u16::from_le_bytes([low, high]), month, day)?;
    cursor.skip(5);
    Some(days)
}

/// A date of another length, with a zero in it, or none of the calendar.
#[cold]
fn odd_date(cursor: &mut Cursor<'_>, zero_dates: ZeroDates) -> Result<Option<i32>, CellFailure> {
    let Ok(Cell::Moment(moment)) = read_binary(CellKind::Date, cursor) else { return Err(CellFailure::Broken) };
    date(moment, zero_dates).map_err(CellFailure::Value)
}

/// A decimal of any length.
fn decimal(cursor: &mut Cursor<'_>, precision: u8, scale: i8) -> Result<Option<i128>, CellFailure> {
    let text = cursor.try_bytes().ok_or(CellFailure::Broken)?;
    match short_decimal(text, precision, scale) {
        Some(value) => Ok(Some(value.into())),
        None => decimal128(text, precision, scale).map(Some).map_err(|error| CellFailure::Value(error.into())),
    }
}
