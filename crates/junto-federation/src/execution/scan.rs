//! The physical leaf that reads one remote plan, whole or by keys, over one connection or several.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Statistics};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Expr as LogicalExpr;
use datafusion::logical_expr::physical_planning_context::{
    PhysicalPlanningContext, ScalarSubqueryResults, SubqueryIndex,
};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
    StatisticsArgs,
};
use futures::{StreamExt, TryStreamExt, stream};
use junto_connector::{
    BatchStream, ColumnStatistics, Connector, Error, Expr, Keys, Literal, OpenRequest, Prefer, Relation, RemotePlan,
    SourceMetrics, StatementContext, Support, Workers, check_plan,
};
use junto_types::Alias;

use super::condition::Condition;
use super::shared::SharedRead;
use super::{SourceFailure, StatementSources};
use crate::cardinality::key_figures;
use crate::cost;
use crate::keys::{Arrived, KeySlot};
use crate::node::{Origin, RemoteNode};
use crate::statistics::column_statistics;
use crate::translate::literal;

/// Reads a [`RemotePlan`]. Serialisable but for its key slots, which belong to one run of one plan.
#[derive(Debug, Clone)]
pub struct RemoteScanExec {
    connection: Alias,
    plan: Arc<RemotePlan>,
    schema: SchemaRef,
    rows: f64,
    kept_local: Vec<String>,
    prefer: Prefer,
    /// Per output column, what keys on it would do; none where the source takes no keys there.
    key_columns: Vec<Option<KeyColumn>>,
    keys_per_query: usize,
    /// Estimated microseconds that a row costs from its source to here.
    transfer: f64,
    /// And that everything costs.
    full_time: f64,
    /// Looking at all rows is estimated to take its source less time than finding those that come without keys by an index.
    scans_sooner: bool,
    /// Estimated bytes of a value, per output column.
    value_bytes: Vec<f64>,
    /// What the read has cost its source, once it was opened.
    sent: Arc<OnceLock<Arc<SourceMetrics>>>,
    bindings: Vec<KeyBinding>,
    /// Where the values of the plan's parameters will be.
    values: Values,
    workers: Workers,
    read: Arc<SharedRead>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// What is known of a column as a key.
#[derive(Debug, Clone)]
pub struct KeyColumn {
    pub indexed: bool,
    /// Keys up to which reading by keys is taken to be cheaper than reading everything.
    pub limit: usize,
    /// Estimated distinct values.
    pub(crate) distinct: f64,
    pub(crate) statistics: ColumnStatistics,
}

/// Keys of a join that arrive at this scan.
#[derive(Debug, Clone)]
pub struct KeyBinding {
    /// Output columns, one per chosen key column of the slot.
    pub columns: Vec<usize>,
    /// Positions in the slot's keys.
    pub slot_columns: Vec<usize>,
    pub limit: usize,
    /// Estimated distinct values of the column, of which keys arrive for some.
    pub distinct: f64,
    pub slot: Arc<KeySlot>,
}

impl RemoteScanExec {
    /// The scan of a node, by at most `cores` connections at once.
    pub(crate) fn new(node: &RemoteNode, cores: usize, context: &PhysicalPlanningContext) -> Result<Self> {
        let schema = Arc::clone(node.schema.inner());
        let connector = &node.connector;
        let columns = node.plan.root.columns();
        if columns.len() != schema.fields().len() {
            let tables = node.plan.table_names();
            return Err(DataFusionError::Internal(format!("the remote plan of {tables} has other columns")));
        }
        let capabilities = connector.capabilities();
        let key_column = |(column, origin): (&junto_connector::RelationColumn, &Option<Origin>)| {
            let origin = origin.as_ref()?;
            if !connector.accepts_keys(column) {
                return None;
            }
            let (key, limit) = key_figures(node, origin, cores as f64)?;
            let (indexed, distinct) = (key.indexed, key.distinct);
            Some(KeyColumn { indexed, limit: limit as usize, distinct, statistics: column_statistics(origin) })
        };
        let (sent, decoded) = cost::transfer_of(node);
        let most = if cost::can_split(node) { cores.max(1) } else { 1 };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(most),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self {
            connection: node.connection.clone(),
            plan: Arc::new(node.plan.clone()),
            schema,
            rows: node.work.rows,
            kept_local: node.kept_local.clone(),
            prefer: node.prefer,
            key_columns: columns.iter().zip(&node.origin).map(key_column).collect(),
            keys_per_query: capabilities.keys.as_ref().map_or(0, |keys| keys.max_per_query),
            transfer: sent + decoded,
            full_time: cost::read(node, cores as f64).cpu,
            scans_sooner: cost::scans_sooner(node),
            value_bytes: cost::column_bytes(node),
            sent: Arc::default(),
            bindings: Vec::new(),
            values: Values::of(&node.parameters, context)?,
            workers: Workers { most, groups_in_parts: node.partial_groups },
            read: Arc::default(),
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

    /// What counts for the connection read from.
    pub(super) fn prefer(&self) -> Prefer {
        self.prefer
    }

    /// Whether every row of a table comes, and nothing else.
    pub(crate) fn reads_a_whole_table(&self) -> bool {
        self.bindings.is_empty() && matches!(self.plan.root, Relation::Scan { .. })
    }

    /// Whether both bring the same rows, whatever their columns are called here.
    pub(super) fn reads_the_same_as(&self, other: &Self) -> bool {
        self.connection == other.connection
            && self.workers == other.workers
            && self.plan == other.plan
            && self.values == other.values
            && self.schema.fields().len() == other.schema.fields().len()
    }

    /// The plan with the values that are known by now.
    pub(super) fn known_plan(&self, connector: &dyn Connector) -> Result<Arc<RemotePlan>> {
        if !self.plan.has_parameters() {
            return Ok(Arc::clone(&self.plan));
        }
        let known = self.values.known()?;
        let plan = self.plan.as_ref().clone().with_values(|index, data_type| {
            known.get(index).cloned().unwrap_or_else(|| Literal::Null(data_type.clone()))
        });
        // What the source was asked about was some value of the type.
        let promised = check_plan(connector, &self.plan).unwrap_or(Support::Exact);
        let refusal = match check_plan(connector, &plan) {
            Ok(support) if support >= promised => return Ok(Arc::new(plan)),
            Ok(_) => Error::Unsupported { driver: connector.driver(), what: "an exact comparison with a value".into() },
            Err(error) => error,
        };
        Err(SourceFailure::wrap(&self.connection, refusal))
    }

    pub(super) fn baseline(&self, partition: usize) -> BaselineMetrics {
        BaselineMetrics::new(&self.metrics, partition)
    }

    /// Estimated rows without keys.
    pub fn estimated_rows(&self) -> f64 {
        self.rows
    }

    /// Estimated bytes of a value, per output column.
    pub(crate) fn value_bytes(&self) -> &[f64] {
        &self.value_bytes
    }

    /// Queries sent and bytes received, once the read was opened.
    pub fn sent(&self) -> Option<&SourceMetrics> {
        self.sent.get().map(Arc::as_ref)
    }

    /// What the connector is told of the statement: this read is counted by itself too.
    pub(super) fn context(&self, sources: &StatementSources) -> Option<StatementContext> {
        let context = sources.context(&self.connection)?;
        let metrics = self.sent.get_or_init(|| Arc::new(SourceMetrics::part_of(context.metrics)));
        Some(StatementContext { metrics: Arc::clone(metrics), ..context })
    }

    /// Predicates that were not pushed down, each with its reason.
    pub fn kept_local(&self) -> &[String] {
        &self.kept_local
    }

    /// Keys that will arrive.
    pub fn bindings(&self) -> &[KeyBinding] {
        &self.bindings
    }

    pub(crate) fn key_column(&self, column: usize) -> Option<&KeyColumn> {
        self.key_columns.get(column)?.as_ref()
    }

    pub(crate) fn with_bindings(&self, bindings: Vec<KeyBinding>) -> Self {
        let mut scan = self.clone();
        scan.bindings.extend(bindings);
        scan.read = Arc::default();
        scan.sent = Arc::default();
        scan
    }

    /// Connections that may read at once.
    pub fn most_workers(&self) -> usize {
        self.workers.most
    }

    /// Waits for keys and opens the read that fits what was found.
    async fn open(
        self,
        sources: Arc<StatementSources>,
        batch_rows: usize,
        figures: Figures,
    ) -> Result<Vec<BatchStream>> {
        let connector = sources.connector(&self.connection);
        let (Some(connector), Some(context)) = (connector, self.context(&sources)) else {
            return Err(DataFusionError::Internal(format!("@{} is not part of the statement", self.connection)));
        };
        let connector = Arc::clone(connector);
        let arrived = futures::future::join_all(self.bindings.iter().map(|binding| binding.slot.wait())).await;
        let (mut keys, chosen) = self.chosen_keys(&arrived)?.unzip();
        if let Some(keys) = &keys {
            figures.keys.add(keys.values.num_rows());
            if keys.values.num_rows() == 0 && !keys.nulls {
                return Ok(Vec::new());
            }
        }
        let others = self.bindings.iter().zip(&arrived).enumerate().filter(|(index, _)| chosen != Some(*index));
        let others = others.map(|(_, (binding, arrived))| (binding, arrived));
        let (mut plan, conditions) = self.restricted(connector.as_ref(), others)?;
        figures.conditions.add(conditions);
        let chosen = chosen.and_then(|chosen| self.bindings.get(chosen).zip(arrived.get(chosen)));
        if let Some((binding, arrived)) = chosen.filter(|(binding, _)| self.may_be_listed(binding))
            && let Some(listed) = self.listed(connector.as_ref(), &plan, binding, arrived)?
        {
            (plan, keys) = (listed, None);
        }
        let request = OpenRequest { plan, keys, batch_rows, context };
        let streams = if self.workers.most > 1 {
            open_parallel(connector, request, self.workers).await
        } else {
            in_turn(connector, request, self.keys_per_query).await.map(|stream| vec![stream])
        };
        let streams = streams.map_err(|error| SourceFailure::wrap(&self.connection, error))?;
        figures.connections.add(streams.len());
        Ok(streams)
    }

    /// The set of keys that arrived with which the read is estimated to be the fastest, with the position of its binding, or
    /// none: then everything is read.
    fn chosen_keys(&self, arrived: &[Arrived]) -> Result<Option<(Keys, usize)>> {
        let mut chosen: Option<(Keys, usize)> = None;
        let mut least = f64::INFINITY;
        for (index, (binding, arrived)) in self.bindings.iter().zip(arrived).enumerate() {
            let Some(found) = arrived.keys.as_ref().filter(|found| found.num_rows() <= binding.limit) else { continue };
            let types: Vec<_> = binding.columns.iter().map(|c| self.schema.field(*c).data_type().clone()).collect();
            let Some(values) = binding.slot.project(found, &binding.slot_columns, &types)? else { continue };
            let time = self.keyed_time(binding, values.num_rows() as f64);
            if time < least {
                least = time;
                let columns = binding.columns.clone();
                chosen = Some((Keys { columns, values, nulls: binding.slot.wants_nulls() }, index));
            }
        }
        Ok(chosen)
    }

    /// Estimated microseconds of a read by so many keys.
    fn keyed_time(&self, binding: &KeyBinding, keys: f64) -> f64 {
        if self.finds(binding) {
            // As long as reading everything, by as many keys as the limit.
            return self.full_time * keys / (binding.limit.max(1) as f64 + 1.0);
        }
        let kept = (keys / binding.distinct.max(1.0)).min(1.0);
        self.full_time - self.rows * self.transfer * (1.0 - kept)
    }

    /// Whether keys are better said as a condition: without an index each list of keys is looked for in the whole table,
    /// which several connections can read in parts.
    fn may_be_listed(&self, binding: &KeyBinding) -> bool {
        self.workers.most > 1 && !self.finds(binding)
    }

    /// Whether an index finds the rows of keys.
    fn finds(&self, binding: &KeyBinding) -> bool {
        binding.columns.iter().all(|column| self.key_column(*column).is_some_and(|key| key.indexed))
    }

    /// The plan with what other joins know of its rows as conditions, and their number.
    fn restricted<'a>(
        &self,
        connector: &dyn Connector,
        others: impl Iterator<Item = (&'a KeyBinding, &'a Arrived)>,
    ) -> Result<(Arc<RemotePlan>, usize)> {
        let costs = &connector.capabilities().costs;
        let mut plan = self.known_plan(connector)?;
        let mut conditions = 0;
        for (binding, arrived) in others {
            let Some((column, condition)) = self.condition(binding, arrived)? else { continue };
            if condition.pays(self.transfer, costs)
                && let Some(restricted) = with_condition(connector, &plan, column, |at| condition.over(at))
            {
                plan = restricted;
                conditions += 1;
            }
        }
        Ok((plan, conditions))
    }

    /// The plan with the keys of one binding as a list; none where they are too many, or the source does not take it. A join
    /// in the source should begin with the rows of a list that leaves out most, where all rows are looked at sooner than an
    /// index would lead to them.
    fn listed(
        &self,
        connector: &dyn Connector,
        plan: &RemotePlan,
        binding: &KeyBinding,
        arrived: &Arrived,
    ) -> Result<Option<Arc<RemotePlan>>> {
        let found = self.condition(binding, arrived)?.filter(|(_, condition)| condition.is_list());
        let Some((column, condition)) = found else { return Ok(None) };
        let stated = |at| condition.over(at);
        let hinted = if self.scans_sooner && condition.is_rare() {
            with_condition(connector, plan, column, |at| Expr::rare(stated(at)))
        } else {
            None
        };
        Ok(hinted.or_else(|| with_condition(connector, plan, column, stated)))
    }

    /// What the keys of one binding say of one column, and which; none where they say nothing.
    fn condition(&self, binding: &KeyBinding, arrived: &Arrived) -> Result<Option<(usize, Condition)>> {
        let (&[column], &[of_slot]) = (binding.columns.as_slice(), binding.slot_columns.as_slice()) else {
            return Ok(None);
        };
        let Some(key) = self.key_column(column).filter(|_| !binding.slot.wants_nulls()) else { return Ok(None) };
        let data_type = self.schema.field(column).data_type();
        let condition = Condition::of(binding, arrived, of_slot, data_type, key)?;
        Ok(condition.map(|condition| (column, condition)))
    }
}

/// The plan with a condition on one of its columns; none where the source does not take it.
fn with_condition(
    connector: &dyn Connector,
    plan: &RemotePlan,
    column: usize,
    stated: impl Fn(usize) -> Expr,
) -> Option<Arc<RemotePlan>> {
    let support = connector.supports(&stated(column), &plan.root.columns());
    (support != Support::Unsupported).then(|| {
        let root = plan.root.clone().restricted(column, stated);
        Arc::new(RemotePlan { root })
    })
}

/// The places of a plan's parameters among the values of subqueries that run first.
#[derive(Debug, Clone)]
struct Values {
    places: Vec<SubqueryIndex>,
    results: ScalarSubqueryResults,
}

impl PartialEq for Values {
    /// Reads without parameters are alike, whatever runs before them.
    fn eq(&self, other: &Self) -> bool {
        self.places == other.places && (self.places.is_empty() || self.results == other.results)
    }
}

impl Values {
    fn of(parameters: &[LogicalExpr], context: &PhysicalPlanningContext) -> Result<Self> {
        let place = |expr: &LogicalExpr| match expr {
            LogicalExpr::ScalarSubquery(subquery) => context.index_of(subquery),
            _ => None,
        };
        let places = parameters.iter().map(place).collect::<Option<Vec<_>>>();
        let places = places.ok_or_else(|| DataFusionError::Internal("a subquery that nobody runs".into()))?;
        Ok(Self { places, results: context.results().clone() })
    }

