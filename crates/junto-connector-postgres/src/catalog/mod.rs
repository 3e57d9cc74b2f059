//! What the database holds: schemas, tables and columns, each call one query.

mod columns;
mod statistics;

pub(crate) use statistics::statistics;

use junto_connector::{Error, ForeignKey, IndexInfo, Result, SchemaInfo, TableInfo, TableKind, TableSummary};
use junto_types::TableName;
use serde::Deserialize;

use crate::error::table_not_found;
use crate::pool::{Pool, catalog_query};
use columns::{Column, column_info, sample_scales};

const SCHEMAS: &str = include_str!("schemas.sql");
const TABLES: &str = include_str!("tables.sql");
const TABLE: &str = include_str!("table.sql");

/// A table as `table.sql` describes it. Absent lists are JSON null.
#[derive(Debug, Deserialize)]
struct Table {
    schema: String,
    table: String,
    kind: String,
    is_partition: bool,
    comment: Option<String>,
    rows: Option<f64>,
    partitions: Option<Vec<(String, String)>>,
    columns: Option<Vec<Column>>,
    indexes: Option<Vec<Index>>,
    foreign_keys: Option<Vec<Reference>>,
}

#[derive(Debug, Deserialize)]
struct Index {
    name: String,
    unique: bool,
    primary: bool,
    /// None for an expression.
    columns: Vec<Option<String>>,
}

#[derive(Debug, Deserialize)]
struct Reference {
    columns: Vec<String>,
    schema: String,
    table: String,
    referenced: Vec<String>,
}

/// Schemas the login may look into.
pub(crate) async fn schemas(pool: &Pool, default_schema: &str) -> Result<Vec<SchemaInfo>> {
    let rows = catalog_query(pool, SCHEMAS, &[]).await?;
    let schema = |row: Vec<Option<String>>| {
        let mut cells = row.into_iter();
        let name = cells.next().flatten().unwrap_or_default();
        SchemaInfo { is_default: name == default_schema, name, comment: cells.next().flatten() }
    };
    Ok(rows.into_iter().map(schema).collect())
}

/// Tables of one schema or of all.
pub(crate) async fn tables(pool: &Pool, schema: Option<&str>) -> Result<Vec<TableSummary>> {
    let rows = catalog_query(pool, TABLES, &[schema]).await?;
    let summary = |row: Vec<Option<String>>| {
        let mut cells = row.into_iter();
        let mut next = || cells.next().flatten();
        let (schema, table) = (next().unwrap_or_default(), next().unwrap_or_default());
        let kind = table_kind(&next().unwrap_or_default(), false);
        let comment = next();
        let row_estimate = next().and_then(|rows| rows.parse().ok());
        TableSummary { name: TableName::new(schema, table), kind, comment, row_estimate }
    };
    Ok(rows.into_iter().map(summary).collect())
}

/// One table in full.
pub(crate) async fn table(pool: &Pool, schema: &str, table: &str) -> Result<TableInfo> {
    let rows = catalog_query(pool, TABLE, &[Some(schema), Some(table)]).await?;
    let [row] = rows.as_slice() else { return Err(not_found(pool, schema, table).await) };
    let text = row.first().and_then(Option::as_deref).unwrap_or_default();
    let found: Table =
        serde_json::from_str(text).map_err(|cause| Error::internal(format!("the catalog cannot be read: {cause}")))?;
    let name = TableName::new(found.schema.as_str(), found.table.as_str());
    let kind = table_kind(&found.kind, found.is_partition);
    let columns = found.columns.unwrap_or_default();
    let rules = &pool.settings().numeric;
    let scales = sample_scales(pool, &name, kind, &columns).await?;
    let columns = columns.into_iter().map(|column| column_info(column, &name, rules, &scales)).collect::<Vec<_>>();
    let not_null = |wanted: &String| columns.iter().any(|column| column.name == *wanted && !column.nullable);
    let (mut primary_key, mut unique_keys, mut indexes) = (Vec::new(), Vec::new(), Vec::new());
    for index in found.indexes.unwrap_or_default() {
        let whole = index.columns.iter().all(Option::is_some);
        let plain: Vec<String> = index.columns.into_iter().map_while(|column| column).collect();
        if index.primary {
            primary_key.clone_from(&plain);
        } else if index.unique && whole && plain.iter().all(not_null) {
            unique_keys.push(plain.clone());
        }
        if !plain.is_empty() {
            indexes.push(IndexInfo { name: index.name, columns: plain, unique: index.unique && whole });
        }
    }
    let foreign_key = |key: Reference| ForeignKey {
        columns: key.columns,
        references: TableName::new(key.schema, key.table),
        referenced_columns: key.referenced,
    };
    let partitions = found.partitions.unwrap_or_default();
    Ok(TableInfo {
        kind,
        comment: found.comment,
        columns,
        primary_key,
        unique_keys,
        foreign_keys: found.foreign_keys.unwrap_or_default().into_iter().map(foreign_key).collect(),
        indexes,
        partitions: partitions.into_iter().map(|(schema, table)| TableName::new(schema, table)).collect(),
        row_estimate: found.rows.map(|rows| rows as u64),
        name,
    })
}

/// The error for a name that none or several tables answer to, with the nearest name of the schema.
async fn not_found(pool: &Pool, schema: &str, table: &str) -> Error {
    let wanted = format!("{schema}.{table}");
    match tables(pool, Some(schema)).await {
        Ok(known) => table_not_found(table, known.iter().map(|summary| summary.name.table.as_str())),
        Err(_) => table_not_found(&wanted, []),
    }
}

fn table_kind(kind: &str, is_partition: bool) -> TableKind {
    match kind {
        "p" => TableKind::PartitionedTable,
        _ if is_partition => TableKind::Partition,
        "v" => TableKind::View,
        "m" => TableKind::MaterializedView,
        "f" => TableKind::ForeignTable,
        _ => TableKind::Table,
    }
}
