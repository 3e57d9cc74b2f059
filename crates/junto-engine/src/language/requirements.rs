//! Orders that operators need of their inputs.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::ensure_requirements::EnsureRequirements;
use datafusion::physical_optimizer::output_requirements::OutputRequirements;
use datafusion::physical_optimizer::sanity_checker::SanityCheckPlan;
use datafusion::physical_plan::ExecutionPlan;

/// DataFusion's last check. A plan that fails it gets its sorts once more.
///
/// `ORDER BY a` needs no sort above rows in the order `a NULLS FIRST` when `a` is never NULL, as where a join found it equal
/// to such a column. Later the join stops delivering the other column, and with it goes what was known of `a`.
#[derive(Debug)]
pub(crate) struct Requirements {
    check: SanityCheckPlan,
}

impl Requirements {
    pub(crate) fn new() -> Self {
        Self { check: SanityCheckPlan::new() }
    }
}

impl PhysicalOptimizerRule for Requirements {
    fn name(&self) -> &str {
        self.check.name()
    }

    fn schema_check(&self) -> bool {
        self.check.schema_check()
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        if self.check.optimize(Arc::clone(&plan), config).is_ok() {
            return Ok(plan);
        }
        // What the statement orders is a requirement too.
        let plan = OutputRequirements::new_add_mode().optimize(plan, config)?;
        let plan = EnsureRequirements::new().optimize(plan, config)?;
        let plan = OutputRequirements::new_remove_mode().optimize(plan, config)?;
        self.check.optimize(plan, config)
    }
}
