//! Temporary tables that a connector makes for one statement: their description, their DDL, and the batches for them.
//!
//! A connector says for each Arrow type which of its own types holds every value of it; the rest is the same everywhere.
//! Columns are named by their position, so that no name of the user can be too long, come twice, or need care.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use futures::StreamExt;
use junto_connector::{
    BatchStream, ColumnInfo, Error, Result, StatementContext, TableInfo, TableKind, TextSemantics, TypeClass,
};
use junto_types::TableName;

use crate::dialect::Dialect;

/// Longest time that a workspace waits for a connection of a source which are all in use. Statements that each hold the
/// workspace the other waits for would wait for ever.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How a source stores an Arrow type.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredType {
    /// In the source's spelling, as it stands in the DDL and in a scan.
    pub source_type: String,
    /// What is read back; of the class that was asked for.
    pub data_type: DataType,
    pub text: TextSemantics,
}

impl StoredType {
    /// Read back as it is, and compared as Junto compares it.
    pub fn exact(source_type: impl Into<String>, data_type: &DataType) -> Self {
        Self { source_type: source_type.into(), data_type: data_type.clone(), text: TextSemantics::Binary }
    }
}

/// The one container in which text and bytes are stored and read back; other types as they are.
pub fn container(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        other => other.clone(),
    }
}

/// Describes a temporary table with columns `v0`, `v1` … for the fields of a schema. `stored` gets types as [`container`]
/// returns them.
///
/// # Errors
/// [`Error::Unsupported`] naming the first type that `stored` has nothing for.
pub fn describe(
    driver: &'static str,
    name: TableName,
    schema: &Schema,
    stored: impl Fn(&DataType) -> Option<StoredType>,
) -> Result<TableInfo> {
    let column = |(at, field): (usize, &Arc<arrow::datatypes::Field>)| {
        let wanted = container(field.data_type());
        let what = || format!("a temporary table with a column of type {}", field.data_type());
        let stored = stored(&wanted).ok_or_else(|| Error::Unsupported { driver, what: what() })?;
        Ok(ColumnInfo {
            name: format!("v{at}"),
            source_type: stored.source_type,
            data_type: stored.data_type,
            nullable: field.is_nullable(),
            text: stored.text,
            comment: None,
            remark: None,
        })
    };
    Ok(TableInfo {
        name,
        kind: TableKind::Table,
        comment: None,
        columns: schema.fields().iter().enumerate().map(column).collect::<Result<_>>()?,
        primary_key: Vec::new(),
        unique_keys: Vec::new(),
        foreign_keys: Vec::new(),
        indexes: Vec::new(),
        partitions: Vec::new(),
        row_estimate: None,
    })
}

/// `CREATE TEMPORARY TABLE name (columns)` for a described table.
pub fn create_table(dialect: &dyn Dialect, table: &TableInfo) -> String {
    let column = |column: &ColumnInfo| {
        let null = if column.nullable { "" } else { " NOT NULL" };
        format!("{} {}{null}", dialect.quote(&column.name), column.source_type)
    };
    let columns = table.columns.iter().map(column).collect::<Vec<_>>().join(", ");
    format!("CREATE TEMPORARY TABLE {} ({columns})", dialect.table(&table.name))
}

/// The columns of a batch in the containers of the table.
///
/// # Errors
/// [`Error::Internal`] for a batch of other columns than the table was described for.
pub fn stored_columns(table: &TableInfo, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
    if batch.num_columns() != table.columns.len() {
        let (come, wanted) = (batch.num_columns(), table.columns.len());
        return Err(Error::internal(format!("a batch of {come} columns for a table of {wanted}")));
    }
    let stored = |(array, column): (&ArrayRef, &ColumnInfo)| {
        let (from, to) = (array.data_type(), &column.data_type);
        if from == to {
            return Ok(Arc::clone(array));
        }
        let contained = matches!(TypeClass::of(to), TypeClass::Text | TypeClass::Binary) && container(from) == *to;
        if !contained {
            return Err(Error::internal(format!("a batch holds {from} for a temporary column of {to}")));
        }
        cast(array, to).map_err(|cause| Error::internal(cause.to_string()))
    };
    batch.columns().iter().zip(&table.columns).map(stored).collect()
}

/// The next batch of an input; none after the last.
///
/// # Errors
/// The input's, or [`Error::TimedOut`] when the statement's deadline passes first.
pub async fn next_batch(rows: &mut BatchStream, context: &StatementContext) -> Result<Option<RecordBatch>> {
    before_deadline(context, rows.next()).await?.transpose()
}

/// Waits for `work` until the statement's deadline.
///
/// # Errors
/// [`Error::TimedOut`].
pub async fn before_deadline<T>(context: &StatementContext, work: impl Future<Output = T>) -> Result<T> {
    let Some(deadline) = context.deadline else { return Ok(work.await) };
    let begun = Instant::now();
    let late = |_| Error::TimedOut { milliseconds: begun.elapsed().as_millis() as u64 };
    tokio::time::timeout_at(deadline.into(), work).await.map_err(late)
}

/// The error for a value that the source's type does not have.
pub fn no_such_value(driver: &'static str, value: &str, column: &ColumnInfo) -> Error {
    Error::Unsupported { driver, what: format!("{value} in a temporary column of type `{}`", column.source_type) }
}

/// Checks that the source stored what it was sent, and tells the reader of the plan.
///
/// # Errors
/// [`Error::Internal`] when the numbers differ.
pub fn finished(context: &StatementContext, table: &TableInfo, sent: u64, stored: u64) -> Result<u64> {
    if sent != stored {
        return Err(Error::internal(format!("{stored} of {sent} rows were stored in a temporary table")));
    }
    let rows = if stored == 1 { "row" } else { "rows" };
    context.metrics.note(format!("{stored} {rows} stored in the temporary table `{}`", table.name.table));
    Ok(stored)
}

/// The error of a workspace in which filling a table failed.
pub fn abandoned() -> Error {
    Error::internal("a workspace was used after filling a table of it failed")
}
