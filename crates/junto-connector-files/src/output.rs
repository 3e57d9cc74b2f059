//! The stream of a read: planned types, deadline, counters, and the check that no file changed meanwhile.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringViewBuilder};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, make_encoder};
use arrow::util::display::FormatOptions;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt;
use junto_connector::{BatchStream, Error, Result, StatementContext, bytes_of};

use crate::failure;
use crate::table::OpenTable;

/// A plan that runs.
pub(crate) struct Running {
    pub(crate) stream: SendableRecordBatchStream,
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    /// Schema of the batches that leave.
    pub(crate) schema: SchemaRef,
    pub(crate) tables: Vec<Arc<OpenTable>>,
    pub(crate) context: StatementContext,
    begun: Instant,
    bytes_counted: usize,
    ended: bool,
}

impl Running {
    pub(crate) fn new(
        stream: SendableRecordBatchStream,
        plan: Arc<dyn ExecutionPlan>,
        schema: SchemaRef,
        tables: Vec<Arc<OpenTable>>,
        context: StatementContext,
    ) -> Self {
        Self { stream, plan, schema, tables, context, begun: Instant::now(), bytes_counted: 0, ended: false }
    }

    /// The batches. Dropping the stream stops the work.
    pub(crate) fn into_stream(self) -> BatchStream {
        Box::pin(futures::stream::unfold(self, async |mut running| {
            let item = running.next().await?;
            Some((item, running))
        }))
    }

    async fn next(&mut self) -> Option<Result<RecordBatch>> {
        if self.ended {
            return None;
        }
        let item = match self.next_batch().await {
            Ok(Some(batch)) => Ok(batch),
            Ok(None) => {
                self.ended = true;
                return self.unchanged().err().map(Err);
            }
            Err(error) => {
                self.ended = true;
                Err(error)
            }
        };
        Some(item)
    }

    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let next = match self.context.deadline {
            None => self.stream.next().await,
            Some(deadline) => {
                let begun = self.begun;
                let late = move || Error::TimedOut {
                    milliseconds: deadline.saturating_duration_since(begun).as_millis() as u64,
                };
                if deadline <= Instant::now() {
                    return Err(late());
                }
                tokio::time::timeout_at(deadline.into(), self.stream.next()).await.map_err(|_| late())?
            }
        };
        let Some(batch) = next else { return Ok(None) };
        let batch = batch.map_err(|cause| self.located(&cause))?;
        let batch = planned(&batch, &self.schema)?;
        self.count(&batch);
        Ok(Some(batch))
    }

    /// Bytes are those read from files where the reader says so (Parquet), else those of the batches.
    fn count(&mut self, batch: &RecordBatch) {
        let scanned = bytes_scanned(self.plan.as_ref());
        let bytes = if scanned > 0 { scanned - self.bytes_counted.min(scanned) } else { bytes_of(batch) };
        self.bytes_counted = scanned;
        self.context.metrics.add_rows(batch.num_rows() as u64, bytes as u64);
    }

    fn located(&self, cause: &datafusion::error::DataFusionError) -> Error {
        let names = self.tables.iter().map(|table| table.shown()).collect::<Vec<_>>().join(" or ");
        let error = failure::reading(&names, cause);
        match (error, self.tables.as_slice()) {
            (Error::Decode { column, row, reason, hint }, [table]) => {
                Error::Decode { column: column_named(table, column), row, reason, hint }
            }
            (error, _) => error,
        }
    }

    /// A file that changed while it was read may have given rows of two states.
    fn unchanged(&self) -> Result<()> {
        for table in &self.tables {
            let changed = |file: &crate::folder::DataFile| {
                !std::fs::metadata(&file.path)
                    .is_ok_and(|now| now.len() == file.size_bytes && now.modified().ok() == file.modified)
            };
            if let Some(file) = table.found.files.iter().find(|file| changed(file)) {
                let reason = format!("{} was changed while it was read", file.path.display());
                return Err(Error::StaleCatalog { table: table.found.name.to_string(), reason });
            }
        }
        Ok(())
    }
}

/// `#3` becomes the name of the third column.
fn column_named(table: &OpenTable, column: String) -> String {
    let number = column.strip_prefix('#').and_then(|number| number.parse::<usize>().ok());
    let named = number.and_then(|number| table.info.columns.get(number.checked_sub(1)?));
    named.map_or(column, |named| named.name.clone())
}

fn bytes_scanned(plan: &dyn ExecutionPlan) -> usize {
    let own = plan.metrics().and_then(|metrics| metrics.sum_by_name("bytes_scanned")).map_or(0, |sum| sum.as_usize());
    own + plan.children().into_iter().map(|child| bytes_scanned(child.as_ref())).sum::<usize>()
}

/// The batch with the planned names and types.
fn planned(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(array, field)| planned_array(array, field));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|cause| Error::internal(cause.to_string()))
}

fn planned_array(array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if array.data_type() == field.data_type() {
        return Ok(Arc::clone(array));
    }
    let undecodable = |cause: ArrowError| Error::Decode {
        column: field.name().clone(),
        row: None,
        reason: cause.to_string(),
        hint: None,
    };
    if array.data_type().is_nested() && *field.data_type() == DataType::Utf8View {
        return json_texts(array).map_err(undecodable);
    }
    let options = CastOptions { safe: false, format_options: FormatOptions::default() };
    cast_with_options(array, field.data_type(), &options).map_err(undecodable)
}

/// Nested values as JSON text, with NULLs inside written out.
fn json_texts(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let field = Arc::new(Field::new("value", array.data_type().clone(), true));
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(&field, array.as_ref(), &options)?;
    let mut texts = StringViewBuilder::with_capacity(array.len());
    let mut buffer = Vec::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            texts.append_null();
            continue;
        }
        buffer.clear();
        encoder.encode(row, &mut buffer);
        let text = std::str::from_utf8(&buffer).map_err(|cause| ArrowError::JsonError(cause.to_string()))?;
        texts.append_value(text);
    }
    Ok(Arc::new(texts.finish()))
}
