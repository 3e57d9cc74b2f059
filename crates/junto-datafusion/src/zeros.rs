//! One zero, where DataFusion tells `-0` from `0`.
//!
//! Its comparisons, joins and groups take them for equal. Its orders, the partitions and peers of window functions, DISTINCT
//! within aggregates, lists, NULLIF and `CASE x WHEN` do not: `rank()` gives two ranks, `count(DISTINCT x)` counts both, and
//! what an order says next is not asked. Adding 0 makes `0` of both, and leaves every other number as it is.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{AggregateFunction, Case, WindowFunction};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Distinct, DistinctOn, Expr, ExprSchemable, LogicalPlan, Operator, SortExpr, binary_expr, lit,
};
use datafusion::optimizer::AnalyzerRule;

use crate::keeping_names;

/// Adds 0 to floating-point numbers where `-0` would be another. Types must be coerced by then.
#[derive(Debug)]
pub(crate) struct OneZero;

impl AnalyzerRule for OneZero {
    fn name(&self) -> &'static str {
        "junto_one_zero"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewrite).map(|transformed| transformed.data)
    }
}

fn rewrite(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Sort(mut sort) => {
            // Nothing is sorted within the last key, so that its zeros may come in any order.
            if let Some((_, earlier)) = sort.expr.split_last_mut() {
                in_keys(earlier, sort.input.schema())?;
            }
            Ok(Transformed::yes(LogicalPlan::Sort(sort)))
        }
        LogicalPlan::Distinct(Distinct::On(mut distinct)) => {
            let schema = Arc::clone(distinct.input.schema());
            in_all(&mut distinct.on_expr, &schema)?;
            if let Some(keys) = &mut distinct.sort_expr {
                in_keys(keys, &schema)?;
            }
            let DistinctOn { on_expr, select_expr, sort_expr, input, .. } = distinct;
            let distinct = DistinctOn::try_new(on_expr, select_expr, sort_expr, input)?;
            Ok(Transformed::yes(LogicalPlan::Distinct(Distinct::On(distinct))))
        }
        LogicalPlan::TableScan(_) | LogicalPlan::EmptyRelation(_) => Ok(Transformed::no(plan)),
        other => {
            let schema = merge_schema(&other.inputs());
            keeping_names(other, |expr| expr.transform_up(|inner| in_part(inner, &schema)))
        }
    }
}

/// In what compares by itself.
fn in_part(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::WindowFunction(mut window) => {
            let WindowFunction { params, .. } = window.as_mut();
            in_all(&mut params.partition_by, schema)?;
            in_keys(&mut params.order_by, schema)?;
            if params.distinct {
                in_all(&mut params.args, schema)?;
            }
            Ok(Transformed::yes(Expr::WindowFunction(window)))
        }
        Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
            in_keys(&mut params.order_by, schema)?;
            if params.distinct {
                in_all(&mut params.args, schema)?;
            }
            Ok(Transformed::yes(Expr::AggregateFunction(AggregateFunction { func, params })))
        }
        Expr::Case(Case { expr: Some(mut compared), mut when_then_expr, else_expr }) => {
            in_one(&mut compared, schema)?;
            when_then_expr.iter_mut().try_for_each(|(when, _)| in_one(when, schema))?;
            Ok(Transformed::yes(Expr::Case(Case { expr: Some(compared), when_then_expr, else_expr })))
        }
        Expr::InList(mut tested) if tested.list.iter().any(may_be_zero) => {
            in_one(&mut tested.expr, schema)?;
            in_all(&mut tested.list, schema)?;
            Ok(Transformed::yes(Expr::InList(tested)))
        }
        Expr::ScalarFunction(mut call) if call.name() == "nullif" => {
            in_all(&mut call.args, schema)?;
            Ok(Transformed::yes(Expr::ScalarFunction(call)))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Whether an item of a list may be a zero: others leave the list as it is, for sources that take it.
fn may_be_zero(item: &Expr) -> bool {
    match item {
        Expr::Literal(ScalarValue::Float64(value), _) => value.is_some_and(|value| value == 0.0),
        Expr::Literal(ScalarValue::Float32(value), _) => value.is_some_and(|value| value == 0.0),
        _ => true,
    }
}

fn in_keys(keys: &mut [SortExpr], schema: &DFSchema) -> Result<()> {
    keys.iter_mut().try_for_each(|key| in_one(&mut key.expr, schema))
}

fn in_all(exprs: &mut [Expr], schema: &DFSchema) -> Result<()> {
    exprs.iter_mut().try_for_each(|expr| in_one(expr, schema))
}

fn in_one(expr: &mut Expr, schema: &DFSchema) -> Result<()> {
    let zero = match expr.get_type(schema)? {
        DataType::Float64 => lit(0.0_f64),
        DataType::Float32 => lit(0.0_f32),
        _ => return Ok(()),
    };
    *expr = binary_expr(std::mem::take(expr), Operator::Plus, zero);
    Ok(())
}
