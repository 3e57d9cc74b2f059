//! Brings the batches of a driver to the planned schema.
//!
//! Every type a driver may deliver has one *natural* type in Junto ([`natural`]): text is `Utf8View`, bytes `Binary`,
//! time stamps count microseconds. A planned type that differs from it is reached by a checked cast.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Decimal256Array, FixedSizeListArray, ListArray, MapArray,
    RecordBatch, RecordBatchOptions, StringViewArray, StructArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, FieldRef, Int8Type, Schema, SchemaRef, Time64MicrosecondType,
    TimeUnit, TimestampMicrosecondType, i256,
};
use arrow::util::display::FormatOptions;
use junto_connector::{Error, Result};

use crate::values;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Turns batches of one schema into batches of another.
#[derive(Debug)]
pub(crate) struct Converter {
    delivered: SchemaRef,
    planned: SchemaRef,
}

impl Converter {
    /// From what the driver delivers to what was planned, or to the natural types when nothing was.
    ///
    /// # Errors
    /// [`Error::Internal`] when fewer columns come than were planned.
    pub(crate) fn new(delivered: &SchemaRef, planned: Option<SchemaRef>) -> Result<Self> {
        let planned = planned.unwrap_or_else(|| {
            let fields = delivered.fields().iter().map(natural_field);
            Arc::new(Schema::new(fields.collect::<Vec<_>>()))
        });
        if delivered.fields().len() < planned.fields().len() {
            let (come, wanted) = (delivered.fields().len(), planned.fields().len());
            return Err(Error::internal(format!("the driver delivers {come} columns instead of {wanted}")));
        }
        Ok(Self { delivered: Arc::clone(delivered), planned })
    }

    /// Schema of the converted batches.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.planned
    }

    /// # Errors
    /// [`Error::Decode`] and [`Error::TooWide`] for values that the planned type cannot hold.
    pub(crate) fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let delivered = self.delivered.fields();
        let columns = self.planned.fields().iter().zip(batch.columns()).zip(delivered).map(|((to, array), from)| {
            let array = planned_array(naturalised(array, from)?, to)?;
            check_values(&array, to.name())?;
            Ok(array)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.planned), columns, &options)
            .map_err(|cause| Error::internal(cause.to_string()))
    }
}

/// The type in which a delivered column is read.
pub(crate) fn natural(field: &Field) -> DataType {
    use DataType as T;
    if let Some(kind) = Encoded::of(field) {
        return kind.data_type();
    }
    match field.data_type() {
        T::Utf8 | T::LargeUtf8 => T::Utf8View,
        T::Dictionary(_, values) if matches!(**values, T::Utf8 | T::LargeUtf8 | T::Utf8View) => T::Utf8View,
        T::LargeBinary | T::BinaryView => T::Binary,
        T::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, zone) => {
            T::Timestamp(TimeUnit::Microsecond, zone.clone())
        }
        T::List(item) => T::List(natural_field(item)),
        T::FixedSizeList(item, length) => T::FixedSizeList(natural_field(item), *length),
        T::Struct(fields) => T::Struct(fields.iter().map(natural_field).collect()),
        T::Map(entries, sorted) => T::Map(natural_field(entries), *sorted),
        other => other.clone(),
    }
}

fn natural_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), natural(field), field.is_nullable()))
}

/// Values that arrive as bytes or small integers and are something else, as the field's metadata say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoded {
    Boolean,
    Uuid,
    HugeInt,
    UnsignedHugeInt,
    TimeTz,
    Bit,
    BigNum,
}

impl Encoded {
    fn of(field: &Field) -> Option<Self> {
        let extension = field.metadata().get("ARROW:extension:name")?;
        match extension.as_str() {
            "arrow.bool8" => Some(Encoded::Boolean),
            "arrow.uuid" => Some(Encoded::Uuid),
            "arrow.opaque" => {
                let details = field.metadata().get("ARROW:extension:metadata")?;
                let is = |name: &str| details.contains(&format!("\"type_name\":\"{name}\""));
                [
                    ("hugeint", Encoded::HugeInt),
                    ("uhugeint", Encoded::UnsignedHugeInt),
                    ("time_tz", Encoded::TimeTz),
                    ("bit", Encoded::Bit),
                    ("bignum", Encoded::BigNum),
                ]
                .into_iter()
                .find_map(|(name, kind)| is(name).then_some(kind))
            }
            _ => None,
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Encoded::Boolean => DataType::Boolean,
            Encoded::HugeInt => DataType::Decimal128(38, 0),
            Encoded::UnsignedHugeInt => DataType::Decimal256(39, 0),
            Encoded::Uuid | Encoded::TimeTz | Encoded::Bit | Encoded::BigNum => DataType::Utf8View,
        }
    }

