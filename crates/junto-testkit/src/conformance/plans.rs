//! Short ways to write remote plans.

use arrow_schema::DataType;
use junto_connector::expr::{Aggregate, AggregateFunction, CompareOp};
use junto_connector::plan::{AggregateOutput, JoinKind, Output, Relation, SortKey};
use junto_connector::{ColumnInfo, Expr, Literal, RelationColumn, RemotePlan, ScanColumn, TableInfo};

/// A column to be scanned.
pub fn scan_column(column: &ColumnInfo) -> ScanColumn {
    ScanColumn {
        name: column.name.clone(),
        source_type: column.source_type.clone(),
        data_type: column.data_type.clone(),
        nullable: column.nullable,
        text: column.text,
    }
}

/// Columns of a table by name, in this order.
///
/// # Panics
/// When the table has no such column.
pub fn scan(table: &TableInfo, columns: &[&str]) -> Relation {
    let find = |name: &&str| {
        let found = table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
        scan_column(found.unwrap_or_else(|| panic!("{} has no column {name}", table.name)))
    };
    Relation::Scan { table: table.name.clone(), columns: columns.iter().map(find).collect() }
}

/// Every column of a table.
pub fn scan_all(table: &TableInfo) -> Relation {
    Relation::Scan { table: table.name.clone(), columns: table.columns.iter().map(scan_column).collect() }
}

/// A plan.
pub fn plan(root: Relation) -> RemotePlan {
    RemotePlan { root }
}

/// Rows for which `predicate` is true.
pub fn filter(input: Relation, predicate: Expr) -> Relation {
    Relation::Filter { input: Box::new(input), predicate }
}

/// Computed columns, named `e0`, `e1` …
pub fn project(input: Relation, exprs: Vec<Expr>) -> Relation {
    let columns = input.columns();
    Relation::Project { outputs: outputs(exprs, &columns, "e"), input: Box::new(input) }
}

/// Groups by `groups`; aggregates are named `a0`, `a1` …
pub fn aggregate(input: Relation, groups: Vec<Expr>, aggregates: Vec<(Aggregate, DataType)>) -> Relation {
    let columns = input.columns();
    let computed = aggregates.into_iter().enumerate().map(|(at, (aggregate, data_type))| AggregateOutput {
        name: format!("a{at}"),
        nullable: !matches!(aggregate.function, AggregateFunction::Count | AggregateFunction::CountRows),
        aggregate,
        data_type,
    });
    Relation::Aggregate {
        groups: outputs(groups, &columns, "g"),
        aggregates: computed.collect(),
        input: Box::new(input),
    }
}

/// An aggregate of an expression.
pub fn call(function: AggregateFunction, argument: Option<Expr>) -> Aggregate {
    Aggregate { function, argument, distinct: false, filter: None }
}

/// Ordered by columns, given as (position, descending, NULLs first).
pub fn sort(input: Relation, keys: &[(usize, bool, bool)], fetch: Option<u64>) -> Relation {
    let key = |(column, descending, nulls_first): &(usize, bool, bool)| SortKey {
        expr: Expr::Column(*column),
        descending: *descending,
        nulls_first: *nulls_first,
    };
    Relation::Sort { input: Box::new(input), keys: keys.iter().map(key).collect(), fetch }
}

/// At most `fetch` rows after skipping some.
pub fn limit(input: Relation, skip: u64, fetch: Option<u64>) -> Relation {
    Relation::Limit { input: Box::new(input), skip, fetch }
}

/// Rows without duplicates.
pub fn distinct(input: Relation) -> Relation {
    Relation::Distinct { input: Box::new(input) }
}

/// Joined on columns of equal position in the list.
pub fn join(left: Relation, right: Relation, kind: JoinKind, on: &[(usize, usize)], filter: Option<Expr>) -> Relation {
    let on = on.iter().map(|(left, right)| (Expr::Column(*left), Expr::Column(*right))).collect();
    Relation::Join { left: Box::new(left), right: Box::new(right), kind, on, filter }
}

/// A column by position.
pub fn column(index: usize) -> Expr {
    Expr::Column(index)
}

/// A literal.
pub fn literal(value: Literal) -> Expr {
    Expr::Literal(value)
}

/// An integer.
pub fn int(value: i64) -> Expr {
    Expr::Literal(Literal::Int(value))
}

/// `left op right`.
pub fn compare(op: CompareOp, left: Expr, right: Expr) -> Expr {
    Expr::compare(op, left, right)
}

fn outputs(exprs: Vec<Expr>, columns: &[RelationColumn], prefix: &str) -> Vec<Output> {
    let types: Vec<DataType> = columns.iter().map(|column| column.data_type.clone()).collect();
    let output = |(at, expr): (usize, Expr)| Output {
        name: format!("{prefix}{at}"),
        data_type: expr.data_type(&types),
        nullable: match &expr {
            Expr::Column(index) => columns.get(*index).is_none_or(|column| column.nullable),
            _ => true,
        },
        expr,
    };
    exprs.into_iter().enumerate().map(output).collect()
}
