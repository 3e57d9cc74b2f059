//! Types of files' columns and how they are read. The table for people is `docs/types/files.md`.

use arrow::datatypes::{DataType, Field, TimeUnit};
use junto_connector::{Error, Result};

/// How a column is read and delivered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ColumnType {
    /// What DataFusion reads the column as.
    pub(crate) read: DataType,
    /// What the engine is promised; differs only for nested types, which leave as JSON text.
    pub(crate) planned: DataType,
    pub(crate) remark: Option<String>,
}

/// The type of a column that the file declares, or that was inferred from it, as `field`.
pub(crate) fn column_type(field: &Field) -> ColumnType {
    use DataType as T;
    let micros =
        |zone: &Option<std::sync::Arc<str>>| T::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into()));
    let (read, remark) = match field.data_type() {
        T::Utf8 | T::LargeUtf8 | T::Utf8View => (T::Utf8View, None),
        T::Null => (T::Utf8View, Some("no value in any row that was looked at; read as text")),
        T::Dictionary(_, values) => return column_type(&Field::new(field.name(), (**values).clone(), true)),
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => (T::Binary, None),
        T::Float16 => (T::Float32, None),
        T::Decimal32(p, s) | T::Decimal64(p, s) => (T::Decimal128(*p, *s), None),
        T::Date64 => (T::Timestamp(TimeUnit::Microsecond, None), None),
        T::Time32(_) => (T::Time64(TimeUnit::Microsecond), None),
        T::Timestamp(TimeUnit::Nanosecond, Some(_)) => (T::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())), None),
        T::Timestamp(TimeUnit::Nanosecond, None) => (field.data_type().clone(), None),
        T::Timestamp(_, zone) => (micros(zone), None),
        T::Time64(TimeUnit::Nanosecond) | T::Duration(_) => (T::Utf8View, Some("read as text")),
        nested if nested.is_nested() => {
            return ColumnType { read: nested.clone(), planned: T::Utf8View, remark: Some("read as JSON text".into()) };
        }
        other => (other.clone(), None),
    };
    ColumnType { planned: read.clone(), read, remark: remark.map(str::to_owned) }
}

/// The type that the option `type.<table>.<column>` names.
pub(crate) fn named_type(option: &str, name: &str) -> Result<DataType> {
    let lower = name.trim().to_ascii_lowercase();
    let decimal = lower.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')).and_then(|rest| {
        let (precision, scale) = rest.split_once(',').unwrap_or((rest, "0"));
        let (precision, scale): (u8, i8) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
        match precision {
            1..=38 if (0..=precision as i8).contains(&scale) => Some(DataType::Decimal128(precision, scale)),
            39..=76 if (0..=precision as i8).contains(&scale) => Some(DataType::Decimal256(precision, scale)),
            _ => None,
        }
    });
    decimal
        .or(match lower.as_str() {
            "text" => Some(DataType::Utf8View),
            "bigint" => Some(DataType::Int64),
            "double" => Some(DataType::Float64),
            "boolean" => Some(DataType::Boolean),
            "date" => Some(DataType::Date32),
            "timestamp" => Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
            "timestamptz" => Some(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            _ => None,
        })
        .ok_or_else(|| Error::InvalidOption {
            option: option.into(),
            reason: "is text, bigint, double, decimal(p,s), boolean, date, timestamp or timestamptz".into(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_keep_their_nanoseconds_and_nested_types_become_text() {
        let nanos = DataType::Timestamp(TimeUnit::Nanosecond, None);
        assert_eq!(column_type(&Field::new("c", nanos.clone(), true)).planned, nanos);
        let zoned = DataType::Timestamp(TimeUnit::Millisecond, Some("+02:00".into()));
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        assert_eq!(column_type(&Field::new("c", zoned, true)).planned, utc);
        let list = Field::new_list("c", Field::new("item", DataType::Int64, true), true);
        assert_eq!(column_type(&list).planned, DataType::Utf8View);
    }

    #[test]
    fn types_can_be_named() {
        assert_eq!(named_type("type.a.b", "decimal(12, 2)").expect("a type"), DataType::Decimal128(12, 2));
        assert!(named_type("type.a.b", "decimal(5,9)").is_err());
        assert!(named_type("type.a.b", "integer?").is_err());
    }
}
