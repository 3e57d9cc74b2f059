//! Equal reads of one statement run once: the first who asks for a batch fetches it, the others get it from memory.
//!
//! DataFusion puts a common table expression into every place that names it, and a table that is compared with its own
//! average is read twice. Reads that receive keys are different reads, and stay apart.

use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Statistics};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream, StatisticsArgs,
};
use futures::{StreamExt, stream};
use tokio::sync::Mutex;

use super::{MaterializeExec, RemoteScanExec};

/// Estimated rows up to which a read is kept in memory for its other readers.
const MOST_ROWS: f64 = 2_000_000.0;

/// Finds equal reads. Must run after keys were given to scans.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadOnce;

impl PhysicalOptimizerRule for ReadOnce {
    fn name(&self) -> &'static str {
        "junto_read_once"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        // Joins do not hash when memory was short: then nothing is kept in it either.
        if !config.optimizer.prefer_hash_join {
            return Ok(plan);
        }
        let mut scans: Vec<Arc<RemoteScanExec>> = Vec::new();
        plan.apply(|node| {
            if node.downcast_ref::<MaterializeExec>().is_some() {
                return Ok(TreeNodeRecursion::Jump);
            }
            scans.extend(
                node.downcast_ref::<RemoteScanExec>().filter(|scan| may_be_shared(scan)).cloned().map(Arc::new),
            );
            Ok(TreeNodeRecursion::Continue)
        })?;
        let repeated: Vec<Arc<Rows>> = scans
            .iter()
            .enumerate()
            .filter(|(at, scan)| !scans[..*at].iter().any(|earlier| earlier.reads_the_same_as(scan)))
            .filter(|(at, scan)| scans[at + 1..].iter().any(|later| later.reads_the_same_as(scan)))
            .map(|(_, scan)| Arc::new(Rows::of(Arc::clone(scan))))
            .collect();
        if repeated.is_empty() {
            return Ok(plan);
        }
        let share = |node: Arc<dyn ExecutionPlan>| {
            let Some(scan) = node.downcast_ref::<RemoteScanExec>().filter(|scan| may_be_shared(scan)) else {
                return Ok(Transformed::no(node));
            };
            Ok(match repeated.iter().find(|rows| rows.scan.reads_the_same_as(scan)) {
                Some(rows) => {
                    let shared = SharedScanExec { rows: Arc::clone(rows), schema: scan.schema() };
                    Transformed::yes(Arc::new(shared) as Arc<dyn ExecutionPlan>)
                }
                None => Transformed::no(node),
            })
        };
        plan.transform_up(share).map(|transformed| transformed.data)
    }
}

fn may_be_shared(scan: &RemoteScanExec) -> bool {
    scan.bindings().is_empty() && scan.estimated_rows() <= MOST_ROWS
}

/// The rows of a read, kept for all who want them.
struct Rows {
    scan: Arc<RemoteScanExec>,
    partitions: Vec<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    batches: Vec<RecordBatch>,
    /// The rest; none before the first and after the last batch.
    rest: Option<SendableRecordBatchStream>,
    started: bool,
    failed: Option<Arc<DataFusionError>>,
    reservation: Option<MemoryReservation>,
}

impl Rows {
    fn of(scan: Arc<RemoteScanExec>) -> Self {
        let partitions = (0..scan.most_workers()).map(|_| Mutex::default()).collect();
        Self { scan, partitions }
    }

    /// The batch at `index` of a partition; none after the last.
    async fn batch(&self, partition: usize, index: usize, task: &Arc<TaskContext>) -> Result<Option<RecordBatch>> {
        let Some(kept) = self.partitions.get(partition) else { return Ok(None) };
        let mut kept = kept.lock().await;
        if let Some(batch) = kept.batches.get(index) {
            return Ok(Some(batch.clone()));
        }
        if let Some(error) = &kept.failed {
            return Err(DataFusionError::Shared(Arc::clone(error)));
        }
        match kept.next(&self.scan, partition, task).await {
            Ok(batch) => Ok(batch),
            Err(error) => {
                let error = Arc::new(error);
                kept.failed = Some(Arc::clone(&error));
                kept.rest = None;
                Err(DataFusionError::Shared(error))
            }
        }
    }
}

impl Kept {
    async fn next(
        &mut self,
        scan: &RemoteScanExec,
        partition: usize,
        task: &Arc<TaskContext>,
    ) -> Result<Option<RecordBatch>> {
        if !self.started {
            self.started = true;
            self.rest = Some(scan.execute(partition, Arc::clone(task))?);
            self.reservation = Some(MemoryConsumer::new("a read that is used twice").register(task.memory_pool()));
        }
        let Some(rest) = &mut self.rest else { return Ok(None) };
        let Some(batch) = rest.next().await.transpose()? else {
            self.rest = None;
            return Ok(None);
        };
        if let Some(reservation) = &mut self.reservation {
            reservation.try_grow(batch.get_array_memory_size())?;
        }
        self.batches.push(batch.clone());
        Ok(Some(batch))
    }
}

/// One of several equal reads.
#[derive(Debug)]
pub struct SharedScanExec {
    rows: Arc<Rows>,
    schema: SchemaRef,
}

impl SharedScanExec {
    /// What is read, for all.
    pub fn scan(&self) -> &RemoteScanExec {
        &self.rows.scan
    }
}

impl DisplayAs for SharedScanExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedScanExec: ")?;
        self.rows.scan.fmt_as(format, f)
    }
}

impl ExecutionPlan for SharedScanExec {
    fn name(&self) -> &'static str {
        "SharedScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.rows.scan.properties()
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        self.rows.scan.statistics_from_inputs(inputs, args)
    }

    fn metrics(&self) -> Option<datafusion::physical_plan::metrics::MetricsSet> {
        self.rows.scan.metrics()
    }

    fn execute(&self, partition: usize, task: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (rows, schema) = (Arc::clone(&self.rows), Arc::clone(&self.schema));
        let batches = stream::try_unfold((rows, 0), move |(rows, index)| {
            let (task, schema) = (Arc::clone(&task), Arc::clone(&schema));
            async move {
                let Some(batch) = rows.batch(partition, index, &task).await? else { return Ok(None) };
                let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                let batch = RecordBatch::try_new_with_options(schema, batch.columns().to_vec(), &options)?;
                Ok(Some((batch, (rows, index + 1))))
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("scan", &self.scan).finish_non_exhaustive()
    }
}
