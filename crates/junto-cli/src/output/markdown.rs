//! A Markdown table (GitHub's form).

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::cells::{Spelling, is_number};
use super::table::visible;
use super::{RowWriter, columns};

/// One line per row; bars are escaped and line breaks become `<br>`.
pub(super) struct Markdown<'a> {
    sink: &'a mut (dyn Write + Send),
    buffer: String,
}

impl<'a> Markdown<'a> {
    pub(super) fn new(sink: &'a mut (dyn Write + Send), schema: &SchemaRef) -> Self {
        let mut buffer = String::from("|");
        for field in schema.fields() {
            buffer.push(' ');
            push_escaped(&mut buffer, field.name().as_bytes());
            buffer.push_str(" |");
        }
        buffer.push_str("\n|");
        for field in schema.fields() {
            buffer.push_str(if is_number(field.data_type()) { " ---: |" } else { " --- |" });
        }
        buffer.push('\n');
        Self { sink, buffer }
    }
}

impl RowWriter for Markdown<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let cells = columns(batch, Spelling::Text);
        let mut value = Vec::new();
        for row in 0..batch.num_rows() {
            self.buffer.push('|');
            for cell in &cells {
                self.buffer.push(' ');
                if !cell.is_null(row) {
                    value.clear();
                    cell.write(row, &mut value);
                    push_escaped(&mut self.buffer, &value);
                    self.buffer.push(' ');
                }
                self.buffer.push('|');
            }
            self.buffer.push('\n');
        }
        self.sink.write_all(self.buffer.as_bytes())?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.sink.write_all(self.buffer.as_bytes())?;
        self.buffer.clear();
        self.sink.flush()
    }
}

fn push_escaped(out: &mut String, value: &[u8]) {
    let text = String::from_utf8_lossy(value).replace('|', "\\|").replace("\r\n", "<br>").replace('\n', "<br>");
    out.push_str(&visible(&text));
}
