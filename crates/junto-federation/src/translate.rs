//! DataFusion expressions to the expressions of a remote plan.
//!
//! A translation means exactly what the original means; anything else is refused with the reason, which EXPLAIN shows.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{InList, Placeholder, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Like, Operator, Volatility};
use junto_connector::expr::{ArithmeticOp, CompareOp, Expr as RemoteExpr, Function, Literal};

/// Functions that are the engine's casts from decimals to floating-point numbers.
pub const DECIMAL_CASTS: [&str; 2] = ["to_real", "to_double"];

/// Why an expression stays local.
pub(crate) type Refusal = String;

/// An expression over one relation, with columns by their names alone.
pub(crate) fn readable(expr: &Expr) -> String {
    let unqualified = expr.clone().transform(|expr| match expr {
        Expr::Column(column) => Ok(Transformed::yes(Expr::Column(Column::from_name(column.name)))),
        other => Ok(Transformed::no(other)),
    });
    unqualified.map_or_else(|_| expr.to_string(), |unqualified| unqualified.data.to_string())
}

/// The expression below aliases and casts that keep every value, and so their order.
pub(crate) fn uncast<'a>(expr: &'a Expr, schema: &DFSchema) -> &'a Expr {
    match expr {
        Expr::Alias(alias) => uncast(&alias.expr, schema),
        Expr::Cast(cast) => match type_of(&cast.expr, schema) {
            Ok(from) if keeps_value(&from, cast.field.data_type()) => uncast(&cast.expr, schema),
            _ => expr,
        },
        _ => expr,
    }
}

/// Translates `expr` over an input whose columns are, by position, those of `schema`.
pub(crate) fn translate(expr: &Expr, schema: &DFSchema) -> Result<RemoteExpr, Refusal> {
    match expr {
        Expr::Alias(alias) => translate(&alias.expr, schema),
        Expr::Column(column) => Ok(RemoteExpr::Column(position(column, schema)?)),
        Expr::Literal(value, _) => Ok(RemoteExpr::Literal(literal(value)?)),
        Expr::Placeholder(placeholder) => parameter(placeholder),
        Expr::BinaryExpr(binary) => binary_expr(binary, schema),
        Expr::Not(inner) => Ok(RemoteExpr::Not(Box::new(translate(inner, schema)?))),
        Expr::IsNull(inner) => is_null(inner, schema, false),
        Expr::IsNotNull(inner) => is_null(inner, schema, true),
        Expr::Between(between) => {
            let low = compare(CompareOp::GtEq, &between.expr, &between.low, schema)?;
            let high = compare(CompareOp::LtEq, &between.expr, &between.high, schema)?;
            let both = RemoteExpr::And(vec![low, high]);
            Ok(if between.negated { RemoteExpr::Not(Box::new(both)) } else { both })
        }
        Expr::InList(list) => in_list(list, schema),
        Expr::Like(like) => like_expr(like, schema),
        Expr::Case(case) if case.expr.is_none() => {
            let branch =
                |(when, then): &(Box<Expr>, Box<Expr>)| Ok((translate(when, schema)?, translate(then, schema)?));
            Ok(RemoteExpr::Case {
                branches: case.when_then_expr.iter().map(branch).collect::<Result<_, Refusal>>()?,
                otherwise: case.else_expr.as_ref().map(|e| translate(e, schema).map(Box::new)).transpose()?,
                data_type: type_of(expr, schema)?,
            })
        }
        Expr::Cast(cast) => {
            let to = cast.field.data_type();
            let from = type_of(&cast.expr, schema)?;
            let inner = translate(&cast.expr, schema)?;
            if keeps_value(&from, to) {
                return Ok(inner);
            }
            Ok(RemoteExpr::Cast { expr: Box::new(inner), to: to.clone() })
        }
        Expr::ScalarFunction(call) => function(call, expr, schema),
        other => Err(format!("`{}` runs locally", other.variant_name())),
    }
}

