//! `x NOT IN (SELECT y … WHERE …)` with a subquery that looks outside, in terms of what DataFusion plans.
//!
//! ```text
//! x NOT IN (SELECT y FROM s WHERE s.a = t.a)
//! NOT EXISTS (SELECT y FROM s WHERE s.a = t.a AND (x = y) IS NOT FALSE)
//! ```
//!
//! Both are true for the same rows; where the first is NULL the second is false, so only conditions of WHERE are
//! rewritten. DataFusion's anti join that knows NULLs has one key, and such a subquery needs more.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, Spans};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Subquery, lit};
use datafusion::optimizer::AnalyzerRule;

/// Rewrites correlated NOT IN within WHERE.
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
    let LogicalPlan::Filter(Filter { predicate, input, .. }) = plan else { return Ok(Transformed::no(plan)) };
    let conditions = split_conjunction_owned(predicate);
    let mut changed = false;
    let mut rewritten = Vec::with_capacity(conditions.len());
    for condition in conditions {
        match condition {
            Expr::InSubquery(tested) if is_rewritten(&tested)? => {
                changed = true;
                rewritten.push(not_exists(tested, input.schema())?);
            }
            other => rewritten.push(other),
        }
    }
    let predicate = conjunction(rewritten).unwrap_or_else(|| lit(true));
    let plan = LogicalPlan::Filter(Filter::try_new(predicate, input)?);
    Ok(if changed { Transformed::yes(plan) } else { Transformed::no(plan) })
}

/// Whether the rows of the subquery are those of its tables that meet its conditions, and it looks outside.
fn is_rewritten(tested: &InSubquery) -> Result<bool> {
    if !tested.negated || tested.subquery.outer_ref_columns.is_empty() || tested.expr.contains_outer() {
        return Ok(false);
    }
    let mut is_simple = true;
    tested.subquery.subquery.apply(|plan| {
        use LogicalPlan as P;
        is_simple =
            matches!(plan, P::Projection(_) | P::Filter(_) | P::SubqueryAlias(_) | P::TableScan(_) | P::Join(_));
        Ok(if is_simple { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(is_simple)
}

fn not_exists(tested: InSubquery, schema: &DFSchema) -> Result<Expr> {
    let Subquery { subquery, mut outer_ref_columns, .. } = tested.subquery;
    let outer = tested.expr.transform_up(|expr| match expr {
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
    let column = Expr::Column(Column::from(subquery.schema().qualified_field(0)));
    let may_equal = Expr::IsNotFalse(Box::new(outer.data.eq(column)));
    let subquery = LogicalPlan::Filter(Filter::try_new(may_equal, subquery)?);
    let subquery = Subquery { subquery: Arc::new(subquery), outer_ref_columns, spans: Spans::new() };
    Ok(Expr::Exists(Exists { subquery, negated: true }))
}
