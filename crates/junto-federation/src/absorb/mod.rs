//! Lets each remote read absorb the operators above it, where its source computes them exactly *and* that is cheaper.
//!
//! ```text
//! Projection: a                          Remote: Project [a] (Filter b = 1 (Scan a, b, c))
//!   Filter: b = 1 AND f(c)      =>         with `Filter: f(c)` kept above when the source has no exact f
//!     TableScan: @x.t [a, b, c]
//! ```
//!
//! Plans are rewritten bottom-up; trees of inner joins go through [`crate::join_order`], which weighs joins inside one
//! source against joins here. [`forms`] says what a source would run, [`groups`] does so for aggregates.

mod eager;
mod forms;
mod groups;
mod orders;
mod reasons;

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, Join, JoinType, LogicalPlan, Projection, SubqueryAlias, Union,
};
pub use eager::groups_as_joined;
use forms::plain_column;
pub(crate) use forms::{Term, filtered, join as remote_join, scan, term};
pub(crate) use groups::MergeNode;
use junto_connector::{Prefer, Support};
use orders::{limited, topped};

use crate::cardinality::{KeyReach, Side, key_reach, rows};
use crate::cost::{self, Cost};
use crate::join_order;
use crate::node::RemoteNode;
use crate::statistics;
use crate::translate::{Refusal, readable};

/// What the planner may do, and for which machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Absorber {
    /// Gives operators to sources; off: every table is read whole.
    pub(crate) push_down: bool,
    /// Whatever a source can compute goes there, also where that is slower.
    pub(crate) whatever_it_costs: bool,
    /// Reorders inner joins by estimated cost.
    pub(crate) reorder_joins: bool,
    /// Values of subqueries that run first become part of reads.
    pub(crate) values_in_reads: bool,
    /// Cores that work here can use.
    pub(crate) cores: f64,
}

impl Absorber {
    /// Rewrites a plan, subqueries included. Its schema does not change.
    pub(crate) fn rewrite(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let plan = plan.map_subqueries(|subquery| self.rewrite(subquery).map(Transformed::yes))?.data;
        if self.reorder_joins && join_order::is_ordered(&plan) {
            return match join_order::order(plan, self)? {
                LogicalPlan::Projection(projection) => self.absorb(LogicalPlan::Projection(projection)),
                other => Ok(other),
            };
        }
        let plan = plan.map_children(|child| self.rewrite(child).map(Transformed::yes))?.data;
        self.absorb(plan)
    }

    /// Gives one operator, whose inputs are rewritten, to its source.
    fn absorb(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        if let LogicalPlan::TableScan(scan) = &plan {
            return Ok(forms::scan(scan, self.values_in_reads).map_or(plan, RemoteNode::into_plan));
        }
        if !self.push_down {
            return match plan {
                LogicalPlan::Join(join) if self.reorder_joins => smaller_first(join).map(LogicalPlan::Join),
                other => Ok(other),
            };
        }
        match plan {
            LogicalPlan::SubqueryAlias(alias) => Ok(renamed(alias)),
            LogicalPlan::Filter(filter) => self.filter(filter, None),
            LogicalPlan::Projection(projection) => self.projection(projection),
            LogicalPlan::Limit(limit) => limited(limit),
            LogicalPlan::Sort(sort) => topped(sort),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Union(union) => Ok(self.union(union)),
            other => Ok(other),
        }
    }