/// An expression with a placeholder for each subquery whose value is known before the rest runs, and `subqueries` with
/// those that are new.
///
/// # Errors
/// For a value of a type that has no literals.
pub(crate) fn with_placeholders(expr: &Expr, subqueries: &mut Vec<Expr>) -> Result<Expr, Refusal> {
    let mut refused = None;
    let replaced = expr.clone().transform_down(|inner| {
        let Expr::ScalarSubquery(subquery) = &inner else { return Ok(Transformed::no(inner)) };
        let field = subquery.subquery.schema().fields().first().filter(|_| subquery.outer_ref_columns.is_empty());
        let Some(data_type) = field.and_then(|field| known_type(field.data_type())) else {
            refused = Some(format!("`{}` runs locally", inner.variant_name()));
            return Ok(Transformed::no(inner));
        };
        let index = subqueries.iter().position(|known| *known == inner).unwrap_or_else(|| {
            subqueries.push(inner.clone());
            subqueries.len() - 1
        });
        let field = Arc::new(Field::new("value", data_type, true));
        let placeholder = Placeholder::new_with_field(index.to_string(), Some(field));
        Ok(Transformed::new(Expr::Placeholder(placeholder), true, TreeNodeRecursion::Jump))
    });
    let replaced = replaced.map_err(|cause| cause.to_string())?.data;
    refused.map_or(Ok(replaced), Err)
}

/// The type of the literals that stand for values of a type; none for types without any.
fn known_type(data_type: &DataType) -> Option<DataType> {
    let literals = match data_type {
        _ if data_type.is_signed_integer() => DataType::Int64,
        _ if data_type.is_unsigned_integer() => DataType::UInt64,
        DataType::Float32 => DataType::Float64,
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        other => other.clone(),
    };
    Literal::sample(&literals).map(|_| literals)
}

fn parameter(placeholder: &Placeholder) -> Result<RemoteExpr, Refusal> {
    let of_subquery = placeholder.id.parse().ok().zip(placeholder.field.as_ref());
    let (index, field) = of_subquery.ok_or_else(|| format!("{} has no value", placeholder.id))?;
    Ok(RemoteExpr::Parameter { index, data_type: field.data_type().clone() })
}

fn position(column: &Column, schema: &DFSchema) -> Result<usize, Refusal> {
    schema.maybe_index_of_column(column).ok_or_else(|| format!("column {column} is not of this source"))
}

fn type_of(expr: &Expr, schema: &DFSchema) -> Result<DataType, Refusal> {
    expr.get_type(schema).map_err(|cause| cause.to_string())
}

fn is_null(inner: &Expr, schema: &DFSchema, negated: bool) -> Result<RemoteExpr, Refusal> {
    Ok(RemoteExpr::IsNull { expr: Box::new(translate(inner, schema)?), negated })
}

fn binary_expr(binary: &BinaryExpr, schema: &DFSchema) -> Result<RemoteExpr, Refusal> {
    let (left, right) = (&binary.left, &binary.right);
    let arithmetic = |op| {
        Ok(RemoteExpr::Arithmetic {
            op,
            left: Box::new(translate(left, schema)?),
            right: Box::new(translate(right, schema)?),
            data_type: type_of(&Expr::BinaryExpr(binary.clone()), schema)?,
        })
    };
    match binary.op {
        Operator::And => Ok(RemoteExpr::And(vec![translate(left, schema)?, translate(right, schema)?])),
        Operator::Or => Ok(RemoteExpr::Or(vec![translate(left, schema)?, translate(right, schema)?])),
        Operator::Eq => compare(CompareOp::Eq, left, right, schema),
        Operator::NotEq => compare(CompareOp::NotEq, left, right, schema),
        Operator::Lt => compare(CompareOp::Lt, left, right, schema),
        Operator::LtEq => compare(CompareOp::LtEq, left, right, schema),
        Operator::Gt => compare(CompareOp::Gt, left, right, schema),
        Operator::GtEq => compare(CompareOp::GtEq, left, right, schema),
        Operator::IsDistinctFrom => compare(CompareOp::IsDistinctFrom, left, right, schema),
        Operator::IsNotDistinctFrom => compare(CompareOp::IsNotDistinctFrom, left, right, schema),
        Operator::Plus => arithmetic(ArithmeticOp::Add),
        Operator::Minus => arithmetic(ArithmeticOp::Subtract),
        Operator::Multiply => arithmetic(ArithmeticOp::Multiply),
        Operator::Divide => arithmetic(ArithmeticOp::Divide),
        Operator::Modulo => arithmetic(ArithmeticOp::Modulo),
        other => Err(format!("operator {other} runs locally")),
    }
}

