//! Builders that rows are decoded into, one per column, and the batches they make.
//!
//! The builder is an enum, so that a decoder matches once per cell (or once per column) and appends without a virtual
//! call.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder, Float32Builder,
    Float64Builder, Int8Builder, Int16Builder, Int32Builder, Int64Builder, IntervalMonthDayNanoBuilder, ListArray,
    NullBufferBuilder, RecordBatch, RecordBatchOptions, StringViewBuilder, Time64MicrosecondBuilder,
    TimestampMicrosecondBuilder, UInt8Builder, UInt16Builder, UInt32Builder, UInt64Builder,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, FieldRef, IntervalUnit, SchemaRef, TimeUnit};
use junto_connector::{Error, Result};

/// Cells of one column in the making.
#[derive(Debug)]
pub enum ColumnBuilder {
    Boolean(BooleanBuilder),
    Int8(Int8Builder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    UInt8(UInt8Builder),
    UInt16(UInt16Builder),
    UInt32(UInt32Builder),
    UInt64(UInt64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    /// Precision and scale are those of the builder's type.
    Decimal128(Decimal128Builder, u8, i8),
    Decimal256(Decimal256Builder, u8, i8),
    Utf8View(StringViewBuilder),
    Binary(BinaryBuilder),
    /// Days since 1970-01-01.
    Date32(Date32Builder),
    /// Microseconds since midnight.
    Time64(Time64MicrosecondBuilder),
    /// Microseconds since 1970-01-01T00:00:00, in UTC when the type has a zone.
    Timestamp(TimestampMicrosecondBuilder),
    Interval(IntervalMonthDayNanoBuilder),
    List(ListBuilder),
}

/// Lists of one element type. Append the elements to [`ListBuilder::values`], then end the list.
#[derive(Debug)]
pub struct ListBuilder {
    field: FieldRef,
    pub values: Box<ColumnBuilder>,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl ListBuilder {
    /// Ends one list, of the elements appended since the last one.
    ///
    /// # Errors
    /// When a batch holds more than 2^31 elements.
    pub fn end_list(&mut self) -> Result<()> {
        let end = i32::try_from(self.values.len())
            .map_err(|_| Error::Resource { what: "more than 2,147,483,647 list elements in one batch".into() })?;
        self.offsets.push(end);
        self.nulls.append_non_null();
        Ok(())
    }

    fn append_null(&mut self) {
        self.offsets.push(self.offsets.last().copied().unwrap_or(0));
        self.nulls.append_null();
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let offsets = OffsetBuffer::new(std::mem::replace(&mut self.offsets, vec![0]).into());
        let values = self.values.finish()?;
        let list = ListArray::try_new(Arc::clone(&self.field), offsets, values, self.nulls.finish());
        Ok(Arc::new(list.map_err(|cause| Error::internal(cause.to_string()))?))
    }
}

/// The same expression for the builder of every variant.
macro_rules! each_builder {
    ($self:expr, $builder:ident => $action:expr, list $list:ident => $list_action:expr) => {
        match $self {
            ColumnBuilder::Boolean($builder) => $action,
            ColumnBuilder::Int8($builder) => $action,
            ColumnBuilder::Int16($builder) => $action,
            ColumnBuilder::Int32($builder) => $action,
            ColumnBuilder::Int64($builder) => $action,
            ColumnBuilder::UInt8($builder) => $action,
            ColumnBuilder::UInt16($builder) => $action,
            ColumnBuilder::UInt32($builder) => $action,
            ColumnBuilder::UInt64($builder) => $action,
            ColumnBuilder::Float32($builder) => $action,
            ColumnBuilder::Float64($builder) => $action,
            ColumnBuilder::Decimal128($builder, ..) => $action,
            ColumnBuilder::Decimal256($builder, ..) => $action,
            ColumnBuilder::Utf8View($builder) => $action,
            ColumnBuilder::Binary($builder) => $action,
            ColumnBuilder::Date32($builder) => $action,
            ColumnBuilder::Time64($builder) => $action,
            ColumnBuilder::Timestamp($builder) => $action,
            ColumnBuilder::Interval($builder) => $action,
            ColumnBuilder::List($list) => $list_action,
        }
    };
}

impl ColumnBuilder {
    /// A builder with room for `capacity` cells.
    ///
    /// # Errors
    /// [`Error::Internal`] for Arrow types that no source of rows delivers.
    pub fn new(data_type: &DataType, capacity: usize) -> Result<Self> {
        use ColumnBuilder as B;
        let typed = |cause: arrow::error::ArrowError| Error::internal(cause.to_string());
        Ok(match data_type {
            DataType::Boolean => B::Boolean(BooleanBuilder::with_capacity(capacity)),
            DataType::Int8 => B::Int8(Int8Builder::with_capacity(capacity)),
            DataType::Int16 => B::Int16(Int16Builder::with_capacity(capacity)),
            DataType::Int32 => B::Int32(Int32Builder::with_capacity(capacity)),
            DataType::Int64 => B::Int64(Int64Builder::with_capacity(capacity)),
            DataType::UInt8 => B::UInt8(UInt8Builder::with_capacity(capacity)),
            DataType::UInt16 => B::UInt16(UInt16Builder::with_capacity(capacity)),
            DataType::UInt32 => B::UInt32(UInt32Builder::with_capacity(capacity)),
            DataType::UInt64 => B::UInt64(UInt64Builder::with_capacity(capacity)),
            DataType::Float32 => B::Float32(Float32Builder::with_capacity(capacity)),
            DataType::Float64 => B::Float64(Float64Builder::with_capacity(capacity)),
            DataType::Decimal128(precision, scale) => {
                let builder = Decimal128Builder::with_capacity(capacity);
                let builder = builder.with_precision_and_scale(*precision, *scale).map_err(typed)?;
                B::Decimal128(builder, *precision, *scale)
            }
            DataType::Decimal256(precision, scale) => {
                let builder = Decimal256Builder::with_capacity(capacity);
                let builder = builder.with_precision_and_scale(*precision, *scale).map_err(typed)?;
                B::Decimal256(builder, *precision, *scale)
            }
            DataType::Utf8View => B::Utf8View(StringViewBuilder::with_capacity(capacity)),
            DataType::Binary => B::Binary(BinaryBuilder::with_capacity(capacity, 0)),
            DataType::Date32 => B::Date32(Date32Builder::with_capacity(capacity)),
            DataType::Time64(TimeUnit::Microsecond) => B::Time64(Time64MicrosecondBuilder::with_capacity(capacity)),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let builder = TimestampMicrosecondBuilder::with_capacity(capacity);
                B::Timestamp(builder.with_timezone_opt(zone.clone()))
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                B::Interval(IntervalMonthDayNanoBuilder::with_capacity(capacity))
            }
            DataType::List(field) => B::List(ListBuilder {
                field: Arc::clone(field),
                values: Box::new(Self::new(field.data_type(), capacity)?),
                offsets: vec![0],
                nulls: NullBufferBuilder::new(capacity),
            }),
            other => return Err(Error::internal(format!("rows are never read as {other}"))),
        })
    }

    /// Appends a NULL.
    pub fn append_null(&mut self) {
        each_builder!(self, builder => builder.append_null(), list list => list.append_null());
    }

    /// Cells so far.
    pub fn len(&self) -> usize {
        use arrow::array::ArrayBuilder;
        each_builder!(self, builder => builder.len(), list list => list.offsets.len() - 1)
    }

    /// Whether there is no cell yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The column so far; the builder begins anew.
    ///
    /// # Errors
    /// [`Error::Internal`] when a list's elements do not have the promised nullability.
    pub fn finish(&mut self) -> Result<ArrayRef> {
        Ok(each_builder!(self, builder => Arc::new(builder.finish()) as ArrayRef, list list => list.finish()?))
    }
}

/// Builders for every column of a schema.
pub fn builders(schema: &SchemaRef, capacity: usize) -> Result<Vec<ColumnBuilder>> {
    schema.fields().iter().map(|field| ColumnBuilder::new(field.data_type(), capacity)).collect()
}

/// A batch of what the builders hold; they begin anew. `rows` counts for a schema without columns.
///
/// # Errors
/// [`Error::Decode`] when a column that may not be NULL is.
pub fn finish_batch(schema: &SchemaRef, builders: &mut [ColumnBuilder], rows: usize) -> Result<RecordBatch> {
    let columns = builders.iter_mut().map(ColumnBuilder::finish).collect::<Result<Vec<_>>>()?;
    for (field, column) in schema.fields().iter().zip(&columns) {
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(Error::Decode {
                column: field.name().clone(),
                row: None,
                reason: "holds NULL although the source declares it NOT NULL".into(),
                hint: None,
            });
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|cause| Error::internal(cause.to_string()))
}
