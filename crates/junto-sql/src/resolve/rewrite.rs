//! Everyday spellings of other databases that mean exactly the same, and days added to dates.

use super::engine_ident;
use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Interval, ObjectName, ObjectNamePart, UnaryOperator, Value, ValueWithSpan,
};
use sqlparser::tokenizer::Span;

/// Names of functions elsewhere, and what the engine calls them.
const ALIASES: &[(&str, &str)] = &[
    ("ifnull", "coalesce"),
    ("nvl", "coalesce"),
    ("len", "character_length"),
    ("lcase", "lower"),
    ("ucase", "upper"),
    ("curdate", "current_date"),
    ("group_concat", "string_agg"),
];

/// Gives a function the engine's name for it.
pub(super) fn rename_function(function: &mut Function) {
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_mut_slice() else { return };
    if name.quote_style.is_some() {
        return;
    }
    let written = name.value.to_ascii_lowercase();
    let Some((_, engine)) = ALIASES.iter().find(|(alias, _)| *alias == written) else { return };
    (*engine).clone_into(&mut name.value);
    if *engine == "string_agg" {
        separate_by_comma(&mut function.args);
    }
}

/// Functions whose second argument is a pattern of dates.
const FORMATTING: &[&str] = &["to_char", "to_date", "to_timestamp"];

/// PostgreSQL's patterns of dates (manual, 9.8) and the engine's, which are chrono's; longer ones first.
const PATTERNS: &[(&str, &str)] = &[
    ("FMMonth", "%B"),
    ("FMHH24", "%-H"),
    ("FMHH12", "%-I"),
    ("FMDDD", "%-j"),
    ("FMDay", "%A"),
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("YYYY", "%Y"),
    ("IYYY", "%G"),
    ("FMMM", "%-m"),
    ("FMDD", "%-d"),
    ("FMMI", "%-M"),
    ("FMSS", "%-S"),
    ("FMHH", "%-I"),
    ("DDD", "%j"),
    ("Mon", "%b"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("Dy", "%a"),
    ("HH", "%I"),
    ("MI", "%M"),
    ("SS", "%S"),
    ("MS", "%3f"),
    ("US", "%6f"),
    ("YY", "%y"),
    ("IW", "%V"),
    ("ID", "%u"),
    ("AM", "%p"),
    ("PM", "%p"),
];

/// Puts the engine's pattern in the place of PostgreSQL's, which the engine would print as it stands.
///
/// # Errors
/// The pattern, if it is a literal that the engine has no equal for.
pub(super) fn translate_pattern(function: &mut Function) -> Result<(), String> {
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else { return Ok(()) };
    if !FORMATTING.contains(&name.value.to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    let FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
    let [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(literal)))] = list.args.as_mut_slice() else {
        return Ok(());
    };
    if let Value::SingleQuotedString(pattern) = &mut literal.value {
        *pattern = chrono_pattern(pattern).ok_or_else(|| pattern.clone())?;
    }
    Ok(())
}

fn chrono_pattern(pattern: &str) -> Option<String> {
    let mut translated = String::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if let Some((written, chrono)) = PATTERNS.iter().find(|(written, _)| starts_with(rest, written)) {
            translated.push_str(chrono);
            rest = &rest[written.len()..];
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"')?;
            translated.push_str(&quoted[..end].replace('%', "%%"));
            rest = &quoted[end + 1..];
        } else if first.is_alphanumeric() || first == '\\' {
            return None;
        } else {
            translated.push_str(if first == '%' { "%%" } else { &rest[..first.len_utf8()] });
            rest = &rest[first.len_utf8()..];
        }
    }
    Some(translated)
}

/// Numbers ignore the case of their pattern; that of names says how they are written.
fn starts_with(rest: &str, pattern: &str) -> bool {
    let names = ["Mon", "Dy", "FMMonth", "FMDay", "AM", "PM"].contains(&pattern);
    if names {
        return rest.starts_with(pattern);
    }
    rest.get(..pattern.len()).is_some_and(|start| start.eq_ignore_ascii_case(pattern))
}

/// `GROUP_CONCAT(x)` separates by commas and takes any type.
fn separate_by_comma(arguments: &mut FunctionArguments) {
    let FunctionArguments::List(list) = arguments else { return };
    if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) = list.args.first_mut() {
        let text = std::mem::replace(value, Expr::Tuple(Vec::new()));
        *value = cast(text, DataType::Varchar(None));
    }
    if list.args.len() == 1 {
        list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(text(","))));
    }
}

/// Turns `mod(a, b)` into `a % b`.
pub(super) fn remainder(expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else { return };
    let FunctionArguments::List(list) = &mut function.args else { return };
    if !name.value.eq_ignore_ascii_case("mod") || list.args.len() != 2 {
        return;
    }
    let (
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(right))),
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(left))),
    ) = (list.args.pop(), list.args.pop())
    else {
        return;
    };
    *expr = Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::Modulo, right: Box::new(right) };
}

