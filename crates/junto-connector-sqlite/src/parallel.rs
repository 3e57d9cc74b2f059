//! Reads one table over several threads, each with a connection of its own, by ranges of the rowid or
//! by lists of keys.
//!
//! All of them must see one state. The leader and its helpers begin in this order: each helper asks for its
//! `data_version`; the leader begins to read; each helper begins to read and asks again. SQLite changes that number when
//! another connection commits, so a helper whose number is still the same sees what the leader sees; any other leaves.
//! <https://www.sqlite.org/pragma.html#pragma_data_version>
//!
//! A connection keeps its state while a statement is under way that has not delivered its last row.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use junto_connector::{Error, OpenRequest, RemotePlan, Result};
use junto_connector_sql::parts::PartQueue;
use junto_connector_sql::{KeyValues, generate_part, tagged};
use rusqlite::{Connection, Rows, Statement};

use crate::decode::Decoder;
use crate::dialect::SqliteDialect;
use crate::error::from_sqlite;
use crate::parts::Part;
use crate::scan::{Sink, read};

/// What all threads of one read share.
#[derive(Debug)]
pub(crate) struct Reading {
    plan: Arc<RemotePlan>,
    statement: uuid::Uuid,
    parts: PartQueue<Part>,
}

/// The thread whose state is that of the answer.
#[derive(Debug)]
pub(crate) struct Leader {
    /// Ends when every helper has asked for its version.
    asked: mpsc::Receiver<()>,
    begun: Vec<mpsc::Sender<()>>,
}

/// A thread that joins if it sees the leader's state.
#[derive(Debug)]
pub(crate) struct Helper {
    asks: mpsc::Sender<()>,
    /// Hears when the leader has begun; never, when it failed to.
    begun: mpsc::Receiver<()>,
}

impl Reading {
    /// What the parts bring together is the answer.
    pub(crate) fn new(request: &OpenRequest, parts: Vec<Part>) -> Self {
        let statement = request.context.statement;
        Self { plan: Arc::clone(&request.plan), statement, parts: PartQueue::new(parts) }
    }

    /// Reads parts until none is left.
    fn read_parts(&self, connection: &Connection, path: &Path, decoder: &mut Decoder, sink: &Sink) -> Result<()> {
        while let Some(part) = self.parts.take() {
            let (keys, condition) = match &part {
                Part::Rows(condition) => (None, Some(condition.as_str())),
                Part::Keys(keys) => (Some(KeyValues::Values(keys)), None),
            };
            let sql = generate_part(&SqliteDialect, &self.plan, keys, condition)?;
            sink.count_query();
            read(connection, path, &tagged(&self.statement, &sql), decoder, sink).map_err(without_row)?;
        }
        Ok(())
    }
}

/// A leader and so many helpers.
pub(crate) fn team(helpers: usize) -> (Leader, Vec<Helper>) {
    let (asks, asked) = mpsc::channel();
    let mut leader = Leader { asked, begun: Vec::new() };
    let helpers = (0..helpers)
        .map(|_| {
            let (sender, begun) = mpsc::channel();
            leader.begun.push(sender);
            Helper { asks: asks.clone(), begun }
        })
        .collect();
    (leader, helpers)
}

impl Leader {
    pub(crate) fn run(
        self,
        reading: &Reading,
        connection: &Connection,
        path: &Path,
        mut decoder: Decoder,
        sink: &Sink,
    ) -> Result<()> {
        while self.asked.recv().is_ok() {}
        let mut statement = beginning(connection, path)?;
        let _state = begin(&mut statement, path)?;
        for helper in self.begun {
            // One that has left needs no word.
            let _ = helper.send(());
        }
        reading.read_parts(connection, path, &mut decoder, sink)
    }
}

impl Helper {
    /// Ends without rows where it cannot join at once: the leader reads everything then.
    pub(crate) fn run(
        self,
        reading: &Reading,
        connection: &Connection,
        path: &Path,
        mut decoder: Decoder,
        sink: &Sink,
    ) -> Result<()> {
        // Whoever waits for a lock may wait for a writer that waits for the leader.
        let before = connection.busy_timeout(Duration::ZERO).ok().and_then(|()| data_version(connection));
        drop(self.asks);
        let Some(before) = before else { return Ok(()) };
        if self.begun.recv().is_err() {
            return Ok(());
        }
        let Ok(mut statement) = beginning(connection, path) else { return Ok(()) };
        let Ok(_state) = begin(&mut statement, path) else { return Ok(()) };
        if data_version(connection) != Some(before) {
            sink.note(format!("{} changes while it is read: one thread", path.display()));
            return Ok(());
        }
        reading.read_parts(connection, path, &mut decoder, sink)
    }
}

/// A statement that reads the file and has a row, as every file with a table has.
fn beginning<'c>(connection: &'c Connection, path: &Path) -> Result<Statement<'c>> {
    connection.prepare("SELECT 1 FROM main.sqlite_schema").map_err(|cause| from_sqlite(path, cause))
}

/// Begins to read. The connection's state stands still until what this returns is dropped.
fn begin<'s>(statement: &'s mut Statement<'_>, path: &Path) -> Result<Rows<'s>> {
    let begun = statement.query([]).and_then(|mut rows| Ok((rows.next()?.is_some(), rows)));
    match begun.map_err(|cause| from_sqlite(path, cause))? {
        (true, rows) => Ok(rows),
        (false, _) => Err(Error::statement("no such table: the file has become empty")),
    }
}

fn data_version(connection: &Connection) -> Option<i64> {
    connection.query_row("PRAGMA data_version", [], |row| row.get(0)).ok()
}

/// Rows of parts have no number that means anything to the user.
fn without_row(error: Error) -> Error {
    match error {
        Error::Decode { column, row: _, reason, hint } => Error::Decode { column, row: None, reason, hint },
        other => other,
    }
}
