//! Limits and first rows of an order, which sources deliver and operators here finish.

use std::sync::Arc;

use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, Limit, LogicalPlan, Sort, SortExpr, Union};

use super::forms::{self, plain_column};
use super::reasons::{CONSTANTS, input_is, is_limited, where_rows_are_made};
use crate::node::RemoteNode;
use crate::translate::{Refusal, uncast};

/// So many first rows are worth an order in the source, whatever the estimates; more only when they are less than half.
const FEW_FIRST: usize = 10_000;

/// A limit goes to the source with the rows to skip added, and stays above as well.
pub(super) fn limited(limit: Limit) -> Result<LogicalPlan> {
    let node = RemoteNode::of(&limit.input).and_then(|node| forms::limit(node, &limit).ok());
    Ok(LogicalPlan::Limit(match node {
        Some(node) => Limit { input: Arc::new(node.into_plan()), ..limit },
        None => limit,
    }))
}

/// The first rows by an order the source has exactly; the local sort stays and orders few rows.
pub(super) fn topped(sort: Sort) -> Result<LogicalPlan> {
    let Some(fetch) = sort.fetch else { return Ok(LogicalPlan::Sort(sort)) };
    let input = Arc::new(first_rows(Arc::unwrap_or_clone(sort.input), &sort.expr, fetch, &mut Vec::new())?);
    Ok(LogicalPlan::Sort(Sort { input, ..sort }))
}

/// A plan that delivers at least the first rows by an order: each read below, also of the parts of a union, delivers its
/// own first rows where its source can order them. `refused` gets the reasons of the others.
///
/// ```text
/// Sort: a, fetch=3            Sort: a, fetch=3
///   Union                       Union
///     Remote: x           =>      Remote: Sort a, fetch=3 (x)
///     Remote: y                   Remote: Sort a, fetch=3 (y)
/// ```
pub(super) fn first_rows(
    plan: LogicalPlan,
    order: &[SortExpr],
    fetch: usize,
    refused: &mut Vec<Refusal>,
) -> Result<LogicalPlan> {
    if let Some(node) = RemoteNode::of(&plan) {
        let is_worth_it = fetch <= FEW_FIRST || 2.0 * fetch as f64 <= node.work.rows;
        let sorted = match is_worth_it {
            true => forms::sort(node, order, Some(fetch)),
            false => Err(format!("{fetch} first rows are most of about {:.0}", node.work.rows)),
        };
        return Ok(match sorted {
            Ok(sorted) => sorted.into_plan(),
            Err(reason) => {
                refused.extend((!is_limited(&node.plan.root)).then_some(reason));
                plan
            }
        });
    }
    let mut below = |input: Arc<LogicalPlan>, order: Option<Vec<SortExpr>>| match order {
        Some(order) if order.is_empty() => Ok(input),
        Some(order) => first_rows(Arc::unwrap_or_clone(input), &order, fetch, refused).map(Arc::new),
        None => {
            refused.push("it orders by what is computed here".into());
            Ok(input)
        }
    };
    Ok(match plan {
        LogicalPlan::Union(union) => {
            let part = |input: Arc<LogicalPlan>| {
                let order = below_order(order, &union.schema, |position| Some(column_at(&input, position)));
                below(input, order)
            };
            let inputs = union.inputs.iter().cloned().map(part).collect::<Result<Vec<_>>>()?;
            LogicalPlan::Union(Union { inputs, ..union })
        }
        LogicalPlan::SubqueryAlias(mut alias) => {
            let order = below_order(order, &alias.schema, |position| Some(column_at(&alias.input, position)));
            alias.input = below(alias.input, order)?;
            LogicalPlan::SubqueryAlias(alias)
        }
        LogicalPlan::Projection(mut projection) => {
            let of =
                |position| projection.expr.get(position).map(|expr| uncast(expr, projection.input.schema()).clone());
            let order = below_order(order, &projection.schema, of);
            projection.input = below(projection.input, order)?;
            LogicalPlan::Projection(projection)
        }
        other => {
            let made = where_rows_are_made(&other).filter(|made| *made != CONSTANTS);
            refused.extend(made.map(input_is));
            other
        }
    })
}

fn column_at(plan: &LogicalPlan, position: usize) -> Expr {
    Expr::Column(Column::from(plan.schema().qualified_field(position)))
}

/// An order of an operator's rows as an order of its input's; `of` gives what the column at a position is there. A constant
/// orders nothing. None when an operator computes what is ordered by.
fn below_order(order: &[SortExpr], schema: &DFSchema, of: impl Fn(usize) -> Option<Expr>) -> Option<Vec<SortExpr>> {
    let mut below = Vec::with_capacity(order.len());
    for key in order {
        match of(plain_column(&key.expr, schema)?)? {
            Expr::Literal(..) => {}
            expr @ Expr::Column(_) => below.push(SortExpr { expr, ..key.clone() }),
            _ => return None,
        }
    }
    Some(below)
}
