//! A toy source to copy when you add one: a folder of text files, which speaks no SQL.
//!
//! Each `NAME.records` file is a table; see `records` for the format. The source delivers columns of whole tables and
//! answers `=` by itself; sorting, joins, keys and the rest are not declared, so Junto does them.
//!
//! To add a source:
//!
//! 1. Copy this crate to `crates/junto-connector-NAME` and rename it.
//! 2. `connector`: give the driver its name, its URL scheme and its options, and connect.
//! 3. Fill in the catalog (`schemas`, `tables`, `table`): the types given there are what batches must have.
//! 4. Write [`open`](junto_connector::Connector::open) for a plain scan and leave [`Capabilities::none`] as it is.
//!    The source is complete now: everything else is speed.
//! 5. Run the conformance suite (`tests/it`). It tests what you declare and that the rest is refused.
//! 6. Declare operations one by one, each only if the source computes exactly what Junto computes. A source that speaks
//!    SQL implements `Dialect` of junto-connector-sql and generates its text with that; this one walks the plan in
//!    `evaluate`.
//! 7. Add one line and one feature in `crates/junto-connectors`, and a folder of SQL tests under `slt/`.
//!
//! [`Capabilities::none`]: junto_connector::Capabilities::none

mod connector;
mod evaluate;
mod records;

pub use connector::ExampleFactory;
