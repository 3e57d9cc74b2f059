//! The physical leaf that reads one remote plan, whole or by keys.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Statistics};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
    StatisticsArgs,
};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use junto_connector::{BatchStream, Connector, Keys, OpenRequest, RemotePlan};
use junto_types::Alias;

use super::{SourceFailure, StatementSources};
use crate::keys::{KeySlot, key_limit};
use crate::node::RemoteNode;
use crate::statistics::column_statistics;

/// Reads a [`RemotePlan`]. Serialisable but for its key slots, which belong to one run of one plan.
#[derive(Debug, Clone)]
pub struct RemoteScanExec {
    connection: Alias,
    plan: Arc<RemotePlan>,
    schema: SchemaRef,
    rows: Option<f64>,
    kept_local: Vec<String>,
    /// Per output column, what keys on it would do; none where the source takes no keys there.
    key_columns: Vec<Option<KeyColumn>>,
    keys_per_query: usize,
    bindings: Vec<KeyBinding>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// What is known of a column as a key.
#[derive(Debug, Clone, Copy)]
pub struct KeyColumn {
    pub indexed: bool,
    /// Keys up to which reading by keys is taken to be cheaper than reading everything.
    pub limit: usize,
}

/// Keys of a join that arrive at this scan.
#[derive(Debug, Clone)]
pub struct KeyBinding {
    /// Output columns, one per chosen key column of the slot.
    pub columns: Vec<usize>,
    /// Positions in the slot's keys.
    pub slot_columns: Vec<usize>,
    pub limit: usize,
    pub slot: Arc<KeySlot>,
}

impl RemoteScanExec {
    pub(crate) fn new(node: &RemoteNode) -> Result<Self> {
        let schema = Arc::clone(node.schema.inner());
        let connector = &node.table.connector;
        let columns = node.plan.root.columns();
        if columns.len() != schema.fields().len() {
            return Err(DataFusionError::Internal(format!("remote plan of {:?} has other columns", node.table)));
        }
        let capabilities = connector.capabilities();
        let keys_per_query = capabilities.keys.as_ref().map_or(0, |keys| keys.max_per_query);
        let key_column = |(column, origin): (&junto_connector::RelationColumn, &Option<usize>)| {
            let index = (*origin)?;
            if keys_per_query == 0 || !connector.accepts_keys(column) {
                return None;
            }
            let indexed = node.table.is_indexed(&node.table.info.columns[index].name);
            let distinct = column_statistics(&node.table, index).distinct;
            Some(KeyColumn { indexed, limit: key_limit(node.table.rows(), distinct, indexed, keys_per_query) })
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self {
            connection: node.table.connection.clone(),
            plan: Arc::new(node.plan.clone()),
            schema,
            rows: node.rows,
            kept_local: node.kept_local.clone(),
            key_columns: columns.iter().zip(&node.origin).map(key_column).collect(),
            keys_per_query,
            bindings: Vec::new(),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// Alias of the connection read from.
    pub fn connection(&self) -> &Alias {
        &self.connection
    }

    /// What is read.
    pub fn plan(&self) -> &RemotePlan {
        &self.plan
    }

    /// Estimated rows without keys.
    pub fn estimated_rows(&self) -> Option<f64> {
        self.rows
    }

    /// Predicates that were not pushed down, each with its reason.
    pub fn kept_local(&self) -> &[String] {
        &self.kept_local
    }

    /// Keys that will arrive.
    pub fn bindings(&self) -> &[KeyBinding] {
        &self.bindings
    }

    pub(crate) fn key_column(&self, column: usize) -> Option<KeyColumn> {
        self.key_columns.get(column).copied().flatten()
    }

    pub(crate) fn with_binding(&self, binding: KeyBinding) -> Self {
        let mut scan = self.clone();
        scan.bindings.push(binding);
        scan
    }

    /// Waits for keys and opens the read that fits what was found.
    async fn read(self, sources: Arc<StatementSources>, batch_rows: usize, keyed: Count) -> Result<BatchStream> {
        let connector = sources.connector(&self.connection);
        let (Some(connector), Some(context)) = (connector, sources.context(&self.connection)) else {
            return Err(DataFusionError::Internal(format!("@{} is not part of the statement", self.connection)));
        };
        let connector = Arc::clone(connector);
        let request = OpenRequest { plan: Arc::clone(&self.plan), keys: None, batch_rows, context };
        let Some(keys) = self.chosen_keys().await? else {
            return open(connector, request).await.map_err(|error| SourceFailure::wrap(&self.connection, error));
        };
        keyed.add(keys.values.num_rows());
        let reads: Vec<OpenRequest> = chunks(&keys, self.keys_per_query)
            .into_iter()
            .map(|keys| OpenRequest { keys: Some(keys), ..request.clone() })
            .collect();
        let batches = stream::iter(reads).then(move |request| open(Arc::clone(&connector), request)).try_flatten();
        Ok(Box::pin(batches))
    }

    /// The smallest set of keys that arrived and pays, or none: then everything is read.
    async fn chosen_keys(&self) -> Result<Option<Keys>> {
        let mut chosen: Option<Keys> = None;
        for binding in &self.bindings {
            let Some(found) = binding.slot.wait().await else { continue };
            if found.num_rows() > binding.limit {
                continue;
            }
            let types: Vec<_> = binding.columns.iter().map(|c| self.schema.field(*c).data_type().clone()).collect();
            let Some(values) = binding.slot.project(&found, &binding.slot_columns, &types)? else { continue };
            if chosen.as_ref().is_none_or(|best| values.num_rows() < best.values.num_rows()) {
                chosen = Some(Keys { columns: binding.columns.clone(), values, nulls: binding.slot.wants_nulls() });
            }
        }
        Ok(chosen)
    }
}

/// Opens a read; a connection that was lost before the first row is tried once more.
async fn open(connector: Arc<dyn Connector>, request: OpenRequest) -> junto_connector::Result<BatchStream> {
    match connector.open(request.clone()).await {
        Err(junto_connector::Error::ConnectionLost { reason }) => {
            tracing::debug!(reason, "connection lost before the first row, trying once more");
            connector.open(request).await
        }
        result => result,
    }
}

fn chunks(keys: &Keys, size: usize) -> Vec<Keys> {
    let rows = keys.values.num_rows();
    let chunk = |start: usize| Keys {
        columns: keys.columns.clone(),
        values: keys.values.slice(start, size.min(rows - start)),
        // NULLs are asked for once.
        nulls: keys.nulls && start == 0,
    };
    if rows == 0 && keys.nulls {
        return vec![keys.clone()];
    }
    (0..rows).step_by(size.max(1)).map(chunk).collect()
}

impl DisplayAs for RemoteScanExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables: Vec<String> = self.plan.root.tables().iter().map(ToString::to_string).collect();
        write!(f, "RemoteScanExec: @{} {}", self.connection, tables.join(", "))?;
        if !self.bindings.is_empty() {
            let columns = self.bindings.iter().map(|binding| {
                binding.columns.iter().map(|c| self.schema.field(*c).name().as_str()).collect::<Vec<_>>().join("+")
            });
            write!(f, ", keys={}", columns.collect::<Vec<_>>().join(" | "))?;
        }
        Ok(())
    }
}

impl ExecutionPlan for RemoteScanExec {
    fn name(&self) -> &'static str {
        "RemoteScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
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

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        let mut scan = (*self).clone();
        scan.bindings.clear();
        scan.metrics = ExecutionPlanMetricsSet::new();
        Ok(Arc::new(scan))
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], _args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema);
        if let Some(rows) = self.rows {
            // Never exact: an exact count would replace the answer of count(*).
            statistics.num_rows = Precision::Inexact(rows.max(1.0) as usize);
        }
        Ok(Arc::new(statistics))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, task: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let sources = StatementSources::of(&task)?;
        let batch_rows = task.session_config().batch_size();
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let keyed = MetricBuilder::new(&self.metrics).counter("keys", partition);
        let schema = Arc::clone(&self.schema);
        let connection = self.connection.clone();
        let batches = stream::once(self.clone().read(sources, batch_rows, keyed))
            .map_ok(move |batches| in_schema(batches, Arc::clone(&schema), connection.clone()))
            .try_flatten()
            .inspect_ok(move |batch| baseline.record_output(batch.num_rows()));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }
}

/// The source's batches under the plan's field names, types checked.
fn in_schema(
    batches: BatchStream,
    schema: SchemaRef,
    connection: Alias,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    batches.map(move |batch| {
        let batch = batch.map_err(|error| SourceFailure::wrap(&connection, error))?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = batch.columns().to_vec();
        RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options).map_err(|cause| {
            let what = format!("the source delivered other columns than planned: {cause}");
            SourceFailure::wrap(&connection, junto_connector::Error::internal(what))
        })
    })
}
