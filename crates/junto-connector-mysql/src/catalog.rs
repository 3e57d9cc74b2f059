//! What the server holds, from `information_schema`. One question per answer: each costs a round trip, and servers open
//! every table that a question does not exclude by name.

use std::sync::Arc;

use junto_connector::{
    ColumnInfo, Error, ForeignKey, IndexInfo, Result, SchemaInfo, TableInfo, TableKind, TableSummary, TextSemantics,
};
use junto_connector_sql::standard::text_literal;
use junto_types::{TableName, nearest};

use crate::dialect::COLLATE;
use crate::pool::Pool;
use crate::types::{DeclaredType, read_type};

const INTERNAL: &str = "'information_schema', 'mysql', 'performance_schema', 'sys'";
type Row = Vec<Option<String>>;

/// A table, and what only this connector asks about it.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) info: TableInfo,
    /// The storage engine; empty for views.
    pub(crate) engine: String,
    /// Share of the table that the server can keep in memory.
    pub(crate) cached: f64,
}

/// Schemas the login may see.
pub(crate) async fn schemas(pool: &Arc<Pool>) -> Result<Vec<SchemaInfo>> {
    let sql = format!(
        "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ({INTERNAL}) ORDER BY SCHEMA_NAME"
    );
    let default = pool.settings().database.as_deref();
    let rows = pool.ask(&sql, "information_schema.SCHEMATA").await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let name = text(&row, 0);
            SchemaInfo { is_default: Some(name.as_str()) == default, name, comment: None }
        })
        .collect())
}

/// Tables and views of a schema, or of all.
pub(crate) async fn tables(pool: &Arc<Pool>, schema: Option<&str>) -> Result<Vec<TableSummary>> {
    let condition = match schema {
        Some(schema) => format!("TABLE_SCHEMA = {}", text_literal(schema)),
        None => format!("TABLE_SCHEMA NOT IN ({INTERNAL})"),
    };
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, CREATE_OPTIONS, TABLE_COMMENT, TABLE_ROWS \
         FROM information_schema.TABLES WHERE {condition} AND TABLE_TYPE <> 'SEQUENCE' \
         ORDER BY TABLE_SCHEMA, TABLE_NAME"
    );
    let rows = pool.ask(&sql, "information_schema.TABLES").await?;
    Ok(rows
        .iter()
        .map(|row| {
            let kind = kind(&text(row, 2), &text(row, 3), &text(row, 4));
            TableSummary {
                name: TableName::new(text(row, 0), text(row, 1)),
                kind,
                comment: comment(row, 5, kind),
                row_estimate: number(row, 6),
            }
        })
        .collect())
}

/// One table in full.
///
/// # Errors
/// [`Error::TableNotFound`] or [`Error::SchemaNotFound`], with the nearest name.
pub(crate) async fn table(pool: &Arc<Pool>, schema: Option<&str>, table: &str) -> Result<Described> {
    let schema = schema.or(pool.settings().database.as_deref()).ok_or_else(|| Error::InvalidOption {
        option: "database".into(),
        reason: "is needed to find a table whose schema is not named".into(),
    })?;
    if let Some(found) = described(pool, schema, table).await? {
        return Ok(found);
    }
    let (schema, table) = spelled(pool, schema, table).await?;
    let missing = || Error::TableNotFound { table: format!("{schema}.{table}"), nearest: None };
    described(pool, &schema, &table).await?.ok_or_else(missing)
}

/// The table's name in the server's spelling, when one table alone matches ignoring case.
async fn spelled(pool: &Arc<Pool>, schema: &str, table: &str) -> Result<(String, String)> {
    let same = |name: &str, wanted: &str| name.to_lowercase() == wanted.to_lowercase();
    let schemas = schemas(pool).await?;
    let names = || schemas.iter().map(|schema| schema.name.as_str());
    let exact = names().find(|name| *name == schema);
    let alike: Vec<&str> = names().filter(|name| same(name, schema)).collect();
    let found = match (exact, alike.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => only,
        _ => {
            let nearest = nearest(schema, names()).map(str::to_owned);
            return Err(Error::SchemaNotFound { schema: schema.into(), nearest });
        }
    };
    let tables = tables(pool, Some(found)).await?;
    let names = || tables.iter().map(|summary| summary.name.table.as_str());
    let alike: Vec<&str> = names().filter(|name| same(name, table)).collect();
    if let [only] = alike.as_slice() {
        Ok((found.to_owned(), (*only).to_owned()))
    } else {
        let nearest = nearest(table, names()).map(str::to_owned);
        Err(Error::TableNotFound { table: format!("{found}.{table}"), nearest })
    }
}

