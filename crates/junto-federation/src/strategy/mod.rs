//! How a statement runs: joined here, whole on one database, or on one database with the others' rows brought there.

mod materialize;

use std::fmt;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::absorb::{Absorber, MergeNode};
use crate::node::RemoteNode;

/// A way to run a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// The cheapest of the others.
    #[default]
    Auto,
    /// Each source runs the pieces that pay; Junto joins them.
    Federated,
    /// The whole statement runs on one database.
    PushDown,
    /// Reduced inputs are copied into temporary tables on one database and the statement runs there.
    Materialize,
}

/// One way that was considered.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    pub strategy: Strategy,
    /// Estimated elapsed time in milliseconds; none when it is not possible.
    pub estimated_ms: Option<f64>,
    /// Why it is not possible, or was not looked at.
    pub refused: Option<String>,
}

/// A plan with the way it runs.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) plan: LogicalPlan,
    pub(crate) strategy: Strategy,
    /// Estimated elapsed time in microseconds.
    pub(crate) time: f64,
    pub(crate) alternatives: Vec<Alternative>,
}

/// Why a strategy that was asked for is not possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub strategy: Strategy,
    pub reason: String,
}

/// Estimated elapsed time, in microseconds, up to which a federated plan is taken without looking at other ways: planning
/// them would cost about what they could save.
const CHEAP: f64 = 10_000.0;

/// Rewrites an optimized plan for the strategy that was asked for, or the cheapest; `may_materialize` says whether that may
/// be [`Strategy::Materialize`].
pub(crate) fn choose(
    plan: &LogicalPlan,
    asked: Strategy,
    may_materialize: bool,
    absorber: Absorber,
) -> Result<Result<Chosen, Refused>> {
    if !absorber.push_down && matches!(asked, Strategy::PushDown | Strategy::Materialize) {
        return Ok(Err(Refused { strategy: asked, reason: "it is switched off".into() }));
    }
    let mut possible: Vec<Possible> = Vec::new();
    let mut alternatives = Vec::new();
    let measured = |strategy, plan| Possible { strategy, time: absorber.cost(&plan).time(absorber.cores), plan };
    let wants = |strategy| asked == strategy || asked == Strategy::Auto;
    if wants(Strategy::Federated) {
        possible.push(measured(Strategy::Federated, absorber.rewrite(plan.clone())?));
    }
    let cheap = possible.first().map(|federated| federated.time);
    let cheap = cheap.filter(|time| asked == Strategy::Auto && !absorber.whatever_it_costs && *time <= CHEAP);
    let forced = Absorber { push_down: true, whatever_it_costs: true, ..absorber };
    let mut consider = |strategy, rewritten: std::result::Result<LogicalPlan, String>| match rewritten {
        Ok(plan) => possible.push(measured(strategy, plan)),
        Err(reason) => alternatives.push(Alternative { strategy, estimated_ms: None, refused: Some(reason) }),
    };
    let wants = |strategy| asked == strategy || (asked == Strategy::Auto && absorber.push_down);
    let sources = sources(plan);
    if wants(Strategy::PushDown) {
        consider(
            Strategy::PushDown,
            match (sources.as_slice(), cheap) {
                ([], _) => Err("the statement reads no table".into()),
                ([_], Some(time)) => Err(not_costed(time)),
                ([_], None) => whole(forced.rewrite(plan.clone())?, forced),
                (several, _) => Err(format!("its tables are in different databases: {}", several.join(", "))),
            },
        );
    }
    if wants(Strategy::Materialize) && ((may_materialize && sources.len() > 1) || asked == Strategy::Materialize) {
        consider(
            Strategy::Materialize,
            match cheap {
                Some(time) => Err(not_costed(time)),
                None => materialize::rewrite(plan, forced)?.and_then(|plan| whole(plan, forced)),
            },
        );
    }
    for Possible { strategy, time, .. } in &possible {
        alternatives.push(Alternative { strategy: *strategy, estimated_ms: Some(time / 1000.0), refused: None });
    }
    // The first wins a tie.
    let cheapest = possible.into_iter().reduce(|best, next| if next.time < best.time { next } else { best });
    Ok(match cheapest {
        Some(Possible { strategy, plan, time }) => Ok(Chosen { plan, strategy, time, alternatives }),
        None => {
            let reason = alternatives.pop().and_then(|alternative| alternative.refused);
            Err(Refused { strategy: asked, reason: reason.unwrap_or_else(|| "nothing else was considered".into()) })
        }
    })
}

