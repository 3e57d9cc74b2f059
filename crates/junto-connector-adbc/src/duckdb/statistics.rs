//! Estimates from what DuckDB keeps per column: bounds, NULLs and a sketch of distinct values.

use arrow::datatypes::{DataType, TimeUnit};
use junto_connector::{
    ColumnInfo, ColumnStatistics, Literal, Relation, RemotePlan, Result, TableInfo, TableKind, TableStatistics,
};
use junto_connector_sql::{Dialect, datetime, generate};

use super::catalog::text_rows;
use super::connector::Session;
use super::dialect::DuckDb;

/// One query that scans nothing: `stats(column)` is answered by the planner.
pub(super) async fn collect(session: &Session, table: &TableInfo) -> Result<TableStatistics> {
    let mut statistics = TableStatistics::rows_only(table.row_estimate);
    if table.kind != TableKind::Table || table.columns.is_empty() {
        return Ok(statistics);
    }
    let list = table.columns.iter().map(|column| format!("stats({})", DuckDb.quote(&column.name)));
    let sql = format!("SELECT {} FROM {} LIMIT 1", list.collect::<Vec<_>>().join(", "), DuckDb.table(&table.name));
    let (_, batches) = session.rows(sql).await?;
    let Some(batch) = batches.first() else { return Ok(statistics) };
    let Some(row) = text_rows(batch)?.into_iter().next() else { return Ok(statistics) };
    let described = table.columns.iter().zip(row).filter_map(|(column, text)| Some((column, text?)));
    statistics.columns = described.map(|(column, text)| parsed(column, &text)).collect();
    Ok(statistics)
}

/// Rows that DuckDB expects of a table or view as a whole; none for anything else: of rows that it tests it expects a fixed
/// share, which says nothing.
pub(super) async fn estimate(session: &Session, plan: &RemotePlan) -> Result<Option<f64>> {
    if !matches!(plan.root, Relation::Scan { .. }) {
        return Ok(None);
    }
    let sql = format!("EXPLAIN (FORMAT json) {}", generate(&DuckDb, plan, None)?);
    let (_, batches) = session.rows(sql).await?;
    let Some(batch) = batches.first() else { return Ok(None) };
    let mut cells = text_rows(batch)?.into_iter().flatten().flatten();
    Ok(cells.find_map(|cell| expected(&cell)))
}

/// The rows of the outermost operator.
fn expected(explained: &str) -> Option<f64> {
    let plan: serde_json::Value = serde_json::from_str(explained).ok()?;
    plan.pointer("/0/extra_info/Estimated Cardinality")?.as_str()?.parse().ok()
}

/// Reads `[Min: 1, Max: 2][Has Null: false, Has No Null: true][Approx Unique: 2]`.
fn parsed(column: &ColumnInfo, text: &str) -> ColumnStatistics {
    let after = |label: &str| text.split_once(label).map(|(_, rest)| rest);
    let bound = |label: &str| {
        let rest = after(label)?;
        literal(&column.data_type, rest[..rest.find([',', ']'])?].trim())
    };
    let distinct = after("Approx Unique: ").and_then(|rest| rest[..rest.find(']')?].parse().ok());
    let no_nulls = !column.nullable || text.contains("Has Null: false");
    ColumnStatistics {
        name: column.name.clone(),
        distinct,
        null_fraction: no_nulls.then_some(0.0),
        min: bound("Min: "),
        max: bound("Max: "),
        ..ColumnStatistics::default()
    }
}

/// Bounds of numbers and dates. Those of text are cut to eight bytes and left out.
fn literal(data_type: &DataType, text: &str) -> Option<Literal> {
    match data_type {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => text.parse().ok().map(Literal::Int),
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
            text.parse().ok().map(Literal::UInt)
        }
        DataType::Float32 | DataType::Float64 => text.parse().ok().map(Literal::Float),
        DataType::Decimal128(precision, scale) => {
            let fraction = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            let unscaled = text.replace('.', "") + &"0".repeat(usize::try_from(*scale).ok()?.checked_sub(fraction)?);
            unscaled.parse::<i128>().ok()?;
            Some(Literal::Decimal { unscaled, precision: *precision, scale: *scale })
        }
        DataType::Date32 => datetime::parse_date(text).map(Literal::Date),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let micros = datetime::parse_timestamp(text)?.utc_micros();
            Some(Literal::Timestamp { micros, utc: zone.is_some() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use junto_connector::TextSemantics;

    #[test]
    fn reads_what_duckdb_says_of_a_column() {
        let column = |data_type| ColumnInfo {
            name: "c".into(),
            source_type: String::new(),
            data_type,
            nullable: true,
            text: TextSemantics::Binary,
            comment: None,
            remark: None,
        };
        let text = "[Min: -1.500, Max: 20.000][Has Null: false, Has No Null: true][Approx Unique: 7]";
        let statistics = parsed(&column(DataType::Decimal128(18, 3)), text);
        assert_eq!(statistics.min, Some(Literal::Decimal { unscaled: "-1500".into(), precision: 18, scale: 3 }));
        assert_eq!((statistics.distinct, statistics.null_fraction), (Some(7), Some(0.0)));
        let text = "[Min: -infinity, Max: infinity][Has Null: true, Has No Null: true][Approx Unique: 2]";
        let statistics = parsed(&column(DataType::Date32), text);
        assert_eq!((statistics.min, statistics.null_fraction), (None, None));
    }
}
