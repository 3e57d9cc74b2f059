//! What work costs in SQLite, measured on files with TPC-H at scale factor 1 in the system's cache.
//!
//! Microseconds of one thread per row of `orders` (1.5 million rows), the least of four runs, each beyond what the line
//! above it costs. Sending is decoding into Arrow, measured with this crate; the rest with SQLite alone.
//!
//! | statement | µs |
//! |---|---|
//! | all rows in the table's order | 0.045 |
//! | an integer or decimal compared, with the test that it is a number | 0.015–0.03 |
//! | a text compared, `IN` two texts | 0.02, 0.03 |
//! | `GLOB`, with the test for NUL | 0.11 |
//! | `GROUP BY` an integer of few values, a text, two texts (all sorted first) | 0.1, 0.2, 0.5 |
//! | `GROUP BY` an integer, a decimal of many values | 0.3, 0.6 |
//! | `min`, `max`, `count` | 0.01 |
//! | looking up a row of another table by the rowid, by an index | 0.05–0.3 |
//! | a row that an index over another column leads to | 1.1 |
//! | 1,000, 10,000, 100,000 keys, each | 1.6, 1.3, 0.9 |
//! | 4 integers, 16 columns of `lineitem` delivered | 0.17, 0.78 |

use junto_connector::Costs;

/// The costs of a file.
pub(crate) fn measured() -> Costs {
    Costs {
        query: 100.0,
        scanned_row: 0.045,
        sent_row: 0.03,
        sent_value: 0.025,
        sent_wide_value: 0.032,
        sends_arrow: false,
        condition: 0.022,
        text_condition: 0.025,
        pattern: 0.11,
        indexed_row: 1.1,
        fetched_row: 80.0,
        // Only where the key is the rowid, or the table is declared WITHOUT ROWID.
        clustered: false,
        grouped_row: 0.25,
        grouped_row_of_many: 0.5,
        aggregated_value: 0.01,
        // Not computed there.
        computed_value: 0.05,
        joined_row: 0.3,
        // By an index made for the statement.
        joins_by_hash: true,
        key: 1.2,
        keys_by_index: true,
        cores: 1.0,
    }
}
