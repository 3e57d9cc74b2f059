//! Types of the server and the Arrow types they are read as. The table for users is `docs/types/mysql.md`.

use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use junto_connector::TextSemantics;

use crate::settings::{TimeAs, TypeSettings, ZeroDates};

/// Most digits of a decimal on any server.
const MAX_DIGITS: u8 = 65;

/// What the catalog says about the type of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeclaredType<'a> {
    /// For example `decimal(15,2)`, `int(10) unsigned`, `enum('a','b')`.
    pub(crate) column_type: &'a str,
    /// None for everything but text.
    pub(crate) collation: Option<&'a str>,
    /// The user wants text.
    pub(crate) as_text: bool,
}

/// What a column is read as.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReadType {
    pub(crate) data_type: DataType,
    pub(crate) text: TextSemantics,
    /// The value can be NULL though the column says NOT NULL.
    pub(crate) can_become_null: bool,
    pub(crate) remark: Option<String>,
}

impl ReadType {
    fn exact(data_type: DataType) -> Self {
        Self { data_type, text: TextSemantics::Binary, can_become_null: false, remark: None }
    }

    /// Another type shown as text: the server compares something else than that text.
    fn rendered(remark: Option<&str>) -> Self {
        Self { text: TextSemantics::Opaque, remark: remark.map(str::to_owned), ..Self::exact(DataType::Utf8View) }
    }
}

/// The Arrow type of a column.
pub(crate) fn read_type(declared: DeclaredType<'_>, settings: &TypeSettings) -> ReadType {
    let spelled = declared.column_type.to_ascii_lowercase();
    let name_end = spelled.find(['(', ' ']).unwrap_or(spelled.len());
    let (name, rest) = spelled.split_at(name_end);
    let is_unsigned = rest.contains("unsigned");
    let of = |signed, unsigned| ReadType::exact(if is_unsigned { unsigned } else { signed });
    if declared.as_text && !is_text(name) {
        return ReadType::rendered(Some("read as text, as the connection's option says"));
    }
    match name {
        "tinyint" if settings.tinyint1_is_boolean && rest.starts_with("(1)") && !is_unsigned => {
            ReadType::exact(DataType::Boolean)
        }
        "tinyint" => of(DataType::Int8, DataType::UInt8),
        "smallint" => of(DataType::Int16, DataType::UInt16),
        "mediumint" | "int" => of(DataType::Int32, DataType::UInt32),
        "bigint" => of(DataType::Int64, DataType::UInt64),
        "year" => ReadType::exact(DataType::Int16),
        "decimal" => decimal(rest),
        "float" => ReadType::exact(DataType::Float32),
        "double" => ReadType::exact(DataType::Float64),
        "bit" if rest.starts_with("(1)") && !settings.bit1_is_integer => ReadType::exact(DataType::Boolean),
        "bit" => ReadType::exact(DataType::UInt64),
        "date" => temporal(DataType::Date32, settings),
        "datetime" => temporal(DataType::Timestamp(TimeUnit::Microsecond, None), settings),
        "timestamp" => temporal(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), settings),
        "time" => match settings.time {
            TimeAs::Interval => ReadType::exact(DataType::Interval(IntervalUnit::MonthDayNano)),
            TimeAs::Time => ReadType::exact(DataType::Time64(TimeUnit::Microsecond)),
            TimeAs::Text => ReadType::rendered(None),
        },
        name if is_text(name) => {
            ReadType { text: semantics(declared.collation), ..ReadType::exact(DataType::Utf8View) }
        }
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => ReadType::exact(DataType::Binary),
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
        | "geometrycollection" | "geomcollection" => ReadType {
            remark: Some("bytes as stored: four of SRID, then WKB".into()),
            ..ReadType::exact(DataType::Binary)
        },
        "vector" => ReadType {
            remark: Some("bytes as stored: little-endian 32-bit floats".into()),
            ..ReadType::exact(DataType::Binary)
        },
        "json" | "uuid" | "inet4" | "inet6" => ReadType::rendered(None),
        _ => ReadType::rendered(Some("a type that Junto does not know, read as text")),
    }
}

fn is_text(name: &str) -> bool {
    matches!(name, "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set")
}

fn decimal(rest: &str) -> ReadType {
    let inside = rest.trim_start_matches('(').split(')').next().unwrap_or_default();
    let mut numbers = inside.split(',').map(|number| number.trim().parse::<u8>());
    let precision = numbers.next().and_then(Result::ok).unwrap_or(10).clamp(1, MAX_DIGITS);
    let scale = numbers.next().and_then(Result::ok).unwrap_or(0).min(precision) as i8;
    ReadType::exact(if precision <= 38 {
        DataType::Decimal128(precision, scale)
    } else {
        DataType::Decimal256(precision, scale)
    })
}

fn temporal(data_type: DataType, settings: &TypeSettings) -> ReadType {
    match settings.zero_dates {
        ZeroDates::Text => ReadType::rendered(None),
        ZeroDates::Error => ReadType { can_become_null: true, ..ReadType::exact(data_type) },
        ZeroDates::Null => {
            let remark = Some("dates with a zero in them are read as NULL".into());
            ReadType { can_become_null: true, remark, ..ReadType::exact(data_type) }
        }
    }
}

/// Collations that compare code points and do not pad compare as UTF-8 bytes do.
fn semantics(collation: Option<&str>) -> TextSemantics {
    match collation {
        Some("utf8mb4_nopad_bin" | "utf8mb4_0900_bin") => TextSemantics::Binary,
        _ => TextSemantics::Loose,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(column_type: &str) -> ReadType {
        let collation = Some("utf8mb4_general_ci");
        read_type(DeclaredType { column_type, collation, as_text: false }, &TypeSettings::default())
    }

    #[test]
    fn numbers_keep_their_width_and_sign() {
        assert_eq!(read("tinyint(1)").data_type, DataType::Int8);
        assert_eq!(read("int(10) unsigned zerofill").data_type, DataType::UInt32);
        assert_eq!(read("bigint unsigned").data_type, DataType::UInt64);
        assert_eq!(read("decimal(15,2)").data_type, DataType::Decimal128(15, 2));
        assert_eq!(read("decimal(65,30) unsigned").data_type, DataType::Decimal256(65, 30));
    }

    #[test]
    fn text_compares_loosely_unless_its_collation_is_that_of_bytes() {
        assert_eq!(read("varchar(20)").text, TextSemantics::Loose);
        assert_eq!(read("uuid").text, TextSemantics::Opaque);
        let declared = DeclaredType { column_type: "text", collation: Some("utf8mb4_nopad_bin"), as_text: false };
        assert_eq!(read_type(declared, &TypeSettings::default()).text, TextSemantics::Binary);
    }

    #[test]
    fn unknown_types_are_text_with_a_remark() {
        let unknown = read("hyperloglog(12)");
        assert_eq!((unknown.data_type, unknown.remark.is_some()), (DataType::Utf8View, true));
    }
}
