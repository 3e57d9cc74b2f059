//! One state of the data for several connections.
//!
//! The tables are locked against changes of their structure before the snapshot is taken, and by each connection before
//! it reads: otherwise a connection could come to its first part only after a TRUNCATE, or after a VACUUM FULL gave the
//! rows other places. `pg_dump -j` does the same.

use std::fmt::Write;

use junto_connector::RemotePlan;
use junto_connector_sql::Dialect;
use junto_types::TableName;

use crate::dialect::PostgresDialect;
use crate::error::WireError;
use crate::wire::Session;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The tables of a read, as the statements that lock them name them.
#[derive(Debug)]
pub(super) struct Tables {
    /// Names for LOCK TABLE.
    lockable: Vec<String>,
    /// A materialized view, which LOCK TABLE refuses. Reading nothing of it locks it too; what a refresh puts into it is
    /// seen by snapshots from before, so that the order of snapshot and lock does not matter.
    materialized: Option<String>,
}

impl Tables {
    /// The tables of a plan, of which `materialized` is a materialized view.
    pub(super) fn of(plan: &RemotePlan, materialized: Option<&TableName>) -> Self {
        let name = |table: &TableName| PostgresDialect.table(table);
        let others = plan.root.tables().into_iter().filter(|table| Some(*table) != materialized);
        Self { lockable: others.map(name).collect(), materialized: materialized.map(name) }
    }

    /// Statements that lock the tables, waiting as long as the server is set to.
    fn lock(&self) -> String {
        let mut sql = String::new();
        if !self.lockable.is_empty() {
            let _ = write!(sql, "; LOCK TABLE {} IN ACCESS SHARE MODE", self.lockable.join(", "));
        }
        if let Some(table) = &self.materialized {
            let _ = write!(sql, "; SELECT FROM {table} LIMIT 0");
        }
        sql
    }

    /// Statements that lock the tables, or fail when they would have to wait.
    fn lock_at_once(&self) -> String {
        format!("; SET LOCAL lock_timeout = '10ms'{}; SET LOCAL lock_timeout TO DEFAULT", self.lock())
    }
}

/// Begins a transaction and returns the name under which others can take over its snapshot, for as long as it is open.
///
/// # Errors
/// A refusal of the server leaves a failed transaction open.
pub(super) async fn export(session: &mut Session, tables: &Tables) -> Result<String, WireError> {
    session.simple(&format!("{BEGIN}{}; SELECT pg_export_snapshot()", tables.lock()))?;
    let rows = session.answer().await?;
    let name = rows.into_iter().next_back().and_then(|row| row.into_iter().next().flatten());
    name.ok_or(WireError::Protocol("no name of a snapshot"))
}

/// Begins a transaction that sees what the exported snapshot shows.
///
/// # Errors
/// As [`export`]; above all when the transaction that exported it has ended, or somebody waits to change a table.
pub(super) async fn import(session: &mut Session, snapshot: &str, tables: &Tables) -> Result<(), WireError> {
    let snapshot = snapshot.replace('\'', "''");
    session.simple(&format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{snapshot}'{}", tables.lock_at_once()))?;
    session.answer().await.map(drop)
}
