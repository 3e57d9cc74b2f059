//! Equal parts of a plan are computed once, from the moment that somebody asks for a batch of one; all get them from memory,
//! or from the disk when there are many.
//!
//! Keys may reach some of the parts from joins around them, and would leave out rows that others need. So a part is computed for
//! all if no keys reach it from outside; if they reach every one, each is computed for itself.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::common::runtime::JoinSet;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Statistics, internal_datafusion_err};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties, StatisticsArgs,
};
use futures::stream;
use parking_lot::Mutex;

use super::once::{Kept, Opened, opened};
use super::{RemoteScanExec, StatementSources};
use crate::keys::{KeySlot, KeyTapExec};

const USE: &str = "a part of the statement that is used twice";

/// Lets repeated parts be computed once. Must run after keys were given to scans, and before equal reads are looked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct ComputeOnce;

impl PhysicalOptimizerRule for ComputeOnce {
    fn name(&self) -> &'static str {
        "junto_compute_once"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let mut parts: HashMap<usize, Vec<Arc<dyn ExecutionPlan>>> = HashMap::new();
        plan.apply(|node| {
            if let Some(repeated) = node.downcast_ref::<RepeatedExec>() {
                parts.entry(repeated.number).or_default().extend(repeated.input.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        if parts.is_empty() {
            return Ok(plan);
        }
        let common = |parts: &Vec<Arc<dyn ExecutionPlan>>| -> Result<Option<Arc<Common>>> {
            let chosen = parts.iter().map(|part| Ok((part, gets_keys(part)?))).collect::<Result<Vec<_>>>()?;
            let chosen = chosen.into_iter().find(|(_, gets_keys)| !gets_keys).map(|(part, _)| part);
            let others = |chosen: &Arc<dyn ExecutionPlan>| parts.iter().filter(|part| is_alike(part, chosen)).count();
            Ok(chosen.filter(|chosen| others(chosen) > 1).map(|chosen| Arc::new(Common::of(Arc::clone(chosen)))))
        };
        let common = parts.iter().map(|(number, parts)| Ok((*number, common(parts)?))).collect::<Result<_>>()?;
        let mut sharing = Sharing { common, begun: HashSet::new() };
        let shared = sharing.share(plan)?;
        without_idle_taps(shared)
    }
}

/// Whether a part waits for keys that are found outside of it.
fn gets_keys(part: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    Ok(!awaited(part)?.is_subset(&tapped(part)?))
}

/// Where the scans of a plan wait for keys.
fn awaited(plan: &Arc<dyn ExecutionPlan>) -> Result<HashSet<*const KeySlot>> {
    let mut slots = HashSet::new();
    plan.apply(|node| {
        let bindings = node.downcast_ref().map(RemoteScanExec::bindings).unwrap_or_default();
        slots.extend(bindings.iter().map(|binding| Arc::as_ptr(&binding.slot)));
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(slots)
}

/// Where the taps of a plan leave keys.
fn tapped(plan: &Arc<dyn ExecutionPlan>) -> Result<HashSet<*const KeySlot>> {
    let mut slots = HashSet::new();
    plan.apply(|node| {
        slots.extend(node.downcast_ref().map(KeyTapExec::slot).map(Arc::as_ptr));
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(slots)
}

/// Whether what is above one part may get the rows of the other. Their order is never known.
fn is_alike(part: &Arc<dyn ExecutionPlan>, other: &Arc<dyn ExecutionPlan>) -> bool {
    let (of_part, of_other) = (part.output_partitioning(), other.output_partitioning());
    let says_nothing = matches!(of_part, Partitioning::UnknownPartitioning(_) | Partitioning::RoundRobinBatch(_));
    let is_divided_alike =
        if says_nothing { of_part.partition_count() == of_other.partition_count() } else { of_part == of_other };
    is_divided_alike && part.schema() == other.schema()
}

/// The plan without taps whose keys nobody waits for any more.
fn without_idle_taps(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let awaited = awaited(&plan)?;
    let removed = plan.transform_up(|node| match node.downcast_ref::<KeyTapExec>() {
        Some(tap) if !awaited.contains(&Arc::as_ptr(tap.slot())) => Ok(Transformed::yes(Arc::clone(tap.children()[0]))),
        _ => Ok(Transformed::no(node)),
    });
    removed.map(|removed| removed.data)
}

/// What is computed for all, by number, and which of it the plan has already had.
struct Sharing {
    common: HashMap<usize, Option<Arc<Common>>>,
    begun: HashSet<usize>,
}

impl Sharing {
    fn share(&mut self, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(repeated) = plan.downcast_ref::<RepeatedExec>() else { return self.share_below(plan) };
        let Some(part) = repeated.input.clone() else { return Ok(plan) };
        let common = self.common.get(&repeated.number).cloned().flatten();
        let Some(common) = common.filter(|common| is_alike(&part, &common.plan.lock())) else {
            return self.share(part);
        };
        if !self.begun.insert(repeated.number) {
            return Ok(Arc::new(RepeatedExec::reader(repeated.number, &part, common)));
        }
        // The first place in the plan shows what is computed, wherever it was chosen from.
        let chosen = Arc::clone(&common.plan.lock());
        let input = self.share(chosen)?;
        Ok(Arc::new(RepeatedExec::computer(repeated.number, input, common)))
    }

    fn share_below(&mut self, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let children: Vec<_> = plan.children().into_iter().cloned().collect();
        if children.is_empty() {
            return Ok(plan);
        }
        let shared = children.iter().map(|child| self.share(Arc::clone(child))).collect::<Result<Vec<_>>>()?;
        if children.iter().zip(&shared).all(|(old, new)| Arc::ptr_eq(old, new)) {
            return Ok(plan);
        }
        plan.replace_children(shared, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep))
    }
}

/// Rows that several places of a plan read.
struct Common {
    /// As it was put together last: later rules may change its operators, never its rows.
    plan: Mutex<Arc<dyn ExecutionPlan>>,
    partitions: Arc<[Mutex<Kept>]>,
    metrics: ExecutionPlanMetricsSet,
    /// What computes all partitions, once somebody has asked for one. A place that stops early, or never asks for one of them,
    /// would hold the connections of reads that others wait for, or the keys of a join.
    computing: Mutex<JoinSet<()>>,
}

impl Common {
    fn of(plan: Arc<dyn ExecutionPlan>) -> Self {
        let partitions = (0..plan.output_partitioning().partition_count()).map(|_| Mutex::default()).collect();
        let (metrics, computing) = (ExecutionPlanMetricsSet::new(), Mutex::default());
        Self { plan: Mutex::new(plan), partitions, metrics, computing }
    }
}

/// A part of a plan that is elsewhere in it too.
#[derive(Debug)]
pub struct RepeatedExec {
    number: usize,
    /// None where another place has it.
    input: Option<Arc<dyn ExecutionPlan>>,
    /// None as long as nobody knows whether it is computed once.
    common: Option<Arc<Common>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl RepeatedExec {
    /// One of the equal parts of a number.
    pub(crate) fn marked(number: usize, input: Arc<dyn ExecutionPlan>) -> Self {
        let mut known = input.equivalence_properties().clone();
        // What is above must not want an order that another place does not have.
        known.clear_orderings();
        let properties = Arc::new(input.properties().as_ref().clone().with_eq_properties(known));
        Self { number, input: Some(input), common: None, properties, metrics: ExecutionPlanMetricsSet::new() }
    }

    /// The place where what all read is computed.
    fn computer(number: usize, input: Arc<dyn ExecutionPlan>, common: Arc<Common>) -> Self {
        *common.plan.lock() = Arc::clone(&input);
        Self { common: Some(common), ..Self::marked(number, input) }
    }

    /// Another place, in the place of `part`.
    fn reader(number: usize, part: &Arc<dyn ExecutionPlan>, common: Arc<Common>) -> Self {
        Self { input: None, common: Some(common), ..Self::marked(number, Arc::clone(part)) }
    }

    /// What is computed, here or elsewhere.
    pub fn part(&self) -> Option<Arc<dyn ExecutionPlan>> {
        self.input.clone().or_else(|| self.common.as_ref().map(|common| Arc::clone(&common.plan.lock())))
    }
}

impl DisplayAs for RepeatedExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.input.is_some() { "computed here for all" } else { "read from where it is computed" };
        write!(f, "RepeatedExec: {}, {place}", self.number)
    }
}

impl ExecutionPlan for RepeatedExec {
    fn name(&self) -> &'static str {
        "RepeatedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.children().len()]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.input.iter().collect()
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(match (children.pop(), &self.common) {
            (None, _) => self,
            (Some(input), None) => Arc::new(Self::marked(self.number, input)),
            (Some(input), Some(common)) => Arc::new(Self::computer(self.number, input, Arc::clone(common))),
        })
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(inputs.first().map_or_else(|| Arc::new(Statistics::new_unknown(&self.schema())), Arc::clone))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, task: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(common) = self.common.clone() else {
            let input = self.input.as_ref().ok_or_else(|| internal_datafusion_err!("a repeated part is nowhere"))?;
            return input.execute(partition, task);
        };
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let batches = stream::try_unfold((common, baseline, 0), move |(common, baseline, index)| {
            let task = Arc::clone(&task);
            async move {
                let Some(batch) = common.batch(partition, index, &task).await? else { return Ok(None) };
                baseline.record_output(batch.num_rows());
                Ok(Some((batch, (common, baseline, index + 1))))
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }
}

impl Common {
    /// The batch at `index` of a partition; none after the last.
    async fn batch(&self, partition: usize, index: usize, task: &Arc<TaskContext>) -> Result<Option<RecordBatch>> {
        self.compute(task)?;
        let Some(kept) = self.partitions.get(partition) else { return Ok(None) };
        Kept::batch(kept, index, self.opening(partition, task)).await
    }

    /// Begins to compute all partitions, the first time.
    fn compute(&self, task: &Arc<TaskContext>) -> Result<()> {
        let mut computing = self.computing.lock();
        if !computing.is_empty() {
            return Ok(());
        }
        let sources = StatementSources::of(task)?;
        for partition in 0..self.partitions.len() {
            let (partitions, sources) = (Arc::clone(&self.partitions), Arc::clone(&sources));
            let open = self.opening(partition, task);
            computing.spawn(async move {
                tokio::select! {
                    () = sources.over() => partitions[partition].lock().close(),
                    () = Kept::fill(&partitions[partition], open) => {}
                }
            });
        }
        Ok(())
    }

    /// How a partition is opened.
    fn opening(
        &self,
        partition: usize,
        task: &Arc<TaskContext>,
    ) -> impl Fn() -> Result<Opened> + Send + Sync + 'static {
        let (plan, task, metrics) = (Arc::clone(&self.plan.lock()), Arc::clone(task), self.metrics.clone());
        move || opened(USE, plan.as_ref(), partition, &metrics, &task)
    }
}

impl fmt::Debug for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Common").field("plan", &self.plan.lock().name()).finish_non_exhaustive()
    }
}