/// Why other ways were not looked at; `time` is the estimate of the federated one in microseconds.
fn not_costed(time: f64) -> String {
    let milliseconds = |micros: f64| micros / 1000.0;
    format!("not costed: federated is estimated at {:.1} ms, below {:.0}", milliseconds(time), milliseconds(CHEAP))
}

/// A plan that could run.
struct Possible {
    strategy: Strategy,
    plan: LogicalPlan,
    /// Estimated elapsed time in microseconds.
    time: f64,
}

/// Aliases of the connections whose tables a plan reads, those of one database once.
fn sources(plan: &LogicalPlan) -> Vec<String> {
    let mut found: Vec<(String, String)> = Vec::new();
    let _ = plan.apply_with_subqueries(|node| {
        if let Some(table) = materialize::table_of(node) {
            let id = table.connector.remote_id().to_string();
            if !found.iter().any(|(known, _)| *known == id) {
                found.push((id, format!("@{}", table.connection)));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found.into_iter().map(|(_, alias)| alias).collect()
}

/// The plan, when one query of one source does its work and only what finishes groups, orders and names is left here.
fn whole(plan: LogicalPlan, absorber: Absorber) -> std::result::Result<LogicalPlan, String> {
    match obstacle(&plan, absorber) {
        Some(reason) => Err(reason),
        None => Ok(plan),
    }
}

/// Why one query does not do the work of a plan. Subqueries whose values it needs are queries of their own, to which the
/// same applies.
fn obstacle(plan: &LogicalPlan, absorber: Absorber) -> Option<String> {
    let mut reads = 0;
    let mut reasons: Vec<String> = Vec::new();
    let _ = plan.apply_with_subqueries(|node| {
        let read = RemoteNode::of(node).or_else(|| MergeNode::of(node).map(|merge| &merge.remote));
        if let Some(read) = read {
            reads += 1;
            reasons.extend(read.kept_local.iter().cloned());
            let subqueries = read.parameters.iter().filter_map(|parameter| match parameter {
                Expr::ScalarSubquery(subquery) => Some(subquery.subquery.as_ref()),
                _ => None,
            });
            reasons.extend(subqueries.filter_map(|subquery| obstacle(subquery, absorber)));
            // What a read brings to its database is not part of the statement there.
            return Ok(TreeNodeRecursion::Jump);
        }
        let finishes = match node {
            LogicalPlan::Projection(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) => true,
            LogicalPlan::SubqueryAlias(_) => true,
            LogicalPlan::Filter(filter) => is_over_groups(&filter.input),
            _ => false,
        };
        if !finishes {
            reasons.insert(0, why_here(node, absorber));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    if reads > 1 {
        reasons.push(format!("{reads} queries would be needed"));
    }
    reasons.into_iter().next()
}

fn is_over_groups(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => is_over_groups(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_over_groups(&alias.input),
        other => MergeNode::of(other).is_some(),
    }
}

/// Why an operator does not run on the database, as far as that is known.
fn why_here(plan: &LogicalPlan, absorber: Absorber) -> String {
    if matches!(plan, LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_)) {
        return "rows of constants are made here".into();
    }
    let of_input = || RemoteNode::of(plan.inputs().first()?)?.kept_local.last().cloned();
    of_input().or_else(|| absorber.why_here(plan)).unwrap_or_else(|| {
        let line = plan.display().to_string();
        format!("{} runs here", line.split([':', ' ']).next().unwrap_or("an operator").to_lowercase())
    })
}

impl Strategy {
    /// The name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Auto => "auto",
            Strategy::Federated => "federated",
            Strategy::PushDown => "push_down",
            Strategy::Materialize => "materialize",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
