//! Types: declarations, edge values, values that do not fit, options.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use junto_connector::expr::CompareOp;
use junto_connector::plan::Relation;
use junto_connector::{Connector, Error, Expr, Keys, Literal, OpenRequest, TextSemantics};
use junto_testkit::sqlite::File;

use crate::support::{collect, lines, native, open, read, request, scan};

async fn types(connector: &dyn Connector, table: &str) -> Vec<String> {
    let info = connector.table(None, table).await.expect("the table is there");
    info.columns.iter().map(|column| format!("{} {}", column.name, column.data_type)).collect()
}

/// Reads `column` of one value and returns the rows, or the error with its hint.
async fn value(declaration: &str, literal: &str, options: &str) -> Result<String, String> {
    let file = File::create(&format!("CREATE TABLE t (c {declaration}); INSERT INTO t VALUES (NULL), ({literal})"));
    let connector = open(&file, options).await;
    match read(connector.as_ref(), "t").await {
        Ok(rows) => {
            assert_eq!(rows[0], "NULL");
            Ok(rows[1].clone())
        }
        Err(error) => Err(format!("{error}; {}", error.hint().unwrap_or_default())),
    }
}

#[tokio::test]
async fn declared_types() {
    let file = File::create(
        "CREATE TABLE t (i INTEGER, b BIGINT, n VARCHAR(10), d DECIMAL(15,2), w NUMERIC(50,5), r REAL, f FLOAT,
           o BOOLEAN, a DATE, m DATETIME, z TIMESTAMP WITH TIME ZONE, c TIME, x BLOB, j JSON, u UUID)",
    );
    let connector = open(&file, "").await;
    assert_eq!(
        types(connector.as_ref(), "t").await,
        [
            "i Int64",
            "b Int64",
            "n Utf8View",
            "d Decimal128(15, 2)",
            "w Decimal256(50, 5)",
            "r Float64",
            "f Float64",
            "o Boolean",
            "a Date32",
            "m Timestamp(µs)",
            "z Timestamp(µs, \"UTC\")",
            "c Time64(µs)",
            "x Binary",
            "j Utf8View",
            "u Utf8View"
        ]
    );
}

#[tokio::test]
async fn edge_values() {
    for (declaration, literal, expected) in [
        ("INTEGER", "-9223372036854775808", "-9223372036854775808"),
        ("BIGINT", "9223372036854775807", "9223372036854775807"),
        ("DECIMAL(15,2)", "0.1", "0.10"),
        ("DECIMAL(15,2)", "-9999999999999.99", "-9999999999999.99"),
        ("DECIMAL(15,2)", "9007199254740.99", "9007199254740.99"),
        ("DECIMAL(15,2)", "7", "7.00"),
        ("DECIMAL(38,0)", "9223372036854775807", "9223372036854775807"),
        ("NUMERIC(50,5)", "1e20", "100000000000000000000.00000"),
        ("DECIMAL(10,3)", "'1.5'", "1.500"),
        ("REAL", "1e300", "1e300"),
        ("REAL", "9e999", "inf"),
        ("REAL", "5", "5.0"),
        ("TEXT", "''", ""),
        ("TEXT", "'日本🎉'", "日本🎉"),
        ("TEXT", "12.50", "12.5"),
        ("TEXT", "char(97, 0, 98)", "a\0b"),
        ("BLOB", "X'00FF'", "00ff"),
        ("BOOLEAN", "1", "true"),
        ("BOOLEAN", "'False'", "false"),
        ("DATE", "'1582-10-04'", "1582-10-04"),
        ("DATE", "'2024-02-29 00:00:00'", "2024-02-29"),
        ("DATETIME", "'1969-12-31 23:59:59.999999'", "1969-12-31T23:59:59.999999"),
        ("DATETIME", "'2024-02-29T12:00:00Z'", "2024-02-29T12:00:00"),
        ("TIMESTAMP", "'2024-02-29'", "2024-02-29T00:00:00"),
        ("TIMESTAMPTZ", "'2024-02-29 12:00:00+02:00'", "2024-02-29T10:00:00Z"),
        ("TIME", "'23:59:59.5'", "23:59:59.500"),
        ("JSON", "'{\"a\": 1}'", "{\"a\": 1}"),
        ("UUID", "7", "7"),
        ("STRING", "0.5", "0.5"),
    ] {
        assert_eq!(value(declaration, literal, "").await.as_deref(), Ok(expected), "{declaration} {literal}");
    }
}

