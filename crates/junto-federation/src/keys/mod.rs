//! Keyed scans: the finished side of a hash join tells the other side's remote scan which keys to ask for.
//!
//! ```text
//! HashJoinExec: a.id = b.a_id            HashJoinExec: a.id = b.a_id
//!   a                             =>       KeyTapExec: id        (passes rows on, collects distinct keys)
//!   RemoteScanExec: b                      RemoteScanExec: b, keys=a_id   (waits for them, then asks)
//! ```
//!
//! Keys go through projections, aggregates on the key, unions and joins that preserve the side. [`KeyFlow`] is the
//! rule, [`KeySlot`] what tap and scan share. The join checks every row again, so a superset of the wanted rows is
//! always right.

mod flow;
mod route;
mod slot;
mod tap;

pub use flow::KeyFlow;
pub use slot::KeySlot;
pub use tap::KeyTapExec;

/// Keys one join collects at most; beyond, the other side is read whole.
pub const MAX_KEYS: usize = 200_000;
/// Keys that are always worth sending through an index.
const FEW_KEYS: usize = 1_000;
/// Keys sent through an index when the size of the table is unknown.
const UNKNOWN_TABLE_KEYS: usize = 10_000;
/// Share of a table's rows up to which reading by index beats reading all (measured on MariaDB: 300,000 of 6 M).
const INDEX_SHARE: f64 = 0.05;

/// Number of keys up to which a keyed read is taken to be cheaper than a full one.
///
/// Without an index each query reads the whole table, so only one query pays.
pub(crate) fn key_limit(rows: Option<u64>, distinct: Option<u64>, indexed: bool, keys_per_query: usize) -> usize {
    if !indexed {
        return keys_per_query.min(FEW_KEYS);
    }
    let Some(rows) = rows else { return UNKNOWN_TABLE_KEYS };
    let rows_per_key = distinct.map_or(1.0, |distinct| (rows as f64 / distinct.max(1) as f64).max(1.0));
    ((rows as f64 * INDEX_SHARE / rows_per_key) as usize).clamp(FEW_KEYS, MAX_KEYS)
}

#[cfg(test)]
mod tests {
    use super::{FEW_KEYS, MAX_KEYS, UNKNOWN_TABLE_KEYS, key_limit};

    #[test]
    fn the_limit_follows_the_table_and_its_index() {
        assert_eq!(key_limit(Some(6_000_000), Some(6_000_000), true, 10_000), MAX_KEYS);
        assert_eq!(key_limit(Some(6_000_000), Some(200_000), true, 10_000), 10_000);
        assert_eq!(key_limit(Some(100), None, true, 10_000), FEW_KEYS);
        assert_eq!(key_limit(None, None, true, 10_000), UNKNOWN_TABLE_KEYS);
        assert_eq!(key_limit(Some(6_000_000), None, false, 10_000), FEW_KEYS, "without an index one query must do");
    }
}
