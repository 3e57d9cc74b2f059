//! `junto schema`: what a connection holds.

use std::io::Write;
use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use junto_connector::{ColumnInfo, Connector, TableInfo, TableKind, TableSummary};

use crate::arguments::SchemaArguments;
use crate::failure::{Failure, Result};
use crate::listing;
use crate::output::visible;
use crate::progress::grouped;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(arguments: SchemaArguments) -> Result<()> {
    let session = Session::open(&arguments.sources)?;
    let outcome = show(&arguments, &session).await;
    session.engine.shutdown();
    outcome
}

async fn show(arguments: &SchemaArguments, session: &Session) -> Result<()> {
    let names = names(&arguments.name)?;
    let [alias, rest @ ..] = names.as_slice() else { return Err(usage()) };
    if let Some(failure) = session.broken(alias) {
        return Err(failure);
    }
    let connector = session.engine.connector(alias).await?;
    let failed = |error: junto_connector::Error| Failure::source(alias, &error);
    let (schema, table) = match rest {
        [] => (None, None),
        [name] => {
            let schemas = connector.schemas().await.map_err(failed)?;
            match schemas.iter().find(|schema| schema.name.to_lowercase() == name.to_lowercase()) {
                Some(schema) => (Some(schema.name.as_str().to_owned()), None),
                None => (None, Some(name.as_str())),
            }
        }
        [schema, table] => (Some(schema.clone()), Some(table.as_str())),
        _ => return Err(usage()),
    };
    match table {
        Some(table) => {
            let info = connector.table(schema.as_deref(), table).await.map_err(failed)?;
            if arguments.json { print_json(&info) } else { print_table(alias, &info) }
        }
        None => list(&connector, schema.as_deref(), arguments.json).await.map_err(|error| match error {
            ListError::Source(error) => failed(error),
            ListError::Output(failure) => failure,
        }),
    }
}

enum ListError {
    Source(junto_connector::Error),
    Output(Failure),
}

async fn list(connector: &Arc<dyn Connector>, schema: Option<&str>, json: bool) -> Result<(), ListError> {
    let tables = connector.tables(schema).await.map_err(ListError::Source)?;
    let tables: Vec<TableSummary> = tables.into_iter().filter(|table| table.kind != TableKind::Partition).collect();
    let row = |table: &TableSummary| {
        [
            table.name.schema.clone(),
            Some(table.name.table.clone()),
            Some(kind(table.kind).to_owned()),
            table.row_estimate.map(|rows| format!("~{}", grouped(rows))),
            table.comment.clone(),
        ]
    };
    if json {
        return print_json(&tables).map_err(ListError::Output);
    }
    if tables.is_empty() {
        crate::terminal::note("no tables");
        return Ok(());
    }
    let rows: Vec<_> = tables.iter().map(row).collect();
    listing::print(["schema", "table", "kind", "rows", "comment"], &rows).map_err(ListError::Output)
}

fn print_json<T: serde::Serialize>(value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value).expect("numbers and texts are JSON");
    writeln!(std::io::stdout(), "{text}").map_err(|error| Failure::output(&error, "the list"))
}

fn print_table(alias: &str, table: &TableInfo) -> Result<()> {
    let mut head = format!("@{alias}.{}: {}", table.name, kind(table.kind));
    if let Some(rows) = table.row_estimate {
        head.push_str(&format!(", about {} rows", grouped(rows)));
    }
    print_line(&head)?;
    if let Some(comment) = &table.comment {
        print_line(comment)?;
    }
    print_line("")?;
    let rows: Vec<_> = table.columns.iter().map(|column| column_row(table, column)).collect();
    listing::print(["column", "type there", "type here", "null", "key", "remark", "comment"], &rows)?;
    for key in &table.unique_keys {
        print_line(&format!("unique: {}", key.join(", ")))?;
    }
    for index in &table.indexes {
        let unique = if index.unique { "unique index" } else { "index" };
        print_line(&format!("{unique} {}: {}", index.name, index.columns.join(", ")))?;
    }
    for key in &table.foreign_keys {
        let (columns, referenced) = (key.columns.join(", "), key.referenced_columns.join(", "));
        print_line(&format!("foreign key: {columns} → {} ({referenced})", key.references))?;
    }
    if !table.partitions.is_empty() {
        let names: Vec<String> = table.partitions.iter().map(ToString::to_string).collect();
        print_line(&format!("partitions: {}", names.join(", ")))?;
    }
    Ok(())
}

fn print_line(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{}", visible(text)).map_err(|error| Failure::output(&error, "the list"))
}

