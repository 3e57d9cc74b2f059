//! Values of a column as bytes, without a `String` per value: one closure per column and batch.
//!
//! Two spellings: *text* (CSV, TSV, tables, Markdown) and *JSON*. In both, decimals and integers keep all their digits,
//! and dates and times are ISO 8601. Text writes binary as `\x` and hex digits, JSON as base64; JSON has no number for
//! NaN and the infinities, so they are strings there.

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArrayType, GenericListArray, OffsetSizeTrait, PrimitiveArray,
    StringArrayType,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowDictionaryKeyType, DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type,
    Decimal256Type, DecimalType, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType,
    DurationSecondType, Field, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalDayTimeType, IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow::downcast_dictionary_array;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::moments;

/// How values are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    Text,
    Json,
}

type Write<'a> = Box<dyn Fn(usize, &mut Vec<u8>) + 'a>;

/// One column of a batch, ready to be written value by value.
pub(crate) struct Cells<'a> {
    /// Logical ones: also those of a dictionary's values and of a column without type.
    nulls: Option<NullBuffer>,
    write: Write<'a>,
    /// Digits, signs and the like only: never a quote, delimiter, line break or control character.
    pub(crate) plain: bool,
}

impl<'a> Cells<'a> {
    /// The values of `array`. `field` may carry an extension type (`arrow.uuid`).
    pub(crate) fn new(array: &'a ArrayRef, field: &Field, spelling: Spelling) -> Self {
        let uuid = field.extension_type_name() == Some("arrow.uuid");
        let write = if uuid { uuids(array, spelling) } else { writer(array, spelling) };
        Self { nulls: array.logical_nulls(), write, plain: uuid || is_plain(array.data_type()) }
    }

    /// Whether the value is NULL.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends a value that is not NULL.
    pub(crate) fn write(&self, row: usize, out: &mut Vec<u8>) {
        (self.write)(row, out);
    }
}

/// Whether people expect the values flush right.
pub(crate) fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

fn is_plain(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_plain(values),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => false,
        other => !other.is_nested() && *other != DataType::Null,
    }
}

fn writer(array: &ArrayRef, spelling: Spelling) -> Write<'_> {
    use DataType as T;
    let quoted = spelling == Spelling::Json;
    match array.data_type() {
        T::Null => Box::new(|_, out| out.extend_from_slice(b"null")),
        T::Boolean => {
            let values = array.as_boolean();
            Box::new(|row, out| out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }))
        }
        T::Int8 => integers::<Int8Type>(array),
        T::Int16 => integers::<Int16Type>(array),
        T::Int32 => integers::<Int32Type>(array),
        T::Int64 => integers::<Int64Type>(array),
        T::UInt8 => integers::<UInt8Type>(array),
        T::UInt16 => integers::<UInt16Type>(array),
        T::UInt32 => integers::<UInt32Type>(array),
        T::UInt64 => integers::<UInt64Type>(array),
        T::Float16 => floats::<Float16Type>(array, quoted, |value| f64::from(f32::from(value))),
        T::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            Box::new(move |row, out| write_float(values.value(row), f32::is_finite, quoted, out))
        }
        T::Float64 => floats::<Float64Type>(array, quoted, |value| value),
        T::Decimal32(_, scale) => decimals::<Decimal32Type>(array, *scale),
        T::Decimal64(_, scale) => decimals::<Decimal64Type>(array, *scale),
        T::Decimal128(_, scale) => decimals::<Decimal128Type>(array, *scale),
        T::Decimal256(precision, scale) => {
            let values = array.as_primitive::<Decimal256Type>();
            let (precision, scale) = (*precision, *scale);
            Box::new(move |row, out| {
                let text = Decimal256Type::format_decimal(values.value(row), precision, scale);
                out.extend_from_slice(text.as_bytes());
            })
        }
        T::Utf8 => texts(array.as_string::<i32>(), spelling),
        T::LargeUtf8 => texts(array.as_string::<i64>(), spelling),
        T::Utf8View => texts(array.as_string_view(), spelling),
        T::Binary => binaries(array.as_binary::<i32>(), spelling),
        T::LargeBinary => binaries(array.as_binary::<i64>(), spelling),
        T::BinaryView => binaries(array.as_binary_view(), spelling),
        T::FixedSizeBinary(_) => {
            let values = array.as_fixed_size_binary();
            Box::new(move |row, out| write_binary(values.value(row), spelling, out))
        }
        T::List(_) => lists(array.as_list::<i32>()),
        T::LargeList(_) => lists(array.as_list::<i64>()),
        T::FixedSizeList(field, length) => {
            let list = array.as_fixed_size_list();
            let cells = Cells::new(list.values(), field, Spelling::Json);
            let length = *length as usize;
            Box::new(move |row, out| write_list(&cells, row * length, (row + 1) * length, out))
        }
        T::Struct(_) => structs(array),
        T::Map(_, _) => maps(array),
        T::Dictionary(_, _) => dictionaries(array, spelling),
        T::Date32 | T::Date64 | T::Timestamp(_, _) | T::Time32(_) | T::Time64(_) | T::Duration(_) | T::Interval(_) => {
            quote(times(array), quoted)
        }
        _ => others(array, spelling),
    }
}

