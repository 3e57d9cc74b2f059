//! Standard SQL: the defaults of [`Dialect`], free so that an override can fall back on them.

use std::fmt::Write;

use arrow::datatypes::{DataType, TimeUnit};
use junto_connector::expr::{AggregateFunction, ArithmeticOp, CompareOp};
use junto_connector::{Error, Function, Literal, Result};

use crate::datetime;
use crate::decimal;
use crate::dialect::{AggregateCall, Dialect, LikePattern, Operand};
use crate::keys::{KeyValues, literal_at};

/// Encloses a name in `mark`, doubling each `mark` inside.
pub fn quote(name: &str, mark: char) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push(mark);
    for character in name.chars() {
        if character == mark {
            quoted.push(mark);
        }
        quoted.push(character);
    }
    quoted.push(mark);
    quoted
}

/// `'text'` with doubled quotes. Only for databases in which a backslash is an ordinary character.
pub fn text_literal(text: &str) -> String {
    quote(text, '\'')
}

/// `X'…'`, upper-case hexadecimal.
pub fn hex_literal(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(bytes.len() * 2 + 3);
    hex.push_str("X'");
    for byte in bytes {
        let _ = write!(hex, "{byte:02X}");
    }
    hex.push('\'');
    hex
}

/// Standard spelling of a literal.
///
/// # Errors
/// [`Error::Unsupported`] for what standard SQL cannot say: text with NUL, NaN and infinities, years beyond 1 to 9999.
pub fn literal(driver: &'static str, literal: &Literal) -> Result<String> {
    let unsupported = |what: &str| Error::Unsupported { driver, what: what.into() };
    let year_checked = |text: String| match text.as_bytes() {
        [b'-' | b'+', ..] => Err(unsupported("a date outside the years 1 to 9999 in a condition")),
        text if text.starts_with(b"0000") => Err(unsupported("a date outside the years 1 to 9999 in a condition")),
        _ => Ok(text),
    };
    Ok(match literal {
        Literal::Null(_) => "NULL".into(),
        Literal::Boolean(value) => if *value { "TRUE" } else { "FALSE" }.into(),
        Literal::Int(value) => value.to_string(),
        Literal::UInt(value) => value.to_string(),
        Literal::Decimal { unscaled, scale, .. } => decimal::to_text(unscaled, *scale)
            .ok_or_else(|| Error::internal(format!("`{unscaled}` is not a decimal integer")))?,
        Literal::Float(value) if value.is_finite() => format!("{value:e}"),
        Literal::Float(_) => return Err(unsupported("a number that is not finite in a condition")),
        Literal::Text(text) if text.contains('\0') => return Err(unsupported("text with NUL in a condition")),
        Literal::Text(text) => text_literal(text),
        Literal::Binary(bytes) => hex_literal(bytes),
        Literal::Date(days) => format!("DATE '{}'", year_checked(datetime::date_to_text(*days))?),
        Literal::Time(micros) => format!("TIME '{}'", datetime::time_to_text(*micros)),
        Literal::Timestamp { micros, utc: false } => {
            format!("TIMESTAMP '{}'", year_checked(datetime::timestamp_to_text(*micros))?)
        }
        Literal::Timestamp { micros, utc: true } => {
            format!("TIMESTAMP WITH TIME ZONE '{}+00:00'", year_checked(datetime::timestamp_to_text(*micros))?)
        }
        Literal::Interval { .. } => return Err(unsupported("an interval in a condition")),
    })
}

