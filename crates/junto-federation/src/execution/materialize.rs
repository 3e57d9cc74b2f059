//! Runs a plan on a database after bringing other rows there, into temporary tables.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Statistics};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
    StatisticsArgs,
};
use futures::{StreamExt, TryStreamExt, stream};
use junto_connector::{BatchStream, Error, OpenRequest, TableInfo, Workspace};
use parking_lot::Mutex;

use super::scan::in_schema;
use super::{RemoteScanExec, SourceFailure, StatementSources};

/// Fills a temporary table from each child, then reads a remote plan over them.
#[derive(Debug)]
pub struct MaterializeExec {
    scan: Arc<RemoteScanExec>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    tables: Vec<Arc<TableInfo>>,
}

impl MaterializeExec {
    pub(crate) fn new(scan: RemoteScanExec, inputs: Vec<Arc<dyn ExecutionPlan>>, tables: Vec<Arc<TableInfo>>) -> Self {
        Self { scan: Arc::new(scan), inputs, tables }
    }

    /// What is read once the tables are filled.
    pub fn scan(&self) -> &RemoteScanExec {
        &self.scan
    }

    /// Tables that are filled, one per child.
    pub fn tables(&self) -> &[Arc<TableInfo>] {
        &self.tables
    }
}

/// Fills the tables one after the other and opens the read.
async fn run(
    scan: Arc<RemoteScanExec>,
    inputs: Vec<SendableRecordBatchStream>,
    tables: Vec<Arc<TableInfo>>,
    task: Arc<TaskContext>,
) -> Result<BatchStream> {
    let sources = StatementSources::of(&task)?;
    let connection = scan.connection();
    let (Some(connector), Some(context)) = (sources.connector(connection), scan.context(&sources)) else {
        return Err(DataFusionError::Internal(format!("@{connection} is not part of the statement")));
    };
    let failed = |error| SourceFailure::wrap(connection, error);
    let mut workspace: Box<dyn Workspace> = connector.workspace(context.clone()).await.map_err(failed)?;
    for (input, table) in inputs.into_iter().zip(&tables) {
        let failure: Arc<Mutex<Option<DataFusionError>>> = Arc::default();
        let kept = Arc::clone(&failure);
        let rows: BatchStream = Box::pin(input.map_err(move |error| {
            *kept.lock() = Some(error);
            Error::Cancelled
        }));
        if let Err(error) = workspace.fill(table, rows).await {
            let of_input = failure.lock().take();
            return Err(of_input.unwrap_or_else(|| failed(error)));
        }
    }
    let plan = scan.known_plan(connector.as_ref())?;
    let batch_rows = task.session_config().batch_size();
    workspace.open(OpenRequest { plan, keys: None, batch_rows, context }).await.map_err(failed)
}

impl DisplayAs for MaterializeExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables: Vec<String> = self.tables.iter().map(|table| table.name.to_string()).collect();
        write!(f, "MaterializeExec: @{} {}", self.scan.connection(), tables.join(", "))
    }
}

impl ExecutionPlan for MaterializeExec {
    fn name(&self) -> &'static str {
        "MaterializeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.scan.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition; self.inputs.len()]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.inputs.len()]
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self { scan: Arc::clone(&self.scan), inputs: children, tables: self.tables.clone() }))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self { scan: Arc::clone(&self.scan), inputs: children, tables: self.tables.clone() }))
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        self.scan.statistics_from_inputs(&[], args)
    }

    fn metrics(&self) -> Option<datafusion::physical_plan::metrics::MetricsSet> {
        self.scan.metrics()
    }

    fn execute(&self, partition: usize, task: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let inputs: Vec<SendableRecordBatchStream> =
            self.inputs.iter().map(|input| input.execute(0, Arc::clone(&task))).collect::<Result<_>>()?;
        let reads = Arc::clone(&StatementSources::of(&task)?.reads);
        let schema: SchemaRef = self.scan.schema();
        let (named, connection) = (Arc::clone(&schema), self.scan.connection().clone());
        let baseline = self.scan.baseline(partition);
        let batches = stream::once(run(Arc::clone(&self.scan), inputs, self.tables.clone(), task))
            .map_ok(|batches| batches.map(Ok::<_, DataFusionError>))
            .try_flatten()
            .map(move |batch| in_schema(batch?, &named, &connection))
            .inspect_ok(move |batch| baseline.record_output(batch.num_rows()));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, reads.count(Box::pin(batches)))))
    }
}
