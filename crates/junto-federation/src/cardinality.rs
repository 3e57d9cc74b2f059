//! Estimated rows and distinct values of logical plans, for ordering joins.
//!
//! Columns are positions in a plan's schema, so that renaming by aliases needs no care.

use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, FetchType, JoinType, LogicalPlan};

use crate::absorb::MergeNode;
use crate::cost::{self, KeyedBy};
use crate::keys::MAX_KEYS;
use crate::node::{Origin, RemoteNode};
use crate::source::{RemoteTable, RemoteTableSource};
use crate::statistics::{RANGE, UNKNOWN_ROWS, column_statistics, covered_part, selectivity};
use crate::translate::{DECIMAL_CASTS, translate};

/// Share of the left rows a semi or anti join keeps when nothing is known.
const SEMI_JOIN: f64 = 0.5;
/// Share of groups that a condition on an aggregate keeps.
const HAVING: f64 = 0.05;
/// Share of its input's rows an aggregation has as groups when nothing is known.
pub(crate) const GROUPS: f64 = 0.2;

/// Estimated rows, at least one.
pub(crate) fn rows(plan: &LogicalPlan) -> f64 {
    if let Some(node) = RemoteNode::of(plan).or_else(|| MergeNode::of(plan).map(|merge| &merge.remote)) {
        return node.work.rows.max(1.0);
    }
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
            let sides = |(l, r)| {
                (Side { expr: l, plan: &join.left, rows: left }, Side { expr: r, plan: &join.right, rows: right })
            };
            let on: Vec<_> = join.on.iter().map(|(l, r)| sides((l, r))).collect();
            let matching = left * right * equalities_share(&on);
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
            let groups =
                aggregate.group_expr.iter().map(|expr| Side { expr, plan: &aggregate.input, rows: input }.distinct());
            let groups: f64 = groups.product();
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
    if is_over_aggregate(predicate, input) {
        return HAVING;
    }
    let position = |index| origin(input, index).map(|(table, column)| Origin { table, column });
    let columns: Vec<Option<Origin>> = (0..input.schema().fields().len()).map(position).collect();
    match translate(predicate, input.schema()) {
        Ok(predicate) => selectivity(&predicate, &columns),
        Err(_) => RANGE,
    }
}

/// Whether a condition tests what an aggregate computed: people ask that way for the few groups that stand out.
fn is_over_aggregate(predicate: &Expr, input: &LogicalPlan) -> bool {
    let groups = match input {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.len(),
        LogicalPlan::Projection(projection) => return is_over_aggregate(predicate, &projection.input),
        other => match MergeNode::of(other) {
            Some(merge) => merge.aggregate.group_expr.len(),
            None => return false,
        },
    };
    let computed = |column| input.schema().maybe_index_of_column(column).is_some_and(|position| position >= groups);
    predicate.column_refs().into_iter().any(computed)
}

/// An expression over a plan that delivers about `rows` rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) expr: &'a Expr,
    pub(crate) plan: &'a LogicalPlan,
    pub(crate) rows: f64,
}

impl Side<'_> {
    /// Estimated distinct values, at least one.
    pub(crate) fn distinct(&self) -> f64 {
        self.known_distinct().unwrap_or((self.rows * GROUPS).max(1.0))
    }

    fn known_distinct(&self) -> Option<f64> {
        let distinct = column_statistics(&self.origin()?).distinct?;
        Some((distinct as f64).clamp(1.0, self.rows.max(1.0)))
    }

    fn origin(&self) -> Option<Origin> {
        let (table, column) = origin(self.plan, column_position(self.expr, self.plan.schema())?)?;
        Some(Origin { table, column })
    }

    /// Rows of the table that the values come from.
    fn table_rows(&self) -> f64 {
        self.origin().and_then(|origin| origin.table.rows()).map_or(self.rows, |rows| rows as f64).max(1.0)
    }
}

