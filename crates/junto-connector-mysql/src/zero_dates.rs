//! Which plans may leave dates with a zero in them to the reader, and which must turn them into NULL on the server.
//!
//! In a WHERE clause it does not matter whether a comparison with such a date is false or unknown, so the raw column can
//! be compared (and its index used) with a test beside it. Under NOT, in CASE and in a computed column it does matter.

use arrow_schema::DataType;
use junto_connector::Expr;
use junto_connector::expr::CompareOp;
use junto_connector::plan::{JoinKind, Relation};

use crate::dialect::is_temporal;

/// Whether the plan only chooses rows and columns of a table: no value but the delivered ones leaves the server.
pub(crate) fn only_filters_and_chooses(relation: &Relation) -> bool {
    match relation {
        Relation::Scan { .. } => true,
        Relation::Filter { input, predicate } => {
            only_filters_and_chooses(input) && computes_with_no_date(predicate, &input.types())
        }
        Relation::Project { input, outputs } => {
            only_filters_and_chooses(input) && outputs.iter().all(|output| matches!(output.expr, Expr::Column(_)))
        }
        Relation::Limit { input, .. } => only_filters_and_chooses(input),
        _ => false,
    }
}

/// Whether every comparison of the plan stands where false and unknown mean the same.
pub(crate) fn may_be_false_for_unknown(relation: &Relation) -> bool {
    let here = match relation {
        Relation::Filter { predicate, .. } => is_positive(predicate),
        Relation::Project { outputs, .. } => outputs.iter().all(|output| !compares(&output.expr)),
        Relation::Join { kind, on, filter, .. } => {
            *kind != JoinKind::Full
                && on.iter().all(|(left, right)| !compares(left) && !compares(right))
                && filter.as_ref().is_none_or(is_positive)
        }
        Relation::Aggregate { groups, aggregates, .. } => {
            groups.iter().all(|group| !compares(&group.expr))
                && aggregates.iter().all(|output| {
                    output.aggregate.argument.as_ref().is_none_or(|argument| !compares(argument))
                        && output.aggregate.filter.as_ref().is_none_or(is_positive)
                })
        }
        Relation::Sort { keys, .. } => keys.iter().all(|key| !compares(&key.expr)),
        Relation::Scan { .. } | Relation::Limit { .. } | Relation::Distinct { .. } | Relation::UnionAll { .. } => true,
    };
    here && relation.inputs().into_iter().all(may_be_false_for_unknown)
}

/// Whether comparisons stand only under AND and OR, and what they compare holds no further ones.
fn is_positive(predicate: &Expr) -> bool {
    match predicate {
        Expr::And(terms) | Expr::Or(terms) => terms.iter().all(is_positive),
        Expr::Compare { op: CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom, .. } => false,
        other => other.children().into_iter().all(|operand| !compares(operand)) && !is_negation(other),
    }
}

fn is_negation(expr: &Expr) -> bool {
    matches!(expr, Expr::Not(_) | Expr::Case { .. })
}

fn compares(expr: &Expr) -> bool {
    matches!(expr, Expr::Compare { .. } | Expr::InList { .. } | Expr::Like { .. } | Expr::IsNull { .. } | Expr::Not(_))
        || expr.children().into_iter().any(compares)
}

/// Whether conditions compare dates as they are, and compute with other columns only.
fn computes_with_no_date(predicate: &Expr, types: &[DataType]) -> bool {
    let is_plain = |operand: &Expr| matches!(operand, Expr::Column(_) | Expr::Literal(_)) || !has_date(operand, types);
    match predicate {
        Expr::And(terms) | Expr::Or(terms) => terms.iter().all(|term| computes_with_no_date(term, types)),
        other => other.children().into_iter().all(is_plain),
    }
}

fn has_date(expr: &Expr, types: &[DataType]) -> bool {
    match expr {
        Expr::Column(position) => types.get(*position).is_none_or(is_temporal),
        other => other.children().into_iter().any(|child| has_date(child, types)),
    }
}
