//! Parsing: sizes, depths, places of errors, and what kind of statement it is.

use junto_sql::{Dialect, Error, StatementKind, check_aliases, classify, classify_native, parse, parse_within};
use junto_types::{Alias, ErrorKind, Limits};

fn aliases(names: &[&str]) -> Vec<Alias> {
    names.iter().map(|name| Alias::new(*name).expect("a valid alias")).collect()
}

#[track_caller]
fn kind(text: &str, expect: StatementKind) {
    let parsed = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(classify(parsed.statement()), expect, "{text}");
}

#[track_caller]
fn fails(text: &str, message: &str) -> Error {
    let error = parse(text).expect_err(text);
    assert_eq!(error.to_string(), message, "{text}");
    assert_eq!(error.kind(), ErrorKind::User);
    error
}

#[test]
fn errors_point_into_the_users_text() {
    let text = "SELECT a,\n  'ä' || @é.t.c FORM, FROM @é.t";
    let error = parse(text).expect_err("it is wrong");
    let span = error.span().expect("it has a place");
    assert_eq!((span.start, span.of(text)), (34, "FROM"), "{error}");
    fails("SELECT 1 +", "expected an expression, found the end of the statement at line 1, column 11");
    let error = fails("SELEC 1", "expected an SQL statement, found `SELEC` at line 1, column 1");
    assert_eq!(error.hint().as_deref(), Some("did you mean `SELECT`?"));
}

#[test]
fn one_statement_at_a_time() {
    fails(" -- nothing\n", "the statement is empty");
    fails(" ; ", "the statement is empty");
    fails("SELECT 1; SELECT 2", "a second statement starts at line 1, column 11");
    assert!(parse("SELECT 1 ; ; -- done").is_ok());
    let limits = Limits { max_statement_bytes: 10, ..Limits::default() };
    let error = parse_within("SELECT 1 + 1", &limits).expect_err("too long");
    assert_eq!(error.to_string(), "the statement has 12 bytes, more than the limit of 10");
}

#[test]
fn conditions_of_ten_thousand_terms_parse() {
    for (term, joiner) in [("a", " OR "), ("b", " AND ")] {
        let terms: Vec<String> = (0..10_000).map(|number| format!("{term} = {number}")).collect();
        let text = format!("SELECT 1 FROM @x.t WHERE {}", terms.join(joiner));
        let parsed = parse(&text).expect("it parses");
        let copy = parsed.statement().clone();
        assert!(copy.to_string().ends_with(&terms.join(joiner)), "rebalancing changes nothing but the shape");
    }
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let deep = |opening: &str, closing: &str, count| {
        format!("SELECT {}1{} FROM @a.t", opening.repeat(count), closing.repeat(count))
    };
    assert!(parse(&deep("coalesce(", ", 1)", 50)).is_ok(), "and not in 2⁵⁰ steps");
    assert!(parse(&deep("(SELECT * FROM (SELECT ", ") AS x)", 30)).is_err(), "and not in 2³⁰ steps");
    assert!(parse(&deep("(", ")", 50)).is_ok());
    assert!(parse(&deep("1+", "", 900)).is_ok());
    for text in [
        deep("(", ")", 100_000),
        deep("(SELECT ", ")", 100_000),
        deep("(SELECT * FROM (", ") AS x)", 100_000),
        deep("NOT ", "", 100_000),
        deep("- ", "", 100_000),
        deep("1+", "", 100_000),
        deep("1||", "", 100_000),
        deep("", "::int", 100_000),
        deep("", " IS NULL", 100_000),
        deep("CASE WHEN true THEN ", " END", 100_000),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(100_000)),
    ] {
        let error = parse(&text).expect_err("too deep");
        assert_eq!(error.to_string(), "the statement nests too deeply", "{}", &text[..40]);
    }
}

#[test]
fn keywords_may_be_names_in_references() {
    let parsed = parse("SELECT @values.order.select FROM @values.public.order").expect("it parses");
    assert_eq!(parsed.table_references().expect("one table").len(), 1);
}

