//! Runs the SQL files under `slt/`: statements through the engine over five sources, with the answers they must give.
//!
//! [`World`] starts the servers and fills every source with the seed under `slt/seed`; [`script`] finds the files and
//! reads the directives at their top; [`database`] runs one statement and turns its rows into text; [`oracle`] runs the
//! same statement on PostgreSQL alone. `tests/slt.rs` puts them together: one test per file and source.
//!
//! Must not know: any concrete connector beyond its URL. How files are written is said in `slt/README.md`.

pub mod database;
pub mod differential;
mod duckdb;
pub mod oracle;
mod render;
pub mod script;
mod world;

pub use world::{DATABASE, World};
