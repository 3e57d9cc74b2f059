//! Aggregation before a join, of the rows of one side: in their source, or here where very many make few groups.
//!
//! ```text
//! Aggregate: g, sum(x)               Aggregate: g, sum(s)
//!   Join: l.k = r.k          =>        Join: l.k = r.k
//!     Remote: l (g, k)                   Remote: l (g, k)
//!     Remote: r (k, x)                   Remote: r (k, s = sum(x) GROUP BY k)
//! ```
//!
//! The rows of `r` that agree in every column that is used above it join the same rows of `l`, so they may come as one. An
//! aggregate of such groups is put together from those of the groups: counts and sums by adding, extremes by comparing.
//!
//! A row that an outer join keeps without a partner has NULL for everything of the other side, groups' values included.
//! That is right for aggregates of a column, which take no notice of NULL, and for no others.
//!
//! The side of a join that is only asked for a partner needs no aggregate above: its equal rows may always come as one.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Fields};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable, Filter, Join, JoinType, LogicalPlan, Projection, cast, lit, when,
};

use super::groups::MergeNode;
use crate::cardinality::rows;
use crate::node::RemoteNode;

/// Rows that one group stands for, at least, where the groups are formed here: estimates of many groups are often wrong.
const ROWS_PER_GROUP: f64 = 8.0;

/// Plans that say the same as an aggregate, each with another of its reads aggregated before it is joined. `grouped` gives
/// such an aggregate to the source of its read, or leaves it here.
pub(super) fn plans(aggregate: &Aggregate, grouped: impl Fn(Aggregate) -> Result<LogicalPlan>) -> Vec<LogicalPlan> {
    let is_plain = |expr: &Expr| !matches!(expr, Expr::GroupingSet(_)) && !expr.is_volatile();
    let groups = !aggregate.group_expr.is_empty() && aggregate.group_expr.iter().all(is_plain);
    if !groups || !aggregate.aggr_expr.iter().all(can_be_put_together) {
        return Vec::new();
    }
    let mut used: Vec<Column> = Vec::new();
    aggregate.group_expr.iter().for_each(|expr| used.extend(expr.column_refs().into_iter().cloned()));
    // A plan that cannot be built is one that need not be.
    let plan = |path: Path| along(aggregate, &path, &used, &grouped).ok().flatten();
    paths(&aggregate.input).into_iter().filter_map(plan).collect()
}

/// Whether rows of columns that are equal to a grouping are equal to a join. Not sure for `-0.0`, and for what is made of
/// parts.
pub fn groups_as_joined(columns: &Fields) -> bool {
    let is_sure = |of: &DataType| !of.is_floating() && !of.is_nested();
    !columns.is_empty() && columns.iter().all(|column| is_sure(column.data_type()))
}

/// The join with each distinct row of the side that is only asked for a partner once, where the source of that finds them;
/// none for other joins, and where equal groups need not be equal to the join.
pub(super) fn asked_once(
    join: &Join,
    grouped: impl Fn(Aggregate) -> Result<LogicalPlan>,
) -> Result<Option<LogicalPlan>> {
    let (asked, index) = match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => (&join.right, 1),
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => (&join.left, 0),
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => return Ok(None),
    };
    let is_read = RemoteNode::of(asked).is_some_and(|node| node.filled.is_empty());
    let asks_each = join.filter.as_ref().is_some_and(Expr::is_volatile);
    if !is_read || asks_each || !groups_as_joined(asked.schema().fields()) {
        return Ok(None);
    }
    let columns = asked.schema().iter().map(|field| Expr::Column(Column::from(field)));
    let first = grouped(Aggregate::try_new(Arc::clone(asked), columns.collect(), Vec::new())?)?;
    let is_remote = RemoteNode::of(&first).is_some() || MergeNode::of(&first).is_some();
    is_remote.then(|| replaced(&LogicalPlan::Join(join.clone()), &[index], first, 0)).transpose()
}

/// Which input leads from each operator to the next, from an aggregate's input down to a read.
type Path = Vec<usize>;

/// The ways to reads below joins.
fn paths(plan: &LogicalPlan) -> Vec<Path> {
    fn walk(plan: &LogicalPlan, path: &mut Path, found: &mut Vec<Path>) {
        if RemoteNode::of(plan).is_some_and(|node| node.filled.is_empty()) && !path.is_empty() {
            found.push(path.clone());
        }
        for (index, input) in plan.inputs().into_iter().enumerate().filter(|(index, _)| keeps_groups(plan, *index)) {
            path.push(index);
            walk(input, path, found);
            path.pop();
        }
    }
    let mut found = Vec::new();
    walk(plan, &mut Vec::new(), &mut found);
    found
}

