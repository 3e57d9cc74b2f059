//! Into which parts a plan's first table is cut, and whether that saves anything.

use junto_connector::{Keys, RemotePlan, Result, TypeClass, Workers};
use junto_connector_sql::parts::ranges;
use junto_connector_sql::standard::quote;
use junto_connector_sql::{FIRST_TABLE, KeyValues, generate};

use crate::catalog::Catalog;
use crate::dialect::SqliteDialect;

/// Tables with fewer rows are read faster than threads start.
const FEW_ROWS: u64 = 50_000;
/// Parts per thread: enough that none waits long for the last one to end.
const PARTS_PER_THREAD: usize = 8;
/// Names of the rowid, where no column has them. <https://www.sqlite.org/lang_createtable.html>, section 5.
const ROWID_NAMES: [&str; 3] = ["rowid", "_rowid_", "oid"];

/// Fewer keys are looked up faster than threads start.
const FEW_KEYS: usize = 2_000;
/// Keys of a part, at least.
const PART_KEYS: usize = 500;

/// What one thread reads at a time.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// The rows of the first table for which this holds.
    Rows(String),
    /// The rows with these keys.
    Keys(Keys),
}

/// Whether several threads may look up keys: those that are many. Only whole numbers: of texts and decimals several may be
/// equal to one value of the table, which would come once for each list.
pub(crate) fn may_be_listed(plan: &RemotePlan, keys: &Keys) -> bool {
    let types = plan.root.types();
    let is_whole = |column: &usize| types.get(*column).is_some_and(|found| TypeClass::of(found) == TypeClass::Int);
    keys.values.num_rows() >= FEW_KEYS && keys.columns.iter().all(is_whole)
}

impl Catalog<'_> {
    /// Lists of `keys`, which [`may_be_listed`], for several threads. None where SQLite does not find their rows by an index
    /// of the first table.
    pub(crate) fn lists(&self, plan: &RemotePlan, keys: &Keys, workers: Workers) -> Result<Vec<Part>> {
        let size = keys.values.num_rows().div_ceil(workers.most * PARTS_PER_THREAD).max(PART_KEYS);
        let Some(first) = keys.lists(1).next() else { return Ok(Vec::new()) };
        let sql = generate(&SqliteDialect, plan, Some(KeyValues::Values(&first)))?;
        let by_index = is_search_of_first_table(&self.steps(&sql)?);
        Ok(if by_index { keys.lists(size).map(Part::Keys).collect() } else { Vec::new() })
    }

    /// Conditions on the first table of the plan, `table`, that share out its rows. None where one thread is as good: the
    /// table is small or has no rowid, or the plan does not read it from end to end.
    pub(crate) fn parts(&self, plan: &RemotePlan, table: &str, workers: Workers) -> Result<Vec<Part>> {
        let Some(rowid) = self.rowid(table)? else { return Ok(Vec::new()) };
        let Some((low, high)) = self.bounds(table, &rowid)? else { return Ok(Vec::new()) };
        let rows = self.row_estimate(table)?.unwrap_or_default().min(high.abs_diff(low).saturating_add(1));
        if rows < FEW_ROWS || !self.scans_whole(plan)? {
            return Ok(Vec::new());
        }
        let condition = |range: (Option<i64>, Option<i64>)| {
            let from = range.0.map(|from| format!("{FIRST_TABLE}.{rowid} >= {from}"));
            let to = range.1.map(|to| format!("{FIRST_TABLE}.{rowid} < {to}"));
            Part::Rows(from.into_iter().chain(to).collect::<Vec<_>>().join(" AND "))
        };
        Ok(ranges(low, high, workers.most * PARTS_PER_THREAD).into_iter().map(condition).collect())
    }

    /// What the rowid of a table is called there; none for views, virtual tables, tables without rowid and those whose
    /// columns took all its names.
    fn rowid(&self, table: &str) -> Result<Option<String>> {
        let (_, kind, _) = self.find(table)?;
        if kind != "table" || self.is_without_rowid(table)? {
            return Ok(None);
        }
        let sql = "SELECT name FROM pragma_table_xinfo(?1, 'main')";
        let columns: Vec<String> = self.rows(sql, [table], |row| row.get(0))?;
        let is_free = |name: &&str| !columns.iter().any(|column| column.eq_ignore_ascii_case(name));
        Ok(ROWID_NAMES.into_iter().find(is_free).map(str::to_owned))
    }

    /// Least and greatest rowid, each from an end of the table.
    fn bounds(&self, table: &str, rowid: &str) -> Result<Option<(i64, i64)>> {
        let from = format!("FROM main.{}", quote(table, '"'));
        let sql = format!("SELECT (SELECT min({rowid}) {from}), (SELECT max({rowid}) {from})");
        let ends = self.rows(&sql, [], |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?)))?;
        Ok(ends.into_iter().find_map(|(low, high)| Some((low?, high?))))
    }

    /// Whether SQLite reads the first table from end to end, as the outermost loop, and nothing else that every part
    /// would do again.
    fn scans_whole(&self, plan: &RemotePlan) -> Result<bool> {
        Ok(is_scan_of_first_table(&self.steps(&generate(&SqliteDialect, plan, None)?)?))
    }

    /// How SQLite would run a statement.
    fn steps(&self, sql: &str) -> Result<Vec<(i64, String)>> {
        self.rows(&format!("EXPLAIN QUERY PLAN {sql}"), [], |row| Ok((row.get(1)?, row.get(3)?)))
    }
}

