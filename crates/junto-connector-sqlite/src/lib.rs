//! SQLite files as a source: read-only, on threads of their own, never changing the file nor leaving one beside it.
//!
//! SQLite decides types value by value; this crate gives every column one Arrow type from its declaration
//! (`declared`) and checks each value against it while reading (`decode`). What does not fit is an error that names
//! the row and the option which reads the column otherwise, never a silent conversion. `docs/types/sqlite.md` lists
//! both.
//!
//! Start reading at `connector`, then `file` (how a file is opened) and `pool` (the threads).

mod capabilities;
mod catalog;
mod connector;
mod costs;
mod declared;
mod decode;
mod dialect;
mod error;
mod file;
mod guard;
mod native;
mod parallel;
mod parts;
mod pool;
mod sample;
mod scan;
mod settings;
mod statistics;
mod workspace;

pub use connector::SqliteFactory;
