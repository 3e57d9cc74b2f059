//! Array columns: one-dimensional arrays as lists.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray, NullBufferBuilder};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::FieldRef;

use super::{Cells, Misfit};

/// Number of dimensions, flags, element type.
const HEADER: usize = 12;
/// Length and lower bound of a dimension.
const DIMENSION: usize = 8;

/// Lists of values of one decoder. Lower bounds other than 1 are not kept.
pub(super) struct ListCells {
    field: FieldRef,
    values: Box<dyn Cells>,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl ListCells {
    pub(super) fn new(field: &FieldRef, values: Box<dyn Cells>) -> Self {
        Self { field: Arc::clone(field), values, offsets: vec![0], nulls: NullBufferBuilder::new(0) }
    }

    fn end_of_list(&mut self, elements: i32) -> Result<(), Misfit> {
        let last = self.offsets.last().copied().unwrap_or_default();
        self.offsets.push(last.checked_add(elements).ok_or(Misfit::NoSuchValue("more array elements than a batch"))?);
        Ok(())
    }
}

impl Cells for ListCells {
    fn value(&mut self, bytes: &[u8]) -> Result<(), Misfit> {
        const MALFORMED: Misfit = Misfit::Malformed("an array of another form");
        let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or(MALFORMED)?;
        let [a, b, c, d, ..] = *header;
        let elements = match i32::from_be_bytes([a, b, c, d]) {
            0 => {
                self.nulls.append_non_null();
                return self.end_of_list(0);
            }
            1 => rest.split_first_chunk::<DIMENSION>().ok_or(MALFORMED)?,
            _ => return Err(Misfit::NoSuchValue("an array of several dimensions")),
        };
        let ([a, b, c, d, ..], mut rest) = elements;
        let count = i32::from_be_bytes([*a, *b, *c, *d]);
        // Each element takes four bytes at least, so a count the bytes cannot hold ends here.
        for _ in 0..count {
            let (length, after) = rest.split_first_chunk::<4>().ok_or(MALFORMED)?;
            if let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) {
                let (value, after) = after.split_at_checked(length).ok_or(MALFORMED)?;
                self.values.value(value)?;
                rest = after;
            } else {
                self.values.null();
                rest = after;
            }
        }
        self.nulls.append_non_null();
        self.end_of_list(count.max(0))
    }

    fn null(&mut self) {
        self.nulls.append_null();
        let last = self.offsets.last().copied().unwrap_or_default();
        self.offsets.push(last);
    }

    fn finish(&mut self) -> ArrayRef {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.offsets, vec![0])));
        Arc::new(ListArray::new(Arc::clone(&self.field), offsets, self.values.finish(), self.nulls.finish()))
    }
}