    /// Conditions the source computes exactly and cheaply go there; the rest stays above. `needed`: columns that are
    /// used above the filter, when that is known.
    fn filter(&self, filter: Filter, needed: Option<&[usize]>) -> Result<LogicalPlan> {
        if let Some(merge) = MergeNode::of(&filter.input) {
            return Ok(match self.having(merge, &filter) {
                Ok(node) => node.into_plan(),
                Err(_) => LogicalPlan::Filter(filter),
            });
        }
        let Some(node) = RemoteNode::of(&filter.input) else { return Ok(LogicalPlan::Filter(filter)) };
        let mut node = node.clone();
        let (mut pushed, mut kept) = (Vec::new(), Vec::new());
        for predicate in split_conjunction(&filter.predicate) {
            let condition = readable(predicate);
            let about = format!("{condition}: ");
            node.kept_local.retain(|reason| !reason.starts_with(&about));
            match forms::term(&node, predicate) {
                Ok(term) if !self.pays(&node, &term, predicate, needed) => {
                    node.kept_local.push(format!("{condition}: testing it there costs more than bringing the rows"));
                    kept.push(predicate.clone());
                }
                Ok(Term { expr, support, parameters }) => {
                    pushed.push(expr);
                    node.parameters = parameters;
                    if support != Support::Exact {
                        node.kept_local.push(format!("{condition}: checked again, the source compares more loosely"));
                        kept.push(predicate.clone());
                    }
                }
                Err(reason) => {
                    node.kept_local.push(format!("{condition}: {reason}"));
                    kept.push(predicate.clone());
                }
            }
        }
        let scan = forms::filtered(&node, pushed).into_plan();
        Ok(match conjunction(kept) {
            Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(scan))?),
            None => scan,
        })
    }

    /// Whether a source tests a condition for less than it costs to bring the rows that fail it.
    fn pays(&self, node: &RemoteNode, term: &Term, predicate: &Expr, needed: Option<&[usize]>) -> bool {
        if self.whatever_it_costs || node.prefer == Prefer::LeastData {
            return true;
        }
        let costs = &node.connector.capabilities().costs;
        let types = node.plan.root.types();
        let (there, here) = cost::condition(&term.expr, &types, costs);
        if there <= costs.condition * 4.0 || statistics::indexed_column(&term.expr, &node.origin).is_some() {
            return true;
        }
        let (sent, decoded) = cost::transfer_of(node);
        let fails = 1.0 - statistics::selectivity(&term.expr, &node.origin);
        // Columns that only this condition uses travel for it.
        let extra: f64 = predicate
            .column_refs()
            .into_iter()
            .filter_map(|column| node.schema.maybe_index_of_column(column))
            .filter(|position| needed.is_some_and(|needed| !needed.contains(position)))
            .map(|position| {
                let (send, decode) = cost::value(&types[position], node.origin[position].as_ref(), costs);
                send + decode
            })
            .sum();
        there < fails * (sent + decoded) + here + extra
    }

    /// Groups and the conditions on them, when the source finishes both for less than it costs to merge its parts here.
    fn having(&self, merge: &MergeNode, filter: &Filter) -> Result<RemoteNode, Refusal> {
        let finished = groups::finished(merge.clone()).and_then(|groups| forms::filter(&groups, &filter.predicate));
        let mut node = finished.map_err(|reason| format!("HAVING: {reason}"))?;
        let plan = LogicalPlan::Filter(filter.clone());
        node.work.rows = rows(&plan);
        let here = self.cost(&plan);
        if self.is_better(&node, here, merge.remote.work.rows) {
            return Ok(node);
        }
        Err(self.comparison("HAVING", &node, here))
    }

    fn projection(&self, projection: Projection) -> Result<LogicalPlan> {
        // A filter that was rewritten without knowing what is used above it is weighed once more.
        let input = match Arc::unwrap_or_clone(projection.input) {
            LogicalPlan::Filter(filter) if RemoteNode::of(&filter.input).is_some() => {
                let used = used_positions(&projection.expr, filter.input.schema());
                self.filter(filter, used.as_deref())?
            }
            other => other,
        };
        let projection = Projection::try_new_with_schema(projection.expr, Arc::new(input), projection.schema)?;
        narrow(projection)
    }

    /// A join of two reads of one source, where the source does it for less than it costs to bring both and join here.
    fn join(&self, join: Join) -> Result<LogicalPlan> {
        let mut join = if self.reorder_joins { smaller_first(join)? } else { join };
        if let (Some(left), Some(right)) = (RemoteNode::of(&join.left), RemoteNode::of(&join.right)) {
            let out = rows(&LogicalPlan::Join(join.clone()));
            if let Ok(there) = forms::join(left, right, &join, out) {
                let here = self.cost(&LogicalPlan::Join(join.clone()));
                if self.is_better(&there, here, left.work.rows + right.work.rows) {
                    return Ok(there.into_plan());
                }
                join.left = Arc::new(noted(left, self.comparison("join", &there, here)).into_plan());
            }
        }
        self.asked_once(join)
    }

    /// A join here, with the equal rows of the side that is only asked for a partner left in their source where that makes
    /// the whole cheaper.
    fn asked_once(&self, join: Join) -> Result<LogicalPlan> {
        let grouped = match eager::asked_once(&join, |aggregate| self.aggregate(aggregate))? {
            Some(LogicalPlan::Join(grouped)) if self.reorder_joins => LogicalPlan::Join(smaller_first(grouped)?),
            Some(grouped) => grouped,
            None => return Ok(LogicalPlan::Join(join)),
        };
        let sends_least = [&join.left, &join.right]
            .into_iter()
            .any(|side| RemoteNode::of(side).is_some_and(|node| node.prefer == Prefer::LeastData));
        let usual = LogicalPlan::Join(join);
        let is_taken = self.whatever_it_costs || sends_least || self.time(&grouped) < self.time(&usual);
        Ok(if is_taken { grouped } else { usual })
    }

    /// An aggregate whose groups the source forms, in parts that are merged here.
    fn aggregate(&self, aggregate: Aggregate) -> Result<LogicalPlan> {
        let Ok(input) = forms::whole(&aggregate.input) else { return Ok(self.eagerly(aggregate)) };
        let plan = LogicalPlan::Aggregate(aggregate.clone());
        let groups = rows(&plan);
        if self.whatever_it_costs
            && let Ok(node) = groups::whole(&aggregate, &input, groups)
        {
            return Ok(node.into_plan());
        }
        let here = self.cost(&plan);
        let merge = match groups::merged(&aggregate, &input, groups) {
            Ok(merge) => merge,
            Err(reason) => {
                let reason = match groups::whole(&aggregate, &input, groups) {
                    Ok(node) if self.is_better(&node, here, input.work.rows) => return Ok(node.into_plan()),
                    Ok(node) => self.comparison("aggregate", &node, here),
                    Err(_) => format!("aggregate: {reason}"),
                };
                return Ok(self.eagerly(with_note(aggregate, &reason)));
            }
        };
        if self.is_better(&merge.remote, here, input.work.rows) {
            return Ok(merge.into_plan());
        }
        let reason = self.comparison("aggregate", &merge.remote, here);
        Ok(self.eagerly(with_note(aggregate, &reason)))
    }

    /// An aggregate that stays here, with one side of a join below it aggregated first where that makes the whole cheaper.
    fn eagerly(&self, aggregate: Aggregate) -> LogicalPlan {
        let plans = eager::plans(&aggregate, |first| self.aggregate(first));
        let usual = LogicalPlan::Aggregate(aggregate);
        let best = plans.into_iter().map(|plan| (self.time(&plan), plan)).min_by(|a, b| a.0.total_cmp(&b.0));
        match best {
            Some((cost, plan)) if self.whatever_it_costs || cost < self.time(&usual) => plan,
            _ => usual,
        }
    }

    fn union(&self, union: Union) -> LogicalPlan {
        let nodes: Option<Vec<&RemoteNode>> = union.inputs.iter().map(|input| RemoteNode::of(input)).collect();
        match nodes.filter(|_| self.whatever_it_costs) {
            Some(nodes) => match forms::union(&nodes, Arc::clone(&union.schema)) {
                Ok(node) => node.into_plan(),
                Err(_) => LogicalPlan::Union(union),
            },
            None => LogicalPlan::Union(union),
        }
    }

    /// Whether a remote form is used in place of reading `rows_here` rows and computing here.
    fn is_better(&self, there: &RemoteNode, here: Cost, rows_here: f64) -> bool {
        if self.whatever_it_costs {
            return true;
        }
        match there.prefer {
            Prefer::LeastData => there.work.rows <= rows_here,
            Prefer::Fastest => cost::read(there, self.cores).time(self.cores) < here.time(self.cores),
        }
    }

    fn comparison(&self, what: &str, there: &RemoteNode, here: Cost) -> String {
        let milliseconds = |micros: f64| micros / 1000.0;
        format!(
            "{what}: estimated {:.1} ms there, {:.1} ms here",
            milliseconds(cost::read(there, self.cores).time(self.cores)),
            milliseconds(here.time(self.cores))
        )
    }

    /// Estimated microseconds of running a rewritten plan.
    fn time(&self, plan: &LogicalPlan) -> f64 {
        self.cost(plan).time(self.cores)
    }

    /// What running a rewritten plan costs.
    pub(crate) fn cost(&self, plan: &LogicalPlan) -> Cost {
        if let Some(node) = RemoteNode::of(plan) {
            return self.filling(node).then(cost::read(node, self.cores));
        }
        if let Some(merge) = MergeNode::of(plan) {
            let groups = merge.remote.work.rows;
            let read = self.filling(&merge.remote).then(cost::read(&merge.remote, self.cores));
            return read.then(cost::aggregate(groups, groups, 1, self.cores));
        }
        let inputs = match plan {
            LogicalPlan::Join(join) => return self.join_cost(join, rows(plan)),
            other => other.inputs().into_iter().map(|input| self.cost(input)).fold(Cost::default(), Cost::then),
        };
        let input_rows = || plan.inputs().first().map_or(0.0, |input| rows(input));
        let own = match plan {
            LogicalPlan::Aggregate(aggregate) => {
                cost::aggregate(input_rows(), rows(plan), aggregate.aggr_expr.len(), self.cores)
            }
            LogicalPlan::Filter(_) | LogicalPlan::Projection(_) => Cost::shared(input_rows() * LOCAL_ROW, self.cores),
            _ => Cost::default(),
        };
        inputs.then(own)
    }
}

