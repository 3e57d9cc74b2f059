//! What DataFusion gets wrong, put right for everybody who plans with it: the engine, and the connector that reads files.

mod in_lists;

pub use in_lists::Simplify;
