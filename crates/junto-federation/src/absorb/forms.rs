//! Remote forms of operators: what a source would run, whether or not that pays.
//!
//! Each function gives the node that stands for an operator over a node, or the reason why the source cannot compute it
//! exactly. Whether it is used is decided in [`super`].

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, DFSchemaRef, NullEquality};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, FetchType, Join, JoinType, Limit, LogicalPlan, SkipType, SortExpr, TableScan};
use junto_connector::plan::{JoinKind, Output, SortKey};
use junto_connector::{Expr as RemoteExpr, Relation, RemotePlan, Support, check_plan};

use super::groups;
use crate::cost::{self, Work};
use crate::node::{Origin, RemoteNode};
use crate::source::RemoteTableSource;
use crate::statistics::{self, UNKNOWN_ROWS};
use crate::translate::{Refusal, readable, translate, with_placeholders};

/// A scan of a table, with its limit where the source has one.
pub(crate) fn scan(scan: &TableScan, takes_values: bool) -> Option<RemoteNode> {
    let table = Arc::clone(&scan.source.downcast_ref::<RemoteTableSource>()?.table);
    let columns: Vec<usize> = match &scan.projection {
        Some(projection) => projection.clone(),
        None => (0..table.info.columns.len()).collect(),
    };
    let capabilities = table.connector.capabilities();
    let mut work = Work::of_table(table.rows(), UNKNOWN_ROWS, &capabilities.costs);
    let asked = columns.iter().map(|index| table.scan_column(*index)).collect();
    let mut root = Relation::Scan { table: table.info.name.clone(), columns: asked };
    if let (Some(fetch), true, true) = (scan.fetch, scan.filters.is_empty(), capabilities.limit) {
        root = Relation::Limit { input: Box::new(root), skip: 0, fetch: Some(fetch as u64) };
        work = work.limited(fetch as f64);
    }
    Some(RemoteNode {
        connection: table.connection.clone(),
        connector: Arc::clone(&table.connector),
        prefer: table.prefer,
        plan: RemotePlan { root },
        schema: Arc::clone(&scan.projected_schema),
        origin: columns.into_iter().map(|column| Some(Origin { table: Arc::clone(&table), column })).collect(),
        work,
        kept_local: Vec::new(),
        partial_groups: false,
        filled: Vec::new(),
        takes_values,
        parameters: Vec::new(),
    })
}

/// A condition of a filter, in the source's form.
pub(crate) struct Term {
    pub(crate) expr: RemoteExpr,
    pub(crate) support: Support,
    /// Those of the node, and what this condition adds to them.
    pub(crate) parameters: Vec<Expr>,
}

/// One condition over a node.
pub(crate) fn term(node: &RemoteNode, predicate: &Expr) -> Result<Term, Refusal> {
    if !node.connector.capabilities().filter {
        return Err("the source filters nothing".into());
    }
    let mut parameters = node.parameters.clone();
    let expr = if node.takes_values {
        translate(&with_placeholders(predicate, &mut parameters)?, &node.schema)?
    } else {
        translate(predicate, &node.schema)?
    };
    match node.connector.supports(&expr.sampled(), &node.plan.root.columns()) {
        Support::Unsupported => Err("the source has no exact equivalent".into()),
        support => Ok(Term { expr, support, parameters }),
    }
}

/// The node with conditions that the source computes.
pub(crate) fn filtered(node: &RemoteNode, terms: Vec<RemoteExpr>) -> RemoteNode {
    let mut node = node.clone();
    if terms.is_empty() {
        return node;
    }
    let costs = node.connector.capabilities().costs;
    let types = node.plan.root.types();
    let plain = matches!(&node.plan.root, Relation::Scan { .. })
        || matches!(&node.plan.root, Relation::Filter { input, .. } if matches!(**input, Relation::Scan { .. }));
    let indexed = if plain { statistics::indexed(&terms, &node.origin, &costs) } else { None };
    let per_row = terms.iter().map(|term| cost::condition(term, &types, &costs).0).sum();
    let predicate = RemoteExpr::and(terms);
    let share = statistics::selectivity(&predicate, &node.origin);
    node.work = node.work.filtered(share, indexed, per_row, &costs);
    node.plan = RemotePlan { root: Relation::Filter { input: Box::new(node.plan.root), predicate } };
    node
}

/// All of a filter: every condition must be exact.
pub(super) fn filter(node: &RemoteNode, predicate: &Expr) -> Result<RemoteNode, Refusal> {
    let mut node = node.clone();
    let mut terms = Vec::new();
    for predicate in split_conjunction(predicate) {
        match term(&node, predicate)? {
            Term { expr, support: Support::Exact, parameters } => {
                terms.push(expr);
                node.parameters = parameters;
            }
            _ => return Err(format!("{}: the source compares more loosely", readable(predicate))),
        }
    }
    Ok(filtered(&node, terms))
}

