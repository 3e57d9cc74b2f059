//! How the server would read a plan's first table: whether reading parts of it side by side saves anything.

use junto_connector_sql::FIRST_TABLE;

use crate::known::PRIMARY;
use crate::pool::TextRows;

/// What the server expects to read for a plan whose first table it reads from one end to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EndToEnd {
    /// The index whose ranges are parts of the read.
    pub(super) index: String,
    /// Of the first table.
    pub(super) rows: u64,
    /// Of other tables that are read from end to end, which every part would do again.
    pub(super) rows_of_others: u64,
    /// Only a range of the index is read, and each of its rows is looked up in the table.
    pub(super) looks_up: bool,
}

/// None when the server reads the first table otherwise. By values of an index it reads only what it needs: parts would
/// each look for the same rows. As the inner side of a join, it looks up rows for the rows of other tables: parts would
/// each read those.
///
/// An index that is read because it has every column is smaller than the table: ranges of that index are parts. Where
/// rows are `delivered` their decoding is most of the work, and parts of the table will do.
pub(super) fn end_to_end(explained: &TextRows, delivered: bool) -> Option<EndToEnd> {
    let lines = Lines::of(explained)?;
    let first = lines.first_table()?;
    let (index, looks_up) = match (first.access.as_str(), first.key) {
        ("ALL", _) => (PRIMARY.to_owned(), false),
        ("index", _) if delivered => (PRIMARY.to_owned(), false),
        ("index" | "range", key) if key == PRIMARY => (key, false),
        ("index", key) if first.has_every_column => (key, false),
        ("range", key) => (key, !first.has_every_column),
        _ => return None,
    };
    let outermost = lines.all().find(|other| other.id == first.id)?;
    if outermost.table != FIRST_TABLE {
        return None;
    }
    let others = lines.all().filter(|other| other.table != FIRST_TABLE);
    let scanned = others.filter(|other| matches!(other.access.as_str(), "ALL" | "index" | "range"));
    let rows_of_others = scanned.filter_map(|other| other.rows).sum();
    Some(EndToEnd { index, rows: first.rows?, rows_of_others, looks_up })
}

/// Rows that the server expects to look up in the first table for an index over other columns, and the index.
pub(super) fn looked_up(explained: &TextRows) -> Option<(u64, String)> {
    let first = Lines::of(explained)?.first_table()?;
    let looks_up = first.access == "range" && first.key != PRIMARY && !first.has_every_column;
    looks_up.then_some((first.rows?, first.key))
}

/// Rows of a plan's result; none when the server guesses them.
///
/// What it looks up in an index it has counted there. Of rows that it reads and then tests, MariaDB says "all" when it has
/// no histogram, and MySQL a fixed share, which is no better than ours. `all`: the plan itself tests nothing; the views it
/// reads may.
pub(super) fn expected_rows(explained: &TextRows, is_mariadb: bool, all: bool) -> Option<f64> {
    let filtered = explained.columns.iter().position(|column| column.eq_ignore_ascii_case("filtered"));
    let lines: Vec<Line> = Lines::of(explained)?.all().collect();
    // Groups and subqueries of a view leave other rows than those that are read, and a join does not say what is known.
    let computes = |line: &Line| line.id != lines[0].id || line.extra.contains("Using temporary");
    if lines.is_empty() || lines.iter().any(computes) || (!all && lines.len() > 1) {
        return None;
    }
    let mut rows = 1.0;
    for (line, cells) in lines.iter().zip(&explained.rows) {
        let share = filtered.and_then(|at| cells.get(at)?.as_ref()?.parse::<f64>().ok()).unwrap_or(100.0) / 100.0;
        let is_tested = line.extra.contains("Using where");
        let is_counted = !matches!(line.access.as_str(), "ALL" | "index") || (is_mariadb && share < 1.0);
        if is_tested && !is_counted {
            return None;
        }
        rows *= line.rows? as f64 * share;
    }
    Some(rows)
}

/// The server's explanation, a line for each table in the order they are read.
struct Lines<'a> {
    rows: &'a [Vec<Option<String>>],
    /// Where a line has its id, table, access, key, rows and remarks.
    at: [usize; 6],
}

/// How one table is read.
struct Line {
    id: String,
    table: String,
    access: String,
    key: String,
    rows: Option<u64>,
    /// The index that is read has every column that is wanted.
    has_every_column: bool,
    extra: String,
}

impl<'a> Lines<'a> {
    fn of(explained: &'a TextRows) -> Option<Self> {
        let mut at = [0; 6];
        for (place, name) in at.iter_mut().zip(["id", "table", "type", "key", "rows", "Extra"]) {
            *place = explained.columns.iter().position(|column| column.eq_ignore_ascii_case(name))?;
        }
        Some(Self { rows: &explained.rows, at })
    }

    fn all(&self) -> impl Iterator<Item = Line> {
        self.rows.iter().map(|cells| {
            let [id, table, access, key, rows, extra] =
                self.at.map(|at| cells.get(at).cloned().flatten().unwrap_or_default());
            let has_every_column = extra.split(';').any(|remark| remark.trim() == "Using index");
            Line { id, table, access, key, rows: rows.parse().ok(), has_every_column, extra }
        })
    }

