//! The second side of a join is read while the first is still read, where it need not wait for keys: two slow sources take
//! as long as the slower one.
//!
//! DataFusion's `BufferExec` stops when it is full, and with it a read that holds a connection of its source, which the
//! first side may be waiting for. What is read here goes on to its end: what does not fit in memory waits on the disk.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Statistics};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, SpillFile, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet, SpillMetrics};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, StatisticsArgs};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use junto_connector::Prefer;
use tokio::sync::oneshot;

use super::room::Room;
use super::{ForgettingExec, RemoteScanExec, apart};

/// Estimated bytes up to which a read is begun early.
const MOST_BYTES: f64 = 64e6;
/// One part in so many of the statement's memory is for what waits of a read, in all its partitions.
const MEMORY_PARTS: usize = 16;
const USE: &str = "a read that began early";

/// Lets reads begin early. Must run after keys were given to scans, equal reads were found and joins have their last inputs.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadAhead;

impl PhysicalOptimizerRule for ReadAhead {
    fn name(&self) -> &'static str {
        "junto_read_ahead"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        // Joins do not hash when memory was short: then nothing is kept in it either.
        if !config.optimizer.prefer_hash_join || plan.exists(|node| Ok(node.is::<RecursiveQueryExec>()))? {
            return Ok(plan);
        }
        plan.transform_up(begun_early).map(|transformed| transformed.data)
    }
}

fn begun_early(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(join) = plan.downcast_ref::<HashJoinExec>() else { return Ok(Transformed::no(plan)) };
    if !reads_something(join.left())? || !only_read(join.right()).is_some_and(may_begin) {
        return Ok(Transformed::no(plan));
    }
    let right: Arc<dyn ExecutionPlan> = Arc::new(ReadAheadExec::new(Arc::clone(join.right())));
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep);
    let children = vec![Arc::clone(join.left()), right];
    plan.replace_children(children, options).map(Transformed::yes)
}

fn reads_something(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    plan.exists(|node| Ok(node.is::<RemoteScanExec>()))
}

/// The read of a plan that only works on the rows of one.
fn only_read(plan: &Arc<dyn ExecutionPlan>) -> Option<&RemoteScanExec> {
    if let Some(scan) = plan.downcast_ref::<RemoteScanExec>() {
        return Some(scan);
    }
    let works_on = plan.is::<AggregateExec>()
        || plan.is::<ProjectionExec>()
        || plan.is::<FilterExec>()
        || plan.is::<RepartitionExec>()
        || plan.is::<CoalescePartitionsExec>()
        || plan.is::<CooperativeExec>()
        || plan.is::<ForgettingExec>();
    match plan.children().as_slice() {
        [input] if works_on => only_read(input),
        _ => None,
    }
}

/// Where a connection prefers the least data, a read waits until it is known to be needed.
fn may_begin(scan: &RemoteScanExec) -> bool {
    let row_bytes: f64 = scan.value_bytes().iter().sum();
    scan.bindings().is_empty() && scan.prefer() == Prefer::Fastest && scan.estimated_rows() * row_bytes <= MOST_BYTES
}

/// The rows of its input, which is read from the moment that a partition is started.
#[derive(Debug)]
pub struct ReadAheadExec {
    input: Arc<dyn ExecutionPlan>,
    metrics: ExecutionPlanMetricsSet,
}

impl ReadAheadExec {
    fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        Self { input, metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl DisplayAs for ReadAheadExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadAheadExec")
    }
}

impl ExecutionPlan for ReadAheadExec {
    fn name(&self) -> &'static str {
        "ReadAheadExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
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
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self::new(input)))
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self::new(input)))
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(inputs.first().map_or_else(|| Arc::new(Statistics::new_unknown(&self.schema())), Arc::clone))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, task: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let metrics = SpillMetrics::new(&self.metrics, partition);
        let partitions = self.properties().output_partitioning().partition_count();
        let room = Room::new(USE, MEMORY_PARTS * partitions, &task, Arc::clone(&schema), metrics);
        let rows = self.input.execute(partition, task)?;
        let (wanted, waiting) = oneshot::channel();
        let reading = SpawnedTask::spawn(read_until(waiting, rows, room));
        let batches = stream::once(async move {
            // Whoever reads ahead is at its end already when nobody receives this.
            let _at_its_end = wanted.send(());
            let read = reading.join().await.map_err(|error| DataFusionError::External(Box::new(error)))?;
            read.batches()
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches.try_flatten())))
    }
}

/// What was read before anybody asked for it, and what comes then.
struct Read {
    room: Room,
    in_memory: Vec<RecordBatch>,
    /// What came after there was no more memory.
    on_disk: Option<Arc<dyn SpillFile>>,
    failed: Option<DataFusionError>,
    /// Kept after a failure too: other partitions would take its end for that of the whole read.
    rest: Option<SendableRecordBatchStream>,
}