/// Share of the pairs of rows of two plans that equalities keep together.
///
/// A key that is unique in its table is taken to have a row for every value of the other side, whatever the statistics of
/// that say. Other columns that are compared together depend on each other: each further one counts for half as much.
pub(crate) fn equalities_share(on: &[(Side<'_>, Side<'_>)]) -> f64 {
    let (left, right): (Vec<_>, Vec<_>) = on.iter().copied().unzip();
    let of_keys = |rows: f64, keys: &[Side<'_>], values: &[Side<'_>]| {
        // A value has one key at most: keys that are left are not fewer than those it could be.
        let left = keys.first().map_or(rows, |key| key.rows.min(rows));
        1.0 / (rows * used_part(keys, values)).max(left).max(1.0)
    };
    match (unique_rows(&left), unique_rows(&right)) {
        (Some(left), Some(right)) => return 1.0 / left.max(right),
        (Some(rows), None) => return of_keys(rows, &left, &right),
        (None, Some(rows)) => return of_keys(rows, &right, &left),
        (None, None) => {}
    }
    let mut shares: Vec<f64> = on.iter().map(|(left, right)| equality_share(left, right)).collect();
    shares.sort_by(f64::total_cmp);
    shares.into_iter().zip(0..).map(|(share, place)| share.powf(0.5_f64.powi(place))).product()
}

/// Part of the keys of a table that the values of the other side can be, 0 to 1: a calendar of two hundred years has rows for
/// many days before and after those that anything happened on.
fn used_part(keys: &[Side<'_>], values: &[Side<'_>]) -> f64 {
    let ([key], [value]) = (keys, values) else { return 1.0 };
    let statistics = |side: &Side<'_>| side.origin().map(|origin| column_statistics(&origin));
    statistics(key).zip(statistics(value)).and_then(|(key, value)| covered_part(&key, &value)).unwrap_or(1.0)
}

/// What is known is not outweighed by a guess; where nothing is, the smaller table is taken to have each value once.
fn equality_share(left: &Side<'_>, right: &Side<'_>) -> f64 {
    match (left.known_distinct(), right.known_distinct()) {
        (Some(left), Some(right)) => 1.0 / left.max(right),
        (Some(known), None) | (None, Some(known)) => 1.0 / known,
        (None, None) => 1.0 / left.table_rows().min(right.table_rows()),
    }
}

/// Rows of a table of which the expressions together are a unique key, if they are one.
fn unique_rows(sides: &[Side<'_>]) -> Option<f64> {
    let origins: Vec<Origin> = sides.iter().filter_map(Side::origin).collect();
    let rows = origins.iter().filter_map(|Origin { table, .. }| {
        let of_table = origins.iter().filter(|other| Arc::ptr_eq(&other.table, table));
        let names: Vec<&str> = of_table.map(Origin::name).collect();
        table.info.is_unique_on(&names).then(|| table.rows().map_or(UNKNOWN_ROWS, |rows| rows as f64).max(1.0))
    });
    rows.reduce(f64::max)
}

/// The column an expression is, looking through aliases and casts.
pub(crate) fn column_position(expr: &Expr, schema: &DFSchema) -> Option<usize> {
    match expr {
        Expr::Column(column) => schema.maybe_index_of_column(column),
        Expr::Alias(alias) => column_position(&alias.expr, schema),
        Expr::Cast(cast) => column_position(&cast.expr, schema),
        Expr::ScalarFunction(call) if DECIMAL_CASTS.contains(&call.func.name()) => {
            column_position(call.args.first()?, schema)
        }
        _ => None,
    }
}

/// The table column that the column at `position` of `plan` is, unchanged.
pub fn column_origin(plan: &LogicalPlan, position: usize) -> Option<(Arc<RemoteTable>, usize)> {
    origin(plan, position)
}

fn origin(plan: &LogicalPlan, position: usize) -> Option<(Arc<RemoteTable>, usize)> {
    if let Some(node) = RemoteNode::of(plan).or_else(|| MergeNode::of(plan).map(|merge| &merge.remote)) {
        let origin = node.origin.get(position)?.as_ref()?;
        return Some((Arc::clone(&origin.table), origin.column));
    }
    match plan {
        LogicalPlan::TableScan(scan) => {
            let source = scan.source.downcast_ref::<RemoteTableSource>()?;
            let column = match &scan.projection {
                Some(projection) => *projection.get(position)?,
                None => position,
            };
            Some((Arc::clone(&source.table), column))
        }
        LogicalPlan::Projection(projection) => {
            let input = projection.input.as_ref();
            origin(input, column_position(projection.expr.get(position)?, input.schema())?)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let input = aggregate.input.as_ref();
            origin(input, column_position(aggregate.group_expr.get(position)?, input.schema())?)
        }
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            match join.join_type {
                JoinType::RightSemi | JoinType::RightAnti => origin(&join.right, position),
                _ if position < left => origin(&join.left, position),
                _ => origin(&join.right, position - left),
            }
        }
        LogicalPlan::Filter(filter) => origin(&filter.input, position),
        LogicalPlan::SubqueryAlias(alias) => origin(&alias.input, position),
        LogicalPlan::Sort(sort) => origin(&sort.input, position),
        LogicalPlan::Distinct(distinct) => origin(distinct.input(), position),
        _ => None,
    }
}