#[tokio::test]
async fn values_that_do_not_fit_name_row_and_option() {
    for (declaration, literal, expected) in [
        (
            "INTEGER",
            "'abc'",
            "column `c`, row 2: the text `abc` is not an integer; set the connection's option `type.t.c = text`",
        ),
        (
            "DECIMAL(15,2)",
            "0.125",
            "column `c`, row 2: the real 0.125 is not exact with 2 digits after the point; set the connection's option \
             `type.t.c = double` (or `text`, or a wider `decimal(p,s)`)",
        ),
        (
            "DATETIME",
            "1709208000",
            "column `c`, row 2: the integer 1709208000 is not a timestamp such as 2024-02-29 23:59:59; set the \
             connection's option `type.t.c = unixepoch` (or `unixepoch_ms`, `julianday`, `text`)",
        ),
        (
            "TEXT",
            "CAST(X'FF' AS TEXT)",
            "column `c`, row 2: the text is not valid UTF-8; set the connection's option `type.t.c = blob`",
        ),
        (
            "BOOLEAN",
            "2",
            "column `c`, row 2: the integer 2 is not 0 or 1; set the connection's option `type.t.c = text`",
        ),
        (
            "DATE",
            "'2024-02-30'",
            "column `c`, row 2: the text `2024-02-30` is not a date such as 2024-02-29; set the connection's option `type.t.c = text`",
        ),
        (
            "DECIMAL(5,2)",
            "1000",
            "column `c`, row 2: the integer 1000 is not within 5 digits, 2 of them after the point; set the connection's option `type.t.c = double` (or `text`, or a wider `decimal(p,s)`)",
        ),
        (
            "BLOB",
            "'abc'",
            "column `c`, row 2: the text `abc` is not a blob; set the connection's option `type.t.c = text`",
        ),
        (
            "INTEGER",
            "1.5",
            "column `c`, row 2: the real 1.5 is not an integer; set the connection's option `type.t.c = text`",
        ),
    ] {
        assert_eq!(value(declaration, literal, "").await, Err(expected.into()), "{declaration} {literal}");
    }
}

#[tokio::test]
async fn an_option_reads_a_column_otherwise() {
    for (declaration, literal, chosen, expected) in [
        ("INTEGER", "'abc'", "text", "abc"),
        ("INTEGER", "1.5", "text", "1.5"),
        ("DECIMAL(15,2)", "0.125", "decimal(15,3)", "0.125"),
        ("DECIMAL(15,2)", "0.125", "double", "0.125"),
        ("DATETIME", "1709208000", "unixepoch", "2024-02-29T12:00:00Z"),
        ("DATETIME", "1709208000123", "unixepoch_ms", "2024-02-29T12:00:00.123Z"),
        ("REAL", "2460370.0", "julianday", "2024-02-29T12:00:00Z"),
        ("TEXT", "CAST(X'FF' AS TEXT)", "blob", "ff"),
        ("TEXT", "'12'", "integer", "12"),
        ("TEXT", "'12.5'", "decimal(4,2)", "12.50"),
        ("INTEGER", "1", "boolean", "true"),
        ("TEXT", "'2024-02-29'", "date", "2024-02-29"),
    ] {
        let options = format!("type.t.c={chosen}");
        assert_eq!(value(declaration, literal, &options).await.as_deref(), Ok(expected), "{declaration} {chosen}");
    }
}

#[tokio::test]
async fn mixed_columns_as_text() {
    let file = File::create(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER); INSERT INTO t VALUES (1, 5, 'x'), (2, 6, 7)",
    );
    let strict = open(&file, "").await;
    assert!(matches!(read(strict.as_ref(), "t").await, Err(Error::Decode { row: Some(1), .. })));
    let lax = open(&file, "mixed=text").await;
    assert_eq!(types(lax.as_ref(), "t").await, ["id Int64", "a Int64", "b Utf8View"]);
    assert_eq!(read(lax.as_ref(), "t").await.expect("readable"), ["1|5|x", "2|6|7"]);
}

