//! What work costs in DuckDB, measured on 1.5 with TPC-H at scale factor 1 in the system's cache (`./dev bench --costs duck`).
//!
//! Microseconds of one core per row of `lineitem` (6 million rows), reading its columns included:
//!
//! | statement | µs |
//! |---|---|
//! | one column looked at | 0.002 |
//! | a condition on a decimal, a date; on three decimals | 0.002, 0.002; 0.004 |
//! | a text of few values, of many values compared | 0.003, 0.023 |
//! | `LIKE 'a%'`, `LIKE '%a%b%'` over 27 bytes | 0.029, 0.056 |
//! | `GROUP BY` an integer of 7, 10,000, 200,000, 1.5 million values | 0.004, 0.008, 0.036, 0.066 |
//! | `GROUP BY` two texts of few values | 0.005 |
//! | `sum` of 1, 4 decimals; of a product of 2, 3 with additions | 0.002, 0.006; 0.004, 0.005 |
//! | joined with 10,000, 200,000, 1.5 million rows | 0.004, 0.006, 0.058 |
//! | 1 integer, 4 integers, 4 decimals delivered | 0.004, 0.012, 0.057 |
//! | 3 texts of few values, a text of 27 bytes, all 16 columns delivered | 0.052, 0.062, 0.272 |
//!
//! An index over another column (`CREATE INDEX`) finds 25 rows in 0.1 ms. DuckDB prefers a scan (3 ns a row) from about 2,000 rows
//! on; 10,000 keys more than a scan take 3 ms.

use std::thread::available_parallelism;

use junto_connector::Costs;

/// The costs of a file.
pub(super) fn measured() -> Costs {
    Costs {
        query: 700.0,
        scanned_row: 0.002,
        sent_row: 0.0,
        sent_value: 0.003,
        sent_wide_value: 0.012,
        sends_arrow: true,
        condition: 0.0015,
        text_condition: 0.01,
        pattern: 0.05,
        indexed_row: 3.0,
        fetched_row: 80.0,
        clustered: false,
        grouped_row: 0.005,
        grouped_row_of_many: 0.05,
        aggregated_value: 0.0015,
        computed_value: 0.002,
        joined_row: 0.02,
        joins_by_hash: true,
        key: 0.3,
        // Lists of keys are joined with.
        keys_by_index: false,
        cores: available_parallelism().map_or(1.0, |cores| cores.get() as f64),
    }
}
