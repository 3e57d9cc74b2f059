//! Sizes and spreads of a table, from what the server has collected.

use std::sync::Arc;
use std::time::SystemTime;

use arrow_schema::DataType;
use junto_connector::{ColumnInfo, ColumnStatistics, Literal, Result, TableStatistics};
use junto_connector_sql::standard::text_literal;
use junto_connector_sql::{datetime, decimal, standard};
use junto_types::TableName;

use crate::catalog;
use crate::pool::Pool;

/// Statistics of one table: rows and size from TABLES, distinct values from the indexes, and on MariaDB what
/// `ANALYZE TABLE … PERSISTENT` left behind, where the login may read it.
pub(crate) async fn statistics(pool: &Arc<Pool>, table: &TableName, is_mariadb: bool) -> Result<TableStatistics> {
    let schema = table.schema.as_deref().or(pool.settings().database.as_deref()).unwrap_or_default();
    let (schema_text, table_text) = (text_literal(schema), text_literal(&table.table));
    let about = table.to_string();
    let sql = format!(
        "SELECT TABLE_ROWS, DATA_LENGTH, CAST(@@innodb_buffer_pool_size AS CHAR) FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = {schema_text} AND TABLE_NAME = {table_text} UNION ALL \
         SELECT CARDINALITY, SUB_PART, CAST(COLUMN_NAME AS CHAR) FROM information_schema.STATISTICS \
         WHERE TABLE_SCHEMA = {schema_text} AND TABLE_NAME = {table_text} AND SEQ_IN_INDEX = 1"
    );
    let lines = pool.ask(&sql, &about).await?;
    let number = |line: &[Option<String>], at: usize| line.get(at)?.as_ref()?.parse::<u64>().ok();
    let mut statistics = TableStatistics::rows_only(lines.first().and_then(|line| number(line, 0)));
    statistics.size_bytes = lines.first().and_then(|line| number(line, 1));
    let pool_bytes = lines.first().and_then(|line| number(line, 2));
    statistics.cached = statistics.size_bytes.zip(pool_bytes).map(|(size, pool)| catalog::cached_share(size, pool));
    statistics.collected_at = SystemTime::now();
    for line in lines.iter().skip(1) {
        let (Some(distinct), Some(Some(name))) = (number(line, 0), line.get(2)) else { continue };
        // An index over a prefix knows fewer values than there are.
        if line.get(1).is_some_and(Option::is_none) {
            let column = column(&mut statistics.columns, name);
            column.distinct = column.distinct.max(Some(distinct));
        }
    }
    add_extremes(pool, schema, table, &mut statistics).await;
    if is_mariadb {
        add_persistent(pool, schema, table, &mut statistics).await;
    }
    Ok(statistics)
}

/// Adds the least and the greatest value of columns that an index begins with: the server reads them off its ends.
async fn add_extremes(pool: &Arc<Pool>, schema: &str, table: &TableName, statistics: &mut TableStatistics) {
    if statistics.columns.is_empty() {
        return;
    }
    let Ok(described) = catalog::table(pool, Some(schema), &table.table).await else { return };
    let columns: Vec<ColumnInfo> = described
        .info
        .columns
        .iter()
        .filter(|column| has_order(&column.data_type) && statistics.column(&column.name).is_some())
        .take(MOST_EXTREMES)
        .cloned()
        .collect();
    if columns.is_empty() {
        return;
    }
    let place = format!("{}.{}", standard::quote(schema, '"'), standard::quote(&table.table, '"'));
    let ends = columns.iter().flat_map(|column| {
        let name = standard::quote(&column.name, '"');
        ["MIN", "MAX"].map(|end| format!("(SELECT {end}({name}) FROM {place})"))
    });
    let sql = format!("SELECT {}", ends.collect::<Vec<_>>().join(", "));
    let Ok(lines) = pool.ask(&sql, &table.to_string()).await else { return };
    let Some(line) = lines.first() else { return };
    for (found, ends) in columns.iter().zip(line.chunks(2)) {
        let end = |at: usize| ends.get(at)?.as_deref().and_then(|text| literal(found, text));
        let (min, max) = (end(0), end(1));
        let column = column(&mut statistics.columns, &found.name);
        (column.min, column.max) = (min, max);
    }
}

