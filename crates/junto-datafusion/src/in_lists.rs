//! `IN` lists over one expression, kept apart while DataFusion simplifies.
//!
//! It takes such lists for sets of known values and joins them: `x IN (1, 2) AND x NOT IN (2, y)` becomes `x IN (1)`,
//! `x NOT IN (1, 2) OR x NOT IN (3, 4)` becomes true. That is wrong where an item is NULL or no literal, and where
//! nothing is left and `x` is NULL.

use std::fmt;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::DataType;
use datafusion::common::internal_err;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{
    BinaryExpr, Cast, ColumnarValue, Expr, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, TryCast, Volatility,
};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::names::keeping_names;

/// What stands for a list while DataFusion simplifies. No session knows a function of this name.
const MARK: &str = "junto_in_list";

static LISTED: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(Listed::default())));

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
        let plan = keeping_names(plan, hidden)?;
        let simplified = self.inner.rewrite(plan.data, config)?;
        if !plan.transformed {
            return Ok(simplified);
        }
        // An aggregate may have become two nodes.
        let whole = simplified.data.transform_up(|node| node.map_expressions(shown))?;
        Ok(Transformed::new_transformed(whole.data, simplified.transformed))
    }
}

/// `expr` with functions in the place of lists that stand beside others over the same expression.
fn hidden(expr: Expr) -> Result<Transformed<Expr>> {
    let (lists, values) = tested(&expr)?;
    // Two values make a list.
    if lists.len() + values.len() / 2 < 2 {
        return Ok(Transformed::no(expr));
    }
    let gathered = expr.clone().transform_up(gathered)?.data;
    let twice = listed_beside_others(&gathered)?;
    if twice.is_empty() {
        return Ok(Transformed::no(expr));
    }
    let hidden = gathered.transform_down(|inner| match inner {
        Expr::InList(InList { expr, list, negated }) if twice.contains(without_casts(&expr)) => {
            let args = std::iter::once(*expr).chain(list).collect();
            let mark = Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&LISTED), args));
            Ok(Transformed::yes(if negated { Expr::Not(Box::new(mark)) } else { mark }))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(Transformed::yes(hidden.data))
}

/// What several lists test, or a list beside values that may become one.
fn listed_beside_others(expr: &Expr) -> Result<Vec<Expr>> {
    let (lists, values) = tested(expr)?;
    let count = |expr: &Expr, all: &[&Expr]| all.iter().filter(|other| **other == expr).count();
    let beside_others = |list: &&Expr| count(list, &lists) > 1 || count(list, &values) > 1;
    Ok(lists.iter().copied().filter(beside_others).cloned().collect())
}

/// What lists test, and the columns of `column = value`.
fn tested(expr: &Expr) -> Result<(Vec<&Expr>, Vec<&Expr>)> {
    let (mut lists, mut values) = (Vec::new(), Vec::new());
    expr.apply(|inner| {
        match inner {
            Expr::InList(list) => lists.push(without_casts(&list.expr)),
            other => values.extend(equals_value(other).map(without_casts)),
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok((lists, values))
}

/// What `column = value` tests.
fn equals_value(expr: &Expr) -> Option<&Expr> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = expr else { return None };
    let is_column = |expr: &Expr| matches!(without_casts(expr), Expr::Column(_));
    match (&**left, &**right) {
        (tested, Expr::Literal(..)) | (Expr::Literal(..), tested) if is_column(tested) => Some(tested),
        _ => None,
    }
}

/// What is cast: DataFusion moves casts to the values, in the midst of simplifying.
fn without_casts(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(Cast { expr, .. }) | Expr::TryCast(TryCast { expr, .. }) => without_casts(expr),
        other => other,
    }
}

/// `x = 1 OR x = 2` as the list that DataFusion makes of it, in the midst of simplifying.
fn gathered(expr: Expr) -> Result<Transformed<Expr>> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) = &expr else {
        return Ok(Transformed::no(expr));
    };
    let (Some((tested, mut list)), Some((other, more))) = (listed(left), listed(right)) else {
        return Ok(Transformed::no(expr));
    };
    if tested != other {
        return Ok(Transformed::no(expr));
    }
    list.extend(more.into_iter().filter(|item| !list.contains(item)).collect::<Vec<_>>());
    Ok(Transformed::yes(tested.clone().in_list(list.into_iter().cloned().collect(), false)))
}

/// What is tested, and the values of which it must be one.
fn listed(expr: &Expr) -> Option<(&Expr, Vec<&Expr>)> {
    match expr {
        Expr::InList(InList { expr, list, negated: false }) => Some((expr, list.iter().collect())),
        Expr::BinaryExpr(BinaryExpr { left, right, .. }) => {
            let tested = equals_value(expr)?;
            Some((tested, vec![if **left == *tested { right } else { left }]))
        }
        _ => None,
    }
}

/// `expr` with the lists back in their places.
fn shown(expr: Expr) -> Result<Transformed<Expr>> {
    expr.transform_up(|inner| match inner {
        Expr::ScalarFunction(mark) if mark.name() == MARK => {
            let mut args = mark.args.into_iter();
            let Some(tested) = args.next() else { return internal_err!("a list is over something") };
            Ok(Transformed::yes(tested.in_list(args.collect(), false)))
        }
        Expr::Not(operand) => match *operand {
            Expr::InList(list) => Ok(Transformed::yes(Expr::InList(InList { negated: !list.negated, ..list }))),
            other => Ok(Transformed::no(Expr::Not(Box::new(other)))),
        },
        other => Ok(Transformed::no(other)),
    })
}

/// A list under another name: the tested expression, and its items. It is never called.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Listed {
    signature: Signature,
}

impl Default for Listed {
    fn default() -> Self {
        // One that is volatile is not computed while it is planned, either.
        Self { signature: Signature::variadic_any(Volatility::Volatile) }
    }
}

impl ScalarUDFImpl for Listed {
    fn name(&self) -> &'static str {
        MARK
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("a list that was out of sight was computed")
    }
}
