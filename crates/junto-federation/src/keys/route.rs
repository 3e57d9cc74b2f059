//! Where the keys of a join arrive: the columns of remote scans that are one of its key columns, unchanged.
//!
//! Columns are followed by position. DataFusion's own way of bringing filters down follows names, and `GROUP BY y.id`
//! above a join of two tables with an `id` each ends at the wrong one (filter_pushdown.rs, `FilterRemapper`).

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::JoinType;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_expr::window::WindowExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::{InterleaveExec, UnionExec};
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};

use super::tap::KeyTapExec;
use crate::execution::{ForgettingExec, KeyColumn, RemoteScanExec, RepeatedExec};
use crate::translate::keeps_value;

/// Per key of a join, the column of a plan it is, if it is one.
pub(super) type Positions = Vec<Option<usize>>;

/// The columns `keys` are in rows of `schema`.
pub(super) fn positions(keys: &[Arc<dyn PhysicalExpr>], schema: &Schema) -> Positions {
    keys.iter().map(|key| column(key, schema)).collect()
}

/// Calls `bind` on every remote scan of `plan` that keys may reach, and puts what it returns in the scan's place.
///
/// Rows without a key may be missing from what the new plan delivers; rows with one are all there, unchanged.
pub(super) fn bind_scans(
    plan: &Arc<dyn ExecutionPlan>,
    keys: &Positions,
    bind: &mut dyn FnMut(&RemoteScanExec, &Positions) -> Option<RemoteScanExec>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    // Keys below a limit would change which rows it keeps.
    if plan.fetch().is_some() || keys.iter().all(Option::is_none) {
        return Ok(None);
    }
    if let Some(scan) = plan.downcast_ref::<RemoteScanExec>() {
        return Ok(bind(scan, keys).map(|scan| Arc::new(scan) as Arc<dyn ExecutionPlan>));
    }
    let children = plan.children();
    let mut bound = false;
    let mut replaced = Vec::with_capacity(children.len());
    for (index, child) in children.into_iter().enumerate() {
        let below: Positions = keys.iter().map(|key| key.and_then(|key| below(plan, key, index))).collect();
        let new = bind_scans(child, &below, bind)?;
        bound |= new.is_some();
        replaced.push(new.unwrap_or_else(|| Arc::clone(child)));
    }
    if !bound {
        return Ok(None);
    }
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep);
    Arc::clone(plan).replace_children(replaced, options).map(Some)
}

/// What is known of the column of a table that column `position` of a plan is, through operators that keys may pass.
pub(super) fn table_column(plan: &Arc<dyn ExecutionPlan>, position: usize) -> Option<&KeyColumn> {
    if let Some(scan) = plan.downcast_ref::<RemoteScanExec>() {
        return scan.key_column(position);
    }
    let mut children = plan.children().into_iter().enumerate();
    children.find_map(|(index, child)| table_column(child, below(plan, position, index)?))
}

/// The column of the child at `child` that column `position` of `plan` is, where leaving out rows of the child with
/// other values only leaves out rows of `plan` with other values.
fn below(plan: &Arc<dyn ExecutionPlan>, position: usize, child: usize) -> Option<usize> {
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        return column(&projection.expr().get(position)?.expr, &projection.input().schema());
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        return unprojected(filter.projection().as_deref(), position);
    }
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        let groups = aggregate.group_expr();
        let (key, _) = groups.expr().get(position)?;
        let missing = groups.groups().iter().any(|set| set.get(position).copied().unwrap_or(true));
        return if missing || aggregate.limit_options().is_some() {
            None
        } else {
            column(key, &aggregate.input().schema())
        };
    }
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return below_join(join, unprojected(join.projection.as_deref(), position)?, child);
    }
    if let Some(window) = plan.downcast_ref::<WindowAggExec>() {
        return below_window(window.window_expr(), window.input(), position);
    }
    if let Some(window) = plan.downcast_ref::<BoundedWindowAggExec>() {
        return below_window(window.window_expr(), window.input(), position);
    }
    let passes = plan.is::<KeyTapExec>()
        || plan.is::<ForgettingExec>()
        || plan.is::<RepeatedExec>()
        || plan.is::<RepartitionExec>()
        || plan.is::<CoalescePartitionsExec>()
        || plan.is::<CooperativeExec>()
        || plan.is::<SortExec>()
        || plan.is::<SortPreservingMergeExec>()
        || plan.is::<UnionExec>()
        || plan.is::<InterleaveExec>();
    passes.then_some(position)
}

/// Only what all windows are partitioned by: partitions stay whole then.
fn below_window(windows: &[Arc<dyn WindowExpr>], input: &Arc<dyn ExecutionPlan>, position: usize) -> Option<usize> {
    let is_it =
        |expr: &Arc<dyn PhysicalExpr>| expr.downcast_ref::<Column>().is_some_and(|column| column.index() == position);
    let divides = windows.iter().all(|window| window.partition_by().iter().any(is_it));
    (position < input.schema().fields().len() && divides).then_some(position)
}

/// Only the sides whose rows all come out, matched or not: a row missing on the other side changes what is beside it.
fn below_join(join: &HashJoinExec, position: usize, child: usize) -> Option<usize> {
    let left = join.left().schema().fields().len();
    let of_left = |position: usize| (child == 0 && position < left).then_some(position);
    let of_right = |position: usize| (child == 1).then_some(position);
    match join.join_type() {
        JoinType::Inner if position < left => of_left(position),
        JoinType::Inner => of_right(position - left),
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => of_left(position),
        JoinType::Right => of_right(position.checked_sub(left)?),
        JoinType::RightSemi | JoinType::RightAnti => of_right(position),
        JoinType::Full | JoinType::RightMark => None,
    }
}

fn unprojected(projection: Option<&[usize]>, position: usize) -> Option<usize> {
    match projection {
        Some(projection) => projection.get(position).copied(),
        None => Some(position),
    }
}

/// The column an expression is, looking through casts that keep every value (keys are converted back).
///
/// Through no others: `ts::date = d` is compared as timestamps, and the keys have no times of day.
fn column(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<usize> {
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        let (from, to) = (cast.expr().data_type(schema).ok()?, cast.data_type(schema).ok()?);
        return if keeps_value(&from, &to) { column(cast.expr(), schema) } else { None };
    }
    expr.downcast_ref::<Column>().map(Column::index)
}
