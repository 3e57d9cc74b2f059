//! Tests of the SQLite connector on real files.

mod conformance;
mod faults;
mod hints;
mod parallel;
mod support;
mod types;
mod unchanged;
mod workspace;