/// Everything about a table of exactly this name, in one round trip: lines of five kinds, told apart by the first field.
async fn described(pool: &Arc<Pool>, schema: &str, table: &str) -> Result<Option<Described>> {
    let lines = pool.ask(&question(schema, table), &format!("{schema}.{table}")).await?;
    let of = |mark: &str| lines.iter().filter(|line| text(line, 0) == mark).collect::<Vec<_>>();
    let tables = of("table");
    let Some(line) = tables.first() else { return Ok(None) };
    let kind = kind(&text(line, 3), &text(line, 4), &text(line, 5));
    let name = TableName::new(text(line, 1), text(line, 2));
    let mut columns = of("column");
    columns.sort_by_key(|line| number(line, 7));
    let columns: Vec<ColumnInfo> = columns.into_iter().map(|line| column(pool, &name, line)).collect();
    let mut parts = of("index");
    parts.sort_by_key(|line| (text(line, 1), number(line, 3)));
    let indexes = indexes(&parts);
    let primary_key = indexes.iter().find(|(index, _)| index.name == "PRIMARY").map(|(index, _)| index.columns.clone());
    let is_required = |name: &String| columns.iter().any(|column| column.name == *name && is_not_null(&lines, name));
    let unique_keys = indexes
        .iter()
        .filter(|(index, is_whole)| index.unique && *is_whole && index.name != "PRIMARY")
        .filter(|(index, _)| index.columns.iter().all(is_required))
        .map(|(index, _)| index.columns.clone())
        .collect();
    let info = TableInfo {
        kind,
        comment: comment(line, 6, kind),
        row_estimate: number(line, 7),
        primary_key: primary_key.unwrap_or_default(),
        unique_keys,
        foreign_keys: foreign_keys(&mut of("foreign")),
        indexes: indexes.into_iter().map(|(index, _)| index).filter(|index| !index.columns.is_empty()).collect(),
        partitions: Vec::new(),
        columns,
        name,
    };
    let sizes = of("size").first().and_then(|line| number(line, 1).zip(number(line, 2)));
    let cached = sizes.map_or(1.0, |(bytes, pool_bytes)| cached_share(bytes, pool_bytes));
    Ok(Some(Described { info, engine: text(line, 4), cached }))
}

/// Share of a table of so many bytes that fits the buffer pool, which other tables use too.
pub(crate) fn cached_share(bytes: u64, pool_bytes: u64) -> f64 {
    (pool_bytes as f64 * POOL_FOR_ONE_TABLE / bytes.max(1) as f64).min(1.0)
}

/// Share of the buffer pool that one large table is taken to get.
const POOL_FOR_ONE_TABLE: f64 = 0.75;

/// Fields are cast to text so that the parts of the union agree in type and collation on every server.
fn question(schema: &str, table: &str) -> String {
    let this = format!("TABLE_SCHEMA = {} AND TABLE_NAME = {}", text_literal(schema), text_literal(table));
    let part = |mark: &str, fields: [&str; 7], from: &str, condition: &str| {
        let fields = fields.iter().map(|field| format!(", CAST({field} AS CHAR)")).collect::<String>();
        format!("SELECT '{mark}'{fields} FROM information_schema.{from} WHERE {this}{condition}")
    };
    [
        part(
            "table",
            ["TABLE_SCHEMA", "TABLE_NAME", "TABLE_TYPE", "ENGINE", "CREATE_OPTIONS", "TABLE_COMMENT", "TABLE_ROWS"],
            "TABLES",
            "",
        ),
        part(
            "size",
            ["DATA_LENGTH", "@@innodb_buffer_pool_size", "NULL", "NULL", "NULL", "NULL", "NULL"],
            "TABLES",
            "",
        ),
        part(
            "column",
            [
                "COLUMN_NAME",
                "COLUMN_TYPE",
                "IS_NULLABLE",
                "COLLATION_NAME",
                "COLUMN_COMMENT",
                "EXTRA",
                "ORDINAL_POSITION",
            ],
            "COLUMNS",
            "",
        ),
        part(
            "index",
            ["INDEX_NAME", "COLUMN_NAME", "SEQ_IN_INDEX", "NON_UNIQUE", "SUB_PART", "INDEX_TYPE", "NULL"],
            "STATISTICS",
            "",
        ),
        part(
            "foreign",
            [
                "CONSTRAINT_NAME",
                "COLUMN_NAME",
                "ORDINAL_POSITION",
                "REFERENCED_TABLE_SCHEMA",
                "REFERENCED_TABLE_NAME",
                "REFERENCED_COLUMN_NAME",
                "NULL",
            ],
            "KEY_COLUMN_USAGE",
            " AND REFERENCED_TABLE_NAME IS NOT NULL",
        ),
    ]
    .join(" UNION ALL ")
}

