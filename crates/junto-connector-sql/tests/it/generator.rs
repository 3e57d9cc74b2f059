//! Which SQL a plan becomes.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use junto_connector::expr::{Aggregate, AggregateFunction, ArithmeticOp, CompareOp};
use junto_connector::plan::{AggregateOutput, JoinKind, Output, Relation, SortKey};
use junto_connector::{Expr, Keys, Literal, RemotePlan, ScanColumn, TextSemantics};
use junto_connector_sql::{KeyValues, generate};
use junto_types::TableName;

use crate::Standard;

fn scan(table: &str, columns: &[&str]) -> Relation {
    let column = |name: &&str| ScanColumn {
        name: (*name).into(),
        source_type: "INTEGER".into(),
        data_type: DataType::Int64,
        nullable: true,
        text: TextSemantics::Binary,
    };
    Relation::Scan { table: TableName::new("s", table), columns: columns.iter().map(column).collect() }
}

fn column(index: usize) -> Expr {
    Expr::Column(index)
}

fn int(value: i64) -> Expr {
    Expr::Literal(Literal::Int(value))
}

fn over(column_index: usize, limit: i64) -> Expr {
    Expr::compare(CompareOp::Gt, column(column_index), int(limit))
}

fn filter(input: Relation, predicate: Expr) -> Relation {
    Relation::Filter { input: Box::new(input), predicate }
}

fn output(expr: Expr) -> Output {
    Output { name: "o".into(), expr, data_type: DataType::Int64, nullable: true }
}

fn project(input: Relation, outputs: Vec<Expr>) -> Relation {
    Relation::Project { input: Box::new(input), outputs: outputs.into_iter().map(output).collect() }
}

fn plus(left: Expr, right: Expr) -> Expr {
    let (left, right) = (Box::new(left), Box::new(right));
    Expr::Arithmetic { op: ArithmeticOp::Add, left, right, data_type: DataType::Int64 }
}

fn sort(input: Relation, key: usize, fetch: Option<u64>) -> Relation {
    let keys = vec![SortKey { expr: column(key), descending: true, nulls_first: false }];
    Relation::Sort { input: Box::new(input), keys, fetch }
}

fn limit(input: Relation, skip: u64, fetch: Option<u64>) -> Relation {
    Relation::Limit { input: Box::new(input), skip, fetch }
}

fn distinct(input: Relation) -> Relation {
    Relation::Distinct { input: Box::new(input) }
}

fn join(left: Relation, right: Relation, kind: JoinKind) -> Relation {
    let on = vec![(column(0), column(0))];
    Relation::Join { left: Box::new(left), right: Box::new(right), kind, on, filter: None }
}

fn aggregate(input: Relation, groups: Vec<Expr>, aggregates: Vec<Aggregate>) -> Relation {
    let computed =
        |aggregate| AggregateOutput { name: "a".into(), aggregate, data_type: DataType::Int64, nullable: true };
    Relation::Aggregate {
        input: Box::new(input),
        groups: groups.into_iter().map(output).collect(),
        aggregates: aggregates.into_iter().map(computed).collect(),
    }
}

fn count() -> Aggregate {
    Aggregate { function: AggregateFunction::CountRows, argument: None, distinct: false, filter: None }
}

fn sum(index: usize) -> Aggregate {
    Aggregate { function: AggregateFunction::Sum, argument: Some(column(index)), distinct: false, filter: None }
}

/// Compares the SQL, and has SQLite prepare it.
fn check(root: Relation, keys: Option<KeyValues<'_>>, expected: &str) {
    let sql = generate(&Standard, &RemotePlan { root }, keys).expect("can be spelled");
    assert_eq!(sql, expected);
    if !sql.contains('…') && !sql.contains('$') {
        let connection = rusqlite::Connection::open_in_memory().expect("opens");
        let schema =
            "ATTACH ':memory:' AS s; CREATE TABLE s.t (a, b, c); CREATE TABLE s.u (a, b); CREATE TABLE s.v (C1, c_2)";
        connection.execute_batch(schema).expect("made");
        connection.prepare(&sql).unwrap_or_else(|error| panic!("{error}\n{sql}"));
    }
}

