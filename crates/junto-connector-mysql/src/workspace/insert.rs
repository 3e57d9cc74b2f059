//! Arrow columns as rows of INSERT statements, for a session in which backslashes are plain characters.
//!
//! A value that the server's type does not have is an error, never another value.

use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_schema::DataType;
use junto_connector::{ColumnInfo, Error, Result, TableInfo};
use junto_connector_sql::temporary::no_such_value;
use junto_connector_sql::{datetime, decimal, standard};

use crate::DRIVER;

/// The years 1 to 9999, in days and in microseconds since 1970.
const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;
const MICROS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Writes the literal of one row, or says what the type does not have.
type Literals<'a> = Box<dyn Fn(usize, &mut String) -> Result<(), &'static str> + Send + 'a>;

/// An INSERT in the making.
#[derive(Debug)]
pub(super) struct Insert {
    head: String,
    text: String,
}

impl Insert {
    /// `head` is what comes before the first row.
    pub(super) fn new(head: String) -> Self {
        Self { text: head.clone(), head }
    }

    /// Adds a row. When the statement would be longer than `most` bytes with it, the statement without it is returned
    /// and the row begins the next one; a longer row stands alone.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a value that the server's type does not have.
    pub(super) fn add(&mut self, rows: &Rows<'_>, row: usize, most: usize) -> Result<Option<String>> {
        let end = self.text.len();
        if !self.is_empty() {
            self.text.push_str(", ");
        }
        let start = self.text.len();
        rows.write(row, &mut self.text)?;
        if end == self.head.len() || self.text.len() <= most {
            return Ok(None);
        }
        let next = format!("{}{}", self.head, &self.text[start..]);
        let mut full = std::mem::replace(&mut self.text, next);
        full.truncate(end);
        Ok(Some(full))
    }

    /// The last statement, if it has a row.
    pub(super) fn finish(self) -> Option<String> {
        if self.is_empty() { None } else { Some(self.text) }
    }

    fn is_empty(&self) -> bool {
        self.text.len() == self.head.len()
    }
}

struct Column<'a> {
    info: &'a ColumnInfo,
    array: &'a ArrayRef,
    literals: Literals<'a>,
}

/// Rows of one batch.
pub(super) struct Rows<'a> {
    columns: Vec<Column<'a>>,
}

impl<'a> Rows<'a> {
    /// # Errors
    /// [`Error::Internal`] for a type that `stored` does not have.
    pub(super) fn new(table: &'a TableInfo, columns: &'a [ArrayRef]) -> Result<Self> {
        let column = |(info, array): (&'a ColumnInfo, &'a ArrayRef)| {
            let missing = || Error::internal(format!("{} is not stored", info.data_type));
            Ok(Column { info, array, literals: literals(array).ok_or_else(missing)? })
        };
        Ok(Self { columns: table.columns.iter().zip(columns).map(column).collect::<Result<_>>()? })
    }

    fn write(&self, row: usize, out: &mut String) -> Result<()> {
        for (at, column) in self.columns.iter().enumerate() {
            out.push(if at == 0 { '(' } else { ',' });
            if column.array.is_null(row) {
                out.push_str("NULL");
            } else {
                (column.literals)(row, out).map_err(|value| no_such_value(DRIVER, value, column.info))?;
            }
        }
        out.push(')');
        Ok(())
    }
}

