//! Types, pruning, keys, folders and options.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, Decimal256Array, Int64Array, Int64Builder, ListBuilder, RecordBatch, StringArray,
    StructArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, i256};
use junto_connector::expr::CompareOp;
use junto_connector::{Error, Expr, Keys, Literal};

use crate::support::{Folder, collect, filter, refused, request, rows, scan, texts};

fn numbers(count: i64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(0..count))
}

fn keys(values: ArrayRef, column: usize) -> Keys {
    let schema = Schema::new(vec![Field::new("k", values.data_type().clone(), false)]);
    let values = RecordBatch::try_new(Arc::new(schema), vec![values]).expect("one column");
    Keys { columns: vec![column], values, nulls: false }
}

#[tokio::test]
async fn every_format_is_a_table() {
    let folder = Folder::new();
    folder.write("a.csv", "id,name,day\n1,Ada,2024-02-29\n2,,2024-03-01\n");
    folder.write("b.tsv", "x\ty\n1.5\ttrue\n");
    folder.write("c.jsonl", "{\"id\":1,\"tags\":[\"x\",null],\"at\":{\"lat\":1.5}}\n{\"id\":2}\n");
    folder.write("d.json", "[{\"id\": 7}, {\"id\": 8}]");
    folder.parquet("e.parquet", vec![("n", numbers(3))], 10);
    let files = folder.connect().await;
    let table = |name: &'static str| rows(files.as_ref(), name);
    assert_eq!(table("a").await.expect("CSV"), ["1|Ada|2024-02-29", "2|∅|2024-03-01"]);
    assert_eq!(table("b").await.expect("TSV"), ["1.5|true"]);
    assert_eq!(table("c").await.expect("JSONL"), ["{\"lat\":1.5}|1|[\"x\",null]", "∅|2|∅"]);
    assert_eq!(table("d").await.expect("JSON"), ["7", "8"]);
    assert_eq!(table("e").await.expect("Parquet"), ["0", "1", "2"]);
    let names: Vec<String> =
        files.tables(None).await.expect("a listing").into_iter().map(|t| t.name.to_string()).collect();
    assert_eq!(names, ["main.a", "main.b", "main.c", "main.d", "main.e"]);
}

#[tokio::test]
async fn folders_are_tables_partitions_or_schemas() {
    let folder = Folder::new();
    folder.write("sales/1.csv", "id\n1\n");
    folder.write("sales/2.csv", "id\n2\n");
    folder.write("visits/year=2023/a.csv", "n\n1\n");
    folder.write("visits/year=2024/a.csv", "n\n2\n");
    folder.write("raw/x.csv", "a\n1\n");
    folder.write("raw/y.json", "{\"b\":1}\n");
    folder.write("rates.csv", "r\n1\n");
    folder.write("rates.json", "{\"r\":2}\n");
    folder.write(".hidden.csv", "a\n1\n");
    let files = folder.connect().await;
    let names: Vec<String> =
        files.tables(None).await.expect("a listing").into_iter().map(|t| t.name.to_string()).collect();
    assert_eq!(names, ["main.rates.csv", "main.rates.json", "main.sales", "main.visits", "raw.x", "raw.y"]);
    let mut sales = rows(files.as_ref(), "sales").await.expect("a folder");
    sales.sort_unstable();
    assert_eq!(sales, ["1", "2"]);
    let visits = files.table(None, "visits").await.expect("a partitioned folder");
    assert_eq!(visits.columns[1].data_type, DataType::Int64);
    let of_2024 = Expr::compare(CompareOp::Eq, Expr::Column(1), Expr::Literal(Literal::Int(2024)));
    let stream = files.open(request(filter(scan(&visits), of_2024), None)).await.expect("a scan");
    assert_eq!(texts(&collect(stream).await.expect("rows")), ["2|2024"]);
    assert_eq!(rows(files.as_ref(), "rates.json").await.expect("by its full name"), ["2"]);
    assert!(matches!(files.table(None, "rates").await, Err(Error::TableNotFound { .. })));
    let schemas = files.schemas().await.expect("schemas");
    assert_eq!(schemas.iter().map(|schema| schema.name.as_str()).collect::<Vec<_>>(), ["main", "raw"]);
    assert_eq!(files.table(Some("RAW"), "X").await.expect("ignoring case").name.to_string(), "raw.x");
}

#[tokio::test]
async fn parquet_types_keep_their_values() {
    let folder = Folder::new();
    let nested = ListBuilder::new(Int64Builder::new());
    let mut nested = nested;
    nested.append_value([Some(1), None]);
    nested.append_null();
    let inner: ArrayRef = Arc::new(StringArray::from(vec![Some("ä"), None]));
    let object = StructArray::from(vec![(Arc::new(Field::new("s", DataType::Utf8, true)), inner)]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("u", Arc::new(UInt64Array::from(vec![u64::MAX, 0]))),
        ("d", Arc::new(Decimal128Array::from(vec![-1, 99]).with_precision_and_scale(38, 10).expect("valid"))),
        (
            "w",
            Arc::new(Decimal256Array::from(vec![i256::MAX, i256::MIN]).with_precision_and_scale(76, 0).expect("valid")),
        ),
        ("ms", Arc::new(TimestampMillisecondArray::from(vec![-1, 1]).with_timezone("+02:00"))),
        ("ns", Arc::new(TimestampNanosecondArray::from(vec![-1, 1]))),
        ("l", Arc::new(nested.finish())),
        ("o", Arc::new(object)),
    ];
    // The largest 256-bit numbers have 77 digits; these have 76.
    let wide = i256::from_string(&"9".repeat(76)).expect("76 digits");
    let mut columns = columns;
    columns[2].1 = Arc::new(Decimal256Array::from(vec![wide, -wide]).with_precision_and_scale(76, 0).expect("valid"));
    folder.parquet("t.parquet", columns, 10);
    let files = folder.connect().await;
    let nines = "9".repeat(76);
    assert_eq!(
        rows(files.as_ref(), "t").await.expect("rows"),
        [
            format!(
                "18446744073709551615|-0.0000000001|{nines}|1969-12-31T23:59:59.999Z|1969-12-31T23:59:59.999999999|[1,null]|{{\"s\":\"ä\"}}"
            ),
            format!("0|0.0000000099|-{nines}|1970-01-01T00:00:00.001Z|1970-01-01T00:00:00.000000001|∅|{{\"s\":null}}"),
        ]
    );
}

