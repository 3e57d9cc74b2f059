//! Expressions computed in plain Rust, with the meaning Arrow and DataFusion give them. Slow and independent of every
//! connector: what a source claims is compared with this.

use std::cmp::Ordering;

use arrow_buffer::i256;
use arrow_schema::DataType;
use junto_connector::expr::{ArithmeticOp, CompareOp};
use junto_connector::{Expr, Function};

use super::dataset::{civil, date_text, decimal_text};
use super::value::{Value, power_of_ten};

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The statement fails for this row: overflow, division by zero, a cast that does not fit.
    Error(String),
    /// This evaluator does not know the operation, so nobody may claim it.
    Unknown(String),
}

type Result<T> = std::result::Result<T, Failure>;

/// The value of `expr` for a row.
pub fn evaluate(expr: &Expr, row: &[Value]) -> Result<Value> {
    Ok(match expr {
        Expr::Column(index) => row.get(*index).cloned().ok_or_else(|| unknown("a column that is not there"))?,
        Expr::Literal(literal) => Value::of_literal(literal),
        Expr::Parameter { .. } => return Err(unknown("a value that is not known yet")),
        Expr::Compare { op, left, right } => compare(*op, &evaluate(left, row)?, &evaluate(right, row)?)?,
        Expr::Arithmetic { op, left, right, data_type } => {
            arithmetic(*op, &evaluate(left, row)?, &evaluate(right, row)?, data_type)?
        }
        Expr::And(list) => connective(list, row, false)?,
        Expr::Or(list) => connective(list, row, true)?,
        Expr::Not(inner) => match truth(&evaluate(inner, row)?)? {
            Some(value) => Value::Boolean(!value),
            None => Value::Null,
        },
        Expr::Negate(inner) => negate(evaluate(inner, row)?)?,
        Expr::IsNull { expr, negated } => Value::Boolean(evaluate(expr, row)?.is_null() != *negated),
        // As DataFusion simplifies it: no list holds anything, not even what is not known.
        Expr::InList { list, negated, .. } if list.is_empty() => Value::Boolean(*negated),
        Expr::InList { expr, list, negated } => {
            let tested = evaluate(expr, row)?;
            let mut found = Value::Boolean(false);
            for item in list {
                if compare(CompareOp::Eq, &tested, &Value::of_literal(item))? == Value::Boolean(true) {
                    found = Value::Boolean(true);
                }
            }
            if tested.is_null() { Value::Null } else { Value::Boolean((found == Value::Boolean(true)) != *negated) }
        }
        Expr::Like { expr, pattern, escape, negated, case_insensitive } => match evaluate(expr, row)? {
            Value::Null => Value::Null,
            Value::Text(text) => Value::Boolean(like(&text, pattern, *escape, *case_insensitive) != *negated),
            other => return Err(unknown(format!("LIKE of {other:?}"))),
        },
        Expr::Case { branches, otherwise, .. } => {
            for (when, then) in branches {
                if truth(&evaluate(when, row)?)? == Some(true) {
                    return evaluate(then, row);
                }
            }
            otherwise.as_ref().map_or(Ok(Value::Null), |expr| evaluate(expr, row))?
        }
        Expr::Cast { expr, to } => cast(evaluate(expr, row)?, to)?,
        Expr::Function { function, args, data_type } => {
            let args = args.iter().map(|arg| evaluate(arg, row)).collect::<Result<Vec<_>>>()?;
            call(*function, &args, data_type)?
        }
    })
}

fn unknown(what: impl Into<String>) -> Failure {
    Failure::Unknown(what.into())
}

fn error(what: impl Into<String>) -> Failure {
    Failure::Error(what.into())
}

/// True, false or NULL.
pub fn truth(value: &Value) -> Result<Option<bool>> {
    match value {
        Value::Boolean(value) => Ok(Some(*value)),
        Value::Null => Ok(None),
        other => Err(unknown(format!("{other:?} as a condition"))),
    }
}

/// AND when `decisive` is false, OR when it is true.
fn connective(list: &[Expr], row: &[Value], decisive: bool) -> Result<Value> {
    let mut seen_null = false;
    for expr in list {
        match truth(&evaluate(expr, row)?)? {
            Some(value) if value == decisive => return Ok(Value::Boolean(decisive)),
            Some(_) => {}
            None => seen_null = true,
        }
    }
    Ok(if seen_null { Value::Null } else { Value::Boolean(!decisive) })
}

