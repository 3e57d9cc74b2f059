//! Estimates: how many rows a predicate leaves and how many distinct values a column has.
//!
//! They choose between plans that are all correct. Unknown statistics give fixed, cautious guesses.

use std::collections::BTreeMap;
use std::sync::Arc;

use junto_connector::expr::CompareOp;
use junto_connector::{ColumnStatistics, Costs, Expr, Literal};

use crate::cost::{Indexed, reached_row};
use crate::node::Origin;
use crate::source::RemoteTable;

/// Share of rows a comparison for equality leaves when nothing is known.
pub(crate) const EQUALITY: f64 = 0.05;
/// Share of rows a range leaves when nothing is known.
pub(crate) const RANGE: f64 = 0.3;
/// Share of rows a pattern leaves.
const PATTERN: f64 = 0.1;
/// A range that looks empty still keeps this part of what its ends would keep independently of each other.
const NARROW: f64 = 0.01;
/// Rows of a table nothing is known of.
pub(crate) const UNKNOWN_ROWS: f64 = 100_000.0;

/// Share of a relation's rows for which `predicate` is true, 0 to 1. `origin` says which table column each position is.
pub(crate) fn selectivity(predicate: &Expr, origin: &[Option<Origin>]) -> f64 {
    share(predicate, origin).part
}

/// Whether the share of rows that `predicate` keeps is a guess, in whole or in part.
pub(crate) fn is_guess(predicate: &Expr, origin: &[Option<Origin>]) -> bool {
    share(predicate, origin).guessed
}

/// Part of some rows.
#[derive(Debug, Clone, Copy)]
struct Share {
    /// 0 to 1.
    part: f64,
    /// Nothing is known that it could follow from.
    guessed: bool,
}

impl Share {
    fn known(part: f64) -> Self {
        Self { part, guessed: false }
    }

    fn guessed(part: f64) -> Self {
        Self { part, guessed: true }
    }

    fn or_guess(known: Option<f64>, part: f64) -> Self {
        known.map_or(Self::guessed(part), Self::known)
    }

    fn others(self) -> Self {
        Self { part: 1.0 - self.part, ..self }
    }

    fn others_if(self, negated: bool) -> Self {
        if negated { self.others() } else { self }
    }

    /// Of rows for which both hold, independently of each other.
    fn and(self, other: Self) -> Self {
        Self { part: self.part * other.part, guessed: self.guessed || other.guessed }
    }
}

fn share(predicate: &Expr, origin: &[Option<Origin>]) -> Share {
    if let Some(told) = told(predicate, origin) {
        return Share::known(told);
    }
    let column = |expr: &Expr| match expr {
        Expr::Column(index) => origin.get(*index).and_then(Option::as_ref),
        _ => None,
    };
    let statistics = |expr: &Expr| Some(column_statistics(column(expr)?));
    let share = match predicate {
        Expr::And(list) => conjunction(list, origin),
        Expr::Or(list) => {
            list.iter().map(|part| share(part, origin).others()).fold(Share::known(1.0), Share::and).others()
        }
        Expr::Not(inner) => share(inner, origin).others(),
        Expr::IsNull { expr, negated } => {
            let nulls = statistics(expr).and_then(|statistics| statistics.null_fraction);
            Share::or_guess(nulls, EQUALITY).others_if(*negated)
        }
        Expr::InList { expr, list, negated } => {
            let of = statistics(expr).unwrap_or_default();
            let shares = list.iter().map(|value| equal(&of, value));
            let sum = |sum: Share, next: Share| Share { part: sum.part + next.part, ..sum.and(next) };
            let share = shares.fold(Share::known(0.0), sum);
            Share { part: share.part.min(1.0), ..share }.others_if(*negated)
        }
        Expr::Like { negated, .. } => Share::guessed(PATTERN).others_if(*negated),
        Expr::Compare { op, left, right } => match (column(left), &**right, column(right), &**left) {
            (Some(of), Expr::Literal(value), _, _) => compared(*op, &column_statistics(of), value),
            (_, _, Some(of), Expr::Literal(value)) => compared(flipped(*op), &column_statistics(of), value),
            _ if matches!(op, CompareOp::Eq | CompareOp::IsNotDistinctFrom) => Share::guessed(EQUALITY),
            _ => Share::guessed(RANGE),
        },
        Expr::Literal(Literal::Boolean(value)) => Share::known(f64::from(u8::from(*value))),
        _ => Share::guessed(RANGE),
    };
    Share { part: share.part.clamp(0.0, 1.0), ..share }
}

