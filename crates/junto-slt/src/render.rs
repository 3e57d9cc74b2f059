//! Values as they are written in `.slt` files.

use std::borrow::Cow;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use sqllogictest::DefaultColumnType;

/// NULL, and text without characters, which would be invisible.
const NULL: &str = "NULL";
const EMPTY: &str = "(empty)";

/// Rows of batches as text.
pub(crate) fn rows(batches: &[RecordBatch]) -> Result<Vec<Vec<String>>, ArrowError> {
    let options = FormatOptions::new()
        .with_null(NULL)
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.fZ"));
    let mut rows = Vec::new();
    for batch in batches {
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let cells = columns.iter().zip(batch.columns()).map(|(formatter, column)| -> Result<String, ArrowError> {
                if column.is_null(row) {
                    return Ok(NULL.to_owned());
                }
                let text = formatter.value(row).try_to_string()?;
                let text = if column.data_type().is_temporal() { without_zeros(&text) } else { text.into() };
                Ok(visible(&text))
            });
            rows.push(cells.collect::<Result<Vec<_>, _>>()?);
        }
    }
    Ok(rows)
}

/// A point in time without the zeros that end a fraction of a second, as PostgreSQL writes it.
fn without_zeros(text: &str) -> Cow<'_, str> {
    let (text, zone) = text.strip_suffix('Z').map_or((text, ""), |text| (text, "Z"));
    match text.rsplit_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte.is_ascii_digit()) => {
            let fraction = fraction.trim_end_matches('0');
            let point = if fraction.is_empty() { "" } else { "." };
            format!("{whole}{point}{fraction}{zone}").into()
        }
        _ => format!("{text}{zone}").into(),
    }
}

/// One cell on one line: control characters escaped, emptiness named.
pub(crate) fn visible(text: &str) -> String {
    if text.is_empty() {
        return EMPTY.to_owned();
    }
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// The letter of a column in a `query` line.
pub(crate) fn column_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        data_type if data_type.is_integer() => DefaultColumnType::Integer,
        data_type if data_type.is_numeric() => DefaultColumnType::FloatingPoint,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DefaultColumnType::Text,
        _ => DefaultColumnType::Any,
    }
}
