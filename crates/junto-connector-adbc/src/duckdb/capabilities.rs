//! What DuckDB computes exactly as Junto.
//!
//! Left out because they differ: arithmetic of integers (division by zero is NULL, and the optimiser moves constants across
//! a comparison, past an overflow), ILIKE, LOWER, UPPER and TRIM
//! (Unicode tables), sums of floats (order), casts between text and anything else.

use arrow::datatypes::{DataType, TimeUnit};
use junto_connector::capabilities::{KeySupport, Operation, TextComparison};
use junto_connector::expr::{AggregateFunction, ArithmeticOp, CompareOp};
use junto_connector::plan::JoinKind;
use junto_connector::{Capabilities, Expr, Function, Literal, RelationColumn, Support, TypeClass};

/// Digits of DuckDB's widest decimal.
pub(super) const DECIMAL_DIGITS: u8 = 38;

/// Everything declared; [`refuses`] takes back what depends on values and widths.
pub(super) fn capabilities() -> Capabilities {
    use CompareOp as C;
    use Operation as O;
    use TypeClass as T;
    let compared =
        [T::Boolean, T::Int, T::UInt, T::Decimal, T::Text, T::Binary, T::Date, T::Time, T::Timestamp, T::TimestampUtc];
    let numbers = [T::Int, T::Decimal];
    let all_compares = [C::Eq, C::NotEq, C::Lt, C::LtEq, C::Gt, C::GtEq, C::IsDistinctFrom, C::IsNotDistinctFrom];
    let function = |function: Function| O::Function(function);
    Capabilities {
        filter: true,
        project: true,
        limit: true,
        sort: true,
        distinct: true,
        union_all: true,
        joins: vec![
            JoinKind::Inner,
            JoinKind::Left,
            JoinKind::Right,
            JoinKind::Full,
            JoinKind::LeftSemi,
            JoinKind::LeftAnti,
        ],
        // DuckDB 1.5 finds too few rows by two: `EXISTS (… WHERE b.k = a.k AND b.x > a.x AND b.y <> a.y)`.
        semi_join_conditions: Some(1),
        aggregates: vec![
            AggregateFunction::CountRows,
            AggregateFunction::Count,
            AggregateFunction::Sum,
            AggregateFunction::Min,
            AggregateFunction::Max,
        ],
        keys: Some(KeySupport {
            types: vec![T::Boolean, T::Int, T::UInt, T::Decimal, T::Text, T::Date, T::Timestamp, T::TimestampUtc],
            max_per_query: 200_000,
            composite: true,
        }),
        text: TextComparison::ForcedBinary,
        max_statement_bytes: 64 << 20,
        costs: super::costs::measured(),
        ..Capabilities::none()
    }
    .with(&[O::Literal, O::Case], &compared, Support::Exact)
    .with(&[O::Literal], &[T::Float], Support::Exact)
    .with(&[O::IsNull], &T::ALL, Support::Exact)
    .with(&all_compares.map(O::Compare), &compared, Support::Exact)
    .with(&[C::Eq, C::Lt, C::LtEq, C::Gt, C::GtEq].map(O::Compare), &[T::Float], Support::Superset)
    .with(&[O::InList], &compared, Support::Exact)
    .with(&[O::InList], &[T::Float], Support::Superset)
    .with(&[O::Like], &[T::Text], Support::Exact)
    .with(
        &[ArithmeticOp::Add, ArithmeticOp::Subtract, ArithmeticOp::Multiply].map(O::Arithmetic),
        &[T::Decimal],
        Support::Exact,
    )
    .with(&[O::Cast], &numbers, Support::Exact)
    .with(&[function(Function::Coalesce), function(Function::NullIf)], &compared, Support::Exact)
    .with(&[function(Function::CharLength), function(Function::OctetLength)], &[T::Text], Support::Exact)
    .with(
        &[Function::Year, Function::Month, Function::Day].map(function),
        &[T::Date, T::Timestamp],
        Support::Exact,
    )
}

/// Whether `expr` holds something that [`capabilities`] list, but DuckDB computes otherwise for these widths or values.
pub(super) fn refuses(expr: &Expr, input: &[RelationColumn]) -> bool {
    let types: Vec<DataType> = input.iter().map(|column| column.data_type.clone()).collect();
    refuses_typed(expr, &types)
}

fn refuses_typed(expr: &Expr, types: &[DataType]) -> bool {
    let here = match expr {
        Expr::Column(index) => types.get(*index).is_none_or(is_finer_than_literals),
        Expr::Compare { left, right, .. } => {
            is_minus_zero(left) || is_minus_zero(right) || !share_a_decimal(&[left, right], types)
        }
        Expr::InList { expr, list, negated } => {
            let literals: Vec<Expr> = list.iter().cloned().map(Expr::Literal).collect();
            let mut all: Vec<&Expr> = literals.iter().collect();
            let floats = TypeClass::of(&expr.data_type(types)) == TypeClass::Float;
            all.push(expr);
            (floats && *negated) || literals.iter().any(is_minus_zero) || !share_a_decimal(&all, types)
        }
        Expr::Like { pattern, escape, .. } => ends_in_escape(pattern, *escape),
        Expr::Arithmetic { left, right, data_type, .. } => match data_type {
            // A result of 38 digits may be one that was cut to them.
            DataType::Decimal128(precision, _) if *precision < DECIMAL_DIGITS => {
                [left, right].iter().any(|side| class(side, types) != TypeClass::Decimal)
            }
            _ => true,
        },
        Expr::Cast { expr, to } => !is_widening(&expr.data_type(types), to),
        _ => false,
    };
    here || expr.children().into_iter().any(|child| refuses_typed(child, types))
}