#[tokio::test]
async fn row_groups_that_cannot_match_are_not_read() {
    let folder = Folder::new();
    let text: ArrayRef = Arc::new(StringArray::from_iter_values((0..200_000).map(|n| format!("value {n}"))));
    folder.parquet("t.parquet", vec![("id", numbers(200_000)), ("text", text)], 10_000);
    let files = folder.connect().await;
    let info = files.table(None, "t").await.expect("a table");
    let bytes = async |root, keys| {
        let request = request(root, keys);
        let metrics = Arc::clone(&request.context.metrics);
        let rows = collect(files.open(request).await.expect("a scan")).await.expect("rows");
        (rows.iter().map(RecordBatch::num_rows).sum::<usize>(), metrics.bytes())
    };
    let (all_rows, all) = bytes(scan(&info), None).await;
    assert_eq!(all_rows, 200_000);
    let one = Expr::compare(CompareOp::Eq, Expr::Column(0), Expr::Literal(Literal::Int(123_456)));
    let (rows, filtered) = bytes(filter(scan(&info), one), None).await;
    assert_eq!(rows, 1);
    assert!(filtered * 5 < all, "{filtered} of {all} bytes for one row");
    let few: ArrayRef = Arc::new(Int64Array::from(vec![5, 7, 9]));
    let (rows, keyed) = bytes(scan(&info), Some(keys(few, 0))).await;
    assert!((3..20_000).contains(&rows), "{rows} rows for three keys");
    assert!(keyed * 5 < all, "{keyed} of {all} bytes for three keys");
    let many: ArrayRef = Arc::new(Int64Array::from_iter_values((0..3_000).map(|n| n * 3)));
    let (rows, joined) = bytes(scan(&info), Some(keys(many, 0))).await;
    assert_eq!(rows, 3_000);
    assert!(joined * 5 < all, "{joined} of {all} bytes for 3,000 keys in one row group");
}

#[tokio::test]
async fn a_plan_is_shown_in_words() {
    let folder = Folder::new();
    folder.write("a.csv", "id,name\n1,x\n");
    let files = folder.connect().await;
    let info = files.table(None, "a").await.expect("a table");
    let predicate = Expr::compare(CompareOp::Gt, Expr::Column(0), Expr::Literal(Literal::Int(3)));
    let plan = junto_connector::RemotePlan { root: filter(scan(&info), predicate) };
    assert_eq!(files.remote_text(&plan, None).expect("a text"), "filter id > 3 of (scan main.a [id, name])");
}

#[tokio::test]
async fn statistics_come_from_footers() {
    let folder = Folder::new();
    folder.parquet("t/1.parquet", vec![("id", numbers(100))], 10);
    folder.parquet("t/2.parquet", vec![("id", numbers(50))], 10);
    let files = folder.connect().await;
    let info = files.table(None, "t").await.expect("a table");
    assert_eq!(info.row_estimate, Some(150));
    let statistics = files.statistics(&info.name).await.expect("statistics");
    let column = statistics.column("id").expect("of the column");
    assert_eq!((column.min.clone(), column.max.clone()), (Some(Literal::Int(0)), Some(Literal::Int(99))));
    assert_eq!(column.null_fraction, Some(0.0));
}

#[tokio::test]
async fn options_say_how_csv_is_read() {
    let folder = Folder::new();
    folder.write("a.csv", "00123;NA;1.10\n'x;y';-;2\n");
    let options = "header=false&delimiter=%3B&quote='&null=NA,-&type.a.column_3=decimal(9,2)";
    let files = folder.connect_with(options).await;
    assert_eq!(rows(files.as_ref(), "a").await.expect("rows"), ["00123|∅|1.10", "x;y|∅|2.00"]);
    let wrong = refused(crate::support::connect("files:.?type.a.b=number").await, "an unknown type");
    assert!(matches!(wrong, Error::InvalidOption { .. }), "{wrong}");
}

#[tokio::test]
async fn numbers_with_leading_zeros_are_names() {
    let folder = Folder::new();
    folder.write("places.csv", "code,people\n01067,10\n99084,0\n");
    let files = folder.connect().await;
    assert_eq!(rows(files.as_ref(), "places").await.expect("rows"), ["01067|10", "99084|0"]);
    assert_eq!(files.table(None, "places").await.expect("a table").columns[1].data_type, DataType::Int64);
}

#[tokio::test]
async fn a_changed_file_is_seen() {
    let folder = Folder::new();
    folder.write("a.csv", "id\n1\n");
    let files = folder.connect().await;
    let before = files.table(None, "a").await.expect("a table");
    folder.write("a.csv", "id\n1\n2\n");
    let stream = files.open(request(scan(&before), None)).await.expect("the same columns");
    assert_eq!(texts(&collect(stream).await.expect("rows")), ["1", "2"]);
    folder.write("a.csv", "name\nx\n");
    let stale = refused(files.open(request(scan(&before), None)).await, "a column that is gone");
    assert!(matches!(stale, Error::StaleCatalog { .. }), "{stale}");
}
