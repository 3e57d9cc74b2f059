//! How the server would read a plan's first table: whether reading parts of it side by side saves anything.

use junto_connector_sql::FIRST_TABLE;

use crate::pool::TextRows;

/// The rows that the server expects to read of the first table in the order it is stored; none when it does not read it
/// that way. By another index it reads only what it needs: parts would each look for the same rows. As the inner side
/// of a join, it looks up rows for the rows of other tables: parts would each read those.
pub(super) fn stored_order_rows(explained: &TextRows) -> Option<u64> {
    let at = |name: &str| explained.columns.iter().position(|column| column.eq_ignore_ascii_case(name));
    let (id, table, access, key, rows) = (at("id")?, at("table")?, at("type")?, at("key")?, at("rows")?);
    let cell = |line: &[Option<String>], at: usize| line.get(at).cloned().flatten().unwrap_or_default();
    let line = explained.rows.iter().find(|line| cell(line, table) == FIRST_TABLE)?;
    let outermost = explained.rows.iter().find(|other| cell(other, id) == cell(line, id))?;
    let is_stored_order = match cell(line, access).as_str() {
        "ALL" => true,
        "index" | "range" => cell(line, key) == "PRIMARY",
        _ => false,
    };
    if is_stored_order && cell(outermost, table) == FIRST_TABLE { cell(line, rows).parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(lines: &[[&str; 5]]) -> Option<u64> {
        let rows = lines.iter().map(|line| line.iter().map(|cell| Some((*cell).to_owned())).collect()).collect();
        let columns = ["id", "table", "type", "key", "rows"].map(str::to_owned).into();
        stored_order_rows(&TextRows { columns, rows })
    }

    #[test]
    fn only_a_table_read_in_its_own_order_is_worth_parts() {
        assert_eq!(rows(&[["1", "t0", "ALL", "", "600"]]), Some(600));
        assert_eq!(rows(&[["1", "t0", "range", "PRIMARY", "30"]]), Some(30));
        assert_eq!(rows(&[["1", "t0", "range", "by_day", "30"]]), None);
        assert_eq!(rows(&[["1", "t0", "ref", "PRIMARY", "30"]]), None);
        assert_eq!(rows(&[["1", "t1", "ALL", "", "5"], ["1", "t0", "ALL", "", "600"]]), None, "the inner side");
        assert_eq!(rows(&[["1", "<derived2>", "ALL", "", "5"], ["2", "t0", "ALL", "", "600"]]), Some(600));
        assert_eq!(rows(&[["1", "", "", "", ""]]), None, "nothing is read");
    }
}
