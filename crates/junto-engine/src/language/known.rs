//! What DataFusion takes for known of rows, where it is wrong or where it cannot work with it.
//!
//! Rows of ROLLUP, CUBE and GROUPING SETS may have NULL in place of what they are grouped by, so that nothing known of that
//! holds for them. The optional side of an outer join lacks some rows, so that its constants are none above. Orders would
//! leave them out. A window over `WHERE abs(x) = x` that is partitioned by `x` sorts by `abs(x)`, and then does not find
//! its rows sorted by `x`.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
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
        plan.transform_up(rewrite).map(|transformed| transformed.data)
    }
}

fn rewrite(node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    if node.downcast_ref::<AggregateExec>().is_some_and(|aggregate| aggregate.group_expr().has_grouping_set()) {
        return Ok(Transformed::yes(forgetting(node, Forgotten::Everything)?));
    }
    let may_lack = sides_that_may_lack(&node);
    let is_window = node.is::<WindowAggExec>() || node.is::<BoundedWindowAggExec>();
    let mut changed = false;
    let mut children = Vec::new();
    for (at, child) in node.children().into_iter().enumerate() {
        let is_misleading = match may_lack {
            Some(sides) => sides[at] && !child.equivalence_properties().constants().is_empty(),
            None => is_window && equals_computed(child),
        };
        // What the node took from an input that forgets may have changed.
        changed |= is_misleading || child.is::<ForgettingExec>();
        let child = Arc::clone(child);
        children.push(if is_misleading { forgetting(child, Forgotten::Values)? } else { child });
    }
    Ok(if changed { Transformed::yes(node.replace_children(children, recomputed())?) } else { Transformed::no(node) })
}

fn forgetting(plan: Arc<dyn ExecutionPlan>, forgotten: Forgotten) -> Result<Arc<dyn ExecutionPlan>> {
    Ok(Arc::new(ForgettingExec::try_new(plan, forgotten)?))
}

/// Per side of an outer join, whether rows of the other may come without one of it; none for other operators.
fn sides_that_may_lack(plan: &Arc<dyn ExecutionPlan>) -> Option<[bool; 2]> {
    match join_type(plan)? {
        JoinType::Left => Some([false, true]),
        JoinType::Right => Some([true, false]),
        JoinType::Full => Some([true, true]),
        _ => None,
    }
}

fn join_type(plan: &Arc<dyn ExecutionPlan>) -> Option<JoinType> {
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return Some(*join.join_type());
    }
    if let Some(join) = plan.downcast_ref::<SortMergeJoinExec>() {
        return Some(join.join_type());
    }
    plan.downcast_ref::<NestedLoopJoinExec>().map(|join| *join.join_type())
}

/// Whether a column is known to be the same as something computed.
fn equals_computed(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let classes = plan.equivalence_properties().eq_group().iter();
    classes.flat_map(|class| class.iter()).any(|expr| !expr.is::<Column>() && !expr.is::<Literal>())
}
