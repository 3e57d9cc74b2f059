//! First rows by an order, in several partitions.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::expressions::Column;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;

/// Lets the first rows of each partition be found by the whole order by which they are merged.
///
/// DataFusion leaves out what is constant within each partition, such as a column that names the part of a union. But its
/// partitions share a threshold, so a row of one is dropped for a row of another that comes later by what was left out.
#[derive(Debug)]
pub(crate) struct WholeOrders;

impl PhysicalOptimizerRule for WholeOrders {
    fn name(&self) -> &'static str {
        "junto_whole_orders"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some(merge) = node.downcast_ref::<SortPreservingMergeExec>() else { return Ok(Transformed::no(node)) };
            let order = merge.expr().iter().cloned().collect();
            Ok(match ordered(merge.input(), order)? {
                Some(input) => Transformed::yes(Arc::clone(&node).replace_children(vec![input], recomputed())?),
                None => Transformed::no(node),
            })
        })
        .map(|transformed| transformed.data)
    }
}

/// The plan with the first rows below found by this order of its columns; none when nothing changes.
fn ordered(plan: &Arc<dyn ExecutionPlan>, order: Vec<PhysicalSortExpr>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let below = |key: PhysicalSortExpr| {
            let computed = |expr: Arc<dyn PhysicalExpr>| match expr.downcast_ref::<Column>() {
                Some(column) => Ok(Transformed::yes(Arc::clone(&projection.expr()[column.index()].expr))),
                None => Ok(Transformed::no(expr)),
            };
            let expr = key.expr.transform_up(computed)?.data;
            Ok(PhysicalSortExpr { expr, ..key })
        };
        let order = order.into_iter().map(below).collect::<Result<_>>()?;
        let input = ordered(projection.input(), order)?;
        return input.map(|input| Arc::clone(plan).replace_children(vec![input], recomputed())).transpose();
    }
    let Some(sort) = plan.downcast_ref::<SortExec>().filter(|sort| sort.fetch().is_some()) else { return Ok(None) };
    let Some(order) = LexOrdering::new(order).filter(|order| order != sort.expr()) else { return Ok(None) };
    let whole = SortExec::new(order, Arc::clone(sort.input()))
        .with_fetch(sort.fetch())
        .with_preserve_partitioning(sort.preserve_partitioning());
    Ok(Some(Arc::new(whole)))
}

/// A node with other children finds its properties anew.
pub(super) fn recomputed() -> ReplaceChildrenOptions {
    ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute)
}
