//! What PostgreSQL computes exactly as Junto would.
//!
//! Left out because they differ or may: floating-point arithmetic and comparison with zero (-0.0), intervals (compared
//! by a length of 30 days a month), lower and upper case and ILIKE (locale), casts that round or parse, `concat`.

use arrow::datatypes::DataType;
use junto_connector::capabilities::{KeySupport, TextComparison};
use junto_connector::expr::{AggregateFunction, ArithmeticOp, CompareOp};
use junto_connector::plan::{JoinKind, RelationColumn};
use junto_connector::{Capabilities, Costs, Expr, Function, Literal, Operation, Support, TypeClass};
use junto_connector_sql::can_express;

use crate::dialect::PostgresDialect;

const KEYS_PER_QUERY: usize = 100_000;
/// The protocol allows 1 GB; a statement beyond this is not sensible.
const LONGEST_STATEMENT: usize = 64 << 20;

/// Processor time of one backend of PostgreSQL 15, from `/proc/PID/stat` around `COPY (…) TO STDOUT (FORMAT binary)` over
/// the 6 million rows of TPC-H's lineitem (scale factor 1, 16 columns, not in `shared_buffers`), without parallel workers.
/// The differences between two queries give one figure each:
///
/// | Query | s |
/// |---|---|
/// | nothing passes a condition on a date, a decimal, a text | 0.41, 0.46, 0.50 |
/// | three conditions on decimals; LIKE with two words | 0.79; 0.86 |
/// | 1, 4 integers | 0.72, 1.25 |
/// | 4 decimals; all 16 columns | 1.80; 4.54 |
/// | two texts as groups; with 1, 3 sums of decimals | 0.86; 1.07, 1.28 |
/// | sum of a product of 1, 3, 5 decimals | 0.68, 1.26, 1.90 |
/// | joined with orders (1.5 million rows, 0.12 s), with part (0.2 million) | 1.36, 0.77 |
/// | 20,000, 100,000 keys, by which the primary key finds a row each | 0.09, 0.53 |
///
/// `cores`: the server shares scans that deliver few rows among three processes by default; grouping took 3.6 s by one
/// and 2.0 s by three on two cores. Rows are always sent by one.
fn costs() -> Costs {
    Costs {
        query: 500.0,
        scanned_row: 0.06,
        sent_row: 0.04,
        sent_value: 0.03,
        sent_wide_value: 0.025,
        sends_arrow: false,
        condition: 0.025,
        text_condition: 0.04,
        pattern: 0.09,
        grouped_row: 0.09,
        aggregated_value: 0.03,
        computed_value: 0.05,
        joined_row: 0.13,
        key: 4.0,
        keys_by_index: true,
        indexed_row: 1.0,
        fetched_row: 80.0,
        clustered: false,
        grouped_row_of_many: 0.4,
        joins_by_hash: true,
        cores: 2.0,
    }
}

const COMPARES: [Operation; 8] = [
    Operation::Compare(CompareOp::Eq),
    Operation::Compare(CompareOp::NotEq),
    Operation::Compare(CompareOp::Lt),
    Operation::Compare(CompareOp::LtEq),
    Operation::Compare(CompareOp::Gt),
    Operation::Compare(CompareOp::GtEq),
    Operation::Compare(CompareOp::IsDistinctFrom),
    Operation::Compare(CompareOp::IsNotDistinctFrom),
];

