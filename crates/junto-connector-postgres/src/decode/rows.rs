//! Rows into batches.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use junto_connector::{Error, Result};

use super::{Cells, Encoding, Misfit, cells};

/// A batch ends at this many bytes of values, however few its rows are.
const BATCH_BYTES: usize = 16 << 20;

/// Decodes rows of one schema.
pub(crate) struct Rows {
    schema: SchemaRef,
    columns: Vec<Box<dyn Cells>>,
    batch_rows: usize,
    /// In the batch under way.
    rows: usize,
    bytes: usize,
    /// In batches before it.
    rows_before: u64,
}

impl Rows {
    /// `encodings` belong to the columns in order; plain where there is none.
    pub(crate) fn new(schema: SchemaRef, encodings: &[Encoding], batch_rows: usize) -> Result<Self> {
        let batch_rows = batch_rows.max(1);
        let encoding = |at: usize| encodings.get(at).copied().unwrap_or(Encoding::Plain);
        let columns = schema.fields().iter().enumerate();
        let columns = columns.map(|(at, field)| cells(field.data_type(), encoding(at), batch_rows));
        let columns = columns.collect::<Result<_>>()?;
        Ok(Self { schema, columns, batch_rows, rows: 0, bytes: 0, rows_before: 0 })
    }

    /// Whether the batch under way should be finished before the next row.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= self.batch_rows || self.bytes >= BATCH_BYTES
    }

    /// Whether no row waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Rows and bytes of the batch under way.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.rows as u64, self.bytes as u64)
    }

    /// Appends a row: a field count, then per field a length (-1 for NULL) and its bytes. Returns what follows it, or
    /// none when the bytes end inside the row.
    ///
    /// # Errors
    /// A value that cannot be read. The decoder is of no use afterwards.
    pub(crate) fn row<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>> {
        let Some(after) = whole_row(bytes)? else { return Ok(None) };
        let (count, mut rest) = bytes.split_at(2);
        // A plan without columns selects one value that means nothing.
        if usize::from(u16::from_be_bytes([count[0], count[1]])) != self.columns.len() && !self.columns.is_empty() {
            return Err(Error::internal("the server sent a row with another number of columns"));
        }
        for (at, column) in self.columns.iter_mut().enumerate() {
            let Some((length, after)) = rest.split_first_chunk::<4>() else { return Err(truncated()) };
            rest = after;
            let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
                column.null();
                continue;
            };
            let Some((value, after)) = rest.split_at_checked(length) else { return Err(truncated()) };
            rest = after;
            if let Err(misfit) = column.value(value) {
                return Err(decode_error(misfit, &self.schema, at, self.rows_before + self.rows as u64 + 1));
            }
        }
        self.rows += 1;
        self.bytes += bytes.len() - after.len();
        Ok(Some(after))
    }

    /// The batch; the next begins.
    ///
    /// # Errors
    /// A NULL where the source promised none.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = self.columns.iter_mut().map(|column| column.finish()).collect();
        for (field, column) in self.schema.fields().iter().zip(&columns) {
            if !field.is_nullable() && column.null_count() > 0 {
                return Err(Error::Decode {
                    column: field.name().clone(),
                    row: None,
                    reason: "holds NULL although the source declared it NOT NULL".into(),
                    hint: None,
                });
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows_before += self.rows as u64;
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|cause| Error::internal(cause.to_string()))
    }
}

/// Shows each field of one row, and returns what follows it.
pub(crate) fn fields<'a>(bytes: &'a [u8], mut show: impl FnMut(usize, Option<&'a [u8]>)) -> Result<&'a [u8]> {
    let (count, mut rest) = bytes.split_first_chunk::<2>().ok_or_else(truncated)?;
    for at in 0..u16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(truncated)?;
        rest = after;
        let value = match usize::try_from(i32::from_be_bytes(*length)) {
            Ok(length) => {
                let (value, after) = rest.split_at_checked(length).ok_or_else(truncated)?;
                rest = after;
                Some(value)
            }
            Err(_) => None,
        };
        show(at.into(), value);
    }
    Ok(rest)
}

fn truncated() -> Error {
    Error::internal("the server sent a row that ends too early")
}

/// What follows a row; none when the bytes end inside it.
///
/// # Errors
/// Lengths no server sends.
fn whole_row(bytes: &[u8]) -> Result<Option<&[u8]>> {
    let Some((count, mut rest)) = bytes.split_first_chunk::<2>() else { return Ok(None) };
    for _ in 0..u16::from_be_bytes(*count) {
        let Some((length, after)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = match i32::from_be_bytes(*length) {
            -1 => 0,
            length => usize::try_from(length).map_err(|_| Error::internal("the server sent a negative length"))?,
        };
        match after.split_at_checked(length) {
            Some((_, after)) => rest = after,
            None => return Ok(None),
        }
    }
    Ok(Some(rest))
}

fn decode_error(misfit: Misfit, schema: &SchemaRef, at: usize, row: u64) -> Error {
    let field = schema.field(at);
    let column = field.name().clone();
    let option = "read the column as text: `type.schema.table.column = text` among the connection's options";
    let (reason, hint) = match misfit {
        Misfit::TooWide(wanted @ Some(_)) => {
            return Error::TooWide { column, planned: field.data_type().to_string(), wanted };
        }
        Misfit::TooWide(None) => ("holds a number of more than 76 digits".into(), Some(option.into())),
        Misfit::NoSuchValue(value) => (format!("{} has no place for {value}", field.data_type()), Some(option.into())),
        Misfit::NotUtf8 => ("holds text that is not UTF-8".into(), Some("store it as bytea".into())),
        Misfit::Malformed(what) => (format!("the server sent {what}"), None),
    };
    Error::Decode { column, row: Some(row), reason, hint }
}
