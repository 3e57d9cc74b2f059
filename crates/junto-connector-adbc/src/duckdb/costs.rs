//! What work costs in DuckDB. `./dev bench --costs duck` measures it.

use std::thread::available_parallelism;

use junto_connector::Costs;

/// The costs of a file.
pub(super) fn measured() -> Costs {
    Costs {
        query: 700.0,
        scanned_row: 0.003,
        sent_row: 0.001,
        sent_value: 0.004,
        sent_wide_value: 0.015,
        condition: 0.003,
        text_condition: 0.02,
        pattern: 0.08,
        indexed_row: 3.0,
        fetched_row: 80.0,
        clustered: false,
        grouped_row: 0.012,
        grouped_row_of_many: 0.09,
        aggregated_value: 0.002,
        computed_value: 0.003,
        joined_row: 0.03,
        joins_by_hash: true,
        key: 0.3,
        // Lists of keys are joined with.
        keys_by_index: false,
        cores: available_parallelism().map_or(1.0, |cores| cores.get() as f64),
    }
}
