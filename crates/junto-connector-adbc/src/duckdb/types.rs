//! DuckDB's types and how they are read. The table for people is `docs/types/duckdb.md`.

use arrow::datatypes::{DataType, Field, TimeUnit};

use crate::convert::natural;

/// How a column's value leaves DuckDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// In the type it has.
    Plain,
    /// As DuckDB's own text of it.
    Text,
    /// As JSON text.
    Json,
}

/// How a column of DuckDB type `source_type` must be read to arrive as `planned`.
pub(super) fn reading(source_type: &str, planned: &DataType) -> Reading {
    if *planned != DataType::Utf8View || is_text(source_type) {
        Reading::Plain
    } else if is_nested(source_type) {
        Reading::Json
    } else {
        Reading::Text
    }
}

/// The planned type of a column that the driver delivers as `field`, and why it holds less than the source's type.
pub(super) fn planned(source_type: &str, field: &Field, as_text: bool) -> (DataType, Option<String>) {
    if as_text {
        return (DataType::Utf8View, Some("read as text, by the connection's options".into()));
    }
    if is_nested(source_type) {
        return (DataType::Utf8View, Some("read as JSON text".into()));
    }
    let data_type = natural(field);
    let remark = match &data_type {
        DataType::Utf8View if is_text(source_type) || source_type == "JSON" => None,
        DataType::Utf8View if source_type == "UUID" || source_type.starts_with("ENUM") => None,
        DataType::Utf8View => Some("read as text".into()),
        other if is_known(other) => None,
        _ => return (DataType::Utf8View, Some("read as text".into())),
    };
    (data_type, remark)
}

/// Arrow types that every part of Junto handles. Others are read as text.
fn is_known(data_type: &DataType) -> bool {
    use DataType as T;
    data_type.is_integer()
        || matches!(data_type, T::Boolean | T::Float32 | T::Float64 | T::Decimal128(..) | T::Decimal256(..))
        || matches!(data_type, T::Binary | T::Time64(TimeUnit::Microsecond) | T::Interval(_) | T::Utf8View)
        || matches!(data_type, T::Date32 | T::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, _))
}

fn is_text(source_type: &str) -> bool {
    source_type == "VARCHAR"
}

fn is_nested(source_type: &str) -> bool {
    source_type.ends_with(']') || ["STRUCT(", "MAP(", "UNION("].iter().any(|start| source_type.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_types_are_json_and_unknown_ones_text() {
        let list = Field::new_list("l", Field::new("l", DataType::Int32, true), true);
        assert_eq!(planned("INTEGER[]", &list, false).0, DataType::Utf8View);
        assert_eq!(reading("STRUCT(a INTEGER)[2]", &DataType::Utf8View), Reading::Json);
        assert_eq!(reading("UUID", &DataType::Utf8View), Reading::Text);
        assert_eq!(reading("VARCHAR", &DataType::Utf8View), Reading::Plain);
        assert_eq!(reading("INTEGER", &DataType::Int32), Reading::Plain);
        let nanos = Field::new("t", DataType::Time64(TimeUnit::Nanosecond), true);
        assert_eq!(planned("TIME_NS", &nanos, false).0, DataType::Utf8View);
    }
}
