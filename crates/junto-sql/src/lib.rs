//! The language of federated statements: `@connection.schema.table` in PostgreSQL's spelling.
//!
//! Knows nothing of DataFusion, of any database or of the network: text and column names go in, a parsed statement that
//! binds as a person expects comes out. Every error points into the user's own text.
//!
//! The path of a statement: [`references`] finds the `@` names in the raw text, [`split_statements`] cuts a script.

mod dialect;
mod error;
mod lexer;
mod reference;
mod split;

pub use dialect::Dialect;
pub use error::{Error, Place, Result, UnknownConnection};
pub use reference::{Part, Reference, blank, has_references, has_references_in, references, references_in};
pub use split::{StatementText, split_statements};
