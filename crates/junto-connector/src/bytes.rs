//! How much data a batch is.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

/// Bytes of the values of a batch, whatever room its buffers have. Values of a fixed size count also where they are NULL.
pub fn bytes_of(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column_bytes(column.as_ref())).sum()
}

fn column_bytes(column: &dyn Array) -> usize {
    match column.data_type() {
        DataType::Utf8View => column.as_string_view().iter().flatten().map(str::len).sum(),
        DataType::BinaryView => column.as_binary_view().iter().flatten().map(<[u8]>::len).sum(),
        other => match other.primitive_width() {
            Some(width) => width * column.len(),
            None => column.to_data().get_slice_memory_size().unwrap_or_default(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int32Array, StringViewArray};

    use super::*;

    #[test]
    fn only_the_rows_of_a_batch_count() {
        let numbers = Arc::new(Int32Array::from_iter_values(0..1000));
        let names =
            Arc::new(StringViewArray::from_iter((0..1000).map(|n| (n % 2 == 0).then_some("twelve bytes and more"))));
        let batch = RecordBatch::try_from_iter([("n", numbers as Arc<dyn Array>), ("name", names)]).expect("a batch");
        assert_eq!(bytes_of(&batch.slice(10, 4)), 4 * 4 + 2 * 21);
        assert_eq!(bytes_of(&batch.slice(0, 0)), 0);
    }
}
