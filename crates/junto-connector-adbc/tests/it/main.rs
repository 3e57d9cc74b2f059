//! DuckDB through its real library, and the same library as just another ADBC driver.
//!
//! Without the library every test fails and names the command that brings it.

mod conformance;
mod faults;
mod generic;
mod reading;
mod security;
mod support;
mod types;
mod workspace;
