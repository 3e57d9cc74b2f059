//! How the server would read a plan's first table: whether reading parts of it side by side saves anything.

use junto_connector_sql::FIRST_TABLE;

use crate::pool::TextRows;

/// What the server expects to read for a plan over a table that it reads in the order it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoredOrder {
    /// Of the first table.
    pub(super) rows: u64,
    /// Of other tables that are read from end to end, which every part would do again.
    pub(super) rows_of_others: u64,
}

/// None when the server does not read the first table in the order it is stored. By another index it reads only what it
/// needs: parts would each look for the same rows. As the inner side of a join, it looks up rows for the rows of other
/// tables: parts would each read those.
///
/// An index that is read from end to end because it has every column is smaller than the table, so only where rows are
/// `delivered` do parts of the table save more time than they cost.
pub(super) fn stored_order(explained: &TextRows, delivered: bool) -> Option<StoredOrder> {
    let at = |name: &str| explained.columns.iter().position(|column| column.eq_ignore_ascii_case(name));
    let (id, table, access, key, rows) = (at("id")?, at("table")?, at("type")?, at("key")?, at("rows")?);
    let cell = |line: &[Option<String>], at: usize| line.get(at).cloned().flatten().unwrap_or_default();
    let line = explained.rows.iter().find(|line| cell(line, table) == FIRST_TABLE)?;
    let outermost = explained.rows.iter().find(|other| cell(other, id) == cell(line, id))?;
    let is_stored_order = match cell(line, access).as_str() {
        "ALL" => true,
        "index" if delivered => true,
        "index" | "range" => cell(line, key) == "PRIMARY",
        _ => false,
    };
    if !is_stored_order || cell(outermost, table) != FIRST_TABLE {
        return None;
    }
    let others = explained.rows.iter().filter(|other| cell(other, table) != FIRST_TABLE);
    let scanned = others.filter(|other| matches!(cell(other, access).as_str(), "ALL" | "index" | "range"));
    let rows_of_others = scanned.filter_map(|other| cell(other, rows).parse::<u64>().ok()).sum();
    Some(StoredOrder { rows: cell(line, rows).parse().ok()?, rows_of_others })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(lines: &[[&str; 5]]) -> Option<(u64, u64)> {
        order(lines, true)
    }

    fn order(lines: &[[&str; 5]], delivered: bool) -> Option<(u64, u64)> {
        let rows = lines.iter().map(|line| line.iter().map(|cell| Some((*cell).to_owned())).collect()).collect();
        let columns = ["id", "table", "type", "key", "rows"].map(str::to_owned).into();
        stored_order(&TextRows { columns, rows }, delivered).map(|order| (order.rows, order.rows_of_others))
    }

    #[test]
    fn only_a_table_read_in_its_own_order_is_worth_parts() {
        assert_eq!(rows(&[["1", "t0", "ALL", "", "600"]]), Some((600, 0)));
        assert_eq!(rows(&[["1", "t0", "range", "PRIMARY", "30"]]), Some((30, 0)));
        assert_eq!(rows(&[["1", "t0", "range", "by_day", "30"]]), None);
        assert_eq!(rows(&[["1", "t0", "index", "by_day", "600"]]), Some((600, 0)));
        assert_eq!(order(&[["1", "t0", "index", "by_day", "600"]], false), None, "counted in the index");
        assert_eq!(order(&[["1", "t0", "index", "PRIMARY", "600"]], false), Some((600, 0)));
        assert_eq!(rows(&[["1", "t0", "ref", "PRIMARY", "30"]]), None);
        assert_eq!(rows(&[["1", "t1", "ALL", "", "5"], ["1", "t0", "ALL", "", "600"]]), None, "the inner side");
        assert_eq!(rows(&[["1", "<derived2>", "ALL", "", "5"], ["2", "t0", "ALL", "", "600"]]), Some((600, 5)));
        assert_eq!(rows(&[["1", "t0", "ALL", "", "600"], ["1", "t1", "eq_ref", "PRIMARY", "1"]]), Some((600, 0)));
        assert_eq!(rows(&[["1", "t0", "ALL", "", "600"], ["1", "t1", "ALL", "", "70"]]), Some((600, 70)));
        assert_eq!(rows(&[["1", "", "", "", ""]]), None, "nothing is read");
    }
}