/// Whether rows of an input that agree in all columns that are used above go the same ways through an operator.
fn keeps_groups(plan: &LogicalPlan, input: usize) -> bool {
    match plan {
        LogicalPlan::Filter(filter) => !filter.predicate.is_volatile(),
        LogicalPlan::Projection(projection) => projection.expr.iter().all(|expr| matches!(expr, Expr::Column(_))),
        LogicalPlan::Join(join) if join.filter.as_ref().is_some_and(Expr::is_volatile) => false,
        LogicalPlan::Join(join) => match join.join_type {
            JoinType::Inner | JoinType::Left | JoinType::Right => true,
            JoinType::LeftSemi | JoinType::LeftAnti => input == 0,
            JoinType::RightSemi | JoinType::RightAnti => input == 1,
            _ => false,
        },
        _ => false,
    }
}

fn can_be_put_together(expr: &Expr) -> bool {
    let Some(call) = call(expr) else { return false };
    let AggregateFunctionParams { args, distinct, order_by, null_treatment, .. } = &call.params;
    let is_plain = !distinct && order_by.is_empty() && null_treatment.is_none() && args.len() <= 1;
    is_plain && matches!(call.func.name(), "count" | "sum" | "min" | "max")
}

/// Whether a row of NULLs adds nothing.
fn ignores_nulls(expr: &Expr) -> bool {
    call(expr).is_some_and(|call| matches!(call.params.args.as_slice(), [Expr::Column(_)]))
}

fn call(expr: &Expr) -> Option<&AggregateFunction> {
    match expr {
        Expr::Alias(alias) => call(&alias.expr),
        Expr::AggregateFunction(call) => Some(call),
        _ => None,
    }
}

/// The aggregate with the read at the end of a path aggregated first; none where it cannot be.
fn along(
    aggregate: &Aggregate,
    path: &[usize],
    used: &[Column],
    grouped: impl Fn(Aggregate) -> Result<LogicalPlan>,
) -> Result<Option<LogicalPlan>> {
    let mut used = used.to_vec();
    let mut read = aggregate.input.as_ref();
    for index in path {
        match read {
            LogicalPlan::Projection(_) => {}
            LogicalPlan::Join(Join { on, filter, join_type, .. }) => {
                let may_be_missing = matches!((join_type, *index), (JoinType::Left, 1) | (JoinType::Right, 0));
                if may_be_missing && !aggregate.aggr_expr.iter().all(ignores_nulls) {
                    return Ok(None);
                }
                let exprs = on.iter().flat_map(|(left, right)| [left, right]).chain(filter);
                exprs.for_each(|expr| used.extend(expr.column_refs().into_iter().cloned()));
            }
            LogicalPlan::Filter(filter) => used.extend(filter.predicate.column_refs().into_iter().cloned()),
            _ => return Ok(None),
        }
        read = read.inputs()[*index];
    }
    let schema = read.schema();
    // A name alone may be that of another side's column.
    let is_of_read = |column: &Column| schema.iter().any(|field| Column::from(field) == *column);
    let of_read = |expr: &Expr| expr.column_refs().into_iter().all(is_of_read);
    if !aggregate.aggr_expr.iter().all(of_read) {
        return Ok(None);
    }
    let keys: BTreeSet<usize> = used.iter().filter_map(|column| schema.maybe_index_of_column(column)).collect();
    if keys.is_empty() {
        // Without groups there is always one row, also where nothing joins.
        return Ok(None);
    }
    let keys = keys.into_iter().map(|index| Expr::Column(Column::from(schema.qualified_field(index))));
    let states = aggregate.aggr_expr.iter().enumerate().map(|(index, expr)| {
        let expr = if let Expr::Alias(alias) = expr { alias.expr.as_ref() } else { expr };
        counting_rows(expr.clone(), schema).alias(state(index))
    });
    let first = Aggregate::try_new(Arc::new(read.clone()), keys.collect(), states.collect())?;
    let first = grouped(first)?;
    let is_remote = RemoteNode::of(&first).is_some() || MergeNode::of(&first).is_some();
    if !is_remote && rows(&first) * ROWS_PER_GROUP > rows(read) {
        return Ok(None);
    }
    let input = replaced(&aggregate.input, path, first, aggregate.aggr_expr.len())?;
    together(aggregate, input).map(Some)
}