impl Absorber {
    /// A join here with both of its sides, from which `out` rows come.
    fn join_cost(&self, join: &Join, out: f64) -> Cost {
        let build = rows(&join.left);
        let (right, probe) = self.right_side(join);
        let own = if join.on.is_empty() {
            cost::pairs(build, probe, out, self.cores)
        } else {
            cost::join(build, probe, out, self.cores)
        };
        self.cost(&join.left).then(right).then(own)
    }

    /// Reading the right side of a join, by the keys of its left side where they reach a read and that is cheaper; and the
    /// rows that come.
    fn right_side(&self, join: &Join) -> (Cost, f64) {
        let all = rows(&join.right);
        let whole = (self.cost(&join.right), all);
        let is_reduced =
            matches!(join.join_type, JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti);
        if !is_reduced {
            return whole;
        }
        let by_keys = join.on.iter().filter_map(|(left, right)| {
            let KeyReach { node, key, limit } = key_reach(right, &join.right, self.cores)?;
            let keys = Side { expr: left, plan: &join.left, rows: rows(&join.left) }.distinct();
            let keyed = (keys <= limit).then(|| cost::keyed_read(node, key, keys, self.cores))?;
            let found = all * (keys / key.distinct).min(1.0);
            Some((whole.0.with(cost::read(node, self.cores), keyed), found))
        });
        let time = |side: &(Cost, f64)| side.0.time(self.cores);
        by_keys.fold(whole, |best, next| if time(&next) < time(&best) { next } else { best })
    }

