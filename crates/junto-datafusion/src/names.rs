//! Names of columns, which DataFusion derives from expressions.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// The plan with each whole expression of its root rewritten, its columns called as before.
///
/// # Errors
/// Those of `rewrite`.
pub fn keeping_names(
    plan: LogicalPlan,
    rewrite: impl Fn(Expr) -> Result<Transformed<Expr>>,
) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&plan);
    let named = |expr: Expr| {
        let name = names.save(&expr);
        Ok(rewrite(expr)?.update_data(|expr| name.restore(expr)))
    };
    plan.map_expressions(|expr| match expr {
        // The columns of the groups, each with a name of its own.
        Expr::GroupingSet(_) => expr.map_children(named),
        other => named(other),
    })
}
