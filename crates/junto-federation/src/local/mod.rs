//! Estimates and reasons for the operators that run here, for EXPLAIN.
//!
//! They belong to the logical plan, which the planner weighed. [`place`] finds the operators of the physical plan in it. Nothing
//! of this is computed before somebody asks for it, and no plan depends on it.

mod place;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::{InterleaveExec, UnionExec};
use datafusion::physical_plan::{ExecutionPlan, StatisticsArgs};

pub(crate) use self::place::is_true;
use self::place::{Key, Kind, Place};
use crate::absorb::{Absorber, MergeNode};
use crate::cardinality::{self, GROUPS};
use crate::cost;
use crate::execution::{MaterializeExec, RemoteScanExec, RepeatedExec, SharedScanExec};
use crate::node::RemoteNode;

/// What the planner knew of the operators of a plan.
#[derive(Debug, Clone)]
pub struct LocalOperators {
    /// As it was given to the physical planner.
    plan: LogicalPlan,
    absorber: Absorber,
}

/// One operator of a physical plan with those below it, in their order.
#[derive(Debug, Clone, Default)]
pub struct Operator {
    /// Estimated rows that leave it; of a read, without keys. None where nothing is known.
    pub rows: Option<f64>,
    /// Estimated bytes of these rows.
    pub bytes: Option<f64>,
    /// Why it runs here.
    pub kept_local: Vec<String>,
    pub children: Vec<Operator>,
}

/// What is known of a logical operator.
#[derive(Debug)]
struct Known {
    /// None when two operators that look the same have other rows.
    rows: Option<f64>,
    why_here: Option<String>,
}

/// An operator and what its parent has to know of it.
struct Found {
    operator: Operator,
    /// Estimated bytes of a value, per column.
    widths: Vec<f64>,
    place: Place,
}

impl LocalOperators {
    pub(crate) fn new(plan: LogicalPlan, absorber: Absorber) -> Self {
        Self { plan, absorber }
    }

