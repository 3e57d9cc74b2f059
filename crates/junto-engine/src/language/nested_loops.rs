//! Nested loop joins whose left rows do not fit into memory.
//!
//! DataFusion then runs the left input a second time, onto the disk, and joins it in pieces. That is wrong or impossible
//! in several ways:
//!
//! - Remote reads and repartitioned rows come only once.
//! - Where several partitions read the right rows, each delivers the left rows that *it* found no partner for.
//! - Right rows without a partner are lost when the left rows end with a piece.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, JoinType};
use datafusion::error::Result;
use datafusion::execution::{SpillFile, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet, SpillMetrics};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::spill::SpillManager;
use datafusion::physical_plan::stream::{EmptyRecordBatchStream, RecordBatchStreamAdapter};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
    SendableRecordBatchStream,
};
use futures::future::ready;
use futures::{StreamExt, TryFutureExt, TryStreamExt, stream};
use junto_federation::apart;
use tokio::sync::OnceCell;

use super::whole_orders::recomputed;

/// Memory of a batch on the disk, about.
const STORED_BYTES: usize = 128 << 10;

/// Keeps joins to what works. Must run after all rules that move through joins.
///
/// A statement that begins keeps nothing on the disk: asked a second time, the left rows are too many for the memory, and
/// the statement begins again. Then they are on the disk from the start, and one partition reads all right rows of a join
/// that delivers left rows at its end. A join that delivers right rows changes its sides; one that delivers both needs
/// memory for its left rows.
#[derive(Debug)]
pub(crate) struct NestedLoops;

impl PhysicalOptimizerRule for NestedLoops {
    fn name(&self) -> &'static str {
        "junto_nested_loops"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        // As in `junto_federation::ReadOnce`: joins that can sort instead of hash do so when memory was short.
        let memory_was_short = !config.optimizer.prefer_hash_join;
        let rewrite = |node: Arc<dyn ExecutionPlan>| {
            let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() else { return Ok(Transformed::no(node)) };
            let rewritten = if memory_was_short && *join.join_type() != JoinType::Full {
                partitioned(on_disk(&node, join)?, node.output_partitioning())
            } else {
                let left = LeftRowsExec::new(Arc::clone(join.left()), false);
                with_inputs(&node, left, Arc::clone(join.right()))
            };
            rewritten.map(Transformed::yes)
        };
        plan.transform_up(rewrite).map(|transformed| transformed.data)
    }
}

/// The join with its left rows on the disk, and its sides such that it delivers no right rows at its end.
fn on_disk(node: &Arc<dyn ExecutionPlan>, join: &NestedLoopJoinExec) -> Result<Arc<dyn ExecutionPlan>> {
    let whole = |input: &Arc<dyn ExecutionPlan>| -> Arc<dyn ExecutionPlan> {
        match input.output_partitioning().partition_count() {
            1 => Arc::clone(input),
            _ => Arc::new(CoalescePartitionsExec::new(Arc::clone(input))),
        }
    };
    match join.join_type() {
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
            let below = |node: Arc<dyn ExecutionPlan>| match node.downcast_ref::<NestedLoopJoinExec>() {
                Some(join) => Ok(Transformed::new(on_disk(&node, join)?, true, TreeNodeRecursion::Stop)),
                None => Ok(Transformed::no(node)),
            };
            join.swap_inputs()?.transform_down(below).map(|transformed| transformed.data)
        }
        kind => {
            let right = if *kind == JoinType::Inner { Arc::clone(join.right()) } else { whole(join.right()) };
            with_inputs(node, LeftRowsExec::new(whole(join.left()), true), right)
        }
    }
}

fn with_inputs(
    node: &Arc<dyn ExecutionPlan>,
    left: LeftRowsExec,
    right: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    Arc::clone(node).replace_children(vec![Arc::new(left), right], recomputed())
}

/// The rows by the hashes that others rely on. How many partitions there are else is nobody's concern.
fn partitioned(plan: Arc<dyn ExecutionPlan>, expected: &Partitioning) -> Result<Arc<dyn ExecutionPlan>> {
    match expected {
        Partitioning::Hash(..) if plan.output_partitioning().partition_count() != expected.partition_count() => {
            Ok(Arc::new(RepartitionExec::try_new(plan, expected.clone())?))
        }
        _ => Ok(plan),
    }
}

/// The left rows of a join.
struct LeftRowsExec {
    input: Arc<dyn ExecutionPlan>,
    kept: Kept,
    metrics: ExecutionPlanMetricsSet,
}

/// What is kept of rows that were read.
enum Kept {
    /// That they were.
    Nothing(AtomicBool),
    /// They are in a file, unless there were none. Neither they nor their failure comes twice.
    OnDisk(Arc<OnceCell<Result<Option<Arc<dyn SpillFile>>, Arc<DataFusionError>>>>),
}

impl LeftRowsExec {
    fn new(input: Arc<dyn ExecutionPlan>, on_disk: bool) -> Self {
        let kept = if on_disk { Kept::OnDisk(Arc::default()) } else { Kept::Nothing(AtomicBool::new(false)) };
        Self { input, kept, metrics: ExecutionPlanMetricsSet::new() }
    }
}

/// The file with the rows of a stream, in small batches: the join takes one at least, whatever memory is left.
async fn stored(mut rows: SendableRecordBatchStream, manager: &SpillManager) -> Result<Option<Arc<dyn SpillFile>>> {
    let mut file = manager.create_in_progress_file("left rows of a nested loop join")?;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        let count = batch.num_rows();
        let most = (count * STORED_BYTES / batch.get_array_memory_size().max(1)).max(1);
        for first in (0..count).step_by(most) {
            file.append_batch(&batch.slice(first, most.min(count - first)))?;
        }
    }
    file.finish()
}

impl fmt::Debug for LeftRowsExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeftRowsExec").field("input", &self.input).finish_non_exhaustive()
    }
}

impl DisplayAs for LeftRowsExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeftRowsExec")
    }
}

impl ExecutionPlan for LeftRowsExec {
    fn name(&self) -> &'static str {
        "LeftRowsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
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
        let input = children.swap_remove(0);
        Ok(Arc::new(Self::new(input, matches!(self.kept, Kept::OnDisk(_)))))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, recomputed())
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, task: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let file = match &self.kept {
            Kept::Nothing(was_read) if was_read.swap(true, Ordering::Relaxed) => {
                return Err(DataFusionError::ResourcesExhausted("the left rows of a nested loop join".into()));
            }
            Kept::Nothing(_) => return self.input.execute(partition, task),
            Kept::OnDisk(file) => Arc::clone(file),
        };
        let schema = self.input.schema();
        let metrics = SpillMetrics::new(&self.metrics, partition);
        let manager = SpillManager::new(task.runtime_env(), metrics, Arc::clone(&schema))
            .with_compression_type(task.session_config().spill_compression());
        let (input, named) = (Arc::clone(&self.input), Arc::clone(&schema));
        let rows = stream::once(async move {
            let store = || async { stored(input.execute(partition, task)?, &manager).await };
            let stored = file.get_or_init(|| store().map_err(Arc::new)).await;
            Ok(match stored {
                Ok(Some(file)) => manager.read_spill_as_stream(Arc::clone(file), None)?,
                Ok(None) => Box::pin(EmptyRecordBatchStream::new(named)),
                Err(error) => return Err(DataFusionError::Shared(Arc::clone(error))),
            })
        });
        let rows = rows.try_flatten().and_then(|batch| ready(apart(&batch).map_err(DataFusionError::from)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}