#[tokio::test]
async fn columns_without_a_full_declaration_are_what_their_values_are() {
    let file = File::create(
        "CREATE TABLE t (a, b, c, d, e NUMERIC, f DECIMAL, g);
         INSERT INTO t VALUES (1, 1.5, 'x', X'00', 1.25, 0.1 + 0.2, 1), (NULL, 2, 'y', NULL, 3, 7, 'x');
         CREATE VIEW v AS SELECT a + 1 AS a1, c || c AS cc, count(*) AS n FROM t GROUP BY a, c",
    );
    let connector = open(&file, "").await;
    assert_eq!(
        types(connector.as_ref(), "t").await,
        ["a Int64", "b Float64", "c Utf8View", "d Binary", "e Decimal128(38, 2)", "f Float64", "g Utf8View"]
    );
    assert!(read(connector.as_ref(), "t").await.is_err(), "g is mixed");
    let lenient = open(&file, "type.t.g=text").await;
    assert_eq!(
        read(lenient.as_ref(), "t").await.expect("readable"),
        ["1|1.5|x|00|1.25|0.30000000000000004|1", "NULL|2.0|y|NULL|3.00|7.0|x"]
    );
    assert_eq!(types(connector.as_ref(), "v").await, ["a1 Int64", "cc Utf8View", "n Int64"]);
}

#[tokio::test]
async fn keys_indexes_views_and_generated_columns() {
    let file = File::create(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, note TEXT COLLATE NOCASE,
           twice INTEGER GENERATED ALWAYS AS (id * 2) VIRTUAL, kept INTEGER AS (id + 1) STORED);
         CREATE TABLE c (a INT NOT NULL, b TEXT NOT NULL, p INT REFERENCES p, PRIMARY KEY (b, a)) WITHOUT ROWID;
         CREATE TABLE k (x TEXT PRIMARY KEY);
         CREATE TABLE s (x INTEGER, y ANY) STRICT;
         CREATE INDEX by_note ON p (note, lower(code));
         CREATE INDEX some ON p (kept) WHERE kept > 1;
         CREATE VIEW v AS SELECT id, note FROM p;
         INSERT INTO p (id, code) VALUES (1, 'a'), (5, 'b'); INSERT INTO c VALUES (1, 'x', 5); ANALYZE;",
    );
    let connector = open(&file, "").await;
    let listed = connector.tables(None).await.expect("listed");
    let names: Vec<String> = listed.iter().map(|table| format!("{} {:?}", table.name, table.kind)).collect();
    assert_eq!(names, ["main.c Table", "main.k Table", "main.p Table", "main.s Table", "main.v View"]);
    let p = connector.table(None, "P").await.expect("found ignoring case");
    assert_eq!(p.primary_key, ["id"]);
    assert_eq!(p.unique_keys, [["code"]]);
    assert!(p.indexes.iter().any(|index| index.name == "by_note" && index.columns == ["note"] && !index.unique));
    assert!(!p.indexes.iter().any(|index| index.name == "some"), "a partial index does not hold every row");
    assert_eq!(p.row_estimate, Some(2));
    assert!(!p.columns[0].nullable);
    assert_eq!(p.columns[2].text, TextSemantics::Loose);
    assert_eq!(read(connector.as_ref(), "p").await.expect("readable"), ["1|a|NULL|2|2", "5|b|NULL|10|6"]);
    let c = connector.table(Some("main"), "c").await.expect("found");
    assert_eq!(c.primary_key, ["b", "a"]);
    assert_eq!(c.foreign_keys[0].columns, ["p"]);
    assert_eq!(c.foreign_keys[0].referenced_columns, ["id"]);
    let k = connector.table(None, "k").await.expect("found");
    assert!(k.primary_key.is_empty(), "SQLite allows NULLs in it");
    let statistics = connector.statistics(&p.name).await.expect("statistics");
    assert_eq!(statistics.column("id").and_then(|column| column.distinct), Some(2));
}

