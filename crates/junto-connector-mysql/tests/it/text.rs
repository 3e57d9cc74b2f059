//! Text compares byte by byte, whatever its collation; dates with zeros count as NULL; keys find their rows.

use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringViewArray};
use arrow_schema::{DataType, Field, Schema};
use junto_connector::expr::CompareOp;
use junto_connector::plan::{Output, Relation};
use junto_connector::{Connector, Expr, Function, Keys, Literal, Support};
use junto_testkit::conformance::plans;
use junto_testkit::{mariadb, require};

use crate::support::{connect, filtered, first_column, read, scan};

const TEXTS: &str = "create table t (id int primary key, \
      a varchar(20) collate utf8mb4_general_ci, b varchar(20) character set latin1 collate latin1_swedish_ci, \
      c char(10) collate utf8mb4_bin, key (a)); \
    insert into t values (1, 'abc', 'é', 'x'), (2, 'ABC', 'e', 'X'), (3, 'abc ', 'É', 'x y'), (4, 'äbc', 'z', ''), \
      (5, null, null, null), (6, 'a_c', 'a\\\\b', 'it''s'), (7, '日本', 'q', '%')";

fn text(column: usize, op: CompareOp, value: &str) -> Expr {
    Expr::compare(op, Expr::Column(column), Expr::Literal(Literal::Text(value.into())))
}

fn like(column: usize, pattern: &str, negated: bool) -> Expr {
    let expr = Box::new(Expr::Column(column));
    Expr::Like { expr, pattern: pattern.into(), escape: Some('\\'), negated, case_insensitive: false }
}

/// Reads the ids of rows for which the predicate is true, after seeing that it is claimed.
async fn ids(connector: &dyn Connector, table: &str, predicate: Expr) -> Vec<String> {
    let table = connector.table(None, table).await.expect("the table exists");
    let plan = scan(&table);
    assert_eq!(connector.supports(&predicate, &plan.columns()), Support::Exact, "{predicate:?}");
    first_column(&read(connector, filtered(plan, predicate), None).await.expect("a read"))
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_compared_byte_by_byte() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "texts", TEXTS, "").await;
    let cases: Vec<(Expr, &[&str])> = vec![
        (text(1, CompareOp::Eq, "abc"), &["1"]),
        (text(1, CompareOp::Eq, "abc "), &["3"]),
        (text(1, CompareOp::NotEq, "abc"), &["2", "3", "4", "6", "7"]),
        (text(1, CompareOp::Lt, "a"), &["2"]),
        (text(1, CompareOp::GtEq, "abc "), &["3", "4", "7"]),
        (Expr::Not(Box::new(text(1, CompareOp::Eq, "ABC"))), &["1", "3", "4", "6", "7"]),
        (text(2, CompareOp::Eq, "é"), &["1"]),
        (text(2, CompareOp::NotEq, "é"), &["2", "3", "4", "6", "7"]),
        (text(2, CompareOp::Eq, "a\\b"), &["6"]),
        (text(2, CompareOp::Eq, "日"), &[]),
        (
            Expr::InList { expr: Box::new(Expr::Column(2)), list: vec![Literal::Text("日é".into())], negated: false },
            &[],
        ),
        (text(3, CompareOp::Eq, "x "), &[]),
        (text(3, CompareOp::Eq, "it's"), &["6"]),
        (text(1, CompareOp::Eq, "abc\0\n"), &[]),
        (like(1, "a_c", false), &["1", "6"]),
        (like(1, "a\\_c", false), &["6"]),
        (like(1, "_本", false), &["7"]),
        (like(1, "%c", true), &["2", "3", "7"]),
        (like(2, "_", false), &["1", "2", "3", "4", "7"]),
        (
            Expr::InList {
                expr: Box::new(Expr::Column(1)),
                list: vec![Literal::Text("abc".into()), Literal::Text("äbc".into())],
                negated: true,
            },
            &["2", "3", "6", "7"],
        ),
    ];
    for (predicate, expected) in cases {
        let found = ids(connector.as_ref(), "t", predicate.clone()).await;
        assert_eq!(found, expected, "{predicate:?}");
    }
}