fn integers<T>(array: &ArrayRef) -> Write<'_>
where
    T: ArrowPrimitiveType,
    T::Native: itoa::Integer,
{
    let values = array.as_primitive::<T>();
    Box::new(|row, out| out.extend_from_slice(itoa::Buffer::new().format(values.value(row)).as_bytes()))
}

fn floats<T: ArrowPrimitiveType>(array: &ArrayRef, quoted: bool, to_double: fn(T::Native) -> f64) -> Write<'_> {
    let values = array.as_primitive::<T>();
    Box::new(move |row, out| write_float(to_double(values.value(row)), f64::is_finite, quoted, out))
}

/// The shortest digits that give the same number back; `NaN`, `Infinity`, `-Infinity` as strings in JSON.
fn write_float<F>(value: F, is_finite: fn(F) -> bool, quoted: bool, out: &mut Vec<u8>)
where
    F: ryu::Float + Copy + PartialOrd + Default,
{
    if is_finite(value) {
        return out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    }
    let text: &[u8] = match value.partial_cmp(&F::default()) {
        None => b"NaN",
        Some(std::cmp::Ordering::Less) => b"-Infinity",
        Some(_) => b"Infinity",
    };
    let quotes: &[u8] = if quoted { b"\"" } else { b"" };
    out.extend([quotes, text, quotes].concat());
}

fn decimals<T>(array: &ArrayRef, scale: i8) -> Write<'_>
where
    T: DecimalType,
    T::Native: Into<i128>,
{
    let values = array.as_primitive::<T>();
    Box::new(move |row, out| write_decimal(values.value(row).into(), scale, out))
}

/// All digits of `unscaled / 10^scale`, without an exponent.
fn write_decimal(unscaled: i128, scale: i8, out: &mut Vec<u8>) {
    if unscaled < 0 {
        out.push(b'-');
    }
    let magnitude = unscaled.unsigned_abs();
    let mut buffer = itoa::Buffer::new();
    // 64-bit formatting is several times faster, and nearly every decimal fits.
    let digits = match u64::try_from(magnitude) {
        Ok(small) => buffer.format(small),
        Err(_) => buffer.format(magnitude),
    };
    let Ok(places) = usize::try_from(scale) else {
        out.extend_from_slice(digits.as_bytes());
        let zeros = if magnitude == 0 { 0 } else { usize::from(scale.unsigned_abs()) };
        out.resize(out.len() + zeros, b'0');
        return;
    };
    let whole = digits.len().saturating_sub(places);
    if whole == 0 {
        out.push(b'0');
    } else {
        out.extend_from_slice(&digits.as_bytes()[..whole]);
    }
    if places > 0 {
        out.push(b'.');
        out.resize(out.len() + places.saturating_sub(digits.len()), b'0');
        out.extend_from_slice(&digits.as_bytes()[whole..]);
    }
}

fn texts<'a, S: StringArrayType<'a> + 'a>(values: S, spelling: Spelling) -> Write<'a> {
    match spelling {
        Spelling::Text => Box::new(move |row, out| out.extend_from_slice(values.value(row).as_bytes())),
        Spelling::Json => Box::new(move |row, out| write_json_string(values.value(row), out)),
    }
}

