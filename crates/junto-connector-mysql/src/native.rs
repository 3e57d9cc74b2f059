//! The user's own statements: sent as they are, in the server's own dialect.

use std::sync::Arc;
use std::time::Instant;

use arrow_schema::{DataType, Field, IntervalUnit, Schema, SchemaRef, TimeUnit};
use futures::stream;
use junto_connector::{NativeRequest, NativeResult, Result};
use junto_connector_sql::tagged;
use mysql_common::constants::ColumnType as T;

use crate::decode::{RowDecoder, RowFormat};
use crate::error::{Origin, statement_error};
use crate::gate::check_read_only;
use crate::pool::{Pool, Session};
use crate::scan::Rows;
use crate::settings::{TimeAs, TypeSettings, ZeroDates};
use crate::wire::{Answer, BINARY_COLLATION, Failure, WireColumn};

/// A statement that cannot be prepared.
const NOT_PREPARABLE: u16 = 1295;

/// Runs one statement. Prepared, so that the server refuses several at once and floats keep all their digits; those it
/// does not prepare go as text.
pub(crate) async fn run(pool: &Arc<Pool>, request: NativeRequest) -> Result<NativeResult> {
    if request.read_only {
        check_read_only(&request.sql, pool.own_sql_mode())?;
    }
    let error = |failure| statement_error(failure, Origin::Native);
    let session = Session::Native { read_only: request.read_only };
    let sql = tagged(&request.context.statement, &request.sql);
    let since = Instant::now();
    let mut format = RowFormat::Binary;
    let mut started = pool.start(session, &request.context, &sql, format).await;
    if matches!(&started, Err(Failure::Server(refused)) if refused.code == NOT_PREPARABLE) {
        format = RowFormat::Text;
        started = pool.start(session, &request.context, &sql, format).await;
    }
    let (lease, answer) = started.map_err(error)?;
    let columns = match answer {
        Answer::Done(done) => return Ok(NativeResult::without_rows(Some(done.affected))),
        Answer::Rows(columns) => columns,
    };
    let types = &pool.settings().types;
    let schema = schema(&columns, types);
    let decoder = RowDecoder::new(Arc::clone(&schema), &columns, format, types.zero_dates, 0)?;
    let rows = Rows { lease, decoder, has_ended: false };
    let batch_rows = request.batch_rows.max(1);
    let stream = stream::try_unfold((rows, request.context), move |(mut rows, context)| async move {
        let batch = rows.next_batch(batch_rows, &context, since).await.map_err(error)?;
        Ok(batch.map(|batch| (batch, (rows, context))))
    });
    Ok(NativeResult { schema, stream: Box::pin(stream), affected: None })
}

fn schema(columns: &[WireColumn], settings: &TypeSettings) -> SchemaRef {
    let fields = columns.iter().map(|column| Field::new(&column.name, result_type(column, settings), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The Arrow type of a column of a result, of which only the wire's description is known.
fn result_type(column: &WireColumn, settings: &TypeSettings) -> DataType {
    let of = |signed, unsigned| if column.is_unsigned() { unsigned } else { signed };
    let temporal = |data_type| if settings.zero_dates == ZeroDates::Text { DataType::Utf8View } else { data_type };
    match column.column_type {
        T::MYSQL_TYPE_NULL => DataType::Null,
        T::MYSQL_TYPE_TINY if settings.tinyint1_is_boolean && column.length == 1 => DataType::Boolean,
        T::MYSQL_TYPE_TINY => of(DataType::Int8, DataType::UInt8),
        T::MYSQL_TYPE_YEAR => DataType::Int16,
        T::MYSQL_TYPE_SHORT => of(DataType::Int16, DataType::UInt16),
        T::MYSQL_TYPE_INT24 | T::MYSQL_TYPE_LONG => of(DataType::Int32, DataType::UInt32),
        T::MYSQL_TYPE_LONGLONG => of(DataType::Int64, DataType::UInt64),
        T::MYSQL_TYPE_FLOAT => DataType::Float32,
        T::MYSQL_TYPE_DOUBLE => DataType::Float64,
        T::MYSQL_TYPE_DECIMAL | T::MYSQL_TYPE_NEWDECIMAL => decimal(column),
        T::MYSQL_TYPE_BIT if column.length == 1 && !settings.bit1_is_integer => DataType::Boolean,
        T::MYSQL_TYPE_BIT => DataType::UInt64,
        T::MYSQL_TYPE_DATE | T::MYSQL_TYPE_NEWDATE => temporal(DataType::Date32),
        T::MYSQL_TYPE_DATETIME | T::MYSQL_TYPE_DATETIME2 => temporal(DataType::Timestamp(TimeUnit::Microsecond, None)),
        T::MYSQL_TYPE_TIMESTAMP | T::MYSQL_TYPE_TIMESTAMP2 => {
            temporal(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
        }
        T::MYSQL_TYPE_TIME | T::MYSQL_TYPE_TIME2 => match settings.time {
            TimeAs::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            TimeAs::Time => DataType::Time64(TimeUnit::Microsecond),
            TimeAs::Text => DataType::Utf8View,
        },
        T::MYSQL_TYPE_JSON => DataType::Utf8View,
        T::MYSQL_TYPE_GEOMETRY | T::MYSQL_TYPE_VECTOR => DataType::Binary,
        _ if column.collation == BINARY_COLLATION => DataType::Binary,
        _ => DataType::Utf8View,
    }
}

/// The server describes a decimal by the width of its text: digits, sign and point.
fn decimal(column: &WireColumn) -> DataType {
    let scale = column.decimals.min(38);
    let marks = u32::from(!column.is_unsigned()) + u32::from(scale > 0);
    let digits = column.length.saturating_sub(marks).clamp(u32::from(scale).max(1), 76) as u8;
    if digits <= 38 { DataType::Decimal128(digits, scale as i8) } else { DataType::Decimal256(digits, scale as i8) }
}
