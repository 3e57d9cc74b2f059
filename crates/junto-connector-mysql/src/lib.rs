//! MySQL and MariaDB as a source.
//!
//! Speaks the wire protocol itself (`wire`) and decodes rows in place into Arrow columns (`decode`). Rows of other
//! sources come into temporary tables of a session of their own (`workspace`). Must not know DataFusion, the engine or
//! any other source. Start reading at `connector`, then `scan` and `decode`.

mod capabilities;
mod catalog;
mod connector;
mod costs;
mod decode;
mod dialect;
mod error;
mod gate;
mod known;
mod native;
mod pool;
mod scan;
mod settings;
mod statistics;
mod types;
mod wire;
mod workspace;
mod zero_dates;

pub use connector::MySqlFactory;

/// The driver's name.
const DRIVER: &str = "mysql";
