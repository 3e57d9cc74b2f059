//! Lets each remote scan absorb the operators above it that its source computes exactly.
//!
//! ```text
//! Projection: a                          Remote: Project [a] (Filter b = 1 (Scan a, b, c))
//!   Filter: b = 1 AND f(c)      =>         with `Filter: f(c)` kept above when the source has no exact f
//!     TableScan: @x.t [a, b, c]
//! ```

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Expr, Extension, FetchType, Filter, Limit, LogicalPlan, Projection, SkipType, Sort, TableScan,
};
use junto_connector::capabilities::TextComparison;
use junto_connector::plan::{Output, SortKey};
use junto_connector::{Expr as RemoteExpr, Relation, RelationColumn, RemotePlan, Support, TextSemantics, TypeClass};

use crate::node::RemoteNode;
use crate::source::RemoteTableSource;
use crate::statistics;
use crate::translate::translate;

/// Rewrites `plan`, subqueries included, bottom-up. Its schema does not change.
pub(crate) fn push_down(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(absorb).map(|transformed| transformed.data)
}

/// Only turns table scans into remote scans: the plan that pushes nothing, for comparison.
pub(crate) fn scans_only(plan: LogicalPlan) -> Result<LogicalPlan> {
    let whole = |plan: LogicalPlan| match &plan {
        LogicalPlan::TableScan(scan) => Ok(absorb_scan(scan).map_or_else(|| Transformed::no(plan), Transformed::yes)),
        _ => Ok(Transformed::no(plan)),
    };
    plan.transform_up_with_subqueries(whole).map(|transformed| transformed.data)
}

fn absorb(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let absorbed = match &plan {
        LogicalPlan::TableScan(scan) => absorb_scan(scan),
        LogicalPlan::Filter(filter) => absorb_filter(filter)?,
        LogicalPlan::Projection(projection) => absorb_projection(projection)?,
        LogicalPlan::Limit(limit) => absorb_limit(limit)?,
        LogicalPlan::Sort(sort) => absorb_top(sort)?,
        _ => None,
    };
    Ok(absorbed.map_or_else(|| Transformed::no(plan), Transformed::yes))
}

fn remote(plan: &LogicalPlan) -> Option<&RemoteNode> {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
        _ => None,
    }
}

fn extension(node: RemoteNode) -> LogicalPlan {
    LogicalPlan::Extension(Extension { node: Arc::new(node) })
}

fn absorb_scan(scan: &TableScan) -> Option<LogicalPlan> {
    let table = Arc::clone(&scan.source.downcast_ref::<RemoteTableSource>()?.table);
    let origin: Vec<usize> = match &scan.projection {
        Some(projection) => projection.clone(),
        None => (0..table.info.columns.len()).collect(),
    };
    let columns = origin.iter().map(|index| table.scan_column(*index)).collect();
    let mut root = Relation::Scan { table: table.info.name.clone(), columns };
    if let (Some(fetch), true, true) = (scan.fetch, scan.filters.is_empty(), table.connector.capabilities().limit) {
        root = Relation::Limit { input: Box::new(root), skip: 0, fetch: Some(fetch as u64) };
    }
    let rows = table.rows().map(|rows| scan.fetch.map_or(rows, |fetch| rows.min(fetch as u64)) as f64);
    Some(extension(RemoteNode {
        plan: RemotePlan { root },
        schema: Arc::clone(&scan.projected_schema),
        rows,
        origin: origin.into_iter().map(Some).collect(),
        kept_local: Vec::new(),
        table,
    }))
}

fn absorb_filter(filter: &Filter) -> Result<Option<LogicalPlan>> {
    let Some(node) = remote(&filter.input) else { return Ok(None) };
    if !node.table.connector.capabilities().filter {
        return Ok(None);
    }
    let columns = node.plan.root.columns();
    let mut node = node.clone();
    let (mut pushed, mut kept) = (Vec::new(), Vec::new());
    for predicate in split_conjunction(&filter.predicate) {
        let translated = translate(predicate, &node.schema);
        let support = match &translated {
            Ok(expr) => node.table.connector.supports(expr, &columns),
            Err(_) => Support::Unsupported,
        };
        match (support, translated) {
            (Support::Exact, Ok(expr)) => pushed.push(expr),
            (Support::Superset, Ok(expr)) => {
                pushed.push(expr);
                kept.push(predicate.clone());
                node.kept_local.push(format!("{predicate}: checked again, the source compares more loosely"));
            }
            (_, translated) => {
                let reason = translated.err().unwrap_or_else(|| "the source has no exact equivalent".into());
                node.kept_local.push(format!("{predicate}: {reason}"));
                kept.push(predicate.clone());
            }
        }
    }
    if pushed.is_empty() {
        let input = Arc::new(extension(node));
        return Ok(Some(LogicalPlan::Filter(Filter::try_new(filter.predicate.clone(), input)?)));
    }
    let predicate = RemoteExpr::and(pushed);
    let selectivity = statistics::selectivity(&predicate, &node.table, &node.origin);
    node.rows = node.rows.map(|rows| rows * selectivity);
    node.plan = RemotePlan { root: Relation::Filter { input: Box::new(node.plan.root), predicate } };
    let scan = extension(node);
    Ok(Some(match conjunction(kept) {
        Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(scan))?),
        None => scan,
    }))
}

