//! EXISTS among the selected values, which DataFusion knows only in conditions.
//!
//! ```text
//! SELECT EXISTS (SELECT 1 FROM s WHERE s.a = t.a) FROM t
//! SELECT (SELECT count(*) > 0 FROM s WHERE s.a = t.a) FROM t
//! ```

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::plan_err;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::Exists;
use datafusion::logical_expr::{
    Distinct, Expr, FetchType, GroupingSet, Limit, LogicalPlan, LogicalPlanBuilder, SkipType, Subquery, col, lit,
};
use datafusion::optimizer::AnalyzerRule;
use junto_datafusion::keeping_names;

/// Columns of the counting subquery; no name of the user's.
const ROWS: &str = "__junto_rows";
const SOME: &str = "__junto_some";

/// Counts the rows of EXISTS in a select list, and knows the answer where there always is one.
#[derive(Debug)]
pub(crate) struct SelectedExists;

impl AnalyzerRule for SelectedExists {
    fn name(&self) -> &'static str {
        "junto_selected_exists"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            if !asks(&plan)? {
                return Ok(Transformed::no(plan));
            }
            let is_projection = matches!(plan, LogicalPlan::Projection(_));
            keeping_names(plan, |expr| {
                expr.transform_up(|part| match part {
                    Expr::Exists(exists) => answered(exists, is_projection),
                    part => Ok(Transformed::no(part)),
                })
            })?
            .map_data(LogicalPlan::recompute_schema)
        })
        .map(|transformed| transformed.data)
    }
}

/// Whether an expression of the operator has an EXISTS.
fn asks(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        found = expr.exists(|part| Ok(matches!(part, Expr::Exists(_))))?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// EXISTS as a value, where it has to be one or is always the same.
fn answered(exists: Exists, is_selected: bool) -> Result<Transformed<Expr>> {
    if has_one_row(&exists.subquery.subquery)? {
        return Ok(Transformed::yes(lit(!exists.negated)));
    }
    if !exists.subquery.outer_ref_columns.is_empty() && chooses_one_row(&exists.subquery.subquery)? {
        return plan_err!(
            "a subquery of EXISTS that looks outside cannot have HAVING without GROUP BY; compare the aggregate in a \
             subquery that stands for a value"
        );
    }
    if is_selected { counted(exists).map(Transformed::yes) } else { Ok(Transformed::no(Expr::Exists(exists))) }
}

fn counted(Exists { subquery, negated }: Exists) -> Result<Expr> {
    let Subquery { subquery, outer_ref_columns, spans } = subquery;
    // One row is enough for EXISTS. A limit would hide what looks outside, and spares the rest where nothing does.
    let asked = if outer_ref_columns.is_empty() {
        LogicalPlanBuilder::from(subquery).limit(0, Some(1))?
    } else {
        LogicalPlanBuilder::from(match &*subquery {
            LogicalPlan::Limit(limit) if keeps_some(limit)? => Arc::clone(&limit.input),
            _ => subquery,
        })
    };
    let asked = asked.aggregate(Vec::<Expr>::new(), vec![count(lit(1)).alias(ROWS)])?;
    let some = if negated { col(ROWS).eq(lit(0_i64)) } else { col(ROWS).gt(lit(0_i64)) };
    let subquery = Arc::new(asked.project(vec![some.alias(SOME)])?.build()?);
    Ok(Expr::ScalarSubquery(Subquery { subquery, outer_ref_columns, spans }))
}

/// Whether a query has rows whatever its tables hold, as one that forms a group of all rows.
pub(super) fn has_one_row(plan: &LogicalPlan) -> Result<bool> {
    Ok(match plan {
        LogicalPlan::Aggregate(aggregate) => match &aggregate.group_expr[..] {
            [] | [Expr::GroupingSet(GroupingSet::Rollup(_) | GroupingSet::Cube(_))] => true,
            [Expr::GroupingSet(GroupingSet::GroupingSets(sets))] => sets.iter().any(Vec::is_empty),
            _ => false,
        },
        LogicalPlan::Limit(limit) => keeps_some(limit)? && has_one_row(&limit.input)?,
        other => handed_on(other).map_or(Ok(false), has_one_row)?,
    })
}

/// Whether a condition decides about the row of a group of all rows.
fn chooses_one_row(plan: &LogicalPlan) -> Result<bool> {
    match plan {
        LogicalPlan::Filter(filter) => has_one_row(&filter.input),
        other => handed_on(other).map_or(Ok(false), chooses_one_row),
    }
}

/// The input of an operator that has a row if that has one.
fn handed_on(plan: &LogicalPlan) -> Option<&LogicalPlan> {
    match plan {
        LogicalPlan::Projection(projection) => Some(&projection.input),
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => Some(&sort.input),
        LogicalPlan::SubqueryAlias(alias) => Some(&alias.input),
        LogicalPlan::Distinct(Distinct::All(input)) => Some(input),
        _ => None,
    }
}

/// Whether there are rows after the limit if there were some before.
fn keeps_some(limit: &Limit) -> Result<bool> {
    let skips_none = matches!(limit.get_skip_type()?, SkipType::Literal(0));
    Ok(skips_none && matches!(limit.get_fetch_type()?, FetchType::Literal(fetch) if fetch != Some(0)))
}