    fn known(&self) -> Result<Vec<Literal>> {
        let value = |place: &SubqueryIndex| {
            let found = self.results.get(*place);
            let found = found.ok_or_else(|| DataFusionError::Internal("a subquery has not run yet".into()))?;
            literal(&found).map_err(DataFusionError::Execution)
        };
        self.places.iter().map(value).collect()
    }
}

/// Figures of one scan for EXPLAIN.
struct Figures {
    keys: Count,
    conditions: Count,
    connections: Count,
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

/// As [`open`], over several connections.
async fn open_parallel(
    connector: Arc<dyn Connector>,
    request: OpenRequest,
    workers: Workers,
) -> junto_connector::Result<Vec<BatchStream>> {
    match connector.open_parallel(request.clone(), workers).await {
        Err(junto_connector::Error::ConnectionLost { reason }) => {
            tracing::debug!(reason, "connection lost before the first row, trying once more");
            connector.open_parallel(request, workers).await
        }
        result => result,
    }
}

/// Over one connection, one list of keys after the other.
async fn in_turn(
    connector: Arc<dyn Connector>,
    request: OpenRequest,
    keys_per_query: usize,
) -> junto_connector::Result<BatchStream> {
    let Some(keys) = &request.keys else { return open(connector, request).await };
    let reads: Vec<OpenRequest> =
        keys.lists(keys_per_query).map(|keys| OpenRequest { keys: Some(keys), ..request.clone() }).collect();
    Ok(Box::pin(stream::iter(reads).then(move |request| open(Arc::clone(&connector), request)).try_flatten()))
}

impl DisplayAs for RemoteScanExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteScanExec: @{} {}", self.connection, self.plan.table_names())?;
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
        scan.read = Arc::default();
        scan.sent = Arc::default();
        scan.metrics = ExecutionPlanMetricsSet::new();
        Ok(Arc::new(scan))
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], _args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema);
        // Never exact: an exact count would replace the answer of count(*).
        statistics.num_rows = Precision::Inexact(self.rows.max(1.0) as usize);
        Ok(Arc::new(statistics))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, task: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let sources = StatementSources::of(&task)?;
        let reads = Arc::clone(&sources.reads);
        let batch_rows = task.session_config().batch_size();
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let figures = Figures {
            keys: MetricBuilder::new(&self.metrics).counter("keys", partition),
            conditions: MetricBuilder::new(&self.metrics).counter("conditions", partition),
            connections: MetricBuilder::new(&self.metrics).counter("connections", partition),
        };
        let first_row = MetricBuilder::new(&self.metrics).subset_time("time_to_first_row", partition);
        let (schema, connection) = (Arc::clone(&self.schema), self.connection.clone());
        let started = Instant::now();
        let mut waiting = true;
        let partitions = self.properties.output_partitioning().partition_count();
        let batches = self
            .read
            .partition(partition, partitions, self.clone().open(sources, batch_rows, figures))
            .map(move |batch| in_schema(batch?, &schema, &connection))
            .inspect_ok(move |batch| {
                if std::mem::take(&mut waiting) {
                    first_row.add_duration(started.elapsed());
                }
                baseline.record_output(batch.num_rows());
            });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), reads.count(Box::pin(batches)))))
    }
}

/// The source's batch under the plan's field names, types checked.
pub(super) fn in_schema(
    batch: junto_connector::Result<RecordBatch>,
    schema: &SchemaRef,
    connection: &Alias,
) -> Result<RecordBatch> {
    let batch = batch.map_err(|error| SourceFailure::wrap(connection, error))?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options).map_err(|cause| {
        let what = format!("the source delivered other columns than planned: {cause}");
        SourceFailure::wrap(connection, junto_connector::Error::internal(what))
    })
}