fn compare(op: CompareOp, left: &Expr, right: &Expr, schema: &DFSchema) -> Result<RemoteExpr, Refusal> {
    Ok(RemoteExpr::compare(op, translate(left, schema)?, translate(right, schema)?))
}

fn in_list(list: &InList, schema: &DFSchema) -> Result<RemoteExpr, Refusal> {
    let mut literals = Vec::with_capacity(list.list.len());
    for item in &list.list {
        match translate(item, schema)? {
            RemoteExpr::Literal(Literal::Null(_)) => return Err("an IN list with NULL runs locally".into()),
            RemoteExpr::Literal(value) => literals.push(value),
            _ => return Err("an IN list of expressions runs locally".into()),
        }
    }
    Ok(RemoteExpr::InList { expr: Box::new(translate(&list.expr, schema)?), list: literals, negated: list.negated })
}

fn like_expr(like: &Like, schema: &DFSchema) -> Result<RemoteExpr, Refusal> {
    let RemoteExpr::Literal(Literal::Text(pattern)) = translate(&like.pattern, schema)? else {
        return Err("LIKE with a computed pattern runs locally".into());
    };
    // Arrow's LIKE always takes the backslash as its escape character.
    let escape = like.escape_char.unwrap_or('\\');
    let escapes = pattern.chars().rev().take_while(|c| *c == escape).count();
    if escapes % 2 == 1 {
        // At the end it is a character like others here; sources refuse it or match nothing.
        return Err("LIKE with a pattern that ends in its escape character runs locally".into());
    }
    Ok(RemoteExpr::Like {
        expr: Box::new(translate(&like.expr, schema)?),
        pattern,
        escape: Some(escape),
        negated: like.negated,
        case_insensitive: like.case_insensitive,
    })
}

fn function(call: &ScalarFunction, whole: &Expr, schema: &DFSchema) -> Result<RemoteExpr, Refusal> {
    let name = call.func.name();
    if call.func.signature().volatility == Volatility::Volatile {
        return Err(format!("{name}() is volatile"));
    }
    let arithmetic = match name {
        "checked_add" => Some(ArithmeticOp::Add),
        "checked_subtract" => Some(ArithmeticOp::Subtract),
        "checked_multiply" => Some(ArithmeticOp::Multiply),
        _ => None,
    };
    let mut args = call.args.iter().map(|arg| translate(arg, schema)).collect::<Result<Vec<_>, _>>()?;
    let data_type = type_of(whole, schema)?;
    if DECIMAL_CASTS.contains(&name)
        && let Some(expr) = args.pop()
    {
        return Ok(RemoteExpr::Cast { expr: Box::new(expr), to: data_type });
    }
    if let (Some(op), 2) = (arithmetic, args.len()) {
        let (right, left) = (args.pop(), args.pop());
        if let (Some(left), Some(right)) = (left, right) {
            return Ok(RemoteExpr::Arithmetic { op, left: Box::new(left), right: Box::new(right), data_type });
        }
        return Err(format!("{name}() takes two arguments"));
    }
    let function = match (name, args.len()) {
        ("abs", 1) => Function::Abs,
        ("lower", 1) => Function::Lower,
        ("upper", 1) => Function::Upper,
        ("character_length", 1) => Function::CharLength,
        ("octet_length", 1) => Function::OctetLength,
        ("substr", 2 | 3) => Function::Substring,
        ("btrim", 1) => Function::Trim,
        ("ltrim", 1) => Function::LeftTrim,
        ("rtrim", 1) => Function::RightTrim,
        ("coalesce", _) => Function::Coalesce,
        ("nullif", 2) => Function::NullIf,
        ("floor", 1) => Function::Floor,
        ("ceil", 1) => Function::Ceil,
        ("round", 1) => Function::Round,
        ("date_part", 2) => {
            let RemoteExpr::Literal(Literal::Text(part)) = args.remove(0) else {
                return Err("date_part of a computed field runs locally".into());
            };
            match part.to_ascii_lowercase().as_str() {
                "year" => Function::Year,
                "month" => Function::Month,
                "day" => Function::Day,
                other => return Err(format!("date_part('{other}') runs locally")),
            }
        }
        _ => return Err(format!("{name}() runs locally")),
    };
    Ok(RemoteExpr::Function { function, args, data_type })
}