/// Everything declared. `utf8` says whether the server stores text as UTF-8: otherwise its byte order is another.
pub(crate) fn capabilities(utf8: bool) -> Capabilities {
    use TypeClass as T;
    let values =
        [T::Boolean, T::Int, T::Decimal, T::Float, T::Text, T::Binary, T::Date, T::Time, T::Timestamp, T::TimestampUtc];
    let without_floats =
        [T::Boolean, T::Int, T::Decimal, T::Text, T::Binary, T::Date, T::Time, T::Timestamp, T::TimestampUtc];
    let arithmetic = [ArithmeticOp::Add, ArithmeticOp::Subtract, ArithmeticOp::Multiply].map(Operation::Arithmetic);
    let division = [ArithmeticOp::Divide, ArithmeticOp::Modulo].map(Operation::Arithmetic);
    let function = Operation::Function;
    let parts = [Function::Year, Function::Month, Function::Day].map(function);
    let mut declared = Capabilities::none()
        .with(&COMPARES, &values, Support::Exact)
        .with(&COMPARES, &[T::UInt], Support::Exact)
        .with(&[Operation::Literal, Operation::InList], &values, Support::Exact)
        .with(&[Operation::Literal], &[T::UInt], Support::Exact)
        .with(&[Operation::IsNull], &TypeClass::ALL, Support::Exact)
        .with(&[Operation::Case, function(Function::Coalesce)], &without_floats, Support::Exact)
        .with(
            &[Operation::Like, function(Function::CharLength), function(Function::Substring)],
            &[T::Text],
            Support::Exact,
        )
        .with(&[function(Function::Substring)], &[T::Int], Support::Exact)
        .with(&arithmetic, &[T::Int, T::Decimal], Support::Exact)
        .with(&division, &[T::Int], Support::Exact)
        .with(
            &[Operation::Negate, function(Function::Abs), function(Function::NullIf)],
            &[T::Int, T::Decimal],
            Support::Exact,
        )
        .with(&[function(Function::NullIf)], &[T::Date, T::Timestamp, T::TimestampUtc, T::Boolean], Support::Exact)
        .with(&parts, &[T::Date, T::Timestamp], Support::Exact)
        .with(&[Operation::Cast], &[T::Int, T::Decimal, T::Timestamp], Support::Exact);
    if utf8 {
        declared = declared.with(&[function(Function::OctetLength)], &[T::Text], Support::Exact);
        declared.text = TextComparison::ForcedBinary;
    }
    declared.filter = true;
    declared.project = true;
    declared.limit = true;
    declared.sort = true;
    declared.distinct = true;
    declared.union_all = true;
    declared.joins = vec![JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::LeftSemi, JoinKind::LeftAnti];
    declared.aggregates = vec![
        AggregateFunction::CountRows,
        AggregateFunction::Count,
        AggregateFunction::Sum,
        AggregateFunction::Min,
        AggregateFunction::Max,
    ];
    declared.keys = Some(KeySupport { types: values.to_vec(), max_per_query: KEYS_PER_QUERY, composite: true });
    declared.max_statement_bytes = LONGEST_STATEMENT;
    declared.parallel = true;
    declared.costs = costs();
    declared
}

/// The declared support of an expression, less what its values and types forbid.
pub(crate) fn support(declared: &Capabilities, expr: &Expr, input: &[RelationColumn]) -> Support {
    let types: Vec<DataType> = input.iter().map(|column| column.data_type.clone()).collect();
    if !is_faithful(expr, &types) || !can_express(&PostgresDialect, expr, input) {
        return Support::Unsupported;
    }
    declared.support(expr, input)
}

/// What the table of operations and type classes cannot say.
fn is_faithful(expr: &Expr, types: &[DataType]) -> bool {
    let class = |expr: &Expr| TypeClass::of(&expr.data_type(types));
    let here = match expr {
        // PostgreSQL takes -0.0 and 0.0 for equal, Arrow does not.
        Expr::Compare { left, right, .. } if class(left) == TypeClass::Float || class(right) == TypeClass::Float => {
            is_plain_float(left) || is_plain_float(right)
        }
        Expr::InList { list, .. } => {
            list.iter().all(|literal| !matches!(literal, Literal::Float(value) if *value == 0.0))
        }
        Expr::Cast { expr, to } => is_exact_cast(&expr.data_type(types), to),
        // PostgreSQL widens where Arrow fails: only results that cannot overflow, or overflow alike, are the same.
        Expr::Arithmetic { data_type, .. } => match data_type {
            DataType::Decimal128(precision, _) => *precision < 38,
            data_type => *data_type == DataType::Int64,
        },
        Expr::Function { function: Function::Substring, args, .. } => match args.as_slice() {
            [_, start] => is_at_least(start, 1),
            [_, start, count] => is_at_least(start, 1) && is_at_least(count, 0),
            _ => false,
        },
        Expr::Function { data_type, .. } | Expr::Case { data_type, .. } => is_readable(data_type),
        _ => true,
    };
    here && expr.children().into_iter().all(|child| is_faithful(child, types))
}

fn is_readable(data_type: &DataType) -> bool {
    crate::decode::is_readable(data_type)
}

fn is_plain_float(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(Literal::Float(value)) if *value != 0.0)
}

fn is_at_least(expr: &Expr, least: i64) -> bool {
    matches!(expr, Expr::Literal(Literal::Int(value)) if *value >= least)
}

/// Casts that lose nothing, so that no rounding or error can differ.
fn is_exact_cast(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    match (from, to) {
        (T::Int16 | T::Int32 | T::Int64, T::Int64) | (T::Int16 | T::Int32, T::Int32) | (T::Int16, T::Int16) => true,
        (T::Int16 | T::Int32 | T::Int64, T::Decimal128(precision, scale)) => {
            *scale >= 0 && i16::from(*precision) - i16::from(*scale) >= 19
        }
        (T::Decimal128(p0, s0), T::Decimal128(p1, s1)) => {
            s1 >= s0 && i16::from(*p1) - i16::from(*s1) >= i16::from(*p0) - i16::from(*s0)
        }
        (from, to) => from == to,
    }
}
