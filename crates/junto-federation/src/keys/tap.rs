//! The node on a join's finished side that passes every row on and collects the distinct keys.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringViewArray};
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ReplaceChildrenOptions};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, RecordBatchStream, SendableRecordBatchStream,
    Statistics, StatisticsArgs,
};
use futures::{Stream, StreamExt};

use super::slot::KeySlot;

/// Passes its input through unchanged, partition by partition, and fills a [`KeySlot`].
#[derive(Debug)]
pub struct KeyTapExec {
    input: Arc<dyn ExecutionPlan>,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    slot: Arc<KeySlot>,
}

impl KeyTapExec {
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, keys: Vec<Arc<dyn PhysicalExpr>>, slot: Arc<KeySlot>) -> Self {
        Self { input, keys, slot }
    }

    /// What the tap found.
    pub fn slot(&self) -> &Arc<KeySlot> {
        &self.slot
    }
}

impl DisplayAs for KeyTapExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.keys.iter().map(ToString::to_string).collect();
        write!(f, "KeyTapExec: {}", keys.join(", "))
    }
}

impl ExecutionPlan for KeyTapExec {
    fn name(&self) -> &'static str {
        "KeyTapExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for key in &self.keys {
            if visit(key)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self::new(input, self.keys.clone(), Arc::clone(&self.slot))))
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self::new(input, self.keys.clone(), Arc::clone(&self.slot))))
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(inputs.first().map_or_else(|| Arc::new(Statistics::new_unknown(&self.schema())), Arc::clone))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn execute(&self, partition: usize, task: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, Arc::clone(&task))?;
        let guard = SlotGuard { slot: Arc::clone(&self.slot) };
        Ok(Box::pin(TapStream { input, keys: self.keys.clone(), task, guard: Some(guard) }))
    }
}

/// Reports the end of a partition, also of one that is dropped early: then nobody needs its keys any more.
struct SlotGuard {
    slot: Arc<KeySlot>,
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        self.slot.finish_partition();
    }
}

struct TapStream {
    input: SendableRecordBatchStream,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    task: Arc<TaskContext>,
    /// Gone after the last batch.
    guard: Option<SlotGuard>,
}

impl TapStream {
    fn take_keys(&self, batch: &RecordBatch) -> Result<()> {
        let Some(guard) = &self.guard else { return Ok(()) };
        let evaluate = |key: &Arc<dyn PhysicalExpr>| key.evaluate(batch)?.into_array(batch.num_rows());
        let columns = self.keys.iter().map(evaluate).collect::<Result<Vec<ArrayRef>>>()?;
        guard.slot.add(&columns, || MemoryConsumer::new("join keys").register(self.task.memory_pool()))
    }
}

impl Stream for TapStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.input.poll_next_unpin(context));
        Poll::Ready(match next {
            Some(Ok(batch)) => Some(self.take_keys(&batch).map(|()| compacted(batch))),
            Some(Err(error)) => Some(Err(error)),
            None => {
                self.guard = None;
                None
            }
        })
    }
}

/// The batch without the text that its rows no longer refer to.
///
/// Rows that went through a join refer to all the text of the joined side, batch after batch, and whoever keeps them would
/// count and hold it as often.
fn compacted(batch: RecordBatch) -> RecordBatch {
    let column = |column: &ArrayRef| match column.as_string_view_opt() {
        Some(text) if is_sparse(text) => Arc::new(text.gc()) as ArrayRef,
        _ => Arc::clone(column),
    };
    let columns = batch.columns().iter().map(column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options).unwrap_or(batch)
}

fn is_sparse(text: &StringViewArray) -> bool {
    let held: usize = text.data_buffers().iter().map(arrow::buffer::Buffer::len).sum();
    held > SPARSE_BYTES && held > 2 * text.total_buffer_bytes_used()
}

/// Text up to this size is not worth copying.
const SPARSE_BYTES: usize = 64 << 10;

impl RecordBatchStream for TapStream {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}