/// Every way that LIKE and the functions of text are spelled, over every kind of column.
#[tokio::test(flavor = "multi_thread")]
async fn every_character_set_gives_the_same_answers() {
    let server = require!(mariadb::shared());
    let types = [
        "varchar(20) character set utf8mb4",
        "char(20) character set utf8mb4 collate utf8mb4_unicode_ci",
        "varchar(20) character set utf8mb4 collate utf8mb4_nopad_bin",
        "text character set utf8mb3",
        "varchar(20) character set latin1",
        "varchar(20) character set utf16",
        "enum('abc', 'ABC', 'äbc', 'a_c', 'a%c', 'éé') character set utf8mb4 collate utf8mb4_bin",
    ];
    let columns: String = types.iter().enumerate().map(|(at, name)| format!(", c{at} {name}")).collect();
    let row = |(id, value): (usize, &str)| format!("({id}{})", format!(", '{value}'").repeat(types.len()));
    let rows: Vec<String> = ["abc", "ABC", "äbc", "a_c", "a%c", "éé"].into_iter().enumerate().map(row).collect();
    let sql = format!("create table t (id int primary key{columns}); insert into t values {}", rows.join(", "));
    let connector = connect(server, "character_sets", &sql, "").await;
    let call = |function, column, more: &[i64]| Expr::Function {
        function,
        args: std::iter::once(Expr::Column(column))
            .chain(more.iter().map(|number| Expr::Literal(Literal::Int(*number))))
            .collect(),
        data_type: if more.is_empty() { DataType::Int32 } else { DataType::Utf8View },
    };
    let is = |left, right| Expr::compare(CompareOp::Eq, left, Expr::Literal(right));
    for column in 1..=types.len() {
        let cases: Vec<(Expr, &[&str])> = vec![
            (like(column, "%b%", false), &["0", "2"]),
            (like(column, "%bc", true), &["1", "3", "4", "5"]),
            (like(column, "%é%", false), &["5"]),
            (like(column, "%日%", true), &["0", "1", "2", "3", "4", "5"]),
            (like(column, "%_c", false), &["0", "2", "3", "4"]),
            (like(column, "%\\%c", false), &["4"]),
            (like(column, "__", false), &["5"]),
            (like(column, "a%", false), &["0", "3", "4"]),
            (like(column, "a\\_c", false), &["3"]),
            (is(call(Function::CharLength, column, &[]), Literal::Int(3)), &["0", "1", "2", "3", "4"]),
            (is(call(Function::OctetLength, column, &[]), Literal::Int(4)), &["2", "5"]),
            (is(call(Function::Substring, column, &[2, 1]), Literal::Text("b".into())), &["0", "2"]),
            (is(call(Function::Substring, column, &[1, 1]), Literal::Text("ä".into())), &["2"]),
        ];
        for (predicate, expected) in cases {
            let found = ids(connector.as_ref(), "t", predicate.clone()).await;
            assert_eq!(found, expected, "{}: {predicate:?}", types[column - 1]);
        }
    }
}

