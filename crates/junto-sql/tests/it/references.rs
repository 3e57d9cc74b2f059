//! What is a reference in a text, and what never is.

use junto_sql::{Dialect, blank, has_references, has_references_in, references, split_statements};

/// The references of `text`, as they are written.
fn found(text: &str) -> Vec<&str> {
    let found = references(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    found.iter().map(|reference| reference.span.of(text)).collect()
}

#[track_caller]
fn check(text: &str, expect: &[&str]) {
    assert_eq!(found(text), expect, "{text}");
}

#[test]
fn the_statement_at_the_top_of_the_architecture_has_three_references() {
    let text = "SELECT u.name, o.total, p.amount\nFROM @users_db.public.users u\n\
                JOIN @orders_db.sales.orders o ON u.id = o.user_id\n\
                JOIN @payments_db.transactions p ON o.id = p.order_id\nWHERE u.created_at > '2024-01-01'";
    check(text, &["@users_db.public.users", "@orders_db.sales.orders", "@payments_db.transactions"]);
}

#[test]
fn parts_may_be_quoted() {
    let text = r#"SELECT * FROM @"my conn"."Sch""ema"."T.1" t, @a."b", @"Sales Analytics:snowflake_prod".orders"#;
    check(text, &[r#"@"my conn"."Sch""ema"."T.1""#, r#"@a."b""#, r#"@"Sales Analytics:snowflake_prod".orders"#]);
    let first = &references(text).expect("it reads")[0];
    let parts: Vec<(&str, bool)> = first.parts.iter().map(|part| (part.text.as_str(), part.quoted)).collect();
    assert_eq!(parts, [("my conn", true), ("Sch\"ema", true), ("T.1", true)]);
    assert_eq!(first.parts[1].span.of(text), r#""Sch""ema""#);
}

#[test]
fn columns_may_be_references_too() {
    check(
        "SELECT @a.t.c, @a.s.t.c FROM @a.s.t WHERE -@a.t.c>=@b.t.c AND 'x'||@b.t.c<@a.t.c",
        &["@a.t.c", "@a.s.t.c", "@a.s.t", "@a.t.c", "@b.t.c", "@b.t.c", "@a.t.c"],
    );
    check("SELECT @a.t.*, count(@a.s.t.*) FROM @a.s.t", &["@a.t", "@a.s.t", "@a.s.t"]);
}

#[test]
fn never_in_strings_comments_dollar_quotes_and_quoted_names() {
    check("SELECT 'a@x.com', 'it''s @a.b', E'it\\'s @a.b', $$@a.b$$, $tag$ @a.b $$ @c.d $tag$", &[]);
    check("SELECT \"@a.b\", \"x\"\"@a.b\" -- @a.b\n/* @a.b /* @c.d */ @e.f */, @r.t.c FROM @r.t", &["@r.t.c", "@r.t"]);
    check("SELECT `@a.b`", &[]);
}

#[test]
fn variables_are_no_references() {
    check("SELECT @x, @@x, @@session.x, @@global.sql_mode, @a := 1, @a.b := 2", &[]);
    check("SELECT @\"x\", @'x', @`x`, @1.5, @(a.b), @ a.b", &[]);
    check("SET @x = 1", &[]);
}

#[test]
fn operators_are_no_references() {
    check("SELECT a @> b.c, a <@ b.c, a @@ b.c, @ -5, @-5, @-@ b.c, @-@b.c, a ~@ b, a @? '$.x', @@ b.c", &[]);
    check("SELECT a <@ ARRAY[1], a<@ARRAY[1] FROM @x.t", &["@x.t"]);
}

#[test]
fn operators_may_touch_a_reference() {
    check("SELECT 1 FROM t WHERE x<@b.t.c AND x>=@b.t.c OR -@b.t.c = 1 AND x||@b.t.c <> ''", &["@b.t.c"; 4]);
    check("SELECT 1 FROM@a.t,@b.t WHERE(@a.t.x=@b.t.x)", &["@a.t", "@b.t", "@a.t.x", "@b.t.x"]);
}

#[test]
fn at_within_a_name_is_no_reference() {
    check("GRANT SELECT ON x TO bob@db.example.com, 'bob'@db.example, \"bob\"@db.example", &[]);
}

#[test]
fn a_domain_key_with_a_star_is_read() {
    check("SELECT * FROM @\"Regions:*\".orders", &["@\"Regions:*\".orders"]);
}

#[test]
fn incomplete_references_are_errors_with_their_place() {
    let error = references("SELECT *\nFROM @users.").expect_err("it is incomplete");
    assert_eq!(error.to_string(), "`@users.` lacks a name after the dot at line 2, column 6");
    assert!(references("SELECT * FROM @users.2024").is_err());
    assert!(has_references("SELECT * FROM @users."));
}

#[test]
fn unterminated_quotes_are_errors_at_their_opening() {
    for (text, message) in [
        ("SELECT @a.b, 'x", "unterminated string at line 1, column 14"),
        ("SELECT @a.\"b", "unterminated quoted name at line 1, column 11"),
        ("SELECT @a.b /* /* */", "unterminated comment at line 1, column 13"),
        ("SELECT @a.b $x$ $$", "unterminated dollar-quoted string at line 1, column 13"),
    ] {
        assert_eq!(references(text).expect_err(text).to_string(), message);
    }
}

#[test]
fn native_texts_are_read_by_their_own_rules() {
    let text = r"SELECT 'it\'s @a.b'";
    assert!(!has_references_in(text, Dialect::MySql));
    assert!(!has_references_in("SELECT 1 # @a.b", Dialect::MySql));
    assert!(!has_references_in("SELECT \"x\\\"@a.b\"", Dialect::MySql));
    assert!(!has_references_in("SELECT [@a.b]", Dialect::Sqlite));
    assert!(has_references_in("SELECT 1 FROM @a.b", Dialect::MySql));
}

#[test]
fn blanking_overwrites_only_the_at_signs_of_references() {
    let text = "SELECT 'a@b.c', x<@b.t.c, @x FROM @é.t";
    let blanked = blank(text, &references(text).expect("it reads"));
    assert_eq!(blanked, "SELECT 'a@b.c', x< b.t.c, @x FROM  é.t");
}

#[test]
fn scripts_are_split_at_top_level_semicolons() {
    let text = " ;SELECT ';' ; -- a; b\n/* ; */ SELECT (1;2), $$;$$;; SELECT \";\"; -- end";
    let parts: Vec<&str> = statements(text, Dialect::Federated);
    assert_eq!(parts, ["SELECT ';'", "SELECT (1;2), $$;$$", "SELECT \";\""]);
    assert_eq!(statements(r"SELECT 'a\';b'; SELECT `a;b`", Dialect::MySql), [r"SELECT 'a\';b'", "SELECT `a;b`"]);
    assert_eq!(statements("/*!40101 SET x=1 */; SELECT 1", Dialect::MySql).len(), 2);
    assert!(statements(" ; -- nothing\n", Dialect::Federated).is_empty());
}

#[test]
fn ten_megabytes_are_split_in_linear_time() {
    let text = "INSERT INTO t VALUES (1, 'some text; with ''quotes''', 2.5); -- `\n".repeat(160_000);
    let start = std::time::Instant::now();
    assert_eq!(statements(&text, Dialect::Federated).len(), 160_000);
    assert!(start.elapsed().as_secs() < 20, "{:?} for {} bytes", start.elapsed(), text.len());
}

fn statements(text: &str, dialect: Dialect) -> Vec<&str> {
    let found = split_statements(text, dialect).expect("it splits");
    found.iter().map(|statement| statement.span.of(text)).collect()
}
