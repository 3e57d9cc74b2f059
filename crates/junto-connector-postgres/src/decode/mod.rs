//! From PostgreSQL's binary values straight into Arrow builders.
//!
//! COPY tuples and result rows share one layout (a field count, then per field a length and that many bytes), hence
//! one decoder: [`rows::Rows`]. [`copy::CopyStream`] cuts a COPY into tuples. A column is decoded by its Arrow type
//! alone: the SQL that is sent casts everything else to it (see `types::read_expression`).

mod cells;
pub(crate) mod copy;
mod list;
mod numeric;
pub(crate) mod rows;
mod text;

pub(crate) use cells::{Cells, Encoding, cells, is_readable};
pub(crate) use numeric::{numeric_bytes, numeric_extent};

use arrow::datatypes::DataType;

/// Days from 1970-01-01 to PostgreSQL's 2000-01-01.
pub(crate) const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
pub(crate) const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// Why a value cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Misfit {
    /// Not what the type's binary form looks like.
    Malformed(&'static str),
    NotUtf8,
    /// A number with more digits than planned; `None` when no decimal type is wide enough.
    TooWide(Option<DataType>),
    /// A value of PostgreSQL's that the Arrow type does not have.
    NoSuchValue(&'static str),
}
