//! One cell as it stands on the wire, in the binary or the text form.

use junto_connector::Result;
use mysql_common::constants::ColumnType as T;

use super::RowFormat;
use super::number::unsigned;
use crate::wire::{Cursor, WireColumn, malformed};

/// Days in the largest TIME, 838:59:59.
const MOST_DAYS: u32 = 34;

/// How a column's cells are written in the binary form; in the text form all but bits are plain bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellKind {
    Int8,
    UInt8,
    Int16,
    UInt16,
    Int32,
    UInt32,
    Int64,
    UInt64,
    Float32,
    Float64,
    Date,
    DateTime,
    Time,
    /// Big-endian bytes in both forms.
    Bit,
    Bytes,
}

/// A cell that is not NULL.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell<'a> {
    Int(i64),
    UInt(u64),
    Float32(f32),
    Float64(f64),
    Moment(Moment),
    /// Microseconds, negative ones included.
    Time(i64),
    /// A text, or a number or date in text form.
    Bytes(&'a [u8]),
}

/// A date with its time of day, as stored: parts may be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Moment {
    pub(super) year: u16,
    pub(super) month: u8,
    pub(super) day: u8,
    /// Microseconds since midnight.
    pub(super) micros: i64,
    /// Whether the column's type has a time of day.
    pub(super) has_time: bool,
}

impl CellKind {
    pub(super) fn new(column: &WireColumn, format: RowFormat) -> Self {
        let unsigned = column.is_unsigned();
        let of = |signed, not: Self| if unsigned { not } else { signed };
        match column.column_type {
            T::MYSQL_TYPE_BIT => CellKind::Bit,
            _ if format == RowFormat::Text => CellKind::Bytes,
            T::MYSQL_TYPE_TINY => of(CellKind::Int8, CellKind::UInt8),
            T::MYSQL_TYPE_SHORT | T::MYSQL_TYPE_YEAR => of(CellKind::Int16, CellKind::UInt16),
            T::MYSQL_TYPE_LONG | T::MYSQL_TYPE_INT24 => of(CellKind::Int32, CellKind::UInt32),
            T::MYSQL_TYPE_LONGLONG => of(CellKind::Int64, CellKind::UInt64),
            T::MYSQL_TYPE_FLOAT => CellKind::Float32,
            T::MYSQL_TYPE_DOUBLE => CellKind::Float64,
            T::MYSQL_TYPE_DATE | T::MYSQL_TYPE_NEWDATE => CellKind::Date,
            T::MYSQL_TYPE_DATETIME | T::MYSQL_TYPE_TIMESTAMP => CellKind::DateTime,
            T::MYSQL_TYPE_DATETIME2 | T::MYSQL_TYPE_TIMESTAMP2 => CellKind::DateTime,
            T::MYSQL_TYPE_TIME | T::MYSQL_TYPE_TIME2 => CellKind::Time,
            _ => CellKind::Bytes,
        }
    }
}

/// The next cell of a binary row, known not to be NULL.
#[inline]
pub(super) fn read_binary<'a>(kind: CellKind, cursor: &mut Cursor<'a>) -> Result<Cell<'a>> {
    Ok(match kind {
        CellKind::Int8 => Cell::Int(i8::from_le_bytes(cursor.array()?).into()),
        CellKind::UInt8 => Cell::UInt(cursor.u8()?.into()),
        CellKind::Int16 => Cell::Int(i16::from_le_bytes(cursor.array()?).into()),
        CellKind::UInt16 => Cell::UInt(cursor.u16()?.into()),
        CellKind::Int32 => Cell::Int(i32::from_le_bytes(cursor.array()?).into()),
        CellKind::UInt32 => Cell::UInt(cursor.u32()?.into()),
        CellKind::Int64 => Cell::Int(i64::from_le_bytes(cursor.array()?)),
        CellKind::UInt64 => Cell::UInt(cursor.u64()?),
        CellKind::Float32 => Cell::Float32(f32::from_le_bytes(cursor.array()?)),
        CellKind::Float64 => Cell::Float64(f64::from_le_bytes(cursor.array()?)),
        CellKind::Date => Cell::Moment(moment(cursor, false)?),
        CellKind::DateTime => Cell::Moment(moment(cursor, true)?),
        CellKind::Time => Cell::Time(time(cursor)?),
        CellKind::Bit => Cell::UInt(bits(cursor.bytes()?)?),
        CellKind::Bytes => Cell::Bytes(cursor.bytes()?),
    })
}

