//! An operator that counts the bytes of what its input hands on, for EXPLAIN ANALYZE.
//!
//! DataFusion counts whole buffers, of which a batch may hold a few rows.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr_common::metrics::Count;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::TryStreamExt;
use junto_connector::bytes_of;

use super::{MaterializeExec, RemoteScanExec, SharedScanExec};

/// The rows of its input, counted.
#[derive(Debug)]
pub struct MeasuredExec {
    input: Arc<dyn ExecutionPlan>,
    bytes: Count,
}

impl MeasuredExec {
    /// The plan with such an operator above each that runs here. It is the last change of a plan: rules do not see through it.
    ///
    /// # Errors
    /// DataFusion's, for operators that are put together again.
    pub fn over_all(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let measured = |node: Arc<dyn ExecutionPlan>| {
            // What is read is counted where it arrives.
            let is_read = node.is::<RemoteScanExec>() || node.is::<SharedScanExec>() || node.is::<MaterializeExec>();
            let bytes = Count::new();
            Ok(if is_read {
                Transformed::no(node)
            } else {
                Transformed::yes(Arc::new(Self { input: node, bytes }) as _)
            })
        };
        plan.transform_up(measured).map(|transformed| transformed.data)
    }

    /// The operator that is counted.
    pub fn input(&self) -> &Arc<dyn ExecutionPlan> {
        &self.input
    }

    /// Bytes of the values that it has handed on.
    pub fn bytes(&self) -> u64 {
        self.bytes.value() as u64
    }
}

impl DisplayAs for MeasuredExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MeasuredExec")
    }
}

impl ExecutionPlan for MeasuredExec {
    fn name(&self) -> &'static str {
        "MeasuredExec"
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
        Ok(Arc::new(Self { input: children.swap_remove(0), bytes: self.bytes.clone() }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, task: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let bytes = self.bytes.clone();
        let counted = self.input.execute(partition, task)?.inspect_ok(move |batch| bytes.add(bytes_of(batch)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), counted)))
    }
}
