//! Orders that operators need of their inputs.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::{LexOrdering, OrderingRequirements, PhysicalSortExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::ensure_requirements::EnsureRequirements;
use datafusion::physical_optimizer::output_requirements::{OutputRequirementExec, OutputRequirements};
use datafusion::physical_optimizer::sanity_checker::SanityCheckPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use super::whole_orders::recomputed;

/// The plan with its sorts placed once more, if it lacks one since projections were moved.
///
/// `ORDER BY a` needs no sort above rows in the order `a NULLS FIRST` when `a` is never NULL, as where a join found it equal
/// to such a column. When the join stops delivering the other column, what was known of `a` goes with it.
pub(super) fn ensured(plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
    if SanityCheckPlan::new().optimize(Arc::clone(&plan), config).is_ok() {
        return Ok(plan);
    }
    // What the statement orders is a requirement too; DataFusion takes the mark away after the first projections.
    if plan.is::<OutputRequirementExec>() {
        return EnsureRequirements::new().optimize(plan, config);
    }
    let plan = OutputRequirements::new_add_mode().optimize(plan, config)?;
    let plan = EnsureRequirements::new().optimize(plan, config)?;
    OutputRequirements::new_remove_mode().optimize(plan, config)
}

/// Sorts what is not in the order that an operator needs. Must run last but for the check of that.
///
/// DataFusion leaves a sort out where a column is constant, as that of an aggregate without groups, and finds it constant no
/// more when the row went through operators with several partitions.
#[derive(Debug)]
pub(crate) struct SortedAsRequired;

impl PhysicalOptimizerRule for SortedAsRequired {
    fn name(&self) -> &'static str {
        "junto_sorted_as_required"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(with_sorted_inputs).map(|transformed| transformed.data)
    }
}

fn with_sorted_inputs(node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let mut inputs = Vec::new();
    let mut lacks_order = false;
    for (input, required) in node.children().into_iter().zip(node.required_input_ordering()) {
        let required = required.map(OrderingRequirements::into_single);
        let missing = match required {
            Some(required) if !input.equivalence_properties().ordering_satisfy_requirement(required.clone())? => {
                LexOrdering::new(required.into_iter().map(PhysicalSortExpr::from))
            }
            _ => None,
        };
        lacks_order |= missing.is_some();
        inputs.push(match missing {
            Some(order) => {
                Arc::new(SortExec::new(order, Arc::clone(input)).with_preserve_partitioning(is_divided(input)))
                    as Arc<dyn ExecutionPlan>
            }
            None => Arc::clone(input),
        });
    }
    if lacks_order {
        node.replace_children(inputs, recomputed()).map(Transformed::yes)
    } else {
        Ok(Transformed::no(node))
    }
}

fn is_divided(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.output_partitioning().partition_count() > 1
}
