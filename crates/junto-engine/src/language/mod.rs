//! The language of a federated statement: PostgreSQL's spelling with exact decimals and checked integers.

mod arithmetic;
mod averages;
mod changed;
mod checked;
mod context;
mod date_trunc;
mod dependent;
mod distinct_on;
mod exists;
mod harmonise;
mod known;
mod named;
mod nearest;
mod nested_loops;
mod not_in;
mod now;
mod numbers;
mod outer_types;
mod patterns;
mod projections;
mod requirements;
mod semi_joins;
mod session;
mod set_operations;
mod single_rows;
mod stock_rules;
mod string_agg;
mod sums;
mod types;
mod whole_orders;

pub(crate) use context::StatementContextProvider;
pub(crate) use dependent::{is_simple, joined};
pub(crate) use session::{base_session, statement_session};
