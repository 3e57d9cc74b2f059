//! Reads the nested answers of ADBC's metadata calls. Their schemas are in `adbc_core::schemas`.

use arrow::array::{Array, AsArray, RecordBatchReader, StructArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use junto_connector::{Error, Result, TableKind, TableSummary};
use junto_types::TableName;

/// The tables and views among the objects of all schemas.
pub(super) fn tables(reader: Box<dyn RecordBatchReader + Send>) -> Result<Vec<TableSummary>> {
    let mut found = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|cause| Error::internal(cause.to_string()))?;
        let catalogs = StructArray::from(batch);
        for schemas in lists(&catalogs, "catalog_db_schemas").into_iter().flatten() {
            let names = texts(&schemas, "db_schema_name");
            for (schema, tables) in names.into_iter().zip(lists(&schemas, "db_schema_tables")) {
                let Some(tables) = tables else { continue };
                let kinds = texts(&tables, "table_type");
                for (table, kind) in texts(&tables, "table_name").into_iter().zip(kinds) {
                    let Some((table, kind)) = table.zip(kind.as_deref().and_then(kind_of)) else { continue };
                    let name = TableName { schema: schema.clone().filter(|schema| !schema.is_empty()), table };
                    found.push(TableSummary { name, kind, comment: None, row_estimate: None });
                }
            }
        }
    }
    Ok(found)
}

/// The table of this name, exact or else the only one that differs in case alone.
pub(super) fn named<'a>(tables: &'a [TableSummary], name: &str) -> Option<&'a TableSummary> {
    if let Some(exact) = tables.iter().find(|table| table.name.table == name) {
        return Some(exact);
    }
    let mut alike = tables.iter().filter(|table| table.name.table.to_lowercase() == name.to_lowercase());
    alike.next().filter(|_| alike.next().is_none())
}

/// Product and version, as far as the driver says them as text.
pub(super) fn version(reader: Box<dyn RecordBatchReader + Send>) -> String {
    let mut words = Vec::new();
    for batch in reader.flatten() {
        let Some(values) = batch.column_by_name("info_value").and_then(|values| values.as_union_opt()) else {
            continue;
        };
        for row in 0..values.len() {
            let value = values.value(row);
            if let Some(text) = text_array(&value).first().cloned().flatten() {
                words.push(text);
            }
        }
    }
    words.join(" ")
}

fn kind_of(kind: &str) -> Option<TableKind> {
    let kind = kind.to_ascii_uppercase();
    if kind.contains("SYSTEM") || kind.contains("INDEX") {
        None
    } else if kind.contains("VIEW") {
        Some(TableKind::View)
    } else {
        kind.contains("TABLE").then_some(TableKind::Table)
    }
}

/// The struct arrays in a list column, one per row; none where the row is NULL.
fn lists(array: &StructArray, column: &str) -> Vec<Option<StructArray>> {
    let Some(list) = array.column_by_name(column).and_then(|column| column.as_list_opt::<i32>()) else {
        return Vec::new();
    };
    let item = |row: usize| list.value(row).as_struct_opt().cloned();
    (0..list.len()).map(|row| if list.is_null(row) { None } else { item(row) }).collect()
}

fn texts(array: &StructArray, column: &str) -> Vec<Option<String>> {
    array.column_by_name(column).map(|column| text_array(column)).unwrap_or_default()
}

fn text_array(array: &dyn Array) -> Vec<Option<String>> {
    let text = cast(array, &DataType::Utf8View).ok();
    let values = text.as_ref().and_then(|text| text.as_string_view_opt());
    values.map(|values| values.iter().map(|text| text.map(str::to_owned)).collect()).unwrap_or_default()
}
