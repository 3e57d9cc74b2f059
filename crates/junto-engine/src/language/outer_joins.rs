//! Conditions on the side of an outer join whose rows may be missing.
//!
//! DataFusion takes a column that is a literal, or that a filter made equal to one, for a constant, also above an outer join
//! that adds rows in which it is NULL, and leaves it out of sorts.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Literal};
use datafusion::physical_expr::{PhysicalExpr, conjunction, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use junto_federation::{ForgettingExec, Forgotten};

use super::whole_orders::recomputed;

/// Writes `x = literal` as `x IS NOT DISTINCT FROM literal` in filters below such a side, and lets other constants be
/// forgotten. Must run before sorts are placed.
#[derive(Debug)]
pub(crate) struct NoFalseConstants;

impl PhysicalOptimizerRule for NoFalseConstants {
    fn name(&self) -> &'static str {
        "junto_no_false_constants"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(rewrite).map(|transformed| transformed.data)
    }
}

fn rewrite(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(join_type) = join_type(&plan) else { return Ok(Transformed::no(plan)) };
    let (left_may_lack, right_may_lack) = match join_type {
        JoinType::Left => (false, true),
        JoinType::Right => (true, false),
        JoinType::Full => (true, true),
        _ => return Ok(Transformed::no(plan)),
    };
    let children: Vec<Arc<dyn ExecutionPlan>> = plan.children().into_iter().map(Arc::clone).collect();
    let mut rewritten = Vec::with_capacity(children.len());
    for (child, may_lack) in children.into_iter().zip([left_may_lack, right_may_lack]) {
        rewritten.push(if may_lack { without_constants(child)? } else { child });
    }
    plan.replace_children(rewritten, recomputed()).map(Transformed::yes)
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

fn without_constants(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let plan = plan.transform_up(without_equalities)?.data;
    if plan.equivalence_properties().constants().is_empty() {
        return Ok(plan);
    }
    Ok(Arc::new(ForgettingExec::try_new(plan, Forgotten::Values)?))
}

fn without_equalities(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = plan.downcast_ref::<FilterExec>() else { return Ok(Transformed::no(plan)) };
    let conditions = split_conjunction(filter.predicate()).into_iter().map(not_distinct).collect::<Vec<_>>();
    let predicate = conjunction(conditions);
    let rewritten = FilterExecBuilder::from(filter).with_predicate(predicate).build()?;
    Ok(Transformed::yes(Arc::new(rewritten)))
}

/// The same condition for a filter, which drops rows without a value either way.
fn not_distinct(condition: &Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
    let is_value =
        |side: &Arc<dyn PhysicalExpr>| side.downcast_ref::<Literal>().is_some_and(|of| !of.value().is_null());
    match condition.downcast_ref::<BinaryExpr>() {
        Some(binary) if *binary.op() == Operator::Eq && (is_value(binary.left()) || is_value(binary.right())) => {
            let (left, right) = (Arc::clone(binary.left()), Arc::clone(binary.right()));
            Arc::new(BinaryExpr::new(left, Operator::IsNotDistinctFrom, right))
        }
        _ => Arc::clone(condition),
    }
}
