//! What work costs on a source, so that the planner can weigh pushing an operator against moving rows.

use serde::{Deserialize, Serialize};

/// Time that one core of the *source* spends, in microseconds. Constants of each connector, calibrated by its bench
/// (a table beside them says of which statements); never learned while running, so that a plan is repeatable.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// From sending a query to its first row, beyond the work itself.
    pub query: f64,
    /// Reading a row of a table, in the order the table is stored.
    pub scanned_row: f64,
    /// Sending a row, beyond its values.
    pub sent_row: f64,
    /// Sending a value of fixed size: an integer, a date.
    pub sent_value: f64,
    /// Sending a decimal or a text, beyond a value of fixed size.
    pub sent_wide_value: f64,
    /// What is sent is Arrow, and nothing of it is left to decode.
    pub sends_arrow: bool,
    /// Comparing a number or date with another.
    pub condition: f64,
    /// Comparing a text, and any condition that calls a function.
    pub text_condition: f64,
    /// A pattern (LIKE) over a text.
    pub pattern: f64,
    /// Reading a row that an index over another column leads to.
    pub indexed_row: f64,
    /// The same for a row that is not in memory, beyond it: a read from the disk.
    pub fetched_row: f64,
    /// Tables are stored in the order of their primary key: rows of one key value lie side by side.
    pub clustered: bool,
    /// Finding the group of a row, while groups are few.
    pub grouped_row: f64,
    /// The same beyond [`Costs::MANY_GROUPS`], where groups no longer fit what the source keeps at hand.
    pub grouped_row_of_many: f64,
    /// Adding a value to an aggregate.
    pub aggregated_value: f64,
    /// Computing one operator of a decimal expression.
    pub computed_value: f64,
    /// Looking up a row of the other side of a join, by a hash table or an index.
    pub joined_row: f64,
    /// Joins without an index build hash tables; otherwise they compare every pair of rows.
    pub joins_by_hash: bool,
    /// Looking up one key of a keyed read in an index.
    pub key: f64,
    /// Keyed reads use indexes; otherwise they compare every row of the table with the keys.
    pub keys_by_index: bool,
    /// Cores that one query may use by itself.
    pub cores: f64,
}

impl Costs {
    /// Groups beyond which forming them costs more per row.
    pub const MANY_GROUPS: f64 = 20_000.0;

    /// Finding the group of a row among so many.
    pub fn grouping(&self, groups: f64) -> f64 {
        if groups > Self::MANY_GROUPS { self.grouped_row_of_many } else { self.grouped_row }
    }
}

impl Default for Costs {
    /// A middling row store on the network.
    fn default() -> Self {
        Self {
            query: 1_000.0,
            scanned_row: 0.1,
            sent_row: 0.1,
            sent_value: 0.03,
            sent_wide_value: 0.03,
            sends_arrow: false,
            condition: 0.03,
            text_condition: 0.1,
            pattern: 0.3,
            indexed_row: 1.5,
            fetched_row: 80.0,
            clustered: false,
            grouped_row: 0.1,
            grouped_row_of_many: 1.0,
            aggregated_value: 0.05,
            computed_value: 0.05,
            joined_row: 0.3,
            joins_by_hash: true,
            key: 4.0,
            keys_by_index: true,
            cores: 1.0,
        }
    }
}
