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
}

/// None when the server reads the first table otherwise. By an index it reads only what it needs: parts would each look
/// for the same rows. As the inner side of a join, it looks up rows for the rows of other tables: parts would each read
/// those.
///
/// An index that is read because it has every column is smaller than the table: ranges of that index are parts. Where
/// rows are `delivered` their decoding is most of the work, and parts of the table will do.
pub(super) fn end_to_end(explained: &TextRows, delivered: bool) -> Option<EndToEnd> {
    let at = |name: &str| explained.columns.iter().position(|column| column.eq_ignore_ascii_case(name));
    let (id, table, access, key, rows) = (at("id")?, at("table")?, at("type")?, at("key")?, at("rows")?);
    let extra = at("Extra")?;
    let cell = |line: &[Option<String>], at: usize| line.get(at).cloned().flatten().unwrap_or_default();
    let line = explained.rows.iter().find(|line| cell(line, table) == FIRST_TABLE)?;
    let outermost = explained.rows.iter().find(|other| cell(other, id) == cell(line, id))?;
    let index = match (cell(line, access).as_str(), cell(line, key)) {
        ("ALL", _) => PRIMARY.to_owned(),
        ("index", _) if delivered => PRIMARY.to_owned(),
        ("index" | "range", key) if key == PRIMARY => key,
        ("index" | "range", key) if has_every_column(&cell(line, extra)) && !delivered => key,
        _ => return None,
    };
    if cell(outermost, table) != FIRST_TABLE {
        return None;
    }
    let others = explained.rows.iter().filter(|other| cell(other, table) != FIRST_TABLE);
    let scanned = others.filter(|other| matches!(cell(other, access).as_str(), "ALL" | "index" | "range"));
    let rows_of_others = scanned.filter_map(|other| cell(other, rows).parse::<u64>().ok()).sum();
    Some(EndToEnd { index, rows: cell(line, rows).parse().ok()?, rows_of_others })
}

/// Rows that the server expects to look up in the first table for an index over other columns, and the index.
pub(super) fn looked_up(explained: &TextRows) -> Option<(u64, String)> {
    let at = |name: &str| explained.columns.iter().position(|column| column.eq_ignore_ascii_case(name));
    let (table, access, key) = (at("table")?, at("type")?, at("key")?);
    let (rows, extra) = (at("rows")?, at("Extra")?);
    let cell = |line: &[Option<String>], at: usize| line.get(at).cloned().flatten().unwrap_or_default();
    let line = explained.rows.iter().find(|line| cell(line, table) == FIRST_TABLE)?;
    let index = cell(line, key);
    let looks_up = cell(line, access) == "range" && index != PRIMARY && !has_every_column(&cell(line, extra));
    looks_up.then_some((cell(line, rows).parse().ok()?, index))
}

/// Whether the index that is read has every column that is wanted.
fn has_every_column(extra: &str) -> bool {
    extra.split(';').any(|remark| remark.trim() == "Using index")
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

    fn by(index: &str, rows: u64, rows_of_others: u64) -> Option<(String, u64, u64)> {
        Some((index.into(), rows, rows_of_others))
    }

    #[test]
    fn only_a_table_read_from_end_to_end_is_worth_parts() {
        let whole = ["1", "t0", "ALL", "", "600", ""];
        assert_eq!(rows(&[whole]), by(PRIMARY, 600, 0));
        assert_eq!(rows(&[["1", "t0", "range", "PRIMARY", "30", "Using where"]]), by(PRIMARY, 30, 0));
        assert_eq!(rows(&[["1", "t0", "range", "by_day", "30", "Using index condition"]]), None);
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
        assert_eq!(order(&[["1", "t0", "range", "by_day", "90", "Using index condition"]], false), None);
        assert_eq!(order(&[["1", "t0", "index", "PRIMARY", "600", "Using index"]], false), by(PRIMARY, 600, 0));
    }
}
