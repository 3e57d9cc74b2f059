//! Names that tell expressions apart.
//!
//! DataFusion calls a column after its expression, without casts and parentheses: `x`, `x::date` and `x::text` are all
//! `x`. No operator has two columns of one name, so that `GROUP BY x, x::date` and `sum(x), sum(x::bigint)` would be
//! refused. While a statement is planned, such expressions stand in a call of a function, which names them in full; the
//! first analyzer rule takes the calls away and leaves the names.

use std::sync::LazyLock;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::internal_err;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use junto_datafusion::keeping_names;

/// The function that is its argument, and names it in full.
pub(crate) fn function() -> ScalarUDF {
    ScalarUDF::new_from_impl(Named { signature: Signature::any(1, Volatility::Immutable) })
}

/// `expr` under its full name.
pub(crate) fn call(expr: Expr) -> Expr {
    static NAMED: LazyLock<ScalarUDF> = LazyLock::new(function);
    NAMED.call(vec![expr])
}

/// `expr` without calls of the function.
///
/// # Errors
/// Those of walking an expression.
pub(crate) fn unnamed(expr: Expr) -> Result<Expr> {
    expr.transform_up(unwrap).map(|transformed| transformed.data)
}

fn unwrap(expr: Expr) -> Result<Transformed<Expr>> {
    match expr {
        Expr::ScalarFunction(mut call) if call.func.name() == junto_sql::NAMED => match call.args.pop() {
            Some(argument) => Ok(Transformed::yes(argument)),
            None => internal_err!("{} takes one argument", junto_sql::NAMED),
        },
        other => Ok(Transformed::no(other)),
    }
}

/// Takes the calls away and keeps the names of columns.
#[derive(Debug)]
pub(crate) struct Unnamed;

impl AnalyzerRule for Unnamed {
    fn name(&self) -> &'static str {
        "junto_unnamed"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| keeping_names(plan, |expr| expr.transform_up(unwrap)))
            .map(|transformed| transformed.data)
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Named {
    signature: Signature,
}

impl ScalarUDFImpl for Named {
    fn name(&self) -> &'static str {
        junto_sql::NAMED
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let names = args.iter().map(|arg| match arg {
            Expr::Cast(cast) => format!("CAST({} AS {})", cast.expr.schema_name(), cast.field.data_type()),
            Expr::TryCast(cast) => format!("TRY_CAST({} AS {})", cast.expr.schema_name(), cast.field.data_type()),
            other => format!("({})", other.schema_name()),
        });
        Ok(names.collect())
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        internal_err!("{} has its argument's field", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        match args.arg_fields {
            [argument] => Ok(FieldRef::clone(argument)),
            _ => internal_err!("{} takes one argument", self.name()),
        }
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("{} is taken away before a statement runs", self.name())
    }
}
