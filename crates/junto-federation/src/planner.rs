//! The query planner: what happens between DataFusion's optimizer and its physical planner.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Filter, LogicalPlan, SkipType, Sort, UserDefinedLogicalNode, lit};
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::{Optimizer, OptimizerContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use crate::absorb::{Absorber, MergeNode, narrow_all};
use crate::dependencies::{GroupsAlone, with_groups_alone};
use crate::execution::{RepeatedExec, StatementSources, merged, read};
use crate::join_keys;
use crate::local::LocalOperators;
use crate::node::RemoteNode;
use crate::remote_estimates;
use crate::repeated::{self, RepeatedNode};
use crate::strategy::{self, Alternative, Refused, Strategy};

/// Chooses how a statement runs, orders joins, gives operators to sources, and plans the rest with the stock planner.
///
/// Keyed scans are added by [`crate::keys::KeyFlow`], a physical optimizer rule the engine appends to the stock ones.
#[derive(Debug, Clone, Copy)]
pub struct FederatedPlanner {
    pub strategy: Strategy,
    /// Reorders inner joins by estimated cost; off: they run as written.
    pub reorder_joins: bool,
    /// Gives operators to the sources; off: every table is read whole.
    pub push_down: bool,
    /// Gives sources whatever they compute exactly, also where that is slower.
    pub whatever_it_costs: bool,
    /// Values of subqueries that run first become part of reads; off: rows are compared with them here.
    pub values_in_reads: bool,
    /// Equal parts of a plan may be computed once, by [`crate::ComputeOnce`].
    pub compute_once: bool,
    /// Whether [`Strategy::Auto`] may bring rows to a database; off after one refused to take them.
    pub may_materialize: bool,
}

impl Default for FederatedPlanner {
    fn default() -> Self {
        Self {
            strategy: Strategy::Auto,
            reorder_joins: true,
            push_down: true,
            whatever_it_costs: false,
            values_in_reads: true,
            compute_once: true,
            may_materialize: true,
        }
    }
}

/// Estimated elapsed time, in microseconds, above which sources are asked for what would else be guessed: a question costs a
/// round trip.
const WORTH_ASKING: f64 = 20_000.0;

/// A plan that is ready to run.
#[derive(Debug)]
pub struct Planned {
    pub plan: Arc<dyn ExecutionPlan>,
    /// How it runs; never [`Strategy::Auto`].
    pub strategy: Strategy,
    /// What was considered, with estimates.
    pub alternatives: Vec<Alternative>,
    /// What sources were asked for while planning, and their answers.
    pub notes: Vec<String>,
    /// What is known of the operators that run here.
    pub local: LocalOperators,
}

/// Why there is no plan.
#[derive(Debug)]
pub enum PlanError {
    /// The strategy that was asked for is not possible.
    Refused(Refused),
    Failed(DataFusionError),
}

impl From<DataFusionError> for PlanError {
    fn from(error: DataFusionError) -> Self {
        PlanError::Failed(error)
    }
}

impl FederatedPlanner {
    /// The physical plan of a logical plan that the stock optimizer has seen.
    ///
    /// # Errors
    /// [`PlanError::Refused`] when the strategy is not possible; otherwise what DataFusion says.
    pub async fn plan(&self, plan: &LogicalPlan, state: &SessionState) -> Result<Planned, PlanError> {
        let absorber = Absorber {
            push_down: self.push_down,
            whatever_it_costs: self.whatever_it_costs,
            values_in_reads: self.values_in_reads && !delivers_before_all_opened(plan),
            reorder_joins: self.reorder_joins,
            cores: state.config().target_partitions().max(1) as f64,
        };
        let plan = &with_groups_alone(plan.clone())?;
        let choose = |plan: &LogicalPlan| strategy::choose(plan, self.strategy, self.may_materialize, absorber);
        let mut chosen = choose(plan)?.map_err(PlanError::Refused)?;
        let mut notes = Vec::new();
        if self.push_down && !self.whatever_it_costs && chosen.time > WORTH_ASKING {
            let asked = remote_estimates::ask(plan, &*StatementSources::of_session(state.config())?).await?;
            notes = asked.notes;
            if let Some(plan) = asked.plan {
                chosen = choose(&plan)?.map_err(PlanError::Refused)?;
            }
        }
        // Joins in another order need other columns.
        let rules = Optimizer::with_rules(vec![Arc::new(GroupsAlone), Arc::new(OptimizeProjections::new())]);
        let context = OptimizerContext::new_with_config_options(Arc::new(state.config_options().as_ref().clone()))
            .with_max_passes(1);
        let plan = guarded(narrow_all(rules.optimize(chosen.plan, &context, |_, _| {})?)?)?;
        let plan = join_keys::as_columns(plan)?;
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(RemoteScanPlanner)]);
        let once = self.compute_once && state.config_options().optimizer.prefer_hash_join;
        let with_marks = if once { repeated::marked(plan.clone())? } else { plan.clone() };
        let physical = planner.create_physical_plan(&with_marks, state).await?;
        let local = LocalOperators::new(plan, absorber);
        Ok(Planned { plan: physical, strategy: chosen.strategy, alternatives: chosen.alternatives, notes, local })
    }
}

