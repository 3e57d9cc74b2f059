//! Every type with its edge values: what arrives, on both read paths and through a statement of the user's.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use junto_connector::Error;
use junto_testkit::postgres::shared;
use junto_testkit::require;

use crate::{connect, database, error_of, native, read_table, rows};

/// A type's column, read by a scan and natively: its Arrow type and the values, as text.
async fn check(name: &str, sql_type: &str, values: &[&str], data_type: DataType, expected: &[&str]) {
    let server = require!(shared());
    let database_name = format!("type_{name}");
    let values: Vec<String> = values.iter().enumerate().map(|(at, value)| format!("({at}, {value})")).collect();
    let types = "create type mood as enum ('sad', 'ok', 'it''s'); create domain positive as integer check (value > 0);
        create domain name_text as varchar(10); create type address as (street text, number int);";
    let sql = format!("{types} create table t (at int, v {sql_type}); insert into t values {}", values.join(", "));
    let connector = database(server, &database_name, &sql).await;
    let table = connector.table(None, "t").await.expect("the table is there");
    assert_eq!(table.columns[1].data_type, data_type, "{sql_type}");
    let show = |batch: &arrow::array::RecordBatch| -> Vec<String> {
        let mut rows = rows(batch);
        rows.sort_by_key(|row| row[0].parse::<i64>().expect("a number"));
        rows.into_iter().map(|row| row[1].clone()).collect()
    };
    let scanned = read_table(&*connector, "t").await.expect("every type can be read");
    assert_eq!(show(&scanned), expected, "{sql_type} scanned");
    let by_user = native(&*connector, "select * from t order by at").await.expect("every type can be read");
    let texts = show(&by_user);
    // Composites come natively as the server writes them, not as JSON.
    if by_user.schema().field(1).data_type() == &data_type && sql_type != "address" {
        assert_eq!(texts, expected, "{sql_type} in a statement of the user's");
    }
    assert_eq!(texts.len(), expected.len());
}

#[tokio::test]
async fn booleans_and_integers() {
    check("bool", "boolean", &["true", "false", "null"], DataType::Boolean, &["true", "false", "∅"]).await;
    check("int2", "smallint", &["-32768", "32767", "null"], DataType::Int16, &["-32768", "32767", "∅"]).await;
    let ends = ["-2147483648", "2147483647", "0"];
    check("int4", "integer", &ends, DataType::Int32, &ends).await;
    let ends = ["-9223372036854775808", "9223372036854775807"];
    check("int8", "bigint", &ends, DataType::Int64, &ends).await;
    check("oid", "oid", &["4294967295", "null"], DataType::Int64, &["4294967295", "∅"]).await;
    check("domain", "positive", &["7", "null"], DataType::Int32, &["7", "∅"]).await;
}

