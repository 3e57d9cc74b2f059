//! Every format over one result with all the awkward values.

use std::sync::Arc;

use arrow::array::{Decimal128Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::reader::StreamReader;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Format, Look, visible, writer};

fn awkward() -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("amount", DataType::Decimal128(12, 2), true),
        Field::new("a note", DataType::Utf8, true),
    ]);
    let amounts = Decimal128Array::from(vec![Some(150), None, Some(-7), Some(0)]);
    let notes = vec![Some("say \"hi\",\nnow"), Some(""), None, Some("日本|\u{1b}[31mred\u{1b}[0m\t")];
    RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(Int64Array::from(vec![Some(1), Some(i64::MAX), Some(3), None])),
            Arc::new(amounts.with_precision_and_scale(12, 2).expect("a valid type")),
            Arc::new(StringArray::from(notes)),
        ],
    )
    .expect("columns fit the schema")
}

fn written(format: Format, batches: &[RecordBatch]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let schema = awkward().schema();
    let mut rows = writer(format, &mut bytes, &schema, Look::default()).expect("a writer");
    for batch in batches {
        rows.batch(batch).expect("written");
    }
    rows.finish().expect("finished");
    drop(rows);
    bytes
}

fn check(format: Format, expected: &str) {
    assert_eq!(String::from_utf8(written(format, &[awkward()])).expect("UTF-8"), expected);
}

#[test]
fn csv() {
    check(
        Format::Csv,
        "id,amount,a note\n1,1.50,\"say \"\"hi\"\",\nnow\"\n9223372036854775807,,\"\"\n3,-0.07,\n,0.00,日本|\u{1b}[31mred\u{1b}[0m\t\n",
    );
}

#[test]
fn tsv() {
    check(
        Format::Tsv,
        "id\tamount\ta note\n1\t1.50\tsay \"hi\",\\nnow\n9223372036854775807\t\\N\t\n3\t-0.07\t\\N\n\\N\t0.00\t日本|\u{1b}[31mred\u{1b}[0m\\t\n",
    );
}

#[test]
fn json_forms() {
    let first = r#""amount":1.50,"a note":"say \"hi\",\nnow"}"#;
    let last = r#"{"id":null,"amount":0.00,"a note":"日本|\u001b[31mred\u001b[0m\t"}"#;
    let middle =
        [r#"{"id":9223372036854775807,"amount":null,"a note":""}"#, r#"{"id":3,"amount":-0.07,"a note":null}"#];
    let lines = [&format!("{{\"id\":1,{first}"), middle[0], middle[1], last];
    check(Format::Jsonl, &format!("{}\n", lines.join("\n")));
    check(Format::Json, &format!("[\n{}\n]\n", lines.join(",\n")));
    let arrays = String::from_utf8(written(Format::JsonlArray, &[awkward()])).expect("UTF-8");
    assert_eq!(arrays.lines().nth(1), Some(r#"[9223372036854775807,null,""]"#));
}

#[test]
fn markdown() {
    check(
        Format::Markdown,
        "| id | amount | a note |\n| ---: | ---: | --- |\n| 1 | 1.50 | say \"hi\",<br>now |\n| 9223372036854775807 | |  |\n| 3 | -0.07 | |\n| | 0.00 | 日本\\|red\\t |\n",
    );
}

#[test]
fn tables_align_wide_characters_and_hide_escapes() {
    check(
        Format::Table,
        &[
            "                 id │ amount │ a note",
            "────────────────────┼────────┼───────────────",
            "                  1 │   1.50 │ say \"hi\",\\nnow",
            "9223372036854775807 │   NULL │ ",
            "                  3 │  -0.07 │ NULL",
            "               NULL │   0.00 │ 日本|red\\t",
            "",
        ]
        .join("\n"),
    );
}

#[test]
fn results_without_rows_keep_their_header() {
    let text = |format| String::from_utf8(written(format, &[])).expect("UTF-8");
    assert_eq!(text(Format::Csv), "id,amount,a note\n");
    assert_eq!(text(Format::Json), "[]\n");
    assert_eq!(text(Format::Jsonl), "");
    assert_eq!(text(Format::Table), "id │ amount │ a note\n───┼────────┼───────\n");
}

#[test]
fn binary_formats_give_the_rows_back() {
    let two = [awkward(), awkward()];
    let stream = written(Format::Arrow, &two);
    let read: Vec<RecordBatch> = StreamReader::try_new(stream.as_slice(), None)
        .expect("a stream")
        .map(|batch| batch.expect("a batch"))
        .collect();
    assert_eq!(read, two);
    let file = tempfile::tempfile().expect("a file");
    std::io::Write::write_all(&mut &file, &written(Format::Parquet, &two)).expect("written");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file").build().expect("readable");
    let rows: usize = reader.map(|batch| batch.expect("a batch").num_rows()).sum();
    assert_eq!(rows, 8);
}

#[test]
fn nothing_reaches_the_terminal_as_a_command() {
    assert_eq!(visible("a\u{1b}]0;title\u{7}b\u{202e}c\u{8}"), "abc");
    assert_eq!(visible("plain"), "plain");
}
