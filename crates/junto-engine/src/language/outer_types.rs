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
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;

use super::harmonise::{Harmonise, recomputed};

/// Gives references to outer columns the types that these will have. Must run before comparisons are settled.
#[derive(Debug)]
pub(crate) struct OuterTypes;

impl AnalyzerRule for OuterTypes {
    fn name(&self) -> &'static str {
        "junto_outer_types"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        // Outer subqueries first: what they refer to gives columns of theirs other types, to which inner ones refer.
        let renewed = plan.transform_down_with_subqueries(|plan| renew(plan, config))?;
        if renewed.transformed { recomputed(renewed.data) } else { Ok(renewed.data) }
    }
}

/// The subqueries of one operator, whose outer columns are those of its inputs.
fn renew(plan: LogicalPlan, config: &ConfigOptions) -> Result<Transformed<LogicalPlan>> {
    let mut is_correlated = false;
    plan.apply_subqueries(|subquery| {
        is_correlated |= matches!(subquery, LogicalPlan::Subquery(subquery) if !subquery.outer_ref_columns.is_empty());
        Ok(TreeNodeRecursion::Continue)
    })?;
    if !is_correlated {
        return Ok(Transformed::no(plan));
    }
    let settled = |input: &LogicalPlan| TypeCoercion::new().analyze(Harmonise.analyze(input.clone(), config)?, config);
    let inputs = plan.inputs().into_iter().map(settled).collect::<Result<Vec<_>>>()?;
    let scope = merge_schema(&inputs.iter().collect::<Vec<_>>());
    plan.map_subqueries(|subquery| match subquery {
        LogicalPlan::Subquery(subquery) => Ok(renew_subquery(subquery, &scope)?.update_data(LogicalPlan::Subquery)),
        other => Ok(Transformed::no(other)),
    })
}

fn renew_subquery(subquery: Subquery, scope: &DFSchema) -> Result<Transformed<Subquery>> {
    let renewed = |expr: Expr| {
        expr.transform_up(|expr| match expr {
            Expr::OuterReferenceColumn(field, column) => match scope.field_from_column(&column) {
                Ok(now) if now.data_type() != field.data_type() => {
                    Ok(Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(now), column)))
                }
                _ => Ok(Transformed::no(Expr::OuterReferenceColumn(field, column))),
            },
            other => Ok(Transformed::no(other)),
        })
    };
    let Subquery { subquery: plan, outer_ref_columns, spans } = subquery;
    let plan = Arc::unwrap_or_clone(plan).transform_up_with_subqueries(|plan| plan.map_expressions(renewed))?;
    let columns = outer_ref_columns.into_iter().map(|column| renewed(column).map(|column| column.data));
    let outer_ref_columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(plan.update_data(|plan| Subquery { subquery: Arc::new(plan), outer_ref_columns, spans }))
}
