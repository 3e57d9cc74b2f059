//! Expressions of a remote plan as DataFusion expressions, operator by operator.

use arrow::datatypes::{DataType, IntervalMonthDayNano, i256};
use datafusion::common::{Column, ScalarValue};
use datafusion::functions::{core, datetime, math, string, unicode};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{self as df, Between, BinaryExpr, Operator, cast, lit};
use junto_connector::expr::{ArithmeticOp, CompareOp};
use junto_connector::{Error, Expr, Function, Literal, Result};

/// Name of the column at a position, in every relation of a translated plan.
pub(crate) fn column_name(index: usize) -> String {
    format!("c{index}")
}

/// The column at a position.
pub(crate) fn column(index: usize) -> df::Expr {
    df::Expr::Column(Column::new_unqualified(column_name(index)))
}

/// `expr` over an input with columns of these types, named by [`column_name`].
pub(crate) fn translate(expr: &Expr, types: &[DataType]) -> Result<df::Expr> {
    let inner = |expr: &Expr| translate(expr, types);
    Ok(match expr {
        Expr::Column(index) if *index < types.len() => column(*index),
        Expr::Column(index) => return Err(Error::internal(format!("no column {index} in this relation"))),
        Expr::Literal(literal) => lit(scalar(literal)?),
        // Only EXPLAIN shows it.
        Expr::Parameter { .. } => df::Expr::Placeholder(Placeholder::new_with_field("(\u{2026}value)".into(), None)),
        Expr::Compare { op, left, right } => binary(inner(left)?, comparison(*op), inner(right)?),
        Expr::Arithmetic { op, left, right, data_type } => {
            cast(binary(inner(left)?, arithmetic(*op), inner(right)?), data_type.clone())
        }
        Expr::And(terms) => chain(terms, types, df::Expr::and, true)?,
        Expr::Or(terms) => chain(terms, types, df::Expr::or, false)?,
        Expr::Not(operand) => df::Expr::Not(Box::new(inner(operand)?)),
        Expr::Negate(operand) => df::Expr::Negative(Box::new(inner(operand)?)),
        Expr::IsNull { expr, negated: false } => inner(expr)?.is_null(),
        Expr::IsNull { expr, negated: true } => inner(expr)?.is_not_null(),
        Expr::InList { expr, list, negated } => in_list(inner(expr)?, list, *negated)?,
        Expr::Like { expr, pattern, escape, negated, case_insensitive } => {
            if escape.is_some_and(|escape| escape != '\\') {
                return Err(unsupported("LIKE with another escape character than the backslash"));
            }
            // Arrow's LIKE always escapes with a backslash.
            let pattern = if escape.is_none() { pattern.replace('\\', "\\\\") } else { pattern.clone() };
            let pattern = Box::new(lit(ScalarValue::Utf8View(Some(pattern))));
            df::Expr::Like(df::Like::new(*negated, Box::new(inner(expr)?), pattern, None, *case_insensitive))
        }
        Expr::Case { branches, otherwise, data_type } => {
            let branches = branches.iter().map(|(when, then)| Ok((Box::new(inner(when)?), Box::new(inner(then)?))));
            let branches = branches.collect::<Result<Vec<_>>>()?;
            let otherwise = otherwise.as_deref().map(inner).transpose()?.map(Box::new);
            cast(df::Expr::Case(df::Case::new(None, branches, otherwise)), data_type.clone())
        }
        Expr::Cast { expr, to } => cast(inner(expr)?, to.clone()),
        Expr::Function { function, args, data_type } => {
            let args = args.iter().map(inner).collect::<Result<Vec<_>>>()?;
            cast(call(*function, args), data_type.clone())
        }
    })
}

/// `tested IN (list)`; nothing is in an empty list.
pub(crate) fn in_list(tested: df::Expr, list: &[Literal], negated: bool) -> Result<df::Expr> {
    if list.is_empty() {
        return Ok(lit(negated));
    }
    let list = list.iter().map(|literal| Ok(lit(scalar(literal)?))).collect::<Result<Vec<_>>>()?;
    Ok(tested.in_list(list, negated))
}

/// `low <= tested AND tested <= high`.
pub(crate) fn between(tested: df::Expr, low: ScalarValue, high: ScalarValue) -> df::Expr {
    df::Expr::Between(Between::new(Box::new(tested), false, Box::new(lit(low)), Box::new(lit(high))))
}

