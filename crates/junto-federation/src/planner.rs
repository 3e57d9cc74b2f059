//! The query planner: what happens between DataFusion's optimizer and its physical planner.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::DataFusionError;
use datafusion::error::Result;
use datafusion::execution::context::{QueryPlanner, SessionState};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::{Optimizer, OptimizerContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use crate::absorb::{Absorber, MergeNode, narrow_all};
use crate::execution::{RemoteScanExec, merged};
use crate::node::RemoteNode;

/// Orders joins, pushes operators into remote scans, and plans the rest with the stock planner.
///
/// Keyed scans are added by [`crate::keys::KeyFlow`], a physical optimizer rule the engine appends to the stock ones.
#[derive(Debug, Clone, Copy)]
pub struct FederatedPlanner {
    /// Reorders inner joins by estimated cost; off: they run as written.
    pub reorder_joins: bool,
    /// Gives operators to the sources; off: every table is read whole.
    pub push_down: bool,
    /// Gives sources whatever they compute exactly, also where that is slower.
    pub whatever_it_costs: bool,
}

impl Default for FederatedPlanner {
    fn default() -> Self {
        Self { reorder_joins: true, push_down: true, whatever_it_costs: false }
    }
}

impl FederatedPlanner {
    /// The plan with remote reads for leaves.
    fn remote_plan(&self, plan: &LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
        let absorber = Absorber {
            push_down: self.push_down,
            whatever_it_costs: self.whatever_it_costs,
            reorder_joins: self.reorder_joins,
            cores: state.config().target_partitions().max(1) as f64,
        };
        let plan = absorber.rewrite(plan.clone())?;
        // Joins in another order need other columns.
        let rules = Optimizer::with_rules(vec![Arc::new(OptimizeProjections::new())]);
        let context = OptimizerContext::new_with_config_options(Arc::new(state.config_options().as_ref().clone()))
            .with_max_passes(1);
        let plan = rules.optimize(plan, &context, |_, _| {})?;
        narrow_all(plan)
    }
}

#[async_trait]
impl QueryPlanner for FederatedPlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let state = session
            .as_any()
            .downcast_ref::<SessionState>()
            .ok_or_else(|| DataFusionError::Internal("the session is not DataFusion's own".into()))?;
        let plan = self.remote_plan(plan, state)?;
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(RemoteScanPlanner)]);
        planner.create_physical_plan(&plan, session).await
    }
}

struct RemoteScanPlanner;

#[async_trait]
impl ExtensionPlanner for RemoteScanPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        _physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let cores = session.config().target_partitions();
        if let Some(node) = node.as_any().downcast_ref::<RemoteNode>() {
            return Ok(Some(Arc::new(RemoteScanExec::new(node, cores)?)));
        }
        match node.as_any().downcast_ref::<MergeNode>() {
            Some(node) => merged(node, cores, session, context).map(Some),
            None => Ok(None),
        }
    }
}
