//! MySQL and MariaDB as a source.
//!
//! Speaks the wire protocol itself (`wire`) and decodes rows in place into Arrow columns (`decode`). Must not know
//! DataFusion, the engine or any other source. Start reading at `connector`, then `scan` and `decode`.

mod decode;
mod error;
mod settings;
mod wire;

/// The driver's name.
const DRIVER: &str = "mysql";
