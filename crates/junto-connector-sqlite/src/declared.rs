//! What type a column has, from its declaration or from an option.

use arrow::datatypes::{DataType, TimeUnit};

/// What the values of a column are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnType {
    Integer,
    Double,
    Boolean,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Text,
    Blob,
    Date,
    Time,
    /// Text, ISO 8601.
    Timestamp,
    /// Text, ISO 8601, an instant.
    TimestampUtc,
    /// Seconds since 1970, whole or with a fraction.
    UnixSeconds,
    UnixMilliseconds,
    /// Days since noon of 24 November 4714 BC.
    JulianDay,
}

/// What a declaration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declared {
    Type(ColumnType),
    /// `DECIMAL` or `NUMERIC` without precision: values decide.
    BareDecimal,
    /// No declaration: values decide.
    Nothing,
    /// A name that means nothing to us: read as text.
    Unknown,
}

/// SQLite's conversion of values that are stored in a column: <https://www.sqlite.org/datatype3.html>, section 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Affinity {
    Integer,
    Text,
    Blob,
    Real,
    Numeric,
}

impl Affinity {
    /// Affinity of a declared type.
    pub(crate) fn of(declaration: &str) -> Self {
        let upper = declaration.to_ascii_uppercase();
        let has = |part: &str| upper.contains(part);
        if has("INT") {
            Affinity::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Affinity::Text
        } else if has("BLOB") || upper.trim().is_empty() {
            Affinity::Blob
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Affinity::Real
        } else {
            Affinity::Numeric
        }
    }
}

impl Declared {
    /// Meaning of a declared type, such as `VARCHAR(20)` or `decimal(15, 2)`.
    pub(crate) fn of(declaration: &str) -> Self {
        let upper = declaration.trim().to_ascii_uppercase();
        let (name, arguments) = match upper.split_once('(') {
            Some((name, rest)) => (name.trim(), rest.split_once(')').map_or(rest, |(inside, _)| inside)),
            None => (upper.as_str(), ""),
        };
        let words: Vec<&str> = name.split_whitespace().collect();
        let known = |column_type| Declared::Type(column_type);
        match words.first().copied().unwrap_or_default() {
            "" => Declared::Nothing,
            "BOOL" | "BOOLEAN" => known(ColumnType::Boolean),
            "DATE" => known(ColumnType::Date),
            "TIME" => known(ColumnType::Time),
            "DATETIME" | "TIMESTAMP" if upper.contains("WITH TIME ZONE") => known(ColumnType::TimestampUtc),
            "DATETIME" | "TIMESTAMP" => known(ColumnType::Timestamp),
            "TIMESTAMPTZ" => known(ColumnType::TimestampUtc),
            "DECIMAL" | "NUMERIC" | "DEC" | "NUMBER" => decimal(arguments),
            "FLOATING" => known(ColumnType::Double),
            "JSON" | "UUID" | "POINT" => Declared::Unknown,
            _ => match Affinity::of(&upper) {
                Affinity::Integer => known(ColumnType::Integer),
                Affinity::Text => known(ColumnType::Text),
                Affinity::Blob => known(ColumnType::Blob),
                Affinity::Real => known(ColumnType::Double),
                Affinity::Numeric => Declared::Unknown,
            },
        }
    }
}

/// `15,2`, `15` or nothing. A precision beyond what Arrow holds counts as not given.
fn decimal(arguments: &str) -> Declared {
    let mut numbers = arguments.split(',').map(|number| number.trim().parse::<u8>());
    let precision = numbers.next().and_then(Result::ok);
    let scale = numbers.next().map_or(Some(0), Result::ok);
    match (precision, scale) {
        (Some(precision @ 1..=76), Some(scale)) if scale <= precision => {
            Declared::Type(ColumnType::Decimal { precision, scale })
        }
        _ => Declared::BareDecimal,
    }
}

impl ColumnType {
    pub(crate) const OPTION_NAMES: &str = "text, integer, double, boolean, decimal(p,s), date, time, timestamp, \
        timestamptz, unixepoch, unixepoch_ms, julianday, blob";

    /// The type that an option names.
    pub(crate) fn from_option(text: &str) -> Option<Self> {
        let lower = text.trim().to_ascii_lowercase();
        Some(match lower.as_str() {
            "text" => ColumnType::Text,
            "integer" => ColumnType::Integer,
            "double" => ColumnType::Double,
            "boolean" => ColumnType::Boolean,
            "date" => ColumnType::Date,
            "time" => ColumnType::Time,
            "timestamp" => ColumnType::Timestamp,
            "timestamptz" => ColumnType::TimestampUtc,
            "unixepoch" => ColumnType::UnixSeconds,
            "unixepoch_ms" => ColumnType::UnixMilliseconds,
            "julianday" => ColumnType::JulianDay,
            "blob" => ColumnType::Blob,
            _ => match Declared::of(lower.strip_prefix("decimal(").map(|_| lower.as_str())?) {
                Declared::Type(decimal @ ColumnType::Decimal { .. }) => decimal,
                _ => return None,
            },
        })
    }

