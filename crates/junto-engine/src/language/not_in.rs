//! IN with a subquery, in terms of what DataFusion plans well.
//!
//! ```text
//! x NOT IN (SELECT y FROM s WHERE s.a = t.a)
//! NOT EXISTS (SELECT y FROM s WHERE s.a = t.a AND (x = y) IS NOT FALSE)
//! ```
//!
//! Both are true for the same rows; where the first is NULL the second is false, so it is rewritten only where NULL counts
//! as false: in conditions of WHERE, HAVING and CASE, within AND, OR and NOT. DataFusion's anti join that knows NULLs has
//! one key and stands for a whole condition; elsewhere it knows only true and false, so that there IN is left to `dependent`.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, Spans, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Case, Distinct, Expr, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, lit,
};
use datafusion::optimizer::AnalyzerRule;

/// Rewrites NOT IN within WHERE, HAVING and CASE, and refuses IN where its NULL would get lost.
#[derive(Debug)]
pub(crate) struct NotIn;

impl AnalyzerRule for NotIn {
    fn name(&self) -> &'static str {
        "junto_not_in"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewrite).map(|transformed| transformed.data)
    }
}

fn rewrite(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    if let LogicalPlan::Projection(projection) = &plan {
        for selected in &projection.expr {
            refuse_within(selected)?;
        }
    }
    let LogicalPlan::Filter(Filter { predicate, input, .. }) = plan else { return Ok(Transformed::no(plan)) };
    if !asks_subquery(&predicate)? {
        return Ok(Transformed::no(LogicalPlan::Filter(Filter::try_new(predicate, input)?)));
    }
    let rewritten = split_conjunction_owned(predicate).into_iter().map(|whole| match whole {
        Expr::InSubquery(tested) if !tested.negated || tested.subquery.outer_ref_columns.is_empty() => {
            Ok(Expr::InSubquery(tested))
        }
        part => condition(part, false, input.schema()),
    });
    let predicate = conjunction(rewritten.collect::<Result<Vec<_>>>()?).unwrap_or_else(|| lit(true));
    Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(predicate, input)?)))
}

fn asks_subquery(expr: &Expr) -> Result<bool> {
    expr.exists(|part| Ok(matches!(part, Expr::InSubquery(_))))
}

/// A condition, or its opposite, whose NULL counts as false.
///
/// # Errors
/// IN with a subquery as a part whose NULL counts as such.
fn condition(expr: Expr, negated: bool, schema: &DFSchema) -> Result<Expr> {
    match expr {
        Expr::Not(inner) => condition(*inner, !negated, schema),
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let op = match op {
                Operator::And if negated => Operator::Or,
                Operator::Or if negated => Operator::And,
                op => op,
            };
            let (left, right) = (condition(*left, negated, schema)?, condition(*right, negated, schema)?);
            Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
        }
        Expr::InSubquery(mut tested) => {
            tested.negated ^= negated;
            if !tested.negated {
                return Ok(Expr::InSubquery(tested));
            }
            match tested.subquery.outer_ref_columns.as_slice() {
                [] => not_exists_in_any(tested, schema),
                _ if is_rewritten(&tested) => not_exists(tested, schema),
                _ => plan_err!(
                    "the subquery of a NOT IN uses columns of the statement around it in conditions only, and not \
                     below its groups, limits, windows or unions; use NOT EXISTS, or join"
                ),
            }
        }
        Expr::Case(Case { expr: None, when_then_expr, else_expr }) => {
            let mut branches = Vec::with_capacity(when_then_expr.len());
            for (when, then) in when_then_expr {
                branches.push((Box::new(condition(*when, false, schema)?), Box::new(value(*then)?)));
            }
            let else_expr = else_expr.map(|otherwise| value(*otherwise).map(Box::new)).transpose()?;
            let case = Expr::Case(Case { expr: None, when_then_expr: branches, else_expr });
            Ok(if negated { Expr::Not(Box::new(case)) } else { case })
        }
        other => {
            let other = value(other)?;
            Ok(if negated { Expr::Not(Box::new(other)) } else { other })
        }
    }
}