/// A view of texts under several collations shows `_bin` for them, and compares with nothing that names no collation.
#[tokio::test(flavor = "multi_thread")]
async fn texts_of_mixed_collations_are_searched() {
    let server = require!(mariadb::shared());
    let sql = "create table parts (id int primary key, x varchar(9) collate utf8mb4_general_ci,
                   y varchar(9) collate utf8mb4_unicode_ci);
               insert into parts values (1, 'ab', 'cd'), (2, 'AB', 'cd');
               create view t as select id, concat(x, y) c from parts";
    let connector = connect(server, "mixed_collations", sql, "").await;
    assert_eq!(ids(connector.as_ref(), "t", like(1, "ab%d", false)).await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn characters_are_counted_above_groups_and_unions() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "counted", TEXTS, "").await;
    let table = connector.table(None, "t").await.expect("the table exists");
    let length = |column| Expr::Function {
        function: Function::CharLength,
        args: vec![Expr::Column(column)],
        data_type: DataType::Int32,
    };
    let latin = plans::scan(&table, &["b"]);
    let grouped = plans::aggregate(latin.clone(), vec![plans::column(0)], Vec::new());
    let both = Relation::UnionAll { inputs: vec![latin, plans::scan(&table, &["a"])] };
    let lengths = async |input: Relation| {
        let outputs = vec![Output { name: "n".into(), expr: length(0), data_type: DataType::Int32, nullable: true }];
        let plan = Relation::Project { input: Box::new(input), outputs };
        first_column(&read(connector.as_ref(), plan, None).await.expect("a read"))
    };
    assert_eq!(lengths(grouped).await, ["1", "1", "1", "1", "1", "3", "∅"]);
    assert_eq!(lengths(both).await.join(" "), "1 1 1 1 1 2 3 3 3 3 3 4 ∅ ∅");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_predicate_of_many_terms_is_taken() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "terms", TEXTS, "").await;
    let term = |number: usize| text(1, CompareOp::Eq, &format!("n{number}"));
    let terms = (0..10_000).map(term).chain([text(1, CompareOp::Eq, "abc")]).collect();
    assert_eq!(ids(connector.as_ref(), "t", Expr::Or(terms)).await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_text_is_found_through_its_index() {
    let server = require!(mariadb::shared());
    let many = "; insert into t select seq + 100, concat('n', seq), null, null from seq_1_to_1000";
    let connector = connect(server, "text_index", &format!("{TEXTS}{many}"), "").await;
    let table = connector.table(None, "t").await.expect("the table exists");
    let plan = junto_connector::RemotePlan { root: filtered(scan(&table), text(1, CompareOp::Eq, "abc")) };
    let sql = connector.remote_text(&plan, None).expect("can be spelled").replace('"', "`");
    let explained = server.query("text_index", &format!("explain {sql}"));
    assert_eq!(explained[0][3].as_deref(), Some("ref"), "{sql}: {explained:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_with_zeros_are_null_in_conditions_too() {
    let server = require!(mariadb::shared());
    let sql = "set sql_mode = ''; create table d (id int, d date not null, t datetime not null); insert into d values \
      (1, '0000-00-00', '0000-00-00'), (2, '2024-00-10', '2024-05-00'), (3, '2024-01-01', '2024-01-01 01:02:03')";
    let connector = connect(server, "zeros", sql, "").await;
    let date = |op, days| Expr::compare(op, Expr::Column(1), Expr::Literal(Literal::Date(days)));
    let is_null = |column, negated| Expr::IsNull { expr: Box::new(Expr::Column(column)), negated };
    let day = 19_723;
    let cases: Vec<(Expr, &[&str])> = vec![
        (date(CompareOp::LtEq, day), &["3"]),
        (date(CompareOp::NotEq, day), &[]),
        (date(CompareOp::Eq, day), &["3"]),
        (Expr::Not(Box::new(date(CompareOp::Gt, day))), &["3"]),
        (is_null(1, false), &["1", "2"]),
        (is_null(2, true), &["3"]),
        (Expr::Not(Box::new(is_null(2, false))), &["3"]),
        (Expr::Or(vec![date(CompareOp::Lt, day), is_null(1, false)]), &["1", "2"]),
    ];
    for (predicate, expected) in cases {
        let found = ids(connector.as_ref(), "d", predicate.clone()).await;
        assert_eq!(found, expected, "{predicate:?}");
    }
}

fn keys(columns: Vec<usize>, values: Vec<ArrayRef>, nulls: bool) -> Keys {
    let fields: Vec<Field> = values.iter().map(|array| Field::new("k", array.data_type().clone(), true)).collect();
    Keys { columns, values: RecordBatch::try_new(Arc::new(Schema::new(fields)), values).expect("equal lengths"), nulls }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_find_their_rows() {
    let server = require!(mariadb::shared());
    let sql = "create table k (id bigint primary key, half int, name varchar(20), day date, \
          old varchar(9) character set latin1 default 'é'); \
        insert into k (id, half, name, day) select seq, if(seq % 3 = 0, null, seq div 2), concat('n', seq), '2024-01-01' + interval seq day \
        from seq_1_to_30000";
    let connector = connect(server, "keyed", sql, "").await;
    let table = connector.table(None, "k").await.expect("the table exists");
    let count = async |keys| {
        let batches = read(connector.as_ref(), scan(&table), Some(keys)).await.expect("a keyed read");
        batches.iter().map(RecordBatch::num_rows).sum::<usize>()
    };
    let ids = |range: std::ops::Range<i64>| Arc::new(Int64Array::from_iter_values(range)) as ArrayRef;
    assert_eq!(count(keys(vec![0], vec![ids(1..25_001)], false)).await, 25_000);
    assert_eq!(count(keys(vec![0], vec![ids(0..0)], false)).await, 0);
    let halves = Arc::new(arrow_array::Int32Array::from(vec![5])) as ArrayRef;
    assert_eq!(count(keys(vec![1], vec![halves], true)).await, 10_000 + 2);
    let names = Arc::new(StringViewArray::from(vec!["n7", "none", "x'; --"])) as ArrayRef;
    assert_eq!(count(keys(vec![2], vec![names], false)).await, 1);
    let days = Arc::new(Date32Array::from(vec![19_724, 19_725])) as ArrayRef;
    assert_eq!(count(keys(vec![3], vec![days], false)).await, 2);
    let accents = Arc::new(StringViewArray::from(vec!["é", "🙂"])) as ArrayRef;
    assert_eq!(count(keys(vec![4], vec![accents], false)).await, 30_000);
    let both = vec![ids(1..4), Arc::new(StringViewArray::from(vec!["n1", "n2", "n9"])) as ArrayRef];
    assert_eq!(count(keys(vec![0, 2], both, false)).await, 2);
    assert_eq!(table.columns[0].data_type, DataType::Int64);
}