    /// Name as in the option, for `source_type`.
    pub(crate) fn option_name(self) -> String {
        match self {
            ColumnType::Text => "text".into(),
            ColumnType::Integer => "integer".into(),
            ColumnType::Double => "double".into(),
            ColumnType::Boolean => "boolean".into(),
            ColumnType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
            ColumnType::Date => "date".into(),
            ColumnType::Time => "time".into(),
            ColumnType::Timestamp => "timestamp".into(),
            ColumnType::TimestampUtc => "timestamptz".into(),
            ColumnType::UnixSeconds => "unixepoch".into(),
            ColumnType::UnixMilliseconds => "unixepoch_ms".into(),
            ColumnType::JulianDay => "julianday".into(),
            ColumnType::Blob => "blob".into(),
        }
    }

    /// The Arrow type of the column.
    pub(crate) fn data_type(self) -> DataType {
        match self {
            ColumnType::Integer => DataType::Int64,
            ColumnType::Double => DataType::Float64,
            ColumnType::Boolean => DataType::Boolean,
            ColumnType::Decimal { precision: precision @ ..=38, scale } => DataType::Decimal128(precision, scale as i8),
            ColumnType::Decimal { precision, scale } => DataType::Decimal256(precision, scale as i8),
            ColumnType::Text => DataType::Utf8View,
            ColumnType::Blob => DataType::Binary,
            ColumnType::Date => DataType::Date32,
            ColumnType::Time => DataType::Time64(TimeUnit::Microsecond),
            ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            ColumnType::TimestampUtc
            | ColumnType::UnixSeconds
            | ColumnType::UnixMilliseconds
            | ColumnType::JulianDay => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    /// The column type behind a column of a plan. Its Arrow type alone does not say how a timestamp is stored; the
    /// source type does, after ` as `.
    pub(crate) fn of_plan(data_type: &DataType, source_type: Option<&str>) -> Option<Self> {
        let chosen =
            source_type.and_then(|text| text.rsplit_once(CHOSEN)).and_then(|(_, name)| Self::from_option(name));
        if let Some(chosen) = chosen.filter(|chosen| chosen.data_type() == *data_type) {
            return Some(chosen);
        }
        Some(match data_type {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => ColumnType::Integer,
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => ColumnType::Integer,
            DataType::Float32 | DataType::Float64 => ColumnType::Double,
            DataType::Boolean => ColumnType::Boolean,
            DataType::Decimal128(precision, scale @ 0..) | DataType::Decimal256(precision, scale @ 0..) => {
                ColumnType::Decimal { precision: *precision, scale: scale.unsigned_abs() }
            }
            DataType::Utf8View => ColumnType::Text,
            DataType::Binary => ColumnType::Blob,
            DataType::Date32 => ColumnType::Date,
            DataType::Time64(TimeUnit::Microsecond) => ColumnType::Time,
            DataType::Timestamp(TimeUnit::Microsecond, None) => ColumnType::Timestamp,
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => ColumnType::TimestampUtc,
            _ => return None,
        })
    }
}

/// Between a declaration and the type chosen instead of it: `INTEGER as unixepoch`.
pub(crate) const CHOSEN: &str = " as ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_mean_what_people_expect() {
        let column = |declaration| match Declared::of(declaration) {
            Declared::Type(column) => column.option_name(),
            other => format!("{other:?}"),
        };
        for (declaration, expected) in [
            ("INTEGER", "integer"),
            ("unsigned big int", "integer"),
            ("tinyint(1)", "integer"),
            ("VARCHAR(20)", "text"),
            ("nvarchar (20)", "text"),
            ("decimal(15, 2)", "decimal(15,2)"),
            ("NUMERIC(40,10)", "decimal(40,10)"),
            ("NUMERIC(5)", "decimal(5,0)"),
            ("NUMERIC", "BareDecimal"),
            ("DECIMAL(90,2)", "BareDecimal"),
            ("DECIMAL(2,5)", "BareDecimal"),
            ("double precision", "double"),
            ("FLOATING POINT", "double"),
            ("POINT", "Unknown"),
            ("STRING", "Unknown"),
            ("", "Nothing"),
            ("BLOB", "blob"),
            ("boolean", "boolean"),
            ("datetime", "timestamp"),
            ("timestamp with time zone", "timestamptz"),
        ] {
            assert_eq!(column(declaration), expected, "{declaration}");
        }
    }

    #[test]
    fn a_chosen_type_travels_in_the_source_type() {
        let utc = ColumnType::UnixSeconds.data_type();
        assert_eq!(ColumnType::of_plan(&utc, Some("INTEGER as unixepoch")), Some(ColumnType::UnixSeconds));
        assert_eq!(ColumnType::of_plan(&utc, None), Some(ColumnType::TimestampUtc));
        assert_eq!(ColumnType::of_plan(&DataType::Int64, Some("INTEGER as text")), Some(ColumnType::Integer));
    }
}
