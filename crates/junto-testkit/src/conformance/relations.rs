//! Every claimed operator on relations: limits, orders, groups, joins, unions, and some of them on top of each other.

use arrow_schema::DataType;
use junto_connector::expr::{Aggregate, AggregateFunction, CompareOp};
use junto_connector::plan::{JoinKind, Relation};
use junto_connector::{Expr, TypeClass};

use super::catalog::Tables;
use super::plans::{aggregate, call, column, compare, distinct, filter, int, join, limit, plan, scan, scan_all, sort};
use super::relation::Table;
use super::report::Report;
use super::subject::Subject;
use super::verify::verify;

pub(crate) async fn check(subject: &Subject, tables: &Tables, report: &mut Report) {
    let mut cases: Vec<(String, Relation)> = Vec::new();
    for table in &tables.all {
        limits(table, &mut cases);
        orders(table, &mut cases);
        groups(table, &mut cases);
        unions(table, &mut cases);
    }
    if let (Some(parent), Some(child)) = (tables.named("parent"), tables.named("child")) {
        joins(parent, child, &mut cases);
        stacked(parent, child, &mut cases);
    }
    for (group, root) in cases {
        verify(subject, &tables.all, &plan(root), &group, report).await;
    }
}

fn limits(table: &Table, cases: &mut Vec<(String, Relation)>) {
    let all = scan_all(&table.info);
    for (skip, fetch) in [(0, Some(0)), (0, Some(1)), (0, Some(1000)), (2, Some(2)), (2, None), (1000, Some(1))] {
        cases.push(("limit".into(), limit(all.clone(), skip, fetch)));
    }
    let some = filter(all, compare(CompareOp::Gt, column(0), int(2)));
    if TypeClass::of(&table.info.columns[0].data_type) == TypeClass::Int {
        cases.push(("limit above a filter".into(), limit(some.clone(), 0, Some(2))));
        cases.push((
            "filter above a limit".into(),
            filter(limit(some, 0, Some(0)), compare(CompareOp::Gt, column(0), int(0))),
        ));
    }
}

fn orders(table: &Table, cases: &mut Vec<(String, Relation)>) {
    let last = table.info.columns.len() - 1;
    for (index, info) in table.info.columns.iter().enumerate() {
        let group = format!("order by {:?} ({})", TypeClass::of(&info.data_type), info.source_type);
        for (descending, nulls_first) in [(false, false), (false, true), (true, false), (true, true)] {
            for fetch in [None, Some(3), Some(0)] {
                cases.push((group.clone(), sort(scan_all(&table.info), &[(index, descending, nulls_first)], fetch)));
            }
            let keys = [(last, descending, nulls_first), (index, !descending, nulls_first)];
            cases.push((format!("{group}, second key"), sort(scan_all(&table.info), &keys, Some(5))));
        }
    }
}

fn groups(table: &Table, cases: &mut Vec<(String, Relation)>) {
    for info in &table.info.columns {
        let class = TypeClass::of(&info.data_type);
        let one = scan(&table.info, &[&info.name]);
        cases.push((format!("distinct {class:?} ({})", info.source_type), distinct(one.clone())));
        let count = (call(AggregateFunction::CountRows, None), DataType::Int64);
        let group = format!("group by {class:?} ({})", info.source_type);
        cases.push((group.clone(), aggregate(one.clone(), vec![column(0)], vec![count.clone()])));
        cases.push((format!("{group}, no aggregate"), aggregate(one.clone(), vec![column(0)], Vec::new())));
        for (name, aggregated, data_type) in aggregates(&info.data_type) {
            let group = format!("{name} of {class:?} ({})", info.source_type);
            let plain = (aggregated.clone(), data_type.clone());
            cases.push((group.clone(), aggregate(one.clone(), Vec::new(), vec![plain.clone(), count.clone()])));
            let nothing = filter(one.clone(), Expr::Literal(junto_connector::Literal::Boolean(false)));
            cases.push((format!("{group}, no rows"), aggregate(nothing, Vec::new(), vec![plain.clone()])));
            let first = &table.info.columns[0].name;
            let both = scan(&table.info, &[&info.name, first]);
            let some = Aggregate { filter: Some(compare(CompareOp::Gt, column(1), int(3))), ..aggregated };
            cases.push((format!("{group}, FILTER"), aggregate(both, Vec::new(), vec![(some, data_type)])));
        }
    }
}

/// Aggregates of a column with the types Junto gives them: sums of integers are wide decimals.
fn aggregates(data_type: &DataType) -> Vec<(String, Aggregate, DataType)> {
    use AggregateFunction as A;
    let mut all = vec![(A::Count, DataType::Int64), (A::Min, data_type.clone()), (A::Max, data_type.clone())];
    match data_type {
        DataType::Decimal128(precision, scale) => {
            all.push((A::Sum, DataType::Decimal128((precision + 10).min(38), *scale)));
        }
        DataType::Float64 => all.push((A::Sum, DataType::Float64)),
        other if other.is_integer() => all.push((A::Sum, DataType::Decimal128(38, 0))),
        _ => {}
    }
    let mut named = Vec::new();
    for (function, data_type) in all {
        for distinct in [false, true] {
            let aggregate = Aggregate { distinct, ..call(function, Some(column(0))) };
            let name = format!("{function:?}{}", if distinct { " DISTINCT" } else { "" });
            named.push((name, aggregate, data_type.clone()));
        }
    }
    named
}