/// Steps are lines of EXPLAIN QUERY PLAN: number of the step around it, and words. A bare `count(*)` is no scan: its step
/// does not use the alias, and counts pages faster than threads start.
/// <https://www.sqlite.org/eqp.html>
fn is_scan_of_first_table(steps: &[(i64, String)]) -> bool {
    let scan = format!("SCAN {FIRST_TABLE}");
    drives(steps, |words| words == scan)
}

/// As above, for rows of the first table that an index, or the rowid, finds.
fn is_search_of_first_table(steps: &[(i64, String)]) -> bool {
    let search = format!("SEARCH {FIRST_TABLE} USING ");
    drives(steps, |words| words.starts_with(&search))
}

/// Whether the step that `is_first` means is the outermost loop, and every part would do nothing else again.
fn drives(steps: &[(i64, String)], is_first: impl Fn(&str) -> bool) -> bool {
    let is_loop = |words: &str| words.starts_with("SCAN ") || words.starts_with("SEARCH ");
    let Some((around, _)) = steps.iter().find(|(_, words)| is_first(words)) else { return false };
    let outermost = steps.iter().find(|(other, words)| other == around && is_loop(words));
    let is_repeated = |words: &str| {
        let reads_all = words.starts_with("SCAN ") && !is_first(words);
        words.contains("AUTOMATIC") || words.starts_with("MATERIALIZE") || reads_all
    };
    outermost.is_some_and(|(_, words)| is_first(words)) && !steps.iter().any(|(_, words)| is_repeated(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(steps: &[(i64, &str)]) -> Vec<(i64, String)> {
        steps.iter().map(|(around, words)| (*around, (*words).into())).collect()
    }

    #[test]
    fn only_a_table_read_from_end_to_end_is_worth_parts() {
        let is_worth = |steps: &[(i64, &str)]| is_scan_of_first_table(&owned(steps));
        assert!(is_worth(&[(0, "SCAN t0"), (0, "USE TEMP B-TREE FOR GROUP BY")]));
        assert!(is_worth(&[(0, "SCAN t0"), (0, "SEARCH t1 USING INTEGER PRIMARY KEY (rowid=?)")]));
        assert!(!is_worth(&[(0, "MATERIALIZE t2"), (2, "SCAN t3"), (0, "SCAN t0"), (0, "SEARCH t2")]));
        assert!(!is_worth(&[(0, "SCAN t0 USING COVERING INDEX i")]));
        assert!(!is_worth(&[(0, "SEARCH t0 USING INDEX i (a=?)")]));
        assert!(!is_worth(&[(0, "SEARCH t0 USING INTEGER PRIMARY KEY (rowid>?)")]));
        assert!(!is_worth(&[(0, "SCAN t1"), (0, "SCAN t0")]));
        assert!(!is_worth(&[(0, "SCAN t0"), (0, "SEARCH t1 USING AUTOMATIC COVERING INDEX (a=?)")]));
        assert!(!is_worth(&[]));
    }

    #[test]
    fn only_keys_that_an_index_finds_are_worth_lists() {
        let is_worth = |steps: &[(i64, &str)]| is_search_of_first_table(&owned(steps));
        assert!(is_worth(&[(0, "SEARCH t0 USING INTEGER PRIMARY KEY (rowid=?)")]));
        assert!(is_worth(&[(0, "SEARCH t0 USING COVERING INDEX i (a=?)"), (0, "SEARCH t1 USING INDEX j (b=?)")]));
        assert!(!is_worth(&[(0, "SCAN t0")]));
        assert!(!is_worth(&[(0, "SCAN t1"), (0, "SEARCH t0 USING INDEX i (a=?)")]));
        assert!(!is_worth(&[(0, "SEARCH t0 USING INDEX i (a=?)"), (0, "SCAN t1")]));
    }
}
