//! Of which subqueries DataFusion makes the right joins.
//!
//! It takes the conditions that look outside out of a filter and carries their columns upwards, by name. That is right where
//! nothing between the filter and the subquery's rows changes which rows there are for one row outside: no window, no
//! limit, no set operation, no outer join, no DISTINCT of what is delivered.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, NullEquality};
use datafusion::error::Result;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Distinct, Expr, FetchType, LogicalPlan, SkipType, Subquery};

/// Whether all subqueries of a statement are.
///
/// # Errors
/// DataFusion's, for limits that cannot be read.
pub(crate) fn is_simple(plan: &LogicalPlan) -> Result<bool> {
    let mut is_simple = true;
    plan.apply_with_subqueries(|operator| {
        if let LogicalPlan::Join(join) = operator
            && let Some(lateral) = super::lateral(&join.right)
        {
            is_simple &= Kind::Rows.allows(&lateral)?;
        }
        operator.apply_expressions(|expr| {
            expr.apply(|part| {
                is_simple &= match part {
                    Expr::ScalarSubquery(Subquery { subquery, .. }) => Kind::Rows.allows(subquery)?,
                    Expr::Exists(exists) => Kind::Some.allows(&exists.subquery.subquery)?,
                    Expr::InSubquery(tested) => Kind::Values.allows(&tested.subquery.subquery)?,
                    // Of two tables that are called alike, inside and outside, it compares the one with itself.
                    Expr::SetComparison(_) => false,
                    _ => true,
                };
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        Ok(if is_simple { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(is_simple)
}

/// What is asked of a subquery's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// All of them.
    Rows,
    /// Which values there are.
    Values,
    /// Whether there are any.
    Some,
}

impl Kind {
    fn allows(self, plan: &LogicalPlan) -> Result<bool> {
        if !looks_outside(plan)? {
            return Ok(true);
        }
        Ok(match plan {
            LogicalPlan::Projection(projection) => {
                !look_outside(&projection.expr)? && self.allows(&projection.input)?
            }
            LogicalPlan::SubqueryAlias(alias) => self.allows(&alias.input)?,
            LogicalPlan::Sort(sort) => self.allows(&sort.input)?,
            LogicalPlan::Distinct(Distinct::All(input)) => self != Kind::Rows && self.allows(input)?,
            LogicalPlan::Limit(limit) => {
                let keeps_some = matches!(limit.get_skip_type()?, SkipType::Literal(0))
                    && !matches!(limit.get_fetch_type()?, FetchType::Literal(Some(0)) | FetchType::UnsupportedExpr);
                self == Kind::Some && keeps_some && self.allows(&limit.input)?
            }
            LogicalPlan::Aggregate(aggregate) => {
                let is_one = aggregate.group_expr.is_empty();
                let fits = match self {
                    Kind::Rows => is_one,
                    Kind::Values => !is_one,
                    Kind::Some => true,
                };
                let has_sets = matches!(&aggregate.group_expr[..], [Expr::GroupingSet(_)]);
                let looks = look_outside(&aggregate.group_expr)? || look_outside(&aggregate.aggr_expr)?;
                fits && !has_sets && !looks && is_filtered(&aggregate.input)?
            }
            other => is_filtered(other)?,
        })
    }
}

/// Whether rows look outside by one filter only, above which they are joined and named.
fn is_filtered(plan: &LogicalPlan) -> Result<bool> {
    if !looks_outside(plan)? {
        return Ok(true);
    }
    Ok(match plan {
        LogicalPlan::Filter(filter) => {
            let asks = look_outside(std::slice::from_ref(&filter.predicate))?;
            let is_clear = !asks || (!looks_outside(&filter.input)? && names_are_clear(&filter.predicate)?);
            // A subquery within may look past this one.
            let own = own_outer_columns(&filter.predicate)?.len() + outer_columns(&filter.input)?.len();
            is_clear && outer_columns(plan)?.len() == own && is_filtered(&filter.input)?
        }
        LogicalPlan::Projection(projection) => !look_outside(&projection.expr)? && is_filtered(&projection.input)?,
        LogicalPlan::SubqueryAlias(alias) => is_filtered(&alias.input)?,
        LogicalPlan::Sort(sort) => is_filtered(&sort.input)?,
        LogicalPlan::Join(join) => {
            let is_inner = join.join_type == JoinType::Inner && join.null_equality == NullEquality::NullEqualsNothing;
            let is_one_side = !(looks_outside(&join.left)? && looks_outside(&join.right)?);
            is_inner
                && is_one_side
                && !look_outside(join.filter.as_slice())?
                && is_filtered(&join.left)?
                && is_filtered(&join.right)?
        }
        _ => false,
    })
}

/// Whether the columns that are compared with outer ones have names of their own: they are told apart by them.
fn names_are_clear(predicate: &Expr) -> Result<bool> {
    let mut compared: Vec<&Column> = Vec::new();
    for part in split_conjunction(predicate) {
        if look_outside(std::slice::from_ref(part))? {
            compared.extend(part.column_refs());
        }
    }
    Ok(compared.iter().all(|one| compared.iter().all(|other| one.name != other.name || one == other)))
}

fn look_outside(exprs: &[Expr]) -> Result<bool> {
    let mut found = false;
    for expr in exprs {
        found |= !own_outer_columns(expr)?.is_empty();
    }
    Ok(found)
}

/// The outer columns that an expression names itself, outside of its subqueries.
fn own_outer_columns(expr: &Expr) -> Result<Vec<(Column, FieldRef)>> {
    let mut columns = Vec::new();
    expr.apply(|part| {
        if let Expr::OuterReferenceColumn(field, column) = part {
            columns.push((column.clone(), Arc::clone(field)));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(columns)
}

/// Whether a subquery looks outside.
///
/// # Errors
/// As [`outer_columns`].
pub(super) fn looks_outside(plan: &LogicalPlan) -> Result<bool> {
    Ok(!outer_columns(plan)?.is_empty())
}

/// The columns outside of a plan that it names, those of its subqueries included.
///
/// # Errors
/// None of its own.
pub(super) fn outer_columns(plan: &LogicalPlan) -> Result<Vec<(Column, FieldRef)>> {
    let mut columns = Vec::new();
    for input in plan.inputs() {
        columns.extend(outer_columns(input)?);
    }
    plan.apply_expressions(|expr| {
        columns.extend(own_outer_columns(expr)?);
        expr.apply(|part| {
            let subquery = match part {
                Expr::ScalarSubquery(subquery) => subquery,
                Expr::Exists(exists) => &exists.subquery,
                Expr::InSubquery(tested) => &tested.subquery,
                Expr::SetComparison(compared) => &compared.subquery,
                _ => return Ok(TreeNodeRecursion::Continue),
            };
            let is_here = |column: &Column| plan.inputs().iter().any(|input| input.schema().has_column(column));
            columns.extend(outer_columns(&subquery.subquery)?.into_iter().filter(|(column, _)| !is_here(column)));
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    // What LATERAL looks at is beside it.
    if let LogicalPlan::Join(join) = plan
        && super::lateral(&join.right).is_some()
    {
        columns.retain(|(column, _)| !join.left.schema().has_column(column));
    }
    Ok(columns)
}