/// The node with only the columns at `positions`, in that order, under `schema`.
pub(super) fn narrowed(node: &RemoteNode, positions: &[usize], schema: DFSchemaRef) -> RemoteNode {
    let mut node = node.clone();
    node.origin = positions.iter().map(|position| node.origin[*position].clone()).collect();
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

/// A projection, computed columns included.
pub(super) fn project(node: &RemoteNode, exprs: &[Expr], schema: DFSchemaRef) -> Result<RemoteNode, Refusal> {
    let plain = exprs.iter().map(|expr| plain_column(expr, &node.schema)).collect::<Option<Vec<usize>>>();
    if let Some(positions) = plain {
        return Ok(narrowed(node, &positions, schema));
    }
    let costs = node.connector.capabilities().costs;
    let types = node.plan.root.types();
    let mut outputs = Vec::with_capacity(exprs.len());
    let mut per_row = 0.0;
    for (expr, field) in exprs.iter().zip(schema.fields()) {
        if matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8)
            && plain_column(expr, &node.schema).is_none()
        {
            return Err(format!("{}: sources deliver text in another type", readable(expr)));
        }
        let translated = translate(expr, &node.schema)?;
        per_row += cost::condition(&translated, &types, &costs).0;
        outputs.push(Output {
            name: field.name().clone(),
            expr: translated,
            data_type: field.data_type().clone(),
            nullable: field.is_nullable(),
        });
    }
    let mut node = node.clone();
    node.origin = exprs
        .iter()
        .map(|expr| plain_column(expr, &node.schema).and_then(|position| node.origin[position].clone()))
        .collect();
    node.work.server += node.work.rows * per_row;
    node.plan.root = Relation::Project { input: Box::new(node.plan.root), outputs };
    node.schema = schema;
    checked(node)
}

/// A join of two nodes of one source. `rows` is the estimate of what comes out.
pub(crate) fn join(left: &RemoteNode, right: &RemoteNode, join: &Join, rows: f64) -> Result<RemoteNode, Refusal> {
    if !left.shares_source_with(right) {
        return Err(format!("@{} and @{} are different databases", left.connection, right.connection));
    }
    if join.null_equality == NullEquality::NullEqualsNull || join.null_aware {
        return Err("a join in which NULL matches NULL runs locally".into());
    }
    // The remote form has no semi-join that keeps the right side.
    let (left, right, kind, swapped) = match join.join_type {
        JoinType::Inner => (left, right, JoinKind::Inner, false),
        JoinType::Left => (left, right, JoinKind::Left, false),
        JoinType::Right => (left, right, JoinKind::Right, false),
        JoinType::LeftSemi => (left, right, JoinKind::LeftSemi, false),
        JoinType::LeftAnti => (left, right, JoinKind::LeftAnti, false),
        JoinType::RightSemi => (right, left, JoinKind::LeftSemi, true),
        JoinType::RightAnti => (right, left, JoinKind::LeftAnti, true),
        other => return Err(format!("a {other} join runs locally")),
    };
    let both = left.schema.join(&right.schema).map_err(|cause| cause.to_string())?;
    let mut on = Vec::with_capacity(join.on.len());
    for (l, r) in &join.on {
        let (l, r) = if swapped { (r, l) } else { (l, r) };
        on.push((translate(l, &left.schema)?, translate(r, &right.schema)?));
    }
    let filter = join.filter.as_ref().map(|filter| translate(filter, &both)).transpose()?;
    let kept_local = left.kept_local.iter().chain(&right.kept_local).cloned().collect();
    let semi = matches!(kind, JoinKind::LeftSemi | JoinKind::LeftAnti);
    let conditions = join.filter.as_ref().map_or(0, |filter| split_conjunction(filter).len());
    if semi && left.connector.capabilities().semi_join_conditions.is_some_and(|most| conditions > most) {
        return Err("the source is not exact with so many conditions in EXISTS".into());
    }
    let mut origin = left.origin.clone();
    if !semi {
        origin.extend(right.origin.iter().cloned());
    }
    let types: Vec<DataType> = left.plan.root.types().into_iter().chain(right.plan.root.types()).collect();
    let costs = left.connector.capabilities().costs;
    let per_pair = filter.as_ref().map_or(0.0, |filter| cost::condition(filter, &types, &costs).0);
    let work = joined_work(left, right, &on, rows, costs.condition + per_pair);
    let mut parameters = Vec::new();
    let root = Relation::Join {
        left: Box::new(renumbered(left, &mut parameters)),
        right: Box::new(renumbered(right, &mut parameters)),
        kind,
        on,
        filter,
    };
    checked(RemoteNode {
        connection: left.connection.clone(),
        connector: Arc::clone(&left.connector),
        prefer: left.prefer,
        plan: RemotePlan { root },
        schema: Arc::clone(&join.schema),
        origin,
        work,
        kept_local,
        partial_groups: false,
        filled: left.filled.iter().chain(&right.filled).cloned().collect(),
        takes_values: left.takes_values && right.takes_values,
        parameters,
    })
}

