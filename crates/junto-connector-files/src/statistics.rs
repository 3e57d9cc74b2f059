//! Estimates: footers of Parquet files, and the first lines of text files.

use std::fs::File;
use std::io::Read;

use datafusion::common::ScalarValue;
use datafusion::common::stats::Precision;
use datafusion::datasource::TableProvider;
use datafusion::execution::session_state::SessionState;
use datafusion::object_store::ObjectStore;
use junto_connector::{ColumnStatistics, Literal, Result, TableStatistics};

use crate::failure;
use crate::formats::Format;
use crate::table::OpenTable;

/// Bytes of a text file from which the length of its lines is estimated.
const SAMPLE_BYTES: usize = 64 << 10;

/// Rows, size, and for Parquet the bounds and NULLs of each column.
pub(crate) async fn collect(state: &SessionState, table: &OpenTable) -> Result<TableStatistics> {
    let mut statistics = TableStatistics::rows_only(None);
    statistics.size_bytes = Some(table.found.size_bytes());
    if table.found.format == Format::Parquet {
        from_footers(state, table, &mut statistics).await?;
    } else {
        statistics.rows = rows_by_sample(table);
    }
    Ok(statistics)
}

/// Estimated rows, without a look at every file's footer.
pub(crate) fn rows_by_sample(table: &OpenTable) -> Option<u64> {
    let file = table.found.files.iter().find(|file| file.size_bytes > 0)?;
    let mut sample = vec![0; SAMPLE_BYTES];
    let length = File::open(&file.path).and_then(|mut file| file.read(&mut sample)).ok()?;
    let lines = sample[..length].iter().filter(|byte| **byte == b'\n').count().max(1);
    Some(table.found.size_bytes() * lines as u64 / length.max(1) as u64)
}

async fn from_footers(state: &SessionState, table: &OpenTable, statistics: &mut TableStatistics) -> Result<()> {
    let failed = |cause: datafusion::error::DataFusionError| failure::reading(&table.shown(), &cause);
    let Some(url) = table.listing.table_paths().first() else { return Ok(()) };
    let store: std::sync::Arc<dyn ObjectStore> =
        state.runtime_env().object_store(url.object_store()).map_err(failed)?;
    let partitions = table.found.partition_keys.len();
    let schema = TableProvider::schema(table.listing.as_ref());
    let own = schema.fields().len() - partitions.min(schema.fields().len());
    let schema = std::sync::Arc::new(schema.project(&(0..own).collect::<Vec<_>>()).map_err(|e| failed(e.into()))?);
    let mut columns: Vec<Merged> = vec![Merged::default(); own];
    let mut rows = 0;
    for object in &table.objects {
        let of_file = table.format.infer_stats(state, &store, std::sync::Arc::clone(&schema), object).await;
        let of_file = of_file.map_err(failed)?;
        rows += of_file.num_rows.get_value().copied().unwrap_or(0) as u64;
        for (merged, column) in columns.iter_mut().zip(of_file.column_statistics) {
            merged.add(&column.min_value, &column.max_value, &column.null_count);
        }
    }
    statistics.rows = Some(rows);
    statistics.columns =
        schema.fields().iter().zip(columns).map(|(field, merged)| merged.finish(field.name(), rows)).collect();
    Ok(())
}

/// Bounds and NULLs over several files; unknown in one is unknown in all.
#[derive(Debug, Clone, Default)]
struct Merged {
    bounds: Option<(ScalarValue, ScalarValue)>,
    nulls: Option<u64>,
    seen: bool,
}

impl Merged {
    fn add(&mut self, min: &Precision<ScalarValue>, max: &Precision<ScalarValue>, nulls: &Precision<usize>) {
        let bounds = min.get_value().cloned().zip(max.get_value().cloned());
        let nulls = nulls.get_value().map(|count| *count as u64);
        if !self.seen {
            (self.bounds, self.nulls, self.seen) = (bounds, nulls, true);
            return;
        }
        self.nulls = self.nulls.zip(nulls).map(|(a, b)| a + b);
        self.bounds = self
            .bounds
            .take()
            .zip(bounds)
            .map(|(a, b)| (if b.0 < a.0 { b.0 } else { a.0 }, if b.1 > a.1 { b.1 } else { a.1 }));
    }

    fn finish(self, name: &str, rows: u64) -> ColumnStatistics {
        let (min, max) = self.bounds.map_or((None, None), |(min, max)| (literal(&min), literal(&max)));
        let null_fraction = self.nulls.filter(|_| rows > 0).map(|nulls| nulls as f64 / rows as f64);
        ColumnStatistics { name: name.to_owned(), null_fraction, min, max, ..ColumnStatistics::default() }
    }
}

fn literal(value: &ScalarValue) -> Option<Literal> {
    use ScalarValue as S;
    Some(match value {
        S::Int8(Some(v)) => Literal::Int((*v).into()),
        S::Int16(Some(v)) => Literal::Int((*v).into()),
        S::Int32(Some(v)) => Literal::Int((*v).into()),
        S::Int64(Some(v)) => Literal::Int(*v),
        S::UInt8(Some(v)) => Literal::UInt((*v).into()),
        S::UInt16(Some(v)) => Literal::UInt((*v).into()),
        S::UInt32(Some(v)) => Literal::UInt((*v).into()),
        S::UInt64(Some(v)) => Literal::UInt(*v),
        S::Float32(Some(v)) => Literal::Float((*v).into()),
        S::Float64(Some(v)) => Literal::Float(*v),
        S::Decimal128(Some(v), precision, scale) => {
            Literal::Decimal { unscaled: v.to_string(), precision: *precision, scale: *scale }
        }
        S::Utf8View(Some(v)) | S::Utf8(Some(v)) => Literal::Text(v.clone()),
        S::Date32(Some(v)) => Literal::Date(*v),
        S::TimestampMicrosecond(Some(v), zone) => Literal::Timestamp { micros: *v, utc: zone.is_some() },
        _ => return None,
    })
}
