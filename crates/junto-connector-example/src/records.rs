//! The file format: what this source reads.
//!
//! ```text
//! # id integer
//! # name text
//!
//! id = 1
//! name = Ada
//!
//! id = 2
//! ```
//!
//! Lines with `#` declare columns; each block of lines after that is a row; a column without a line is NULL.

use std::path::Path;

use arrow::datatypes::DataType;
use junto_connector::{Error, Result};

/// A cell; `None` is NULL.
pub(crate) type Cell = Option<Value>;

/// A value that is not NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Integer(i64),
    Text(String),
}

impl Value {
    pub(crate) fn as_integer(&self) -> Option<i64> {
        match self {
            Value::Integer(value) => Some(*value),
            Value::Text(_) => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Integer(_) => None,
        }
    }
}

/// A table in memory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    /// Name and type.
    pub(crate) columns: Vec<(String, DataType)>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> Result<Records> {
    let text = std::fs::read_to_string(path).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => Error::FileNotFound { path: path.display().to_string() },
        std::io::ErrorKind::InvalidData => {
            Error::WrongFileType { path: path.display().to_string(), expected: "text file in UTF-8" }
        }
        _ => Error::PermissionDenied { reason: format!("{}: {cause}", path.display()) },
    })?;
    parse(&text)
}

fn parse(text: &str) -> Result<Records> {
    let mut records = Records::default();
    // No row is begun yet.
    let mut in_row = false;
    for line in text.lines().map(str::trim) {
        if let Some(declaration) = line.strip_prefix('#') {
            records.columns.push(declared(declaration)?);
        } else if line.is_empty() {
            in_row = false;
        } else {
            if !in_row {
                records.rows.push(vec![None; records.columns.len()]);
                in_row = true;
            }
            let (at, value) = cell(line, &records.columns, records.rows.len())?;
            if let Some(cell) = records.rows.last_mut().and_then(|row| row.get_mut(at)) {
                *cell = Some(value);
            }
        }
    }
    Ok(records)
}

fn declared(declaration: &str) -> Result<(String, DataType)> {
    let data_type = |name: &str| match name {
        "integer" => Some(DataType::Int64),
        // Text is Utf8View everywhere in Junto.
        "text" => Some(DataType::Utf8View),
        _ => None,
    };
    declaration
        .trim()
        .rsplit_once(' ')
        .and_then(|(name, type_name)| Some((name.trim().to_owned(), data_type(type_name)?)))
        .ok_or_else(|| Error::statement(format!("`#{declaration}` declares no column: write `# name integer`")))
}

/// Position and value of one line. A value that cannot be read is an error that names the row, never a NULL.
fn cell(line: &str, columns: &[(String, DataType)], row: usize) -> Result<(usize, Value)> {
    let failed = |column: &str, reason: String| Error::Decode {
        column: column.into(),
        row: Some(row as u64),
        reason,
        hint: Some("correct the file".into()),
    };
    let (name, text) = line.split_once('=').ok_or_else(|| failed(line, "has no `=`".into()))?;
    let (name, text) = (name.trim(), text.trim());
    let at = columns.iter().position(|(column, _)| column == name);
    let at = at.ok_or_else(|| failed(name, "is not declared".into()))?;
    let value = match columns[at].1 {
        DataType::Int64 => Value::Integer(text.parse().map_err(|_| failed(name, format!("`{text}` is no integer")))?),
        _ => Value::Text(text.to_owned()),
    };
    Ok((at, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rows_and_says_which_is_wrong() {
        let records = parse("# id integer\n# name text\n\nid = 1\nname = Ada = first\n\n\nid = 2\n").expect("valid");
        assert_eq!(records.columns, [("id".into(), DataType::Int64), ("name".into(), DataType::Utf8View)]);
        let ada = Value::Text("Ada = first".into());
        assert_eq!(records.rows, [vec![Some(Value::Integer(1)), Some(ada)], vec![Some(Value::Integer(2)), None]]);
        let message = |text: &str| parse(text).expect_err("invalid").to_string();
        assert_eq!(message("# id integer\n\nid = x"), "column `id`, row 1: `x` is no integer");
        assert_eq!(message("# id integer\n\nid = 1\n\nno = 1"), "column `no`, row 2: is not declared");
        assert_eq!(message("# id\n"), "`# id` declares no column: write `# name integer`");
    }
}
