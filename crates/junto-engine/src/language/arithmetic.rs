//! How operators on integers and dates are planned: overflow is an error, never a wrap.

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, cast};
use sqlparser::ast::BinaryOperator;

use super::numbers::with_guard_digit;
use super::{checked, named};

/// Every 64-bit integer, signed or not.
const WIDE_INTEGER: DataType = DataType::Decimal128(20, 0);

/// Plans what DataFusion would refuse as it stands: date ± integer as days, date − date as a number of days.
#[derive(Debug)]
pub(crate) struct DateArithmetic;

impl ExprPlanner for DateArithmetic {
    fn plan_binary_op(&self, mut expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if is_arithmetic(&expr.op) && matches!(expr.right, Expr::BinaryExpr(_) | Expr::Cast(_)) {
            // `(a + b) * c` and `a + b * c` have one name in DataFusion, where operators are read from left to right.
            expr.right = named::call(expr.right);
        }
        let operation = match expr.op {
            BinaryOperator::Plus => Operation::Add,
            BinaryOperator::Minus => Operation::Subtract,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        let planned = match (operation, &left, &right) {
            (Operation::Subtract, DataType::Date32, DataType::Date32) => {
                checked::call(operation, days(expr.left), days(expr.right))
            }
            (_, DataType::Date32, right) if right.is_integer() => {
                date(checked::call(operation, days(expr.left), cast(expr.right, DataType::Int64)))
            }
            (Operation::Add, left, DataType::Date32) if left.is_integer() => {
                date(checked::call(operation, cast(expr.left, DataType::Int64), days(expr.right)))
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        Ok(PlannerResult::Planned(planned))
    }
}

/// `+`, `-`, `*` on integers as checked operations in 64 bits (decimal(20) where an operand is unsigned 64-bit), `/` on
/// decimals as rounded, and `*` with a decimal zero in its own type; none for other operators and types. The types of both sides must be final: a CASE or a union has
/// that of its first part as long as a statement is planned.
pub(super) fn exact(left: &Expr, op: Operator, right: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    let operation = match op {
        Operator::Plus => Operation::Add,
        Operator::Minus => Operation::Subtract,
        Operator::Multiply => Operation::Multiply,
        Operator::Divide => return divide(left, right, schema),
        _ => return Ok(None),
    };
    Ok(match (left.get_type(schema), right.get_type(schema)) {
        (Ok(of_left), Ok(of_right)) if of_left.is_integer() && of_right.is_integer() => {
            Some(integers(operation, left.clone(), right.clone(), &of_left, &of_right))
        }
        _ if operation == Operation::Multiply && (is_decimal_zero(left) || is_decimal_zero(right)) => {
            // DataFusion takes the zero for the product, whatever digits that has.
            let product = left.clone() * right.clone();
            let data_type = product.get_type(schema)?;
            Some(cast(product, data_type))
        }
        _ => None,
    })
}

fn is_decimal_zero(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Decimal128(Some(0), ..), _))
}

/// A decimal divided by a decimal or integer, rounded half away from zero: DataFusion cuts, so it computes one digit more.
fn divide(left: &Expr, right: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    let (Ok(of_left), Ok(of_right)) = (left.get_type(schema), right.get_type(schema)) else { return Ok(None) };
    let dividend = match &of_left {
        integer if integer.is_integer() && of_right.is_decimal() => WIDE_INTEGER,
        other => other.clone(),
    };
    let Some(longer) = with_guard_digit(&dividend).filter(|_| of_right.is_integer() || of_right.is_decimal()) else {
        return Ok(None);
    };
    let quotient = (left.clone() / right.clone()).get_type(schema)?;
    Ok(Some(cast(cast(left.clone(), longer) / right.clone(), quotient)))
}

fn is_arithmetic(op: &BinaryOperator) -> bool {
    use BinaryOperator as B;
    matches!(op, B::Plus | B::Minus | B::Multiply | B::Divide | B::Modulo)
}

/// Operators that are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Add,
    Subtract,
    Multiply,
}

fn integers(operation: Operation, left: Expr, right: Expr, of_left: &DataType, of_right: &DataType) -> Expr {
    if *of_left == DataType::UInt64 || *of_right == DataType::UInt64 {
        let (left, right) = (cast(left, WIDE_INTEGER), cast(right, WIDE_INTEGER));
        return match operation {
            Operation::Add => left + right,
            Operation::Subtract => left - right,
            Operation::Multiply => left * right,
        };
    }
    checked::call(operation, wide(left, of_left), wide(right, of_right))
}

fn wide(expr: Expr, data_type: &DataType) -> Expr {
    if *data_type == DataType::Int64 { expr } else { cast(expr, DataType::Int64) }
}

/// Days since 1970-01-01.
fn days(expr: Expr) -> Expr {
    cast(cast(expr, DataType::Int32), DataType::Int64)
}

fn date(days: Expr) -> Expr {
    cast(cast(days, DataType::Int32), DataType::Date32)
}
