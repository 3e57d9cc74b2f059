//! Folders of Parquet, CSV and JSON files as tables.
//!
//! A file is a table named after it; a folder of files of one format is one table, and its `key=value` subfolders give
//! more columns; any other subfolder is a schema. `folder` finds them, `table` learns their columns, and DataFusion
//! reads them: a remote plan becomes a plan of its own (`relation`, `expression`), so operators mean what they mean in
//! the engine.
//!
//! Must not know: the engine, other sources. No file outside the folder is ever read. Start reading at `connector`.

mod capabilities;
mod connector;
mod costs;
mod describe;
mod digits;
mod expression;
mod failure;
mod folder;
mod formats;
mod output;
mod relation;
mod session;
mod statistics;
mod table;
mod types;

pub use connector::FilesFactory;
