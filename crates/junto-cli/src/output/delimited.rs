//! CSV and TSV.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::cells::Spelling;
use super::{BUFFER_BYTES, RowWriter, columns};

/// Values with a delimiter between them, rows with a line break.
pub(super) struct Delimited<'a> {
    sink: &'a mut (dyn Write + Send),
    delimiter: u8,
    line_end: &'static [u8],
    null: &'static [u8],
    /// Makes the text that was appended from this position on fit into the format.
    protect: fn(&mut Vec<u8>, usize),
    buffer: Vec<u8>,
}

impl<'a> Delimited<'a> {
    pub(super) fn csv(sink: &'a mut (dyn Write + Send), schema: &SchemaRef) -> Self {
        let empty = Self { sink, delimiter: b',', line_end: b"\n", null: b"", protect: quote, buffer: Vec::new() };
        empty.with_header(schema)
    }

    pub(super) fn tsv(sink: &'a mut (dyn Write + Send), schema: &SchemaRef) -> Self {
        let empty = Self { sink, delimiter: b'\t', line_end: b"\n", null: b"\\N", protect: escape, buffer: Vec::new() };
        empty.with_header(schema)
    }

    fn with_header(mut self, schema: &SchemaRef) -> Self {
        for (at, field) in schema.fields().iter().enumerate() {
            if at > 0 {
                self.buffer.push(self.delimiter);
            }
            let start = self.buffer.len();
            self.buffer.extend_from_slice(field.name().as_bytes());
            (self.protect)(&mut self.buffer, start);
        }
        self.buffer.extend_from_slice(self.line_end);
        self
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl RowWriter for Delimited<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let cells = columns(batch, Spelling::Text);
        for row in 0..batch.num_rows() {
            for (at, cell) in cells.iter().enumerate() {
                if at > 0 {
                    self.buffer.push(self.delimiter);
                }
                if cell.is_null(row) {
                    self.buffer.extend_from_slice(self.null);
                    continue;
                }
                let start = self.buffer.len();
                cell.write(row, &mut self.buffer);
                if !cell.plain {
                    (self.protect)(&mut self.buffer, start);
                }
            }
            self.buffer.extend_from_slice(self.line_end);
            if self.buffer.len() >= BUFFER_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        self.sink.flush()
    }
}

/// RFC 4180, 2.6 and 2.7. An empty text is quoted too, so that it differs from NULL.
fn quote(buffer: &mut Vec<u8>, start: usize) {
    let text = &buffer[start..];
    if !text.is_empty() && !text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        return;
    }
    let text = buffer.split_off(start);
    buffer.push(b'"');
    for byte in text {
        if byte == b'"' {
            buffer.push(b'"');
        }
        buffer.push(byte);
    }
    buffer.push(b'"');
}

/// The text format of PostgreSQL's COPY.
fn escape(buffer: &mut Vec<u8>, start: usize) {
    if !buffer[start..].iter().any(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b'\\')) {
        return;
    }
    for byte in buffer.split_off(start) {
        match byte {
            b'\t' => buffer.extend_from_slice(b"\\t"),
            b'\n' => buffer.extend_from_slice(b"\\n"),
            b'\r' => buffer.extend_from_slice(b"\\r"),
            b'\\' => buffer.extend_from_slice(b"\\\\"),
            other => buffer.push(other),
        }
    }
}
