//! Every type of the server with its edge values: what a scan delivers in both forms of the protocol.

use arrow_schema::DataType;
use junto_connector::expr::AggregateFunction;
use junto_connector::plan::Relation;
use junto_connector::{Connector, TextSemantics};
use junto_testkit::conformance::plans;
use junto_testkit::{mariadb, require};

use crate::support::{connect, native, only_row, read, scan, shown};

/// Column type, value as SQL, Arrow type, value as shown.
const VALUES: &[(&str, &str, &str, &str)] = &[
    ("tinyint", "-128", "Int8", "-128"),
    ("tinyint(1)", "7", "Int8", "7"),
    ("tinyint unsigned", "255", "UInt8", "255"),
    ("smallint", "-32768", "Int16", "-32768"),
    ("smallint unsigned", "65535", "UInt16", "65535"),
    ("mediumint", "-8388608", "Int32", "-8388608"),
    ("mediumint unsigned", "16777215", "UInt32", "16777215"),
    ("int", "-2147483648", "Int32", "-2147483648"),
    ("int unsigned zerofill", "42", "UInt32", "42"),
    ("int unsigned", "4294967295", "UInt32", "4294967295"),
    ("bigint", "-9223372036854775808", "Int64", "-9223372036854775808"),
    ("bigint unsigned", "18446744073709551615", "UInt64", "18446744073709551615"),
    ("decimal(15,2)", "-9999999999999.99", "Decimal128(15, 2)", "-9999999999999.99"),
    (
        "decimal(38,38)",
        "0.00000000000000000000000000000000000001",
        "Decimal128(38, 38)",
        "0.00000000000000000000000000000000000001",
    ),
    (
        "decimal(38,0)",
        "99999999999999999999999999999999999999",
        "Decimal128(38, 0)",
        "99999999999999999999999999999999999999",
    ),
    (
        "decimal(65,30)",
        "-99999999999999999999999999999999999.999999999999999999999999999999",
        "Decimal256(65, 30)",
        "-99999999999999999999999999999999999.999999999999999999999999999999",
    ),
    ("float", "16777217.5e0", "Float32", "16777218.0"),
    ("double", "-0.1e0", "Float64", "-0.1"),
    ("double(10,2)", "1.5", "Float64", "1.5"),
    ("bit(1)", "b'1'", "Boolean", "true"),
    (
        "bit(64)",
        "b'1111111111111111111111111111111111111111111111111111111111111111'",
        "UInt64",
        "18446744073709551615",
    ),
    ("bit(9)", "b'100000001'", "UInt64", "257"),
    ("year", "2155", "Int16", "2155"),
    ("year", "0", "Int16", "0"),
    ("date", "'0001-01-01'", "Date32", "0001-01-01"),
    ("date", "'9999-12-31'", "Date32", "9999-12-31"),
    ("date", "'0000-00-00'", "Date32", "∅"),
    ("date not null", "'2024-00-10'", "Date32", "∅"),
    ("datetime", "'1969-12-31 23:59:59'", "Timestamp(µs)", "1969-12-31T23:59:59"),
    ("datetime(6)", "'1000-01-01 00:00:00.000001'", "Timestamp(µs)", "1000-01-01T00:00:00.000001"),
    ("datetime not null", "'0000-00-00 00:00:00'", "Timestamp(µs)", "∅"),
    ("timestamp(6) null", "'2038-01-19 03:14:07.999999'", "Timestamp(µs, \"UTC\")", "2038-01-19T03:14:07.999999Z"),
    ("time", "'838:59:59'", "Interval(MonthDayNano)", "838 hours 59 mins 59.000000000 secs"),
    ("time(6)", "'-838:59:59.000001'", "Interval(MonthDayNano)", "-838 hours -59 mins -59.000001000 secs"),
    ("char(5)", "'ab   '", "Utf8View", "ab"),
    ("varchar(20)", "'日本語 🙂 '", "Utf8View", "日本語 🙂 "),
    ("varchar(20) character set latin1", "'é'", "Utf8View", "é"),
    ("varchar(20) character set utf16", "'🙂'", "Utf8View", "🙂"),
    ("longtext", "repeat('x', 40)", "Utf8View", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
    ("text", "''", "Utf8View", ""),
    ("binary(3)", "'a'", "Binary", "610000"),
    ("varbinary(3)", "x'00ff'", "Binary", "00ff"),
    ("blob", "''", "Binary", ""),
    ("enum('small','large')", "'large'", "Utf8View", "large"),
    ("set('a','b','c')", "'c,a'", "Utf8View", "a,c"),
    ("json", "'{\"a\": [1, null]}'", "Utf8View", "{\"a\": [1, null]}"),
    ("point", "point(1, 2)", "Binary", "000000000101000000000000000000f03f0000000000000040"),
    ("uuid", "'550E8400-e29b-41d4-a716-446655440000'", "Utf8View", "550e8400-e29b-41d4-a716-446655440000"),
    ("inet6", "'::1'", "Utf8View", "::1"),
    ("inet4", "'10.0.0.1'", "Utf8View", "10.0.0.1"),
    ("int as (6 * 7) stored", "default", "Int32", "42"),
    ("int as (6 * 7) virtual", "default", "Int32", "42"),
    ("int invisible", "1", "Int32", "1"),
];

fn table_sql() -> String {
    let columns: Vec<String> =
        VALUES.iter().enumerate().map(|(at, (column_type, ..))| format!("c{at} {column_type}")).collect();
    let names: Vec<String> = (0..VALUES.len()).map(|at| format!("c{at}")).collect();
    let values: Vec<&str> = VALUES.iter().map(|(_, value, ..)| *value).collect();
    format!(
        "set sql_mode = 'NO_AUTO_CREATE_USER', time_zone = '+00:00', names utf8mb4; \
         create table edges ({}); insert into edges ({}) values ({})",
        columns.join(", "),
        names.join(", "),
        values.join(", ")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_keeps_its_edge_values() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "types", &table_sql(), "").await;
    let row = only_row(connector.as_ref(), "edges").await;
    for (at, (column_type, value, data_type, shown)) in VALUES.iter().enumerate() {
        let found = &row[&format!("c{at}")];
        assert_eq!((found.0.as_str(), found.1.as_str()), (*data_type, *shown), "{column_type} {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_form_gives_the_same_values() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "types_text", &table_sql(), "").await;
    let mut table = connector.table(None, "edges").await.expect("the table exists");
    table.columns.retain(|column| !column.data_type.is_floating());
    let scanned = read(connector.as_ref(), scan(&table), None).await.expect("a scan");
    let limit = Relation::Limit { input: Box::new(scan(&table)), skip: 0, fetch: Some(5) };
    let looked_up = read(connector.as_ref(), limit, None).await.expect("a look-up");
    assert_eq!(shown(&scanned), shown(&looked_up));
}

#[tokio::test(flavor = "multi_thread")]
async fn native_results_have_the_types_of_scans() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "types_native", &table_sql(), "").await;
    let names: Vec<String> = (0..VALUES.len()).map(|at| format!("c{at}")).collect();
    let sql = format!("select {} from edges", names.join(", "));
    let batches = native(connector.as_ref(), &sql, true).await.expect("a native read");
    let row = shown(&batches).pop().expect("one row");
    for (at, (column_type, _, data_type, shown)) in VALUES.iter().enumerate() {
        let found = batches[0].schema().field(at).data_type().to_string();
        assert_eq!((found.as_str(), row[at].as_str()), (*data_type, *shown), "{column_type}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn options_change_what_types_are_read_as() {
    let server = require!(mariadb::shared());
    let sql = "set sql_mode = ''; create table o (a tinyint(1), b bit(1), d date, t time, i int); \
               insert into o values (1, b'0', '2024-00-10', '23:59:59', 5)";
    let options = "tinyint1=boolean&bit1=integer&zero_dates=text&time=time&type.options.o.i=text";
    let connector = connect(server, "options", sql, options).await;
    let row = only_row(connector.as_ref(), "o").await;
    let types: Vec<&str> = row.values().map(|(data_type, _)| data_type.as_str()).collect();
    let values: Vec<&str> = row.values().map(|(_, value)| value.as_str()).collect();
    assert_eq!(types, ["Boolean", "UInt64", "Utf8View", "Utf8View", "Time64(µs)"]);
    assert_eq!(values, ["true", "0", "2024-00-10", "5", "23:59:59"]);
    server.execute("options", "insert into o values (2, null, null, null, null)");
    let error = only_row_error(connector.as_ref()).await;
    assert_eq!(error.to_string(), "column `a`, row 2: is neither 0 nor 1");
    assert!(error.hint().is_some_and(|hint| hint.contains("tinyint1")));
}

async fn only_row_error(connector: &dyn Connector) -> junto_connector::Error {
    let table = connector.table(None, "o").await.expect("the table exists");
    read(connector, scan(&table), None).await.expect_err("a value that boolean cannot hold")
}

#[tokio::test(flavor = "multi_thread")]
async fn bits_and_texts_survive_aggregates_and_unions() {
    let server = require!(mariadb::shared());
    let sql = "create table one (b bit(1), t varchar(9) collate utf8mb4_general_ci); insert into one values (b'1', 'x'); \
        create table two (b bit(1), t varchar(9) collate utf8mb4_unicode_ci); insert into two values (b'0', null)";
    let connector = connect(server, "bits", sql, "").await;
    let (one, two) =
        (connector.table(None, "one").await.expect("found"), connector.table(None, "two").await.expect("found"));
    let both = Relation::UnionAll { inputs: vec![scan(&one), scan(&two)] };
    let rows = read(connector.as_ref(), both.clone(), None).await.expect("a union of two collations");
    assert_eq!(shown(&rows), [["true", "x"], ["false", "∅"]]);
    let least = plans::call(AggregateFunction::Min, Some(plans::column(0)));
    let greatest = plans::call(AggregateFunction::Max, Some(plans::column(1)));
    let aggregates = vec![(least, DataType::Boolean), (greatest, DataType::Utf8View)];
    let sorted = |rows: &[arrow_array::RecordBatch]| crate::support::first_column(rows);
    let groups = plans::aggregate(both.clone(), vec![plans::column(0)], Vec::new());
    assert_eq!(sorted(&read(connector.as_ref(), groups, None).await.expect("groups")), ["false", "true"]);
    let rows = read(connector.as_ref(), plans::aggregate(both, vec![], aggregates), None).await.expect("aggregates");
    assert_eq!(shown(&rows), [["false", "x"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_tells_keys_indexes_and_comments() {
    let server = require!(mariadb::shared());
    let sql = "create table p (a int, b varchar(10) character set latin1 comment 'letters', primary key (a)) comment 'the parents';
        create table c (x int not null, y int not null, p int, t text, unique u (x, y), unique part (t(5)), \
          key byp (p, x), fulltext words (t), constraint f foreign key (p) references p (a));
        create view v as select a from p;
        create table parted (a int) partition by hash (a) partitions 2;
        create sequence s";
    let connector = connect(server, "listing", sql, "").await;
    let kinds: Vec<String> = connector
        .tables(Some("listing"))
        .await
        .expect("a list")
        .into_iter()
        .map(|table| format!("{} {:?} {}", table.name.table, table.kind, table.comment.unwrap_or_default()))
        .collect();
    assert_eq!(kinds, ["c Table ", "p Table the parents", "parted PartitionedTable ", "v View "]);
    let parent = connector.table(Some("LISTING"), "P").await.expect("found ignoring case");
    assert_eq!(parent.primary_key, ["a"]);
    assert_eq!(parent.columns[1].comment.as_deref(), Some("letters"));
    assert_eq!(parent.columns[1].source_type, "varchar(10) collate latin1_swedish_ci");
    assert_eq!(parent.columns[1].text, TextSemantics::Loose);
    assert!(!parent.columns[0].nullable && parent.columns[1].nullable);
    let child = connector.table(None, "c").await.expect("found");
    assert_eq!(child.unique_keys, [["x", "y"]]);
    let indexes: Vec<(&str, bool)> = child.indexes.iter().map(|index| (index.name.as_str(), index.unique)).collect();
    assert_eq!(indexes, [("byp", false), ("part", false), ("u", true)]);
    assert_eq!(child.foreign_keys[0].references.to_string(), "listing.p");
    let error = connector.table(None, "cc").await.expect_err("no such table");
    assert_eq!(error.hint().as_deref(), Some("did you mean `c`?"));
    let error = connector.table(Some("listin"), "c").await.expect_err("no such schema");
    assert_eq!(error.hint().as_deref(), Some("did you mean `listing`?"));
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_come_from_the_server() {
    let server = require!(mariadb::shared());
    let sql = "create table n (a int primary key, b int, c date); \
        insert into n select seq, if(seq % 4 = 0, null, seq % 10), '2024-01-01' from seq_1_to_1000; \
        analyze table n persistent for all";
    let connector = connect(server, "sizes", sql, "").await;
    let table = connector.table(None, "n").await.expect("found");
    let statistics = connector.statistics(&table.name).await.expect("known");
    assert_eq!(statistics.rows, Some(1000));
    assert_eq!(statistics.column("a").and_then(|column| column.distinct), Some(1000));
    let b = statistics.column("b").expect("collected");
    assert_eq!((b.null_fraction, b.distinct), (Some(0.25), Some(10)));
    assert_eq!(b.max, Some(junto_connector::Literal::Int(9)));
}
