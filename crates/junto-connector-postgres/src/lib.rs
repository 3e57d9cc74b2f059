//! PostgreSQL as a source.
//!
//! Speaks the wire protocol itself (login and messages through `postgres-protocol`) and decodes rows straight from the
//! receive buffer into Arrow. Whole results come through `COPY … (FORMAT binary)`, rows of given keys through one
//! parameterised query; both share one decoder. Big tables are read over several connections at once (`parallel`), which
//! share one snapshot and take ranges of pages, or batches of keys, from one queue. Rows of other sources come into
//! temporary tables of a session of their own (`workspace`).
//!
//! Must not know: DataFusion, other sources. Start reading at [`PostgresFactory`], then `scan` and `decode`.

mod capabilities;
mod catalog;
mod connector;
mod decode;
mod dialect;
mod error;
mod estimate;
mod factory;
mod keys;
mod native;
mod numeric_rules;
mod parallel;
mod pool;
mod read;
mod scan;
mod settings;
mod tls;
mod types;
mod wire;
mod workspace;

pub use factory::PostgresFactory;

/// The driver's name.
pub(crate) const DRIVER: &str = "postgres";