fn compare(op: CompareOp, left: &Value, right: &Value) -> Result<Value> {
    let equal_nulls = left.is_null() && right.is_null();
    match op {
        CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom if left.is_null() || right.is_null() => {
            return Ok(Value::Boolean(equal_nulls == (op == CompareOp::IsNotDistinctFrom)));
        }
        _ if left.is_null() || right.is_null() => return Ok(Value::Null),
        _ => {}
    }
    let order = left.compare(right).ok_or_else(|| unknown(format!("{left:?} compared with {right:?}")))?;
    Ok(Value::Boolean(match op {
        CompareOp::Eq | CompareOp::IsNotDistinctFrom => order == Ordering::Equal,
        CompareOp::NotEq | CompareOp::IsDistinctFrom => order != Ordering::Equal,
        CompareOp::Lt => order == Ordering::Less,
        CompareOp::LtEq => order != Ordering::Greater,
        CompareOp::Gt => order == Ordering::Greater,
        CompareOp::GtEq => order != Ordering::Less,
    }))
}

fn arithmetic(op: ArithmeticOp, left: &Value, right: &Value, data_type: &DataType) -> Result<Value> {
    if left.is_null() || right.is_null() {
        return Ok(Value::Null);
    }
    match (left, right, data_type) {
        (Value::Int(a), Value::Int(b), _) if data_type.is_integer() => {
            let value = match op {
                ArithmeticOp::Add => a.checked_add(*b),
                ArithmeticOp::Subtract => a.checked_sub(*b),
                ArithmeticOp::Multiply => a.checked_mul(*b),
                ArithmeticOp::Divide => a.checked_div(*b),
                ArithmeticOp::Modulo => a.checked_rem(*b),
            };
            fit_integer(value.ok_or_else(|| error("overflow or division by zero"))?, data_type)
        }
        (Value::Float(a), Value::Float(b), DataType::Float64) => Ok(Value::Float(match op {
            ArithmeticOp::Add => a + b,
            ArithmeticOp::Subtract => a - b,
            ArithmeticOp::Multiply => a * b,
            ArithmeticOp::Divide => a / b,
            ArithmeticOp::Modulo => a % b,
        })),
        (_, _, DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale)) => {
            decimal_arithmetic(op, left, right, *precision, *scale)
        }
        _ => Err(unknown(format!("{op:?} of {left:?} and {right:?} as {data_type}"))),
    }
}

fn decimal_arithmetic(op: ArithmeticOp, left: &Value, right: &Value, precision: u8, scale: i8) -> Result<Value> {
    let overflow = || error("a decimal overflow");
    let at = |value: &Value, scale| value.unscaled_at(scale).ok_or_else(overflow);
    let own_scale = |value: &Value| match value {
        Value::Decimal { scale, .. } => *scale,
        _ => 0,
    };
    let common = own_scale(left).max(own_scale(right));
    let unscaled = match op {
        ArithmeticOp::Add => at(left, scale)?.checked_add(at(right, scale)?),
        ArithmeticOp::Subtract => at(left, scale)?.checked_sub(at(right, scale)?),
        ArithmeticOp::Multiply if own_scale(left) + own_scale(right) == scale => {
            at(left, own_scale(left))?.checked_mul(at(right, own_scale(right))?)
        }
        // Arrow divides integers after moving the point, cutting off what remains.
        ArithmeticOp::Divide => at(left, scale + own_scale(right))?.checked_div(at(right, own_scale(right))?),
        ArithmeticOp::Modulo if common == scale => at(left, scale)?.checked_rem(at(right, scale)?),
        _ => return Err(unknown(format!("{op:?} of decimals with result scale {scale}"))),
    };
    fit_decimal(unscaled.ok_or_else(|| error("a decimal overflow or division by zero"))?, precision, scale)
}

