//! Warm connections, and what happens to one whose statement was not read to its end.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use junto_connector::{Error, Reaper, Result, StatementContext};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::decode::RowFormat;
use crate::error::{Origin, before_deadline, statement_error};
use crate::settings::Settings;
use crate::wire::{Answer, Connection, Failure, RowPacket};

/// Time for a question to the server's catalog.
const QUESTION_LIMIT: Duration = Duration::from_secs(30);

/// What a session is set up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    /// Junto's own statements: pinned to one spelling, read-only.
    Generated,
    /// The user's statements: the server's own dialect.
    Native { read_only: bool },
}

/// Connections of one source.
#[derive(Debug)]
pub(crate) struct Pool {
    settings: Settings,
    reaper: Reaper,
    idle: Mutex<Vec<Idle>>,
    permits: Arc<Semaphore>,
    max_connections: usize,
    /// The server's `sql_mode`, in which native statements are written; known after the first connection.
    own_sql_mode: OnceLock<String>,
}

#[derive(Debug)]
struct Idle {
    session: Session,
    connection: Connection,
}

/// A connection in use. Dropped while a statement runs, it kills the statement on the server.
#[derive(Debug)]
pub(crate) struct Lease {
    pool: Arc<Pool>,
    idle: Option<Idle>,
    /// It waited in the pool, so the server may have closed it since.
    was_idle: bool,
    permit: Option<OwnedSemaphorePermit>,
}