fn absorb_projection(projection: &Projection) -> Result<Option<LogicalPlan>> {
    let Some(node) = remote(&projection.input) else { return Ok(None) };
    let plain = projection.expr.iter().map(|expr| plain_column(expr, &node.schema)).collect::<Option<Vec<usize>>>();
    if let Some(positions) = plain {
        return Ok(Some(extension(narrowed(node, &positions, Arc::clone(&projection.schema)))));
    }
    // Computed locally; columns that only pushed-down predicates used need not travel.
    let mut used: Vec<usize> = Vec::new();
    for expr in &projection.expr {
        for column in expr.column_refs() {
            let Some(position) = node.schema.maybe_index_of_column(column) else { return Ok(None) };
            used.push(position);
        }
        if contains_subquery(expr)? {
            return Ok(None);
        }
    }
    used.sort_unstable();
    used.dedup();
    if used.len() == node.schema.fields().len() {
        return Ok(None);
    }
    let kept = used.iter().map(|position| {
        let (qualifier, field) = node.schema.qualified_field(*position);
        (qualifier.cloned(), Arc::clone(field))
    });
    let schema = DFSchema::new_with_metadata(kept.collect(), node.schema.metadata().clone())?;
    let input = extension(narrowed(node, &used, Arc::new(schema)));
    let schema = Arc::clone(&projection.schema);
    let projection = Projection::try_new_with_schema(projection.expr.clone(), Arc::new(input), schema)?;
    Ok(Some(LogicalPlan::Projection(projection)))
}

fn contains_subquery(expr: &Expr) -> Result<bool> {
    expr.exists(|inner| Ok(matches!(inner, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_))))
}

fn plain_column(expr: &Expr, schema: &DFSchema) -> Option<usize> {
    match expr {
        Expr::Column(column) => schema.maybe_index_of_column(column),
        Expr::Alias(alias) => plain_column(&alias.expr, schema),
        _ => None,
    }
}

/// `node` with only the columns at `positions`, in that order, under `schema`.
fn narrowed(node: &RemoteNode, positions: &[usize], schema: Arc<DFSchema>) -> RemoteNode {
    let mut node = node.clone();
    node.origin = positions.iter().map(|position| node.origin[*position]).collect();
    node.plan.root = match node.plan.root {
        Relation::Scan { table, columns } => {
            Relation::Scan { table, columns: positions.iter().map(|position| columns[*position].clone()).collect() }
        }
        root => {
            let columns = root.columns();
            let output = |position: &usize| Output {
                name: columns[*position].name.clone(),
                expr: RemoteExpr::Column(*position),
                data_type: columns[*position].data_type.clone(),
                nullable: columns[*position].nullable,
            };
            Relation::Project { outputs: positions.iter().map(output).collect(), input: Box::new(root) }
        }
    };
    node.schema = schema;
    node
}

/// A limit goes to the source with the rows to skip added, and stays above as well.
fn absorb_limit(limit: &Limit) -> Result<Option<LogicalPlan>> {
    let Some(node) = remote(&limit.input) else { return Ok(None) };
    let (SkipType::Literal(skip), FetchType::Literal(Some(fetch))) = (limit.get_skip_type()?, limit.get_fetch_type()?)
    else {
        return Ok(None);
    };
    if !node.table.connector.capabilities().limit || matches!(node.plan.root, Relation::Limit { .. }) {
        return Ok(None);
    }
    let Some(rows) = skip.checked_add(fetch) else { return Ok(None) };
    let mut node = node.clone();
    node.rows = Some(node.rows.map_or(rows as f64, |estimate| estimate.min(rows as f64)));
    node.plan.root = Relation::Limit { input: Box::new(node.plan.root), skip: 0, fetch: Some(rows as u64) };
    Ok(Some(LogicalPlan::Limit(Limit { input: Arc::new(extension(node)), ..limit.clone() })))
}

/// The first rows by an order the source has exactly; the local sort stays and orders few rows.
fn absorb_top(sort: &Sort) -> Result<Option<LogicalPlan>> {
    let (Some(node), Some(fetch)) = (remote(&sort.input), sort.fetch) else { return Ok(None) };
    let capabilities = node.table.connector.capabilities();
    if !capabilities.sort || !capabilities.limit || matches!(node.plan.root, Relation::Sort { .. }) {
        return Ok(None);
    }
    let columns = node.plan.root.columns();
    let mut keys = Vec::with_capacity(sort.expr.len());
    for key in &sort.expr {
        let Expr::Column(Column { .. }) = &key.expr else { return Ok(None) };
        let Some(position) = plain_column(&key.expr, &node.schema) else { return Ok(None) };
        if !orders_exactly(&columns[position], capabilities.text) {
            return Ok(None);
        }
        keys.push(SortKey { expr: RemoteExpr::Column(position), descending: !key.asc, nulls_first: key.nulls_first });
    }
    let mut node = node.clone();
    node.rows = Some(node.rows.map_or(fetch as f64, |estimate| estimate.min(fetch as f64)));
    node.plan.root = Relation::Sort { input: Box::new(node.plan.root), keys, fetch: Some(fetch as u64) };
    Ok(Some(LogicalPlan::Sort(Sort { input: Arc::new(extension(node)), ..sort.clone() })))
}

fn orders_exactly(column: &RelationColumn, text: TextComparison) -> bool {
    match TypeClass::of(&column.data_type) {
        TypeClass::Int | TypeClass::UInt | TypeClass::Decimal | TypeClass::Date => column.text != TextSemantics::Opaque,
        TypeClass::Timestamp | TypeClass::TimestampUtc | TypeClass::Boolean => column.text != TextSemantics::Opaque,
        TypeClass::Text => match column.text {
            TextSemantics::Binary => true,
            TextSemantics::Opaque => false,
            _ => text == TextComparison::ForcedBinary,
        },
        _ => false,
    }
}