/// Whether a cast changes only the width or the container of a value, so that comparisons do not see it.
pub(crate) fn keeps_value(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    match (from, to) {
        (T::Utf8 | T::LargeUtf8 | T::Utf8View, T::Utf8 | T::LargeUtf8 | T::Utf8View) => true,
        (T::Decimal128(p, s) | T::Decimal256(p, s), T::Decimal128(p2, s2) | T::Decimal256(p2, s2)) => {
            s2 >= s && i16::from(*p2) - i16::from(*s2) >= i16::from(*p) - i16::from(*s)
        }
        _ if from.is_signed_integer() && to.is_signed_integer() => from.primitive_width() <= to.primitive_width(),
        _ if from.is_unsigned_integer() && to.is_unsigned_integer() => from.primitive_width() <= to.primitive_width(),
        (T::Timestamp(a, zone), T::Timestamp(b, zone2)) => zone.is_some() == zone2.is_some() && unit(a) <= unit(b),
        _ => from == to,
    }
}

fn unit(unit: &TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    }
}

/// A DataFusion value as a literal of the remote form.
pub(crate) fn literal(value: &ScalarValue) -> Result<Literal, Refusal> {
    use ScalarValue as S;
    if value.is_null() {
        return Ok(Literal::Null(value.data_type()));
    }
    let decimal = |unscaled: String, precision: u8, scale: i8| Literal::Decimal { unscaled, precision, scale };
    let timestamp = |micros: Option<i64>, zone: bool| {
        micros.map(|micros| Literal::Timestamp { micros, utc: zone }).ok_or("a timestamp finer than microseconds")
    };
    Ok(match value {
        S::Boolean(Some(v)) => Literal::Boolean(*v),
        S::Int8(Some(v)) => Literal::Int(i64::from(*v)),
        S::Int16(Some(v)) => Literal::Int(i64::from(*v)),
        S::Int32(Some(v)) => Literal::Int(i64::from(*v)),
        S::Int64(Some(v)) => Literal::Int(*v),
        S::UInt8(Some(v)) => Literal::UInt(u64::from(*v)),
        S::UInt16(Some(v)) => Literal::UInt(u64::from(*v)),
        S::UInt32(Some(v)) => Literal::UInt(u64::from(*v)),
        S::UInt64(Some(v)) => Literal::UInt(*v),
        S::Decimal128(Some(v), precision, scale) => decimal(v.to_string(), *precision, *scale),
        S::Decimal256(Some(v), precision, scale) => decimal(v.to_string(), *precision, *scale),
        S::Float32(Some(v)) => Literal::Float(f64::from(*v)),
        S::Float64(Some(v)) => Literal::Float(*v),
        S::Utf8(Some(v)) | S::LargeUtf8(Some(v)) | S::Utf8View(Some(v)) => Literal::Text(v.clone()),
        S::Binary(Some(v)) | S::LargeBinary(Some(v)) | S::BinaryView(Some(v)) => Literal::Binary(v.clone()),
        S::Date32(Some(v)) => Literal::Date(*v),
        S::Time64Microsecond(Some(v)) => Literal::Time(*v),
        S::Time64Nanosecond(Some(v)) if v % 1000 == 0 => Literal::Time(v / 1000),
        S::TimestampSecond(Some(v), zone) => timestamp(v.checked_mul(1_000_000), zone.is_some())?,
        S::TimestampMillisecond(Some(v), zone) => timestamp(v.checked_mul(1000), zone.is_some())?,
        S::TimestampMicrosecond(Some(v), zone) => timestamp(Some(*v), zone.is_some())?,
        S::TimestampNanosecond(Some(v), zone) => timestamp((v % 1000 == 0).then_some(v / 1000), zone.is_some())?,
        S::IntervalMonthDayNano(Some(v)) => Literal::Interval { months: v.months, days: v.days, nanos: v.nanoseconds },
        other => return Err(format!("a value of type {} runs locally", other.data_type())),
    })
}
