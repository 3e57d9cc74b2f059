//! Equal reads of one statement run once: the first who asks for a batch fetches it, the others get it from memory, or from
//! the disk when there are many.
//!
//! DataFusion puts a common table expression into every place that names it, and a table that is compared with its own
//! average is read twice. Reads that receive keys are different reads, and stay apart.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Statistics, internal_err};
use datafusion::error::Result;
use datafusion::execution::SpillFile;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream, StatisticsArgs,
};
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt, stream};
use parking_lot::Mutex;

use super::room::Room;
use super::{MaterializeExec, RemoteScanExec, apart};

/// Estimated rows up to which a read is kept for its other readers.
const MOST_ROWS: f64 = 2_000_000.0;
/// One part in so many of the statement's memory is for the batches of a read that are kept. The others wait on the disk.
const MEMORY_PARTS: usize = 8;
const USE: &str = "a read that is used twice";

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
                    let shared = SharedScanExec::new(Arc::clone(rows), scan.schema());
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
    metrics: ExecutionPlanMetricsSet,
}

/// The batches of one stream, kept for all who want them.
#[derive(Default)]
pub(super) struct Kept {
    batches: Vec<Stored>,
    rest: Rest,
    room: Option<Arc<Room>>,
}

#[derive(Clone)]
enum Stored {
    InMemory(RecordBatch),
    OnDisk(Arc<dyn SpillFile>),
}

/// What comes after the batches that are kept.
#[derive(Default)]
enum Rest {
    #[default]
    NotStarted,
    /// The next batch is on its way. Whoever waits for it drives it: nobody depends on a reader that has stopped.
    Arriving {
        stream: Arc<Mutex<SendableRecordBatchStream>>,
        next: Next,
    },
    Ended,
    Failed(Arc<DataFusionError>),
}

/// A batch that arrives once for all who wait; none after the last.
type Next = Shared<BoxFuture<'static, Option<Result<RecordBatch, Arc<DataFusionError>>>>>;

impl Rows {
    fn of(scan: Arc<RemoteScanExec>) -> Self {
        let partitions = (0..scan.most_workers()).map(|_| Mutex::default()).collect();
        Self { scan, partitions, metrics: ExecutionPlanMetricsSet::new() }
    }

    /// The batch at `index` of a partition; none after the last.
    async fn batch(&self, partition: usize, index: usize, task: &Arc<TaskContext>) -> Result<Option<RecordBatch>> {
        let Some(kept) = self.partitions.get(partition) else { return Ok(None) };
        Kept::batch(kept, index, || opened(USE, self.scan.as_ref(), partition, &self.metrics, task)).await
    }
}

/// The rows of one partition of a plan, and where they wait. `of`: what they are.
pub(super) fn opened(
    of: &str,
    plan: &dyn ExecutionPlan,
    partition: usize,
    metrics: &ExecutionPlanMetricsSet,
    task: &Arc<TaskContext>,
) -> Result<Opened> {
    let parts = MEMORY_PARTS * plan.properties().output_partitioning().partition_count();
    let room = Room::new(of, parts, task, plan.schema(), SpillMetrics::new(metrics, partition));
    Ok((plan.execute(partition, Arc::clone(task))?, room))
}

/// A stream and where its batches wait.
pub(super) type Opened = (SendableRecordBatchStream, Room);

impl Kept {
    /// The batch at `index`; none after the last. The first who asks opens the read.
    pub(super) async fn batch(
        kept: &Mutex<Self>,
        index: usize,
        open: impl Fn() -> Result<Opened>,
    ) -> Result<Option<RecordBatch>> {
        loop {
            let (next, stored) = {
                let mut kept = kept.lock();
                let stored = kept.batches.get(index).cloned().zip(kept.room.clone());
                (if stored.is_some() { None } else { kept.next(&open)? }, stored)
            };
            if let Some((stored, room)) = stored {
                return stored.taken(&room).await;
            }
            let Some(next) = next else { return Ok(None) };
            Self::arrived(kept, next, index).await;
        }
    }

    /// Keeps all batches, whether somebody asks for them or not.
    pub(super) async fn fill(kept: &Mutex<Self>, open: impl Fn() -> Result<Opened>) {
        loop {
            let (next, index) = {
                let mut kept = kept.lock();
                // Whoever asks for what failed is told why.
                let Ok(Some(next)) = kept.next(&open) else { return };
                (next, kept.batches.len())
            };
            Self::arrived(kept, next, index).await;
        }
    }

