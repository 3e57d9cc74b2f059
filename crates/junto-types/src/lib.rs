//! Words every part of Junto shares: names, ids, limits, error kinds, hints and secrets.
//!
//! Knows nothing of DataFusion, Arrow, tokio or any database. Start with [`ErrorKind`] and [`TableName`].

mod error;
mod limits;
mod name;
mod position;
mod secret;
mod suggest;

pub use error::{ErrorKind, Hint};
pub use limits::Limits;
pub use name::{Alias, ConnectionId, InvalidAlias, TableName};
pub use position::{LineColumn, Span};
pub use secret::Secret;
pub use suggest::nearest;