/// `text` between quotes, escaped as JSON asks.
pub(crate) fn write_json_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[written..at]);
        written = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => {
                out.extend_from_slice(b"\\u00");
                push_hex(other, out);
            }
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

fn binaries<'a, B: BinaryArrayType<'a> + 'a>(values: B, spelling: Spelling) -> Write<'a> {
    Box::new(move |row, out| write_binary(values.value(row), spelling, out))
}

fn write_binary(bytes: &[u8], spelling: Spelling, out: &mut Vec<u8>) {
    match spelling {
        Spelling::Text => {
            out.extend_from_slice(b"\\x");
            bytes.iter().for_each(|&byte| push_hex(byte, out));
        }
        Spelling::Json => {
            out.push(b'"');
            out.extend_from_slice(BASE64_STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
    }
}

fn push_hex(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

fn uuids(array: &ArrayRef, spelling: Spelling) -> Write<'_> {
    let Some(values) = array.as_fixed_size_binary_opt().filter(|values| values.value_length() == 16) else {
        return writer(array, spelling);
    };
    let write = move |row, out: &mut Vec<u8>| {
        for (at, &byte) in values.value(row).iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                out.push(b'-');
            }
            push_hex(byte, out);
        }
    };
    quote(Box::new(write), spelling == Spelling::Json)
}

fn quote(write: Write<'_>, quoted: bool) -> Write<'_> {
    if !quoted {
        return write;
    }
    Box::new(move |row, out| {
        out.push(b'"');
        write(row, out);
        out.push(b'"');
    })
}

fn times(array: &ArrayRef) -> Write<'_> {
    use DataType as T;
    use TimeUnit as U;
    match array.data_type() {
        T::Date32 => moment::<Date32Type>(array, |days, out| moments::write_date(i64::from(days), out)),
        T::Date64 => moment::<Date64Type>(array, |ms, out| moments::write_date(ms.div_euclid(86_400_000), out)),
        T::Timestamp(unit, zone) => timestamps(array, *unit, zone.is_some()),
        T::Time32(U::Second) => moment::<Time32SecondType>(array, |s, out| moments::write_time(s.into(), 0, out)),
        T::Time32(_) => moment::<Time32MillisecondType>(array, |ms, out| moments::write_time(ms.into(), 3, out)),
        T::Time64(U::Nanosecond) => moment::<Time64NanosecondType>(array, |ns, out| moments::write_time(ns, 9, out)),
        T::Time64(_) => moment::<Time64MicrosecondType>(array, |us, out| moments::write_time(us, 6, out)),
        T::Duration(U::Second) => moment::<DurationSecondType>(array, |s, out| moments::write_duration(s, 0, out)),
        T::Duration(U::Millisecond) => {
            moment::<DurationMillisecondType>(array, |ms, out| moments::write_duration(ms, 3, out))
        }
        T::Duration(U::Microsecond) => {
            moment::<DurationMicrosecondType>(array, |us, out| moments::write_duration(us, 6, out))
        }
        T::Duration(U::Nanosecond) => {
            moment::<DurationNanosecondType>(array, |ns, out| moments::write_duration(ns, 9, out))
        }
        T::Interval(IntervalUnit::YearMonth) => {
            moment::<IntervalYearMonthType>(array, |months, out| moments::write_interval(months, 0, 0, out))
        }
        T::Interval(IntervalUnit::DayTime) => moment::<IntervalDayTimeType>(array, |value, out| {
            moments::write_interval(0, value.days, i64::from(value.milliseconds) * 1_000_000, out);
        }),
        _ => moment::<IntervalMonthDayNanoType>(array, |value, out| {
            moments::write_interval(value.months, value.days, value.nanoseconds, out);
        }),
    }
}

fn moment<T: ArrowPrimitiveType>(array: &ArrayRef, write: fn(T::Native, &mut Vec<u8>)) -> Write<'_> {
    let values = array.as_primitive::<T>();
    Box::new(move |row, out| write(values.value(row), out))
}

fn timestamps(array: &ArrayRef, unit: TimeUnit, zoned: bool) -> Write<'_> {
    match unit {
        TimeUnit::Second => timestamp(array.as_primitive::<TimestampSecondType>(), 0, zoned),
        TimeUnit::Millisecond => timestamp(array.as_primitive::<TimestampMillisecondType>(), 3, zoned),
        TimeUnit::Microsecond => timestamp(array.as_primitive::<TimestampMicrosecondType>(), 6, zoned),
        TimeUnit::Nanosecond => timestamp(array.as_primitive::<TimestampNanosecondType>(), 9, zoned),
    }
}

