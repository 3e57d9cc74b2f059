//! What the server says of its plan for a read, as far as it decides how the read is shared out.

use junto_connector_sql::FIRST_TABLE;
use serde::Deserialize;

/// The server's estimate for a read too short to be shared, in its own unit of cost: about 2,000 pages of a table.
const COST_WORTH_SHARING: f64 = 3_000.0;
/// Rows that the server's own processes hand over one by one without becoming slower than several connections.
const GATHERED_ROWS: f64 = 100_000.0;
/// Work that parts repeat (hash tables of other tables, groups found in several parts), as a share of the rest.
const REPEATED_SHARE: f64 = 0.1;

/// How the first table is read, and what comes with it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Explained {
    /// Cost of reading the first table, or partitions of it, from end to end.
    whole: f64,
    /// Rows that come out of that.
    whole_rows: f64,
    /// Cost of reading the first table by an index.
    indexed: f64,
    /// The first table is read in another way too.
    otherwise: bool,
    /// Cost of what each part would do again.
    repeated: f64,
    /// Processes that read the first table, and the rows they hand over; none when only one reads.
    gathered: Option<(f64, f64)>,
    /// Rows of the result.
    pub(crate) rows: f64,
    /// The result is an aggregate.
    grouped: bool,
}

#[derive(Debug, Deserialize)]
struct Document {
    #[serde(rename = "Plan")]
    plan: Node,
}

#[derive(Debug, Deserialize)]
struct Node {
    #[serde(rename = "Node Type")]
    node_type: String,
    #[serde(rename = "Alias")]
    alias: Option<String>,
    #[serde(rename = "Total Cost")]
    total_cost: f64,
    #[serde(rename = "Plan Rows")]
    rows: f64,
    #[serde(rename = "Workers Planned")]
    workers: Option<f64>,
    #[serde(rename = "Plans", default)]
    inputs: Vec<Node>,
}

impl Explained {
    /// Reads the answer to EXPLAIN (FORMAT JSON); none when it is not what PostgreSQL answers.
    pub(super) fn parse(json: &str) -> Option<Self> {
        let [document]: [Document; 1] = serde_json::from_str(json).ok()?;
        let mut explained = Self { rows: document.plan.rows, ..Self::default() };
        explained.grouped = is_grouped(&document.plan);
        explained.visit(&document.plan);
        Some(explained)
    }

    /// Whether the first table is under this node.
    fn visit(&mut self, node: &Node) -> bool {
        let here = node.alias.as_deref().is_some_and(is_first_table);
        if here {
            match node.node_type.as_str() {
                "Seq Scan" => {
                    self.whole += node.total_cost;
                    self.whole_rows += node.rows;
                }
                "Index Scan" | "Index Only Scan" | "Bitmap Heap Scan" => self.indexed += node.total_cost,
                _ => self.otherwise = true,
            }
        }
        let (under, beside): (Vec<_>, Vec<_>) = node.inputs.iter().partition(|input| self.visit(input));
        let found = here || !under.is_empty();
        if found {
            self.repeated += beside.iter().map(|input| input.total_cost).sum::<f64>();
            if let Some(workers) = node.workers {
                self.gathered = Some((workers + 1.0, node.rows));
            }
        }
        found
    }

    /// Whether the rows of the first table are found by an index.
    pub(super) fn is_by_index(&self) -> bool {
        self.indexed > 0.0 && self.whole == 0.0 && !self.otherwise
    }

    /// In how many parts each of so many workers should read the first table; none when one query does it as fast.
    pub(super) fn parts_per_worker(&self, workers: usize, most: usize) -> Option<usize> {
        let workers = workers as f64;
        let mostly_whole = self.whole > 3.0 * self.indexed && !self.otherwise;
        let server_shares = self.gathered.is_some_and(|(processes, rows)| processes >= workers && rows < GATHERED_ROWS);
        if !mostly_whole || self.whole < COST_WORTH_SHARING || server_shares || self.repeated > self.whole {
            return None;
        }
        let parts = REPEATED_SHARE * self.whole / self.repeated.max(1.0) / workers;
        let groups = if self.grouped { self.rows.max(1.0) } else { 0.0 };
        let group_parts = REPEATED_SHARE * self.whole_rows / groups / workers;
        Some((parts.min(group_parts) as usize).clamp(1, most))
    }
}

/// The first table or one of its partitions, which are called `t0_1` and so on.
fn is_first_table(alias: &str) -> bool {
    alias.strip_prefix(FIRST_TABLE).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

fn is_grouped(node: &Node) -> bool {
    matches!(node.node_type.as_str(), "Aggregate" | "Group" | "Unique")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(node_type: &str, alias: &str, cost: f64, rows: f64, more: &str) -> String {
        format!(
            r#"{{"Node Type": "{node_type}", "Alias": "{alias}", "Total Cost": {cost}, "Plan Rows": {rows}{more}}}"#
        )
    }

    fn over(node_type: &str, rows: f64, inputs: &[String]) -> String {
        let inputs = inputs.join(",");
        format!(r#"{{"Node Type": "{node_type}", "Total Cost": 1, "Plan Rows": {rows}, "Plans": [{inputs}]}}"#)
    }

    fn parts(plan: &str) -> Option<usize> {
        Explained::parse(&format!(r#"[{{"Plan": {plan}, "Settings": {{}}}}]"#)).expect("a plan").parts_per_worker(2, 8)
    }

    #[test]
    fn tables_read_from_end_to_end_are_shared() {
        assert_eq!(parts(&node("Seq Scan", "t0", 1e5, 1e6, "")), Some(8));
        let partitions = [node("Seq Scan", "t0_1", 1e5, 1e6, ""), node("Seq Scan", "t0_2", 1e5, 1e6, "")];
        assert_eq!(parts(&over("Append", 2e6, &partitions)), Some(8));
        assert_eq!(parts(&node("Seq Scan", "t0", 2e3, 1e3, "")), None);
        assert_eq!(parts(&node("Result", "", 0.0, 0.0, "")), None);
    }

    #[test]
    fn rows_found_by_an_index_are_not() {
        for node_type in ["Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Custom Scan"] {
            assert_eq!(parts(&node(node_type, "t0", 1e5, 1e6, "")), None);
        }
    }

    #[test]
    fn work_that_every_part_repeats_makes_parts_few() {
        let joined = |cost: f64| {
            let hash = over("Hash", 1e5, &[node("Seq Scan", "t1", cost, 1e5, "")]);
            let hash = hash.replace("\"Total Cost\": 1,", &format!("\"Total Cost\": {cost},"));
            parts(&over("Hash Join", 1e6, &[node("Seq Scan", "t0", 1e5, 1e6, ""), hash]))
        };
        assert_eq!((joined(10.0), joined(2e3), joined(5e4), joined(2e5)), (Some(8), Some(2), Some(1), None));
        let grouped = |groups: f64| parts(&over("Aggregate", groups, &[node("Seq Scan", "t0", 1e5, 1e6, "")]));
        assert_eq!((grouped(4.0), grouped(2e4), grouped(5e5)), (Some(8), Some(2), Some(1)));
    }

    #[test]
    fn what_the_server_shares_out_itself_needs_one_connection() {
        let gathered = |rows: f64| {
            let scan = node("Seq Scan", "t0", 1e5, 1e6, "");
            let workers = format!(r#", "Workers Planned": 2, "Plans": [{scan}]"#);
            parts(&over("Aggregate", 1.0, &[node("Gather", "", 1.0, rows, &workers)]))
        };
        assert_eq!((gathered(10.0), gathered(1e6)), (None, Some(8)));
    }
}
