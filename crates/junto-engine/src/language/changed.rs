//! DataFusion's accumulators with something done to what goes in or comes out.

use std::fmt::Debug;

use arrow::array::{ArrayRef, BooleanArray};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

/// What is done; by default nothing.
pub(super) trait Change: Debug + Send + Sync + 'static {
    /// What is accumulated in place of `values`.
    fn values(&self, values: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        Ok(values.to_vec())
    }

    /// Asked after values or states were added.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// A result per group.
    fn results(&self, results: ArrayRef) -> Result<ArrayRef> {
        Ok(results)
    }

    /// The only result.
    fn result(&self, result: ScalarValue) -> Result<ScalarValue> {
        Ok(result)
    }
}

/// An accumulator and what is done around it.
#[derive(Debug)]
pub(super) struct Changed<A, C> {
    pub(super) inner: A,
    pub(super) change: C,
}

impl<C: Change> Accumulator for Changed<Box<dyn Accumulator>, C> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(&self.change.values(values)?)?;
        self.change.check()
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(&self.change.values(values)?)?;
        self.change.check()
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)?;
        self.change.check()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.change.result(self.inner.evaluate()?)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

impl<C: Change> GroupsAccumulator for Changed<Box<dyn GroupsAccumulator>, C> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        groups: usize,
    ) -> Result<()> {
        self.inner.update_batch(&self.change.values(values)?, group_indices, filter, groups)?;
        self.change.check()
    }

    fn merge_batch(&mut self, states: &[ArrayRef], group_indices: &[usize], groups: usize) -> Result<()> {
        self.inner.merge_batch(states, group_indices, groups)?;
        self.change.check()
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(&self.change.values(values)?, filter)
    }

    fn state(&mut self, emitted: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emitted)
    }

    fn evaluate(&mut self, emitted: EmitTo) -> Result<ArrayRef> {
        self.change.results(self.inner.evaluate(emitted)?)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}