/// An expression whose NULL is NULL.
fn value(expr: Expr) -> Result<Expr> {
    refuse_within(&expr)?;
    Ok(expr)
}

fn refuse_within(expr: &Expr) -> Result<()> {
    if asks_subquery(expr)? { refuse() } else { Ok(()) }
}

fn refuse<T>() -> Result<T> {
    plan_err!("IN with a subquery stands only in conditions that AND, OR and NOT connect; use EXISTS, or join")
}

/// Whether what looks outside are conditions on the rows of the subquery, so that one more can stand beside them.
fn is_rewritten(tested: &InSubquery) -> bool {
    if tested.expr.contains_outer() {
        return false;
    }
    let mut is_simple = true;
    let walked = tested.subquery.subquery.apply(|plan| {
        use LogicalPlan as P;
        Ok(match plan {
            P::Projection(_)
            | P::Filter(_)
            | P::SubqueryAlias(_)
            | P::TableScan(_)
            | P::Join(_)
            | P::Distinct(Distinct::All(_)) => TreeNodeRecursion::Continue,
            rows if rows.all_out_ref_exprs().is_empty() => TreeNodeRecursion::Jump,
            _ => {
                is_simple = false;
                TreeNodeRecursion::Stop
            }
        })
    });
    walked.is_ok() && is_simple
}

fn not_exists(tested: InSubquery, schema: &DFSchema) -> Result<Expr> {
    let Subquery { subquery, mut outer_ref_columns, .. } = tested.subquery;
    let outer = seen_from_within(*tested.expr, schema, &mut outer_ref_columns)?;
    let may_equal = Expr::IsNotFalse(Box::new(outer.eq(column_of(&subquery))));
    Ok(no_row(LogicalPlan::Filter(Filter::try_new(may_equal, subquery)?), outer_ref_columns))
}

/// The same for a subquery that does not look outside: no row is equal, and none is NULL, and what is tested is not NULL
/// unless there is no row at all. Only the first asks per row, by a key.
fn not_exists_in_any(tested: InSubquery, schema: &DFSchema) -> Result<Expr> {
    let subquery = tested.subquery.subquery;
    let (mut outer_ref_columns, column) = (Vec::new(), column_of(&subquery));
    let outer = seen_from_within(tested.expr.as_ref().clone(), schema, &mut outer_ref_columns)?;
    let equal = LogicalPlan::Filter(Filter::try_new(outer.eq(column.clone()), Arc::clone(&subquery))?);
    let first = |rows: LogicalPlanBuilder| rows.limit(0, Some(1))?.build();
    let null = first(LogicalPlanBuilder::from(Arc::clone(&subquery)).filter(column.is_null())?)?;
    let any = first(LogicalPlanBuilder::from(subquery))?;
    let is_known = tested.expr.is_not_null().or(no_row(any, Vec::new()));
    Ok(no_row(equal, outer_ref_columns).and(no_row(null, Vec::new())).and(is_known))
}

/// `expr` with its columns as a subquery names them, which are added to `outer_ref_columns`.
pub(super) fn seen_from_within(expr: Expr, schema: &DFSchema, outer_ref_columns: &mut Vec<Expr>) -> Result<Expr> {
    let outer = expr.transform_up(|part| match part {
        Expr::Column(column) => {
            let field = schema.field_from_column(&column)?;
            let outer = Expr::OuterReferenceColumn(Arc::clone(field), column);
            if !outer_ref_columns.contains(&outer) {
                outer_ref_columns.push(outer.clone());
            }
            Ok(Transformed::yes(outer))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(outer.data)
}

fn column_of(subquery: &LogicalPlan) -> Expr {
    Expr::Column(Column::from(subquery.schema().qualified_field(0)))
}

fn no_row(subquery: LogicalPlan, outer_ref_columns: Vec<Expr>) -> Expr {
    let subquery = Subquery { subquery: Arc::new(subquery), outer_ref_columns, spans: Spans::new() };
    Expr::Exists(Exists { subquery, negated: true })
}
