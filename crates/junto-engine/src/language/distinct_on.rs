//! `SELECT DISTINCT ON`, in a form that DataFusion computes whatever its expressions are.
//!
//! ```text
//! SELECT DISTINCT ON (a) b + 1, (SELECT … t.c) FROM t ORDER BY a, b + 1, b + 1
//! SELECT DISTINCT ON (k0) k1, k2 FROM (SELECT a AS k0, b + 1 AS k1, (SELECT … t.c) AS k2 FROM t) ORDER BY k0, k1
//! ```
//!
//! DataFusion makes an aggregate of it whose arguments are the expressions: it refuses subqueries that look outside there,
//! and panics when an order names the same values twice.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::{Distinct, DistinctOn, Expr, LogicalPlan, LogicalPlanBuilder, SortExpr};
use datafusion::optimizer::AnalyzerRule;

/// Computes what DISTINCT ON tests, selects and orders by below it, each expression once.
#[derive(Debug)]
pub(crate) struct ComputedBelow;

impl AnalyzerRule for ComputedBelow {
    fn name(&self) -> &'static str {
        "junto_distinct_on"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Distinct(Distinct::On(distinct)) => rewrite(distinct).map(Transformed::yes),
            plan => Ok(Transformed::no(plan)),
        })
        .map(|transformed| transformed.data)
    }
}

fn rewrite(distinct: DistinctOn) -> Result<LogicalPlan> {
    let mut below = Below::default();
    let on: Vec<Expr> = below.columns(distinct.on_expr);
    let sort = distinct.sort_expr.map(|keys| below.keys(keys));
    let selected = distinct.select_expr.into_iter().zip(distinct.schema.iter());
    let selected = selected.map(|(expr, (qualifier, field))| {
        below.column(expr.unalias()).alias_qualified(qualifier.cloned(), field.name())
    });
    let selected = selected.collect();
    let input = LogicalPlanBuilder::from(distinct.input).project(below.exprs.into_iter().enumerate().map(named))?;
    let distinct = DistinctOn::try_new(on, selected, sort, Arc::new(input.build()?))?;
    Ok(LogicalPlan::Distinct(Distinct::On(distinct)))
}

/// What is computed below.
#[derive(Default)]
struct Below {
    exprs: Vec<Expr>,
}

impl Below {
    /// The column that holds an expression's values.
    fn column(&mut self, expr: Expr) -> Expr {
        let known = self.exprs.iter().position(|one| *one == expr && !expr.is_volatile());
        let position = known.unwrap_or_else(|| {
            self.exprs.push(expr);
            self.exprs.len() - 1
        });
        Expr::Column(Column::new_unqualified(name(position)))
    }

    /// The columns of several, each once.
    fn columns(&mut self, exprs: Vec<Expr>) -> Vec<Expr> {
        let mut columns = Vec::new();
        for expr in exprs {
            let column = self.column(expr);
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        columns
    }

    /// The keys of an order, each once.
    fn keys(&mut self, keys: Vec<SortExpr>) -> Vec<SortExpr> {
        let mut columns: Vec<SortExpr> = Vec::new();
        for key in keys {
            let key = SortExpr { expr: self.column(key.expr), ..key };
            if columns.iter().all(|known| known.expr != key.expr) {
                columns.push(key);
            }
        }
        columns
    }
}

fn named((position, expr): (usize, Expr)) -> Expr {
    expr.alias(name(position))
}

fn name(position: usize) -> String {
    format!("__junto_k{position}")
}