    fn decode(self, array: &ArrayRef, column: &str) -> Result<ArrayRef> {
        let text = |read: fn(&[u8]) -> Option<String>| -> Result<ArrayRef> {
            Ok(Arc::new(decoded(array, column, read)?.collect::<Result<StringViewArray>>()?))
        };
        match self {
            Encoded::Boolean => {
                let bytes = array.as_primitive_opt::<Int8Type>().ok_or_else(|| unreadable(column))?;
                Ok(Arc::new(bytes.iter().map(|byte| byte.map(|byte| byte != 0)).collect::<BooleanArray>()))
            }
            Encoded::HugeInt => {
                let values = decoded(array, column, values::hugeint)?.collect::<Result<Decimal128Array>>()?;
                Ok(Arc::new(values.with_data_type(DataType::Decimal128(38, 0))))
            }
            Encoded::UnsignedHugeInt => {
                let values = decoded(array, column, values::uhugeint)?.collect::<Result<Decimal256Array>>()?;
                Ok(Arc::new(values.with_data_type(DataType::Decimal256(39, 0))))
            }
            Encoded::Uuid => text(values::uuid_text),
            Encoded::TimeTz => text(values::time_tz_text),
            Encoded::Bit => text(values::bit_text),
            Encoded::BigNum => text(values::bignum_text),
        }
    }
}

/// Each value's bytes through `read`, which gives none for bytes that cannot be a value.
fn decoded<'a, T: 'a>(
    array: &'a ArrayRef,
    column: &'a str,
    read: fn(&[u8]) -> Option<T>,
) -> Result<impl Iterator<Item = Result<Option<T>>> + 'a> {
    let bytes: Box<dyn Iterator<Item = Option<&'a [u8]>> + 'a> = match array.data_type() {
        DataType::FixedSizeBinary(_) => Box::new(array.as_fixed_size_binary().iter()),
        DataType::Binary => Box::new(array.as_binary::<i32>().iter()),
        DataType::LargeBinary => Box::new(array.as_binary::<i64>().iter()),
        DataType::BinaryView => Box::new(array.as_binary_view().iter()),
        _ => return Err(unreadable(column)),
    };
    Ok(bytes.map(move |bytes| bytes.map(|bytes| read(bytes).ok_or_else(|| unreadable(column))).transpose()))
}

fn unreadable(column: &str) -> Error {
    Error::Decode {
        column: column.into(),
        row: None,
        reason: "the driver sent bytes that are no value".into(),
        hint: None,
    }
}

/// The array in the natural type of its field.
fn naturalised(array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    use DataType as T;
    let to = natural(field);
    if *array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    let column = field.name();
    if let Some(kind) = Encoded::of(field) {
        return kind.decode(array, column);
    }
    let arrow = |cause: arrow::error::ArrowError| Error::internal(cause.to_string());
    Ok(match (field.data_type(), &to) {
        (T::List(from), T::List(item)) => {
            let (_, offsets, values, nulls) = array.as_list::<i32>().clone().into_parts();
            Arc::new(ListArray::try_new(Arc::clone(item), offsets, naturalised(&values, from)?, nulls).map_err(arrow)?)
        }
        (T::FixedSizeList(from, _), T::FixedSizeList(item, length)) => {
            let list = array.as_fixed_size_list();
            let values = naturalised(list.values(), from)?;
            let nulls = list.nulls().cloned();
            Arc::new(FixedSizeListArray::try_new(Arc::clone(item), *length, values, nulls).map_err(arrow)?)
        }
        (T::Struct(_), T::Struct(_)) => Arc::new(naturalised_struct(array.as_struct(), &to)?),
        (T::Map(..), T::Map(entries, sorted)) => {
            let map = array.as_map();
            let inner = naturalised_struct(map.entries(), entries.data_type())?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Arc::new(MapArray::try_new(Arc::clone(entries), offsets, inner, nulls, *sorted).map_err(arrow)?)
        }
        _ => cast(array, &to, column)?,
    })
}

fn naturalised_struct(array: &StructArray, to: &DataType) -> Result<StructArray> {
    let DataType::Struct(fields) = to else {
        return Err(Error::internal("a struct became something else"));
    };
    let columns = array.columns().iter().zip(array.fields()).map(|(column, field)| naturalised(column, field));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    StructArray::try_new_with_length(fields.clone(), columns, array.nulls().cloned(), array.len())
        .map_err(|cause| Error::internal(cause.to_string()))
}

fn planned_array(array: ArrayRef, planned: &Field) -> Result<ArrayRef> {
    let column = planned.name();
    let to = planned.data_type();
    if let DataType::Decimal128(precision, scale) = array.data_type() {
        let numbers = array.as_primitive::<Decimal128Type>();
        if *array.data_type() == *to && numbers.validate_decimal_precision(*precision).is_err() {
            return Err(too_wide(column, to));
        }
        if *scale == 0
            && let DataType::Decimal256(_, 0) = to
        {
            let wide = numbers.iter().map(|number| number.map(i256::from_i128)).collect::<Decimal256Array>();
            return Ok(Arc::new(wide.with_data_type(to.clone())));
        }
    }
    if array.data_type() == to { Ok(array) } else { cast(&array, to, column) }
}