/// What the source of a condition's only table expects it to keep, where it was asked.
fn told(predicate: &Expr, origin: &[Option<Origin>]) -> Option<f64> {
    let of = |position: usize| origin.get(position).and_then(Option::as_ref);
    let table = &of(any_column(predicate)?)?.table;
    if table.expected.is_empty() {
        return None;
    }
    let mut predicate = predicate.clone();
    let mut of_one_table = true;
    predicate.for_each_column(&mut |position| match of(*position) {
        Some(origin) if Arc::ptr_eq(&origin.table, table) => *position = origin.column,
        _ => of_one_table = false,
    });
    let expected = table.expected.iter().find(|(condition, _)| of_one_table && *condition == predicate)?;
    Some(expected.1)
}

fn any_column(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Column(position) => Some(*position),
        other => other.children().into_iter().find_map(any_column),
    }
}

/// Conditions on different columns are taken to be independent of each other; of those on one column the strictest counts.
fn conjunction(list: &[Expr], origin: &[Option<Origin>]) -> Share {
    let mut whole = Share::known(1.0);
    let mut guessed = false;
    let mut columns: BTreeMap<usize, Kept> = BTreeMap::new();
    for part in list {
        let stricter = |known: &mut Option<f64>, kept: f64| *known = Some(known.map_or(kept, |other| other.min(kept)));
        match (known_bound(part, origin), only_column(part)) {
            (Some((column, end, kept)), _) => stricter(&mut columns.entry(column).or_default().ends[end], kept),
            (None, Some(column)) => {
                let kept = share(part, origin);
                guessed |= kept.guessed;
                stricter(&mut columns.entry(column).or_default().otherwise, kept.part);
            }
            (None, None) => whole = whole.and(share(part, origin)),
        }
    }
    let of_columns = columns.into_values().map(Kept::share).product();
    whole.and(Share { part: of_columns, guessed })
}

/// Shares of the rows that conditions on one column keep.
#[derive(Debug, Default)]
struct Kept {
    /// By its lower and upper bounds, as far as they are known.
    ends: [Option<f64>; 2],
    /// By others.
    otherwise: Option<f64>,
}

impl Kept {
    fn share(self) -> f64 {
        let range = match self.ends {
            [Some(above), Some(below)] => (above + below - 1.0).max(above * below * NARROW),
            [one, other] => one.or(other).unwrap_or(1.0),
        };
        self.otherwise.map_or(range, |otherwise| otherwise.min(range))
    }
}

/// The column that a condition is about, when it is about one only.
fn only_column(expr: &Expr) -> Option<usize> {
    fn all_are(expr: &Expr, column: &mut Option<usize>) -> bool {
        match expr {
            Expr::Column(index) => *column.get_or_insert(*index) == *index,
            other => other.children().into_iter().all(|child| all_are(child, column)),
        }
    }
    let mut column = None;
    if all_are(expr, &mut column) { column } else { None }
}

/// A comparison that bounds a column of which extremes are known: the column, 0 for a lower and 1 for an upper bound, and
/// the share of rows it keeps.
fn known_bound(expr: &Expr, origin: &[Option<Origin>]) -> Option<(usize, usize, f64)> {
    let Expr::Compare { op, left, right } = expr else { return None };
    let (column, op, value) = match (&**left, &**right) {
        (Expr::Column(column), Expr::Literal(value)) => (*column, *op, value),
        (Expr::Literal(value), Expr::Column(column)) => (*column, flipped(*op), value),
        _ => return None,
    };
    let share = below(&column_statistics(origin.get(column)?.as_ref()?), value)?;
    match op {
        CompareOp::Gt | CompareOp::GtEq => Some((column, 0, 1.0 - share)),
        CompareOp::Lt | CompareOp::LtEq => Some((column, 1, share)),
        _ => None,
    }
}

