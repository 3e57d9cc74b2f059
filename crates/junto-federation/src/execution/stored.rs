//! Rows that come back from the disk.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow::compute::concat;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

/// The rows in memory of their own. What is read from a file shares the memory of its batch, which operators would count once
/// per column and more.
///
/// # Errors
/// Arrow's, for columns that cannot be copied.
pub fn apart(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let copied = |column: &ArrayRef| -> Result<ArrayRef, ArrowError> {
        Ok(match column.data_type() {
            DataType::Utf8View => Arc::new(column.as_string_view().gc()),
            DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
            of => concat(&[column, &new_empty_array(of)])?,
        })
    };
    let columns = batch.columns().iter().map(copied).collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options)
}
