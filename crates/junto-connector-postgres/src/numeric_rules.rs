//! How numbers are read whose column does not say their scale, as the options decide.

use std::collections::HashMap;

use arrow::datatypes::DataType;
use junto_connector::{Error, Options, Result};

/// What an option says of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadAs {
    Text,
    Double,
    Decimal { precision: u8, scale: i8 },
}

impl ReadAs {
    /// The Arrow type.
    pub(crate) fn data_type(self) -> DataType {
        match self {
            ReadAs::Text => DataType::Utf8View,
            ReadAs::Double => DataType::Float64,
            ReadAs::Decimal { precision, scale } => decimal(precision, scale),
        }
    }
}

/// The decimal type of least width.
pub(crate) fn decimal(precision: u8, scale: i8) -> DataType {
    if precision <= 38 { DataType::Decimal128(precision, scale) } else { DataType::Decimal256(precision, scale) }
}

/// The options `numeric` and `type.…`.
#[derive(Debug, Clone, Default)]
pub(crate) struct NumericRules {
    /// For every bare numeric; `None` is `auto`.
    bare: Option<ReadAs>,
    /// By `schema.table.column`.
    columns: HashMap<String, ReadAs>,
}

impl NumericRules {
    pub(crate) fn parse(options: &Options) -> Result<Self> {
        let bare = match options.text("numeric") {
            None | Some("auto") => None,
            Some(text) => Some(read_as("numeric", text)?),
        };
        let column = |(name, text): (&str, &str)| Ok((name.to_owned(), read_as(&format!("type.{name}"), text)?));
        Ok(Self { bare, columns: options.entries("type").map(column).collect::<Result<_>>()? })
    }

    /// What the options say of one column.
    pub(crate) fn column(&self, schema: &str, table: &str, column: &str) -> Option<ReadAs> {
        self.columns.get(&format!("{schema}.{table}.{column}")).copied()
    }

    /// What the options say of every numeric without precision.
    pub(crate) fn bare(&self) -> Option<ReadAs> {
        self.bare
    }
}

fn read_as(option: &str, text: &str) -> Result<ReadAs> {
    let invalid =
        || Error::InvalidOption { option: option.into(), reason: "is `text`, `double` or `decimal(p,s)`".into() };
    match text.trim() {
        "text" => return Ok(ReadAs::Text),
        "double" => return Ok(ReadAs::Double),
        _ => {}
    }
    let inside = text.trim().strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(invalid)?;
    let (precision, scale) = inside.split_once(',').unwrap_or((inside, "0"));
    let precision: u8 = precision.trim().parse().map_err(|_| invalid())?;
    let scale: i8 = scale.trim().parse().map_err(|_| invalid())?;
    let fits = (1..=76).contains(&precision) && scale >= 0 && scale.unsigned_abs() <= precision;
    if fits { Ok(ReadAs::Decimal { precision, scale }) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_and_refuses_the_rest() {
        assert_eq!(read_as("o", "text").expect("valid"), ReadAs::Text);
        assert_eq!(read_as("o", "decimal(50, 4)").expect("valid").data_type(), DataType::Decimal256(50, 4));
        assert_eq!(read_as("o", "decimal(9)").expect("valid").data_type(), DataType::Decimal128(9, 0));
        for wrong in ["", "decimal", "decimal(77,0)", "decimal(2,3)", "decimal(2,-1)", "float"] {
            assert!(read_as("o", wrong).is_err(), "{wrong}");
        }
    }
}
