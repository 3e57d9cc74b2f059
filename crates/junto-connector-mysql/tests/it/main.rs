//! The connector against MariaDB servers of its own.

mod conformance;
mod faults;
mod login;
mod names;
mod native;
mod parallel;
mod support;
mod text;
mod types;
mod workspace;
