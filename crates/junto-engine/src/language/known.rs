//! What DataFusion takes for known of rows, where it is wrong or where it cannot work with it.
//!
//! Rows of ROLLUP, CUBE and GROUPING SETS may have NULL in place of what they are grouped by, so that nothing known of that
//! holds for them. A window over `WHERE abs(x) = x` that is partitioned by `x` sorts by `abs(x)`, and then does not find its
//! rows sorted by `x`.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use junto_federation::{ForgettingExec, Forgotten};

use super::whole_orders::recomputed;

/// Lets it be forgotten there. Must run before sorts are placed.
#[derive(Debug)]
pub(crate) struct LessKnown;

impl PhysicalOptimizerRule for LessKnown {
    fn name(&self) -> &'static str {
        "junto_less_known"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let forms_sets =
                node.downcast_ref::<AggregateExec>().is_some_and(|aggregate| aggregate.group_expr().has_grouping_set());
            if forms_sets {
                return Ok(Transformed::yes(forgetting(&node, Forgotten::Everything)?));
            }
            let is_window = node.is::<WindowAggExec>() || node.is::<BoundedWindowAggExec>();
            let children: Vec<_> = node.children().into_iter().cloned().collect();
            if is_window && children.iter().any(equals_computed) {
                let children = children.iter().map(|child| forgetting(child, Forgotten::Values));
                let children = children.collect::<Result<Vec<_>>>()?;
                return Ok(Transformed::yes(node.replace_children(children, recomputed())?));
            }
            // What it took from its inputs may have changed.
            if children.iter().any(|child| child.is::<ForgettingExec>()) {
                return Ok(Transformed::yes(node.replace_children(children, recomputed())?));
            }
            Ok(Transformed::no(node))
        })
        .map(|transformed| transformed.data)
    }
}

fn forgetting(plan: &Arc<dyn ExecutionPlan>, forgotten: Forgotten) -> Result<Arc<dyn ExecutionPlan>> {
    Ok(Arc::new(ForgettingExec::try_new(Arc::clone(plan), forgotten)?))
}

/// Whether a column is known to be the same as something computed.
fn equals_computed(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let classes = plan.equivalence_properties().eq_group().iter();
    classes.flat_map(|class| class.iter()).any(|expr| !expr.is::<Column>() && !expr.is::<Literal>())
}
