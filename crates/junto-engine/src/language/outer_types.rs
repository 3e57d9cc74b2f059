//! Types of the outer columns that subqueries refer to.
//!
//! A reference to an outer column keeps the type that the column had when the subquery was planned. A column may get another
//! one afterwards: the branches of CASE and the parts of a union meet in a common type only when types are settled. The
//! comparisons of the subquery would then be between values of two types.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ExprSchema};
use datafusion::error::Result;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};
use datafusion::optimizer::AnalyzerRule;

use super::harmonise::Harmonise;

/// Gives references to outer columns the types that these will have. Must run before comparisons are settled.
#[derive(Debug)]
pub(crate) struct OuterTypes;

impl AnalyzerRule for OuterTypes {
    fn name(&self) -> &'static str {
        "junto_outer_types"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        // Outer subqueries first: what they refer to gives columns of theirs other types, to which inner ones refer.
        plan.transform_down_with_subqueries(|plan| renew(plan, config)).map(|renewed| renewed.data)
    }
}

/// The subqueries of one operator, whose outer columns are those of its inputs; a lateral one sees what stands left of it.
fn renew(mut plan: LogicalPlan, config: &ConfigOptions) -> Result<Transformed<LogicalPlan>> {
    let settled = |input: &LogicalPlan| Harmonise.analyze(input.clone(), config);
    if let LogicalPlan::Join(mut join) = plan {
        if is_lateral(&join.right) {
            let scope = settled(&join.left)?;
            join.right = Arc::new(renew_outer(Arc::unwrap_or_clone(join.right), scope.schema())?.data);
            return Ok(Transformed::yes(LogicalPlan::Join(join)));
        }
        plan = LogicalPlan::Join(join);
    }
    let mut is_correlated = false;
    plan.apply_subqueries(|subquery| {
        is_correlated |= matches!(subquery, LogicalPlan::Subquery(subquery) if !subquery.outer_ref_columns.is_empty());
        Ok(TreeNodeRecursion::Continue)
    })?;
    if !is_correlated {
        return Ok(Transformed::no(plan));
    }
    let inputs = plan.inputs().into_iter().map(settled).collect::<Result<Vec<_>>>()?;
    let scope = merge_schema(&inputs.iter().collect::<Vec<_>>());
    plan.map_subqueries(|subquery| match subquery {
        LogicalPlan::Subquery(subquery) => Ok(renew_subquery(subquery, &scope)?.update_data(LogicalPlan::Subquery)),
        other => Ok(Transformed::no(other)),
    })
}

fn is_lateral(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Subquery(_) => true,
        LogicalPlan::SubqueryAlias(alias) => is_lateral(&alias.input),
        _ => false,
    }
}

fn renew_subquery(subquery: Subquery, scope: &DFSchema) -> Result<Transformed<Subquery>> {
    let Subquery { subquery: plan, outer_ref_columns, spans } = subquery;
    let plan = renew_outer(Arc::unwrap_or_clone(plan), scope)?;
    let columns = outer_ref_columns.into_iter().map(|column| renew_column(column, scope).map(|column| column.data));
    let outer_ref_columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(plan.update_data(|plan| Subquery { subquery: Arc::new(plan), outer_ref_columns, spans }))
}

fn renew_outer(plan: LogicalPlan, scope: &DFSchema) -> Result<Transformed<LogicalPlan>> {
    plan.transform_up_with_subqueries(|plan| plan.map_expressions(|expr| renew_column(expr, scope)))
}

fn renew_column(expr: Expr, scope: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| match expr {
        Expr::OuterReferenceColumn(field, column) => match scope.field_from_column(&column) {
            Ok(now) if now.data_type() != field.data_type() => {
                Ok(Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(now), column)))
            }
            _ => Ok(Transformed::no(Expr::OuterReferenceColumn(field, column))),
        },
        other => Ok(Transformed::no(other)),
    })
}
