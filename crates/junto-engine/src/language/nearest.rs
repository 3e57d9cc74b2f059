//! Decimals become the floating-point numbers nearest to them.
//!
//! Arrow rounds twice: first the digits, then their quotient by a power of ten. It makes 9007199254740994 of
//! `9007199254740993.00`, where the tie goes to the even neighbour, 9007199254740992.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    ArrowNativeType, ArrowPrimitiveType, DataType, Decimal128Type, Decimal256Type, Float32Type, Float64Type,
};
use datafusion::common::config::ConfigOptions;
use datafusion::common::internal_err;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use junto_datafusion::keeping_names;
use junto_federation::DECIMAL_CASTS;

/// Powers of ten that are 64-bit floating-point numbers exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// All integers up to this one are, too.
const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;

/// Puts functions in the place of such casts. Must run when all casts are there, and before any is computed.
#[derive(Debug)]
pub(crate) struct Nearest;

impl AnalyzerRule for Nearest {
    fn name(&self) -> &'static str {
        "junto_nearest"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            if !casts_to_float(&plan)? {
                return Ok(Transformed::no(plan));
            }
            let schema = merge_schema(&plan.inputs());
            let exact = |expr: Expr| match expr {
                Expr::Cast(Cast { expr: inner, field }) | Expr::TryCast(TryCast { expr: inner, field })
                    if inner.get_type(&schema).is_ok_and(|from| from.is_decimal())
                        && let Some(function) = function(field.data_type()) =>
                {
                    Ok(Transformed::yes(function.call(vec![*inner])))
                }
                other => Ok(Transformed::no(other)),
            };
            keeping_names(plan, |expr| expr.transform_up(exact))
        })
        .map(|transformed| transformed.data)
    }
}

/// Whether an expression of a plan's root does. Most statements have none, and pay nothing for it.
fn casts_to_float(plan: &LogicalPlan) -> Result<bool> {
    let is_cast = |expr: &Expr| match expr {
        Expr::Cast(Cast { field, .. }) | Expr::TryCast(TryCast { field, .. }) => function(field.data_type()).is_some(),
        _ => false,
    };
    let mut found = false;
    plan.apply_expressions(|expr| {
        found |= expr.exists(|expr| Ok(is_cast(expr)))?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// The function from decimals to a type of floating-point numbers; none for other types.
fn function(to: &DataType) -> Option<&'static ScalarUDF> {
    static REAL: LazyLock<ScalarUDF> = LazyLock::new(|| ToFloat::function(DECIMAL_CASTS[0], DataType::Float32));
    static DOUBLE: LazyLock<ScalarUDF> = LazyLock::new(|| ToFloat::function(DECIMAL_CASTS[1], DataType::Float64));
    match to {
        DataType::Float32 => Some(&REAL),
        DataType::Float64 => Some(&DOUBLE),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToFloat {
    name: &'static str,
    to: DataType,
    signature: Signature,
}

impl ToFloat {
    fn function(name: &'static str, to: DataType) -> ScalarUDF {
        ScalarUDF::new_from_impl(Self { name, to, signature: Signature::any(1, Volatility::Immutable) })
    }

    fn converted<T>(&self, decimals: &dyn Array, scale: i8) -> Result<ArrayRef>
    where
        T: ArrowPrimitiveType<Native: Display>,
    {
        let decimals = decimals.as_primitive::<T>();
        Ok(match self.to {
            DataType::Float32 => Arc::new(decimals.try_unary::<_, Float32Type, _>(|digits| parsed(digits, scale))?),
            _ => Arc::new(decimals.try_unary::<_, Float64Type, _>(|digits| nearest(digits, scale))?),
        })
    }
}

impl ScalarUDFImpl for ToFloat {
    fn name(&self) -> &'static str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn output_ordering(&self, input: &[ExprProperties]) -> Result<SortProperties> {
        Ok(input.first().map_or(SortProperties::Unordered, |argument| argument.sort_properties))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [argument] = args.args.as_slice() else { return internal_err!("{} takes one argument", self.name) };
        let values = argument.to_array(args.number_rows)?;
        let converted = match values.data_type() {
            DataType::Decimal128(_, scale) => self.converted::<Decimal128Type>(&values, *scale)?,
            DataType::Decimal256(_, scale) => self.converted::<Decimal256Type>(&values, *scale)?,
            other => return internal_err!("{} does not take values of type {other}", self.name),
        };
        Ok(ColumnarValue::Array(converted))
    }
}

/// The number nearest to `digits` × 10^-`scale`: one division where both operands are exact, else read as it is written.
fn nearest(digits: impl ArrowNativeType + Display, scale: i8) -> Result<f64> {
    let whole = digits.to_i64().filter(|whole| whole.unsigned_abs() <= EXACT);
    let power = usize::try_from(scale).ok().and_then(|scale| POWERS.get(scale));
    match (whole, power) {
        (Some(whole), Some(power)) => Ok(whole as f64 / power),
        _ => parsed(digits, scale),
    }
}

fn parsed<F: FromStr>(digits: impl Display, scale: i8) -> Result<F> {
    let written = format!("{digits}e{}", -i16::from(scale));
    written.parse().map_err(|_| DataFusionError::Internal(format!("{written} is not a number")))
}
