//! What reading Parquet files costs, measured on TPC-H at scale factor 1 in the system's cache (`./dev bench --costs lake`).
//!
//! Microseconds of one core per row of `lineitem` (6 million rows), reading its columns included:
//!
//! | statement | µs |
//! |---|---|
//! | one column looked at | 0.004 |
//! | a condition on a decimal, a date; on three decimals | 0.009, 0.004; 0.015 |
//! | `LIKE 'a%'`, `LIKE '%a%b%'` over 27 bytes | 0.029, 0.073 |
//! | 1 integer, 4 integers, 4 decimals delivered | 0.003, 0.012, 0.016 |
//! | 3 texts of few values, a text of 27 bytes, all 16 columns delivered | 0.005, 0.028, 0.073 |
//!
//! 10,000 keys more than a scan take 3 ms. What is computed there is computed by the same engine as here and costs the same: those
//! constants are the planner's own, so that only what saves reading is worth more there.

use std::thread::available_parallelism;

use junto_connector::Costs;

/// The costs of a folder.
pub(crate) fn measured() -> Costs {
    Costs {
        query: 1_000.0,
        scanned_row: 0.004,
        sent_row: 0.0,
        sent_value: 0.003,
        sent_wide_value: 0.003,
        sends_arrow: true,
        condition: 0.004,
        text_condition: 0.03,
        pattern: 0.03,
        // There are none.
        indexed_row: 1.5,
        fetched_row: 80.0,
        clustered: false,
        grouped_row: 0.03,
        grouped_row_of_many: 0.12,
        aggregated_value: 0.012,
        computed_value: 0.004,
        // Not done there.
        joined_row: 0.01,
        joins_by_hash: true,
        key: 0.3,
        keys_by_index: false,
        cores: available_parallelism().map_or(1.0, |cores| cores.get() as f64),
    }
}