fn binary(left: df::Expr, op: Operator, right: df::Expr) -> df::Expr {
    df::Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// In balanced pairs, so that thousands of terms do not make a tree as deep.
fn chain(
    terms: &[Expr],
    types: &[DataType],
    join: fn(df::Expr, df::Expr) -> df::Expr,
    empty: bool,
) -> Result<df::Expr> {
    match terms {
        [] => Ok(lit(empty)),
        [single] => translate(single, types),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            Ok(join(chain(left, types, join, empty)?, chain(right, types, join, empty)?))
        }
    }
}

fn comparison(op: CompareOp) -> Operator {
    match op {
        CompareOp::Eq => Operator::Eq,
        CompareOp::NotEq => Operator::NotEq,
        CompareOp::Lt => Operator::Lt,
        CompareOp::LtEq => Operator::LtEq,
        CompareOp::Gt => Operator::Gt,
        CompareOp::GtEq => Operator::GtEq,
        CompareOp::IsDistinctFrom => Operator::IsDistinctFrom,
        CompareOp::IsNotDistinctFrom => Operator::IsNotDistinctFrom,
    }
}

fn arithmetic(op: ArithmeticOp) -> Operator {
    match op {
        ArithmeticOp::Add => Operator::Plus,
        ArithmeticOp::Subtract => Operator::Minus,
        ArithmeticOp::Multiply => Operator::Multiply,
        ArithmeticOp::Divide => Operator::Divide,
        ArithmeticOp::Modulo => Operator::Modulo,
    }
}

fn call(function: Function, mut args: Vec<df::Expr>) -> df::Expr {
    let part = |name: &str, mut args: Vec<df::Expr>| {
        args.insert(0, lit(name));
        datetime::date_part().call(args)
    };
    match function {
        Function::Abs => math::abs().call(args),
        Function::Lower => string::lower().call(args),
        Function::Upper => string::upper().call(args),
        Function::CharLength => unicode::character_length().call(args),
        Function::OctetLength => string::octet_length().call(args),
        Function::Substring => unicode::substr().call(args),
        Function::Trim => string::btrim().call(args),
        Function::LeftTrim => string::ltrim().call(args),
        Function::RightTrim => string::rtrim().call(args),
        Function::Concat => {
            let first = if args.is_empty() { lit("") } else { args.remove(0) };
            args.into_iter().fold(first, |left, right| binary(left, Operator::StringConcat, right))
        }
        Function::Coalesce => core::coalesce().call(args),
        Function::NullIf => core::nullif().call(args),
        Function::Year => part("year", args),
        Function::Month => part("month", args),
        Function::Day => part("day", args),
        Function::Floor => math::floor().call(args),
        Function::Ceil => math::ceil().call(args),
        Function::Round => math::round().call(args),
        Function::Rare => args.pop().unwrap_or_else(|| lit(true)),
    }
}

/// A literal as a value of its Arrow type.
pub(crate) fn scalar(literal: &Literal) -> Result<ScalarValue> {
    Ok(match literal {
        Literal::Null(data_type) => {
            ScalarValue::try_from(data_type).map_err(|cause| Error::internal(cause.to_string()))?
        }
        Literal::Boolean(value) => ScalarValue::Boolean(Some(*value)),
        Literal::Int(value) => ScalarValue::Int64(Some(*value)),
        Literal::UInt(value) => ScalarValue::UInt64(Some(*value)),
        Literal::Decimal { unscaled, precision, scale } if *precision <= 38 => {
            ScalarValue::Decimal128(Some(parsed(unscaled)?), *precision, *scale)
        }
        Literal::Decimal { unscaled, precision, scale } => {
            let value = i256::from_string(unscaled).ok_or_else(|| not_a_number(unscaled))?;
            ScalarValue::Decimal256(Some(value), *precision, *scale)
        }
        Literal::Float(value) => ScalarValue::Float64(Some(*value)),
        Literal::Text(text) => ScalarValue::Utf8View(Some(text.clone())),
        Literal::Binary(bytes) => ScalarValue::Binary(Some(bytes.clone())),
        Literal::Date(days) => ScalarValue::Date32(Some(*days)),
        Literal::Time(micros) => ScalarValue::Time64Microsecond(Some(*micros)),
        Literal::Timestamp { micros, utc } => {
            ScalarValue::TimestampMicrosecond(Some(*micros), utc.then(|| "UTC".into()))
        }
        Literal::Interval { months, days, nanos } => {
            ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(*months, *days, *nanos)))
        }
    })
}

fn parsed(unscaled: &str) -> Result<i128> {
    unscaled.parse().map_err(|_| not_a_number(unscaled))
}

fn not_a_number(text: &str) -> Error {
    Error::internal(format!("`{text}` is not a decimal integer"))
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported { driver: crate::connector::DRIVER, what: what.into() }
}
