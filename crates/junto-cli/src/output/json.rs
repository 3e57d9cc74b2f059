//! JSON: objects in an array or one per line, and arrays of values one per line.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::cells::{Spelling, write_json, write_json_string};
use super::{BUFFER_BYTES, RowWriter, columns, names};

/// One object per row.
pub(super) struct Objects<'a> {
    sink: &'a mut (dyn Write + Send),
    /// `"name":` of each column.
    keys: Vec<Vec<u8>>,
    /// Rows are members of one array.
    array: bool,
    rows: u64,
    buffer: Vec<u8>,
}

impl<'a> Objects<'a> {
    pub(super) fn lines(sink: &'a mut (dyn Write + Send), schema: &SchemaRef) -> Self {
        let key = |name: &String| {
            let mut key = Vec::new();
            write_json_string(name, &mut key);
            key.push(b':');
            key
        };
        let keys = names::distinct(schema).iter().map(key).collect();
        Self { sink, keys, array: false, rows: 0, buffer: Vec::new() }
    }

    pub(super) fn array(sink: &'a mut (dyn Write + Send), schema: &SchemaRef) -> Self {
        Self { array: true, buffer: b"[".to_vec(), ..Self::lines(sink, schema) }
    }
}

impl RowWriter for Objects<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let cells = columns(batch, Spelling::Json);
        for row in 0..batch.num_rows() {
            if self.array {
                self.buffer.extend_from_slice(if self.rows == 0 { b"\n" } else { b",\n" });
            }
            self.rows += 1;
            self.buffer.push(b'{');
            for (at, (key, cell)) in self.keys.iter().zip(&cells).enumerate() {
                if at > 0 {
                    self.buffer.push(b',');
                }
                self.buffer.extend_from_slice(key);
                write_json(cell, row, &mut self.buffer);
            }
            self.buffer.push(b'}');
            if !self.array {
                self.buffer.push(b'\n');
            }
            flush_when_full(self.sink, &mut self.buffer)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.array {
            self.buffer.extend_from_slice(if self.rows == 0 { b"]\n" } else { b"\n]\n" });
        }
        self.sink.write_all(&self.buffer)?;
        self.buffer.clear();
        self.sink.flush()
    }
}

/// One array of values per row.
pub(super) struct Arrays<'a> {
    sink: &'a mut (dyn Write + Send),
    buffer: Vec<u8>,
}

impl<'a> Arrays<'a> {
    pub(super) fn new(sink: &'a mut (dyn Write + Send)) -> Self {
        Self { sink, buffer: Vec::new() }
    }
}

impl RowWriter for Arrays<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let cells = columns(batch, Spelling::Json);
        for row in 0..batch.num_rows() {
            self.buffer.push(b'[');
            for (at, cell) in cells.iter().enumerate() {
                if at > 0 {
                    self.buffer.push(b',');
                }
                write_json(cell, row, &mut self.buffer);
            }
            self.buffer.extend_from_slice(b"]\n");
            flush_when_full(self.sink, &mut self.buffer)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.sink.write_all(&self.buffer)?;
        self.buffer.clear();
        self.sink.flush()
    }
}

fn flush_when_full(sink: &mut (dyn Write + Send), buffer: &mut Vec<u8>) -> io::Result<()> {
    if buffer.len() >= BUFFER_BYTES {
        sink.write_all(buffer)?;
        buffer.clear();
    }
    Ok(())
}
