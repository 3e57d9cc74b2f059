//! Estimates: how many rows a predicate leaves and how many distinct values a column has.
//!
//! They choose between plans that are all correct. Unknown statistics give fixed, cautious guesses.

use junto_connector::expr::CompareOp;
use junto_connector::{ColumnStatistics, Expr, Literal};

use crate::source::RemoteTable;

/// Share of rows a comparison for equality leaves when nothing is known.
pub(crate) const EQUALITY: f64 = 0.05;
/// Share of rows a range leaves when nothing is known.
pub(crate) const RANGE: f64 = 0.3;
/// Share of rows a pattern leaves.
const PATTERN: f64 = 0.1;
/// Rows of a table nothing is known of.
pub(crate) const UNKNOWN_ROWS: f64 = 100_000.0;

/// Share of a scan's rows for which `predicate` is true, 0 to 1. `origin` says which table column each position is.
pub(crate) fn selectivity(predicate: &Expr, table: &RemoteTable, origin: &[Option<usize>]) -> f64 {
    let column = |expr: &Expr| match expr {
        Expr::Column(index) => origin.get(*index).copied().flatten(),
        _ => None,
    };
    let statistics = |expr: &Expr| Some(column_statistics(table, column(expr)?));
    let share = match predicate {
        Expr::And(list) => list.iter().map(|part| selectivity(part, table, origin)).product(),
        Expr::Or(list) => 1.0 - list.iter().map(|part| 1.0 - selectivity(part, table, origin)).product::<f64>(),
        Expr::Not(inner) => 1.0 - selectivity(inner, table, origin),
        Expr::IsNull { expr, negated } => {
            let nulls = statistics(expr).and_then(|s| s.null_fraction).unwrap_or(EQUALITY);
            if *negated { 1.0 - nulls } else { nulls }
        }
        Expr::InList { expr, list, negated } => {
            let each = statistics(expr).and_then(|s| s.distinct).map_or(EQUALITY, |n| 1.0 / n.max(1) as f64);
            let share = (each * list.len() as f64).min(1.0);
            if *negated { 1.0 - share } else { share }
        }
        Expr::Like { negated, .. } => {
            if *negated {
                1.0 - PATTERN
            } else {
                PATTERN
            }
        }
        Expr::Compare { op, left, right } => match (column(left), &**right, column(right), &**left) {
            (Some(index), Expr::Literal(value), _, _) => compared(*op, &column_statistics(table, index), value),
            (_, _, Some(index), Expr::Literal(value)) => {
                compared(flipped(*op), &column_statistics(table, index), value)
            }
            _ if matches!(op, CompareOp::Eq | CompareOp::IsNotDistinctFrom) => EQUALITY,
            _ => RANGE,
        },
        _ => RANGE,
    };
    share.clamp(0.0, 1.0)
}

fn compared(op: CompareOp, statistics: &ColumnStatistics, value: &Literal) -> f64 {
    let equal = || {
        let common = statistics.common.iter().find(|(common, _)| same(common, value)).map(|(_, share)| *share);
        common.unwrap_or_else(|| statistics.distinct.map_or(EQUALITY, |n| 1.0 / n.max(1) as f64))
    };
    match op {
        CompareOp::Eq | CompareOp::IsNotDistinctFrom => equal(),
        CompareOp::NotEq | CompareOp::IsDistinctFrom => 1.0 - equal(),
        CompareOp::Lt | CompareOp::LtEq => below(statistics, value).unwrap_or(RANGE),
        CompareOp::Gt | CompareOp::GtEq => below(statistics, value).map_or(RANGE, |share| 1.0 - share),
    }
}

/// Share of values below `value`, from the histogram or else from the extremes.
fn below(statistics: &ColumnStatistics, value: &Literal) -> Option<f64> {
    let value = number(value)?;
    let bounds: Vec<f64> = if statistics.histogram.len() > 1 {
        statistics.histogram.iter().map(number).collect::<Option<_>>()?
    } else {
        vec![number(statistics.min.as_ref()?)?, number(statistics.max.as_ref()?)?]
    };
    let buckets = (bounds.len() - 1) as f64;
    let full = bounds.iter().take_while(|bound| **bound <= value).count();
    if full == 0 {
        return Some(0.0);
    }
    if full == bounds.len() {
        return Some(1.0);
    }
    let (low, high) = (bounds[full - 1], bounds[full]);
    let inside = if high > low { (value - low) / (high - low) } else { 0.5 };
    Some(((full - 1) as f64 + inside) / buckets)
}

/// A literal on a common numeric axis.
fn number(literal: &Literal) -> Option<f64> {
    Some(match literal {
        Literal::Int(value) => *value as f64,
        Literal::UInt(value) => *value as f64,
        Literal::Float(value) => *value,
        Literal::Decimal { unscaled, scale, .. } => unscaled.parse::<f64>().ok()? / 10f64.powi(i32::from(*scale)),
        Literal::Date(days) => f64::from(*days) * 86_400e6,
        Literal::Timestamp { micros, .. } => *micros as f64,
        _ => return None,
    })
}

fn same(left: &Literal, right: &Literal) -> bool {
    left == right || matches!((number(left), number(right)), (Some(a), Some(b)) if a == b)
}

fn flipped(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::LtEq => CompareOp::GtEq,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::GtEq => CompareOp::LtEq,
        same => same,
    }
}

/// Statistics of a column, with its number of distinct values filled in where a key says it.
pub(crate) fn column_statistics(table: &RemoteTable, index: usize) -> ColumnStatistics {
    let Some(column) = table.info.columns.get(index) else { return ColumnStatistics::default() };
    let mut statistics = table.statistics.column(&column.name).cloned().unwrap_or_default();
    if statistics.distinct.is_none() && table.info.is_unique_on(&[&column.name]) {
        statistics.distinct = table.rows();
    }
    statistics
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(min: i64, max: i64) -> ColumnStatistics {
        ColumnStatistics {
            distinct: Some(100),
            min: Some(Literal::Int(min)),
            max: Some(Literal::Int(max)),
            ..ColumnStatistics::default()
        }
    }

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn a_range_is_interpolated_between_the_extremes() {
        let value = Literal::Int(25);
        assert!(close(compared(CompareOp::Lt, &of(0, 100), &value), 0.25));
        assert!(close(compared(CompareOp::GtEq, &of(0, 100), &value), 0.75));
        assert!(close(compared(CompareOp::Lt, &of(50, 100), &value), 0.0));
        assert!(close(compared(CompareOp::Eq, &of(0, 100), &value), 0.01));
    }

    #[test]
    fn a_histogram_counts_whole_buckets() {
        let bounds = [0, 10, 20, 1000].map(Literal::Int).to_vec();
        let statistics = ColumnStatistics { histogram: bounds, ..ColumnStatistics::default() };
        assert!(close(compared(CompareOp::Lt, &statistics, &Literal::Int(15)), 0.5));
    }

    #[test]
    fn a_common_value_has_its_own_share() {
        let common = vec![(Literal::Text("open".into()), 0.9)];
        let statistics = ColumnStatistics { common, distinct: Some(4), ..ColumnStatistics::default() };
        assert!(close(compared(CompareOp::Eq, &statistics, &Literal::Text("open".into())), 0.9));
        assert!(close(compared(CompareOp::Eq, &statistics, &Literal::Text("void".into())), 0.25));
    }
}
