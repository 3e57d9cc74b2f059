//! What reading Parquet files costs. `./dev bench --costs lake` measures it.

use std::thread::available_parallelism;

use junto_connector::Costs;

/// The costs of a folder.
pub(crate) fn measured() -> Costs {
    Costs {
        query: 1_000.0,
        scanned_row: 0.012,
        sent_row: 0.0,
        sent_value: 0.004,
        sent_wide_value: 0.01,
        condition: 0.01,
        text_condition: 0.04,
        pattern: 0.2,
        // There are none.
        indexed_row: 1.5,
        fetched_row: 80.0,
        clustered: false,
        grouped_row: 0.015,
        grouped_row_of_many: 0.08,
        aggregated_value: 0.006,
        computed_value: 0.02,
        // Not done there.
        joined_row: 0.01,
        joins_by_hash: true,
        key: 0.3,
        keys_by_index: false,
        cores: available_parallelism().map_or(1.0, |cores| cores.get() as f64),
    }
}
