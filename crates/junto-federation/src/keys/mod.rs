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
pub(crate) use slot::Arrived;
pub use slot::KeySlot;
pub use tap::KeyTapExec;

/// Keys one join collects at most; beyond, the other side is read whole.
pub const MAX_KEYS: usize = 200_000;
