//! Estimates about tables, from ANALYZE and from the ends of indexes. Cheap: no scan.

use arrow::datatypes::DataType;
use junto_connector::{ColumnInfo, ColumnStatistics, Literal, Result, TableStatistics, TextSemantics};
use junto_connector_sql::standard::quote;

use crate::catalog::Catalog;

impl Catalog<'_> {
    /// From the last ANALYZE, else the highest rowid.
    pub(crate) fn row_estimate(&self, table: &str) -> Result<Option<u64>> {
        if let Some((rows, _)) = self.analyzed(table)?.into_iter().map(|(_, counts)| counts).max() {
            return Ok(Some(rows));
        }
        if self.is_without_rowid(table)? {
            return Ok(None);
        }
        let sql = format!("SELECT max(_rowid_) FROM main.{}", quote(table, '"'));
        let highest = self.connection.query_row(&sql, [], |row| row.get::<_, Option<i64>>(0));
        // A virtual table may have no rowid: then there is no estimate.
        Ok(highest.ok().map(|highest| highest.unwrap_or(0).max(0) as u64))
    }

    /// Index name, rows of the table, and rows per value of the index's first column, from `sqlite_stat1`.
    fn analyzed(&self, table: &str) -> Result<Vec<(Option<String>, (u64, u64))>> {
        let sql = "SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_stat1'";
        if self.rows(sql, [], |_| Ok(()))?.is_empty() {
            return Ok(Vec::new());
        }
        let lines = self.rows("SELECT idx, stat FROM main.sqlite_stat1 WHERE tbl = ?1", [table], |row| {
            Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?.unwrap_or_default()))
        })?;
        let parsed = lines.into_iter().filter_map(|(index, stat)| {
            let mut numbers = stat.split_whitespace().map_while(|number| number.parse::<u64>().ok());
            let rows = numbers.next()?;
            Some((index, (rows, numbers.next().unwrap_or(1).max(1))))
        });
        Ok(parsed.collect())
    }

    /// Estimates: rows, distinct values of indexed columns, and the ends of indexed integers.
    pub(crate) fn statistics(&self, table: &str) -> Result<TableStatistics> {
        let (_, kind, _) = self.find(table)?;
        if kind != "table" {
            return Ok(TableStatistics::rows_only(None));
        }
        let info = self.table(table)?;
        let rows = info.row_estimate;
        let analyzed = self.analyzed(table)?;
        let mut statistics = TableStatistics::rows_only(rows);
        for column in &info.columns {
            let name = column.name.as_str();
            let index = info.indexes.iter().find(|index| index.columns.first().is_some_and(|first| first == name));
            if index.is_none() && info.primary_key != [name] {
                continue;
            }
            let counted = index.and_then(|index| {
                let (_, (rows, per_value)) =
                    analyzed.iter().find(|(name, _)| name.as_deref() == Some(index.name.as_str()))?;
                Some(rows / per_value)
            });
            let (min, max) = self.ends(table, column);
            statistics.columns.push(ColumnStatistics {
                name: name.into(),
                distinct: if info.is_unique_on(&[name]) { rows } else { counted },
                min,
                max,
                ..ColumnStatistics::default()
            });
        }
        Ok(statistics)
    }

    /// Least and greatest value of an indexed integer column: two looks at the index.
    fn ends(&self, table: &str, column: &ColumnInfo) -> (Option<Literal>, Option<Literal>) {
        if column.data_type != DataType::Int64 || column.text != TextSemantics::Binary {
            return (None, None);
        }
        let end = |function: &str| {
            let sql = format!("SELECT {function}({}) FROM main.{}", quote(&column.name, '"'), quote(table, '"'));
            self.connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).ok().map(Literal::Int)
        };
        (end("min"), end("max"))
    }
}
