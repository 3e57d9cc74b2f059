//! Rows to bytes: the formats of `--format`. Every writer streams; only the table keeps its first rows, for widths.

mod binary;
mod cells;
mod delimited;
mod json;
mod markdown;
mod moments;
mod names;
mod sink;
mod table;

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use cells::{Cells, Spelling};
pub(crate) use moments::write_date;
pub(crate) use sink::Sink;
pub(crate) use table::visible;

/// What `--format` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns, for people
    Table,
    /// Comma-separated (RFC 4180); NULL is empty, an empty text is ""
    Csv,
    /// Tab-separated; tabs, line breaks and backslashes as \t, \n, \r, \\; NULL as \N
    Tsv,
    /// One array of objects
    Json,
    /// One object per line
    Jsonl,
    /// One array of values per line
    JsonlArray,
    /// A Markdown table
    Markdown,
    /// An Arrow IPC stream
    Arrow,
    /// A Parquet file
    Parquet,
}

impl Format {
    /// Whether a second result may follow in the same output.
    pub(crate) fn holds_several_results(self) -> bool {
        !matches!(self, Format::Arrow | Format::Parquet)
    }

    /// Whether an empty line stands between two results.
    pub(crate) fn separates_results(self) -> bool {
        !matches!(self, Format::Jsonl | Format::JsonlArray)
    }

    /// Whether the output is for programs only.
    pub(crate) fn is_binary(self) -> bool {
        !self.holds_several_results()
    }
}

/// How a table may look.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Look {
    pub(crate) colour: bool,
}

/// Writes one result.
pub(crate) trait RowWriter {
    /// Writes the rows of one batch, in the schema the writer was made for.
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()>;

    /// Writes what comes after the last row. Without it the output is not complete.
    fn finish(&mut self) -> io::Result<()>;
}

/// A writer for a result with these columns. The header goes out with the first batch or at the end.
pub(crate) fn writer<'a>(
    format: Format,
    sink: &'a mut (dyn Write + Send),
    schema: &SchemaRef,
    look: Look,
) -> io::Result<Box<dyn RowWriter + 'a>> {
    Ok(match format {
        Format::Table => Box::new(table::Table::new(sink, Arc::clone(schema), look)),
        Format::Csv => Box::new(delimited::Delimited::csv(sink, schema)),
        Format::Tsv => Box::new(delimited::Delimited::tsv(sink, schema)),
        Format::Json => Box::new(json::Objects::array(sink, schema)),
        Format::Jsonl => Box::new(json::Objects::lines(sink, schema)),
        Format::JsonlArray => Box::new(json::Arrays::new(sink)),
        Format::Markdown => Box::new(markdown::Markdown::new(sink, schema)),
        Format::Arrow => Box::new(binary::ArrowStream::new(sink, schema)?),
        Format::Parquet => Box::new(binary::Parquet::new(sink, schema)?),
    })
}

/// The columns of a batch, ready to be written.
fn columns(batch: &RecordBatch, spelling: Spelling) -> Vec<Cells<'_>> {
    let fields = batch.schema_ref().fields();
    batch.columns().iter().zip(fields).map(|(array, field)| Cells::new(array, field, spelling)).collect()
}

/// Bytes a text writer collects before it hands them on.
const BUFFER_BYTES: usize = 256 << 10;

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
