//! PostgreSQL alone, holding all tables, as a second opinion on the answers of a file marked `# oracle: postgres`.

use async_trait::async_trait;
use junto_testkit::postgres::Server;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType};

use crate::render;
use crate::script::{ALIASES, SOURCE_VARIABLE};

/// Runs the statements of a file without their aliases.
#[derive(Debug, Clone, Copy)]
pub struct Oracle {
    server: &'static Server,
    database: &'static str,
}

/// PostgreSQL's words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(String);

impl Oracle {
    /// PostgreSQL with the seed in `database`.
    pub fn new(server: &'static Server, database: &'static str) -> Self {
        Self { server, database }
    }
}

/// `@alias.table` becomes `table`: every source holds the same tables.
fn without_aliases(sql: &str) -> String {
    let aliases = ALIASES.iter().copied().chain([SOURCE_VARIABLE]);
    aliases.fold(sql.to_owned(), |sql, alias| sql.replace(&format!("@{alias}."), ""))
}

#[async_trait]
impl AsyncDB for Oracle {
    type Error = Refusal;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Refusal> {
        let answer = self.server.try_query(self.database, &without_aliases(sql)).map_err(Refusal)?;
        let cell = |cell: Option<String>| cell.map_or_else(|| "NULL".to_owned(), |text| render::visible(&text));
        let rows: Vec<Vec<String>> = answer.into_iter().map(|row| row.into_iter().map(cell).collect()).collect();
        let types = vec![DefaultColumnType::Any; rows.first().map_or(1, Vec::len)];
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &'static str {
        "postgres"
    }
}

/// Whether two rows say the same, PostgreSQL's spelling of booleans, instants and numbers forgiven.
pub fn same_row(actual: &str, expected: &str) -> bool {
    let (actual, expected): (Vec<&str>, Vec<&str>) =
        (actual.split_whitespace().collect(), expected.split_whitespace().collect());
    actual.len() == expected.len() && actual.iter().zip(&expected).all(|(actual, expected)| same_cell(actual, expected))
}

fn same_cell(actual: &str, expected: &str) -> bool {
    if actual == expected || matches!((actual, expected), ("t", "true") | ("f", "false")) {
        return true;
    }
    if actual.strip_suffix("+00").is_some_and(|instant| expected.strip_suffix('Z') == Some(instant)) {
        return true;
    }
    same_number(actual, expected)
}

/// Numbers may be written with more digits on one side; all digits of the shorter must agree, the last by one.
fn same_number(actual: &str, expected: &str) -> bool {
    let (Ok(a), Ok(b)) = (actual.parse::<f64>(), expected.parse::<f64>()) else { return false };
    let decimals = |text: &str| text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let unit = 10_f64.powi(-(decimals(actual).min(decimals(expected)) as i32));
    a == b || (a - b).abs() <= unit.min(a.abs() * 1e-9 + unit) && decimals(actual).min(decimals(expected)) > 0
}

#[cfg(test)]
mod tests {
    use super::same_row;

    #[test]
    fn spellings() {
        assert!(same_row("t 1.50000 2024-01-01 00:00:00+00", "true 1.5 2024-01-01 00:00:00Z"));
        assert!(same_row("0.33333333", "0.3333"));
        assert!(!same_row("2", "3"));
        assert!(!same_row("NULL", "0"));
        assert!(!same_row("1 2", "1"));
    }
}