fn fit_integer(value: i128, data_type: &DataType) -> Result<Value> {
    let (low, high) = match data_type {
        DataType::Int8 => (i128::from(i8::MIN), i128::from(i8::MAX)),
        DataType::Int16 => (i128::from(i16::MIN), i128::from(i16::MAX)),
        DataType::Int32 => (i128::from(i32::MIN), i128::from(i32::MAX)),
        DataType::Int64 => (i128::from(i64::MIN), i128::from(i64::MAX)),
        DataType::UInt8 => (0, i128::from(u8::MAX)),
        DataType::UInt16 => (0, i128::from(u16::MAX)),
        DataType::UInt32 => (0, i128::from(u32::MAX)),
        DataType::UInt64 => (0, i128::from(u64::MAX)),
        other => return Err(unknown(format!("an integer as {other}"))),
    };
    if (low..=high).contains(&value) {
        Ok(Value::Int(value))
    } else {
        Err(error(format!("{value} is not {data_type}")))
    }
}

/// A decimal, when it has at most `precision` digits.
pub fn fit_decimal(unscaled: i256, precision: u8, scale: i8) -> std::result::Result<Value, Failure> {
    let limit = power_of_ten(precision.into()).ok_or_else(|| unknown("a precision beyond 76"))?;
    let fits = unscaled < limit && unscaled > limit.wrapping_neg();
    if fits { Ok(Value::Decimal { unscaled, scale }) } else { Err(error("a decimal out of its precision")) }
}

fn negate(value: Value) -> Result<Value> {
    Ok(match value {
        Value::Null => Value::Null,
        // The column's width is not known here; the suite negates 64-bit integers only.
        Value::Int(value) if value == i128::from(i64::MIN) => return Err(error("negating the least integer")),
        Value::Int(value) => Value::Int(-value),
        Value::Float(value) => Value::Float(-value),
        Value::Decimal { unscaled, scale } => Value::Decimal { unscaled: unscaled.wrapping_neg(), scale },
        other => return Err(unknown(format!("the negative of {other:?}"))),
    })
}

/// `%` is any text, `_` one character; both stand for themselves after the escape character.
fn like(text: &str, pattern: &str, escape: Option<char>, case_insensitive: bool) -> bool {
    enum Part {
        Any,
        One,
        Just(char),
    }
    let mut parts = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        parts.push(match character {
            c if Some(c) == escape => Part::Just(characters.next().unwrap_or(c)),
            '%' => Part::Any,
            '_' => Part::One,
            c => Part::Just(c),
        });
    }
    let same = |a: char, b: char| {
        a == b || case_insensitive && (a.to_lowercase().eq(b.to_lowercase()) || a.to_uppercase().eq(b.to_uppercase()))
    };
    let text: Vec<char> = text.chars().collect();
    // reachable[i]: the parts so far match the first i characters.
    let mut reachable = vec![false; text.len() + 1];
    reachable[0] = true;
    for part in &parts {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match part {
                Part::Any => reachable[..=at].contains(&true),
                Part::One => at > 0 && reachable[at - 1],
                Part::Just(c) => at > 0 && reachable[at - 1] && same(text[at - 1], *c),
            };
        }
        reachable = next;
    }
    reachable[text.len()]
}