/// The next cell of a text row; none for NULL.
#[inline]
pub(super) fn read_text<'a>(kind: CellKind, cursor: &mut Cursor<'a>) -> Result<Option<Cell<'a>>> {
    let Some(bytes) = cursor.bytes_or_null()? else { return Ok(None) };
    Ok(Some(match kind {
        CellKind::Bit => Cell::UInt(bits(bytes)?),
        _ => Cell::Bytes(bytes),
    }))
}

/// Length, then as many parts as are not zero.
#[inline]
fn moment(cursor: &mut Cursor<'_>, has_time: bool) -> Result<Moment> {
    let length = cursor.u8()?;
    let mut moment = Moment { has_time, ..Moment::default() };
    if length >= 4 {
        moment.year = cursor.u16()?;
        let [month, day] = cursor.array()?;
        moment.month = month;
        moment.day = day;
    }
    if length >= 7 {
        let [hour, minute, second] = cursor.array()?;
        moment.micros = clock(hour.into(), minute, second)?;
    }
    if length >= 11 {
        moment.micros += fraction(cursor)?;
    }
    if matches!(length, 0 | 4 | 7 | 11) { Ok(moment) } else { Err(malformed("a date of an unknown length")) }
}

fn time(cursor: &mut Cursor<'_>) -> Result<i64> {
    let length = cursor.u8()?;
    if !matches!(length, 0 | 8 | 12) {
        return Err(malformed("a time of an unknown length"));
    }
    if length == 0 {
        return Ok(0);
    }
    let is_negative = cursor.u8()? != 0;
    let days = cursor.u32()?;
    if days > MOST_DAYS {
        return Err(malformed("a time beyond the range of its type"));
    }
    let [hour, minute, second] = cursor.array()?;
    let fraction = if length == 12 { fraction(cursor)? } else { 0 };
    let micros = i64::from(days) * 86_400_000_000 + clock(hour.into(), minute, second)? + fraction;
    Ok(if is_negative { -micros } else { micros })
}

/// Microseconds of a second.
fn fraction(cursor: &mut Cursor<'_>) -> Result<i64> {
    match cursor.u32()? {
        micros @ 0..1_000_000 => Ok(micros.into()),
        _ => Err(malformed("a fraction of a second that is more than one")),
    }
}

/// Microseconds of a time of day.
#[inline]
fn clock(hour: u32, minute: u8, second: u8) -> Result<i64> {
    if hour > 23 || minute > 59 || second > 59 {
        return Err(malformed("a time that no clock shows"));
    }
    Ok((i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second)) * 1_000_000)
}

fn bits(bytes: &[u8]) -> Result<u64> {
    if bytes.len() > 8 {
        return Err(malformed("more than 64 bits"));
    }
    Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// A date or timestamp in text form: `YYYY-MM-DD[ HH:MM:SS[.ffffff]]`; none for anything else.
pub(super) fn moment_from_text(text: &[u8]) -> Option<Moment> {
    let part = |from: usize, to: usize| unsigned(text.get(from..to)?);
    let mark = |at: usize, wanted: u8| (text.get(at) == Some(&wanted)).then_some(());
    mark(4, b'-')?;
    mark(7, b'-')?;
    let mut moment = Moment {
        year: part(0, 4)? as u16,
        month: part(5, 7)? as u8,
        day: part(8, 10)? as u8,
        micros: 0,
        has_time: text.len() > 10,
    };
    if text.len() > 10 {
        mark(10, b' ')?;
        mark(13, b':')?;
        mark(16, b':')?;
        let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
        moment.micros = clock(hour as u32, minute as u8, second as u8).ok()?;
    }
    if text.len() > 19 {
        mark(19, b'.')?;
        let digits = text.get(20..).filter(|digits| matches!(digits.len(), 1..=6))?;
        moment.micros += unsigned(digits)? as i64 * 10_i64.pow(6 - digits.len() as u32);
    }
    Some(moment)
}