/// Whether a part of a union may deliver rows before the reads of another part are opened: then it is too late to plan again
/// without a value that a source does not take.
fn delivers_before_all_opened(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Union(_) => true,
        LogicalPlan::Aggregate(_) | LogicalPlan::Sort(_) => false,
        other => other.inputs().into_iter().any(delivers_before_all_opened),
    }
}

/// Keeps sorts above the limits that skip rows, except where nothing is above them, and above unions.
///
/// ```text
/// Sort: a                 Sort: a
///   Limit: skip=2    =>     Filter: true
///                             Limit: skip=2
/// ```
///
/// DataFusion's physical optimizer moves a sort to below such a limit, which then skips other rows, and lets it keep
/// `fetch` rows, of which the limit skips some (`slt/core/limits_in_queries.slt`). Moved into a union, it can be found to
/// be in no order (`slt/federation/unions.slt`). It moves none through a filter.
fn guarded(plan: LogicalPlan) -> Result<LogicalPlan> {
    let below = |plan: LogicalPlan| plan.transform_up_with_subqueries(guard);
    match plan {
        LogicalPlan::Limit(_) | LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => plan
            .map_subqueries(below)?
            .data
            .map_children(|child| guarded(child).map(Transformed::yes))
            .map(|plan| plan.data),
        other => Ok(below(other)?.data),
    }
}

fn guard(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match &plan {
        LogicalPlan::Limit(limit) if !matches!(limit.get_skip_type()?, SkipType::Literal(0)) => {
            Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(lit(true), Arc::new(plan))?)))
        }
        LogicalPlan::Sort(sort) if sort.fetch.is_none() && shows_union(&sort.input) => {
            let input = Filter::try_new(lit(true), Arc::clone(&sort.input))?;
            let sort = Sort { input: Arc::new(LogicalPlan::Filter(input)), ..sort.clone() };
            Ok(Transformed::yes(LogicalPlan::Sort(sort)))
        }
        _ => Ok(Transformed::no(plan)),
    }
}

fn shows_union(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Union(_) => true,
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => plan.inputs().into_iter().all(shows_union),
        _ => false,
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
        inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let cores = session.config().target_partitions();
        if let Some(node) = node.as_any().downcast_ref::<RemoteNode>() {
            return read(node, inputs, cores, context).map(Some);
        }
        if let (Some(node), [input]) = (node.as_any().downcast_ref::<RepeatedNode>(), inputs) {
            return Ok(Some(Arc::new(RepeatedExec::marked(node.number, Arc::clone(input)))));
        }
        match node.as_any().downcast_ref::<MergeNode>() {
            Some(node) => merged(node, inputs, cores, session, context).map(Some),
            None => Ok(None),
        }
    }
}
