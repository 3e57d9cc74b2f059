//! Runs statements: connections, catalogs, the language of a federated statement, limits, cancellation, EXPLAIN.
//!
//! Start with [`Engine`]: add connections, then [`Engine::execute`] one statement and read its [`Run`]. The path of a
//! federated statement is in `compile`; a statement without `@` goes to one connection in `native`.
//!
//! Must not know: any concrete connector, HTTP, files of configuration.

mod catalog;
mod compile;
mod connections;
mod engine;
mod error;
mod explain;
mod language;
mod native;
mod run;
mod settings;
mod spill;

pub use connections::ConnectionSummary;
pub use engine::{Engine, Validation};
pub use error::Error;
pub use explain::{Explanation, PlanNode};
pub use run::{Progress, ResultColumn, Run, SourceReport};
pub use settings::{MultiQuery, Planning, Settings, StatementOptions, Strategy};