    /// Bringing the rows of a node's temporary tables to its source.
    fn filling(&self, node: &RemoteNode) -> Cost {
        let fill = |filled: &crate::node::Filled| {
            let work = filled.rows * STORED_ROW * cost::weight_of_data(node) + NEW_TABLE;
            self.cost(&filled.input).then(Cost { cpu: work, chain: work })
        };
        node.filled.iter().map(fill).fold(Cost::default(), Cost::then)
    }
}

/// Storing a row in a temporary table, and making the table.
const STORED_ROW: f64 = 3.0;
const NEW_TABLE: f64 = 5_000.0;
/// Filtering or computing a row here.
const LOCAL_ROW: f64 = 0.01;

/// Gives plain projections that DataFusion put above remote reads to them. Everything else stays as it is.
pub(crate) fn narrow_all(plan: LogicalPlan) -> Result<LogicalPlan> {
    let narrowed = |plan| match plan {
        LogicalPlan::Projection(projection) => narrow(projection).map(Transformed::yes),
        other => Ok(Transformed::no(other)),
    };
    plan.transform_up_with_subqueries(narrowed).map(|transformed| transformed.data)
}

/// A projection of plain columns becomes part of the read below; below others, columns nobody uses need not travel.
fn narrow(projection: Projection) -> Result<LogicalPlan> {
    let Some(node) = RemoteNode::of(&projection.input) else { return Ok(LogicalPlan::Projection(projection)) };
    let plain = projection.expr.iter().map(|expr| plain_column(expr, &node.schema)).collect::<Option<Vec<usize>>>();
    // A column that is shown twice travels once.
    let is_distinct = |positions: &Vec<usize>| positions.iter().collect::<HashSet<_>>().len() == positions.len();
    if let Some(positions) = plain.filter(is_distinct) {
        return Ok(forms::narrowed(node, &positions, Arc::clone(&projection.schema)).into_plan());
    }
    let Some(used) = used_positions(&projection.expr, &node.schema) else {
        return Ok(LogicalPlan::Projection(projection));
    };
    if used.len() == node.schema.fields().len() {
        return Ok(LogicalPlan::Projection(projection));
    }
    let kept = used.iter().map(|position| {
        let (qualifier, field) = node.schema.qualified_field(*position);
        (qualifier.cloned(), Arc::clone(field))
    });
    let schema = DFSchema::new_with_metadata(kept.collect(), node.schema.metadata().clone())?;
    let input = forms::narrowed(node, &used, Arc::new(schema)).into_plan();
    let projection = Projection::try_new_with_schema(projection.expr, Arc::new(input), projection.schema)?;
    Ok(LogicalPlan::Projection(projection))
}