fn unions(table: &Table, cases: &mut Vec<(String, Relation)>) {
    let all = || scan_all(&table.info);
    cases.push(("union all".into(), Relation::UnionAll { inputs: vec![all(), all()] }));
    let first = limit(all(), 0, Some(0));
    cases.push(("union all with a limit inside".into(), Relation::UnionAll { inputs: vec![first, all()] }));
    let both = Relation::UnionAll { inputs: vec![all(), all()] };
    cases.push(("distinct above union all".into(), distinct(both)));
}

const KINDS: [JoinKind; 6] =
    [JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::Full, JoinKind::LeftSemi, JoinKind::LeftAnti];

fn joins(parent: &Table, child: &Table, cases: &mut Vec<(String, Relation)>) {
    let parents = || scan(&parent.info, &["id", "name", "region"]);
    let children = || scan(&child.info, &["id", "parent_id", "code", "region"]);
    for kind in KINDS {
        let group = format!("{kind:?} join");
        cases.push((format!("{group} on integers"), join(parents(), children(), kind, &[(0, 1)], None)));
        cases.push((format!("{group}, NULLs on both sides"), join(parents(), children(), kind, &[(2, 3)], None)));
        cases.push((format!("{group} on text"), join(parents(), children(), kind, &[(1, 2)], None)));
        cases.push((format!("{group} on two columns"), join(parents(), children(), kind, &[(0, 1), (2, 3)], None)));
        let condition = compare(CompareOp::Lt, column(2), column(6));
        cases
            .push((format!("{group} with a condition"), join(parents(), children(), kind, &[(0, 1)], Some(condition))));
        let left_only = compare(CompareOp::Gt, column(2), int(10));
        cases.push((
            format!("{group} with a condition on the left"),
            join(parents(), children(), kind, &[(0, 1)], Some(left_only)),
        ));
        let none = filter(children(), compare(CompareOp::Lt, column(0), int(0)));
        cases.push((format!("{group} with nothing"), join(parents(), none, kind, &[(0, 1)], None)));
    }
    let renamed = join(children(), children(), JoinKind::Inner, &[(1, 1)], None);
    cases.push(("Inner join of a table with itself".into(), renamed));
}

/// Operators on top of each other, where generators mix up names and blocks.
fn stacked(parent: &Table, child: &Table, cases: &mut Vec<(String, Relation)>) {
    let children = || scan(&child.info, &["id", "parent_id", "region", "amount"]);
    let joined = || join(scan(&parent.info, &["id", "name", "region"]), children(), JoinKind::Inner, &[(0, 1)], None);
    let count = || (call(AggregateFunction::CountRows, None), DataType::Int64);
    let per_region = aggregate(joined(), vec![column(2)], vec![count()]);
    let filtered = filter(per_region.clone(), compare(CompareOp::Gt, column(1), int(1)));
    let top = limit(sort(joined(), &[(3, true, false)], Some(3)), 0, Some(2));
    let group = |name: &str| format!("stacked: {name}");
    cases.push((group("group above join"), per_region.clone()));
    cases.push((group("filter above group"), filtered.clone()));
    cases.push((
        group("order above filter above group"),
        sort(filtered.clone(), &[(1, true, false), (0, false, true)], None),
    ));
    cases.push((group("group above group"), aggregate(filtered, vec![column(1)], vec![count()])));
    cases.push((
        group("group above top rows"),
        aggregate(sort(children(), &[(0, true, false)], Some(4)), vec![column(1)], vec![count()]),
    ));
    cases.push((group("join above top rows"), join(top, children(), JoinKind::Left, &[(3, 0)], None)));
    cases.push((group("join above group"), join(per_region, children(), JoinKind::Left, &[(0, 2)], None)));
    cases.push((
        group("filter above outer join"),
        filter(
            join(scan(&parent.info, &["id", "name"]), children(), JoinKind::Left, &[(0, 1)], None),
            Expr::IsNull { expr: Box::new(column(2)), negated: false },
        ),
    ));
    cases.push((group("distinct above join"), distinct(joined())));
    let both = Relation::UnionAll { inputs: vec![children(), sort(children(), &[(0, false, false)], Some(2))] };
    cases.push((group("group above union"), aggregate(both.clone(), vec![column(1)], vec![count()])));
    cases.push((group("order above union"), sort(both, &[(0, false, false), (1, true, true)], None)));
    let none = aggregate(filter(children(), compare(CompareOp::Lt, column(0), int(0))), vec![column(1)], vec![count()]);
    cases.push((group("groups of nothing"), none.clone()));
    cases.push((group("count of groups of nothing"), aggregate(none, Vec::new(), vec![count()])));
}
