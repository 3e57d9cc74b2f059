//! Every Arrow type in both spellings.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, DictionaryArray,
    FixedSizeBinaryArray, Float32Array, Float64Array, Int8Array, Int64Array, ListArray, NullArray, StringArray,
    StringViewArray, StructArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, i256};

use super::{Cells, Spelling, write_json};

fn field(array: &ArrayRef) -> Field {
    Field::new("x", array.data_type().clone(), true)
}

/// All values of `array`, `-` for NULL.
fn texts(array: impl arrow::array::Array + 'static) -> Vec<String> {
    let array: ArrayRef = Arc::new(array);
    let cells = Cells::new(&array, &field(&array), Spelling::Text);
    let text = |row| {
        let mut out = Vec::new();
        cells.write(row, &mut out);
        String::from_utf8(out).expect("UTF-8")
    };
    (0..array.len()).map(|row| if cells.is_null(row) { "-".into() } else { text(row) }).collect()
}

fn json(array: impl arrow::array::Array + 'static) -> String {
    let array: ArrayRef = Arc::new(array);
    let cells = Cells::new(&array, &field(&array), Spelling::Json);
    let mut out = Vec::new();
    for row in 0..array.len() {
        if row > 0 {
            out.push(b' ');
        }
        write_json(&cells, row, &mut out);
    }
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn integers_keep_all_digits() {
    assert_eq!(texts(Int64Array::from(vec![Some(i64::MIN), None, Some(7)])), ["-9223372036854775808", "-", "7"]);
    assert_eq!(json(UInt64Array::from(vec![u64::MAX])), "18446744073709551615");
    assert_eq!(texts(Int8Array::from(vec![-128])), ["-128"]);
    assert_eq!(json(BooleanArray::from(vec![Some(true), None, Some(false)])), "true null false");
}

#[test]
fn decimals_keep_all_digits() {
    let decimal = |values: Vec<i128>, scale| {
        texts(Decimal128Array::from(values).with_precision_and_scale(38, scale).expect("a valid type"))
    };
    assert_eq!(decimal(vec![123, -5, 0, -100], 2), ["1.23", "-0.05", "0.00", "-1.00"]);
    assert_eq!(decimal(vec![i128::from(u64::MAX) * 10], 1), ["18446744073709551615.0"]);
    assert_eq!(decimal(vec![5, 0, -7], -3), ["5000", "0", "-7000"]);
    assert_eq!(decimal(vec![42], 0), ["42"]);
    let wide = Decimal256Array::from(vec![i256::from_i128(-1234)]).with_precision_and_scale(76, 3).expect("valid");
    assert_eq!(json(wide), "-1.234");
}

#[test]
fn floats_are_exact_and_never_break_json() {
    let values = vec![1.0, 0.1, 1e300, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let spelled = texts(Float64Array::from(values.clone()));
    assert_eq!(spelled, ["1.0", "0.1", "1e300", "-0.0", "NaN", "Infinity", "-Infinity"]);
    assert_eq!(json(Float64Array::from(values)), r#"1.0 0.1 1e300 -0.0 "NaN" "Infinity" "-Infinity""#);
    assert_eq!(texts(Float32Array::from(vec![0.1_f32])), ["0.1"]);
}

#[test]
fn strings_are_escaped_in_json_only() {
    let tricky = "a\"b\\c\nd\u{1}é";
    assert_eq!(texts(StringArray::from(vec![tricky])), [tricky]);
    assert_eq!(json(StringViewArray::from(vec![tricky])), r#""a\"b\\c\nd\u0001é""#);
}

#[test]
fn binary_is_hex_or_base64() {
    let bytes: Vec<&[u8]> = vec![b"\x00\xff", b""];
    assert_eq!(texts(BinaryArray::from(bytes.clone())), ["\\x00ff", "\\x"]);
    assert_eq!(json(BinaryArray::from(bytes)), r#""AP8=" """#);
}

#[test]
fn uuids_are_spelled_as_people_know_them() {
    let array: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter([[0xab_u8; 16]].iter()).expect("one length"));
    let metadata = [("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned())];
    let field = field(&array).with_metadata(metadata.into());
    let mut out = Vec::new();
    Cells::new(&array, &field, Spelling::Text).write(0, &mut out);
    assert_eq!(out, b"abababab-abab-abab-abab-abababababab");
}

#[test]
fn dates_are_strings_in_json() {
    assert_eq!(json(Date32Array::from(vec![Some(0), None])), r#""1970-01-01" null"#);
    let instants = TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC");
    assert_eq!(json(instants), r#""1970-01-01T00:00:00Z""#);
}

#[test]
fn nested_values_are_json_in_both_spellings() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
    assert_eq!(texts(list), ["[1,null]", "-", "[]"]);
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a\"b"), None]));
    let record = StructArray::from(vec![(Arc::new(Field::new("n", DataType::Utf8, true)), names)]);
    assert_eq!(texts(record), [r#"{"n":"a\"b"}"#, r#"{"n":null}"#]);
}

#[test]
fn dictionaries_and_nulls() {
    let words: DictionaryArray<Int32Type> = vec![Some("x"), None, Some("x")].into_iter().collect();
    assert_eq!(json(words), r#""x" null "x""#);
    assert_eq!(json(NullArray::new(1)), "null");
}
