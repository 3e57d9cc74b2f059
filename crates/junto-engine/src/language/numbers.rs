//! Functions of numbers that DataFusion lacks.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL128_MAX_SCALE, DataType, Decimal128Type, Float64Type};
use datafusion::common::{internal_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// -1, 0 or 1.
const SIGN: DataType = DataType::Decimal128(1, 0);

/// The functions, by their names.
pub(crate) fn functions() -> [ScalarUDF; 2] {
    [Function::Sign, Function::RoundToEven].map(Number::function)
}

/// A floating-point number without fraction, the even one of two that are equally near.
pub(crate) fn round_to_even(value: Expr) -> Expr {
    static ROUND: LazyLock<ScalarUDF> = LazyLock::new(|| Number::function(Function::RoundToEven));
    ROUND.call(vec![value])
}

/// A decimal with one digit more after its point, by which it is rounded; nothing if there is no room for one, or if it is
/// no decimal.
pub(crate) fn with_guard_digit(decimal: &DataType) -> Option<DataType> {
    match decimal {
        DataType::Decimal128(precision, scale) if *scale < DECIMAL128_MAX_SCALE => {
            Some(DataType::Decimal128((*precision + 1).min(DECIMAL128_MAX_PRECISION), *scale + 1))
        }
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Function {
    /// `sign(x)`: a floating-point number of one, a decimal of all others.
    Sign,
    RoundToEven,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Number {
    function: Function,
    signature: Signature,
}

impl Number {
    fn function(function: Function) -> ScalarUDF {
        ScalarUDF::new_from_impl(Self { function, signature: Signature::user_defined(Volatility::Immutable) })
    }
}

impl ScalarUDFImpl for Number {
    fn name(&self) -> &'static str {
        match self.function {
            Function::Sign => "sign",
            Function::RoundToEven => "round_to_even",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [argument] = arguments else { return plan_err!("{} takes one argument", self.name()) };
        match (self.function, argument) {
            (_, floating) if floating.is_floating() => Ok(vec![DataType::Float64]),
            (Function::Sign, DataType::Decimal128(..)) => Ok(vec![argument.clone()]),
            (Function::Sign, integer) if integer.is_integer() => Ok(vec![DataType::Decimal128(20, 0)]),
            (Function::Sign, DataType::Null) => Ok(vec![SIGN]),
            _ => plan_err!("{} does not take values of type {argument}", self.name()),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(if matches!(arguments, [DataType::Decimal128(..)]) { SIGN } else { DataType::Float64 })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [argument] = args.args.as_slice() else { return internal_err!("{} takes one argument", self.name()) };
        let values = argument.to_array(args.number_rows)?;
        let result: ArrayRef = match (self.function, values.data_type()) {
            (Function::Sign, DataType::Decimal128(..)) => {
                let signs = values.as_primitive::<Decimal128Type>().unary::<_, Decimal128Type>(i128::signum);
                Arc::new(signs.with_data_type(SIGN))
            }
            (Function::Sign, _) => Arc::new(values.as_primitive::<Float64Type>().unary::<_, Float64Type>(sign)),
            (Function::RoundToEven, _) => {
                Arc::new(values.as_primitive::<Float64Type>().unary::<_, Float64Type>(f64::round_ties_even))
            }
        };
        Ok(ColumnarValue::Array(result))
    }
}

/// As `f64::signum`, which knows no zero.
fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}
