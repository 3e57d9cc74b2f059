//! Relations computed in plain Rust over rows that a plain scan delivered.

use std::cmp::Ordering;
use std::collections::HashSet;

use arrow_schema::DataType;
use junto_connector::expr::{Aggregate, AggregateFunction};
use junto_connector::plan::{JoinKind, Relation, SortKey};
use junto_connector::{Expr, TableInfo};

use super::evaluate::{Failure, evaluate, fit_decimal, truth};
use super::value::{Row, Value};

/// A table with all its rows, columns in the table's order.
#[derive(Debug, Clone)]
pub struct Table {
    pub info: TableInfo,
    pub rows: Vec<Row>,
}

/// The rows of a relation over these tables. Sorts are stable; limits take the first rows.
pub fn compute(relation: &Relation, tables: &[Table]) -> Result<Vec<Row>, Failure> {
    match relation {
        Relation::Scan { table, columns } => {
            let missing = || Failure::Unknown(format!("table {table} or one of its columns"));
            let found = tables.iter().find(|known| known.info.name == *table).ok_or_else(missing)?;
            let position = |name: &str| found.info.columns.iter().position(|column| column.name == name);
            let positions =
                columns.iter().map(|c| position(&c.name)).collect::<Option<Vec<_>>>().ok_or_else(missing)?;
            Ok(found.rows.iter().map(|row| positions.iter().map(|at| row[*at].clone()).collect()).collect())
        }
        Relation::Filter { input, predicate } => {
            let mut kept = Vec::new();
            for row in compute(input, tables)? {
                if truth(&evaluate(predicate, &row)?)? == Some(true) {
                    kept.push(row);
                }
            }
            Ok(kept)
        }
        Relation::Project { input, outputs } => {
            let rows = compute(input, tables)?;
            rows.iter().map(|row| outputs.iter().map(|output| evaluate(&output.expr, row)).collect()).collect()
        }
        Relation::Join { left, right, kind, on, filter } => {
            let widths = (left.columns().len(), right.columns().len());
            join(compute(left, tables)?, compute(right, tables)?, widths, *kind, on, filter.as_ref())
        }
        Relation::Aggregate { input, groups, aggregates } => {
            let calls: Vec<_> = aggregates.iter().map(|output| (&output.aggregate, &output.data_type)).collect();
            let groups: Vec<&Expr> = groups.iter().map(|output| &output.expr).collect();
            aggregate(compute(input, tables)?, &groups, &calls)
        }
        Relation::Sort { input, keys, fetch } => {
            let mut rows = compute(input, tables)?;
            let mut failure = None;
            rows.sort_by(|a, b| {
                order(a, b, keys).unwrap_or_else(|error| {
                    failure = Some(error);
                    Ordering::Equal
                })
            });
            failure.map_or(Ok(()), Err)?;
            rows.truncate(fetch.map_or(usize::MAX, |fetch| fetch as usize));
            Ok(rows)
        }
        Relation::Limit { input, skip, fetch } => {
            let rows = compute(input, tables)?.into_iter().skip(*skip as usize);
            Ok(rows.take(fetch.map_or(usize::MAX, |fetch| fetch as usize)).collect())
        }
        Relation::Distinct { input } => {
            let mut seen = HashSet::new();
            Ok(compute(input, tables)?.into_iter().filter(|row| seen.insert(row_key(row, false))).collect())
        }
        Relation::UnionAll { inputs } => {
            let all = inputs.iter().map(|input| compute(input, tables)).collect::<Result<Vec<_>, _>>()?;
            Ok(all.into_iter().flatten().collect())
        }
    }
}

/// Text equal for equal rows only; see [`Value::key`].
pub fn row_key(row: &[Value], rounded: bool) -> String {
    row.iter().map(|value| value.key(rounded)).collect::<Vec<_>>().join(" | ")
}

/// Order of two rows by sort keys.
pub fn order(a: &[Value], b: &[Value], keys: &[SortKey]) -> Result<Ordering, Failure> {
    for key in keys {
        let (left, right) = (evaluate(&key.expr, a)?, evaluate(&key.expr, b)?);
        let nulls = if key.nulls_first { Ordering::Less } else { Ordering::Greater };
        let by_key = match (left.is_null(), right.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => nulls,
            (false, true) => nulls.reverse(),
            (false, false) => {
                let order = left.compare(&right);
                let order = order.ok_or_else(|| Failure::Unknown(format!("an order of {left:?} and {right:?}")))?;
                if key.descending { order.reverse() } else { order }
            }
        };
        if by_key != Ordering::Equal {
            return Ok(by_key);
        }
    }
    Ok(Ordering::Equal)
}

