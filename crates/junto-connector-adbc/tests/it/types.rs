//! Every type of DuckDB, with values at its edges, planned and native.

use arrow::datatypes::DataType;
use junto_connector::expr::CompareOp;
use junto_connector::{Error, Expr, Literal};

use crate::support::{Fixture, connect, filter, native, read, refused, scan};

/// Type, value in SQL, and how it reads from a planned scan.
const VALUES: &[(&str, &str, &str)] = &[
    ("BOOLEAN", "true", "true"),
    ("TINYINT", "-128", "-128"),
    ("UTINYINT", "255", "255"),
    ("SMALLINT", "-32768", "-32768"),
    ("USMALLINT", "65535", "65535"),
    ("INTEGER", "-2147483648", "-2147483648"),
    ("UINTEGER", "4294967295", "4294967295"),
    ("BIGINT", "-9223372036854775808", "-9223372036854775808"),
    ("UBIGINT", "18446744073709551615", "18446744073709551615"),
    ("HUGEINT", "-99999999999999999999999999999999999999", "-99999999999999999999999999999999999999"),
    ("UHUGEINT", "340282366920938463463374607431768211455", "340282366920938463463374607431768211455"),
    (
        "BIGNUM",
        "'-123456789012345678901234567890123456789012345678901234567890'",
        "-123456789012345678901234567890123456789012345678901234567890",
    ),
    ("FLOAT", "1.5", "1.5"),
    ("DOUBLE", "'-inf'", "-inf"),
    ("DECIMAL(4,1)", "-999.9", "-999.9"),
    ("DECIMAL(9,3)", "123456.789", "123456.789"),
    ("DECIMAL(18,0)", "999999999999999999", "999999999999999999"),
    ("DECIMAL(38,10)", "-9999999999999999999999999999.9999999999", "-9999999999999999999999999999.9999999999"),
    ("VARCHAR", "'日本 🎉 it''s'", "日本 🎉 it's"),
    ("BLOB", "'\\x00\\xFF'::BLOB", "00ff"),
    ("BIT", "'0101101'", "0101101"),
    ("UUID", "'65ec8c8a-0202-47e1-9715-f1c443c6ecd0'", "65ec8c8a-0202-47e1-9715-f1c443c6ecd0"),
    ("DATE", "'0001-01-01'", "0001-01-01"),
    ("TIME", "'23:59:59.999999'", "23:59:59.999999"),
    ("TIMETZ", "'12:34:56.5-05:30'", "12:34:56.5-05:30"),
    ("TIMESTAMP", "'1969-12-31 23:59:59.999999'", "1969-12-31T23:59:59.999999"),
    ("TIMESTAMP_S", "'1969-12-31 23:59:59'", "1969-12-31T23:59:59"),
    ("TIMESTAMP_MS", "'1969-12-31 23:59:59.999'", "1969-12-31T23:59:59.999"),
    ("TIMESTAMP_NS", "'1969-12-31 23:59:59.999999999'", "1969-12-31T23:59:59.999999999"),
    ("TIMESTAMPTZ", "'1969-12-31 23:59:59.5-02:00'", "1970-01-01T01:59:59.500Z"),
    ("INTERVAL", "'1 year 2 days 3.000004 seconds'", "12 mons 2 days 3.000004000 secs"),
    ("ENUM('sad', 'ok')", "'ok'", "ok"),
    ("JSON", "'{\"a\": [1, null]}'", "{\"a\": [1, null]}"),
    ("INTEGER[]", "[1, NULL, 3]", "[1,null,3]"),
    ("INTEGER[2]", "[1, 2]", "[1,2]"),
    ("STRUCT(a INTEGER, b VARCHAR)", "{'a': 1, 'b': NULL}", "{\"a\":1,\"b\":null}"),
    ("MAP(VARCHAR, INTEGER)", "MAP {'k': 1}", "{\"k\":1}"),
    ("UNION(num INTEGER, str VARCHAR)", "'abc'", "{\"str\":\"abc\"}"),
];

fn fixture() -> Fixture {
    let columns: Vec<String> = VALUES.iter().enumerate().map(|(at, (kind, ..))| format!("v{at} {kind}")).collect();
    let values: Vec<&str> = VALUES.iter().map(|(_, value, _)| *value).collect();
    let nulls = vec!["NULL"; VALUES.len()];
    Fixture::new(&format!(
        "CREATE TABLE t ({}); INSERT INTO t VALUES ({}); INSERT INTO t VALUES ({})",
        columns.join(", "),
        values.join(", "),
        nulls.join(", ")
    ))
}