/// The relation of a node that becomes part of another, whose parameters are its own and those before it.
fn renumbered(node: &RemoteNode, parameters: &mut Vec<Expr>) -> Relation {
    let before = parameters.len();
    parameters.extend(node.parameters.iter().cloned());
    let mut root = node.plan.root.clone();
    if before > 0 && !node.parameters.is_empty() {
        root.for_each_parameter(&mut |expr| {
            if let RemoteExpr::Parameter { index, .. } = expr {
                *index += before;
            }
        });
    }
    root
}

/// By an index of either side, or by hashing where the source does that; else by comparing every pair.
fn joined_work(
    left: &RemoteNode,
    right: &RemoteNode,
    on: &[(RemoteExpr, RemoteExpr)],
    rows: f64,
    per_pair: f64,
) -> Work {
    let costs = left.connector.capabilities().costs;
    let (l, r) = (left.work, right.work);
    let by_hash = costs.joins_by_hash && !on.is_empty();
    let hashed = if by_hash { (l.rows + r.rows) * costs.joined_row } else { l.rows * r.rows * per_pair };
    let mut server = l.server + r.server + hashed;
    // An index of `inner` finds the rows for each row of `outer`.
    let nested = |outer: Work, inner: &RemoteNode, key: &RemoteExpr| {
        let RemoteExpr::Column(index) = key else { return None };
        let is_plain = matches!(inner.plan.root.inputs().as_slice(), [] | [Relation::Scan { .. }]);
        let origin = inner.origin.get(*index)?.as_ref().filter(|origin| is_plain && origin.is_indexed())?;
        let miss = cost::miss(origin, &costs);
        Some(outer.server + outer.rows * (costs.key + miss) + rows * (costs.indexed_row + miss))
    };
    for (left_key, right_key) in on {
        let ways = [nested(l, right, right_key), nested(r, left, left_key)];
        server = ways.into_iter().flatten().fold(server, f64::min);
    }
    server += rows * costs.scanned_row;
    Work { rows, scanned: l.scanned + r.scanned, server, guessed: l.guessed || r.guessed }
}

/// The first rows, with those to skip before them: the caller skips.
pub(super) fn limit(node: &RemoteNode, limit: &Limit) -> Result<RemoteNode, Refusal> {
    let literal = (limit.get_skip_type(), limit.get_fetch_type());
    let (Ok(SkipType::Literal(skip)), Ok(FetchType::Literal(Some(fetch)))) = literal else {
        return Err(match limit.fetch {
            Some(_) => "a limit that is not a number runs locally".into(),
            None => "OFFSET without LIMIT is done here".into(),
        });
    };
    if matches!(node.plan.root, Relation::Limit { .. }) {
        return Err("the source has a limit already".into());
    }
    let rows = skip.checked_add(fetch).ok_or("a limit beyond all rows")?;
    let mut node = node.clone();
    node.work = node.work.limited(rows as f64);
    node.plan.root = Relation::Limit { input: Box::new(node.plan.root), skip: 0, fetch: Some(rows as u64) };
    checked(node)
}

/// The first rows by an order of columns, or all rows in that order.
pub(super) fn sort(node: &RemoteNode, order: &[SortExpr], fetch: Option<usize>) -> Result<RemoteNode, Refusal> {
    if matches!(node.plan.root, Relation::Sort { .. } | Relation::Limit { .. }) {
        return Err("the source has an order or a limit already".into());
    }
    let mut keys = Vec::with_capacity(order.len());
    for key in order {
        let Expr::Column(Column { .. }) = &key.expr else {
            return Err(format!("{}: an order by an expression runs locally", key.expr));
        };
        let expr = translate(&key.expr, &node.schema)?;
        keys.push(SortKey { expr, descending: !key.asc, nulls_first: key.nulls_first });
    }
    let mut node = node.clone();
    if let Some(fetch) = fetch {
        node.work.rows = node.work.rows.min(fetch as f64);
    }
    let fetch = fetch.map(|fetch| fetch as u64);
    node.plan.root = Relation::Sort { input: Box::new(node.plan.root), keys, fetch };
    checked(node)
}