fn class(expr: &Expr, types: &[DataType]) -> TypeClass {
    TypeClass::of(&expr.data_type(types))
}

/// Nanoseconds cannot be said by a literal, and DuckDB may overflow when it widens the other side.
fn is_finer_than_literals(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(TimeUnit::Nanosecond, _) | DataType::Time64(TimeUnit::Nanosecond))
}

/// Arrow tells -0.0 from 0.0 and DuckDB does not, so `x > -0.0` would lose the zeros.
fn is_minus_zero(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(Literal::Float(value)) if *value == 0.0 && value.is_sign_negative())
}

/// DuckDB compares decimals in one type that holds both; beyond 38 digits there is none.
fn share_a_decimal(operands: &[&Expr], types: &[DataType]) -> bool {
    let sizes: Vec<(i16, i16)> = operands.iter().filter_map(|operand| decimal_size(operand, types)).collect();
    let whole = sizes.iter().map(|(whole, _)| *whole).max().unwrap_or(0);
    let fraction = sizes.iter().map(|(_, fraction)| *fraction).max().unwrap_or(0);
    whole + fraction <= i16::from(DECIMAL_DIGITS)
}

/// Digits before and after the point. A literal counts the digits it has, not those of its type.
fn decimal_size(expr: &Expr, types: &[DataType]) -> Option<(i16, i16)> {
    if let Expr::Literal(Literal::Decimal { unscaled, scale, .. }) = expr {
        let digits = unscaled.trim_start_matches('-').trim_start_matches('0').len() as i16;
        return Some(((digits - i16::from(*scale)).max(0), i16::from(*scale).max(0)));
    }
    match expr.data_type(types) {
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            Some((i16::from(precision) - i16::from(scale), i16::from(scale)))
        }
        _ => None,
    }
}

/// Arrow takes an escape character at the end of a pattern for itself; DuckDB refuses the pattern.
fn ends_in_escape(pattern: &str, escape: Option<char>) -> bool {
    let trailing = pattern.chars().rev().take_while(|character| Some(*character) == escape).count();
    trailing % 2 == 1
}

/// Casts that cannot fail or round: to wider integers, and to decimals with room for every digit.
fn is_widening(from: &DataType, to: &DataType) -> bool {
    let digits = |data_type: &DataType| match data_type {
        DataType::Int8 => Some((3, 0)),
        DataType::Int16 => Some((5, 0)),
        DataType::Int32 => Some((10, 0)),
        DataType::Int64 => Some((19, 0)),
        DataType::Decimal128(precision, scale) => Some((i16::from(*precision) - i16::from(*scale), i16::from(*scale))),
        _ => None,
    };
    match (digits(from), digits(to)) {
        (Some(from), Some(to)) => from.0 <= to.0 && from.1 <= to.1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(unscaled: &str, scale: i8) -> Expr {
        Expr::Literal(Literal::Decimal { unscaled: unscaled.into(), precision: 38, scale })
    }

    fn column(data_type: DataType) -> Vec<RelationColumn> {
        let text = junto_connector::TextSemantics::Binary;
        vec![RelationColumn { name: "c".into(), data_type, nullable: true, source_type: None, text }]
    }

    #[test]
    fn decimals_are_compared_only_in_a_type_that_holds_both() {
        let compare = |right| Expr::compare(CompareOp::Lt, Expr::Column(0), right);
        let money = column(DataType::Decimal128(15, 2));
        assert!(!refuses(&compare(decimal("150", 2)), &money));
        let huge = column(DataType::Decimal128(38, 0));
        assert!(refuses(&compare(decimal("15", 1)), &huge));
        assert!(!refuses(&compare(decimal("15", 0)), &huge));
    }

    #[test]
    fn patterns_that_end_in_an_escape_stay_local() {
        assert!(!ends_in_escape(r"100\%\_", Some('\\')));
        assert!(!ends_in_escape(r"a\\", Some('\\')));
        assert!(ends_in_escape(r"a\", Some('\\')));
        assert!(!ends_in_escape(r"a\", None));
    }

    #[test]
    fn only_widening_casts_are_sent() {
        assert!(is_widening(&DataType::Int32, &DataType::Int64));
        assert!(is_widening(&DataType::Int64, &DataType::Decimal128(21, 2)));
        assert!(!is_widening(&DataType::Int64, &DataType::Decimal128(20, 2)));
        assert!(!is_widening(&DataType::Decimal128(10, 2), &DataType::Int64));
        assert!(!is_widening(&DataType::Utf8View, &DataType::Int64));
    }
}
