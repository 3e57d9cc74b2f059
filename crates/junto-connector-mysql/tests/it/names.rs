//! Columns that are called as the generator calls its own.

use arrow_schema::DataType;
use junto_connector::Expr;
use junto_connector::expr::{Aggregate, AggregateFunction, CompareOp};
use junto_connector::plan::{AggregateOutput, JoinKind, Output, Relation};
use junto_testkit::{mariadb, require};

use crate::support::{connect, filtered, read, scan, shown};

const TABLES: &str = "create table a (id int not null, c0 int not null); \
    create table b (id int not null, c1 int not null); \
    insert into a values (1, 1), (2, 2), (3, 7); \
    insert into b values (1, 6), (2, 8), (3, 2)";

/// MariaDB tests the condition in the HAVING of the grouping, where `c1` is the alias of `a.c0` beside the column `b.c1`.
#[tokio::test(flavor = "multi_thread")]
async fn conditions_on_groups_find_their_columns() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "names", TABLES, "").await;
    let a = scan(&connector.table(None, "a").await.expect("exists"));
    let b = scan(&connector.table(None, "b").await.expect("exists"));
    let (id, c0, other_id, c1) = (Expr::Column(0), Expr::Column(1), Expr::Column(0), Expr::Column(3));
    let joined = Relation::Join {
        left: Box::new(a),
        right: Box::new(b),
        kind: JoinKind::Inner,
        on: vec![(id.clone(), other_id)],
        filter: None,
    };
    let group = |expr| Output { name: "g".into(), expr, data_type: DataType::Int32, nullable: false };
    let least = Aggregate { function: AggregateFunction::Min, argument: Some(id), distinct: false, filter: None };
    let least = AggregateOutput { name: "m".into(), aggregate: least, data_type: DataType::Int32, nullable: true };
    let grouped =
        Relation::Aggregate { input: Box::new(joined), groups: vec![group(c1), group(c0)], aggregates: vec![least] };
    let differs = Expr::compare(CompareOp::IsDistinctFrom, Expr::Column(2), Expr::Column(1));
    let batches = read(connector.as_ref(), filtered(grouped, differs), None).await.expect("the names are clear");
    assert_eq!(shown(&batches), [["2", "7", "3"]]);
}

/// The same, where `c0` is the alias of a column of a derived table that has another `c0`.
#[tokio::test(flavor = "multi_thread")]
async fn aliases_of_derived_tables_are_other_ones() {
    let server = require!(mariadb::shared());
    let connector = connect(server, "derived_names", TABLES, "").await;
    let a = scan(&connector.table(None, "a").await.expect("exists"));
    let b = scan(&connector.table(None, "b").await.expect("exists"));
    let join = |left: Relation, right: Relation, kind| Relation::Join {
        left: Box::new(left),
        right: Box::new(right),
        kind,
        on: vec![(Expr::Column(0), Expr::Column(0))],
        filter: None,
    };
    let joined = join(b.clone(), join(a, b, JoinKind::Left), JoinKind::Inner);
    let group = |at| Output { name: "g".into(), expr: Expr::Column(at), data_type: DataType::Int32, nullable: false };
    let least =
        Aggregate { function: AggregateFunction::Min, argument: Some(Expr::Column(0)), distinct: false, filter: None };
    let least = AggregateOutput { name: "m".into(), aggregate: least, data_type: DataType::Int32, nullable: true };
    let grouped =
        Relation::Aggregate { input: Box::new(joined), groups: vec![group(3), group(2)], aggregates: vec![least] };
    let differs = Expr::compare(CompareOp::IsDistinctFrom, Expr::Column(2), Expr::Column(0));
    let batches = read(connector.as_ref(), filtered(grouped, differs), None).await.expect("the names are clear");
    assert_eq!(shown(&batches), [["7", "3", "3"]]);
}