/// A count of values that are never NULL counts rows: the column need not be read.
fn counting_rows(expr: Expr, schema: &DFSchema) -> Expr {
    match expr {
        Expr::AggregateFunction(mut call) if call.func.name() == "count" => {
            let is_never_null =
                |arg: &Expr| matches!(arg, Expr::Column(_)) && matches!(arg.nullable(schema), Ok(false));
            if call.params.args.iter().all(is_never_null) {
                call.params.args = vec![lit(1_i64)];
            }
            Expr::AggregateFunction(call)
        }
        other => other,
    }
}

/// What the groups of an aggregate's read know of its `index`th value.
fn state(index: usize) -> String {
    format!("junto_state_{index}")
}

fn state_column(index: usize) -> Expr {
    Expr::Column(Column::new_unqualified(state(index)))
}

/// The plan with another in place of the read at the end of a path, and the states of it in every row.
fn replaced(plan: &LogicalPlan, path: &[usize], read: LogicalPlan, states: usize) -> Result<LogicalPlan> {
    let Some((index, path)) = path.split_first() else { return Ok(read) };
    let below = |input: &LogicalPlan| replaced(input, path, read.clone(), states).map(Arc::new);
    Ok(match plan {
        LogicalPlan::Filter(filter) => {
            LogicalPlan::Filter(Filter::try_new(filter.predicate.clone(), below(&filter.input)?)?)
        }
        LogicalPlan::Projection(projection) => {
            let input = below(&projection.input)?;
            let is_left = |expr: &&Expr| expr.column_refs().into_iter().all(|column| input.schema().has_column(column));
            let shown = projection.expr.iter().filter(is_left).cloned().chain((0..states).map(state_column)).collect();
            LogicalPlan::Projection(Projection::try_new(shown, input)?)
        }
        LogicalPlan::Join(join) => {
            let left = if *index == 0 { below(&join.left)? } else { Arc::clone(&join.left) };
            let right = if *index == 1 { below(&join.right)? } else { Arc::clone(&join.right) };
            LogicalPlan::Join(Join::try_new(
                left,
                right,
                join.on.clone(),
                join.filter.clone(),
                join.join_type,
                join.join_constraint,
                join.null_equality,
                join.null_aware,
            )?)
        }
        other => other.clone(),
    })
}

/// The aggregate over rows that stand for groups, under its own schema.
fn together(aggregate: &Aggregate, input: LogicalPlan) -> Result<LogicalPlan> {
    let groups = aggregate.group_expr.len();
    let values = aggregate.aggr_expr.iter().enumerate().map(|(index, expr)| added(expr, index, &input));
    let last =
        Aggregate::try_new(Arc::new(input.clone()), aggregate.group_expr.clone(), values.collect::<Result<_>>()?)?;
    let shown = aggregate.schema.iter().enumerate().map(|(index, (qualifier, field))| {
        let (of, value) = last.schema.qualified_field(index);
        let column = Expr::Column(Column::from((of, value)));
        let column = if index < groups { column } else { complete(column, value.data_type(), field.data_type()) };
        if index < groups {
            return Ok(column);
        }
        // Counts are never NULL.
        let value = if field.is_nullable() {
            column
        } else {
            when(column.clone().is_not_null(), column).otherwise(lit(0_i64))?
        };
        Ok(value.alias_qualified(qualifier.cloned(), field.name()))
    });
    let shown = shown.collect::<Result<_>>()?;
    let schema = Arc::clone(&aggregate.schema);
    Ok(LogicalPlan::Projection(Projection::try_new_with_schema(shown, Arc::new(LogicalPlan::Aggregate(last)), schema)?))
}

/// One value of the aggregate from its states.
fn added(expr: &Expr, index: usize, input: &LogicalPlan) -> Result<Expr> {
    let Some(call) = call(expr) else { return datafusion::common::internal_err!("{expr} is not an aggregate") };
    let state = state_column(index);
    let data_type = state.get_type(input.schema().as_ref())?;
    // Sums of integers have no room for more of them.
    let wide = if data_type.is_integer() { cast(state.clone(), DataType::Decimal128(20, 0)) } else { state.clone() };
    let (function, argument) = match call.func.name() {
        "count" => (sum_udaf(), wide),
        "sum" => (Arc::clone(&call.func), wide),
        _ => (Arc::clone(&call.func), state),
    };
    let params = AggregateFunctionParams {
        args: vec![argument],
        distinct: false,
        filter: None,
        order_by: Vec::new(),
        null_treatment: None,
    };
    Ok(Expr::AggregateFunction(AggregateFunction { func: function, params }))
}

fn complete(value: Expr, from: &DataType, to: &DataType) -> Expr {
    if from == to { value } else { cast(value, to.clone()) }
}