/// Where keys on a column of a plan arrive.
#[derive(Debug)]
pub(crate) struct KeyReach<'a> {
    /// The read they would reduce.
    pub(crate) node: &'a RemoteNode,
    pub(crate) key: KeyedBy<'a>,
    /// Keys up to which a keyed read is used.
    pub(crate) limit: f64,
}

/// Whether keys for an expression over `plan` reach a remote read, through operators they may pass.
pub(crate) fn key_reach<'a>(expr: &Expr, plan: &'a LogicalPlan, cores: f64) -> Option<KeyReach<'a>> {
    let position = column_position(expr, plan.schema())?;
    if stops_keys(plan) {
        return None;
    }
    let (node, position) = reached(plan, position)?;
    let columns = node.plan.root.columns();
    if !node.connector.accepts_keys(columns.get(position)?) {
        return None;
    }
    let (key, limit) = key_figures(node, node.origin.get(position)?.as_ref()?, cores)?;
    Some(KeyReach { node, key, limit })
}

/// What is known of a key column, and the keys up to which a keyed read pays.
pub(crate) fn key_figures<'a>(node: &RemoteNode, origin: &'a Origin, cores: f64) -> Option<(KeyedBy<'a>, f64)> {
    let capabilities = node.connector.capabilities();
    let keys_per_query = capabilities.keys.as_ref()?.max_per_query as f64;
    let table_rows = origin.table.rows().map_or(UNKNOWN_ROWS, |rows| rows as f64);
    let distinct = column_statistics(origin).distinct.map_or(table_rows, |distinct| distinct as f64).max(1.0);
    let indexed = capabilities.costs.keys_by_index && origin.is_indexed();
    let covered = node.is_covered_by(origin);
    let key = KeyedBy { origin, distinct, indexed, covered };
    let limit = if key.indexed {
        // Statistics may be wrong: few keys that bring few rows are always worth sending.
        let few = FEW_KEYS.min(FEW_ROWS * distinct / table_rows.max(1.0));
        cost::most_keys(node, key, MAX_KEYS as f64, cores).max(few)
    } else {
        // Each query reads the whole table, so only one query pays.
        cost::most_keys(node, key, keys_per_query, cores).max(FEW_KEYS).min(keys_per_query)
    };
    Some((key, limit))
}

/// Keys that are always worth sending, when they bring at most [`FEW_ROWS`].
const FEW_KEYS: f64 = 1_000.0;
const FEW_ROWS: f64 = 10_000.0;

/// The remote node whose column is the column at `position` of a plan, unchanged.
fn reached(plan: &LogicalPlan, position: usize) -> Option<(&RemoteNode, usize)> {
    if let Some(node) = RemoteNode::of(plan) {
        return Some((node, position));
    }
    if let Some(merge) = MergeNode::of(plan) {
        return Some((&merge.remote, position));
    }
    match plan {
        LogicalPlan::Projection(projection) => {
            let input = projection.input.as_ref();
            reached(input, column_position(projection.expr.get(position)?, input.schema())?)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let input = aggregate.input.as_ref();
            reached(input, column_position(aggregate.group_expr.get(position)?, input.schema())?)
        }
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            match join.join_type {
                JoinType::RightSemi | JoinType::RightAnti => reached(&join.right, position),
                JoinType::Full => None,
                JoinType::Left if position >= left => None,
                JoinType::Right if position < left => None,
                _ if position < left => reached(&join.left, position),
                _ => reached(&join.right, position - left),
            }
        }
        LogicalPlan::Filter(filter) => reached(&filter.input, position),
        LogicalPlan::SubqueryAlias(alias) => reached(&alias.input, position),
        LogicalPlan::Sort(sort) => reached(&sort.input, position),
        LogicalPlan::Distinct(distinct) => reached(distinct.input(), position),
        _ => None,
    }
}

fn stops_keys(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Limit(_) | LogicalPlan::Window(_) | LogicalPlan::Union(_) => true,
        LogicalPlan::Sort(sort) => sort.fetch.is_some() || stops_keys(&sort.input),
        other => other.inputs().iter().any(|input| stops_keys(input)),
    }
}
