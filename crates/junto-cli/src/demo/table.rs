//! Tables of the demo as SQL that every database of it takes.

use std::fmt::Write;

/// A value; its SQL spelling is the same in all databases.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Text(String),
    /// Hundredths.
    Amount(i64),
    /// Days since 1970-01-01.
    Date(i64),
}

/// A table and its rows.
#[derive(Debug)]
pub(super) struct Table {
    /// `CREATE TABLE` and `CREATE INDEX` statements.
    pub(super) definition: &'static [&'static str],
    pub(super) name: &'static str,
    pub(super) rows: Vec<Vec<Value>>,
}

impl Table {
    const ROWS_PER_INSERT: usize = 1000;

    /// Statements that make and fill the table.
    pub(super) fn statements(&self) -> impl Iterator<Item = String> {
        let inserts = self.rows.chunks(Self::ROWS_PER_INSERT).map(|rows| self.insert(rows));
        self.definition.iter().map(|sql| (*sql).to_owned()).chain(inserts)
    }

    fn insert(&self, rows: &[Vec<Value>]) -> String {
        let mut sql = format!("INSERT INTO {} VALUES", self.name);
        for (at, row) in rows.iter().enumerate() {
            sql.push_str(if at == 0 { "\n(" } else { ",\n(" });
            for (at, value) in row.iter().enumerate() {
                sql.push_str(if at == 0 { "" } else { ", " });
                value.write(&mut sql);
            }
            sql.push(')');
        }
        sql
    }
}

impl Value {
    fn write(&self, sql: &mut String) {
        let written = match self {
            Value::Null => write!(sql, "NULL"),
            Value::Integer(number) => write!(sql, "{number}"),
            Value::Text(text) => write!(sql, "'{}'", text.replace('\'', "''")),
            Value::Amount(cents) => {
                let sign = if *cents < 0 { "-" } else { "" };
                write!(sql, "{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
            }
            Value::Date(days) => {
                let mut date = Vec::new();
                crate::output::write_date(*days, &mut date);
                write!(sql, "'{}'", String::from_utf8_lossy(&date))
            }
        };
        written.expect("a String takes everything");
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Integer(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_every_value() {
        let values =
            vec![Value::Null, 7.into(), "O'Hara".into(), Value::Amount(1905), Value::Amount(-5), Value::Date(0)];
        let table = Table { definition: &["CREATE TABLE t (x)"], name: "t", rows: vec![values] };
        let statements: Vec<String> = table.statements().collect();
        assert_eq!(
            statements,
            ["CREATE TABLE t (x)", "INSERT INTO t VALUES\n(NULL, 7, 'O''Hara', 19.05, -0.05, '1970-01-01')"]
        );
    }
}
