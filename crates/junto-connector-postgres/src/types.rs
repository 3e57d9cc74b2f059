//! Which Arrow type each PostgreSQL type becomes, and what SQL makes the server send it that way.
//!
//! The rule: a column is decoded by its Arrow type alone, so whatever is not sent as that type by itself is cast to it
//! in the innermost SELECT. Types without an Arrow type of their own are cast to text, composites to JSON.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

use crate::decode::Encoding;
use crate::numeric_rules::decimal;

/// Object ids of built-in types; they never change (src/include/catalog/pg_type.dat).
pub(crate) mod oid {
    pub(crate) const BPCHAR: u32 = 1042;
    pub(crate) const JSONB: u32 = 3802;
    pub(crate) const NUMERIC: u32 = 1700;
    pub(crate) const UUID: u32 = 2950;
}

/// Marks a source type whose values are read as JSON.
pub(crate) const COMPOSITE: &str = " (composite)";
/// Precedes the name of a column's own collation in its source type.
pub(crate) const COLLATE: &str = " COLLATE ";
/// Scale of a numeric about which nothing is known: a view's, or an empty table's.
pub(crate) const UNKNOWN_SCALE: i8 = 20;

/// Built-in types with an Arrow type of their own, besides numeric and timestamptz.
const SCALARS: &[(u32, DataType)] = &[
    (16, DataType::Boolean),
    (17, DataType::Binary),
    (19, DataType::Utf8View),
    (20, DataType::Int64),
    (21, DataType::Int16),
    (23, DataType::Int32),
    (25, DataType::Utf8View),
    (OID, DataType::Int64),
    (114, DataType::Utf8View),
    (700, DataType::Float32),
    (701, DataType::Float64),
    (oid::BPCHAR, DataType::Utf8View),
    (1043, DataType::Utf8View),
    (1082, DataType::Date32),
    (1083, DataType::Time64(TimeUnit::Microsecond)),
    (1114, DataType::Timestamp(TimeUnit::Microsecond, None)),
    (1186, DataType::Interval(IntervalUnit::MonthDayNano)),
    (oid::UUID, DataType::Utf8View),
    (oid::JSONB, DataType::Utf8View),
];
const TIMESTAMPTZ: u32 = 1184;
/// Unsigned; read as a wider integer.
const OID: u32 = 26;

/// What the modifier of a numeric says; `None` for a bare numeric, and for one no decimal is wide enough for.
pub(crate) fn numeric_type(modifier: i32) -> Option<DataType> {
    let packed = modifier.checked_sub(4).filter(|packed| *packed >= 0)?;
    let precision = (packed >> 16) & 0xffff;
    // Eleven bits, signed since version 15.
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    let (precision, scale) = if scale < 0 { (precision - scale, 0) } else { (precision.max(scale), scale) };
    let fits = precision <= 76;
    fits.then(|| decimal(precision as u8, scale as i8))
}

/// The Arrow type of a built-in scalar, or none for those that are read as text.
pub(crate) fn scalar_type(type_oid: u32, modifier: i32) -> Option<DataType> {
    match type_oid {
        oid::NUMERIC => numeric_type(modifier),
        TIMESTAMPTZ => Some(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        _ => SCALARS.iter().find(|(scalar, _)| *scalar == type_oid).map(|(_, data_type)| data_type.clone()),
    }
}

/// The Arrow type of an array of one dimension whose elements have this type.
pub(crate) fn list_of(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(element, true)))
}

/// How a column of a native statement is read, which the server names by object id and modifier.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NativeType {
    pub(crate) data_type: DataType,
    pub(crate) encoding: Encoding,
    /// Asked for in binary; otherwise in text, which every type has.
    pub(crate) binary: bool,
}

/// How a column of a native statement is read; `None` for a bare numeric, whose scale its values decide. Arrays come
/// as text: nothing says in advance whether they have one dimension.
pub(crate) fn native_type(type_oid: u32, modifier: i32) -> Option<NativeType> {
    if type_oid == oid::NUMERIC && modifier < 4 {
        return None;
    }
    // The binary form of an oid is unsigned.
    Some(match scalar_type(type_oid, modifier).filter(|_| type_oid != OID) {
        Some(data_type) => {
            let encoding = match type_oid {
                oid::UUID => Encoding::Uuid,
                oid::JSONB => Encoding::Jsonb,
                oid::BPCHAR => Encoding::Padded,
                _ => Encoding::Plain,
            };
            NativeType { data_type, encoding, binary: true }
        }
        None => NativeType { data_type: DataType::Utf8View, encoding: Encoding::Plain, binary: false },
    })
}

/// The type without modifiers and collation: `timestamp(3) without time zone` is `timestamp without time zone`.
pub(crate) fn base_name(source_type: &str) -> String {
    let plain = source_type.split_once(COLLATE).map_or(source_type, |(plain, _)| plain);
    match (plain.find('('), plain.find(')')) {
        (Some(open), Some(close)) if open < close && !plain.ends_with(COMPOSITE) => {
            format!("{}{}", &plain[..open], &plain[close + 1..])
        }
        _ => plain.to_owned(),
    }
}