    /// Waits for the batch that will be at `index`. Only the first of those who waited keeps it.
    async fn arrived(kept: &Mutex<Self>, next: Next, index: usize) {
        let arrived = next.await;
        let mut kept = kept.lock();
        if kept.batches.len() == index {
            kept.keep(arrived);
        }
    }

    /// Lets go of everything: nobody will ask any more. If somebody did, these would not be all rows.
    pub(super) fn close(&mut self) {
        let over = DataFusionError::Execution("the statement is over".into());
        *self = Self { rest: Rest::Failed(Arc::new(over)), ..Self::default() };
    }

    /// What comes after the batches that are here; none after the last.
    fn next(&mut self, open: &impl Fn() -> Result<Opened>) -> Result<Option<Next>> {
        if matches!(self.rest, Rest::NotStarted) {
            match open() {
                Ok(opened) => return Ok(Some(self.start(opened))),
                Err(error) => self.rest = Rest::Failed(Arc::new(error)),
            }
        }
        match &self.rest {
            Rest::NotStarted | Rest::Ended => Ok(None),
            Rest::Arriving { next, .. } => Ok(Some(next.clone())),
            Rest::Failed(error) => Err(DataFusionError::Shared(Arc::clone(error))),
        }
    }

    fn start(&mut self, (stream, room): Opened) -> Next {
        let stream = Arc::new(Mutex::new(stream));
        let next = next_of(&stream);
        self.room = Some(Arc::new(room));
        self.rest = Rest::Arriving { stream, next: next.clone() };
        next
    }

    /// Keeps what arrived after the batches that are here.
    fn keep(&mut self, arrived: Option<Result<RecordBatch, Arc<DataFusionError>>>) {
        let (Rest::Arriving { stream, .. }, Some(room)) = (&self.rest, &self.room) else { return };
        self.rest = match arrived {
            None => Rest::Ended,
            Some(Err(error)) => Rest::Failed(error),
            Some(Ok(batch)) => match Stored::put(batch, room) {
                Err(error) => Rest::Failed(Arc::new(error)),
                Ok(stored) => {
                    self.batches.push(stored);
                    Rest::Arriving { next: next_of(stream), stream: Arc::clone(stream) }
                }
            },
        };
    }
}

impl Stored {
    fn put(batch: RecordBatch, room: &Room) -> Result<Self> {
        if room.takes(&batch) {
            return Ok(Stored::InMemory(batch));
        }
        let file = room.disk.spill_record_batch_and_finish(std::slice::from_ref(&batch), USE)?;
        Ok(file.map_or(Stored::InMemory(batch), Stored::OnDisk))
    }

    async fn taken(self, room: &Room) -> Result<Option<RecordBatch>> {
        match self {
            Stored::InMemory(batch) => Ok(Some(batch)),
            Stored::OnDisk(file) => {
                let mut rows = room.disk.read_spill_as_stream_unbuffered(file, None)?;
                match rows.next().await {
                    Some(batch) => Ok(Some(apart(&batch?)?)),
                    None => internal_err!("a batch that was put on the disk is not there"),
                }
            }
        }
    }
}

/// The next batch of a stream, which nobody else polls meanwhile.
fn next_of(stream: &Arc<Mutex<SendableRecordBatchStream>>) -> Next {
    let stream = Arc::clone(stream);
    let next = poll_fn(move |context| stream.lock().poll_next_unpin(context));
    next.map(|arrived| arrived.map(|batch| batch.map_err(Arc::new))).boxed().shared()
}