/// Text with NUL inside, as a key and in conditions: compared whole by `=`, kept by LIKE.
#[tokio::test]
async fn text_with_nul_is_compared_whole() {
    for encoding in ["UTF-8", "UTF-16be"] {
        let file = File::create(&format!(
            "PRAGMA encoding = '{encoding}'; CREATE TABLE t (c TEXT);
             INSERT INTO t VALUES ('a' || char(0) || 'b'), ('a'), ('a' || char(0)), ('a' || char(1) || 'b'), ('')"
        ));
        let connector = open(&file, "").await;
        let info = connector.table(None, "t").await.expect("found");
        let count = async |request| {
            let batches = collect(connector.as_ref(), request).await.expect("readable");
            lines(&batches)
        };
        let values: ArrayRef = Arc::new(StringViewArray::from(vec!["a\0b"]));
        let values = RecordBatch::try_from_iter([("c", values)]).expect("a batch");
        let keys = Some(Keys { columns: vec![0], values, nulls: false });
        assert_eq!(count(OpenRequest { keys, ..request(scan(&info), 10) }).await, ["a\0b"]);
        let column = || Box::new(Expr::Column(0));
        let like =
            Expr::Like { expr: column(), pattern: "a_b".into(), escape: None, negated: false, case_insensitive: false };
        let equal = Expr::compare(CompareOp::Eq, *column(), Expr::Literal(Literal::Text("a\0".into())));
        for (predicate, expected) in [(like, vec!["a\0b", "a\0", "a\u{1}b"]), (equal, vec!["a\0"])] {
            let plan = Relation::Filter { input: Box::new(scan(&info)), predicate };
            assert_eq!(count(request(plan, 10)).await, expected, "{encoding}");
        }
    }
}

#[tokio::test]
async fn native_statements_take_types_from_declarations_and_values() {
    let file = File::create(
        "CREATE TABLE t (d DECIMAL(15,2), m DATETIME, f BOOLEAN, x);
         INSERT INTO t VALUES (0.1, '2024-01-01 00:00:00', 1, 5), (0.2, 'never', 0, 'five')",
    );
    let connector = open(&file, "").await;
    let (types, rows) = native(connector.as_ref(), "SELECT d, m, f, x, d + 1, NULL AS n FROM t").await.expect("runs");
    assert_eq!(types, ["Decimal128(15, 2)", "Utf8View", "Boolean", "Utf8View", "Float64", "Utf8View"]);
    assert_eq!(rows, ["0.10|2024-01-01 00:00:00|true|5|1.1|NULL", "0.20|never|false|five|1.2|NULL"]);
    assert_eq!(native(connector.as_ref(), "SELECT 1 WHERE 0").await.expect("runs").1, Vec::<String>::new());
    let like = native(connector.as_ref(), "SELECT 'ABC' LIKE 'abc%' AS like").await.expect("runs");
    assert_eq!(like.1, ["1"], "SQLite's own LIKE is left alone");
}

#[tokio::test]
async fn native_values_that_do_not_fit_name_row_and_remedy() {
    let file = File::create(
        "CREATE TABLE t (x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
         INSERT INTO t SELECT i FROM n; INSERT INTO t VALUES ('late')",
    );
    let connector = open(&file, "").await;
    let message = |error: Error| format!("{error}; {}", error.hint().unwrap_or_default());
    let late = native(connector.as_ref(), "SELECT x FROM t").await.expect_err("not an integer");
    assert_eq!(
        message(late),
        "column `x`, row 1201: the text `late` is not an integer; convert the column in the statement, with \
         CAST(… AS TEXT) or CAST(… AS BLOB)"
    );
    assert!(native(connector.as_ref(), "SELECT CAST(x AS TEXT) FROM t").await.is_ok());
    let broken = native(connector.as_ref(), "SELECT CAST(X'FF' AS TEXT)").await.expect_err("not UTF-8");
    assert_eq!(message(broken), "column `number 1`: the text is not valid UTF-8; read it with CAST(… AS BLOB)");
    let empty = native(connector.as_ref(), " -- nothing").await.expect_err("nothing to run");
    assert_eq!(empty.to_string(), "the statement is empty");
}
