//! Sources reached through ADBC drivers, shared libraries loaded at run time. DuckDB is the one with a face of its own.
//!
//! [`DuckDbFactory`] is the driver `duckdb`: read-only, sandboxed, with catalog, pushdown and keyed scans.
//! [`AdbcFactory`] is the driver `adbc`: any other ADBC driver, read table by table.
//!
//! All calls into a driver happen on dedicated threads (`read`), because they block. Arrow batches come ready-made;
//! `convert` brings them to the planned types.
//!
//! Must not know: DataFusion, the engine. This is the only crate that loads a C library. Start reading at `read`, then
//! `duckdb`.

mod convert;
mod duckdb;
mod failure;
mod generic;
mod library;
mod read;
mod values;

pub use duckdb::DuckDbFactory;
pub use generic::AdbcFactory;
