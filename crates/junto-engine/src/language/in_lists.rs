//! `IN` lists over one expression, kept apart while DataFusion simplifies.
//!
//! It takes such lists for sets of known values and joins them: `x IN (1, 2) AND x NOT IN (2, y)` becomes `x IN (1)`,
//! `x NOT IN (1, 2) OR x NOT IN (3, 4)` becomes true. That is wrong where an item is NULL or no literal, and where
//! nothing is left and `x` is NULL.

use std::fmt;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{InList, Placeholder};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// What stands for a list while DataFusion simplifies, before its number. No statement has parameters of this name.
const MARK: &str = "$junto_in_list_";

/// DataFusion's simplifier, which sees at most one list over each expression.
#[derive(Default)]
pub(crate) struct Simplify {
    inner: SimplifyExpressions,
}

impl fmt::Debug for Simplify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl OptimizerRule for Simplify {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.inner.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let mut hidden = Hidden::default();
        let names = NamePreserver::new(&plan);
        let mut hide = |expr: Expr| {
            let name = names.save(&expr);
            Ok(hidden.hide(expr)?.update_data(|expr| name.restore(expr)))
        };
        // Each set of a grouping has its own name.
        let plan = plan.map_expressions(|expr| match expr {
            Expr::GroupingSet(_) => expr.map_children(&mut hide),
            other => hide(other),
        })?;
        let simplified = self.inner.rewrite(plan.data, config)?;
        if hidden.lists.is_empty() {
            return Ok(simplified);
        }
        // An aggregate may have become two nodes.
        let shown = |plan: LogicalPlan| plan.transform_up(|node| node.map_expressions(|expr| hidden.show(expr)));
        Ok(Transformed::new_transformed(shown(simplified.data)?.data, simplified.transformed))
    }
}

/// The lists that are out of sight, none of them negated.
#[derive(Default)]
struct Hidden {
    lists: Vec<InList>,
}

impl Hidden {
    /// `expr` without the lists that stand in it beside others over the same expression.
    fn hide(&mut self, expr: Expr) -> Result<Transformed<Expr>> {
        let mut tested = Vec::new();
        let mut twice = Vec::new();
        expr.apply(|inner| {
            if let Expr::InList(list) = inner {
                let seen = if tested.contains(&&*list.expr) { &mut twice } else { &mut tested };
                seen.push(&*list.expr);
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        if twice.is_empty() {
            return Ok(Transformed::no(expr));
        }
        let twice: Vec<Expr> = twice.into_iter().cloned().collect();
        expr.transform_up(|inner| match inner {
            Expr::InList(list) if twice.contains(&*list.expr) => Ok(Transformed::yes(self.put_away(list))),
            other => Ok(Transformed::no(other)),
        })
    }

    fn put_away(&mut self, InList { expr, list, negated }: InList) -> Expr {
        let list = InList { expr, list, negated: false };
        let is_volatile = list.expr.is_volatile();
        let known = self.lists.iter().position(|one| !is_volatile && *one == list);
        let number = known.unwrap_or_else(|| {
            self.lists.push(list);
            self.lists.len() - 1
        });
        let field = Field::new("in_list", DataType::Boolean, true);
        let mark = Expr::Placeholder(Placeholder::new_with_field(format!("{MARK}{number}"), Some(field.into())));
        if negated { Expr::Not(Box::new(mark)) } else { mark }
    }

    fn show(&self, expr: Expr) -> Result<Transformed<Expr>> {
        expr.transform_up(|inner| match inner {
            Expr::Placeholder(ref mark) => {
                let number = mark.id.strip_prefix(MARK).and_then(|number| number.parse::<usize>().ok());
                let list = number.and_then(|number| self.lists.get(number));
                Ok(list.map_or(Transformed::no(inner.clone()), |list| Transformed::yes(Expr::InList(list.clone()))))
            }
            Expr::Not(operand) => match *operand {
                Expr::InList(list) => Ok(Transformed::yes(Expr::InList(InList { negated: !list.negated, ..list }))),
                other => Ok(Transformed::no(Expr::Not(Box::new(other)))),
            },
            other => Ok(Transformed::no(other)),
        })
    }
}
