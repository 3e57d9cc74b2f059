//! Schemas, tables, columns, keys and indexes, from DuckDB's catalog functions.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use junto_connector::{
    ColumnInfo, Error, ForeignKey, IndexInfo, Options, Result, SchemaInfo, TableInfo, TableKind, TableSummary,
    TextSemantics,
};
use junto_connector_sql::{Dialect, standard::text_literal};
use junto_types::{TableName, nearest};

use super::connector::Session;
use super::dialect::DuckDb;
use super::types;

/// Where `@alias.table` looks.
const DEFAULT_SCHEMA: &str = "main";

const SCHEMAS: &str = "SELECT schema_name, comment FROM duckdb_schemas() WHERE database_name = current_database() \
    AND schema_name NOT IN ('information_schema', 'pg_catalog') ORDER BY schema_name";

const TABLES: &str = "SELECT schema_name, table_name, 'table' AS kind, comment, estimated_size FROM duckdb_tables() \
    WHERE database_name = current_database() AND NOT internal UNION ALL \
    SELECT schema_name, view_name, 'view', comment, NULL FROM duckdb_views() \
    WHERE database_name = current_database() AND NOT internal ORDER BY 1, 2";

/// Reads the catalog of one file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Catalog<'a> {
    pub(super) session: &'a Session,
    pub(super) options: &'a Options,
}

/// A row of a metadata query, every value as text.
type Row = Vec<Option<String>>;

impl Catalog<'_> {
    pub(super) async fn schemas(self) -> Result<Vec<SchemaInfo>> {
        let rows = self.rows(SCHEMAS.into()).await?;
        let schema = |row: Row| {
            let [name, comment] = columns(row);
            let name = name.unwrap_or_default();
            SchemaInfo { is_default: name == DEFAULT_SCHEMA, name, comment }
        };
        Ok(rows.into_iter().map(schema).collect())
    }

    pub(super) async fn tables(self, schema: Option<&str>) -> Result<Vec<TableSummary>> {
        let rows = self.rows(TABLES.into()).await?;
        let table = |row: Row| {
            let [schema, name, kind, comment, size] = columns(row);
            TableSummary {
                name: TableName { schema, table: name.unwrap_or_default() },
                kind: if kind.as_deref() == Some("view") { TableKind::View } else { TableKind::Table },
                comment,
                row_estimate: size.and_then(|size| size.parse().ok()),
            }
        };
        let all: Vec<TableSummary> = rows.into_iter().map(table).collect();
        let Some(schema) = schema else { return Ok(all) };
        let schema = self.schema_name(schema).await?;
        Ok(all.into_iter().filter(|table| table.name.schema.as_ref() == Some(&schema)).collect())
    }

    pub(super) async fn table(self, schema: Option<&str>, table: &str) -> Result<TableInfo> {
        let tables = self.tables(Some(schema.unwrap_or(DEFAULT_SCHEMA))).await?;
        let names = || tables.iter().map(|summary| summary.name.table.as_str());
        let missing = || Error::TableNotFound { table: table.into(), nearest: nearest(table, names()).map(Into::into) };
        let name = exact_or_unique(table, names()).ok_or_else(missing)?.to_owned();
        let summary = tables.iter().find(|summary| summary.name.table == name).cloned().ok_or_else(missing)?;
        let columns = self.columns(&summary.name).await?;
        let keys = self.keys(&summary.name, &columns).await?;
        let indexes = self.indexes(&summary.name, &columns).await?;
        Ok(TableInfo {
            name: summary.name,
            kind: summary.kind,
            comment: summary.comment,
            columns,
            primary_key: keys.primary,
            unique_keys: keys.unique,
            foreign_keys: keys.foreign,
            indexes,
            partitions: Vec::new(),
            row_estimate: summary.row_estimate,
        })
    }

    async fn schema_name(self, schema: &str) -> Result<String> {
        let schemas = self.schemas().await?;
        let names = || schemas.iter().map(|schema| schema.name.as_str());
        exact_or_unique(schema, names()).map(str::to_owned).ok_or_else(|| Error::SchemaNotFound {
            schema: schema.into(),
            nearest: nearest(schema, names()).map(Into::into),
        })
    }

    /// The Arrow types come from the driver, by asking for no rows of the table; the rest from the catalog.
    async fn columns(self, table: &TableName) -> Result<Vec<ColumnInfo>> {
        let sql = format!(
            "SELECT column_name, data_type, is_nullable, comment FROM duckdb_columns() WHERE {} ORDER BY column_index",
            of_table(table)
        );
        let described = self.rows(sql).await?;
        let names: Vec<String> = described
            .iter()
            .map(|row| DuckDb.quote(row.first().and_then(Option::as_deref).unwrap_or_default()))
            .collect();
        let sql = format!("SELECT {} FROM {} LIMIT 0", names.join(", "), DuckDb.table(table));
        let (schema, _) = self.session.rows(sql).await?;
        let text = self.text_semantics(table).await?;
        let column = |(row, field): (Row, &std::sync::Arc<Field>)| {
            let [name, source_type, nullable, comment] = columns(row);
            let (name, source_type) = (name.unwrap_or_default(), source_type.unwrap_or_default());
            let (data_type, remark) = types::planned(&source_type, field, self.is_read_as_text(table, &name));
            ColumnInfo {
                name,
                data_type,
                nullable: nullable.as_deref() != Some("false"),
                text: if source_type == "VARCHAR" { text } else { TextSemantics::Binary },
                source_type,
                comment,
                remark,
            }
        };
        Ok(described.into_iter().zip(schema.fields()).map(column).collect())
    }

    /// DuckDB tells a column's collation only in the text of its table, so one COLLATE makes all of the table's texts
    /// suspect; and a view shows columns of any table. Suspect columns are read with the binary collation.
    async fn text_semantics(self, table: &TableName) -> Result<TextSemantics> {
        let sql = format!(
            "SELECT 1 FROM duckdb_tables() WHERE database_name = current_database() AND contains(upper(sql), 'COLLATE') \
             AND ({} OR EXISTS (FROM duckdb_views() WHERE {}))",
            is_table(table, "table_name"),
            is_table(table, "view_name")
        );
        let suspect = !self.rows(sql).await?.is_empty();
        Ok(if suspect { TextSemantics::Loose } else { TextSemantics::Binary })
    }

    fn is_read_as_text(self, table: &TableName, column: &str) -> bool {
        let short = format!("{}.{column}", table.table);
        let full = format!("{table}.{column}");
        self.options.entries("type").any(|(name, _)| name == short || name == full)
    }

    async fn keys(self, table: &TableName, of_columns: &[ColumnInfo]) -> Result<KeysOfTable> {
        let sql = format!(
            "SELECT constraint_index, constraint_type, unnest(constraint_column_names), referenced_table, \
             unnest(referenced_column_names) FROM duckdb_constraints() WHERE {} \
             AND constraint_type IN ('PRIMARY KEY', 'UNIQUE', 'FOREIGN KEY')",
            of_table(table)
        );
        let mut keys = KeysOfTable::default();
        let mut last: Option<Option<String>> = None;
        for row in self.rows(sql).await? {
            let [index, kind, column, referenced, referenced_column] = columns(row);
            let is_new = last.as_ref() != Some(&index);
            last = Some(index);
            let Some(column) = column else { continue };
            match kind.as_deref() {
                Some("PRIMARY KEY") => keys.primary.push(column),
                Some("UNIQUE") if is_new => keys.unique.push(vec![column]),
                Some("UNIQUE") => keys.unique.last_mut().into_iter().for_each(|key| key.push(column.clone())),
                _ if is_new => keys.foreign.push(ForeignKey {
                    columns: vec![column],
                    // DuckDB has no foreign keys across schemas.
                    references: TableName { schema: table.schema.clone(), table: referenced.unwrap_or_default() },
                    referenced_columns: referenced_column.into_iter().collect(),
                }),
                _ => keys.foreign.last_mut().into_iter().for_each(|key| {
                    key.columns.push(column.clone());
                    key.referenced_columns.extend(referenced_column.clone());
                }),
            }
        }
        let not_null = |name: &String| of_columns.iter().any(|column| column.name == *name && !column.nullable);
        keys.unique.retain(|key| key.iter().all(not_null));
        Ok(keys)
    }

    async fn indexes(self, table: &TableName, of_columns: &[ColumnInfo]) -> Result<Vec<IndexInfo>> {
        let sql = format!("SELECT index_name, is_unique, expressions FROM duckdb_indexes() WHERE {}", of_table(table));
        let index = |row: Row| {
            let [name, unique, expressions] = columns(row);
            let expressions = expressions.unwrap_or_default();
            let listed = expressions.trim_start_matches('[').trim_end_matches(']').split(", ");
            let plain = |text: &str| {
                let text = text.trim_matches('\'').trim_matches('"');
                of_columns.iter().find(|column| column.name == text).map(|column| column.name.clone())
            };
            IndexInfo {
                name: name.unwrap_or_default(),
                columns: listed.map_while(plain).collect(),
                unique: unique.as_deref() == Some("true"),
            }
        };
        Ok(self.rows(sql).await?.into_iter().map(index).collect())
    }

    async fn rows(self, sql: String) -> Result<Vec<Row>> {
        let (_, batches) = self.session.rows(sql).await?;
        let mut rows = Vec::new();
        for batch in &batches {
            rows.extend(text_rows(batch)?);
        }
        Ok(rows)
    }
}

