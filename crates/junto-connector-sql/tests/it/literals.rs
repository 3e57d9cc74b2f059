//! What is printed is what is read back, whatever the text.

use junto_connector::Literal;
use junto_connector_sql::Dialect;
use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::Standard;

fn printed(literal: &Literal) -> String {
    Standard.literal(literal).expect("can be spelled")
}

/// One value, one statement: a literal that lets its text out would change the number of either.
fn read_back(connection: &Connection, sql: &str) -> Value {
    let mut statement = connection.prepare(&format!("SELECT {sql} AS c")).expect("one statement");
    assert_eq!(statement.column_count(), 1, "{sql}");
    statement.query_row([], |row| row.get(0)).expect("one row")
}

#[test]
fn hostile_text_stays_inside_its_quotes() {
    let connection = Connection::open_in_memory().expect("opens");
    for text in [
        "",
        "'",
        "''",
        "it''s",
        "x\\' OR true --",
        "\\",
        "\\\\'",
        "'; DROP TABLE t; --",
        "/* */ -- \n",
        "a\r\nb\t\u{7f}",
        "日本 🎉 \u{202e}\u{feff}",
        "$$ $1 ? :a @b",
        "%_*?[",
    ] {
        assert_eq!(read_back(&connection, &printed(&Literal::Text(text.into()))), Value::Text(text.into()));
    }
    assert!(Standard.literal(&Literal::Text("a\0b".into())).is_err(), "no standard spelling for NUL");
}

#[test]
fn names_stay_inside_their_quotes() {
    let connection = Connection::open_in_memory().expect("opens");
    for name in ["a", "a b", "a\"b", "\"", "a\"; DROP TABLE t; --", "select", "ä'`[]"] {
        let quoted = Standard.quote(name);
        connection.execute_batch(&format!("CREATE TABLE t ({quoted} INTEGER)")).expect("one column");
        let statement = connection.prepare(&format!("SELECT {quoted} FROM t")).expect("found");
        assert_eq!(statement.column_name(0).expect("a column"), name);
        drop(statement);
        connection.execute_batch("DROP TABLE t").expect("dropped");
    }
}

#[test]
fn what_has_no_spelling_is_refused() {
    let refused = [
        Literal::Float(f64::NAN),
        Literal::Float(f64::INFINITY),
        Literal::Date(3_000_000),
        Literal::Date(-800_000),
        Literal::Interval { months: 1, days: 0, nanos: 0 },
    ];
    for literal in refused {
        assert!(Standard.literal(&literal).is_err(), "{literal:?}");
    }
}

#[test]
fn dates_and_times() {
    let micros = 1_709_208_000_123_456;
    assert_eq!(printed(&Literal::Date(19_782)), "DATE '2024-02-29'");
    assert_eq!(printed(&Literal::Time(86_399_999_999)), "TIME '23:59:59.999999'");
    assert_eq!(printed(&Literal::Timestamp { micros, utc: false }), "TIMESTAMP '2024-02-29 12:00:00.123456'");
    assert_eq!(
        printed(&Literal::Timestamp { micros: -1, utc: true }),
        "TIMESTAMP WITH TIME ZONE '1969-12-31 23:59:59.999999+00:00'"
    );
}

proptest! {
    #[test]
    fn any_text(text in "[^\0]{0,60}") {
        let connection = Connection::open_in_memory().expect("opens");
        prop_assert_eq!(read_back(&connection, &printed(&Literal::Text(text.clone()))), Value::Text(text));
    }

    /// Quotes and backslashes only, where escapes hide.
    #[test]
    fn any_quotes(text in "['\\\\\"`;x-]{0,20}") {
        let connection = Connection::open_in_memory().expect("opens");
        prop_assert_eq!(read_back(&connection, &printed(&Literal::Text(text.clone()))), Value::Text(text));
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let connection = Connection::open_in_memory().expect("opens");
        prop_assert_eq!(read_back(&connection, &printed(&Literal::Binary(bytes.clone()))), Value::Blob(bytes));
    }

    #[test]
    fn any_integer(value in any::<i64>()) {
        let connection = Connection::open_in_memory().expect("opens");
        prop_assert_eq!(read_back(&connection, &printed(&Literal::Int(value))), Value::Integer(value));
    }

    #[test]
    fn any_double(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
        prop_assert_eq!(printed(&Literal::Float(value)).parse::<f64>().expect("a number").to_bits(), value.to_bits());
    }

    /// At every scale: the text has exactly the digits, and the point where it belongs.
    #[test]
    fn any_decimal(digits in "[1-9][0-9]{0,75}", negative in any::<bool>(), scale in -10_i8..=76) {
        let unscaled = format!("{}{digits}", if negative { "-" } else { "" });
        let text = printed(&Literal::Decimal { unscaled: unscaled.clone(), precision: 76, scale });
        let plain: String = text.chars().filter(char::is_ascii_digit).collect();
        let zeros = usize::from(scale.min(0).unsigned_abs());
        prop_assert_eq!(plain.trim_start_matches('0'), format!("{digits}{}", "0".repeat(zeros)));
        prop_assert_eq!(text.split_once('.').map_or(0, |(_, fraction)| fraction.len()), usize::from(scale.max(0).unsigned_abs()));
        prop_assert_eq!(text.starts_with('-'), negative);
    }
}

#[test]
fn the_least_integer_keeps_its_type_everywhere() {
    let connection = Connection::open_in_memory().expect("opens");
    let least = printed(&Literal::Int(i64::MIN));
    let sql = format!("typeof({least}) || ({least} IN (1, {least})) || (0 > ({least}))");
    assert_eq!(read_back(&connection, &sql), Value::Text("integer11".into()));
}
