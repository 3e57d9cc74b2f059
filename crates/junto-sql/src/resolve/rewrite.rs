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

fn text(value: &str) -> Expr {
    Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(value.to_owned()), span: Span::empty() })
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}
