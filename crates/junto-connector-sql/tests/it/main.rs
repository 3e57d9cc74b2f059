//! Tests of the generator and the literal printer, with SQLite as the reader of what they print.

mod generator;
mod literals;

use junto_connector_sql::Dialect;

/// Standard SQL as it is.
#[derive(Debug)]
pub(crate) struct Standard;

impl Dialect for Standard {
    fn name(&self) -> &'static str {
        "standard"
    }
}