#[test]
fn scan_filter_project_sort_and_limit_share_a_block() {
    check(scan("t", &["a", "b"]), None, r#"SELECT t0."a" AS c0, t0."b" AS c1 FROM "s"."t" AS t0"#);
    check(scan("t", &[]), None, r#"SELECT 1 AS c0 FROM "s"."t" AS t0"#);
    let plan =
        filter(scan("t", &["a", "b", "c"]), Expr::And(vec![over(0, 1), Expr::Or(vec![over(1, 2), over(2, -3)])]));
    let plan = limit(sort(project(plan, vec![column(2), plus(column(0), int(1))]), 0, None), 5, Some(10));
    check(
        plan,
        None,
        r#"SELECT t0."c" AS c0, t0."a" + 1 AS c1 FROM "s"."t" AS t0 WHERE (t0."a" > 1) AND ((t0."b" > 2) OR (t0."c" > (-3))) ORDER BY t0."c" DESC NULLS LAST LIMIT 10 OFFSET 5"#,
    );
}

#[test]
fn what_comes_after_a_limit_goes_around_it() {
    check(
        filter(limit(scan("t", &["a"]), 0, Some(3)), over(0, 1)),
        None,
        r#"SELECT t1.c0 AS c0 FROM (SELECT t0."a" AS c0 FROM "s"."t" AS t0 LIMIT 3) AS t1 WHERE t1.c0 > 1"#,
    );
    check(
        aggregate(limit(scan("t", &["a"]), 0, Some(3)), vec![], vec![sum(0)]),
        None,
        r#"SELECT SUM(t1.c0) AS c0 FROM (SELECT t0."a" AS c0 FROM "s"."t" AS t0 LIMIT 3) AS t1"#,
    );
    check(
        sort(sort(scan("t", &["a", "b"]), 0, Some(3)), 1, None),
        None,
        r#"SELECT t1.c0 AS c0, t1.c1 AS c1 FROM (SELECT t0."a" AS c0, t0."b" AS c1 FROM "s"."t" AS t0 ORDER BY t0."a" DESC NULLS LAST LIMIT 3) AS t1 ORDER BY t1.c1 DESC NULLS LAST"#,
    );
}

#[test]
fn aliases_are_no_columns() {
    check(
        filter(limit(scan("v", &["C1"]), 0, Some(3)), over(0, 1)),
        None,
        r#"SELECT t1.c_0 AS c_0 FROM (SELECT t0."C1" AS c_0 FROM "s"."v" AS t0 LIMIT 3) AS t1 WHERE t1.c_0 > 1"#,
    );
    check(
        join(scan("v", &["C1", "c_2"]), scan("t", &["a"]), JoinKind::Inner),
        None,
        r#"SELECT t0."C1" AS c__0, t0."c_2" AS c__1, t1."a" AS c__2 FROM "s"."v" AS t0 INNER JOIN "s"."t" AS t1 ON t0."C1" = t1."a""#,
    );
}

#[test]
fn a_limit_over_a_limit_is_one() {
    let twice = |inner: (u64, Option<u64>), outer: (u64, Option<u64>)| {
        limit(limit(scan("t", &[]), inner.0, inner.1), outer.0, outer.1)
    };
    for (inner, outer, expected) in [
        ((0, Some(10)), (0, Some(3)), "LIMIT 3"),
        ((0, Some(3)), (0, Some(10)), "LIMIT 3"),
        ((2, Some(10)), (3, Some(20)), "LIMIT 7 OFFSET 5"),
        ((0, Some(3)), (5, Some(2)), "LIMIT 0 OFFSET 5"),
        ((2, None), (3, Some(4)), "LIMIT 4 OFFSET 5"),
    ] {
        check(twice(inner, outer), None, &format!(r#"SELECT 1 AS c0 FROM "s"."t" AS t0 {expected}"#));
    }
}

#[test]
fn an_order_survives_a_wrapping_block() {
    // The key is no longer among the columns: it travels as a hidden one.
    let top = project(sort(scan("t", &["a", "b"]), 1, Some(5)), vec![column(0)]);
    check(
        filter(top, over(0, 1)),
        None,
        r#"SELECT t1.c0 AS c0 FROM (SELECT t0."a" AS c0, t0."b" AS c1 FROM "s"."t" AS t0 ORDER BY t0."b" DESC NULLS LAST LIMIT 5) AS t1 WHERE t1.c0 > 1 ORDER BY t1.c1 DESC NULLS LAST"#,
    );
}

#[test]
fn only_what_can_be_null_says_where_nulls_go() {
    let never = |column: ScanColumn| ScanColumn { nullable: false, ..column };
    let Relation::Scan { table, columns } = scan("t", &["a"]) else { unreachable!("a scan") };
    let t = Relation::Scan { table, columns: columns.into_iter().map(never).collect() };
    check(sort(t.clone(), 0, Some(1)), None, r#"SELECT t0."a" AS c0 FROM "s"."t" AS t0 ORDER BY t0."a" DESC LIMIT 1"#);
    let (left, right) = (Box::new(scan("u", &["a"])), Box::new(t));
    let outer = Relation::Join { left, right, kind: JoinKind::Left, on: vec![(column(0), column(0))], filter: None };
    check(
        sort(outer, 1, Some(1)),
        None,
        r#"SELECT t0."a" AS c0, t1."a" AS c1 FROM "s"."u" AS t0 LEFT JOIN "s"."t" AS t1 ON t0."a" = t1."a" ORDER BY t1."a" DESC NULLS LAST LIMIT 1"#,
    );
}

#[test]
fn computed_columns_are_not_repeated() {
    let doubled = project(scan("t", &["a"]), vec![plus(column(0), column(0))]);
    check(
        project(doubled, vec![plus(column(0), column(0))]),
        None,
        r#"SELECT t1.c0 + t1.c0 AS c0 FROM (SELECT t0."a" + t0."a" AS c0 FROM "s"."t" AS t0) AS t1"#,
    );
}

#[test]
fn aggregates() {
    let filtered = Aggregate { filter: Some(over(1, 5)), distinct: true, ..sum(1) };
    let counted = Aggregate { filter: Some(over(1, 5)), ..count() };
    check(
        aggregate(filter(scan("t", &["a", "b"]), over(0, 0)), vec![column(0)], vec![count(), filtered, counted]),
        None,
        r#"SELECT t0."a" AS c0, COUNT(*) AS c1, SUM(DISTINCT CASE WHEN t0."b" > 5 THEN t0."b" END) AS c2, COUNT(CASE WHEN t0."b" > 5 THEN 1 END) AS c3 FROM "s"."t" AS t0 WHERE t0."a" > 0 GROUP BY t0."a""#,
    );
    check(
        filter(aggregate(scan("t", &["a"]), vec![column(0)], vec![count()]), over(1, 1)),
        None,
        r#"SELECT t1.c0 AS c0, t1.c1 AS c1 FROM (SELECT t0."a" AS c0, COUNT(*) AS c1 FROM "s"."t" AS t0 GROUP BY t0."a") AS t1 WHERE t1.c1 > 1"#,
    );
    // A literal is no column's position, and a group of nothing is no row.
    check(
        aggregate(scan("t", &[]), vec![int(1)], vec![count()]),
        None,
        r#"SELECT 1 AS c0, COUNT(*) AS c1 FROM "s"."t" AS t0 GROUP BY 1 + 0"#,
    );
    check(
        aggregate(scan("t", &["a"]), vec![int(1)], vec![]),
        None,
        r#"SELECT 1 AS c0 FROM "s"."t" AS t0 GROUP BY 1 + 0"#,
    );
}

#[test]
fn distinct_and_union() {
    check(
        distinct(project(scan("t", &["a", "b"]), vec![column(1)])),
        None,
        r#"SELECT DISTINCT t0."b" AS c0 FROM "s"."t" AS t0"#,
    );
    check(
        project(distinct(scan("t", &["a", "b"])), vec![column(1)]),
        None,
        r#"SELECT t1.c1 AS c0 FROM (SELECT DISTINCT t0."a" AS c0, t0."b" AS c1 FROM "s"."t" AS t0) AS t1"#,
    );
    let inputs = vec![scan("t", &["a"]), limit(scan("u", &["a"]), 0, Some(1))];
    check(
        filter(Relation::UnionAll { inputs }, over(0, 1)),
        None,
        r#"SELECT t3.c0 AS c0 FROM (SELECT t0."a" AS c0 FROM "s"."t" AS t0 UNION ALL SELECT t2.c0 AS c0 FROM (SELECT t1."a" AS c0 FROM "s"."u" AS t1 LIMIT 1) AS t2) AS t3 WHERE t3.c0 > 1"#,
    );
}

#[test]
fn joins() {
    let filtered = || filter(scan("u", &["a", "b"]), over(1, 2));
    check(
        join(filter(scan("t", &["a"]), over(0, 1)), filtered(), JoinKind::Inner),
        None,
        r#"SELECT t0."a" AS c0, t1."a" AS c1, t1."b" AS c2 FROM "s"."t" AS t0 INNER JOIN "s"."u" AS t1 ON t0."a" = t1."a" WHERE (t0."a" > 1) AND (t1."b" > 2)"#,
    );
    // A condition on the side that may be missing stays before the join.
    check(
        join(filter(scan("t", &["a"]), over(0, 1)), filtered(), JoinKind::Left),
        None,
        r#"SELECT t0."a" AS c0, t2.c0 AS c1, t2.c1 AS c2 FROM "s"."t" AS t0 LEFT JOIN (SELECT t1."a" AS c0, t1."b" AS c1 FROM "s"."u" AS t1 WHERE t1."b" > 2) AS t2 ON t0."a" = t2.c0 WHERE t0."a" > 1"#,
    );
    check(
        join(filter(scan("t", &["a"]), over(0, 1)), filtered(), JoinKind::LeftAnti),
        None,
        r#"SELECT t0."a" AS c0 FROM "s"."t" AS t0 WHERE (t0."a" > 1) AND (NOT EXISTS (SELECT 1 AS c0 FROM "s"."u" AS t1 WHERE (t1."b" > 2) AND (t0."a" = t1."a")))"#,
    );
    check(
        join(join(scan("t", &["a"]), scan("u", &["a"]), JoinKind::Inner), scan("t", &["a"]), JoinKind::Full),
        None,
        r#"SELECT t0."a" AS c0, t1."a" AS c1, t2."a" AS c2 FROM "s"."t" AS t0 INNER JOIN "s"."u" AS t1 ON t0."a" = t1."a" FULL JOIN "s"."t" AS t2 ON t0."a" = t2."a""#,
    );
}

fn keys(columns: Vec<usize>, values: Vec<ArrayRef>, nulls: bool) -> Keys {
    let fields = values.iter().map(|array| Field::new("k", array.data_type().clone(), false));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Keys { columns, values: RecordBatch::try_new(schema, values).expect("a batch"), nulls }
}

#[test]
fn keys_choose_among_the_result() {
    let one = keys(vec![1], vec![Arc::new(Int64Array::from(vec![1, 2]))], true);
    check(
        filter(scan("t", &["a", "b"]), over(0, 1)),
        Some(KeyValues::Values(&one)),
        r#"SELECT t0."a" AS c0, t0."b" AS c1 FROM "s"."t" AS t0 WHERE (t0."a" > 1) AND (t0."b" IN (1, 2) OR t0."b" IS NULL)"#,
    );
    check(
        sort(scan("t", &["a", "b"]), 0, Some(3)),
        Some(KeyValues::Values(&one)),
        r#"SELECT t1.c0 AS c0, t1.c1 AS c1 FROM (SELECT t0."a" AS c0, t0."b" AS c1 FROM "s"."t" AS t0 ORDER BY t0."a" DESC NULLS LAST LIMIT 3) AS t1 WHERE t1.c1 IN (1, 2) OR t1.c1 IS NULL ORDER BY t1.c0 DESC NULLS LAST"#,
    );
    let hostile: ArrayRef = Arc::new(StringArray::from(vec!["x' OR true --", "\\'"]));
    let both = keys(vec![0, 1], vec![Arc::new(Int64Array::from(vec![1, 2])), hostile], false);
    let sql = generate(&Standard, &RemotePlan { root: scan("t", &["a", "b"]) }, Some(KeyValues::Values(&both)));
    assert!(sql.expect("printed").ends_with(r#"WHERE (t0."a", t0."b") IN ((1, 'x'' OR true --'), (2, '\'''))"#));
    check(
        scan("t", &["a"]),
        Some(KeyValues::Shape { columns: &[0] }),
        r#"SELECT t0."a" AS c0 FROM "s"."t" AS t0 WHERE t0."a" IN (…keys)"#,
    );
    check(
        scan("t", &["a"]),
        Some(KeyValues::Parameters { columns: &[0], nulls: false }),
        r#"SELECT t0."a" AS c0 FROM "s"."t" AS t0 WHERE t0."a" = ANY($1)"#,
    );
    let none = keys(vec![0], vec![Arc::new(Int64Array::from(Vec::<i64>::new()))], false);
    check(scan("t", &["a"]), Some(KeyValues::Values(&none)), r#"SELECT t0."a" AS c0 FROM "s"."t" AS t0 WHERE 1 = 0"#);
}

#[test]
fn predicates_of_ten_thousand_terms_stay_shallow() {
    let terms = (0..10_000).map(|value| over(0, value)).collect();
    let root = filter(scan("t", &["a"]), Expr::Or(terms));
    let sql = generate(&Standard, &RemotePlan { root }, None).expect("printed");
    let connection = rusqlite::Connection::open_in_memory().expect("opens");
    connection.execute_batch("ATTACH ':memory:' AS s; CREATE TABLE s.t (a)").expect("made");
    connection.prepare(&sql).expect("SQLite allows a depth of 1,000");
}

#[test]
fn like_names_an_escape_character_that_does_not_occur() {
    let like = |pattern: &str, escape| {
        let pattern = pattern.to_owned();
        let like = Expr::Like { expr: Box::new(column(0)), pattern, escape, negated: true, case_insensitive: false };
        filter(scan("t", &["a"]), like)
    };
    let expected =
        |condition: &str| format!(r#"SELECT t0."a" AS c0 FROM "s"."t" AS t0 WHERE t0."a" NOT LIKE {condition}"#);
    check(like("a%", None), None, &expected(r"'a%' ESCAPE '\'"));
    check(like(r"a\%", None), None, &expected(r"'a\%' ESCAPE '!'"));
    check(like(r"a\%'", Some('\\')), None, &expected(r"'a\%''' ESCAPE '\'"));
}

#[test]
fn minus_signs_never_make_a_comment() {
    let negated = Expr::Negate(Box::new(int(-5)));
    let twice = Expr::Negate(Box::new(Expr::Negate(Box::new(column(0)))));
    check(
        project(scan("t", &["a"]), vec![negated, twice]),
        None,
        r#"SELECT -(-5) AS c0, -(-t0."a") AS c1 FROM "s"."t" AS t0"#,
    );
}
