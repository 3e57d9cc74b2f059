//! Small tables about connections, tables and columns, printed with the writers of results.

use std::io;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use crate::failure::{Failure, Result};
use crate::output::{self, Format, Look};
use crate::terminal;

/// Prints rows of texts under headings on standard output. Columns without any value are left out.
pub(crate) fn print<const N: usize>(headings: [&str; N], rows: &[[Option<String>; N]]) -> Result<()> {
    let not_written = |error: io::Error| Failure::output(&error, "the list");
    let filled = |column: &usize| rows.iter().any(|row| row[*column].is_some());
    let shown: Vec<usize> = (0..N).filter(filled).collect();
    let fields: Vec<Field> = shown.iter().map(|at| Field::new(headings[*at], DataType::Utf8, true)).collect();
    let column = |at: &usize| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(row[*at].as_deref().unwrap_or_default())).collect::<StringArray>())
    };
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), shown.iter().map(column).collect())
        .map_err(|error| not_written(io::Error::other(error)))?;
    let mut output = io::stdout();
    let look = Look { colour: terminal::colour_on_stdout() };
    let mut writer = output::writer(Format::Table, &mut output, &schema, look).map_err(not_written)?;
    writer.batch(&batch).and_then(|()| writer.finish()).map_err(not_written)
}
