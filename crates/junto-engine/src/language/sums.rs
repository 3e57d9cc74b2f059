//! Sums of 64-bit integers as decimals, so that they cannot wrap (DataFusion's own do, silently).

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, WindowFunctionDefinition, cast};
use datafusion::optimizer::AnalyzerRule;

/// Casts the argument of `sum` to decimal(20) where it is a 64-bit integer.
///
/// 32-bit integers keep a 64-bit sum: four thousand million rows fit.
#[derive(Debug)]
pub(crate) struct WideSums;

impl AnalyzerRule for WideSums {
    fn name(&self) -> &'static str {
        "junto_wide_sums"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let widened = plan.transform_up_with_subqueries(widen_plan)?;
        if !widened.transformed {
            return Ok(widened.data);
        }
        // Operators above an aggregation remember its old types.
        let recomputed = |plan: LogicalPlan| plan.recompute_schema().map(Transformed::yes);
        widened.data.transform_up_with_subqueries(recomputed).map(|transformed| transformed.data)
    }
}

fn widen_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    if !matches!(plan, LogicalPlan::Aggregate(_) | LogicalPlan::Window(_)) {
        return Ok(Transformed::no(plan));
    }
    let schema = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    let widened = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let widened = expr.transform_up(|inner| widen(inner, &schema))?;
        Ok(widened.update_data(|expr| name.restore(expr)))
    })?;
    if widened.transformed { widened.map_data(LogicalPlan::recompute_schema) } else { Ok(widened) }
}

fn widen(expr: Expr, schema: &datafusion::common::DFSchema) -> Result<Transformed<Expr>> {
    let wide = |args: &[Expr]| match args {
        [argument] => matches!(argument.get_type(schema), Ok(DataType::Int64 | DataType::UInt64)),
        _ => false,
    };
    let cast_first = |args: &mut Vec<Expr>| {
        if let Some(argument) = args.pop() {
            args.push(cast(argument, DataType::Decimal128(20, 0)));
        }
    };
    match expr {
        Expr::AggregateFunction(AggregateFunction { func, mut params })
            if func.name() == "sum" && wide(&params.args) =>
        {
            cast_first(&mut params.args);
            Ok(Transformed::yes(Expr::AggregateFunction(AggregateFunction { func, params })))
        }
        Expr::WindowFunction(mut window) => {
            let WindowFunction { fun, params } = window.as_mut();
            let is_sum = matches!(fun, WindowFunctionDefinition::AggregateUDF(udf) if udf.name() == "sum");
            if is_sum && wide(&params.args) {
                cast_first(&mut params.args);
                return Ok(Transformed::yes(Expr::WindowFunction(window)));
            }
            Ok(Transformed::no(Expr::WindowFunction(window)))
        }
        other => Ok(Transformed::no(other)),
    }
}
