//! Integer addition, subtraction and multiplication that fail on overflow (DataFusion's own wrap silently).

use std::sync::LazyLock;

use arrow::compute::kernels::numeric::{add, mul, sub};
use arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use datafusion::physical_expr_common::datum::apply;

use super::arithmetic::Operation;

/// `left operation right`, both 64-bit integers.
pub(crate) fn call(operation: Operation, left: Expr, right: Expr) -> Expr {
    static ADD: LazyLock<ScalarUDF> = LazyLock::new(|| Checked::function(Operation::Add));
    static SUBTRACT: LazyLock<ScalarUDF> = LazyLock::new(|| Checked::function(Operation::Subtract));
    static MULTIPLY: LazyLock<ScalarUDF> = LazyLock::new(|| Checked::function(Operation::Multiply));
    let function = match operation {
        Operation::Add => &ADD,
        Operation::Subtract => &SUBTRACT,
        Operation::Multiply => &MULTIPLY,
    };
    function.call(vec![left, right])
}

/// `-value` of a 64-bit integer.
pub(crate) fn negate(value: Expr) -> Expr {
    call(Operation::Subtract, lit(0_i64), value)
}

/// The functions, for deserialising plans by name.
pub(crate) fn functions() -> [ScalarUDF; 3] {
    [Operation::Add, Operation::Subtract, Operation::Multiply].map(Checked::function)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    operation: Operation,
    signature: Signature,
}

impl Checked {
    fn function(operation: Operation) -> ScalarUDF {
        let signature = Signature::exact(vec![DataType::Int64, DataType::Int64], Volatility::Immutable);
        ScalarUDF::new_from_impl(Self { operation, signature })
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        // junto-federation translates these names to the remote form.
        match self.operation {
            Operation::Add => "checked_add",
            Operation::Subtract => "checked_subtract",
            Operation::Multiply => "checked_multiply",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return datafusion::common::internal_err!("{} takes two arguments", self.name());
        };
        match self.operation {
            Operation::Add => apply(left, right, add),
            Operation::Subtract => apply(left, right, sub),
            Operation::Multiply => apply(left, right, mul),
        }
    }
}
