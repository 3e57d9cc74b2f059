//! What sources that speak SQL share: how a dialect spells things, the one SQL generator, and row-to-Arrow builders.
//!
//! [`generate`] makes both the text that is sent and the text that EXPLAIN shows. A new source implements [`Dialect`]
//! and overrides only what differs from standard SQL. Text values read row by row go through [`columns`], with
//! [`decimal`] and [`datetime`] for numbers and calendars. [`temporary`] describes tables that hold rows of other sources,
//! [`permits`] says who may use a connection.
//!
//! Must not know: any concrete driver, DataFusion. Start reading at [`dialect`], then [`generator`].

mod block;
pub mod columns;
pub mod datetime;
pub mod decimal;
pub mod dialect;
mod expression;
pub mod generator;
pub mod keys;
pub mod parts;
pub mod permits;
pub mod standard;
pub mod temporary;

pub use dialect::{AggregateCall, Dialect, GroupKey, LikePattern, Operand};
pub use generator::{FIRST_TABLE, can_express, generate, generate_part, tagged};
pub use keys::{KeyValues, literal_at};