#[test]
fn table_positions_are_told_from_column_positions() {
    let text = "SELECT @a.t.c FROM @a.t JOIN @b.s.u ON @a.t.x = @b.s.u.x WHERE EXISTS (SELECT 1 FROM @c.v)";
    let parsed = parse(text).expect("it parses");
    let tables = parsed.table_references().expect("three tables");
    let written: Vec<&str> = tables.iter().map(|table| table.span.of(text)).collect();
    assert_eq!(written, ["@a.t", "@b.s.u", "@c.v"]);
    assert_eq!(tables[1].schema.as_ref().map(|part| part.text.as_str()), Some("s"));
    let error = parse("SELECT 1 FROM @a.b.c.d").and_then(|parsed| parsed.table_references()).expect_err("four parts");
    assert_eq!(error.to_string(), "`@a.b.c.d` cannot name a table at line 1, column 15");
}

#[test]
fn all_unknown_connections_are_named_at_once() {
    let parsed = parse("SELECT 1 FROM @usres.t,\n@nowhere.t, @Users.t, @usres.t").expect("it parses");
    let error = check_aliases(&parsed, &aliases(&["users", "orders"])).expect_err("two are unknown");
    assert_eq!(error.to_string(), "unknown connections `@usres` at line 1, column 16, `@nowhere` at line 2, column 2");
    assert_eq!(error.hint().as_deref(), Some("did you mean `@users`?"));
    let parsed = parse("SELECT 1 FROM @\"eu:*\".t").expect("it parses");
    let error = check_aliases(&parsed, &aliases(&["users"])).expect_err("not yet");
    assert!(error.to_string().contains("not available yet"), "{error}");
}

#[test]
fn statements_are_classified_by_what_they_do() {
    kind("SELECT 1 FROM @a.t", StatementKind::Read);
    kind("WITH x AS (SELECT 'DELETE') SELECT * FROM x UNION ALL SELECT 'b'", StatementKind::Read);
    kind("WITH x AS (DELETE FROM @a.t RETURNING *) SELECT * FROM x", StatementKind::Write);
    kind("SELECT * FROM @a.t FOR UPDATE", StatementKind::Write);
    kind("SELECT 1 WHERE EXISTS (SELECT 1 FROM @a.t FOR SHARE)", StatementKind::Write);
    kind("SELECT 1 INTO x", StatementKind::Ddl);
    kind("EXPLAIN DELETE FROM @a.t", StatementKind::Read);
    kind("EXPLAIN ANALYZE DELETE FROM @a.t", StatementKind::Write);
    kind("EXPLAIN (ANALYZE) DELETE FROM @a.t", StatementKind::Write);
    kind("EXPLAIN (ANALYZE false) DELETE FROM @a.t", StatementKind::Read);
    kind("INSERT INTO @a.t SELECT 1", StatementKind::Write);
    kind("CREATE TABLE @a.t AS SELECT 1", StatementKind::Ddl);
    kind("COPY t TO STDOUT", StatementKind::Read);
    kind("COPY t TO '/tmp/x'", StatementKind::Write);
    kind("COPY t FROM STDIN", StatementKind::Write);
    kind("CALL p()", StatementKind::Write);
    kind("TRUNCATE t", StatementKind::Write);
    kind("SET x = 1", StatementKind::Session);
    kind("BEGIN", StatementKind::Transaction);
    kind("DROP TABLE t", StatementKind::Ddl);
}

#[test]
fn native_statements_are_classified_in_their_dialect() {
    use StatementKind as K;
    for (text, dialect, expect) in [
        ("SELECT `a` FROM t", Dialect::MySql, K::Read),
        ("REPLACE INTO t VALUES (1)", Dialect::MySql, K::Write),
        ("SHOW TABLES", Dialect::MySql, K::Read),
        ("PRAGMA user_version = 3", Dialect::Sqlite, K::Session),
        ("INSERT OR REPLACE INTO t VALUES (1)", Dialect::Sqlite, K::Write),
        ("SELECT * EXCLUDE (a) FROM t", Dialect::DuckDb, K::Read),
        ("SELECT 1; DROP TABLE t", Dialect::PostgreSql, K::Ddl),
        ("this is not SQL", Dialect::PostgreSql, K::Unknown),
        ("", Dialect::PostgreSql, K::Unknown),
    ] {
        assert_eq!(classify_native(text, dialect), expect, "{text}");
    }
}