fn join(
    left: Vec<Row>,
    right: Vec<Row>,
    (left_width, right_width): (usize, usize),
    kind: JoinKind,
    on: &[(Expr, Expr)],
    filter: Option<&Expr>,
) -> Result<Vec<Row>, Failure> {
    let mut joined = Vec::new();
    let mut right_matched = vec![false; right.len()];
    for left_row in &left {
        let mut matched = false;
        for (at, right_row) in right.iter().enumerate() {
            let both: Row = left_row.iter().chain(right_row).cloned().collect();
            if !matches(left_row, right_row, &both, on, filter)? {
                continue;
            }
            matched = true;
            right_matched[at] = true;
            if !matches!(kind, JoinKind::LeftSemi | JoinKind::LeftAnti) {
                joined.push(both);
            }
        }
        match kind {
            JoinKind::LeftSemi if matched => joined.push(left_row.clone()),
            JoinKind::LeftAnti if !matched => joined.push(left_row.clone()),
            JoinKind::Left | JoinKind::Full if !matched => {
                joined.push(left_row.iter().cloned().chain(vec![Value::Null; right_width]).collect());
            }
            _ => {}
        }
    }
    if matches!(kind, JoinKind::Right | JoinKind::Full) {
        for (right_row, _) in right.iter().zip(right_matched).filter(|(_, matched)| !matched) {
            joined.push(vec![Value::Null; left_width].into_iter().chain(right_row.iter().cloned()).collect());
        }
    }
    Ok(joined)
}

fn matches(left: &Row, right: &Row, both: &Row, on: &[(Expr, Expr)], filter: Option<&Expr>) -> Result<bool, Failure> {
    for (left_key, right_key) in on {
        let (left, right) = (evaluate(left_key, left)?, evaluate(right_key, right)?);
        if left.is_null() || right.is_null() || left.compare(&right) != Some(Ordering::Equal) {
            return Ok(false);
        }
    }
    filter.map_or(Ok(true), |filter| Ok(truth(&evaluate(filter, both)?)? == Some(true)))
}

fn aggregate(rows: Vec<Row>, groups: &[&Expr], aggregates: &[(&Aggregate, &DataType)]) -> Result<Vec<Row>, Failure> {
    let mut grouped: Vec<(Row, Vec<Row>)> = if groups.is_empty() { vec![(Vec::new(), Vec::new())] } else { Vec::new() };
    for row in rows {
        let key = groups.iter().map(|group| evaluate(group, &row)).collect::<Result<Row, _>>()?;
        match grouped.iter_mut().find(|(known, _)| row_key(known, false) == row_key(&key, false)) {
            Some((_, members)) => members.push(row),
            None => grouped.push((key, vec![row])),
        }
    }
    let mut result = Vec::new();
    for (mut row, members) in grouped {
        for (aggregate, data_type) in aggregates {
            row.push(aggregated(aggregate, data_type, &members)?);
        }
        result.push(row);
    }
    Ok(result)
}

fn aggregated(aggregate: &Aggregate, data_type: &DataType, rows: &[Row]) -> Result<Value, Failure> {
    let mut values = Vec::new();
    let mut seen = HashSet::new();
    for row in rows {
        if let Some(filter) = &aggregate.filter
            && truth(&evaluate(filter, row)?)? != Some(true)
        {
            continue;
        }
        let value = aggregate.argument.as_ref().map_or(Ok(Value::Boolean(true)), |argument| evaluate(argument, row))?;
        if !value.is_null() && (!aggregate.distinct || seen.insert(value.key(false))) {
            values.push(value);
        }
    }
    let extreme = |wanted: Ordering| {
        values.iter().cloned().reduce(|best, value| if value.compare(&best) == Some(wanted) { value } else { best })
    };
    Ok(match aggregate.function {
        AggregateFunction::CountRows | AggregateFunction::Count => Value::Int(values.len() as i128),
        AggregateFunction::Min => extreme(Ordering::Less).unwrap_or(Value::Null),
        AggregateFunction::Max => extreme(Ordering::Greater).unwrap_or(Value::Null),
        AggregateFunction::Sum => sum(&values, data_type)?,
    })
}

fn sum(values: &[Value], data_type: &DataType) -> Result<Value, Failure> {
    if values.is_empty() {
        return Ok(Value::Null);
    }
    if let DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) = data_type {
        let mut total = arrow_buffer::i256::ZERO;
        for value in values {
            let value = value.unscaled_at(*scale).ok_or_else(|| Failure::Unknown(format!("a sum with {value:?}")))?;
            total = total.checked_add(value).ok_or_else(|| Failure::Error("a sum overflows".into()))?;
        }
        return fit_decimal(total, *precision, *scale);
    }
    let mut whole = 0_i128;
    let mut floating = 0.0;
    for value in values {
        match value {
            Value::Int(value) => whole += value,
            Value::Float(value) => floating += value,
            other => return Err(Failure::Unknown(format!("a sum with {other:?}"))),
        }
    }
    match data_type {
        DataType::Float64 => Ok(Value::Float(floating)),
        _ if i64::try_from(whole).is_ok() => Ok(Value::Int(whole)),
        _ => Err(Failure::Error("a sum overflows".into())),
    }
}