/// Digits that a decimal has at most.
const DECIMAL_DIGITS: i64 = 76;

/// Turns a number in scientific notation that no decimal has room for, as `1e300`, into a floating-point number.
pub(super) fn float(expr: &mut Expr) {
    if let Expr::Value(ValueWithSpan { value: Value::Number(written, false), .. }) = expr
        && decimal_digits(written).is_some_and(|digits| digits > DECIMAL_DIGITS)
    {
        *expr = cast(text(written), DataType::DoublePrecision);
    }
}

/// The digits of a number with an exponent, written out.
fn decimal_digits(written: &str) -> Option<i64> {
    let (digits, exponent) = written.split_once(['e', 'E'])?;
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let length = |part: &str| i64::try_from(part.len()).ok();
    let whole = length(whole)?.saturating_add(exponent).max(0);
    let fraction = length(fraction)?.saturating_sub(exponent).max(0);
    Some(whole.saturating_add(fraction))
}

/// Turns `date ± n` and `n + date` into `CAST(date ± INTERVAL 'n days' AS DATE)`; PostgreSQL counts in days.
pub(super) fn add_days(expr: &mut Expr, is_date: impl Fn(&Expr) -> bool) {
    let Expr::BinaryOp { left, op, right } = expr else { return };
    if !adds_days(op) {
        return;
    }
    if let Some(days) = whole_number(right)
        && is_date(left)
    {
        **right = interval(&days);
    } else if let Some(days) = whole_number(left)
        && *op == BinaryOperator::Plus
        && is_date(right)
    {
        **left = interval(&days);
        std::mem::swap(left, right);
    } else {
        return;
    }
    let sum = std::mem::replace(expr, Expr::Tuple(Vec::new()));
    *expr = cast(sum, DataType::Date);
}

/// Whether an operator adds or takes days.
pub(super) fn adds_days(op: &BinaryOperator) -> bool {
    matches!(op, BinaryOperator::Plus | BinaryOperator::Minus)
}

/// A whole number as it is written, with its sign.
pub(super) fn whole_number(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, false), .. }) => {
            digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.clone())
        }
        Expr::Nested(inner) => whole_number(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
            let digits = whole_number(expr)?;
            Some(digits.strip_prefix('-').map_or_else(|| format!("-{digits}"), str::to_owned))
        }
        _ => None,
    }
}

/// Whether an expression without columns is a date by its syntax alone.
pub(super) fn is_date_syntax(expr: &Expr) -> bool {
    match expr {
        Expr::TypedString(typed) => typed.data_type == DataType::Date,
        Expr::Cast { data_type, .. } => *data_type == DataType::Date,
        Expr::Function(function) => match function.name.0.as_slice() {
            [ObjectNamePart::Identifier(name)] => {
                ["current_date", "curdate", "make_date", "to_date"].contains(&name.value.to_ascii_lowercase().as_str())
            }
            _ => false,
        },
        _ => false,
    }
}

/// A call of a function of the engine.
pub(super) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(engine_ident(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// A number as a literal.
pub(super) fn number(value: usize) -> Value {
    Value::Number(value.to_string(), false)
}

fn interval(days: &str) -> Expr {
    Expr::Interval(Interval {
        value: Box::new(text(&format!("{days} days"))),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })
}

/// A text as a literal.
pub(super) fn text(value: &str) -> Expr {
    Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(value.to_owned()), span: Span::empty() })
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

#[cfg(test)]
mod tests {
    use super::{chrono_pattern, decimal_digits};

    #[test]
    fn digits_of_numbers_are_counted_as_written_out() {
        for (written, expect) in [("1e3", 4), ("1.5e-3", 4), ("1E300", 301), ("12.5e1", 3), ("1e-300", 300)] {
            assert_eq!(decimal_digits(written), Some(expect), "{written}");
        }
        assert_eq!(decimal_digits("12.5"), None);
    }

    #[test]
    fn patterns_of_dates_are_translated_or_refused() {
        for (written, expect) in [
            ("YYYY-MM-DD HH24:MI:SS.MS", Some("%Y-%m-%d %H:%M:%S.%3f")),
            ("yyyymm", Some("%Y%m")),
            ("DD Mon YYYY", Some("%d %b %Y")),
            ("YYYY\"T\"HH24", Some("%YT%H")),
            ("100%", None),
            ("- %", Some("- %%")),
            ("Month", None),
            ("MON", None),
            ("Q", None),
            ("%Y", None),
        ] {
            assert_eq!(chrono_pattern(written).as_deref(), expect, "{written}");
        }
    }
}