fn cast(value: Value, to: &DataType) -> Result<Value> {
    use DataType as T;
    let text = matches!(to, T::Utf8 | T::LargeUtf8 | T::Utf8View);
    match (value, to) {
        (Value::Null, _) => Ok(Value::Null),
        (Value::Int(value), to) if to.is_integer() => fit_integer(value, to),
        (Value::Int(value), T::Float64) => Ok(Value::Float(value as f64)),
        (Value::Int(value), T::Boolean) => Ok(Value::Boolean(value != 0)),
        (Value::Int(value), _) if text => Ok(Value::Text(value.to_string())),
        (Value::Boolean(value), to) if to.is_integer() => Ok(Value::Int(value.into())),
        (Value::Boolean(value), _) if text => Ok(Value::Text(value.to_string())),
        (Value::Boolean(value), T::Boolean) => Ok(Value::Boolean(value)),
        (
            value @ (Value::Int(_) | Value::Decimal { .. }),
            T::Decimal128(precision, scale) | T::Decimal256(precision, scale),
        ) => fit_decimal(rounded(&value, *scale)?, *precision, *scale),
        (value @ Value::Decimal { .. }, to) if to.is_integer() => {
            let whole = value.unscaled_at(0).and_then(i256::to_i128);
            fit_integer(whole.ok_or_else(|| error("a decimal out of range"))?, to)
        }
        (Value::Decimal { unscaled, scale }, T::Float64) => {
            let text = decimal_text(&unscaled.to_string(), scale);
            text.parse().map(Value::Float).map_err(|_| unknown("a decimal as double"))
        }
        (Value::Decimal { unscaled, scale }, _) if text => Ok(Value::Text(decimal_text(&unscaled.to_string(), scale))),
        (Value::Float(value), T::Float64) => Ok(Value::Float(value)),
        (Value::Float(value), to) if to.is_integer() => {
            if !value.is_finite() {
                return Err(error("no integer"));
            }
            fit_integer(value.trunc() as i128, to)
        }
        (Value::Text(value), _) if text => Ok(Value::Text(value)),
        (Value::Date(days), T::Date32) => Ok(Value::Date(days)),
        (Value::Date(days), T::Timestamp(..)) => Ok(Value::Timestamp(i64::from(days) * 86_400_000_000)),
        (Value::Date(days), _) if text => Ok(Value::Text(date_text(days))),
        (Value::Timestamp(micros), T::Date32) => Ok(Value::Date(micros.div_euclid(86_400_000_000) as i32)),
        (Value::Timestamp(micros), T::Timestamp(..)) => Ok(Value::Timestamp(micros)),
        (Value::Binary(bytes), T::Binary | T::BinaryView | T::LargeBinary) => Ok(Value::Binary(bytes)),
        (value, to) => Err(unknown(format!("a cast of {value:?} to {to}"))),
    }
}

/// Unscaled number at a scale, halves away from zero, as Arrow casts decimals.
fn rounded(value: &Value, scale: i8) -> Result<i256> {
    let overflow = || error("a decimal overflow");
    let finer = value.unscaled_at(scale + 1).ok_or_else(overflow)?;
    let half = i256::from_i128(if finer.is_negative() { -5 } else { 5 });
    finer.checked_add(half).and_then(|sum| sum.checked_div(i256::from_i128(10))).ok_or_else(overflow)
}

fn call(function: Function, args: &[Value], data_type: &DataType) -> Result<Value> {
    match function {
        Function::Coalesce => return Ok(args.iter().find(|arg| !arg.is_null()).cloned().unwrap_or(Value::Null)),
        Function::Concat => {
            let texts =
                args.iter().filter_map(|arg| if let Value::Text(text) = arg { Some(text.as_str()) } else { None });
            return Ok(Value::Text(texts.collect()));
        }
        Function::NullIf => {
            let [first, second] = args else { return Err(unknown("NULLIF of other than two values")) };
            let equal = compare(CompareOp::Eq, first, second)? == Value::Boolean(true);
            return Ok(if equal { Value::Null } else { first.clone() });
        }
        Function::Rare => return args.first().cloned().ok_or_else(|| unknown("a hint about nothing")),
        _ => {}
    }
    if args.iter().any(Value::is_null) {
        return Ok(Value::Null);
    }
    let text = |value: String| Ok(Value::Text(value));
    match (function, args) {
        (Function::Abs, [Value::Int(value)]) => fit_integer(value.abs(), data_type),
        (Function::Abs, [value]) if value.compare(&Value::Int(0)) == Some(Ordering::Less) => negate(value.clone()),
        (Function::Abs, [Value::Float(value)]) => Ok(Value::Float(value.abs())),
        (Function::Abs, [value]) => Ok(value.clone()),
        (Function::Lower, [Value::Text(value)]) => text(value.to_lowercase()),
        (Function::Upper, [Value::Text(value)]) => text(value.to_uppercase()),
        (Function::CharLength, [Value::Text(value)]) => Ok(Value::Int(value.chars().count() as i128)),
        (Function::OctetLength, [Value::Text(value)]) => Ok(Value::Int(value.len() as i128)),
        (Function::OctetLength, [Value::Binary(value)]) => Ok(Value::Int(value.len() as i128)),
        (Function::Substring, [Value::Text(value), Value::Int(start)]) => text(substring(value, *start, None)),
        (Function::Substring, [Value::Text(_), Value::Int(_), Value::Int(count)]) if *count < 0 => {
            Err(error("a negative length"))
        }
        (Function::Substring, [Value::Text(value), Value::Int(start), Value::Int(count)]) => {
            text(substring(value, *start, Some(*count)))
        }
        (Function::Trim, [Value::Text(value)]) => text(value.trim_matches(' ').into()),
        (Function::LeftTrim, [Value::Text(value)]) => text(value.trim_start_matches(' ').into()),
        (Function::RightTrim, [Value::Text(value)]) => text(value.trim_end_matches(' ').into()),
        (Function::Year | Function::Month | Function::Day, [value]) => {
            let days = match value {
                Value::Date(days) => *days,
                Value::Timestamp(micros) => micros.div_euclid(86_400_000_000) as i32,
                other => return Err(unknown(format!("{function:?} of {other:?}"))),
            };
            let (year, month, day) = civil(days);
            Ok(Value::Int(match function {
                Function::Year => year.into(),
                Function::Month => month.into(),
                _ => day.into(),
            }))
        }
        (Function::Floor, [Value::Float(value)]) => Ok(Value::Float(value.floor())),
        (Function::Ceil, [Value::Float(value)]) => Ok(Value::Float(value.ceil())),
        (Function::Round, [Value::Float(value)]) => Ok(Value::Float(value.round())),
        (Function::Floor | Function::Ceil | Function::Round, [value @ Value::Decimal { .. }]) => {
            whole_decimal(function, value, data_type)
        }
        (function, args) => Err(unknown(format!("{function:?} of {args:?}"))),
    }
}

