//! How a statement runs: a tree of operators with places, the SQL sent, estimates and actual figures.

use std::fmt;
use std::sync::Arc;

use datafusion::physical_expr_common::metrics::{MetricValue, MetricsSet};
use datafusion::physical_plan::{ExecutionPlan, displayable};
use junto_connector::SourceMetrics;
use junto_federation::keys::KeyTapExec;
use junto_federation::{
    Alternative, MaterializeExec, MeasuredExec, Operator, ReadAheadExec, RemoteScanExec, SharedScanExec,
    StatementSources,
};
use junto_types::Alias;
use serde::Serialize;

use crate::compile::Compiled;
use crate::settings::Strategy;

/// A plan for people ([`fmt::Display`]) and programs ([`Serialize`]).
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    pub strategy: Strategy,
    pub reason: String,
    /// The ways that were considered: estimated milliseconds, or why it is not possible.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<String>,
    /// What the sources said of how many rows to expect, and of how they were read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    pub root: PlanNode,
}

/// One operator.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PlanNode {
    /// What it does, in a line.
    pub operator: String,
    /// Alias of the connection it runs on; none for Junto itself.
    pub connection: Option<String>,
    /// The text sent, made by the function that sends it.
    pub sql: Option<String>,
    /// Columns whose values come as keys from another side of a join.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// What stayed local, with the reason: conditions and operators above a read, or the operator itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept_local: Vec<String>,
    /// Rows that leave it; of a read, without keys.
    pub estimated_rows: Option<u64>,
    pub actual_rows: Option<u64>,
    /// Of these rows.
    pub estimated_bytes: Option<u64>,
    /// Of a read, as they came from the source.
    pub actual_bytes: Option<u64>,
    /// Queries sent: one for each part, or list of keys.
    pub actual_queries: Option<u64>,
    /// Keys that really arrived.
    pub actual_keys: Option<u64>,
    /// Conditions that other joins put on the rows: their keys, when these are few, or the bounds of them.
    pub actual_conditions: Option<u64>,
    /// Parts of its rows that are computed at the same time; none for a statement that is sent as it is.
    pub partitions: Option<u64>,
    /// Connections that may read at once, and those that did.
    pub planned_connections: Option<u64>,
    pub actual_connections: Option<u64>,
    /// Until the first row arrived, in milliseconds.
    pub first_row_ms: Option<f64>,
    pub elapsed_ms: Option<f64>,
    pub children: Vec<PlanNode>,
}

impl Default for Explanation {
    fn default() -> Self {
        Self {
            strategy: Strategy::Native,
            reason: String::new(),
            alternatives: Vec::new(),
            notes: Vec::new(),
            root: PlanNode::default(),
        }
    }
}

impl Explanation {
    pub(crate) fn native(alias: &Alias, sql: &str) -> Self {
        let root = PlanNode {
            operator: "statement of the user".into(),
            connection: Some(alias.to_string()),
            sql: Some(sql.trim().to_owned()),
            ..PlanNode::default()
        };
        let reason = format!("the statement names no connection and goes to @{alias} as it is");
        Self { strategy: Strategy::Native, reason, alternatives: Vec::new(), notes: Vec::new(), root }
    }

    /// `ran`: the plan with its actual figures, if it ran.
    pub(crate) fn federated(compiled: &Compiled, ran: Option<&Arc<dyn ExecutionPlan>>, reason: &str) -> Self {
        // Estimates are no reason to show nothing.
        let known = compiled.local.of(&compiled.plan).unwrap_or_default();
        let root = node(ran.unwrap_or(&compiled.plan), known, &compiled.sources, ran.is_some());
        let of_source = |(alias, metrics): (&Alias, &Arc<SourceMetrics>)| {
            metrics.notes().into_iter().map(|note| format!("@{alias}: {note}")).collect::<Vec<_>>()
        };
        let mut notes: Vec<String> = compiled.sources.metrics().flat_map(of_source).collect();
        notes.sort();
        notes.splice(0..0, compiled.notes.iter().cloned());
        let alternatives = compiled.alternatives.iter().map(alternative).collect();
        Self { strategy: compiled.strategy, reason: reason.to_owned(), alternatives, notes, root }
    }
}

fn alternative(of: &Alternative) -> String {
    match (of.estimated_ms, &of.refused) {
        (Some(ms), _) => format!("{}: estimated {ms:.1} ms", of.strategy),
        (None, Some(reason)) => format!("{}: {reason}", of.strategy),
        (None, None) => format!("{}: not possible", of.strategy),
    }
}

