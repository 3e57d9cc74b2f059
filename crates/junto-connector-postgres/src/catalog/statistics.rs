//! Statistics of a table, from what ANALYZE stored.

use std::time::SystemTime;

use junto_connector::{ColumnStatistics, Error, Literal, Result, TableStatistics};
use junto_connector_sql::datetime::{parse_date, parse_timestamp};
use junto_types::TableName;
use serde::Deserialize;

use crate::pool::{Pool, catalog_query};
use crate::types::oid;

const STATISTICS: &str = include_str!("statistics.sql");
/// Assumed of a table that was never analysed: bytes of a row.
const ROW_BYTES: u64 = 100;
/// Longer values say nothing that decides a plan.
const LONGEST_TEXT: usize = 200;

#[derive(Debug, Deserialize)]
struct Table {
    rows: Option<f64>,
    bytes: Option<u64>,
    columns: Option<Vec<Column>>,
}

#[derive(Debug, Deserialize)]
struct Column {
    name: String,
    oid: u32,
    null_fraction: f64,
    width: u32,
    /// Negative: minus the share of the rows.
    distinct: f64,
    common: Option<Vec<String>>,
    frequencies: Option<Vec<f64>>,
    histogram: Option<Vec<String>>,
}

/// Statistics of one table; a partitioned table's are those of all its leaves.
pub(crate) async fn statistics(pool: &Pool, table: &TableName) -> Result<TableStatistics> {
    let rows = catalog_query(pool, STATISTICS, &[table.schema.as_deref(), Some(&table.table)]).await?;
    let Some(text) = rows.first().and_then(|row| row.first()?.as_deref()) else {
        return Err(Error::TableNotFound { table: table.to_string(), nearest: None });
    };
    let found: Table =
        serde_json::from_str(text).map_err(|cause| Error::internal(format!("statistics cannot be read: {cause}")))?;
    let size = found.bytes.filter(|bytes| *bytes > 0);
    let rows = found.rows.map(|rows| rows as u64).or_else(|| Some(size? / ROW_BYTES));
    let columns = found.columns.unwrap_or_default();
    Ok(TableStatistics {
        cached: None,
        rows,
        size_bytes: size,
        columns: columns.into_iter().map(|column| column_statistics(column, rows)).collect(),
        collected_at: SystemTime::now(),
    })
}

fn column_statistics(column: Column, rows: Option<u64>) -> ColumnStatistics {
    let literals = |values: Option<Vec<String>>| -> Vec<Option<Literal>> {
        values.unwrap_or_default().iter().map(|value| literal(column.oid, value)).collect()
    };
    let shares = column.frequencies.clone().unwrap_or_default();
    let common = literals(column.common.clone()).into_iter().zip(shares);
    let histogram: Option<Vec<Literal>> = literals(column.histogram.clone()).into_iter().collect();
    let histogram = histogram.unwrap_or_default();
    let distinct = match column.distinct {
        0.0 => None,
        share if share < 0.0 => rows.map(|rows| (-share * rows as f64).round() as u64),
        count => Some(count as u64),
    };
    ColumnStatistics {
        distinct,
        null_fraction: Some(column.null_fraction),
        average_bytes: Some(column.width),
        min: histogram.first().cloned(),
        max: histogram.last().cloned(),
        common: common.filter_map(|(literal, share)| Some((literal?, share))).collect(),
        histogram,
        name: column.name,
    }
}

/// A value of a type that has literals, from its text.
fn literal(type_oid: u32, text: &str) -> Option<Literal> {
    Some(match type_oid {
        16 => Literal::Boolean(text == "t"),
        20 | 21 | 23 | 26 => Literal::Int(text.parse().ok()?),
        700 | 701 => Literal::Float(text.parse().ok()?),
        oid::NUMERIC => decimal_literal(text)?,
        19 | 25 | 1043 | oid::UUID => Literal::Text(text.get(..LONGEST_TEXT).unwrap_or(text).to_owned()),
        oid::BPCHAR => Literal::Text(text.trim_end_matches(' ').to_owned()),
        1082 => Literal::Date(parse_date(text)?),
        1114 => Literal::Timestamp { micros: parse_timestamp(text)?.utc_micros(), utc: false },
        1184 => Literal::Timestamp { micros: parse_timestamp(text)?.utc_micros(), utc: true },
        _ => return None,
    })
}

fn decimal_literal(text: &str) -> Option<Literal> {
    let (integer, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{integer}{fraction}");
    let is_number = digits.strip_prefix('-').unwrap_or(&digits).bytes().all(|byte| byte.is_ascii_digit());
    let fits = is_number && digits.len() <= 38;
    fits.then_some(Literal::Decimal { unscaled: digits, precision: 38, scale: fraction.len() as i8 })
}
