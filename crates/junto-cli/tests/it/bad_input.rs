//! Sizes and files that are not what they should be.

use std::fmt::Write;

use crate::harness::Place;

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)";

fn run_file(place: &Place, sql: &str) -> crate::harness::Outcome {
    place.write("q.sql", sql);
    place.junto(&["query", "-c", "shop=sqlite:shop.db", "--timeout", "60s", "--file", "q.sql"])
}

#[test]
fn ten_megabytes_of_statement() {
    let place = Place::with(TABLE);
    let sql = format!("SELECT count(*) AS n FROM @shop.t WHERE id < 3 /* {} */", "x".repeat(10 << 20));
    assert_eq!(run_file(&place, &sql).rows(), "n\n2\n");
    let said = run_file(&place, &format!("SELECT '{}' FROM @shop.t", "x".repeat(20 << 20))).refused(1);
    assert!(said.contains("more than the limit of"), "{said}");
    assert!(said.len() < 1000, "{} bytes of message", said.len());
}

#[test]
fn five_thousand_columns() {
    let columns: Vec<String> = (0..2000).map(|number| format!("c{number} INTEGER")).collect();
    let place = Place::with(&format!("CREATE TABLE w ({}); INSERT INTO w (c7) VALUES (7)", columns.join(", ")));
    let mut sql = String::from("SELECT ");
    for number in 0..5000 {
        let _ = write!(sql, "{}c{} AS x{number}", if number == 0 { "" } else { ", " }, number % 2000);
    }
    sql.push_str(" FROM @shop.w");
    let rows = run_file(&place, &sql).rows();
    assert_eq!(rows.lines().next().map(|line| line.split(',').count()), Some(5000));
    assert_eq!(rows.lines().nth(1).and_then(|line| line.split(',').nth(2007)), Some("7"));
}

#[test]
fn ten_thousand_terms() {
    let place = Place::with(TABLE);
    let terms: Vec<String> = (2..10_002).map(|number| format!("id = {number}")).collect();
    let sql = format!("SELECT count(*) AS n FROM @shop.t WHERE {}", terms.join(" OR "));
    assert_eq!(run_file(&place, &sql).rows(), "n\n2\n");
}

#[test]
fn files_that_are_missing_or_something_else() {
    let place = Place::empty();
    place.write("text.db", "this is no database, and it is long enough to be looked at".repeat(20));
    place.write("latin.sql", b"SELECT '\xe9'");
    let query = |url: &str| place.junto(&["query", "-c", url, "SELECT * FROM @x.t"]).refused(2);
    let said = query("x=sqlite:missing.db");
    assert!(said.contains("connection @x: no such file: missing.db"), "{said}");
    let said = query("x=sqlite:text.db");
    assert!(said.contains("text.db is not a SQLite database"), "{said}");
    assert!(!place.path().join("missing.db").exists());
    let said = place.junto(&["query", "-c", "x=sqlite:text.db", "--file", "latin.sql"]).refused(1);
    assert!(said.contains("latin.sql is not UTF-8, line 1"), "{said}");
    let said = place.junto(&["query", "--file", "nothing.sql"]).refused(1);
    assert!(said.contains("cannot read nothing.sql"), "{said}");
}

#[test]
fn unknown_options_and_schemes() {
    let place = Place::empty();
    let said = place.junto(&["query", "-c", "x=sqlit:a.db", "SELECT 1"]).refused(1);
    assert!(said.contains("unknown scheme `sqlit`; did you mean `sqlite`?"), "{said}");
    let said = place.junto(&["query", "-c", "x=postgres://h/db?sslmod=require", "SELECT 1"]).refused(1);
    assert!(said.contains("unknown option `sslmod`") && said.contains("did you mean `sslmode`?"), "{said}");
}