/// Positions that expressions use, ascending; none when a subquery or a column from elsewhere is among them.
fn used_positions(exprs: &[Expr], schema: &DFSchema) -> Option<Vec<usize>> {
    let mut used: Vec<usize> = Vec::new();
    for expr in exprs {
        let has_subquery =
            |inner: &Expr| Ok(matches!(inner, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_)));
        if expr.exists(has_subquery).unwrap_or(true) {
            return None;
        }
        for column in expr.column_refs() {
            used.push(schema.maybe_index_of_column(column)?);
        }
    }
    used.sort_unstable();
    used.dedup();
    Some(used)
}

fn renamed(alias: SubqueryAlias) -> LogicalPlan {
    match RemoteNode::of(&alias.input) {
        Some(node) => RemoteNode { schema: Arc::clone(&alias.schema), ..node.clone() }.into_plan(),
        None => LogicalPlan::SubqueryAlias(alias),
    }
}

/// A semi-join or an anti-join with its smaller side first: the keys of `k IN (SELECT few)` then reach the table that is
/// filtered, and only the few are kept in memory while the rows of the other side pass.
fn smaller_first(join: Join) -> Result<Join> {
    let turned = match join.join_type {
        JoinType::LeftSemi => JoinType::RightSemi,
        JoinType::LeftAnti => JoinType::RightAnti,
        _ => return Ok(join),
    };
    if join.null_aware || join.on.is_empty() || rows(&join.right) >= rows(&join.left) {
        return Ok(join);
    }
    let on = join.on.into_iter().map(|(left, right)| (right, left)).collect();
    let (left, right) = (join.right, join.left);
    let constraint = join.join_constraint;
    Join::try_new(left, right, on, join.filter, turned, constraint, join.null_equality, false)
}

fn noted(node: &RemoteNode, reason: String) -> RemoteNode {
    let mut node = node.clone();
    node.kept_local.push(reason);
    node
}

/// The reason why an aggregate stays here, at the read below it.
fn with_note(mut aggregate: Aggregate, reason: &str) -> Aggregate {
    if let Some(node) = RemoteNode::of(&aggregate.input) {
        aggregate.input = Arc::new(noted(node, reason.to_owned()).into_plan());
    }
    aggregate
}
