//! What work costs on these servers, measured on MariaDB 10.11 with TPC-H at scale factor 1 in memory.
//!
//! Microseconds of the connection's thread per row, the least of a dozen runs over 150,000 rows of `lineitem` or `orders`
//! (schedstat of the thread), each beyond what the line above it costs:
//!
//! | statement | µs |
//! |---|---|
//! | `count(*)` in the table's order | 0.08–0.10 |
//! | a condition on an integer, a date, a decimal | 0.014, 0.018, 0.03 |
//! | a text `=`, `<>`, `IN` by its bytes; `CHAR_LENGTH`; `SUBSTRING =` | 0.04, 0.06, 0.07; 0.11; 0.05 |
//! | `LIKE 'a%'`, `LIKE '%a%b%'` over 50 bytes (converted first, as other character sets are: 0.06, 0.33) | 0.03, 0.16 |
//! | `GROUP BY` an integer of few values, two texts, an integer of many values | 0.06, 0.15, 0.24 |
//! | `sum` of an integer, of a decimal; `min` | 0.025, 0.03, 0.03 |
//! | one more operator of decimals inside `sum` | 0.035–0.05 |
//! | looking up a row of another table by its primary key, by an index | 0.9, 0.8 |
//! | all of TPC-H q01 | 0.85 |
//!
//! A row that an index leads to, when the table is eight times as large as the buffer pool (files are not cached by the
//! system): 75.
//!
//! Rows in the binary form: 16 columns of `lineitem` 0.67, 4 integers 0.17. Keys: 3.1–4.4 each in lists of 10,000.

use junto_connector::Costs;

/// The costs of a server.
pub(crate) fn measured() -> Costs {
    Costs {
        query: 300.0,
        scanned_row: 0.08,
        sent_row: 0.03,
        sent_value: 0.02,
        sent_wide_value: 0.025,
        sends_arrow: false,
        condition: 0.02,
        text_condition: 0.055,
        pattern: 0.15,
        grouped_row: 0.15,
        aggregated_value: 0.03,
        computed_value: 0.04,
        joined_row: 0.9,
        key: 3.5,
        keys_by_index: true,
        indexed_row: 2.5,
        fetched_row: 75.0,
        clustered: true,
        grouped_row_of_many: 3.0,
        joins_by_hash: false,
        cores: 1.0,
    }
}