/// What an index finds for conditions, when there is one they can use.
pub(crate) fn indexed(terms: &[Expr], origin: &[Option<Origin>], costs: &Costs) -> Option<Indexed> {
    let mut columns: Vec<usize> = terms.iter().filter_map(|term| indexed_column(term, origin)).collect();
    columns.sort_unstable();
    columns.dedup();
    let by_column = columns.into_iter().filter_map(|column| {
        let of_column = terms.iter().filter(|term| indexed_column(term, origin) == Some(column)).cloned();
        let share = conjunction(&of_column.collect::<Vec<_>>(), origin).part;
        let per_row = reached_row(origin.get(column)?.as_ref()?, false, costs);
        Some(Indexed { share, per_row })
    });
    by_column.min_by(|a, b| (a.share * a.per_row).total_cmp(&(b.share * b.per_row)))
}

/// The indexed column that a condition restricts.
pub(crate) fn indexed_column(predicate: &Expr, origin: &[Option<Origin>]) -> Option<usize> {
    let indexed = |expr: &Expr| match expr {
        Expr::Column(index) => origin.get(*index)?.as_ref()?.is_indexed().then_some(*index),
        _ => None,
    };
    match predicate {
        Expr::Compare { op: CompareOp::NotEq | CompareOp::IsDistinctFrom, .. } => None,
        Expr::Compare { left, right, .. } => match (&**left, &**right) {
            (column, Expr::Literal(_)) | (Expr::Literal(_), column) => indexed(column),
            _ => None,
        },
        Expr::InList { expr, negated: false, .. } => indexed(expr),
        _ => None,
    }
}

fn equal(statistics: &ColumnStatistics, value: &Literal) -> Share {
    let common = statistics.common.iter().find(|(common, _)| same(common, value)).map(|(_, share)| *share);
    Share::or_guess(common.or_else(|| statistics.distinct.map(|n| 1.0 / n.max(1) as f64)), EQUALITY)
}

fn compared(op: CompareOp, statistics: &ColumnStatistics, value: &Literal) -> Share {
    match op {
        CompareOp::Eq | CompareOp::IsNotDistinctFrom => equal(statistics, value),
        CompareOp::NotEq | CompareOp::IsDistinctFrom => equal(statistics, value).others(),
        CompareOp::Lt | CompareOp::LtEq => Share::or_guess(below(statistics, value), RANGE),
        CompareOp::Gt | CompareOp::GtEq => Share::or_guess(below(statistics, value).map(|share| 1.0 - share), RANGE),
    }
}

/// Bounds of parts of the values, of equal share each: of a histogram, or else the extremes. At least two.
fn bounds(statistics: &ColumnStatistics) -> Option<Vec<f64>> {
    if statistics.histogram.len() > 1 {
        return statistics.histogram.iter().map(number).collect();
    }
    Some(vec![number(statistics.min.as_ref()?)?, number(statistics.max.as_ref()?)?])
}

/// Part of the range of one column that the values of another lie in, when both are known.
pub(crate) fn covered_part(whole: &ColumnStatistics, part: &ColumnStatistics) -> Option<f64> {
    let ends = |statistics| bounds(statistics).and_then(|bounds| Some((*bounds.first()?, *bounds.last()?)));
    let ((low, high), (from, to)) = (ends(whole)?, ends(part)?);
    let width = high - low;
    (width > 0.0).then(|| ((to.min(high) - from.max(low)) / width).clamp(0.0, 1.0))
}

