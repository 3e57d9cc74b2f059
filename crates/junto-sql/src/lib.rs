//! The language of federated statements: `@connection.schema.table` in PostgreSQL's spelling.
//!
//! Knows nothing of DataFusion, of any database or of the network: text and column names go in, a parsed statement that
//! binds as a person expects comes out. Every error points into the user's own text.
//!
//! The path of a statement: [`has_references`] decides whether it is federated at all, [`parse`] finds its references
//! and reads it, [`check_aliases`] looks at its connections, [`Parsed::table_references`] says which tables' columns are
//! needed, and [`resolve`] binds every name.

mod classify;
mod depth;
mod dialect;
mod error;
mod federated;
mod lexer;
mod lines;
mod names;
mod parse;
mod reference;
mod resolve;
mod split;
mod tables;
mod underline;

pub use classify::{StatementKind, classify, classify_native};
pub use dialect::Dialect;
pub use error::{Error, Place, Result, UnknownConnection};
pub use names::{FoldedColumn, folded_columns};
pub use parse::{Parsed, parse, parse_within};
pub use reference::{Part, Reference, blank, has_references, has_references_in, references, references_in};
pub use resolve::{BoundTable, NAMED, OutputNames, Resolved, TableColumn, TableColumns, WriteTarget, resolve};
pub use split::{StatementText, split_statements};
pub use tables::{TableReference, TableRole, check_aliases};
pub use underline::underline;