fn column_row(table: &TableInfo, column: &ColumnInfo) -> [Option<String>; 7] {
    let primary = table.primary_key.iter().position(|name| *name == column.name);
    let foreign = table.foreign_keys.iter().find(|key| key.columns.contains(&column.name));
    let keys = [
        primary.map(|at| if table.primary_key.len() == 1 { "primary".into() } else { format!("primary {}", at + 1) }),
        foreign.map(|key| format!("→ {}", key.references)),
    ];
    let keys: Vec<String> = keys.into_iter().flatten().collect();
    [
        Some(column.name.clone()),
        Some(column.source_type.clone()),
        Some(plain_type(&column.data_type)),
        Some(if column.nullable { "yes" } else { "no" }.into()),
        (!keys.is_empty()).then(|| keys.join(", ")),
        column.remark.clone(),
        column.comment.clone(),
    ]
}

fn kind(kind: TableKind) -> &'static str {
    match kind {
        TableKind::Table => "table",
        TableKind::View => "view",
        TableKind::MaterializedView => "materialized view",
        TableKind::PartitionedTable => "partitioned table",
        TableKind::Partition => "partition",
        TableKind::ForeignTable => "foreign table",
        TableKind::File => "file",
        TableKind::Collection => "collection",
    }
}

/// An Arrow type in words of SQL.
fn plain_type(data_type: &DataType) -> String {
    use DataType as T;
    match data_type {
        T::Boolean => "boolean".into(),
        T::Int8 | T::Int16 | T::Int32 | T::Int64 => format!("int{}", bits(data_type)),
        T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => format!("unsigned int{}", bits(data_type)),
        T::Float16 | T::Float32 => "real".into(),
        T::Float64 => "double".into(),
        T::Decimal32(p, s) | T::Decimal64(p, s) | T::Decimal128(p, s) | T::Decimal256(p, s) => {
            format!("decimal({p},{s})")
        }
        T::Utf8 | T::LargeUtf8 | T::Utf8View => "text".into(),
        T::Binary | T::LargeBinary | T::BinaryView => "bytes".into(),
        T::FixedSizeBinary(length) => format!("bytes({length})"),
        T::Date32 | T::Date64 => "date".into(),
        T::Time32(_) | T::Time64(_) => "time".into(),
        T::Timestamp(unit, None) => format!("timestamp{}", precision(*unit)),
        T::Timestamp(unit, Some(_)) => format!("timestamp{} with time zone", precision(*unit)),
        T::Duration(_) => "duration".into(),
        T::Interval(_) => "interval".into(),
        T::List(field) | T::LargeList(field) | T::FixedSizeList(field, _) => {
            format!("{}[]", plain_type(field.data_type()))
        }
        T::Struct(_) => "record".into(),
        T::Map(_, _) => "map".into(),
        T::Dictionary(_, value) => plain_type(value),
        other => other.to_string().to_lowercase(),
    }
}

fn bits(data_type: &DataType) -> usize {
    data_type.primitive_width().unwrap_or_default() * 8
}

fn precision(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "(0)",
        TimeUnit::Millisecond => "(3)",
        TimeUnit::Microsecond => "",
        TimeUnit::Nanosecond => "(9)",
    }
}

/// The parts of `@conn.schema.table`, with names in double quotes where they hold dots.
fn names(text: &str) -> Result<Vec<String>> {
    let mut names = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.strip_prefix('@').unwrap_or(text).chars().peekable();
    while let Some(c) = chars.next() {
        let name = names.last_mut().expect("never empty");
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => name.extend(chars.next()),
            '"' => quoted = !quoted,
            '.' if !quoted => names.push(String::new()),
            c => name.push(c),
        }
    }
    if quoted || names.iter().any(String::is_empty) { Err(usage()) } else { Ok(names) }
}

fn usage() -> Failure {
    Failure::user("write `@connection`, `@connection.schema` or `@connection.schema.table`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names() {
        assert_eq!(names("@shop").expect("good"), ["shop"]);
        assert_eq!(names("shop.\"a.\"\"b\".t").expect("good"), ["shop", "a.\"b", "t"]);
        assert!(names("@shop..t").is_err());
        assert!(names("@\"shop").is_err());
    }

    #[test]
    fn types_in_plain_words() {
        assert_eq!(plain_type(&DataType::Int32), "int32");
        assert_eq!(plain_type(&DataType::Decimal128(15, 2)), "decimal(15,2)");
        assert_eq!(
            plain_type(&DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            "timestamp with time zone"
        );
        let list = DataType::List(Arc::new(arrow::datatypes::Field::new("x", DataType::Utf8, true)));
        assert_eq!(plain_type(&list), "text[]");
    }
}