impl Pool {
    pub(crate) fn new(settings: Settings, reaper: Reaper, max_connections: usize) -> Arc<Self> {
        let max_connections = max_connections.max(1);
        let permits = Arc::new(Semaphore::new(max_connections));
        Arc::new(Self {
            settings,
            reaper,
            idle: Mutex::default(),
            permits,
            max_connections,
            own_sql_mode: OnceLock::new(),
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A connection, warm if there is one.
    ///
    /// # Errors
    /// [`Error::TooManyConnections`] when all stay in use for the time of the option `connect_timeout`.
    pub(crate) async fn lease(self: &Arc<Self>, session: Session) -> Result<Lease> {
        let permit = self.permit().await?;
        let waiting = self.take_idle(session);
        let was_idle = waiting.is_some();
        let idle = if let Some(idle) = waiting {
            idle
        } else {
            self.make_room();
            self.open(session).await?
        };
        let mut lease = Lease { pool: Arc::clone(self), idle: Some(idle), was_idle, permit: Some(permit) };
        if was_idle && matches!(session, Session::Native { .. }) {
            lease.renew(session).await?;
        }
        Ok(lease)
    }

    /// Sends a statement in a session of this kind. A warm connection that turns out dead is replaced, except for
    /// writes: the server may have done them before it died.
    pub(crate) async fn start(
        self: &Arc<Self>,
        session: Session,
        context: &StatementContext,
        sql: &str,
        format: RowFormat,
    ) -> Result<(Lease, Answer), Failure> {
        let since = Instant::now();
        let may_repeat = session != Session::Native { read_only: false };
        loop {
            let mut lease = match before_deadline(context, since, self.lease(session)).await {
                Err(Error::ConnectionLost { .. }) if self.forget_idle() => continue,
                leased => leased?,
            };
            context.metrics.add_query();
            let connection = lease.connection()?;
            let answer = match format {
                RowFormat::Text => before_deadline(context, since, connection.query(sql)).await,
                RowFormat::Binary => before_deadline(context, since, connection.query_binary(sql)).await,
            };
            match answer {
                Err(Failure::Local(Error::ConnectionLost { .. })) if lease.was_idle && may_repeat => {
                    self.forget_idle();
                }
                answered => return answered.map(|answer| (lease, answer)),
            }
        }
    }

    /// All rows of one of Junto's own small questions, as text. `about` is what a missing table is reported as.
    pub(crate) async fn ask(self: &Arc<Self>, sql: &str, about: &str) -> Result<Vec<Vec<Option<String>>>> {
        let context = StatementContext::new(Some(Instant::now() + QUESTION_LIMIT));
        let asking = async {
            let (mut lease, answer) = self.start(Session::Generated, &context, sql, RowFormat::Text).await?;
            let connection = lease.connection()?;
            before_deadline(&context, Instant::now(), rest(connection, answer)).await
        };
        asking.await.map_err(|failure| statement_error(failure, Origin::Generated { table: about }))
    }

    /// The server's `sql_mode`; empty before the first connection.
    pub(crate) fn own_sql_mode(&self) -> &str {
        self.own_sql_mode.get().map_or("", String::as_str)
    }

    /// Closes what waits. Says whether anything did.
    pub(crate) fn forget_idle(&self) -> bool {
        let waiting = std::mem::take(&mut *self.idle.lock());
        !waiting.is_empty()
    }

    /// Closes what waits, saying goodbye to the server.
    pub(crate) async fn close_idle(&self) {
        let waiting = std::mem::take(&mut *self.idle.lock());
        for idle in waiting {
            idle.connection.close().await;
        }
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit> {
        let waiting = tokio::time::timeout(self.settings.connect_timeout, Arc::clone(&self.permits).acquire_owned());
        match waiting.await {
            Ok(permit) => permit.map_err(|_| Error::internal("the pool was closed")),
            Err(_) => Err(Error::TooManyConnections {
                reason: format!("all {} connections of this source are in use", self.max_connections),
            }),
        }
    }

    fn take_idle(&self, session: Session) -> Option<Idle> {
        let is_native = |session| matches!(session, Session::Native { .. });
        let mut waiting = self.idle.lock();
        loop {
            let at = waiting.iter().rposition(|idle| is_native(idle.session) == is_native(session))?;
            let mut idle = waiting.swap_remove(at);
            if idle.connection.is_usable() {
                return Some(idle);
            }
        }
    }

    /// Closes connections that wait until one more fits the limit. The caller holds a permit for it.
    fn make_room(&self) {
        let in_use = self.max_connections.saturating_sub(self.permits.available_permits());
        let mut waiting = self.idle.lock();
        let surplus = (waiting.len() + in_use).saturating_sub(self.max_connections);
        let count = surplus.min(waiting.len());
        waiting.drain(..count);
    }

    async fn open(&self, session: Session) -> Result<Idle> {
        let opening = async {
            let mut connection = Connection::open(&self.settings).await?;
            if self.own_sql_mode.get().is_none() {
                let rows = collect(&mut connection, "SELECT @@SESSION.sql_mode").await.map_err(native_error)?;
                let mode = rows.into_iter().flatten().next().flatten().unwrap_or_default();
                self.own_sql_mode.get_or_init(|| mode);
            }
            self.set_up(&mut connection, session).await?;
            Ok(Idle { session, connection })
        };
        tokio::time::timeout(self.settings.connect_timeout, opening).await.unwrap_or_else(|_| {
            let host = self.settings.address.to_string();
            Err(Error::Unreachable { host, reason: "no answer to the login in time".into() })
        })
    }

    /// Runs the one SET that pins a session.
    async fn set_up(&self, connection: &mut Connection, session: Session) -> Result<()> {
        let set = session_statement(session, connection.is_mariadb(), self.own_sql_mode());
        connection.query(&set).await.map(drop).map_err(native_error)
    }
}

/// The SET of a session. What could change the meaning or the number of rows of a statement is pinned.
fn session_statement(session: Session, is_mariadb: bool, own_sql_mode: &str) -> String {
    let read_only = if is_mariadb { "tx_read_only" } else { "transaction_read_only" };
    // A reader that waits for another source must not be cut off: the server's default is a minute.
    let common = "SESSION time_zone = '+00:00', SESSION net_write_timeout = 86400";
    match session {
        Session::Generated => format!(
            "SET NAMES utf8mb4 COLLATE utf8mb4_bin, {common}, SESSION sql_mode = \
             'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES', \
             SESSION sql_select_limit = 18446744073709551615, SESSION sql_big_selects = 1, SESSION {read_only} = 1"
        ),
        Session::Native { read_only: only } => format!(
            "SET NAMES utf8mb4, {common}, SESSION sql_mode = '{}', SESSION {read_only} = {}",
            own_sql_mode.replace('\'', ""),
            u8::from(only)
        ),
    }
}

/// All rows of a small answer, as text.
async fn collect(connection: &mut Connection, sql: &str) -> Result<Vec<Vec<Option<String>>>, Failure> {
    let answer = connection.query(sql).await?;
    rest(connection, answer).await
}

/// The rows that follow an answer, as text.
async fn rest(connection: &mut Connection, answer: Answer) -> Result<Vec<Vec<Option<String>>>, Failure> {
    let Answer::Rows(columns) = answer else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    loop {
        match connection.buffered_row()? {
            Some(RowPacket::Row(packet)) => {
                let mut cursor = crate::wire::Cursor::new(packet);
                let mut row = Vec::with_capacity(columns.len());
                for _ in &columns {
                    row.push(cursor.bytes_or_null()?.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
                }
                rows.push(row);
            }
            Some(RowPacket::End) => return Ok(rows),
            None => connection.fill().await?,
        }
    }
}

impl Lease {
    pub(crate) fn connection(&mut self) -> Result<&mut Connection> {
        self.idle.as_mut().map(|idle| &mut idle.connection).ok_or_else(|| Error::internal("a lease without connection"))
    }

    /// Forgets what the last user left in the session.
    async fn renew(&mut self, session: Session) -> Result<()> {
        let pool = Arc::clone(&self.pool);
        let connection = self.connection()?;
        connection.reset().await.map_err(native_error)?;
        pool.set_up(connection, session).await
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut idle) = self.idle.take() else { return };
        if !idle.connection.is_busy() {
            if idle.connection.is_usable() {
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

fn native_error(failure: Failure) -> Error {
    statement_error(failure, Origin::Native)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_statements_have_one_spelling_and_native_ones_the_servers() {
        let generated = session_statement(Session::Generated, true, "ANSI");
        assert!(generated.contains("NO_BACKSLASH_ESCAPES") && generated.contains("tx_read_only = 1"), "{generated}");
        let native = session_statement(Session::Native { read_only: false }, false, "ANSI");
        assert!(native.contains("sql_mode = 'ANSI'") && native.contains("transaction_read_only = 0"), "{native}");
    }
}
