//! Why operators run here, for EXPLAIN.
//!
//! Of conditions, aggregates and joins right above a read the read itself knows ([`RemoteNode::kept_local`]).

use std::sync::Arc;

use datafusion::logical_expr::{Filter, Join, Limit, LogicalPlan, Sort, Union};
use junto_connector::Relation;

use super::orders::first_rows;
use super::{Absorber, MergeNode, forms};
use crate::cardinality::rows;
use crate::local::is_true;
use crate::node::RemoteNode;
use crate::translate::readable;

const GROUPED: &str = "grouped here";
pub(super) const CONSTANTS: &str = "made of constants";

impl Absorber {
    /// Why an operator of a rewritten plan runs here; none when its source does its part, or when a read below says it.
    pub(crate) fn why_here(&self, plan: &LogicalPlan) -> Option<String> {
        if !self.push_down {
            return None;
        }
        match plan {
            LogicalPlan::Sort(sort) => why_sorted(sort).map(|reason| format!("sort: {reason}")),
            LogicalPlan::Limit(limit) => why_limited(limit).map(|reason| format!("limit: {reason}")),
            LogicalPlan::Union(union) => Some(format!("union: {}", why_united(union))),
            LogicalPlan::Aggregate(of) => {
                where_rows_are_made(&of.input).map(|made| format!("aggregate: {}", input_is(made)))
            }
            LogicalPlan::Join(join) => self.why_joined(join),
            LogicalPlan::Filter(filter) => self.why_filtered(filter),
            LogicalPlan::Window(_) => Some("window functions: no source is asked for them".into()),
            _ => None,
        }
    }

    fn why_joined(&self, join: &Join) -> Option<String> {
        let (left, right) = (RemoteNode::of(&join.left)?, RemoteNode::of(&join.right)?);
        if left.kept_local.iter().any(|reason| reason.starts_with("join: ")) {
            return None;
        }
        let plan = LogicalPlan::Join(join.clone());
        match forms::join(left, right, join, rows(&plan)) {
            Err(reason) => Some(format!("join: {reason}")),
            Ok(there) => {
                let here = self.cost(&plan);
                let is_better = self.is_better(&there, here, left.work.rows + right.work.rows);
                (!is_better).then(|| self.comparison("join", &there, here))
            }
        }
    }

    fn why_filtered(&self, filter: &Filter) -> Option<String> {
        if let Some(merge) = MergeNode::of(&filter.input) {
            return self.having(merge, filter).err();
        }
        let made = where_rows_are_made(&filter.input)?;
        Some(match made {
            GROUPED => "HAVING: its groups are formed here".into(),
            made => format!("{}: {}", readable(&filter.predicate), input_is(made)),
        })
    }
}

fn why_sorted(sort: &Sort) -> Option<String> {
    let Some(fetch) = sort.fetch else {
        let without_limit = || "without a limit its source would send as many rows".into();
        return Some(where_rows_are_made(&sort.input).map_or_else(without_limit, input_is));
    };
    let mut reasons = Vec::new();
    first_rows(sort.input.as_ref().clone(), &sort.expr, fetch, &mut reasons).ok()?;
    reasons.into_iter().next()
}

fn why_limited(limit: &Limit) -> Option<String> {
    match RemoteNode::of(&limit.input) {
        Some(node) if is_limited(&node.plan.root) => None,
        Some(node) => forms::limit(node, limit).err(),
        None => where_rows_are_made(&limit.input).map(input_is),
    }
}

fn why_united(union: &Union) -> String {
    if let Some(made) = union.inputs.iter().find_map(|input| where_rows_are_made(input)) {
        return format!("a part of it is {made}");
    }
    let parts: Vec<&RemoteNode> = union.inputs.iter().filter_map(|input| RemoteNode::of(input)).collect();
    if parts.len() < union.inputs.len() {
        return "a part of it is computed here".into();
    }
    let together = forms::union(&parts, Arc::clone(&union.schema));
    together.err().unwrap_or_else(|| "its parts are read at the same time".into())
}

pub(super) fn input_is(made: &str) -> String {
    format!("its input is {made}")
}

/// How the rows of a plan come to be here; none when a source delivers them.
pub(super) fn where_rows_are_made(plan: &LogicalPlan) -> Option<&'static str> {
    if RemoteNode::of(plan).is_some() {
        return None;
    }
    Some(match plan {
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Subquery(_) => {
            return plan.inputs().first().and_then(|input| where_rows_are_made(input));
        }
        LogicalPlan::Filter(filter) if is_true(&filter.predicate) => return where_rows_are_made(&filter.input),
        LogicalPlan::Filter(_) => "filtered here",
        LogicalPlan::Join(_) => "joined here",
        LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_) => GROUPED,
        LogicalPlan::Window(_) => "made by window functions here",
        LogicalPlan::Union(_) => "united here",
        LogicalPlan::Sort(_) => "sorted here",
        LogicalPlan::Limit(_) => "limited here",
        LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => CONSTANTS,
        _ if MergeNode::of(plan).is_some() => GROUPED,
        _ => "computed here",
    })
}

/// Whether a source delivers only the first rows of a relation.
pub(super) fn is_limited(relation: &Relation) -> bool {
    match relation {
        Relation::Limit { .. } => true,
        Relation::Sort { fetch, .. } => fetch.is_some(),
        Relation::Project { input, .. } => is_limited(input),
        _ => false,
    }
}