#[tokio::test]
async fn floats() {
    let values = ["'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "1.5", "null"];
    let expected = ["NaN", "inf", "-inf", "-0.0", "1.5", "∅"];
    check("float4", "real", &values, DataType::Float32, &expected).await;
    check("float8", "double precision", &values, DataType::Float64, &expected).await;
    check("float8b", "float8", &["1e308", "5e-324"], DataType::Float64, &["1e308", "5e-324"]).await;
}

#[tokio::test]
async fn numerics() {
    let values = ["0", "-1234567890123.45", "9999999999999.99", "0.01", "null"];
    let expected = ["0.00", "-1234567890123.45", "9999999999999.99", "0.01", "∅"];
    check("numeric", "numeric(15,2)", &values, DataType::Decimal128(15, 2), &expected).await;
    let wide = "9".repeat(60);
    check("numeric60", "numeric(60,0)", &[&wide, "-1"], DataType::Decimal256(60, 0), &[&wide, "-1"]).await;
    check("numeric_negative", "numeric(3,-2)", &["12345"], DataType::Decimal128(5, 0), &["12300"]).await;
    check(
        "numeric_bare",
        "numeric",
        &["1.5", "20.125", "null"],
        DataType::Decimal128(38, 3),
        &["1.500", "20.125", "∅"],
    )
    .await;
}

#[tokio::test]
async fn text_and_bytes() {
    let long = format!("'{}'", "é".repeat(1_000_000));
    let expected = "é".repeat(1_000_000);
    let values = ["''", "'a''b\\c'", "' x '", "null", &long];
    check("text", "text", &values, DataType::Utf8View, &["", "a'b\\c", " x ", "∅", &expected]).await;
    check("varchar", "varchar(5)", &["'ab   '", "null"], DataType::Utf8View, &["ab   ", "∅"]).await;
    check("bpchar", "char(5)", &["'ab'", "''", "null"], DataType::Utf8View, &["ab", "", "∅"]).await;
    check("name", "name", &["'n'"], DataType::Utf8View, &["n"]).await;
    check("char", "\"char\"", &["'x'", "''"], DataType::Utf8View, &["x", ""]).await;
    check("domain_text", "name_text", &["'d'"], DataType::Utf8View, &["d"]).await;
    check("enum", "mood", &["'sad'", "'it''s'", "null"], DataType::Utf8View, &["sad", "it's", "∅"]).await;
    check("bytea", "bytea", &["''", "'\\x00ff27'", "null"], DataType::Binary, &["", "00ff27", "∅"]).await;
}

#[tokio::test]
async fn dates_and_times() {
    let values = ["'0001-01-01'", "'1969-12-31'", "'9999-12-31'", "null"];
    check("date", "date", &values, DataType::Date32, &["0001-01-01", "1969-12-31", "9999-12-31", "∅"]).await;
    let micros = DataType::Time64(TimeUnit::Microsecond);
    check("time", "time", &["'00:00'", "'23:59:59.999999'"], micros, &["00:00:00", "23:59:59.999999"]).await;
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
    let values = ["'1900-01-01 00:00:00.000001'", "'1969-12-31 23:59:59.999999'", "null"];
    let expected = ["1900-01-01T00:00:00.000001", "1969-12-31T23:59:59.999999", "∅"];
    check("timestamp", "timestamp", &values, timestamp, &expected).await;
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    check("timestamptz", "timestamptz", &["'1969-07-20 20:17:40+02'"], instant, &["1969-07-20T18:17:40Z"]).await;
    check("timetz", "timetz", &["'12:00+02'"], DataType::Utf8View, &["12:00:00+02"]).await;
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    let values = ["'1 year 2 days 3.5 seconds'", "'-1 mon'", "null"];
    check("interval", "interval", &values, interval, &["12 mons 2 days 3.500000000 secs", "-1 mons", "∅"]).await;
}

#[tokio::test]
async fn infinities_are_the_ends_of_the_range() {
    use arrow::array::AsArray;
    use arrow::datatypes::{Date32Type, TimestampMicrosecondType};
    let server = require!(shared());
    let sql = "create table t (d date, t timestamp, z timestamptz);
        insert into t values ('infinity', 'infinity', 'infinity'), ('-infinity', '-infinity', '-infinity')";
    let connector = database(server, "infinities", sql).await;
    let batch = read_table(&*connector, "t").await.expect("readable");
    assert_eq!(batch.column(0).as_primitive::<Date32Type>().values(), &[i32::MAX, i32::MIN]);
    assert_eq!(batch.column(1).as_primitive::<TimestampMicrosecondType>().values(), &[i64::MAX, i64::MIN]);
    assert_eq!(batch.column(2).as_primitive::<TimestampMicrosecondType>().values(), &[i64::MAX, i64::MIN]);
}

#[tokio::test]
async fn types_read_as_text() {
    let text = DataType::Utf8View;
    let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    check("uuid", "uuid", &["'A0EEBC999C0B4EF8BB6D6BB9BD380A11'", "null"], text.clone(), &[uuid, "∅"]).await;
    check("json", "json", &["'{\"a\":  1}'", "'null'", "null"], text.clone(), &["{\"a\":  1}", "null", "∅"]).await;
    check("jsonb", "jsonb", &["'{\"a\":  1}'"], text.clone(), &["{\"a\": 1}"]).await;
    check("inet", "inet", &["'10.0.0.1/8'", "'::1'"], text.clone(), &["10.0.0.1/8", "::1"]).await;
    check("cidr", "cidr", &["'10.0.0.0/8'"], text.clone(), &["10.0.0.0/8"]).await;
    check("macaddr", "macaddr", &["'08:00:2b:01:02:03'"], text.clone(), &["08:00:2b:01:02:03"]).await;
    check("bit", "bit(3)", &["B'101'"], text.clone(), &["101"]).await;
    check("varbit", "varbit", &["B''", "B'1'"], text.clone(), &["", "1"]).await;
    check("int4range", "int4range", &["'[1,5)'", "'empty'"], text.clone(), &["[1,5)", "empty"]).await;
    check("tsrange", "tsrange", &["'[2020-01-01,)'"], text.clone(), &["[\"2020-01-01 00:00:00\",)"]).await;
    check("multirange", "int4multirange", &["'{[1,2)}'"], text.clone(), &["{[1,2)}"]).await;
    check("xml", "xml", &["'<a/>'"], text.clone(), &["<a/>"]).await;
    check("tsvector", "tsvector", &["'a:1'"], text.clone(), &["'a':1"]).await;
    check("money", "money", &["'1.50'"], text.clone(), &["$1.50"]).await;
    check("pg_lsn", "pg_lsn", &["'0/16'"], text.clone(), &["0/16"]).await;
    check("point", "point", &["'(1,2)'"], text.clone(), &["(1,2)"]).await;
    check("regclass", "regclass", &["'pg_class'"], text.clone(), &["pg_class"]).await;
    check("xid", "xid", &["'7'"], text.clone(), &["7"]).await;
    let values = ["row('x', 1)", "row(null, null)", "null"];
    let expected = ["{\"street\":\"x\",\"number\":1}", "{\"street\":null,\"number\":null}", "∅"];
    check("composite", "address", &values, text, &expected).await;
}

#[tokio::test]
async fn arrays() {
    let list = |element| DataType::List(std::sync::Arc::new(arrow::datatypes::Field::new_list_field(element, true)));
    let values = ["array[1, null, 3]", "'{}'", "null", "'[5:6]={1,2}'"];
    check("ints", "int[]", &values, list(DataType::Int32), &["[1, ∅, 3]", "[]", "∅", "[1, 2]"]).await;
    check("texts", "text[]", &["array['a', null, '']"], list(DataType::Utf8View), &["[a, ∅, ]"]).await;
    check("decimals", "numeric(5,1)[]", &["array[1.5, null]"], list(DataType::Decimal128(5, 1)), &["[1.5, ∅]"]).await;
    let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    check("uuids", "uuid[]", &[&format!("array['{uuid}'::uuid]")], list(DataType::Utf8View), &[&format!("[{uuid}]")])
        .await;
    check("moods", "mood[]", &["'{sad,null}'"], list(DataType::Utf8View), &["[sad, ∅]"]).await;
    check("matrix", "int[][]", &["'{{1,2},{3,4}}'"], DataType::Utf8View, &["{{1,2},{3,4}}"]).await;
}

#[tokio::test]
async fn values_arrow_does_not_have_are_errors_that_name_the_option() {
    let server = require!(shared());
    let sql = "create table nan (v numeric(5,2)); insert into nan values ('NaN');
        create table late (v time); insert into late values ('24:00:00');
        create table square (v int[]); insert into square values ('{{1,2},{3,4}}');
        create table bare (v numeric); insert into bare select 1 from generate_series(1, 2000); insert into bare values (0.5)";
    let connector = database(server, "misfits", sql).await;
    for table in ["nan", "late", "square"] {
        let error = error_of(read_table(&*connector, table).await);
        assert!(matches!(&error, Error::Decode { column, row: Some(1), .. } if column == "v"), "{error:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains("type.schema.table.column")), "{error:?}");
        let as_text = connect(&format!("{}?type.public.{table}.v=text", server.url("misfits"))).await;
        assert_eq!(read_table(&*as_text, table).await.expect("readable as text").num_rows(), 1);
    }
    let error = error_of(read_table(&*connector, "bare").await);
    let wanted = DataType::Decimal128(38, 2);
    assert!(matches!(&error, Error::TooWide { wanted: Some(found), .. } if *found == wanted), "{error:?}");
    let as_double = connect(&format!("{}?numeric=double", server.url("misfits"))).await;
    assert_eq!(read_table(&*as_double, "bare").await.expect("readable as double").num_rows(), 2001);
}

#[tokio::test]
async fn bare_numerics_of_a_users_statement_take_the_scale_of_their_values() {
    let server = require!(shared());
    let connector = connect(&server.url("postgres")).await;
    let batch =
        native(&*connector, "select sum(x), avg(x), 'NaN'::numeric n, null::numeric z from generate_series(1, 2) x")
            .await
            .expect("readable");
    assert_eq!(rows(&batch), [["3", "1.5000000000000000", "NaN", "∅"].map(str::to_owned)]);
}