fn literals(array: &ArrayRef) -> Option<Literals<'_>> {
    use DataType as T;
    Some(match array.data_type() {
        T::Boolean => {
            let values = array.as_boolean();
            Box::new(move |row, out| {
                out.push(if values.value(row) { '1' } else { '0' });
                Ok(())
            })
        }
        T::Int8 => integers::<Int8Type>(array),
        T::Int16 => integers::<Int16Type>(array),
        T::Int32 => integers::<Int32Type>(array),
        T::Int64 => integers::<Int64Type>(array),
        T::UInt8 => integers::<UInt8Type>(array),
        T::UInt16 => integers::<UInt16Type>(array),
        T::UInt32 => integers::<UInt32Type>(array),
        T::UInt64 => integers::<UInt64Type>(array),
        T::Float32 => each::<Float32Type>(array, |value, out| float(value.into(), out)),
        T::Float64 => each::<Float64Type>(array, float),
        T::Decimal128(_, scale) => {
            let scale = *scale;
            each::<Decimal128Type>(array, move |value, out| digits(&value.to_string(), scale, out))
        }
        T::Decimal256(_, scale) => {
            let scale = *scale;
            each::<Decimal256Type>(array, move |value, out| digits(&value.to_string(), scale, out))
        }
        T::Utf8View => {
            let values = array.as_string_view();
            Box::new(move |row, out| {
                text(values.value(row), out);
                Ok(())
            })
        }
        T::Binary => {
            let values = array.as_binary::<i32>();
            Box::new(move |row, out| {
                out.push_str(&standard::hex_literal(values.value(row)));
                Ok(())
            })
        }
        T::Date32 => each::<Date32Type>(array, date),
        T::Time64(_) => each::<Time64MicrosecondType>(array, time),
        T::Timestamp(..) => each::<TimestampMicrosecondType>(array, timestamp),
        _ => return None,
    })
}

fn each<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    write: impl Fn(T::Native, &mut String) -> Result<(), &'static str> + Send + 'static,
) -> Literals<'_> {
    let values = array.as_primitive::<T>();
    Box::new(move |row, out| write(values.value(row), out))
}

fn integers<T: ArrowPrimitiveType>(array: &ArrayRef) -> Literals<'_>
where
    T::Native: std::fmt::Display,
{
    each::<T>(array, |value, out| {
        let _ = write!(out, "{value}");
        Ok(())
    })
}

/// With an exponent, which makes it a number of double precision. MariaDB stores -0.0 as 0.0.
fn float(value: f64, out: &mut String) -> Result<(), &'static str> {
    if !value.is_finite() {
        return Err("a number that is not finite");
    }
    if value == 0.0 && value.is_sign_negative() {
        return Err("the number -0.0");
    }
    let _ = write!(out, "{value:e}");
    Ok(())
}

fn digits(unscaled: &str, scale: i8, out: &mut String) -> Result<(), &'static str> {
    out.push_str(&decimal::to_text(unscaled, scale).ok_or("this decimal")?);
    Ok(())
}

fn text(value: &str, out: &mut String) {
    out.push('\'');
    for (at, part) in value.split('\'').enumerate() {
        if at > 0 {
            out.push_str("''");
        }
        out.push_str(part);
    }
    out.push('\'');
}

fn date(days: i32, out: &mut String) -> Result<(), &'static str> {
    if !DAYS.contains(&days) {
        return Err("a date outside the years 1 to 9999");
    }
    let _ = write!(out, "'{}'", datetime::date_to_text(days));
    Ok(())
}

fn time(micros: i64, out: &mut String) -> Result<(), &'static str> {
    if !(0..MICROS_PER_DAY).contains(&micros) {
        return Err("a time outside the day");
    }
    let _ = write!(out, "'{}'", datetime::time_to_text(micros));
    Ok(())
}

fn timestamp(micros: i64, out: &mut String) -> Result<(), &'static str> {
    if !MICROS.contains(&micros) {
        return Err("a timestamp outside the years 1 to 9999");
    }
    let _ = write!(out, "'{}'", datetime::timestamp_to_text(micros));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Storage;
    use arrow_array::StringViewArray;
    use arrow_schema::{Field, Schema};
    use std::sync::Arc;

    #[test]
    fn statements_end_where_they_are_long_enough_and_hold_every_row() {
        let schema = Schema::new(vec![Field::new("a", DataType::Utf8View, true)]);
        let table = Storage::new(Some("d"), true, "10.11.6").temporary_table("t", &schema).expect("text");
        let values = ["a", "it's", "\\", "a long one that stands alone"].map(Some);
        let columns: [ArrayRef; 1] = [Arc::new(StringViewArray::from_iter(values.into_iter().chain([None])))];
        let rows = Rows::new(&table, &columns).expect("stored");
        let mut insert = Insert::new("I ".into());
        let mut sent = Vec::new();
        for row in 0..5 {
            sent.extend(insert.add(&rows, row, 20).expect("literals"));
        }
        sent.extend(insert.finish());
        assert_eq!(sent, ["I ('a'), ('it''s')", "I ('\\')", "I ('a long one that stands alone')", "I (NULL)"]);
    }
}