/// Whether the server sends this type by itself as the decoder of the Arrow type wants it.
fn is_sent_as(base: &str, data_type: &DataType) -> bool {
    match data_type {
        DataType::Boolean => base == "boolean",
        DataType::Int16 => base == "smallint",
        DataType::Int32 => base == "integer",
        DataType::Int64 => base == "bigint",
        DataType::Float32 => base == "real",
        DataType::Float64 => base == "double precision",
        DataType::Int8 | DataType::UInt8 => base == "smallint",
        DataType::UInt16 => base == "integer",
        DataType::UInt32 => base == "bigint",
        DataType::UInt64 | DataType::Decimal128(..) | DataType::Decimal256(..) => base == "numeric",
        DataType::Utf8View => matches!(base, "text" | "character varying" | "name"),
        DataType::Binary => base == "bytea",
        DataType::Date32 => base == "date",
        DataType::Time64(_) => base == "time without time zone",
        DataType::Timestamp(_, None) => base == "timestamp without time zone",
        DataType::Timestamp(_, Some(_)) => base == "timestamp with time zone",
        DataType::Interval(_) => base.starts_with("interval") && !base.ends_with(']'),
        DataType::List(field) => base.strip_suffix("[]").is_some_and(|element| is_sent_as(element, field.data_type())),
        _ => false,
    }
}

/// A column as it is read: its name, or a cast of it to what the decoder wants.
pub(crate) fn read_expression(source_type: &str, data_type: &DataType, column: &str) -> String {
    if source_type.ends_with(COMPOSITE) {
        return format!("to_json({column})::text");
    }
    // A cast to text would add the mask of a single address.
    if source_type == "inet" {
        return format!("abbrev({column})");
    }
    match sql_type(data_type) {
        Some(wanted) if !is_sent_as(&base_name(source_type), data_type) => format!("{column}::{wanted}"),
        _ => column.to_owned(),
    }
}

/// A column as it is compared: by itself where its own comparison can be used, so that an index can be too.
pub(crate) fn compared_expression(source_type: &str, data_type: &DataType, column: &str) -> String {
    if is_text(data_type) && (is_uuid(source_type) || is_padded(source_type)) {
        return column.to_owned();
    }
    read_expression(source_type, data_type, column)
}

/// Whether it is `uuid`.
pub(crate) fn is_uuid(source_type: &str) -> bool {
    source_type == "uuid"
}

/// Whether it is `character(n)`, whose own comparison ignores trailing spaces.
pub(crate) fn is_padded(source_type: &str) -> bool {
    base_name(source_type) == "character"
}

/// Whether it is text in Arrow.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The SQL type that is sent as the decoder of the Arrow type wants it; none where there is no decoder.
pub(crate) fn sql_type(data_type: &DataType) -> Option<String> {
    Some(match data_type {
        DataType::Boolean => "boolean".into(),
        DataType::Int16 => "smallint".into(),
        DataType::Int32 => "integer".into(),
        DataType::Int64 => "bigint".into(),
        DataType::Float32 => "real".into(),
        DataType::Float64 => "double precision".into(),
        DataType::Decimal128(..) | DataType::Decimal256(..) => "numeric".into(),
        DataType::Utf8View => "text".into(),
        DataType::Binary => "bytea".into(),
        DataType::Date32 => "date".into(),
        DataType::Time64(TimeUnit::Microsecond) => "time".into(),
        DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp".into(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamptz".into(),
        DataType::Interval(IntervalUnit::MonthDayNano) => "interval".into(),
        DataType::List(field) => format!("{}[]", sql_type(field.data_type())?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_modifiers() {
        let modifier = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + 4;
        assert_eq!(numeric_type(-1), None);
        assert_eq!(numeric_type(modifier(15, 2)), Some(DataType::Decimal128(15, 2)));
        assert_eq!(numeric_type(modifier(40, 0)), Some(DataType::Decimal256(40, 0)));
        assert_eq!(numeric_type(modifier(3, -2)), Some(DataType::Decimal128(5, 0)));
        assert_eq!(numeric_type(modifier(3, 5)), Some(DataType::Decimal128(5, 5)));
        assert_eq!(numeric_type(modifier(1000, 0)), None);
    }

    #[test]
    fn only_what_is_sent_otherwise_is_cast() {
        let check = |source: &str, data_type: DataType, expected: &str| {
            assert_eq!(read_expression(source, &data_type, "c"), expected, "{source}");
        };
        check("integer", DataType::Int32, "c");
        check("numeric(15,2)", DataType::Decimal128(15, 2), "c");
        check("timestamp(3) without time zone", DataType::Timestamp(TimeUnit::Microsecond, None), "c");
        check("character varying(25) COLLATE \"de_DE\"", DataType::Utf8View, "c");
        check("interval day to second(3)", DataType::Interval(IntervalUnit::MonthDayNano), "c");
        check("integer[]", list_of(DataType::Int32), "c");
        check("uuid[]", list_of(DataType::Utf8View), "c::text[]");
        check("character(3)", DataType::Utf8View, "c::text");
        check("us_postal_code", DataType::Int32, "c::integer");
        check("numeric", DataType::Float64, "c::double precision");
        check("address (composite)", DataType::Utf8View, "to_json(c)::text");
        assert_eq!(compared_expression("character(3)", &DataType::Utf8View, "c"), "c");
        assert_eq!(compared_expression("macaddr", &DataType::Utf8View, "c"), "c::text");
    }
}