/// Share of values below `value`, from the histogram or else from the extremes.
fn below(statistics: &ColumnStatistics, value: &Literal) -> Option<f64> {
    let value = number(value)?;
    let bounds = bounds(statistics)?;
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

/// Share of values from `low` to `high`, a missing end being open; none when nothing is known.
pub(crate) fn between(statistics: &ColumnStatistics, low: Option<&Literal>, high: Option<&Literal>) -> Option<f64> {
    let above = low.map_or(Some(1.0), |low| below(statistics, low).map(|share| 1.0 - share))?;
    let below = high.map_or(Some(1.0), |high| below(statistics, high))?;
    Some((above + below - 1.0).max(0.0))
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
pub(crate) fn column_statistics(of: &Origin) -> ColumnStatistics {
    table_column_statistics(&of.table, of.column)
}

/// The same, by position in a table.
pub(crate) fn table_column_statistics(table: &RemoteTable, index: usize) -> ColumnStatistics {
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

    fn compared_part(op: CompareOp, statistics: &ColumnStatistics, value: &Literal) -> f64 {
        compared(op, statistics, value).part
    }

    #[test]
    fn a_range_is_interpolated_between_the_extremes() {
        let value = Literal::Int(25);
        assert!(close(compared_part(CompareOp::Lt, &of(0, 100), &value), 0.25));
        assert!(close(compared_part(CompareOp::GtEq, &of(0, 100), &value), 0.75));
        assert!(close(compared_part(CompareOp::Lt, &of(50, 100), &value), 0.0));
        assert!(close(compared_part(CompareOp::Eq, &of(0, 100), &value), 0.01));
    }

    #[test]
    fn conditions_on_one_column_do_not_multiply() {
        let equal = |at, value| Expr::compare(CompareOp::Eq, Expr::Column(at), Expr::Literal(Literal::Int(value)));
        let both = |left, right| selectivity(&Expr::And(vec![left, right]), &[None, None]);
        assert!(close(both(equal(0, 1), equal(0, 2)), EQUALITY));
        assert!(close(both(equal(0, 1), equal(1, 2)), EQUALITY * EQUALITY));
        let either = Expr::Or(vec![equal(0, 1), equal(0, 2)]);
        assert!(close(both(equal(0, 1), either), EQUALITY));
    }

    #[test]
    fn what_statistics_do_not_say_is_a_guess() {
        let guessed = |op, statistics: &ColumnStatistics, value| compared(op, statistics, &value).guessed;
        let empty = ColumnStatistics::default();
        assert!(guessed(CompareOp::Eq, &empty, Literal::Int(1)));
        assert!(!guessed(CompareOp::NotEq, &of(0, 9), Literal::Int(1)));
        assert!(!guessed(CompareOp::Lt, &of(0, 9), Literal::Int(1)));
        assert!(guessed(CompareOp::Lt, &of(0, 9), Literal::Text("a".into())), "extremes of text are not compared");
        let like = Expr::Like {
            expr: Box::new(Expr::Column(0)),
            pattern: "a%".into(),
            escape: None,
            negated: true,
            case_insensitive: false,
        };
        let yes = Expr::Literal(Literal::Boolean(true));
        assert!(is_guess(&like, &[None]) && !is_guess(&yes, &[None]));
        assert!(is_guess(&Expr::And(vec![yes.clone(), like.clone()]), &[None]));
        assert!(is_guess(&Expr::Or(vec![yes.clone(), like]), &[None]));
        assert!(!is_guess(&Expr::Not(Box::new(yes)), &[None]));
    }

    #[test]
    fn values_lie_in_a_part_of_a_range() {
        assert_eq!(covered_part(&of(0, 1_000), &of(200, 450)), Some(0.25));
        assert_eq!(covered_part(&of(0, 1_000), &of(900, 2_000)), Some(0.1));
        assert_eq!(covered_part(&of(0, 1_000), &of(5_000, 6_000)), Some(0.0));
        assert_eq!(covered_part(&of(7, 7), &of(0, 9)), None, "one value has no range");
        assert_eq!(covered_part(&ColumnStatistics::default(), &of(0, 9)), None);
    }

    #[test]
    fn a_histogram_counts_whole_buckets() {
        let bounds = [0, 10, 20, 1000].map(Literal::Int).to_vec();
        let statistics = ColumnStatistics { histogram: bounds, ..ColumnStatistics::default() };
        assert!(close(compared_part(CompareOp::Lt, &statistics, &Literal::Int(15)), 0.5));
    }

    #[test]
    fn a_common_value_has_its_own_share() {
        let common = vec![(Literal::Text("open".into()), 0.9)];
        let statistics = ColumnStatistics { common, distinct: Some(4), ..ColumnStatistics::default() };
        assert!(close(compared_part(CompareOp::Eq, &statistics, &Literal::Text("open".into())), 0.9));
        assert!(close(compared_part(CompareOp::Eq, &statistics, &Literal::Text("void".into())), 0.25));
    }
}