/// One of several equal reads.
#[derive(Debug)]
pub struct SharedScanExec {
    rows: Arc<Rows>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl SharedScanExec {
    /// The rows under the names of one reader.
    fn new(rows: Arc<Rows>, schema: SchemaRef) -> Self {
        let read = rows.scan.properties();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            read.partitioning.clone(),
            read.emission_type,
            read.boundedness,
        );
        Self { rows, schema, properties: Arc::new(properties) }
    }

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
        &self.properties
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use arrow::array::{ArrayRef, Int64Array};
    use datafusion::execution::memory_pool::GreedyMemoryPool;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::prelude::SessionConfig;
    use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};

    use super::*;

    type Arrivals = UnboundedReceiver<Result<RecordBatch>>;

    fn batch(value: i64) -> RecordBatch {
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![value])) as ArrayRef)]).expect("one column")
    }

    /// What brings batches, and how a read of them is opened, once, with this much memory.
    fn read(
        memory: usize,
    ) -> (UnboundedSender<Result<RecordBatch>>, impl Fn() -> Result<(SendableRecordBatchStream, Room)>) {
        let (sender, arrivals) = unbounded();
        let arrivals: Mutex<Option<Arrivals>> = Mutex::new(Some(arrivals));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(GreedyMemoryPool::new(memory)));
        let runtime = runtime.build_arc().expect("a runtime");
        let (scalar, higher_order, aggregate, window) = Default::default();
        let config = SessionConfig::new();
        let task = TaskContext::new(None, "test".into(), config, scalar, higher_order, aggregate, window, runtime);
        let open = move || {
            let arrivals = arrivals.lock().take().expect("it is opened once");
            let stream = RecordBatchStreamAdapter::new(batch(0).schema(), arrivals);
            let metrics = SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
            Ok((
                Box::pin(stream) as SendableRecordBatchStream,
                Room::new(USE, MEMORY_PARTS, &task, batch(0).schema(), metrics),
            ))
        };
        (sender, open)
    }

    #[tokio::test]
    async fn nobody_waits_for_a_reader_that_has_stopped() {
        let (sender, open) = read(1 << 20);
        let kept = Mutex::new(Kept::default());
        let mut stopped = Box::pin(Kept::batch(&kept, 0, &open));
        assert!(stopped.as_mut().now_or_never().is_none(), "nothing has come yet");
        let waiting = async {
            let (arrived, ()) = futures::join!(Kept::batch(&kept, 0, &open), async {
                sender.unbounded_send(Ok(batch(7))).expect("somebody reads");
            });
            arrived
        };
        let arrived = tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("it does not hang");
        assert_eq!(arrived.expect("readable"), Some(batch(7)));
        assert_eq!(stopped.await.expect("readable"), Some(batch(7)), "it goes on where it was");
        sender.close_channel();
        for (index, expected) in [(0, Some(batch(7))), (1, None), (1, None)] {
            assert_eq!(Kept::batch(&kept, index, &open).await.expect("readable"), expected);
        }
    }

    #[tokio::test]
    async fn every_reader_gets_every_batch_and_the_error() {
        let (sender, open) = read(1 << 20);
        let kept = Mutex::new(Kept::default());
        for value in 0..3 {
            sender.unbounded_send(Ok(batch(value))).expect("open");
        }
        sender.unbounded_send(Err(DataFusionError::Execution("lost".into()))).expect("open");
        let reader = || async {
            let mut batches = Vec::new();
            loop {
                match Kept::batch(&kept, batches.len(), &open).await {
                    Ok(Some(batch)) => batches.push(batch),
                    Ok(None) => panic!("it ended without the error"),
                    Err(error) => return (batches, error.to_string()),
                }
            }
        };
        let (first, second) = futures::join!(reader(), reader());
        assert_eq!(first.0, [batch(0), batch(1), batch(2)]);
        assert!(first.1.contains("lost"), "{}", first.1);
        assert_eq!(first, second);
    }

    #[tokio::test]
    async fn what_does_not_fit_comes_from_the_disk() {
        let fits = batch(0).get_array_memory_size();
        let (sender, open) = read(2 * fits * MEMORY_PARTS);
        let kept = Mutex::new(Kept::default());
        for value in 0..5 {
            sender.unbounded_send(Ok(batch(value))).expect("open");
        }
        sender.close_channel();
        for _reader in 0..2 {
            for value in 0..5 {
                let expected = Some(batch(value));
                assert_eq!(Kept::batch(&kept, value as usize, &open).await.expect("readable"), expected);
            }
            assert_eq!(Kept::batch(&kept, 5, &open).await.expect("readable"), None);
        }
        let in_memory = kept.lock().batches.iter().filter(|stored| matches!(stored, Stored::InMemory(_))).count();
        assert_eq!(in_memory, 2);
    }
}
