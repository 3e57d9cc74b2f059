//! Arrow IPC streams and Parquet files.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{RowWriter, names};

/// An Arrow IPC stream.
pub(super) struct ArrowStream<'a> {
    writer: StreamWriter<&'a mut (dyn Write + Send)>,
    schema: SchemaRef,
}

impl<'a> ArrowStream<'a> {
    pub(super) fn new(sink: &'a mut (dyn Write + Send), schema: &SchemaRef) -> io::Result<Self> {
        let writer = StreamWriter::try_new(sink, schema).map_err(io::Error::other)?;
        Ok(Self { writer, schema: Arc::clone(schema) })
    }
}

impl RowWriter for ArrowStream<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let batch = renamed(batch, &self.schema)?;
        self.writer.write(&batch).map_err(io::Error::other)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.finish().map_err(io::Error::other)
    }
}

/// A Parquet file, zstd-compressed, written one row group at a time.
pub(super) struct Parquet<'a> {
    /// `None` once it is finished.
    writer: Option<ArrowWriter<&'a mut (dyn Write + Send)>>,
    schema: SchemaRef,
}

impl<'a> Parquet<'a> {
    /// Rows of a row group; what a writer holds in memory is at most these, encoded.
    const ROWS_PER_GROUP: usize = 128 << 10;

    pub(super) fn new(sink: &'a mut (dyn Write + Send), schema: &SchemaRef) -> io::Result<Self> {
        let rename = |(field, name): (&Arc<Field>, String)| field.as_ref().clone().with_name(name);
        let fields: Vec<Field> = schema.fields().iter().zip(names::distinct(schema)).map(rename).collect();
        let schema = Arc::new(Schema::new(fields));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(Self::ROWS_PER_GROUP))
            .build();
        let writer = ArrowWriter::try_new(sink, Arc::clone(&schema), Some(properties)).map_err(io::Error::other)?;
        Ok(Self { writer: Some(writer), schema })
    }
}

impl RowWriter for Parquet<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let batch = renamed(batch, &self.schema)?;
        match &mut self.writer {
            Some(writer) => writer.write(&batch).map_err(io::Error::other),
            None => Err(io::Error::other("the file is finished")),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self.writer.take() {
            Some(writer) => writer.close().map(drop).map_err(io::Error::other),
            None => Ok(()),
        }
    }
}

fn renamed(batch: &RecordBatch, schema: &SchemaRef) -> io::Result<RecordBatch> {
    RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec()).map_err(io::Error::other)
}
