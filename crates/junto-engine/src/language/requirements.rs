//! Orders that operators need of their inputs.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::ensure_requirements::EnsureRequirements;
use datafusion::physical_optimizer::output_requirements::{OutputRequirementExec, OutputRequirements};
use datafusion::physical_optimizer::sanity_checker::SanityCheckPlan;
use datafusion::physical_plan::ExecutionPlan;

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
