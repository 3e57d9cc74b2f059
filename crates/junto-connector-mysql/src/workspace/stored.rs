//! Which of the server's types holds the values of an Arrow type.

use arrow_schema::{DataType, Schema, TimeUnit};
use junto_connector::{Error, Result, TableInfo};
use junto_connector_sql::temporary::{StoredType, describe};
use junto_types::TableName;

use super::semantics;
use crate::DRIVER;
use crate::dialect::COLLATE;

/// Compares bytes, and ignores trailing blanks; the only such collation of servers before MySQL 8.
pub(super) const PADDING: &str = "utf8mb4_bin";

/// Most digits of a decimal.
const MOST_DIGITS: u8 = 65;

/// What a server and a connection can store.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    /// Where temporary tables are made.
    database: Option<String>,
    /// Of text columns.
    collation: &'static str,
    /// Most digits of a decimal after the point.
    most_places: i8,
}

impl Storage {
    /// For a server with this version, in its own words.
    pub(crate) fn new(database: Option<&str>, is_mariadb: bool, version: &str) -> Self {
        let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        let version = (next(), next(), next());
        let collation = match (is_mariadb, version) {
            (true, (10.., 2.., _) | (11.., ..)) => "utf8mb4_nopad_bin",
            (false, (8, 0, 17..) | (8, 1.., _) | (9.., ..)) => "utf8mb4_0900_bin",
            _ => PADDING,
        };
        let database = database.filter(|name| !name.is_empty()).map(str::to_owned);
        Self { database, collation, most_places: if is_mariadb { 38 } else { 30 } }
    }

    /// # Errors
    /// [`Error::Unsupported`] for a connection without a database: a temporary table has to be in one.
    pub(super) fn database(&self) -> Result<&str> {
        let what = "a temporary table on a connection without a database";
        self.database.as_deref().ok_or_else(|| Error::Unsupported { driver: DRIVER, what: what.into() })
    }

    /// Describes a temporary table.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for lists, intervals, wide decimals and other types without a counterpart.
    pub(crate) fn temporary_table(&self, name: &str, schema: &Schema) -> Result<TableInfo> {
        describe(DRIVER, TableName::new(self.database()?, name), schema, |data_type| self.stored(data_type))
    }

    /// Points in time are stored as `datetime`, which has all years, in a session whose time zone is UTC.
    fn stored(&self, data_type: &DataType) -> Option<StoredType> {
        use DataType as T;
        let name = match data_type {
            T::Boolean => "tinyint(1)",
            T::Int8 => "tinyint",
            T::Int16 => "smallint",
            T::Int32 => "int",
            T::Int64 => "bigint",
            T::UInt8 => "tinyint unsigned",
            T::UInt16 => "smallint unsigned",
            T::UInt32 => "int unsigned",
            T::UInt64 => "bigint unsigned",
            T::Float32 => "float",
            T::Float64 => "double",
            T::Decimal128(precision, scale) | T::Decimal256(precision, scale)
                if *precision <= MOST_DIGITS && (0..=self.most_places).contains(scale) =>
            {
                return Some(StoredType::exact(format!("decimal({precision},{scale})"), data_type));
            }
            T::Utf8View => {
                let source_type = format!("longtext{COLLATE}{}", self.collation);
                return Some(StoredType {
                    text: semantics(self.collation),
                    ..StoredType::exact(source_type, data_type)
                });
            }
            T::Binary => "longblob",
            T::Date32 => "date",
            T::Time64(TimeUnit::Microsecond) => "time(6)",
            T::Timestamp(TimeUnit::Microsecond, _) => "datetime(6)",
            _ => return None,
        };
        Some(StoredType::exact(name, data_type))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::Field;
    use junto_connector::TextSemantics;

    #[test]
    fn text_compares_by_bytes_where_the_server_can() {
        let text = |is_mariadb, version| {
            let schema = Schema::new(vec![Field::new("a", DataType::Utf8View, true)]);
            let table = Storage::new(Some("d"), is_mariadb, version).temporary_table("t", &schema).expect("text");
            (table.columns[0].source_type.clone(), table.columns[0].text)
        };
        assert_eq!(text(true, "10.11.6-MariaDB").0, "longtext collate utf8mb4_nopad_bin");
        assert_eq!(text(true, "11.0.2-MariaDB").1, TextSemantics::Binary);
        assert_eq!(text(false, "8.0.36").0, "longtext collate utf8mb4_0900_bin");
        assert_eq!(text(false, "8.4.0").1, TextSemantics::Binary);
        assert_eq!(text(false, "5.7.44-log"), ("longtext collate utf8mb4_bin".into(), TextSemantics::Loose));
    }

    #[test]
    fn a_connection_without_a_database_has_no_place() {
        let described = Storage::new(None, true, "10.11.6-MariaDB").temporary_table("t", &Schema::empty());
        assert!(matches!(described, Err(Error::Unsupported { .. })));
    }
}