#[tokio::test]
async fn planned_scans_keep_every_value() {
    let duckdb = fixture().connect().await;
    let table = duckdb.table(None, "t").await.expect("a table");
    let rows = read(duckdb.as_ref(), scan(&table)).await.expect("rows");
    for (at, (kind, _, expected)) in VALUES.iter().enumerate() {
        assert_eq!(rows[0][at], *expected, "{kind} read as {}", table.columns[at].data_type);
        assert_eq!(rows[1][at], "∅", "NULL of {kind}");
    }
}

#[tokio::test]
async fn native_statements_keep_every_value_too() {
    let duckdb = fixture().connect().await;
    let rows = native(duckdb.as_ref(), "select * from t").await.expect("rows");
    for (at, (kind, _, expected)) in VALUES.iter().enumerate() {
        // Nested values stay nested where nothing was planned.
        if !matches!(kind.as_bytes(), [.., b']'] | [b'S', b'T', ..] | [b'M', b'A', ..] | [b'U', b'N', ..]) {
            assert_eq!(rows[0][at], *expected, "{kind}");
        }
    }
    let nested =
        "select [[true, NULL]] as l, {'u': '65ec8c8a-0202-47e1-9715-f1c443c6ecd0'::uuid, 'h': 5::hugeint} as s";
    let rows = native(duckdb.as_ref(), nested).await.expect("rows");
    assert_eq!(rows, [["[[true, ∅]]", "{u: 65ec8c8a-0202-47e1-9715-f1c443c6ecd0, h: 5}"]]);
}

#[tokio::test]
async fn what_arrow_cannot_hold_is_an_error_or_text() {
    let huge = "170141183460469231731687303715884105727";
    let fixture = Fixture::new(&format!(
        "CREATE TABLE t (d DATE, ts TIMESTAMP, tz TIMESTAMPTZ, c TIME, h HUGEINT); \
         INSERT INTO t VALUES ('infinity', '-infinity', 'infinity', '24:00:00', {huge})"
    ));
    let duckdb = fixture.connect().await;
    for column in ["d", "ts", "tz", "c"] {
        let error = refused(native(duckdb.as_ref(), &format!("select {column} from t")).await, column);
        assert!(matches!(error, Error::Decode { .. }), "{column}: {error:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains("type.")), "{column}");
    }
    let mut table = duckdb.table(None, "t").await.expect("a table");
    table.columns.retain(|column| column.name == "h");
    let error = refused(read(duckdb.as_ref(), scan(&table)).await, "39 digits");
    let Error::TooWide { wanted: Some(wanted), .. } = error else { panic!("{error:?}") };
    table.columns[0].data_type = wanted;
    assert_eq!(read(duckdb.as_ref(), scan(&table)).await.expect("wide enough"), [[huge]]);

    let columns = ["d", "ts", "tz", "c"].map(|column| format!("type.t.{column}=text")).join("&");
    let as_text = connect(&format!("{}?{columns}", fixture.url())).await.expect("options");
    let mut table = as_text.table(None, "t").await.expect("a table");
    table.columns.retain(|column| column.name != "h");
    let rows = read(as_text.as_ref(), scan(&table)).await.expect("text");
    assert_eq!(rows, [["infinity", "-infinity", "infinity", "24:00:00"]]);
}

#[tokio::test]
async fn values_read_as_text_compare_as_text() {
    let fixture = Fixture::new(
        "CREATE TABLE t (m ENUM('z', 'a'), u UUID, f VARCHAR COLLATE NOCASE); \
         INSERT INTO t VALUES ('z', '65ec8c8a-0202-47e1-9715-f1c443c6ecd0', 'Ab'), ('a', NULL, 'aB')",
    );
    let duckdb = fixture.connect().await;
    let table = duckdb.table(None, "t").await.expect("a table");
    let rows = async |column, op, text: &str| {
        let predicate = Expr::compare(op, Expr::Column(column), Expr::Literal(Literal::Text(text.into())));
        read(duckdb.as_ref(), filter(scan(&table), predicate)).await.expect("rows").len()
    };
    assert_eq!(rows(0, CompareOp::Lt, "b").await, 1, "an enum's own order would find two or none");
    assert_eq!(rows(1, CompareOp::Eq, "not a uuid").await, 0);
    assert_eq!(rows(1, CompareOp::Eq, "65ec8c8a-0202-47e1-9715-f1c443c6ecd0").await, 1);
    assert_eq!(rows(2, CompareOp::Eq, "Ab").await, 1, "not ignoring case");
    assert_eq!(table.columns[0].data_type, DataType::Utf8View);
}
