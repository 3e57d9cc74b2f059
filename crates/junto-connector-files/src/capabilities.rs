//! What a files source computes exactly as the engine: DataFusion reads the files, and the engine is DataFusion.
//!
//! Left out: integer arithmetic, which wraps around here and is checked in the engine; order of floats, because the
//! bounds in Parquet files say nothing of NaN, and pruning by them loses it; joins, which the engine orders better when
//! it sees them, and unions, whose first rows in several partitions the engine corrects.

use arrow::datatypes::DataType;
use junto_connector::capabilities::{KeySupport, Operation};
use junto_connector::expr::{AggregateFunction, ArithmeticOp, CompareOp};
use junto_connector::{Capabilities, Expr, Function, Literal, Support, TypeClass};

/// Everything declared.
pub(crate) fn capabilities() -> Capabilities {
    use CompareOp as C;
    use Operation as O;
    use TypeClass as T;
    let plain =
        [T::Boolean, T::Int, T::UInt, T::Decimal, T::Text, T::Binary, T::Date, T::Time, T::Timestamp, T::TimestampUtc];
    let all_compares = [C::Eq, C::NotEq, C::Lt, C::LtEq, C::Gt, C::GtEq, C::IsDistinctFrom, C::IsNotDistinctFrom];
    let sums = [ArithmeticOp::Add, ArithmeticOp::Subtract, ArithmeticOp::Multiply];
    let of_text = [Function::Lower, Function::Upper, Function::CharLength, Function::OctetLength];
    let function = |function: Function| O::Function(function);
    Capabilities {
        filter: true,
        project: true,
        limit: true,
        sort: true,
        distinct: true,
        union_all: false,
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
        max_statement_bytes: usize::MAX,
        costs: crate::costs::measured(),
        ..Capabilities::none()
    }
    .with(&[O::Literal, O::Case, O::InList], &plain, Support::Exact)
    .with(&[O::Literal], &[T::Float], Support::Exact)
    .with(&[O::Compare(C::Eq), O::InList], &[T::Float], Support::Superset)
    .with(&[O::IsNull], &T::ALL, Support::Exact)
    .with(&all_compares.map(O::Compare), &plain, Support::Exact)
    .with(&[O::Like, O::CaseInsensitiveLike], &[T::Text], Support::Exact)
    .with(&sums.map(O::Arithmetic), &[T::Decimal, T::Float], Support::Exact)
    .with(&[function(Function::Coalesce), function(Function::NullIf)], &plain, Support::Exact)
    .with(&of_text.map(function), &[T::Text], Support::Exact)
    .with(
        &[Function::Year, Function::Month, Function::Day].map(function),
        &[T::Date, T::Timestamp],
        Support::Exact,
    )
}

/// Whether `expr` asks of floats what the bounds in a Parquet file cannot tell: they never hold NaN, and do not tell
/// -0.0 from 0.0, so equality is only a superset and its opposite is nothing.
pub(crate) fn refuses(expr: &Expr, types: &[DataType]) -> bool {
    let is_nan = |literal: &Literal| matches!(literal, Literal::Float(value) if value.is_nan());
    let here = match expr {
        Expr::Literal(literal) => is_nan(literal),
        Expr::InList { expr, list, negated } => {
            list.iter().any(is_nan) || (*negated && TypeClass::of(&expr.data_type(types)) == TypeClass::Float)
        }
        _ => false,
    };
    here || expr.children().into_iter().any(|child| refuses(child, types))
}