fn column(pool: &Arc<Pool>, table: &TableName, line: &[Option<String>]) -> ColumnInfo {
    let settings = &pool.settings().types;
    let (name, column_type) = (text(line, 1), text(line, 2));
    let collation = line.get(4).and_then(Option::as_deref);
    let as_text = settings.wants_text(table.schema.as_deref().unwrap_or_default(), &table.table, &name);
    let read = read_type(DeclaredType { column_type: &column_type, collation, as_text }, settings);
    let source_type = match (collation, read.text) {
        (Some(collation), TextSemantics::Loose | TextSemantics::Binary) => format!("{column_type}{COLLATE}{collation}"),
        _ => column_type,
    };
    ColumnInfo {
        name,
        source_type,
        data_type: read.data_type,
        nullable: text(line, 3) != "NO" || read.can_become_null,
        text: read.text,
        comment: Some(text(line, 5)).filter(|comment| !comment.is_empty()),
        remark: read.remark,
    }
}

fn is_not_null(lines: &[Row], column: &str) -> bool {
    lines.iter().any(|line| text(line, 0) == "column" && text(line, 1) == column && text(line, 3) == "NO")
}

/// Indexes that equality can use, and whether each is over whole columns. Lines come in index order.
fn indexes(parts: &[&Row]) -> Vec<(IndexInfo, bool)> {
    let mut indexes: Vec<(IndexInfo, bool)> = Vec::new();
    let mut plain = true;
    for part in parts {
        if matches!(text(part, 6).as_str(), "FULLTEXT" | "SPATIAL" | "RTREE") {
            continue;
        }
        let name = text(part, 1);
        if indexes.last().is_none_or(|(index, _)| index.name != name) {
            let unique = text(part, 4) == "0";
            indexes.push((IndexInfo { name, columns: Vec::new(), unique }, true));
            plain = true;
        }
        let Some((index, is_whole)) = indexes.last_mut() else { continue };
        // A part over an expression has no column; one over a prefix finds rows, but is not unique.
        match part.get(2).cloned().flatten() {
            Some(column) if plain => index.columns.push(column),
            _ => plain = false,
        }
        *is_whole &= plain && part.get(5).is_none_or(Option::is_none);
        index.unique &= *is_whole;
    }
    indexes
}

fn foreign_keys(lines: &mut [&Row]) -> Vec<ForeignKey> {
    lines.sort_by_key(|line| (text(line, 1), number(line, 3)));
    let mut keys: Vec<(String, ForeignKey)> = Vec::new();
    for line in lines {
        let name = text(line, 1);
        if keys.last().is_none_or(|(last, _)| *last != name) {
            let references = TableName::new(text(line, 4), text(line, 5));
            keys.push((name, ForeignKey { columns: Vec::new(), references, referenced_columns: Vec::new() }));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.columns.push(text(line, 2));
            key.referenced_columns.push(text(line, 6));
        }
    }
    keys.into_iter().map(|(_, key)| key).collect()
}

fn kind(table_type: &str, engine: &str, create_options: &str) -> TableKind {
    if table_type.ends_with("VIEW") {
        TableKind::View
    } else if matches!(engine.to_ascii_uppercase().as_str(), "FEDERATED" | "CONNECT" | "SPIDER") {
        TableKind::ForeignTable
    } else if create_options.contains("partitioned") {
        TableKind::PartitionedTable
    } else {
        TableKind::Table
    }
}

/// Views carry the word VIEW as their comment.
fn comment(row: &[Option<String>], at: usize, kind: TableKind) -> Option<String> {
    Some(text(row, at)).filter(|comment| !comment.is_empty() && kind != TableKind::View)
}

fn text(row: &[Option<String>], at: usize) -> String {
    row.get(at).cloned().flatten().unwrap_or_default()
}

fn number(row: &[Option<String>], at: usize) -> Option<u64> {
    row.get(at)?.as_ref()?.parse().ok()
}
