//! Columns: their Arrow types, and the scale of numerics that do not say it.

use std::collections::HashMap;

use arrow::datatypes::DataType;
use junto_connector::{ColumnInfo, Error, Result, TableKind, TextSemantics};
use junto_connector_sql::Dialect;
use junto_types::TableName;
use serde::Deserialize;

use crate::dialect::PostgresDialect;
use crate::numeric_rules::{NumericRules, decimal};
use crate::pool::{Pool, catalog_query};
use crate::types::{COLLATE, COMPOSITE, UNKNOWN_SCALE, list_of, numeric_type, oid, scalar_type};

/// Rows looked at to guess the scale of a numeric.
const SAMPLE_ROWS: u32 = 1000;

/// A column as `table.sql` describes it. `oid`, `modifier` and `kind` are those of a domain's base type.
#[derive(Debug, Deserialize)]
pub(super) struct Column {
    name: String,
    #[serde(rename = "type")]
    source_type: String,
    oid: u32,
    modifier: i32,
    kind: String,
    element: Option<u32>,
    element_kind: Option<String>,
    dimensions: i32,
    not_null: bool,
    comment: Option<String>,
    collation: Option<String>,
    is_text: bool,
    deterministic: bool,
    bytewise: Option<bool>,
}

impl Column {
    fn is_bare_numeric(&self) -> bool {
        self.oid == oid::NUMERIC && numeric_type(self.modifier).is_none()
    }

    fn is_composite(&self) -> bool {
        self.kind == "c" || self.element_kind.as_deref() == Some("c")
    }

    fn text_semantics(&self) -> TextSemantics {
        match (self.is_text, self.deterministic, self.bytewise) {
            // Compared as its rendering, in the database's default collation.
            (false, ..) => TextSemantics::BinaryEquality,
            (true, false, _) => TextSemantics::Loose,
            (true, true, Some(true)) => TextSemantics::Binary,
            (true, true, _) => TextSemantics::BinaryEquality,
        }
    }
}

/// The column as the engine sees it. `scales` are those of [`sample_scales`].
pub(super) fn column_info(
    column: Column,
    table: &TableName,
    rules: &NumericRules,
    scales: &HashMap<String, i8>,
) -> ColumnInfo {
    let schema = table.schema.as_deref().unwrap_or_default();
    let rule = rules.column(schema, &table.table, &column.name);
    let rule = rule.or_else(|| rules.bare().filter(|_| column.is_bare_numeric()));
    let (data_type, remark) = match rule {
        Some(read_as) => (read_as.data_type(), Some("read as the connection's options say".to_owned())),
        None => arrow_type(&column, scales.get(&column.name).copied()),
    };
    let text = if data_type == DataType::Utf8View { column.text_semantics() } else { TextSemantics::Binary };
    let source_type = match &column.collation {
        _ if column.is_composite() => format!("{}{COMPOSITE}", column.source_type),
        Some(collation) => format!("{}{COLLATE}{collation}", column.source_type),
        None => column.source_type,
    };
    ColumnInfo {
        name: column.name,
        source_type,
        data_type,
        nullable: !column.not_null,
        text,
        comment: column.comment,
        remark,
    }
}

/// The Arrow type, and what `junto schema` says when it holds less than PostgreSQL's.
fn arrow_type(column: &Column, sampled_scale: Option<i8>) -> (DataType, Option<String>) {
    let text = |remark: &str| (DataType::Utf8View, Some(remark.to_owned()));
    if column.is_composite() {
        return text("read as JSON text");
    }
    if column.is_bare_numeric() {
        let scale = sampled_scale.unwrap_or(UNKNOWN_SCALE);
        let remark = match sampled_scale {
            Some(_) => format!("scale {scale} from a sample of {SAMPLE_ROWS} rows"),
            None => format!("scale {scale} assumed, there is nothing to sample"),
        };
        return (if scale < 38 { decimal(38, scale) } else { decimal(76, scale) }, Some(remark));
    }
    if let Some(element) = column.element {
        if column.dimensions > 1 {
            return text("an array of several dimensions, read as text");
        }
        let bare_numeric = element == oid::NUMERIC && numeric_type(column.modifier).is_none();
        return match scalar_type(element, column.modifier).filter(|_| !bare_numeric) {
            Some(data_type) => (list_of(data_type), None),
            None => (list_of(DataType::Utf8View), Some("elements read as text".to_owned())),
        };
    }
    match scalar_type(column.oid, column.modifier) {
        Some(data_type) => (data_type, None),
        None if column.kind == "e" => (DataType::Utf8View, None),
        None => text("read as text"),
    }
}

/// Scales of the numerics that do not say theirs and that no option decides, from the first rows of the table.
///
/// Views and foreign tables are not sampled: their first row may cost as much as their last.
pub(super) async fn sample_scales(
    pool: &Pool,
    table: &TableName,
    kind: TableKind,
    columns: &[Column],
) -> Result<HashMap<String, i8>> {
    let rules = &pool.settings().numeric;
    let schema = table.schema.as_deref().unwrap_or_default();
    let undecided = |column: &&Column| {
        column.is_bare_numeric() && rules.bare().is_none() && rules.column(schema, &table.table, &column.name).is_none()
    };
    let names: Vec<&str> = columns.iter().filter(undecided).map(|column| column.name.as_str()).collect();
    let sampled = !matches!(kind, TableKind::View | TableKind::ForeignTable);
    if names.is_empty() || !sampled {
        return Ok(HashMap::new());
    }
    let quoted: Vec<String> = names.iter().map(|name| PostgresDialect.quote(name)).collect();
    let maxima: Vec<String> = quoted.iter().map(|name| format!("max(scale({name}))")).collect();
    let (maxima, quoted, from) = (maxima.join(", "), quoted.join(", "), PostgresDialect.table(table));
    let sql = format!("select {maxima} from (select {quoted} from {from} limit {SAMPLE_ROWS}) sample");
    let rows = match catalog_query(pool, &sql, &[]).await {
        Ok(rows) => rows,
        // A login that may see the table and not its rows can still look at the columns.
        Err(Error::PermissionDenied { .. }) => return Ok(HashMap::new()),
        Err(error) => return Err(error),
    };
    let found = rows.into_iter().next().unwrap_or_default();
    let scale =
        |(name, scale): (&str, Option<String>)| Some((name.to_owned(), scale?.parse().ok().filter(|s| *s <= 76)?));
    Ok(names.into_iter().zip(found).filter_map(scale).collect())
}