fn timestamp<T>(values: &PrimitiveArray<T>, digits: u32, zoned: bool) -> Write<'_>
where
    T: ArrowPrimitiveType<Native = i64>,
{
    Box::new(move |row, out| moments::write_timestamp(values.value(row), digits, zoned, out))
}

fn lists<O: OffsetSizeTrait>(list: &GenericListArray<O>) -> Write<'_> {
    let (DataType::List(field) | DataType::LargeList(field)) = list.data_type() else {
        unreachable!("a list array has a list type")
    };
    let cells = Cells::new(list.values(), field, Spelling::Json);
    let offsets = list.value_offsets();
    Box::new(move |row, out| write_list(&cells, offsets[row].as_usize(), offsets[row + 1].as_usize(), out))
}

fn write_list(cells: &Cells<'_>, start: usize, end: usize, out: &mut Vec<u8>) {
    out.push(b'[');
    for row in start..end {
        if row > start {
            out.push(b',');
        }
        write_json(cells, row, out);
    }
    out.push(b']');
}

/// A value or `null`, for cells in JSON spelling.
pub(crate) fn write_json(cells: &Cells<'_>, row: usize, out: &mut Vec<u8>) {
    if cells.is_null(row) {
        out.extend_from_slice(b"null");
    } else {
        cells.write(row, out);
    }
}

fn structs(array: &ArrayRef) -> Write<'_> {
    let values = array.as_struct();
    let members: Vec<(Vec<u8>, Cells<'_>)> = values
        .fields()
        .iter()
        .zip(values.columns())
        .map(|(field, column)| {
            let mut key = Vec::new();
            write_json_string(field.name(), &mut key);
            (key, Cells::new(column, field, Spelling::Json))
        })
        .collect();
    Box::new(move |row, out| {
        for (at, (key, cells)) in members.iter().enumerate() {
            out.push(if at == 0 { b'{' } else { b',' });
            out.extend_from_slice(key);
            out.push(b':');
            write_json(cells, row, out);
        }
        out.extend_from_slice(if members.is_empty() { b"{}" } else { b"}" });
    })
}

/// Maps are lists of pairs, because their keys need not be texts.
fn maps(array: &ArrayRef) -> Write<'_> {
    let map = array.as_map();
    let fields = map.entries().fields();
    let keys = Cells::new(map.keys(), &fields[0], Spelling::Json);
    let values = Cells::new(map.values(), &fields[1], Spelling::Json);
    let offsets = map.value_offsets();
    Box::new(move |row, out| {
        out.push(b'[');
        for at in offsets[row] as usize..offsets[row + 1] as usize {
            out.extend_from_slice(if at > offsets[row] as usize { b",[" } else { b"[" });
            write_json(&keys, at, out);
            out.push(b',');
            write_json(&values, at, out);
            out.push(b']');
        }
        out.push(b']');
    })
}

fn dictionaries(array: &ArrayRef, spelling: Spelling) -> Write<'_> {
    fn typed<K: ArrowDictionaryKeyType>(
        dictionary: &arrow::array::DictionaryArray<K>,
        spelling: Spelling,
    ) -> Write<'_> {
        let write = writer(dictionary.values(), spelling);
        Box::new(move |row, out| {
            if let Some(key) = dictionary.key(row) {
                write(key, out);
            }
        })
    }
    downcast_dictionary_array!(array => typed(array, spelling), _ => unreachable!("a dictionary array has a dictionary type"))
}

/// Types that no source delivers today, as Arrow prints them.
fn others(array: &ArrayRef, spelling: Spelling) -> Write<'_> {
    let formatter = ArrayFormatter::try_new(array, &FormatOptions::default()).ok();
    Box::new(move |row, out| {
        let text = formatter.as_ref().map(|formatter| formatter.value(row).to_string()).unwrap_or_default();
        match spelling {
            Spelling::Text => out.extend_from_slice(text.as_bytes()),
            Spelling::Json => write_json_string(&text, out),
        }
    })
}

#[cfg(test)]
#[path = "cells_tests.rs"]
mod tests;