    fn first_table(&self) -> Option<Line> {
        self.all().find(|line| line.table == FIRST_TABLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(lines: &[[&str; 6]]) -> Option<(String, u64, u64)> {
        order(lines, true)
    }

    fn order(lines: &[[&str; 6]], delivered: bool) -> Option<(String, u64, u64)> {
        let rows = lines.iter().map(|line| line.iter().map(|cell| Some((*cell).to_owned())).collect()).collect();
        let columns = ["id", "table", "type", "key", "rows", "Extra"].map(str::to_owned).into();
        end_to_end(&TextRows { columns, rows }, delivered).map(|read| (read.index, read.rows, read.rows_of_others))
    }

    #[test]
    fn rows_of_an_index_are_looked_up_unless_it_has_every_column() {
        let explained = |line: [&str; 6]| {
            let rows = vec![line.iter().map(|cell| Some((*cell).to_owned())).collect()];
            let columns = ["id", "table", "type", "key", "rows", "Extra"].map(str::to_owned).into();
            looked_up(&TextRows { columns, rows })
        };
        let by_day = explained(["1", "t0", "range", "by_day", "90", "Using index condition"]);
        assert_eq!(by_day, Some((90, "by_day".into())));
        assert_eq!(explained(["1", "t0", "range", "by_day", "90", "Using where; Using index"]), None);
        assert_eq!(explained(["1", "t0", "range", "PRIMARY", "90", "Using where"]), None);
        assert_eq!(explained(["1", "t0", "ALL", "", "90", ""]), None);
    }

    #[test]
    fn rows_are_expected_where_the_server_has_counted_something() {
        let expected = |lines: &[[&str; 7]], is_mariadb, all| {
            let rows = lines.iter().map(|line| line.iter().map(|cell| Some((*cell).to_owned())).collect()).collect();
            let columns = ["id", "table", "type", "key", "rows", "filtered", "Extra"].map(str::to_owned).into();
            expected_rows(&TextRows { columns, rows }, is_mariadb, all)
        };
        let range = ["1", "t0", "range", "by_day", "30", "100.00", "Using index condition"];
        assert_eq!(expected(&[range], true, false), Some(30.0));
        let tested = ["1", "t0", "ALL", "", "600", "100.00", "Using where"];
        assert_eq!(expected(&[tested], true, false), None, "no histogram");
        assert_eq!(expected(&[["1", "t0", "ALL", "", "600", "100.00", ""]], true, true), Some(600.0));
        let histogram = ["1", "t0", "ALL", "", "600", "5.00", "Using where"];
        assert_eq!(expected(&[histogram], true, false), Some(30.0));
        assert_eq!(expected(&[histogram], false, false), None, "a fixed share");
        let view = [["1", "o", "ALL", "", "60", "100.00", ""], ["1", "c", "eq_ref", "PRIMARY", "1", "50.00", ""]];
        assert_eq!(expected(&view, true, true), Some(30.0));
        assert_eq!(expected(&view, true, false), None, "what is known is the join");
        assert_eq!(expected(&[tested], true, true), None, "the view tests something");
        let derived = [["1", "<derived2>", "ALL", "", "7", "100.00", ""], ["2", "o", "ALL", "", "60", "100.00", ""]];
        assert_eq!(expected(&derived, true, true), None);
        assert_eq!(expected(&[["1", "o", "ALL", "", "60", "100.00", "Using temporary"]], true, true), None);
    }

    fn by(index: &str, rows: u64, rows_of_others: u64) -> Option<(String, u64, u64)> {
        Some((index.into(), rows, rows_of_others))
    }

    #[test]
    fn only_a_table_read_from_end_to_end_is_worth_parts() {
        let whole = ["1", "t0", "ALL", "", "600", ""];
        assert_eq!(rows(&[whole]), by(PRIMARY, 600, 0));
        assert_eq!(rows(&[["1", "t0", "range", "PRIMARY", "30", "Using where"]]), by(PRIMARY, 30, 0));
        assert_eq!(rows(&[["1", "t0", "range", "by_day", "30", "Using index condition"]]), by("by_day", 30, 0));
        assert_eq!(rows(&[["1", "t0", "index", "by_day", "600", "Using index"]]), by(PRIMARY, 600, 0));
        assert_eq!(rows(&[["1", "t0", "ref", "PRIMARY", "30", ""]]), None);
        assert_eq!(rows(&[["1", "t1", "ALL", "", "5", ""], whole]), None, "the inner side");
        assert_eq!(
            rows(&[["1", "<derived2>", "ALL", "", "5", ""], ["2", "t0", "ALL", "", "600", ""]]),
            by(PRIMARY, 600, 5)
        );
        assert_eq!(rows(&[whole, ["1", "t1", "eq_ref", "PRIMARY", "1", ""]]), by(PRIMARY, 600, 0));
        assert_eq!(rows(&[whole, ["1", "t1", "ALL", "", "70", ""]]), by(PRIMARY, 600, 70));
        assert_eq!(rows(&[["1", "", "", "", "", ""]]), None, "nothing is read");
    }

    #[test]
    fn what_is_counted_in_an_index_is_counted_in_parts_of_it() {
        assert_eq!(order(&[["1", "t0", "index", "by_day", "600", "Using index"]], false), by("by_day", 600, 0));
        let range = ["1", "t0", "range", "by_day", "90", "Using where; Using index"];
        assert_eq!(order(&[range], false), by("by_day", 90, 0));
        let looked_up = ["1", "t0", "range", "by_day", "90", "Using index condition"];
        assert_eq!(order(&[looked_up], false), by("by_day", 90, 0));
        assert_eq!(order(&[["1", "t0", "index", "PRIMARY", "600", "Using index"]], false), by(PRIMARY, 600, 0));
    }
}
