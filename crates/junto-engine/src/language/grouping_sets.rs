//! Rows of ROLLUP, CUBE and GROUPING SETS, of which some have NULL in place of what they are grouped by.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;

use super::forgetting::{ForgettingExec, Forgotten};
use super::whole_orders::recomputed;

/// Lets nothing be known of them but themselves. Must run before sorts are placed.
#[derive(Debug)]
pub(crate) struct NothingKnown;

impl PhysicalOptimizerRule for NothingKnown {
    fn name(&self) -> &'static str {
        "junto_grouping_sets"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let forms_sets =
                node.downcast_ref::<AggregateExec>().is_some_and(|aggregate| aggregate.group_expr().has_grouping_set());
            if forms_sets {
                let forgetting = ForgettingExec::try_new(node, Forgotten::Everything)?;
                return Ok(Transformed::yes(Arc::new(forgetting) as Arc<dyn ExecutionPlan>));
            }
            // What it took from its inputs may have changed.
            let children: Vec<_> = node.children().into_iter().cloned().collect();
            if children.iter().any(|child| child.is::<ForgettingExec>()) {
                return Ok(Transformed::yes(node.replace_children(children, recomputed())?));
            }
            Ok(Transformed::no(node))
        })
        .map(|transformed| transformed.data)
    }
}
