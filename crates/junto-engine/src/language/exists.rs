//! EXISTS among the selected values, which DataFusion knows only in conditions.
//!
//! ```text
//! SELECT EXISTS (SELECT 1 FROM s WHERE s.a = t.a) FROM t
//! SELECT (SELECT count(*) > 0 FROM s WHERE s.a = t.a) FROM t
//! ```

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::Exists;
use datafusion::logical_expr::{
    Expr, FetchType, Limit, LogicalPlan, LogicalPlanBuilder, Projection, SkipType, Subquery, col, lit,
};
use datafusion::optimizer::AnalyzerRule;

/// Counts the rows of EXISTS in a select list.
#[derive(Debug)]
pub(crate) struct SelectedExists;

impl AnalyzerRule for SelectedExists {
    fn name(&self) -> &'static str {
        "junto_selected_exists"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Projection(projection) => rewrite(projection),
            plan => Ok(Transformed::no(plan)),
        })
        .map(|transformed| transformed.data)
    }
}

fn rewrite(projection: Projection) -> Result<Transformed<LogicalPlan>> {
    let asks = |expr: &Expr| expr.exists(|part| Ok(matches!(part, Expr::Exists(_))));
    if !projection.expr.iter().map(asks).collect::<Result<Vec<bool>>>()?.contains(&true) {
        return Ok(Transformed::no(LogicalPlan::Projection(projection)));
    }
    let names: Vec<_> =
        projection.schema.iter().map(|(qualifier, field)| (qualifier.cloned(), field.name().clone())).collect();
    let selected = projection.expr.into_iter().zip(names).map(|(expr, (qualifier, name))| {
        let counted = expr.unalias().transform_up(|part| match part {
            Expr::Exists(exists) => counted(exists).map(Transformed::yes),
            part => Ok(Transformed::no(part)),
        })?;
        Ok(counted.data.alias_qualified(qualifier, name))
    });
    let selected = selected.collect::<Result<Vec<_>>>()?;
    Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(selected, projection.input)?)))
}

fn counted(Exists { subquery, negated }: Exists) -> Result<Expr> {
    let Subquery { subquery, outer_ref_columns, spans } = subquery;
    let rows = count(lit(1)).alias("rows");
    // One row is enough for EXISTS; counted, it would hide what looks outside.
    let asked = match &*subquery {
        LogicalPlan::Limit(limit) if keeps_some(limit)? => Arc::clone(&limit.input),
        _ => subquery,
    };
    let asked = LogicalPlanBuilder::from(asked).aggregate(Vec::<Expr>::new(), vec![rows])?;
    let some = col("rows");
    let some = if negated { some.eq(lit(0_i64)) } else { some.gt(lit(0_i64)) };
    let subquery = Arc::new(asked.project(vec![some.alias("some")])?.build()?);
    Ok(Expr::ScalarSubquery(Subquery { subquery, outer_ref_columns, spans }))
}

/// Whether there are rows after the limit if there were some before.
fn keeps_some(limit: &Limit) -> Result<bool> {
    let skips_none = matches!(limit.get_skip_type()?, SkipType::Literal(0));
    Ok(skips_none && matches!(limit.get_fetch_type()?, FetchType::Literal(fetch) if fetch != Some(0)))
}