/// Rows of several nodes of one source.
pub(super) fn union(inputs: &[&RemoteNode], schema: DFSchemaRef) -> Result<RemoteNode, Refusal> {
    let [first, rest @ ..] = inputs else { return Err("a union of nothing".into()) };
    if let Some(other) = rest.iter().find(|other| !first.shares_source_with(other)) {
        return Err(format!("@{} and @{} are different databases", first.connection, other.connection));
    }
    let sum = |figure: fn(&Work) -> f64| inputs.iter().map(|input| figure(&input.work)).sum();
    let work = Work {
        rows: sum(|work| work.rows),
        scanned: sum(|work| work.scanned),
        server: sum(|work| work.server),
        guessed: inputs.iter().any(|input| input.work.guessed),
    };
    let mut parameters = Vec::new();
    let root = Relation::UnionAll { inputs: inputs.iter().map(|input| renumbered(input, &mut parameters)).collect() };
    checked(RemoteNode {
        plan: RemotePlan { root },
        origin: vec![None; schema.fields().len()],
        schema,
        work,
        kept_local: inputs.iter().flat_map(|input| input.kept_local.clone()).collect(),
        filled: inputs.iter().flat_map(|input| input.filled.clone()).collect(),
        parameters,
        ..(*first).clone()
    })
}

/// Rows without repetitions.
pub(super) fn distinct(node: &RemoteNode) -> Result<RemoteNode, Refusal> {
    let costs = node.connector.capabilities().costs;
    let mut node = node.clone();
    node.work.server += node.work.rows * costs.grouped_row;
    node.plan.root = Relation::Distinct { input: Box::new(node.plan.root) };
    checked(node)
}

/// The node when the source declares everything in it, and its rows are exactly those of the operators it stands for.
pub(super) fn checked(node: RemoteNode) -> Result<RemoteNode, Refusal> {
    // Readers deliver views of text; other forms only come from expressions that are computed here.
    let is_delivered = |data_type: &DataType| {
        !matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary)
    };
    if let Some(other) = node.plan.root.types().iter().find(|data_type| !is_delivered(data_type)) {
        return Err(format!("a value of type {other} is computed here"));
    }
    match check_plan(node.connector.as_ref(), &node.plan) {
        Ok(Support::Exact) => Ok(node),
        Ok(_) => Err("a condition below is only approximate in the source".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// The column of the input that an expression is, if it is one.
pub(super) fn plain_column(expr: &Expr, schema: &DFSchema) -> Option<usize> {
    match expr {
        Expr::Column(column) => schema.maybe_index_of_column(column),
        Expr::Alias(alias) => plain_column(&alias.expr, schema),
        _ => None,
    }
}

/// The remote form of a whole plan whose leaves are remote, operator by operator, whatever it costs.
pub(super) fn whole(plan: &LogicalPlan) -> Result<RemoteNode, Refusal> {
    if let Some(node) = RemoteNode::of(plan) {
        return Ok(node.clone());
    }
    if let Some(merge) = groups::MergeNode::of(plan) {
        return groups::finished(merge.clone());
    }
    match plan {
        LogicalPlan::TableScan(table) => scan(table, false).ok_or_else(|| "not a table of a connection".into()),
        LogicalPlan::Filter(of) => filter(&whole(&of.input)?, &of.predicate),
        LogicalPlan::Projection(of) => project(&whole(&of.input)?, &of.expr, Arc::clone(&of.schema)),
        LogicalPlan::SubqueryAlias(alias) => {
            let mut node = whole(&alias.input)?;
            node.schema = Arc::clone(&alias.schema);
            Ok(node)
        }
        LogicalPlan::Join(of) => {
            let (left, right) = (whole(&of.left)?, whole(&of.right)?);
            join(&left, &right, of, crate::cardinality::rows(plan))
        }
        LogicalPlan::Union(of) => {
            let inputs = of.inputs.iter().map(|input| whole(input)).collect::<Result<Vec<_>, _>>()?;
            union(&inputs.iter().collect::<Vec<_>>(), Arc::clone(&of.schema))
        }
        LogicalPlan::Aggregate(of) => groups::whole(of, &whole(&of.input)?, crate::cardinality::rows(plan)),
        LogicalPlan::Distinct(datafusion::logical_expr::Distinct::All(input)) => distinct(&whole(input)?),
        other => Err(format!("{} runs locally", other.display())),
    }
}
