//! Folders of generated Parquet, CSV and JSON files.

mod conformance;
mod faults;
mod native;
mod reading;
mod support;