#[derive(Debug, Default)]
struct KeysOfTable {
    primary: Vec<String>,
    unique: Vec<Vec<String>>,
    foreign: Vec<ForeignKey>,
}

/// Every value of a batch as text.
pub(super) fn text_rows(batch: &RecordBatch) -> Result<Vec<Row>> {
    let internal = |cause: arrow::error::ArrowError| Error::internal(cause.to_string());
    let texts = batch.columns().iter().map(|column| cast(column, &DataType::Utf8View).map_err(internal));
    let texts = texts.collect::<Result<Vec<_>>>()?;
    let cell = |column: &dyn Array, row: usize| {
        let text = column.as_string_view();
        (!text.is_null(row)).then(|| text.value(row).to_owned())
    };
    Ok((0..batch.num_rows()).map(|row| texts.iter().map(|column| cell(column, row)).collect()).collect())
}

fn of_table(table: &TableName) -> String {
    is_table(table, "table_name")
}

/// Condition on a row of a catalog function whose table or view is named in `name_column`.
fn is_table(table: &TableName, name_column: &str) -> String {
    format!(
        "(database_name = current_database() AND schema_name = {} AND {name_column} = {})",
        text_literal(table.schema.as_deref().unwrap_or(DEFAULT_SCHEMA)),
        text_literal(&table.table)
    )
}

/// The values of a row; those it lacks are NULL.
fn columns<const N: usize>(row: Row) -> [Option<String>; N] {
    let mut values = row.into_iter();
    std::array::from_fn(|_| values.next().flatten())
}

fn exact_or_unique<'a>(name: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    if let Some(exact) = candidates.clone().find(|candidate| *candidate == name) {
        return Some(exact);
    }
    let mut alike = candidates.filter(|candidate| candidate.to_lowercase() == name.to_lowercase());
    alike.next().filter(|_| alike.next().is_none())
}
