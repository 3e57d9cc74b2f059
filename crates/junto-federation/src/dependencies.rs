//! Which columns determine which, after a grouping.
//!
//! DataFusion lets whatever determines some columns of a join determine all columns of a grouping of it:
//!
//! ```text
//! SELECT c.country, o.id FROM orders o JOIN (SELECT DISTINCT country FROM customers) c ON … GROUP BY c.country, o.id
//! ```
//!
//! A country would have one id then, and an order or a grouping by both would leave the id out.

use std::sync::Arc;

use datafusion::common::FunctionalDependencies;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::{Aggregate, LogicalPlan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// Lets nothing less than all groups determine a grouping. To run before every rule that asks for what determines what.
#[derive(Debug)]
pub struct GroupsAlone;

impl OptimizerRule for GroupsAlone {
    fn name(&self) -> &'static str {
        "junto_groups_alone"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        None
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        // A change of what is known and of nothing else: no reason to optimize once more.
        Ok(Transformed::no(with_groups_alone(plan)?))
    }
}

/// The plan with nothing known of any grouping, if something wrong is known of one.
pub(crate) fn with_groups_alone(plan: LogicalPlan) -> Result<LogicalPlan> {
    let is_wrong =
        |node: &LogicalPlan| Ok(matches!(node, LogicalPlan::Aggregate(aggregate) if is_determined_by_less(aggregate)));
    if !plan.exists(is_wrong)? {
        return Ok(plan);
    }
    let known = plan.transform_up_with_subqueries(|node| match node {
        node if node.schema().functional_dependencies().is_empty() => Ok(Transformed::no(node)),
        LogicalPlan::Aggregate(mut aggregate) => {
            let schema = aggregate.schema.as_ref().clone();
            aggregate.schema = Arc::new(schema.with_functional_dependencies(FunctionalDependencies::empty())?);
            Ok(Transformed::yes(LogicalPlan::Aggregate(aggregate)))
        }
        node => node.recompute_schema().map(Transformed::yes),
    })?;
    Ok(known.data)
}

fn is_determined_by_less(aggregate: &Aggregate) -> bool {
    // Of grouping sets, which are one expression, all.
    let groups = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    aggregate.schema.functional_dependencies().iter().any(|dependency| dependency.source_indices.len() < groups)
}
