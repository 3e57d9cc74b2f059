//! Rows of both protocols into Arrow columns, in place from the read buffer and without an allocation per cell.
//!
//! [`cell`] reads a cell in either form, [`column`] appends it to the column's builder, [`run`] does both for many rows
//! of the binary form, [`RowDecoder`] drives them.

mod cell;
mod column;
mod number;
mod run;
mod text;

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use junto_connector::{Error, Result};

use cell::{CellKind, read_text};
use column::ColumnBuilder;
use run::{Run, RunPlaces};

use crate::settings::ZeroDates;
use crate::wire::{Cursor, PacketRun, Span, WireColumn, malformed};

/// How rows are written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowFormat {
    /// Answers to a text command.
    Text,
    /// Answers to a prepared statement.
    Binary,
}

/// Puts rows into batches of one schema.
#[derive(Debug)]
pub(crate) struct RowDecoder {
    schema: SchemaRef,
    format: RowFormat,
    columns: Vec<DecodedColumn>,
    /// Columns of the result beyond those of the schema: the constant of a read without columns.
    ignored: usize,
    places: RunPlaces,
    rows: usize,
    bytes: usize,
    rows_before: u64,
}

#[derive(Debug)]
struct DecodedColumn {
    kind: CellKind,
    builder: ColumnBuilder,
}

impl RowDecoder {
    /// A decoder of rows with the columns `wire` into batches of `schema`, of up to `capacity` rows.
    ///
    /// # Errors
    /// When the number of columns differs, or an Arrow type is none that this source delivers.
    pub(crate) fn new(
        schema: SchemaRef,
        wire: &[WireColumn],
        format: RowFormat,
        zero_dates: ZeroDates,
        capacity: usize,
    ) -> Result<Self> {
        let wanted = schema.fields().len();
        if wire.len() != wanted && !(wanted == 0 && wire.len() == 1) {
            return Err(malformed(&format!("{} columns instead of {wanted}", wire.len())));
        }
        let columns = schema
            .fields()
            .iter()
            .zip(wire)
            .map(|(field, wire)| {
                let builder = ColumnBuilder::new(field.data_type(), capacity, zero_dates)?;
                Ok(DecodedColumn { kind: CellKind::new(wire, format), builder })
            })
            .collect::<Result<Vec<_>>>()?;
        let ignored = wire.len() - wanted;
        let places = RunPlaces::default();
        Ok(Self { schema, format, columns, ignored, places, rows: 0, bytes: 0, rows_before: 0 })
    }

    /// How the rows are written.
    pub(crate) fn format(&self) -> RowFormat {
        self.format
    }

    /// Rows that wait for [`Self::finish`].
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes those rows took on the wire.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends one row.
    ///
    /// # Errors
    /// [`Error::Decode`] with column and row (from 1) for a value that its type cannot hold.
    #[inline]
    pub(crate) fn append(&mut self, packet: &[u8]) -> Result<()> {
        match self.format {
            RowFormat::Binary => {
                let whole =
                    Span { start: 0, end: u32::try_from(packet.len()).map_err(|_| malformed("a row of 4 GB"))? };
                return self.append_run(PacketRun { bytes: packet, packets: &[whole] });
            }
            RowFormat::Text => self.append_text(packet)?,
        }
        self.rows += 1;
        self.bytes += packet.len();
        Ok(())
    }

    /// Appends rows of the binary form, column by column: what a column needs is decided once for all of them.
    ///
    /// # Errors
    /// As [`Self::append`]. The rows before the wrong one are lost with it: after an error nothing more is read.
    pub(crate) fn append_run(&mut self, packets: PacketRun<'_>) -> Result<()> {
        let mut run = Run::new(packets, self.columns.len() + self.ignored, &mut self.places)?;
        for (index, column) in self.columns.iter_mut().enumerate() {
            if let Err(failure) = run::append(column.kind, &mut column.builder, index, &mut run) {
                let first = self.rows_before + self.rows as u64 + 1;
                return Err(failure.into_error(&self.schema, index, first));
            }
        }
        if !run.ends(self.ignored > 0) {
            return Err(malformed("a row is longer or shorter than its columns"));
        }
        self.rows += packets.packets.len();
        self.bytes += packets.packets.iter().map(|packet| (packet.end - packet.start) as usize).sum::<usize>();
        Ok(())
    }

    fn append_text(&mut self, packet: &[u8]) -> Result<()> {
        let mut cursor = Cursor::new(packet);
        for (index, column) in self.columns.iter_mut().enumerate() {
            let Some(cell) = read_text(column.kind, &mut cursor)? else {
                column.builder.append_null();
                continue;
            };
            if let Err(problem) = column.builder.append(cell) {
                return Err(problem.at(&self.schema, index, self.rows_before + self.rows as u64 + 1));
            }
        }
        if self.ignored == 0 && !cursor.is_empty() {
            return Err(malformed("a row is longer than its columns"));
        }
        Ok(())
    }

    /// The rows so far as a batch; the decoder begins anew.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        let arrays = self.columns.iter_mut().map(|column| column.builder.finish()).collect::<Vec<_>>();
        for (field, array) in self.schema.fields().iter().zip(&arrays) {
            if !field.is_nullable() && array.null_count() > 0 {
                let reason = "is NULL where the source promised a value".into();
                return Err(Error::Decode { column: field.name().clone(), row: None, reason, hint: None });
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|cause| Error::internal(format!("a batch that does not fit its schema: {cause}")))?;
        self.rows_before += self.rows as u64;
        self.rows = 0;
        self.bytes = 0;
        Ok(batch)
    }
}

#[cfg(test)]
mod tests;
