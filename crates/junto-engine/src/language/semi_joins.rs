//! Equal rows on the side of a join that is only asked whether it has a partner.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use junto_federation::keys::KeyTapExec;
use junto_federation::{ForgettingExec, RepeatedExec, groups_as_joined};

use super::whole_orders::recomputed;

/// Groups that side by all its columns: `status IN (SELECT status FROM …)` then compares each row with three others, where
/// the hash join would go through all rows of the same status for each.
///
/// The grouping is partial: where the first 100,000 rows turn out to differ, DataFusion lets the rest through. Must run
/// after keys were given to scans.
#[derive(Debug)]
pub(crate) struct SemiJoins;

impl PhysicalOptimizerRule for SemiJoins {
    fn name(&self) -> &'static str {
        "junto_semi_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some(join) = node.downcast_ref::<HashJoinExec>() else { return Ok(Transformed::no(node)) };
            let mut sides = vec![Arc::clone(join.left()), Arc::clone(join.right())];
            let asked = match join.join_type() {
                JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => &mut sides[1],
                JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => &mut sides[0],
                JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                    return Ok(Transformed::no(node));
                }
            };
            if is_grouped(asked) || !groups_as_joined(asked.schema().fields()) {
                return Ok(Transformed::no(node));
            }
            *asked = grouped(asked)?;
            node.replace_children(sides, recomputed()).map(Transformed::yes)
        })
        .map(|transformed| transformed.data)
    }
}

/// Whether its rows differ already, because they were grouped and only handed on since.
fn is_grouped(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let hands_on = plan.is::<CoalescePartitionsExec>()
        || plan.is::<RepartitionExec>()
        || plan.is::<KeyTapExec>()
        || plan.is::<ForgettingExec>();
    if let Some(part) = plan.downcast_ref().and_then(RepeatedExec::part) {
        return is_grouped(&part);
    }
    plan.is::<AggregateExec>() || (hands_on && plan.children().into_iter().all(is_grouped))
}

fn grouped(plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = plan.schema();
    let columns = schema.fields().iter().enumerate().map(|(index, field)| {
        let column = Column::new(field.name(), index);
        (Arc::new(column) as _, field.name().clone())
    });
    let groups = PhysicalGroupBy::new_single(columns.collect());
    let mode = AggregateMode::Partial;
    Ok(Arc::new(AggregateExec::try_new(mode, groups, Vec::new(), Vec::new(), Arc::clone(plan), schema)?))
}
