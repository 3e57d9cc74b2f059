//! Whether several snapshots show one state.
//!
//! Neither MySQL nor MariaDB lets connections share a snapshot. But tables that nobody changed between the first
//! snapshot and the last look the same in all of them, and the servers keep the time of the last change of each table.
//! It is whole seconds, so a change that is younger than [`SETTLED`] could hide another. It is written with the commit, a
//! moment after the change became visible; the question comes a round trip later.

use junto_connector_sql::standard::text_literal;
use junto_types::TableName;

use crate::pool::TextRows;

/// The age from which on a time of change tells of the last change. More than a second and a bit.
const SETTLED: &str = "INTERVAL 2 SECOND";

/// When tables were last changed, as the server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChangeTimes {
    lines: Vec<Vec<Option<String>>>,
}

impl ChangeTimes {
    /// The question; one line per table, in this order. No time at all means: not changed since the server has known the
    /// table.
    pub(super) fn question(tables: &[TableName]) -> String {
        let line = |(at, table): (usize, &TableName)| {
            format!(
                "SELECT {at}, CAST(UPDATE_TIME AS CHAR), CAST(CREATE_TIME AS CHAR), \
                 CAST(UPDATE_TIME IS NULL OR UPDATE_TIME < NOW() - {SETTLED} AS CHAR) FROM information_schema.TABLES \
                 WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
                text_literal(table.schema.as_deref().unwrap_or_default()),
                text_literal(&table.table)
            )
        };
        tables.iter().enumerate().map(line).collect::<Vec<_>>().join(" UNION ALL ")
    }

    /// The answer.
    pub(super) fn new(answer: TextRows) -> Self {
        let mut lines = answer.rows;
        lines.sort();
        Self { lines }
    }

    /// The first table that changes or whose changes are unknown, given what the same question brought before.
    pub(super) fn unsettled<'a>(&self, before: &Self, tables: &'a [TableName]) -> Option<&'a TableName> {
        let is_settled = |at: usize| {
            let of = |times: &Self| times.line(at).cloned();
            let line = of(self);
            line.is_some() && line == of(before) && line.is_some_and(|line| line.last() == Some(&Some("1".into())))
        };
        tables.iter().enumerate().find(|(at, _)| !is_settled(*at)).map(|(_, table)| table)
    }

    fn line(&self, table: usize) -> Option<&Vec<Option<String>>> {
        let number = Some(table.to_string());
        self.lines.iter().find(|line| line.first() == Some(&number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(lines: &[[Option<&str>; 4]]) -> ChangeTimes {
        let rows = lines.iter().map(|line| line.iter().map(|cell| cell.map(str::to_owned)).collect()).collect();
        ChangeTimes::new(TextRows { columns: Vec::new(), rows })
    }

    #[test]
    fn only_tables_whose_times_stand_still_are_settled() {
        let tables = [TableName::new("s", "a"), TableName::new("s", "b")];
        let old = [Some("0"), Some("2024-01-01 00:00:00"), Some("x"), Some("1")];
        let never = [Some("1"), None, Some("x"), Some("1")];
        let quiet = times(&[never, old]);
        assert_eq!(quiet.unsettled(&quiet, &tables), None);
        let young = times(&[old, [Some("1"), Some("2024-01-01 00:00:09"), Some("x"), Some("0")]]);
        assert_eq!(young.unsettled(&quiet, &tables), Some(&tables[1]));
        assert_eq!(young.unsettled(&young, &tables), Some(&tables[1]), "too young to tell");
        assert_eq!(times(&[old]).unsettled(&quiet, &tables), Some(&tables[1]), "the server says nothing");
    }
}
