//! Makes a temporary table and appends batches to it. Blocks.

use adbc_core::options::{IngestMode, OptionStatement, OptionValue};
use adbc_core::{Connection, Optionable, Statement};
use adbc_driver_manager::{ManagedConnection, ManagedStatement};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use junto_connector::{Error, Result, StatementContext, TableInfo};
use junto_connector_sql::temporary::create_table;
use junto_connector_sql::{Dialect, tagged};
use tokio::sync::mpsc;

use crate::duckdb::dialect::DuckDb;
use crate::failure::mapped;
use crate::read::Lease;

/// DuckDB's name for what a connection keeps for itself.
const CATALOG: &str = "temp";
const SCHEMA: &str = "main";

/// Makes the table and appends what comes until the channel closes; returns the rows that are in the table then.
///
/// The rows are counted after each batch, because an ingestion that runs out of memory says nothing and stores nothing
/// (DuckDB 1.5.5).
///
/// # Errors
/// [`Error::Resource`] when DuckDB's memory does not suffice.
pub(super) fn ingest(
    lease: &mut Lease,
    table: &TableInfo,
    mut batches: mpsc::Receiver<RecordBatch>,
    context: &StatementContext,
) -> Result<u64> {
    let connection = lease.connection()?;
    run(connection, &create_table(&DuckDb, table), context)?;
    let mut stored = 0;
    while let Some(batch) = batches.blocking_recv() {
        let expected = stored + batch.num_rows() as u64;
        append(connection, table, batch, context)?;
        stored = count(connection, table, context)?;
        if stored < expected {
            let what = "the temporary table is larger than DuckDB's memory; raise the connection's memory_limit";
            return Err(Error::Resource { what: what.into() });
        }
    }
    Ok(stored)
}

fn run(connection: &mut ManagedConnection, sql: &str, context: &StatementContext) -> Result<()> {
    context.metrics.add_query();
    statement(connection, sql, context)?.execute_update().map(drop).map_err(mapped)
}

fn statement(connection: &mut ManagedConnection, sql: &str, context: &StatementContext) -> Result<ManagedStatement> {
    let mut statement = connection.new_statement().map_err(mapped)?;
    statement.set_sql_query(tagged(&context.statement, sql)).map_err(mapped)?;
    Ok(statement)
}

fn append(
    connection: &mut ManagedConnection,
    table: &TableInfo,
    batch: RecordBatch,
    context: &StatementContext,
) -> Result<()> {
    context.metrics.add_query();
    let mut statement = connection.new_statement().map_err(mapped)?;
    for (option, value) in [
        (OptionStatement::IngestMode, OptionValue::from(IngestMode::Append)),
        (OptionStatement::TargetCatalog, OptionValue::from(CATALOG)),
        (OptionStatement::TargetDbSchema, OptionValue::from(SCHEMA)),
        (OptionStatement::TargetTable, OptionValue::from(table.name.table.as_str())),
    ] {
        statement.set_option(option, value).map_err(mapped)?;
    }
    statement.bind(batch).map_err(mapped)?;
    statement.execute_update().map(drop).map_err(mapped)
}

fn count(connection: &mut ManagedConnection, table: &TableInfo, context: &StatementContext) -> Result<u64> {
    let sql = format!("SELECT count(*) FROM {}", DuckDb.table(&table.name));
    let mut statement = statement(connection, &sql, context)?;
    let first = statement.execute().map_err(mapped)?.next();
    let batch = first.transpose().map_err(|cause| Error::internal(cause.to_string()))?;
    let counts = batch.as_ref().and_then(|batch| batch.columns().first()?.as_primitive_opt::<Int64Type>());
    let stored = counts.and_then(|counts| counts.iter().flatten().next());
    stored.map(|stored| stored as u64).ok_or_else(|| Error::internal("a count without a number"))
}
