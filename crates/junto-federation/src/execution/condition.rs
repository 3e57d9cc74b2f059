//! Conditions on a read that follow from the keys of a join, beside the keys that the read is opened with: a short list of
//! values, or their bounds when they are many.
//!
//! They leave out rows that match nothing, as keys do. The join checks every row, so they may keep too many.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use junto_connector::Costs;
use junto_connector::expr::{CompareOp, Expr, Literal};

use super::scan::{KeyBinding, KeyColumn};
use crate::keys::Arrived;
use crate::statistics::between;
use crate::translate::literal;

/// Values that a condition lists at most.
pub(crate) const MOST_LISTED: usize = 1_000;
/// A smaller share of the rows is rare.
const RARE: f64 = 0.2;

/// What a join asks of the values of one column.
#[derive(Debug)]
pub(super) struct Condition {
    wanted: Wanted,
    /// Estimated share of the rows that it keeps.
    share: f64,
}

#[derive(Debug)]
enum Wanted {
    OneOf(Vec<Literal>),
    Within { low: Option<Literal>, high: Option<Literal> },
}

impl Condition {
    /// The condition on a column of type `data_type` whose keys are at `of_slot` of those that arrived; none when nothing
    /// is known of them.
    pub(super) fn of(
        binding: &KeyBinding,
        arrived: &Arrived,
        of_slot: usize,
        data_type: &DataType,
        key: &KeyColumn,
    ) -> Result<Option<Self>> {
        if let Some(keys) = arrived.keys.as_ref().filter(|keys| keys.num_rows() <= MOST_LISTED)
            && let Some(values) = binding.slot.project(keys, &[of_slot], std::slice::from_ref(data_type))?
            && let Some(list) = literals(values.column(0))
        {
            let share = (list.len() as f64 / key.distinct.max(1.0)).min(1.0);
            return Ok(Some(Self { wanted: Wanted::OneOf(list), share }));
        }
        let Some(bounds) = arrived.bounds(of_slot, data_type)? else { return Ok(None) };
        let (low, high) = (end(&bounds, 0), end(&bounds, 1));
        let share = between(&key.statistics, low.as_ref(), high.as_ref());
        let is_bounded = low.is_some() || high.is_some();
        Ok(share.filter(|_| is_bounded).map(|share| Self { wanted: Wanted::Within { low, high }, share }))
    }

    /// Whether it names every value that is wanted.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.wanted, Wanted::OneOf(_))
    }

    /// Whether it keeps so few rows that a planner without an index on the column should know.
    pub(super) fn is_rare(&self) -> bool {
        self.share < RARE
    }

    /// Whether testing it costs its source less than the rows it keeps back would; `transfer`: microseconds of a row.
    pub(super) fn pays(&self, transfer: f64, costs: &Costs) -> bool {
        costs.condition * 2.0 < (1.0 - self.share) * transfer
    }

    /// The condition on the column at a position.
    pub(super) fn over(&self, column: usize) -> Expr {
        let operand = || Box::new(Expr::Column(column));
        let compared =
            |op, value: &Literal| Expr::Compare { op, left: operand(), right: Box::new(Expr::Literal(value.clone())) };
        match &self.wanted {
            Wanted::OneOf(list) => Expr::InList { expr: operand(), list: list.clone(), negated: false },
            Wanted::Within { low, high } => {
                let low = low.iter().map(|value| compared(CompareOp::GtEq, value));
                let high = high.iter().map(|value| compared(CompareOp::LtEq, value));
                Expr::and(low.chain(high).collect())
            }
        }
    }
}

fn literals(values: &ArrayRef) -> Option<Vec<Literal>> {
    (0..values.len()).map(|row| end(values, row)).collect()
}

/// The value at a row; none where it is NULL or has no literal.
fn end(values: &ArrayRef, row: usize) -> Option<Literal> {
    let value = ScalarValue::try_from_array(values, row).ok().filter(|value| !value.is_null())?;
    literal(&value).ok()
}
