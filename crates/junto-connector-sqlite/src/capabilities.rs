//! What SQLite computes exactly as Junto.
//!
//! Left out on purpose: LOWER and UPPER know only ASCII; LENGTH stops at NUL; integer arithmetic turns into doubles
//! when it overflows and division by zero into NULL; SUM overflows at 64 bits; doubles are compared as SQLite's own
//! parser read the literal. Booleans, dates and times are stored as whatever the program wrote, so nothing but NULL is
//! tested on them: their columns are declared [`TextSemantics::Opaque`].

use junto_connector::capabilities::{KeySupport, TextComparison};
use junto_connector::expr::{AggregateFunction, CompareOp};
use junto_connector::plan::{JoinKind, RelationColumn};
use junto_connector::{Capabilities, Expr, Function, Literal, Operation, Support, TextSemantics, TypeClass};
use junto_connector_sql::can_express;

use crate::costs;
use crate::dialect::SqliteDialect;

/// Decimals are stored as doubles, which tell decimals of so many digits apart.
pub(crate) const EXACT_DECIMAL_DIGITS: u8 = 15;

const COMPARISONS: [Operation; 8] = [
    Operation::Compare(CompareOp::Eq),
    Operation::Compare(CompareOp::NotEq),
    Operation::Compare(CompareOp::Lt),
    Operation::Compare(CompareOp::LtEq),
    Operation::Compare(CompareOp::Gt),
    Operation::Compare(CompareOp::GtEq),
    Operation::Compare(CompareOp::IsDistinctFrom),
    Operation::Compare(CompareOp::IsNotDistinctFrom),
];

/// `utf16`: text is stored in UTF-16, whose bytes sort otherwise; a computed text has no column to say so.
pub(crate) fn capabilities(utf16: bool) -> Capabilities {
    let computed: &[TypeClass] = if utf16 { &[TypeClass::Int] } else { &[TypeClass::Int, TypeClass::Text] };
    let compared = [TypeClass::Int, TypeClass::Text, TypeClass::Decimal, TypeClass::Binary];
    let mut capabilities = Capabilities::none()
        .with(&COMPARISONS, &compared, Support::Exact)
        .with(&[Operation::InList, Operation::Literal], &compared, Support::Exact)
        .with(&[Operation::Literal, Operation::Function(Function::Rare)], &[TypeClass::Boolean], Support::Exact)
        .with(&[Operation::IsNull], &TypeClass::ALL, Support::Exact)
        .with(&[Operation::Like], &[TypeClass::Text], Support::Superset)
        .with(
            &[Operation::Case, Operation::Function(Function::Coalesce), Operation::Function(Function::NullIf)],
            computed,
            Support::Exact,
        );
    capabilities.text = TextComparison::Declared;
    capabilities.filter = true;
    capabilities.project = true;
    capabilities.limit = true;
    capabilities.sort = true;
    capabilities.distinct = true;
    capabilities.union_all = true;
    capabilities.joins =
        vec![JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::Full, JoinKind::LeftSemi, JoinKind::LeftAnti];
    capabilities.aggregates =
        vec![AggregateFunction::CountRows, AggregateFunction::Count, AggregateFunction::Min, AggregateFunction::Max];
    capabilities.keys = Some(KeySupport {
        types: vec![TypeClass::Int, TypeClass::Text, TypeClass::Decimal, TypeClass::Binary],
        max_per_query: 10_000,
        composite: true,
    });
    capabilities.parallel = true;
    capabilities.costs = costs::measured();
    capabilities.max_statement_bytes = 256 << 20;
    capabilities
}

/// Refines [`Capabilities::support`] by what depends on values.
pub(crate) fn support(capabilities: &Capabilities, expr: &Expr, input: &[RelationColumn]) -> Support {
    let support = capabilities.support(expr, input);
    if support == Support::Unsupported
        || has_long_decimal(expr)
        || tests_stored_boolean(expr, input)
        || may_match_misfits(expr, input)
        || !can_express(&SqliteDialect, expr, input)
    {
        return Support::Unsupported;
    }
    support
}

/// A literal that a double cannot tell from its neighbours.
fn has_long_decimal(expr: &Expr) -> bool {
    let long = |literal: &Literal| match literal {
        Literal::Decimal { unscaled, .. } => {
            let digits = unscaled.trim_start_matches('-').trim_start_matches('0').len();
            digits > usize::from(EXACT_DECIMAL_DIGITS)
        }
        _ => false,
    };
    match expr {
        Expr::Literal(literal) => long(literal),
        Expr::InList { list, .. } if list.iter().any(long) => true,
        _ => expr.children().into_iter().any(has_long_decimal),
    }
}

/// A stored boolean used as a condition: `'true'` is false to SQLite.
fn tests_stored_boolean(expr: &Expr, input: &[RelationColumn]) -> bool {
    match expr {
        Expr::Column(index) => input.get(*index).is_some_and(|column| {
            TypeClass::of(&column.data_type) == TypeClass::Boolean && column.text == TextSemantics::Opaque
        }),
        Expr::IsNull { expr, .. } if matches!(**expr, Expr::Column(_)) => false,
        _ => expr.children().into_iter().any(|child| tests_stored_boolean(child, input)),
    }
}

/// NOT and IS DISTINCT FROM over stored numbers: a text in such a column would match, and its row cannot be read. The
/// other comparisons are written so that it does not ([`SqliteDialect`]).
fn may_match_misfits(expr: &Expr, input: &[RelationColumn]) -> bool {
    let matches = match expr {
        Expr::Not(inner) => compares_stored_number(inner, input),
        Expr::Compare { op: CompareOp::IsDistinctFrom, .. } => compares_stored_number(expr, input),
        _ => false,
    };
    matches || expr.children().into_iter().any(|child| may_match_misfits(child, input))
}

fn compares_stored_number(expr: &Expr, input: &[RelationColumn]) -> bool {
    let stored_number = |expr: &Expr| match expr {
        Expr::Column(index) => input.get(*index).is_some_and(|column| {
            matches!(TypeClass::of(&column.data_type), TypeClass::Int | TypeClass::Decimal)
                && column.source_type.is_some()
        }),
        _ => false,
    };
    match expr {
        Expr::Compare { left, right, .. } => stored_number(left) || stored_number(right),
        Expr::InList { expr, .. } => stored_number(expr),
        _ => expr.children().into_iter().any(|child| compares_stored_number(child, input)),
    }
}
