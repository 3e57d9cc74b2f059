//! Rows written by hand, and by chance.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Int64Type, TimestampMicrosecondType};
use arrow_schema::{DataType, Field, IntervalUnit, Schema, TimeUnit};
use mysql_common::constants::{ColumnFlags, ColumnType};
use proptest::prelude::*;

use super::*;

fn wire(column_type: ColumnType) -> WireColumn {
    let (flags, name) = (ColumnFlags::empty(), String::new());
    WireColumn { name, column_type, flags, collation: 45, length: 0, decimals: 0 }
}

fn decoder(columns: &[(ColumnType, DataType)], format: RowFormat, zero_dates: ZeroDates) -> RowDecoder {
    let fields = columns.iter().map(|(_, data_type)| Field::new("c", data_type.clone(), true)).collect::<Vec<_>>();
    let wires: Vec<WireColumn> = columns.iter().map(|(column_type, _)| wire(*column_type)).collect();
    RowDecoder::new(Arc::new(Schema::new(fields)), &wires, format, zero_dates, 4).expect("known types")
}

const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

#[test]
fn both_forms_of_a_row_give_one_batch() {
    let columns = [
        (ColumnType::MYSQL_TYPE_LONGLONG, DataType::Int64),
        (ColumnType::MYSQL_TYPE_NEWDECIMAL, DataType::Decimal128(15, 2)),
        (ColumnType::MYSQL_TYPE_DATE, DataType::Date32),
        (ColumnType::MYSQL_TYPE_DATETIME, TIMESTAMP),
        (ColumnType::MYSQL_TYPE_VAR_STRING, DataType::Utf8View),
    ];
    let mut binary = vec![0, 0b100_0000];
    binary.extend_from_slice(&(-7_i64).to_le_bytes());
    binary.extend_from_slice(b"\x05-1.50");
    binary.extend_from_slice(&[4, 0xE8, 0x07, 2, 29]);
    binary.extend_from_slice(&[11, 0xB1, 0x07, 12, 31, 23, 59, 59, 0x3F, 0x42, 0x0F, 0]);
    let text = b"\x02-7\x05-1.50\x0a2024-02-29\x1a1969-12-31 23:59:59.999999\xFB";
    for (format, packet) in [(RowFormat::Binary, &binary[..]), (RowFormat::Text, &text[..])] {
        let mut decoder = decoder(&columns, format, ZeroDates::Null);
        decoder.append(packet).expect("a right row");
        let batch = decoder.finish().expect("a batch");
        assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(0), -7);
        assert_eq!(batch.column(1).as_primitive::<Decimal128Type>().value(0), -150);
        assert_eq!(batch.column(2).as_primitive::<Date32Type>().value(0), 19782);
        assert_eq!(batch.column(3).as_primitive::<TimestampMicrosecondType>().value(0), -1);
        assert_eq!(batch.column(4).null_count(), 1);
    }
}

#[test]
fn dates_with_zeros_follow_the_option() {
    let columns = [(ColumnType::MYSQL_TYPE_DATE, DataType::Date32)];
    let read = |zero_dates, date: &[u8]| {
        let mut decoder = decoder(&columns, RowFormat::Text, zero_dates);
        decoder.append(&[&[date.len() as u8], date].concat())?;
        Ok::<_, Error>(decoder.finish()?.column(0).null_count())
    };
    assert_eq!(read(ZeroDates::Null, b"0000-00-00").expect("NULL"), 1);
    assert_eq!(read(ZeroDates::Null, b"2024-00-10").expect("NULL"), 1);
    let error = read(ZeroDates::Error, b"2024-05-00").expect_err("refused");
    assert_eq!(error.to_string(), "column `c`, row 1: is a date with a zero in it");
    assert!(read(ZeroDates::Null, b"2024-02-31").is_err());
}

#[test]
fn nothing_is_lost_silently() {
    let refused = |column_type, data_type: DataType, cell: &[u8]| {
        let mut decoder = decoder(&[(column_type, data_type)], RowFormat::Text, ZeroDates::Null);
        decoder.append(&[&[cell.len() as u8], cell].concat()).is_err()
    };
    assert!(refused(ColumnType::MYSQL_TYPE_TINY, DataType::Boolean, b"2"));
    assert!(refused(ColumnType::MYSQL_TYPE_LONGLONG, DataType::Int64, b"9223372036854775808"));
    assert!(refused(ColumnType::MYSQL_TYPE_NEWDECIMAL, DataType::Decimal128(4, 2), b"100.00"));
    assert!(refused(ColumnType::MYSQL_TYPE_VAR_STRING, DataType::Utf8View, b"\xE9"));
    assert!(refused(ColumnType::MYSQL_TYPE_TIME, DataType::Time64(TimeUnit::Microsecond), b"24:00:00"));
    assert!(!refused(ColumnType::MYSQL_TYPE_TIME, DataType::Interval(IntervalUnit::MonthDayNano), b"-838:59:59"));
}

#[test]
fn times_beyond_their_type_are_refused() {
    let columns = [(ColumnType::MYSQL_TYPE_TIME, DataType::Interval(IntervalUnit::MonthDayNano))];
    for (days, fraction) in [(u32::MAX, 0), (0, u32::MAX)] {
        let mut row = vec![0, 0, 12, 0];
        row.extend_from_slice(&days.to_le_bytes());
        row.extend_from_slice(&[0, 0, 0]);
        row.extend_from_slice(&u32::to_le_bytes(fraction));
        assert!(decoder(&columns, RowFormat::Binary, ZeroDates::Null).append(&row).is_err());
    }
}

fn any_column() -> impl Strategy<Value = (ColumnType, DataType)> {
    let wires = proptest::sample::select(vec![
        ColumnType::MYSQL_TYPE_TINY,
        ColumnType::MYSQL_TYPE_LONG,
        ColumnType::MYSQL_TYPE_LONGLONG,
        ColumnType::MYSQL_TYPE_FLOAT,
        ColumnType::MYSQL_TYPE_DOUBLE,
        ColumnType::MYSQL_TYPE_DATE,
        ColumnType::MYSQL_TYPE_DATETIME,
        ColumnType::MYSQL_TYPE_TIME,
        ColumnType::MYSQL_TYPE_BIT,
        ColumnType::MYSQL_TYPE_NEWDECIMAL,
        ColumnType::MYSQL_TYPE_BLOB,
    ]);
    let arrows = proptest::sample::select(vec![
        DataType::Boolean,
        DataType::Int8,
        DataType::UInt64,
        DataType::Float64,
        DataType::Decimal128(10, 2),
        DataType::Decimal256(60, 5),
        DataType::Date32,
        TIMESTAMP,
        DataType::Time64(TimeUnit::Microsecond),
        DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Utf8View,
        DataType::Binary,
    ]);
    (wires, arrows)
}

proptest! {
    #[test]
    fn hostile_rows_are_errors_not_panics(
        columns in proptest::collection::vec(any_column(), 1..12),
        is_text in any::<bool>(),
        row in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        let format = if is_text { RowFormat::Text } else { RowFormat::Binary };
        let mut decoder = decoder(&columns, format, ZeroDates::Null);
        if decoder.append(&row).is_ok() {
            prop_assert_eq!(decoder.finish().expect("a batch").num_rows(), 1);
        }
    }
}
