//! Estimated rows and distinct values of logical plans, for ordering joins.
//!
//! Columns are positions in a plan's schema, so that renaming by aliases needs no care.

use datafusion::common::DFSchema;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, FetchType, JoinType, LogicalPlan};

use crate::keys::key_limit;
use crate::source::{RemoteTable, RemoteTableSource};
use crate::statistics::{RANGE, UNKNOWN_ROWS, column_statistics, selectivity};
use crate::translate::translate;

/// Share of the left rows a semi or anti join keeps when nothing is known.
const SEMI_JOIN: f64 = 0.5;
/// Share of its input's rows an aggregation has as groups when nothing is known.
const GROUPS: f64 = 0.2;

/// Estimated rows, at least one.
pub(crate) fn rows(plan: &LogicalPlan) -> f64 {
    let estimate = match plan {
        LogicalPlan::TableScan(scan) => match scan.source.downcast_ref::<RemoteTableSource>() {
            Some(source) => source.table.rows().map_or(UNKNOWN_ROWS, |rows| rows as f64),
            None => UNKNOWN_ROWS,
        },
        LogicalPlan::Filter(filter) => {
            let parts = split_conjunction(&filter.predicate);
            let share: f64 = parts.into_iter().map(|part| filter_share(part, &filter.input)).product();
            rows(&filter.input) * share
        }
        LogicalPlan::Join(join) => {
            let (left, right) = (rows(&join.left), rows(&join.right));
            let matching = join
                .on
                .iter()
                .fold(left * right, |all, (l, r)| all / distinct_of(l, &join.left).max(distinct_of(r, &join.right)));
            match join.join_type {
                JoinType::Inner => matching,
                JoinType::Left => matching.max(left),
                JoinType::Right => matching.max(right),
                JoinType::Full => matching.max(left + right),
                JoinType::RightSemi | JoinType::RightAnti => right * SEMI_JOIN,
                JoinType::LeftSemi | JoinType::LeftAnti => left * SEMI_JOIN,
                _ => left,
            }
        }
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => 1.0,
        LogicalPlan::Aggregate(aggregate) => {
            let input = rows(&aggregate.input);
            let groups: f64 = aggregate.group_expr.iter().map(|e| distinct_of(e, &aggregate.input)).product();
            groups.min(input)
        }
        LogicalPlan::Limit(limit) => match limit.get_fetch_type() {
            Ok(FetchType::Literal(Some(fetch))) => rows(&limit.input).min(fetch as f64),
            _ => rows(&limit.input),
        },
        LogicalPlan::Sort(sort) => sort.fetch.map_or_else(|| rows(&sort.input), |n| rows(&sort.input).min(n as f64)),
        LogicalPlan::Union(union) => union.inputs.iter().map(|input| rows(input)).sum(),
        LogicalPlan::Values(values) => values.values.len() as f64,
        LogicalPlan::EmptyRelation(_) => 1.0,
        other => other.inputs().first().map_or(UNKNOWN_ROWS, |input| rows(input)),
    };
    estimate.max(1.0)
}

fn filter_share(predicate: &Expr, input: &LogicalPlan) -> f64 {
    let LogicalPlan::TableScan(scan) = input else { return RANGE };
    let Some(source) = scan.source.downcast_ref::<RemoteTableSource>() else { return RANGE };
    let origin: Vec<Option<usize>> = match &scan.projection {
        Some(projection) => projection.iter().copied().map(Some).collect(),
        None => (0..source.table.info.columns.len()).map(Some).collect(),
    };
    match translate(predicate, &scan.projected_schema) {
        Ok(predicate) => selectivity(&predicate, &source.table, &origin),
        Err(_) => RANGE,
    }
}

/// Estimated distinct values of an expression over `plan`, at least one.
pub(crate) fn distinct_of(expr: &Expr, plan: &LogicalPlan) -> f64 {
    match column_position(expr, plan.schema()) {
        Some(position) => distinct(plan, position),
        None => (rows(plan) * GROUPS).max(1.0),
    }
}

/// The column an expression is, looking through aliases and casts.
pub(crate) fn column_position(expr: &Expr, schema: &DFSchema) -> Option<usize> {
    match expr {
        Expr::Column(column) => schema.maybe_index_of_column(column),
        Expr::Alias(alias) => column_position(&alias.expr, schema),
        Expr::Cast(cast) => column_position(&cast.expr, schema),
        _ => None,
    }
}

fn distinct(plan: &LogicalPlan, position: usize) -> f64 {
    let total = rows(plan);
    let estimate = match column_origin(plan, position) {
        Some((table, column)) => column_statistics(table, column).distinct.map(|distinct| distinct as f64),
        None => None,
    };
    estimate.unwrap_or(total * GROUPS).clamp(1.0, total.max(1.0))
}

/// The table column that the column at `position` of `plan` is, unchanged.
pub fn column_origin(plan: &LogicalPlan, position: usize) -> Option<(&RemoteTable, usize)> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let source = scan.source.downcast_ref::<RemoteTableSource>()?;
            let column = match &scan.projection {
                Some(projection) => *projection.get(position)?,
                None => position,
            };
            Some((&source.table, column))
        }
        LogicalPlan::Projection(projection) => {
            let input = projection.input.as_ref();
            column_origin(input, column_position(projection.expr.get(position)?, input.schema())?)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let input = aggregate.input.as_ref();
            column_origin(input, column_position(aggregate.group_expr.get(position)?, input.schema())?)
        }
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            match join.join_type {
                JoinType::RightSemi | JoinType::RightAnti => column_origin(&join.right, position),
                _ if position < left => column_origin(&join.left, position),
                _ => column_origin(&join.right, position - left),
            }
        }
        LogicalPlan::Filter(filter) => column_origin(&filter.input, position),
        LogicalPlan::SubqueryAlias(alias) => column_origin(&alias.input, position),
        LogicalPlan::Sort(sort) => column_origin(&sort.input, position),
        LogicalPlan::Distinct(distinct) => column_origin(distinct.input(), position),
        _ => None,
    }
}

/// What keys on a column of `plan` would do for the scan below it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyReach {
    /// Rows of the table keys would select from.
    pub(crate) table_rows: f64,
    pub(crate) distinct: f64,
    pub(crate) indexed: bool,
    /// Keys up to which a keyed read is used.
    pub(crate) limit: f64,
}

/// Whether keys for an expression over `plan` reach a remote scan, through operators they may pass.
pub(crate) fn key_reach(expr: &Expr, plan: &LogicalPlan) -> Option<KeyReach> {
    let position = column_position(expr, plan.schema())?;
    if stops_keys(plan) {
        return None;
    }
    let (table, column) = column_origin(plan, position)?;
    let keys_per_query = table.connector.capabilities().keys.as_ref()?.max_per_query;
    let distinct = column_statistics(table, column).distinct;
    let indexed = table.is_indexed(&table.info.columns[column].name);
    let table_rows = table.rows().map_or(UNKNOWN_ROWS, |rows| rows as f64);
    Some(KeyReach {
        table_rows,
        distinct: distinct.map_or(table_rows, |distinct| distinct as f64).max(1.0),
        indexed,
        limit: key_limit(table.rows(), distinct, indexed, keys_per_query) as f64,
    })
}

fn stops_keys(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Limit(_) | LogicalPlan::Window(_) | LogicalPlan::Union(_) => true,
        LogicalPlan::Sort(sort) => sort.fetch.is_some() || stops_keys(&sort.input),
        other => other.inputs().iter().any(|input| stops_keys(input)),
    }
}