fn too_wide(column: &str, planned: &DataType) -> Error {
    Error::TooWide { column: column.into(), planned: planned.to_string(), wanted: Some(DataType::Decimal256(39, 0)) }
}

fn cast(array: &ArrayRef, to: &DataType, column: &str) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, format_options: FormatOptions::default() };
    cast_with_options(array, to, &options).map_err(|cause| Error::Decode {
        column: column.into(),
        row: None,
        reason: format!("a value does not fit {to}: {cause}"),
        hint: None,
    })
}

/// Refuses values that Arrow's types cannot mean: DuckDB's infinite dates and time stamps, and the time 24:00:00.
fn check_values(array: &ArrayRef, column: &str) -> Result<()> {
    let beyond = match array.data_type() {
        DataType::Date32 => {
            let values = array.as_primitive::<Date32Type>();
            values.iter().flatten().any(|days| days == i32::MAX || days == -i32::MAX).then_some("an infinite date")
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let values = array.as_primitive::<TimestampMicrosecondType>();
            let infinite = values.iter().flatten().any(|micros| micros == i64::MAX || micros == -i64::MAX);
            infinite.then_some("an infinite time stamp")
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            let values = array.as_primitive::<Time64MicrosecondType>();
            values.iter().flatten().any(|micros| micros >= MICROS_PER_DAY).then_some("the time 24:00:00")
        }
        _ => None,
    };
    match beyond {
        None => Ok(()),
        Some(what) => Err(Error::Decode {
            column: column.into(),
            row: None,
            reason: format!("{what} has no equal in Junto"),
            hint: Some(
                "read the column as text: option `type.<table>.<column> = text`, or CAST in a native statement".into(),
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    use arrow::array::{BinaryViewArray, Decimal128Array, FixedSizeBinaryArray, Int32Array, StringArray};

    fn converted(array: ArrayRef, metadata: &[(&str, &str)], planned: Option<DataType>) -> Result<ArrayRef> {
        let metadata: HashMap<String, String> =
            metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let field = Field::new("c", array.data_type().clone(), true).with_metadata(metadata);
        let delivered = Arc::new(Schema::new(vec![field]));
        let planned = planned.map(|to| Arc::new(Schema::new(vec![Field::new("c", to, true)])));
        let batch = RecordBatch::try_new(Arc::clone(&delivered), vec![array]).expect("one column");
        Ok(Arc::clone(Converter::new(&delivered, planned)?.convert(&batch)?.column(0)))
    }

    #[test]
    fn text_and_bytes_have_one_type_each() {
        let text = converted(Arc::new(StringArray::from(vec!["ä"])), &[], None).expect("text");
        assert_eq!(text.data_type(), &DataType::Utf8View);
        let bytes = converted(Arc::new(BinaryViewArray::from(vec![b"x".as_slice()])), &[], None).expect("bytes");
        assert_eq!(bytes.data_type(), &DataType::Binary);
    }

    #[test]
    fn huge_integers_that_do_not_fit_say_what_would() {
        let metadata =
            [("ARROW:extension:name", "arrow.opaque"), ("ARROW:extension:metadata", r#"{"type_name":"hugeint"}"#)];
        let bytes = |value: i128| -> ArrayRef {
            let bytes = value.to_le_bytes();
            Arc::new(FixedSizeBinaryArray::try_from_iter([bytes].into_iter()).expect("16 bytes"))
        };
        let planned = DataType::Decimal128(38, 0);
        let fits = converted(bytes(-7), &metadata, Some(planned.clone())).expect("fits");
        assert_eq!(fits.as_primitive::<Decimal128Type>().value(0), -7);
        let error = converted(bytes(i128::MAX), &metadata, Some(planned)).expect_err("39 digits");
        let Error::TooWide { wanted: Some(wanted), .. } = error else { panic!("too wide: {error}") };
        let wide = converted(bytes(i128::MAX), &metadata, Some(wanted)).expect("fits");
        assert_eq!(wide.data_type(), &DataType::Decimal256(39, 0));
    }

    #[test]
    fn casts_are_checked() {
        let array: ArrayRef = Arc::new(Int32Array::from(vec![70_000]));
        assert!(matches!(converted(Arc::clone(&array), &[], Some(DataType::Int16)), Err(Error::Decode { .. })));
        assert!(converted(array, &[], Some(DataType::Int64)).is_ok());
        let decimals = Decimal128Array::from(vec![15]).with_data_type(DataType::Decimal128(5, 1));
        let array: ArrayRef = Arc::new(decimals);
        assert_eq!(
            converted(array, &[], Some(DataType::Decimal128(9, 2)))
                .expect("fits")
                .as_primitive::<Decimal128Type>()
                .value(0),
            150
        );
    }
}