/// Reads until the rows are wanted, or all are here. Goes on after a failure, whose rows nobody needs: a read that nobody polls
/// would hold its connection.
async fn read_until(mut wanted: oneshot::Receiver<()>, mut rows: SendableRecordBatchStream, room: Room) -> Read {
    let mut read = Read { room, in_memory: Vec::new(), on_disk: None, failed: None, rest: None };
    let mut file = None;
    loop {
        let next = tokio::select! {
            biased;
            _ = &mut wanted => {
                read.rest = Some(rows);
                break;
            }
            next = rows.next() => next,
        };
        let Some(batch) = next else { break };
        if read.failed.is_some() {
            continue;
        }
        let kept = batch.and_then(|batch| {
            if file.is_none() && read.room.takes(&batch) {
                read.in_memory.push(batch);
                return Ok(());
            }
            let file = match &mut file {
                Some(file) => file,
                None => file.insert(read.room.disk.create_in_progress_file(USE)?),
            };
            file.append_batch(&batch).map(drop)
        });
        if let Err(error) = kept {
            read.failed = Some(error);
            (read.in_memory, file) = (Vec::new(), None);
            read.room.memory.free();
        }
    }
    match file.map(|mut file| file.finish()).transpose() {
        Ok(file) => read.on_disk = file.flatten(),
        Err(error) => read.failed = Some(error),
    }
    read
}

impl Read {
    /// All rows, in the order in which they came.
    fn batches(self) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let Self { room, in_memory, on_disk, failed, rest } = self;
        if let Some(error) = failed {
            let failed = stream::once(async move {
                drop(rest);
                Err(error)
            });
            return Ok(failed.boxed());
        }
        let on_disk = on_disk.map(|file| room.disk.read_spill_as_stream_unbuffered(file, None)).transpose()?;
        let on_disk = stream::iter(on_disk).flatten().map(|batch| Ok(apart(&batch?)?));
        let in_memory = stream::iter(in_memory).map(move |batch| {
            room.memory.shrink(batch.get_array_memory_size());
            Ok(batch)
        });
        Ok(in_memory.chain(on_disk).chain(stream::iter(rest).flatten()).boxed())
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array};
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::prelude::SessionConfig;
    use futures::Stream;
    use futures::channel::mpsc::unbounded;

    use super::*;

    fn batch(value: i64) -> RecordBatch {
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![value])) as ArrayRef)]).expect("one column")
    }

    /// Room for two batches; others wait on the disk.
    fn room() -> Room {
        let bytes = 2 * batch(0).get_array_memory_size() * MEMORY_PARTS;
        let runtime = RuntimeEnvBuilder::new().with_memory_limit(bytes, 1.0).build_arc().expect("a runtime");
        let (scalar, higher_order, aggregate, window) = Default::default();
        let config = SessionConfig::new();
        let task = TaskContext::new(None, "test".into(), config, scalar, higher_order, aggregate, window, runtime);
        let metrics = SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
        Room::new(USE, MEMORY_PARTS, &task, batch(0).schema(), metrics)
    }

    fn rows(arrivals: impl Stream<Item = Result<RecordBatch>> + Send + 'static) -> SendableRecordBatchStream {
        Box::pin(RecordBatchStreamAdapter::new(batch(0).schema(), arrivals))
    }

    #[tokio::test]
    async fn what_came_before_and_after_it_was_wanted_is_there_in_order() {
        let (sender, arrivals) = unbounded();
        let (wanted, waiting) = oneshot::channel();
        for value in 0..5 {
            sender.unbounded_send(Ok(batch(value))).expect("open");
        }
        let reading = SpawnedTask::spawn(read_until(waiting, rows(arrivals), room()));
        while !sender.is_empty() {
            tokio::task::yield_now().await;
        }
        wanted.send(()).expect("it still reads");
        let read = reading.join().await.expect("no panic");
        assert_eq!((read.in_memory.len(), read.on_disk.is_some()), (2, true));
        sender.unbounded_send(Ok(batch(5))).expect("open");
        sender.close_channel();
        let all: Vec<RecordBatch> = read.batches().expect("a file").try_collect().await.expect("readable");
        assert_eq!(all, (0..6).map(batch).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn all_rows_may_come_before_they_are_wanted() {
        let (_wanted, waiting) = oneshot::channel();
        let arrivals = stream::iter((0..4).map(|value| Ok(batch(value))));
        let read = read_until(waiting, rows(arrivals), room()).await;
        assert!(read.rest.is_none());
        let all: Vec<RecordBatch> = read.batches().expect("a file").try_collect().await.expect("readable");
        assert_eq!(all, (0..4).map(batch).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_read_goes_on_after_a_failure() {
        let (_wanted, waiting) = oneshot::channel();
        let failure = || Err(DataFusionError::Execution("lost".into()));
        let (sender, arrivals) = unbounded();
        for arrival in [Ok(batch(0)), Ok(batch(1)), Ok(batch(2)), failure(), Ok(batch(3)), failure()] {
            sender.unbounded_send(arrival).expect("open");
        }
        sender.close_channel();
        let read = read_until(waiting, rows(arrivals), room()).await;
        assert!(sender.is_closed() && read.rest.is_none(), "its connection is given back");
        let batches = read.batches().expect("no file").collect::<Vec<_>>().await;
        let [Err(error)] = batches.as_slice() else { panic!("{batches:?}") };
        assert!(error.to_string().contains("lost"), "{error}");
    }
}