    /// Estimates and reasons for the operators of the physical plan that was made of this.
    ///
    /// # Errors
    /// What DataFusion says of expressions.
    pub fn of(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Operator> {
        let mut known = HashMap::new();
        self.know(&self.plan, &mut known)?;
        Ok(found(plan, &known).operator)
    }

    /// Notes what is known of a plan and of those below it; gives the plan's place.
    fn know(&self, plan: &LogicalPlan, known: &mut HashMap<Key, Known>) -> Result<Place> {
        plan.apply_subqueries(|subquery| self.know(subquery, known).map(|_| TreeNodeRecursion::Continue))?;
        let inputs = plan.inputs().into_iter().map(|input| self.know(input, known)).collect::<Result<Vec<_>>>()?;
        let mut place = match (RemoteNode::of(plan), MergeNode::of(plan)) {
            (Some(node), _) => return Ok(Place::of_read(&node.connection, &node.plan)),
            (_, Some(merge)) => Place::of_read(&merge.remote.connection, &merge.remote.plan),
            _ => Place::over(inputs),
        };
        if let Some(kind) = Kind::of_logical(plan) {
            let rows = cardinality::rows(plan);
            let why_here = self.absorber.why_here(plan);
            let new = known.entry(place.enter(kind)).or_insert(Known { rows: Some(rows), why_here });
            new.rows = new.rows.filter(|other| *other == rows);
        }
        Ok(place)
    }
}

fn found(plan: &Arc<dyn ExecutionPlan>, known: &HashMap<Key, Known>) -> Found {
    if let Some(repeated) = plan.downcast_ref::<RepeatedExec>()
        && let Some(part) = repeated.part()
    {
        let Found { operator, widths, place } = found(&part, known);
        let (rows, bytes) = (operator.rows, operator.bytes);
        let children = if plan.children().is_empty() { Vec::new() } else { vec![operator] };
        return Found { operator: Operator { rows, bytes, kept_local: Vec::new(), children }, widths, place };
    }
    let mut below: Vec<Found> = plan.children().into_iter().map(|child| found(child, known)).collect();
    let children = below.iter_mut().map(|child| std::mem::take(&mut child.operator)).collect();
    let mut found = match read_by(plan) {
        Some(scan) => read(scan, children),
        None => computed(plan, below, children, known),
    };
    let width: f64 = found.widths.iter().sum();
    found.operator.bytes = found.operator.rows.map(|rows| rows * width);
    found
}

/// The read that an operator is.
fn read_by(plan: &Arc<dyn ExecutionPlan>) -> Option<&RemoteScanExec> {
    let filled = || plan.downcast_ref().map(MaterializeExec::scan);
    let shared = || plan.downcast_ref().map(SharedScanExec::scan);
    plan.downcast_ref().or_else(filled).or_else(shared)
}

fn read(scan: &RemoteScanExec, children: Vec<Operator>) -> Found {
    let kept_local = scan.kept_local().to_vec();
    Found {
        operator: Operator { rows: Some(scan.estimated_rows()), bytes: None, kept_local, children },
        widths: scan.value_bytes().to_vec(),
        place: Place::of_read(scan.connection(), scan.plan()),
    }
}

fn computed(
    plan: &Arc<dyn ExecutionPlan>,
    below: Vec<Found>,
    mut children: Vec<Operator>,
    known: &HashMap<Key, Known>,
) -> Found {
    let widths = widths(plan, &below);
    // What follows the first are subqueries, whose values it uses.
    let inputs = if plan.name() == "ScalarSubqueryExec" { 1 } else { below.len() };
    let mut place = Place::over(below.into_iter().take(inputs).map(|input| input.place).collect());
    let kind = Kind::of_physical(plan);
    let of_kind = kind.clone().and_then(|kind| known.get(&place.key(kind)));
    let rows = limited(plan, rows(plan, kind.as_ref(), of_kind, &children));
    let mut kept_local = Vec::new();
    if !is_partial(plan) {
        kept_local.extend(of_kind.and_then(|of| of.why_here.clone()));
    }
    if Kind::limits(plan)
        && let Some(reason) = known.get(&place.key(Kind::Limit)).and_then(|of| of.why_here.clone())
    {
        // One limit may have become several operators.
        take_back(&mut children, &reason);
        kept_local.retain(|other| *other != reason);
        kept_local.push(reason);
    }
    if let Some(kind) = kind.filter(|_| !is_partial(plan)) {
        place.enter(kind);
    }
    Found { operator: Operator { rows, bytes: None, kept_local, children }, widths, place }
}

/// Below an operator that says the reason, nothing repeats it.
fn take_back(children: &mut [Operator], reason: &str) {
    if let [child] = children {
        child.kept_local.retain(|other| other != reason);
        take_back(&mut child.children, reason);
    }
}

/// Estimated rows before a limit of the operator's own.
fn rows(
    plan: &Arc<dyn ExecutionPlan>,
    kind: Option<&Kind>,
    known: Option<&Known>,
    children: &[Operator],
) -> Option<f64> {
    let input = || children.first().map_or_else(|| own_rows(plan), |child| child.rows);
    match kind {
        Some(Kind::Aggregate) => {
            let (groups, input) = (known.map_or_else(|| Some(input()? * GROUPS), |of| of.rows)?, input()?);
            let parts = if is_partial(plan) { partitions(plan) } else { 1.0 };
            Some((groups * parts).min(input).max(1.0))
        }
        Some(Kind::Join | Kind::Filter) => known?.rows,
        _ if plan.is::<UnionExec>() || plan.is::<InterleaveExec>() => children.iter().map(|child| child.rows).sum(),
        _ => input(),
    }
}

/// Rows that an operator without inputs knows of, as constants do.
fn own_rows(plan: &Arc<dyn ExecutionPlan>) -> Option<f64> {
    let statistics = plan.statistics_from_inputs(&[], &StatisticsArgs::new()).ok()?;
    statistics.num_rows.get_value().map(|rows| *rows as f64)
}

fn limited(plan: &Arc<dyn ExecutionPlan>, rows: Option<f64>) -> Option<f64> {
    let skip = plan.downcast_ref().map_or(0, GlobalLimitExec::skip);
    let rows = (rows? - skip as f64).max(0.0);
    // Each partition delivers as many.
    Some(plan.fetch().map_or(rows, |fetch| rows.min(fetch as f64 * partitions(plan))))
}

fn partitions(plan: &Arc<dyn ExecutionPlan>) -> f64 {
    plan.properties().output_partitioning().partition_count() as f64
}

/// Whether an operator begins an aggregation that another one ends.
fn is_partial(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref().is_some_and(|aggregate: &AggregateExec| *aggregate.mode() == AggregateMode::Partial)
}

/// Estimated bytes of a value, per column: those of a column of the same name and type below, if there is one.
fn widths(plan: &Arc<dyn ExecutionPlan>, below: &[Found]) -> Vec<f64> {
    let schema = plan.schema();
    let children: Vec<SchemaRef> = plan.children().into_iter().map(|child| child.schema()).collect();
    let inherited = |index: usize| {
        let wanted = schema.field(index);
        let is_same = |field: &FieldRef| field.name() == wanted.name() && field.data_type() == wanted.data_type();
        children.iter().zip(below).find_map(|(child, found)| {
            let at_same_place = child.fields().get(index).is_some_and(is_same).then_some(index);
            found.widths.get(at_same_place.or_else(|| child.fields().iter().position(is_same))?).copied()
        })
    };
    let projection: Option<&ProjectionExec> = plan.downcast_ref();
    let renamed = |index: usize| {
        let column: &Column = projection?.expr().get(index)?.expr.downcast_ref()?;
        below.first()?.widths.get(column.index()).copied()
    };
    let width = |index: usize| {
        let known = renamed(index).or_else(|| inherited(index));
        known.unwrap_or_else(|| cost::value_bytes(schema.field(index).data_type(), None))
    };
    (0..schema.fields().len()).map(width).collect()
}