/// Types whose extremes say how many rows a range holds.
fn has_order(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_decimal() || matches!(data_type, DataType::Date32 | DataType::Timestamp(..))
}

/// Columns of one table whose extremes are asked for.
const MOST_EXTREMES: usize = 16;

/// Adds what `mysql.column_stats` knows. Most logins may not read it, and most tables are not in it: then nothing is
/// added.
async fn add_persistent(pool: &Arc<Pool>, schema: &str, table: &TableName, statistics: &mut TableStatistics) {
    let sql = format!(
        "SELECT column_name, nulls_ratio, avg_length, avg_frequency, min_value, max_value FROM mysql.column_stats \
         WHERE db_name = {} AND table_name = {}",
        text_literal(schema),
        text_literal(&table.table)
    );
    let Ok(lines) = pool.ask(&sql, "mysql.column_stats").await else { return };
    if lines.is_empty() {
        return;
    }
    let Ok(described) = catalog::table(pool, Some(schema), &table.table).await else { return };
    let rows = statistics.rows;
    for line in lines {
        let value = |at: usize| line.get(at)?.as_deref();
        let real = |at: usize| value(at)?.parse::<f64>().ok();
        let Some(described) = described.info.columns.iter().find(|column| Some(column.name.as_str()) == value(0))
        else {
            continue;
        };
        let column = column(&mut statistics.columns, &described.name);
        column.null_fraction = real(1);
        column.average_bytes = real(2).map(|bytes| bytes.round() as u32);
        if let (Some(rows), Some(frequency)) = (rows, real(3).filter(|frequency| *frequency >= 1.0)) {
            let filled = rows as f64 * (1.0 - column.null_fraction.unwrap_or_default());
            column.distinct = Some((filled / frequency).round() as u64);
        }
        column.min = value(4).and_then(|text| literal(described, text));
        column.max = value(5).and_then(|text| literal(described, text));
    }
}

fn column<'a>(columns: &'a mut Vec<ColumnStatistics>, name: &str) -> &'a mut ColumnStatistics {
    let at = columns.iter().position(|column| column.name == name).unwrap_or_else(|| {
        columns.push(ColumnStatistics { name: name.into(), ..ColumnStatistics::default() });
        columns.len() - 1
    });
    &mut columns[at]
}

/// A bound in the server's text form, for the types whose order it describes.
fn literal(column: &ColumnInfo, text: &str) -> Option<Literal> {
    match &column.data_type {
        data_type if data_type.is_signed_integer() => text.parse().ok().map(Literal::Int),
        data_type if data_type.is_unsigned_integer() => text.parse().ok().map(Literal::UInt),
        DataType::Decimal128(precision, scale) => {
            let unscaled = decimal::parse::<i128>(text, *precision, *scale).ok()?.to_string();
            Some(Literal::Decimal { unscaled, precision: *precision, scale: *scale })
        }
        DataType::Float64 => text.parse().ok().map(Literal::Float),
        DataType::Date32 => datetime::parse_date(text).map(Literal::Date),
        DataType::Timestamp(_, zone) => {
            let micros = datetime::parse_timestamp(text)?.micros;
            Some(Literal::Timestamp { micros, utc: zone.is_some() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_again() {
        let mut columns = Vec::new();
        column(&mut columns, "a").distinct = Some(3);
        column(&mut columns, "a").null_fraction = Some(0.5);
        assert_eq!((columns.len(), columns[0].distinct, columns[0].null_fraction), (1, Some(3), Some(0.5)));
    }
}
