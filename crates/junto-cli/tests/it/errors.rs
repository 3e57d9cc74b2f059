//! Messages: what went wrong, where in the statement, and what to do.

use crate::harness::Place;

const TABLE: &str =
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER); INSERT INTO orders VALUES (1, 5), (2, 0)";

#[track_caller]
fn check(sql: &str, code: i32, expected: &str) {
    assert_eq!(Place::with(TABLE).query(&[], sql).refused(code), expected);
}

#[test]
fn unknown_connection() {
    check(
        "SELECT *\nFROM @shpo.orders o",
        1,
        "error: unknown connection `@shpo` at line 2, column 7\n  |\n2 | FROM @shpo.orders o\n  |       ^^^^\nhint: did you mean `@shop`?\n",
    );
}

#[test]
fn unknown_table() {
    let said = Place::with(TABLE).query(&[], "SELECT * FROM @shop.order").refused(1);
    assert!(said.contains("`order` not found") && said.contains("hint: did you mean `orders`?"), "{said}");
    assert!(said.contains("1 | SELECT * FROM @shop.order\n  |               ^^^^^^^^^^^"), "{said}");
}

#[test]
fn unknown_column() {
    let said = Place::with(TABLE).query(&[], "SELECT totl FROM @shop.orders").refused(1);
    assert!(said.contains("unknown column `totl`") && said.contains("did you mean `total`?"), "{said}");
    assert!(said.contains("  |        ^^^^\n"), "{said}");
}

#[test]
fn a_file_is_named_with_the_place() {
    let place = Place::with(TABLE);
    place.write("q.sql", "SELECT 1 AS a;\n\nSELECT x FROM @shop.orders;\n");
    let outcome = place.junto(&["query", "-c", "shop=sqlite:shop.db", "--file", "q.sql"]);
    assert_eq!(outcome.code, Some(1));
    assert_eq!(outcome.stdout, "a\n1\n");
    assert!(outcome.stderr.contains(" --> q.sql:3:8\n"), "{}", outcome.stderr);
}

#[test]
fn empty_statements() {
    for sql in ["", " ; ;", " -- nothing"] {
        let said = Place::with(TABLE).query(&[], sql).refused(1);
        assert!(said.starts_with("error: the statement is empty\n"), "{said}");
    }
}

#[test]
fn a_quote_that_does_not_end() {
    let said = Place::with(TABLE).query(&[], "SELECT 'x FROM @shop.orders").refused(1);
    assert!(said.contains("unterminated") && said.contains("  |        ^"), "{said}");
}

#[test]
fn stop_or_continue_after_a_failure() {
    let sql = "SELECT 1 AS a; SELECT nope FROM @shop.orders; SELECT 2 AS b";
    let place = Place::with(TABLE);
    let stopped = place.query(&[], sql);
    assert_eq!((stopped.code, stopped.stdout.as_str()), (Some(1), "a\n1\n"));
    let continued = place.query(&["--on-error", "continue", "--timing"], sql);
    assert_eq!((continued.code, continued.stdout.as_str()), (Some(1), "a\n1\n\nb\n2\n"));
    let oks: Vec<bool> = continued
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .map(|line| line["ok"].as_bool().expect("a boolean"))
        .collect();
    assert_eq!(oks, [true, false, true]);
}

#[test]
fn division_by_zero_and_overflow() {
    let place = Place::with(TABLE);
    let said = place.query(&[], "SELECT 10 / total FROM @shop.orders").refused(1);
    assert!(said.contains("division by zero") || said.contains("divide by zero"), "{said}");
    let said = place.query(&[], "SELECT id * 9223372036854775807 * 4 FROM @shop.orders").refused(1);
    assert!(said.to_lowercase().contains("overflow") || said.contains("out of range"), "{said}");
}

#[test]
fn read_only_means_read_only() {
    let place = Place::with(TABLE);
    let said = place.query(&[], "DELETE FROM orders").refused(1);
    assert!(said.contains("read-only") && said.contains("--allow-write"), "{said}");
    assert_eq!(place.query(&[], "SELECT count(*) AS n FROM orders").rows(), "n\n2\n");
}

#[test]
fn no_connection_at_all() {
    let said = Place::empty().junto(&["query", "SELECT * FROM t"]).refused(1);
    assert!(said.contains("no connection is named"), "{said}");
}
