//! A connection in use, its transaction, and what happens to one whose statement was not read to its end.

use std::sync::Arc;
use std::time::Instant;

use junto_connector::{Error, Result, StatementContext};
use junto_connector_sql::permits::Permit;

use super::{Idle, Pool, Session, TextRows, collect, native_error};
use crate::error::before_deadline;
use crate::settings::Settings;
use crate::wire::{Connection, Failure};

/// Opens the snapshot that every statement up to the COMMIT reads. The session's isolation level keeps it.
const BEGIN_SNAPSHOT: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT";

/// A connection in use. Dropped while a statement runs, it kills the statement on the server.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(super) pool: Arc<Pool>,
    pub(super) idle: Option<Idle>,
    /// It waited in the pool, so the server may have closed it since.
    pub(super) was_idle: bool,
    pub(super) permit: Option<Permit>,
    /// A transaction is open: the connection is no use to others before it ends.
    pub(super) in_transaction: bool,
    /// What the session holds is for this use alone.
    pub(super) is_own: bool,
}

impl Lease {
    /// The pool that it counts against.
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    pub(crate) fn connection(&mut self) -> Result<&mut Connection> {
        self.idle.as_mut().map(|idle| &mut idle.connection).ok_or_else(|| Error::internal("a lease without connection"))
    }

    /// All rows of one of Junto's own small questions, over this connection.
    pub(crate) async fn ask(&mut self, context: &StatementContext, sql: &str) -> Result<TextRows, Failure> {
        let connection = self.connection()?;
        before_deadline(context, Instant::now(), collect(connection, sql)).await
    }

    /// Begins a transaction whose statements all read the state of this moment.
    pub(crate) async fn begin_snapshot(&mut self, context: &StatementContext) -> Result<(), Failure> {
        self.in_transaction = true;
        self.ask(context, BEGIN_SNAPSHOT).await.map(drop)
    }

    /// Ends the transaction, if there is one, and gives the connection back. A connection that fails here is closed:
    /// what was read is complete all the same.
    pub(crate) async fn release(mut self, context: &StatementContext) {
        if self.in_transaction && self.ask(context, "COMMIT").await.is_ok() {
            self.in_transaction = false;
        }
    }

    /// Forgets what the last user left in the session.
    pub(super) async fn renew(&mut self, session: Session) -> Result<()> {
        let pool = Arc::clone(&self.pool);
        let connection = self.connection()?;
        connection.reset().await.map_err(native_error)?;
        pool.set_up(connection, session).await
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut idle) = self.idle.take() else { return };
        if self.is_own && !idle.connection.is_busy() {
            let permit = self.permit.take();
            self.pool.reaper.post(async move {
                idle.connection.close().await;
                drop(permit);
            });
            return;
        }
        if !idle.connection.is_busy() {
            // The server ends a transaction whose connection closes.
            if !self.in_transaction && idle.connection.is_usable() {
                idle.connection.release_memory();
                self.pool.idle.lock().push(idle);
            }
            return;
        }
        let settings = self.pool.settings.clone();
        let permit = self.permit.take();
        self.pool.reaper.post(async move {
            kill(&settings, idle.connection.thread_id()).await;
            // Rows on their way are never read: closing the socket ends the statement even where KILL cannot.
            drop((idle, permit));
        });
    }
}

/// Ends the statement that connection `thread_id` runs.
async fn kill(settings: &Settings, thread_id: u32) {
    let killed = match Connection::open(settings).await {
        Ok(mut killer) => {
            let answer = killer.query(&format!("KILL QUERY {thread_id}")).await;
            killer.close().await;
            answer.map(drop).map_err(native_error)
        }
        Err(error) => Err(error),
    };
    if let Err(error) = killed {
        tracing::warn!(thread_id, %error, "a statement could not be killed; its connection is closed instead");
    }
}