fn node(plan: &Arc<dyn ExecutionPlan>, known: Operator, sources: &StatementSources, analyzed: bool) -> PlanNode {
    let measured = plan.downcast_ref::<MeasuredExec>();
    let plan = measured.map_or(plan, MeasuredExec::input);
    let metrics = analyzed.then(|| plan.metrics()).flatten();
    let mut node = PlanNode {
        operator: displayable(plan.as_ref()).one_line().to_string().trim().to_owned(),
        actual_rows: metrics.as_ref().and_then(MetricsSet::output_rows).map(|rows| rows as u64),
        elapsed_ms: metrics.as_ref().and_then(MetricsSet::elapsed_compute).map(|nanos| nanos as f64 / 1e6),
        estimated_rows: known.rows.map(|rows| rows.round() as u64),
        estimated_bytes: known.bytes.map(|bytes| bytes.round() as u64),
        actual_bytes: measured.map(MeasuredExec::bytes),
        kept_local: known.kept_local,
        partitions: Some(plan.properties().output_partitioning().partition_count() as u64),
        children: plan
            .children()
            .into_iter()
            .zip(known.children.into_iter().chain(std::iter::repeat_with(Operator::default)))
            .map(|(child, known)| self::node(child, known, sources, analyzed))
            .collect(),
        ..PlanNode::default()
    };
    if plan.is::<KeyTapExec>() || plan.is::<ReadAheadExec>() {
        // They count nothing and hand everything on.
        node.actual_rows = node.children.first().and_then(|input| input.actual_rows);
    }
    let materialized = plan.downcast_ref::<MaterializeExec>();
    let shared = plan.downcast_ref::<SharedScanExec>();
    let read = plan.downcast_ref::<RemoteScanExec>().or(materialized.map(MaterializeExec::scan));
    let Some(scan) = read.or(shared.map(SharedScanExec::scan)) else { return node };
    let word = if shared.is_some() { "Read once for all" } else { "Read" };
    node.operator = format!("{word} {}", scan.plan().table_names());
    node.connection = Some(scan.connection().to_string());
    node.planned_connections = Some(scan.most_workers() as u64);
    let figure = |name: &str| metrics.as_ref().and_then(|m| m.sum_by_name(name)).map(|value| value.as_usize() as u64);
    node.actual_connections = figure("connections").filter(|count| *count > 0);
    // Of the connection that was first.
    let first = metrics.iter().flat_map(|metrics| metrics.iter().map(|metric| metric.value()));
    let first = first.filter(|value| value.name() == "time_to_first_row").map(MetricValue::as_usize);
    node.first_row_ms = first.filter(|nanos| *nanos > 0).min().map(|nanos| nanos as f64 / 1e6);
    let sent = scan.sent().filter(|_| analyzed);
    node.actual_bytes = sent.map(SourceMetrics::bytes);
    node.actual_queries = sent.map(SourceMetrics::queries);
    let columns = scan.plan().root.columns();
    let name = |index: &usize| columns.get(*index).map_or_else(String::new, |column| column.name.clone());
    let keys: Vec<usize> = scan.bindings().iter().flat_map(|binding| binding.columns.clone()).collect();
    node.keys = keys.iter().map(name).collect();
    node.actual_keys = figure("keys").filter(|keys| *keys > 0);
    node.actual_conditions = figure("conditions").filter(|count| *count > 0);
    let first = scan.bindings().first().map(|binding| binding.columns.as_slice());
    if let Some(connector) = sources.connector(scan.connection()) {
        node.sql = match connector.remote_text(scan.plan(), first) {
            Ok(text) => Some(text),
            Err(error) => Some(format!("({error})")),
        };
    }
    node
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "strategy: {} ({})", self.strategy.name(), self.reason)?;
        self.alternatives.iter().try_for_each(|way| writeln!(f, "considered: {way}"))?;
        write_node(&self.root, f, 0)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

fn write_node(node: &PlanNode, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    write!(f, "{indent}")?;
    if let Some(connection) = &node.connection {
        write!(f, "@{connection}: ")?;
    }
    write!(f, "{}", node.operator)?;
    let figures = figures(node);
    if !figures.is_empty() {
        write!(f, "  [{}]", figures.join(", "))?;
    }
    writeln!(f)?;
    if !node.keys.is_empty() {
        writeln!(f, "{indent}  keys arrive for: {}", node.keys.join(", "))?;
    }
    if let Some(sql) = &node.sql {
        writeln!(f, "{indent}  sql: {sql}")?;
    }
    for reason in &node.kept_local {
        writeln!(f, "{indent}  kept local: {reason}")?;
    }
    for child in &node.children {
        write_node(child, f, depth + 1)?;
    }
    Ok(())
}

fn figures(node: &PlanNode) -> Vec<String> {
    let mut figures = Vec::new();
    let of_keys = if node.keys.is_empty() { "" } else { " without keys" };
    figures.extend(node.estimated_rows.map(|rows| format!("estimated rows {rows}{of_keys}")));
    figures.extend(node.actual_rows.map(|rows| format!("rows {rows}")));
    figures.extend(node.estimated_bytes.map(|bytes| format!("estimated bytes {bytes}")));
    figures.extend(node.actual_bytes.map(|bytes| format!("bytes {bytes}")));
    figures.extend(node.actual_queries.map(|queries| format!("queries {queries}")));
    let connections = match (node.actual_connections, node.planned_connections) {
        (Some(count), _) => Some(format!("connections {count}")),
        (None, Some(most)) if most > 1 && node.actual_rows.is_none() => Some(format!("connections up to {most}")),
        (None, _) => None,
    };
    figures.extend(connections);
    figures.extend(node.first_row_ms.map(|ms| format!("first row after {ms:.1} ms")));
    figures.extend(node.actual_keys.map(|keys| format!("keys {keys}")));
    figures.extend(node.actual_conditions.map(|count| format!("conditions of joins {count}")));
    figures.extend(node.elapsed_ms.map(|ms| format!("{ms:.1} ms")));
    figures
}
