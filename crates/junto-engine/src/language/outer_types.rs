//! Types of the outer columns that subqueries refer to.
//!
//! A reference to an outer column keeps the type that the column had when the subquery was planned. A column may get another
//! one afterwards: the branches of CASE and the parts of a union meet in a common type only when types are settled. The
//! comparisons of the subquery would then be between values of two types.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema};
use datafusion::error::Result;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;

use super::harmonise::{Harmonise, recomputed};

/// Gives references to outer columns the types that these have once types are settled, and settles what depends on them.
#[derive(Debug)]
pub(crate) struct OuterTypes;

impl AnalyzerRule for OuterTypes {
    fn name(&self) -> &'static str {
        "junto_outer_types"
    }

    fn analyze(&self, mut plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        // A subquery within a subquery may refer to a column whose type changes in the first round.
        loop {
            let renewed = plan.transform_down_with_subqueries(renew)?;
            if !renewed.transformed {
                return Ok(renewed.data);
            }
            let harmonised = Harmonise.analyze(recomputed(renewed.data)?, config)?;
            plan = TypeCoercion::new().analyze(harmonised, config)?;
        }
    }
}

/// The subqueries of one operator, whose outer columns are those of its inputs.
fn renew(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let scope = merge_schema(&plan.inputs());
    plan.map_subqueries(|subquery| match subquery {
        LogicalPlan::Subquery(subquery) => Ok(renew_subquery(subquery, &scope)?.update_data(LogicalPlan::Subquery)),
        other => Ok(Transformed::no(other)),
    })
}

fn renew_subquery(subquery: Subquery, scope: &DFSchema) -> Result<Transformed<Subquery>> {
    if subquery.outer_ref_columns.is_empty() {
        return Ok(Transformed::no(subquery));
    }
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
