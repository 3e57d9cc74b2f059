//! Where an operator is: what it does, over which reads. Logical and physical plans agree on this, whatever else the physical
//! optimizer changes: sides of joins change places, projections move.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::{InterleaveExec, UnionExec};
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use junto_connector::RemotePlan;
use junto_types::Alias;

use crate::absorb::MergeNode;

/// What an operator does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Join,
    Aggregate,
    Filter,
    /// By these columns, as they are called where they are made: projections move. An expression has no name.
    Sort(Vec<String>),
    Limit,
    Union,
    Window,
}

/// What tells an operator from the others of its plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    kind: Kind,
    reads: Vec<u64>,
    /// Operators of this kind below it, over the same reads.
    nth: usize,
}

/// What is below an operator.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// All reads, in an order of their own.
    reads: Vec<u64>,
    /// Operators over just these reads.
    kinds: Vec<Kind>,
}

impl Place {
    /// Of a read of a source.
    pub(super) fn of_read(connection: &Alias, plan: &RemotePlan) -> Self {
        let mut hasher = DefaultHasher::new();
        (connection, format!("{:?}", plan.root)).hash(&mut hasher);
        Self { reads: vec![hasher.finish()], kinds: Vec::new() }
    }

    /// Of an operator over these. One without inputs makes its own rows.
    pub(super) fn over(mut inputs: Vec<Place>) -> Self {
        if inputs.len() == 1 {
            return inputs.remove(0);
        }
        let mut reads: Vec<u64> = inputs.into_iter().flat_map(|input| input.reads).collect();
        if reads.is_empty() {
            reads.push(0);
        }
        reads.sort_unstable();
        Self { reads, kinds: Vec::new() }
    }

    /// The key of an operator of this kind here.
    pub(super) fn key(&self, kind: Kind) -> Key {
        let counts = matches!(kind, Kind::Aggregate | Kind::Filter);
        let nth = if counts { self.kinds.iter().filter(|other| **other == kind).count() } else { 0 };
        Key { kind, reads: self.reads.clone(), nth }
    }

    /// As [`Place::key`]; the place is above it now.
    pub(super) fn enter(&mut self, kind: Kind) -> Key {
        let key = self.key(kind.clone());
        self.kinds.push(kind);
        key
    }
}

impl Kind {
    pub(super) fn of_logical(plan: &LogicalPlan) -> Option<Self> {
        Some(match plan {
            LogicalPlan::Join(_) => Kind::Join,
            LogicalPlan::Aggregate(_) => Kind::Aggregate,
            LogicalPlan::Filter(filter) if is_true(&filter.predicate) => return None,
            LogicalPlan::Filter(_) => Kind::Filter,
            LogicalPlan::Sort(sort) => {
                Kind::Sort(sort.expr.iter().map(|key| logical_name(&key.expr, &sort.input)).collect())
            }
            LogicalPlan::Limit(_) => Kind::Limit,
            LogicalPlan::Union(_) => Kind::Union,
            LogicalPlan::Window(_) => Kind::Window,
            other => return MergeNode::of(other).map(|_| Kind::Aggregate),
        })
    }

    pub(super) fn of_physical(plan: &Arc<dyn ExecutionPlan>) -> Option<Self> {
        if let Some(filter) = plan.downcast_ref::<FilterExec>() {
            let literal = filter.predicate().downcast_ref::<Literal>();
            return literal.is_none_or(|literal| !is_truth(literal.value())).then_some(Kind::Filter);
        }
        if let Some(sort) = plan.downcast_ref::<SortExec>() {
            return Some(Kind::Sort(sort.expr().iter().map(|key| physical_name(&key.expr, sort.input())).collect()));
        }
        match () {
            () if plan.is::<AggregateExec>() => Some(Kind::Aggregate),
            () if plan.is::<UnionExec>() || plan.is::<InterleaveExec>() => Some(Kind::Union),
            () if plan.is::<WindowAggExec>() || plan.is::<BoundedWindowAggExec>() => Some(Kind::Window),
            () if plan.name().ends_with("JoinExec") => Some(Kind::Join),
            () => None,
        }
    }

    /// Whether an operator delivers so many rows only, by no order of its own.
    pub(super) fn limits(plan: &Arc<dyn ExecutionPlan>) -> bool {
        let orders = plan.is::<SortExec>() || plan.is::<SortPreservingMergeExec>();
        plan.is::<GlobalLimitExec>() || plan.is::<LocalLimitExec>() || (plan.fetch().is_some() && !orders)
    }
}

fn logical_name(expr: &Expr, input: &LogicalPlan) -> String {
    let column = match expr {
        Expr::Alias(alias) => return logical_name(&alias.expr, input),
        Expr::Column(column) => column,
        _ => return String::new(),
    };
    let below = input.schema().maybe_index_of_column(column).and_then(|at| {
        let inputs = input.inputs();
        let [below] = inputs.as_slice() else { return None };
        match input {
            LogicalPlan::Projection(projection) => Some(logical_name(projection.expr.get(at)?, below)),
            LogicalPlan::SubqueryAlias(_) | LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) => {
                let column = below.schema().qualified_field(at).into();
                Some(logical_name(&Expr::Column(column), below))
            }
            _ => None,
        }
    });
    below.unwrap_or_else(|| column.name.clone())
}

fn physical_name(expr: &Arc<dyn PhysicalExpr>, input: &Arc<dyn ExecutionPlan>) -> String {
    let Some(column) = expr.downcast_ref::<Column>() else { return String::new() };
    let children = input.children();
    let below = children.first().filter(|_| children.len() == 1).and_then(|below| {
        if let Some(projection) = input.downcast_ref::<ProjectionExec>() {
            return Some(physical_name(&projection.expr().get(column.index())?.expr, below));
        }
        let hands_on = !input.is::<AggregateExec>() && input.schema().fields() == below.schema().fields();
        hands_on.then(|| physical_name(expr, below))
    });
    below.unwrap_or_else(|| column.name().to_owned())
}

/// Whether a condition keeps every row: one that only separates two operators.
pub(crate) fn is_true(predicate: &Expr) -> bool {
    matches!(predicate, Expr::Literal(value, _) if is_truth(value))
}

fn is_truth(value: &ScalarValue) -> bool {
    *value == ScalarValue::Boolean(Some(true))
}
