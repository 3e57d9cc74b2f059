//! Statements in SQLite's own dialect. Result types come from declarations where the first rows agree with them, else
//! from the values of those rows.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use junto_connector::{Error, Result};
use junto_connector_sql::columns::ColumnBuilder;
use rusqlite::types::{Type, Value, ValueRef};
use rusqlite::{Connection, Rows, Statement};
use tokio::sync::oneshot;

use crate::declared::{ColumnType, Declared};
use crate::decode::{Column, Decoder, append};
use crate::error::from_sqlite;
use crate::scan::{Sink, send};

/// Rows that decide the types.
const ROWS_AHEAD: usize = 1_000;

/// Runs one statement: sends the schema, then the rows into the sink.
///
/// # Errors
/// Before the schema is sent, those of the statement; afterwards, those of reading.
pub(crate) fn run(
    connection: &Connection,
    path: &Path,
    sql: &str,
    batch_rows: usize,
    started: oneshot::Sender<Result<SchemaRef>>,
    sink: &Sink,
) -> Result<()> {
    let mut statement = match prepare(connection, path, sql) {
        Ok(statement) => statement,
        Err(error) => return refuse(started, error),
    };
    let declared = declared_types(&statement);
    let read = statement.query([]).and_then(|mut rows| Ok((first_rows(&mut rows, declared.len())?, rows)));
    let (ahead, mut rows) = match read {
        Ok(read) => read,
        Err(cause) => return refuse(started, from_sqlite(path, cause)),
    };
    let columns: Vec<Column> =
        declared.into_iter().enumerate().map(|(at, (name, declared))| decide(name, declared, &ahead, at)).collect();
    let schema = schema_of(&columns);
    let mut decoder = Decoder::new(Arc::clone(&schema), columns, batch_rows)?;
    let _ = started.send(Ok(schema));
    for row in ahead {
        decoder.append(|column| row.get(column).map_or(ValueRef::Null, ValueRef::from))?;
        if decoder.is_full() {
            sink.batch(decoder.take()?)?;
        }
    }
    send(&mut rows, path, &mut decoder, sink)
}

/// The error goes to whoever waits for the schema; the stream is never seen.
fn refuse(started: oneshot::Sender<Result<SchemaRef>>, error: Error) -> Result<()> {
    let _ = started.send(Err(error));
    Ok(())
}

fn prepare<'c>(connection: &'c Connection, path: &Path, sql: &str) -> Result<Statement<'c>> {
    let statement = connection.prepare(sql).map_err(|cause| match cause {
        rusqlite::Error::MultipleStatement => Error::statement("more than one statement: send them one by one"),
        other => from_sqlite(path, other),
    })?;
    // Everything that may run here has columns.
    if statement.column_count() == 0 { Err(Error::statement("the statement is empty")) } else { Ok(statement) }
}

/// Names of the result columns, with the declared type of those that are plain columns.
fn declared_types(statement: &Statement<'_>) -> Vec<(String, Option<Declared>)> {
    let columns = statement.columns();
    columns.map(|column| (column.name().to_owned(), column.decl_type().map(Declared::of))).collect()
}

fn first_rows(rows: &mut Rows<'_>, columns: usize) -> rusqlite::Result<Vec<Vec<Value>>> {
    let mut ahead = Vec::new();
    while ahead.len() < ROWS_AHEAD {
        let Some(row) = rows.next()? else { break };
        ahead.push((0..columns).map(|column| row.get(column)).collect::<rusqlite::Result<_>>()?);
    }
    Ok(ahead)
}

/// The declared type if it holds the first values, else the narrowest that does.
fn decide(name: String, declared: Option<Declared>, ahead: &[Vec<Value>], at: usize) -> Column {
    let values = || ahead.iter().filter_map(|row| row.get(at));
    let column = |column_type, lenient| Column { name: name.clone(), column_type, lenient, option: String::new() };
    if let Some(Declared::Type(column_type)) = declared {
        let column = column(column_type, false);
        if fits(&column, values()) {
            return column;
        }
    }
    let kinds: Vec<Type> = values().map(Value::data_type).filter(|kind| *kind != Type::Null).collect();
    let only = |allowed: &[Type]| !kinds.is_empty() && kinds.iter().all(|kind| allowed.contains(kind));
    if only(&[Type::Integer]) {
        return column(ColumnType::Integer, false);
    }
    if only(&[Type::Integer, Type::Real]) && fits(&column(ColumnType::Double, false), values()) {
        return column(ColumnType::Double, false);
    }
    if only(&[Type::Blob]) {
        return column(ColumnType::Blob, false);
    }
    // Mixed values, and columns that begin with nothing but NULL.
    column(ColumnType::Text, true)
}

fn fits<'v>(column: &Column, mut values: impl Iterator<Item = &'v Value>) -> bool {
    ColumnBuilder::new(&column.column_type.data_type(), ROWS_AHEAD)
        .is_ok_and(|mut builder| values.all(|value| append(&mut builder, column, ValueRef::from(value)).is_ok()))
}

fn schema_of(columns: &[Column]) -> SchemaRef {
    let fields = columns.iter().map(|column| Field::new(&column.name, column.column_type.data_type(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