/// Standard name of a type.
pub fn type_name(driver: &'static str, data_type: &DataType) -> Result<String> {
    Ok(match data_type {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "SMALLINT".into(),
        DataType::Int32 | DataType::UInt16 => "INTEGER".into(),
        DataType::Int64 | DataType::UInt32 => "BIGINT".into(),
        DataType::UInt64 => "DECIMAL(20,0)".into(),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => {
            format!("DECIMAL({p},{s})")
        }
        DataType::Float16 | DataType::Float32 => "REAL".into(),
        DataType::Float64 => "DOUBLE PRECISION".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".into(),
        DataType::Date32 => "DATE".into(),
        DataType::Time64(TimeUnit::Microsecond) => "TIME".into(),
        DataType::Timestamp(_, None) => "TIMESTAMP".into(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP WITH TIME ZONE".into(),
        other => return Err(Error::Unsupported { driver, what: format!("a cast to {other}") }),
    })
}

/// `left op right`.
pub fn compare(op: CompareOp, left: &Operand, right: &Operand) -> String {
    let operator = match op {
        CompareOp::Eq => "=",
        CompareOp::NotEq => "<>",
        CompareOp::Lt => "<",
        CompareOp::LtEq => "<=",
        CompareOp::Gt => ">",
        CompareOp::GtEq => ">=",
        CompareOp::IsDistinctFrom => "IS DISTINCT FROM",
        CompareOp::IsNotDistinctFrom => "IS NOT DISTINCT FROM",
    };
    format!("{} {operator} {}", left.sql, right.sql)
}

/// `left op right`.
pub fn arithmetic(op: ArithmeticOp, left: &Operand, right: &Operand) -> String {
    let operator = match op {
        ArithmeticOp::Add => '+',
        ArithmeticOp::Subtract => '-',
        ArithmeticOp::Multiply => '*',
        ArithmeticOp::Divide => '/',
        ArithmeticOp::Modulo => '%',
    };
    format!("{} {operator} {}", left.sql, right.sql)
}

/// Always with ESCAPE: without one, databases differ on whether a backslash escapes. When nothing escapes, a character
/// that the pattern does not hold is named.
pub fn like<D: Dialect + ?Sized>(dialect: &D, tested: &Operand, like: LikePattern<'_>) -> Result<String> {
    let escape = like
        .escape
        .or_else(|| ['\\', '!', '|', '#', '~'].into_iter().chain('a'..='z').find(|c| !like.pattern.contains(*c)));
    let escape = escape.ok_or_else(|| dialect.unsupported("a LIKE pattern that holds every escape character"))?;
    let pattern = dialect.literal(&Literal::Text(like.pattern.into()))?;
    let escape = dialect.literal(&Literal::Text(escape.into()))?;
    let not = if like.negated { "NOT " } else { "" };
    let operator = if like.case_insensitive { "ILIKE" } else { "LIKE" };
    Ok(format!("{} {not}{operator} {pattern} ESCAPE {escape}", tested.sql))
}

/// A searched CASE.
pub fn case(branches: &[(String, Operand)], otherwise: Option<&Operand>) -> String {
    let mut sql = String::from("CASE");
    for (when, then) in branches {
        let _ = write!(sql, " WHEN {when} THEN {}", then.sql);
    }
    if let Some(otherwise) = otherwise {
        let _ = write!(sql, " ELSE {}", otherwise.sql);
    }
    sql + " END"
}

/// A call by the standard name.
pub fn function(function: Function, args: &[Operand]) -> String {
    let list = |separator: &str| args.iter().map(|arg| arg.sql.as_str()).collect::<Vec<_>>().join(separator);
    let name = match function {
        Function::Abs => "ABS",
        Function::Lower => "LOWER",
        Function::Upper => "UPPER",
        Function::CharLength => "CHAR_LENGTH",
        Function::OctetLength => "OCTET_LENGTH",
        Function::Substring => "SUBSTRING",
        Function::Trim => "TRIM",
        Function::LeftTrim => "LTRIM",
        Function::RightTrim => "RTRIM",
        Function::Concat => return format!("({})", list(" || ")),
        Function::Coalesce => "COALESCE",
        Function::NullIf => "NULLIF",
        Function::Year => return format!("EXTRACT(YEAR FROM {})", list(", ")),
        Function::Month => return format!("EXTRACT(MONTH FROM {})", list(", ")),
        Function::Day => return format!("EXTRACT(DAY FROM {})", list(", ")),
        Function::Floor => "FLOOR",
        Function::Ceil => "CEIL",
        Function::Round => "ROUND",
        Function::Rare => "",
    };
    format!("{name}({})", list(", "))
}

/// An aggregate call. A filter becomes `CASE WHEN filter THEN argument END`: rows that fail it count as NULL.
pub fn aggregate(call: &AggregateCall<'_>) -> String {
    let name = match call.function {
        AggregateFunction::CountRows | AggregateFunction::Count => "COUNT",
        AggregateFunction::Sum => "SUM",
        AggregateFunction::Min => "MIN",
        AggregateFunction::Max => "MAX",
    };
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    let argument = call.argument.map(|argument| argument.sql.as_str());
    match (call.filter, argument) {
        (None, None) => format!("{name}(*)"),
        (None, Some(argument)) => format!("{name}({distinct}{argument})"),
        (Some(filter), argument) => {
            format!("{name}({distinct}CASE WHEN {filter} THEN {} END)", argument.unwrap_or("1"))
        }
    }
}

/// `x DESC NULLS LAST`; without a word on NULLs where there are none.
pub fn sort_key(sql: &str, descending: bool, nulls_first: Option<bool>) -> String {
    let direction = if descending { "DESC" } else { "ASC" };
    match nulls_first {
        Some(true) => format!("{sql} {direction} NULLS FIRST"),
        Some(false) => format!("{sql} {direction} NULLS LAST"),
        None => format!("{sql} {direction}"),
    }
}

/// `LIMIT n OFFSET m`.
pub fn limit(skip: u64, fetch: Option<u64>) -> String {
    match (fetch, skip) {
        (Some(fetch), 0) => format!("LIMIT {fetch}"),
        (Some(fetch), skip) => format!("LIMIT {fetch} OFFSET {skip}"),
        (None, skip) => format!("OFFSET {skip}"),
    }
}

/// `key IN (…)`, or `(a, b) IN ((1, 2), …)`, with `OR key IS NULL` when NULL keys are wanted.
///
/// Parameters are written `key = ANY($1)`, and `(a, b) IN (SELECT * FROM unnest($1, $2))` for several columns.
pub fn key_predicate<D: Dialect + ?Sized>(dialect: &D, columns: &[Operand], keys: KeyValues<'_>) -> Result<String> {
    let [first, rest @ ..] = columns else {
        return Err(Error::internal("keys without columns"));
    };
    let names = columns.iter().map(|column| column.sql.as_str()).collect::<Vec<_>>().join(", ");
    let tested = if rest.is_empty() { names } else { format!("({names})") };
    let is_null = || dialect.is_null(first, false);
    let (condition, nulls) = match keys {
        KeyValues::Shape { .. } => return Ok(format!("{tested} IN (\u{2026}keys)")),
        KeyValues::Parameters { nulls, .. } if rest.is_empty() => (format!("{tested} = ANY($1)"), nulls),
        KeyValues::Parameters { nulls, .. } => {
            let parameters = (1..=columns.len()).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
            (format!("{tested} IN (SELECT * FROM unnest({parameters}))"), nulls)
        }
        KeyValues::Values(keys) if keys.values.num_rows() == 0 => {
            return if keys.nulls { is_null() } else { Ok("1 = 0".into()) };
        }
        KeyValues::Values(keys) => (format!("{tested} IN ({})", key_rows(dialect, keys)?), keys.nulls),
    };
    if nulls { Ok(format!("{condition} OR {}", is_null()?)) } else { Ok(condition) }
}

/// Keys as a list: `1, 2`, or `(1, 'a'), (2, 'b')` for several columns.
pub fn key_rows<D: Dialect + ?Sized>(dialect: &D, keys: &junto_connector::Keys) -> Result<String> {
    let columns = keys.values.columns();
    let mut list = String::new();
    for row in 0..keys.values.num_rows() {
        if row > 0 {
            list.push_str(", ");
        }
        if columns.len() > 1 {
            list.push('(');
        }
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                list.push_str(", ");
            }
            list.push_str(&dialect.literal(&literal_at(column, row)?)?);
        }
        if columns.len() > 1 {
            list.push(')');
        }
    }
    Ok(list)
}