fn whole_decimal(function: Function, value: &Value, data_type: &DataType) -> Result<Value> {
    let (DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale)) = data_type else {
        return Err(unknown(format!("{function:?} of a decimal as {data_type}")));
    };
    let cut = Value::Decimal { unscaled: value.unscaled_at(0).ok_or_else(|| error("a decimal overflow"))?, scale: 0 };
    let order = value.compare(&cut).unwrap_or(Ordering::Equal);
    let whole = match (function, order) {
        (Function::Round, _) => rounded(value, 0)?,
        (Function::Floor, Ordering::Less) => cut.unscaled_at(0).unwrap_or_default() - i256::ONE,
        (Function::Ceil, Ordering::Greater) => cut.unscaled_at(0).unwrap_or_default() + i256::ONE,
        _ => cut.unscaled_at(0).unwrap_or_default(),
    };
    let value = Value::Decimal { unscaled: whole, scale: 0 };
    fit_decimal(value.unscaled_at(*scale).ok_or_else(|| error("a decimal overflow"))?, *precision, *scale)
}

/// Characters from `start` (from 1; positions before it count) on.
fn substring(text: &str, start: i128, count: Option<i128>) -> String {
    let end = count.map(|count| start.saturating_add(count));
    let wanted = |at: i128| at >= start && end.is_none_or(|end| at < end);
    text.chars().enumerate().filter(|(at, _)| wanted(*at as i128 + 1)).map(|(_, character)| character).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use junto_connector::Literal;

    #[test]
    fn patterns() {
        for (text, pattern, escape, expected) in [
            ("abc", "a%", None, true),
            ("abc", "_b_", None, true),
            ("ab", "_b_", None, false),
            ("a%", "a\\%", Some('\\'), true),
            ("ab", "a\\%", Some('\\'), false),
            ("a\\b", "a\\%", None, true),
            ("", "%", None, true),
            ("日本", "__", None, true),
        ] {
            assert_eq!(like(text, pattern, escape, false), expected, "{text} like {pattern}");
        }
        assert!(like("Ä", "ä", None, true));
    }

    #[test]
    fn null_in_connectives() {
        let null = Expr::Literal(Literal::Null(DataType::Boolean));
        let no = Expr::Literal(Literal::Boolean(false));
        let both = Expr::And(vec![null.clone(), no.clone()]);
        assert_eq!(evaluate(&both, &[]), Ok(Value::Boolean(false)));
        assert_eq!(evaluate(&Expr::Or(vec![null, no]), &[]), Ok(Value::Null));
    }

    #[test]
    fn decimals_round_half_away_from_zero() {
        let cast = |text: &str, scale| cast(Value::decimal(text, 3), &DataType::Decimal128(10, scale));
        assert_eq!(cast("-1.005", 2), Ok(Value::decimal("-1.01", 2)));
        assert_eq!(cast("1.004", 2), Ok(Value::decimal("1.00", 2)));
    }
}
