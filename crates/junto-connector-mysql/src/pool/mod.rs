//! Warm connections, at most as many as the source may have.
//!
//! [`Pool`] lends them out, [`lease`] takes care of one in use, [`session`] pins what a session means.

mod lease;
mod session;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use junto_connector::{Error, Reaper, Result, StatementContext};
use junto_connector_sql::permits::{Permit, Permits};
use junto_connector_sql::temporary::LONGEST_WAIT;
use parking_lot::Mutex;

use crate::decode::RowFormat;
use crate::error::{Origin, before_deadline, statement_error};
use crate::settings::Settings;
use crate::wire::{Answer, Connection, Cursor, Failure, RowPacket};

pub(crate) use lease::Lease;
pub(crate) use session::Session;
use session::{Product, session_statement};

/// Time for a question to the server's catalog.
const QUESTION_LIMIT: Duration = Duration::from_secs(30);

/// Connections of one source.
#[derive(Debug)]
pub(crate) struct Pool {
    settings: Settings,
    reaper: Reaper,
    idle: Mutex<Vec<Idle>>,
    permits: Permits,
    /// The server's `sql_mode`, in which native statements are written; known after the first connection.
    own_sql_mode: OnceLock<String>,
}

#[derive(Debug)]
struct Idle {
    session: Session,
    connection: Connection,
}

/// Rows of a small answer, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextRows {
    /// Names of the columns.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

impl Pool {
    pub(crate) fn new(settings: Settings, reaper: Reaper, max_connections: usize) -> Arc<Self> {
        let permits = Permits::new(max_connections);
        Arc::new(Self { settings, reaper, idle: Mutex::default(), permits, own_sql_mode: OnceLock::new() })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A connection, warm if there is one. While all are in use it waits for one to come free.
    pub(crate) async fn lease(self: &Arc<Self>, session: Session) -> Result<Lease> {
        let permit = self.permits.get().await;
        self.lease_with(permit, session).await
    }

    async fn lease_with(self: &Arc<Self>, permit: Permit, session: Session) -> Result<Lease> {
        let waiting = self.take_idle(session);
        let was_idle = waiting.is_some();
        let idle = if let Some(idle) = waiting {
            idle
        } else {
            self.make_room();
            self.open(session).await?
        };
        let permit = Some(permit);
        let (pool, idle) = (Arc::clone(self), Some(idle));
        let mut lease = Lease { pool, idle, was_idle, permit, in_transaction: false, is_own: false };
        if was_idle && matches!(session, Session::Native { .. }) {
            lease.renew(session).await?;
        }
        Ok(lease)
    }

    /// A new connection for generated statements that keep something in it. It is closed after its use.
    ///
    /// # Errors
    /// [`Error::TooManyConnections`] when all connections stay in use for [`LONGEST_WAIT`].
    pub(crate) async fn own(self: &Arc<Self>) -> Result<Lease> {
        let permit = tokio::time::timeout(LONGEST_WAIT, self.permits.get_for_session()).await;
        let permit = permit.map_err(|_| Error::TooManyConnections { reason: self.permits.no_session() })?;
        let permit = Some(permit);
        self.make_room();
        let (pool, idle) = (Arc::clone(self), Some(self.open(Session::Generated).await?));
        Ok(Lease { pool, idle, was_idle: false, permit, in_transaction: false, is_own: true })
    }

    /// A further connection for a read that has one, in a snapshot of its own. None when it would be the last that is
    /// free, or cannot be had: the read goes on without it.
    pub(crate) async fn further_snapshot(self: &Arc<Self>, context: &StatementContext) -> Option<Lease> {
        loop {
            let leased = self.lease_with(self.permits.get_further()?, Session::Generated).await;
            let mut lease = leased.inspect_err(|error| tracing::debug!(%error, "a read goes on without")).ok()?;
            match lease.begin_snapshot(context).await {
                Ok(()) => return Some(lease),
                Err(Failure::Local(Error::ConnectionLost { .. })) if lease.was_idle => {
                    self.forget_idle();
                }
                Err(_) => return None,
            }
        }
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
        let asked = self.start_asking(&context, sql).await;
        let (_, asked) = asked.map_err(|failure| statement_error(failure, Origin::Generated { table: about }))?;
        Ok(asked.rows)
    }

    /// Starts with one of Junto's own small questions on a connection that more is to follow on.
    pub(crate) async fn start_asking(
        self: &Arc<Self>,
        context: &StatementContext,
        sql: &str,
    ) -> Result<(Lease, TextRows), Failure> {
        let (mut lease, answer) = self.start(Session::Generated, context, sql, RowFormat::Text).await?;
        let connection = lease.connection()?;
        let rows = before_deadline(context, Instant::now(), rest(connection, answer)).await?;
        Ok((lease, rows))
    }

    /// How many connections there may be.
    pub(crate) fn max_connections(&self) -> usize {
        self.permits.most()
    }

    /// Whether somebody waits for a connection.
    pub(crate) fn is_wanted(&self) -> bool {
        self.permits.are_wanted()
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
        let mut waiting = self.idle.lock();
        let surplus = (waiting.len() + self.permits.in_use()).saturating_sub(self.permits.most());
        let count = surplus.min(waiting.len());
        waiting.drain(..count);
    }

    async fn open(&self, session: Session) -> Result<Idle> {
        let opening = async {
            let mut connection = Connection::open(&self.settings).await?;
            if self.own_sql_mode.get().is_none() {
                let rows = collect(&mut connection, "SELECT @@SESSION.sql_mode").await.map_err(native_error)?.rows;
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
        let product = Product { is_mariadb: connection.is_mariadb(), version: connection.version() };
        let set = session_statement(session, product, self.own_sql_mode());
        connection.query(&set).await.map(drop).map_err(native_error)
    }
}

/// All rows of a small answer.
async fn collect(connection: &mut Connection, sql: &str) -> Result<TextRows, Failure> {
    let answer = connection.query(sql).await?;
    rest(connection, answer).await
}

/// The rows that follow an answer.
async fn rest(connection: &mut Connection, answer: Answer) -> Result<TextRows, Failure> {
    let Answer::Rows(columns) = answer else { return Ok(TextRows { columns: Vec::new(), rows: Vec::new() }) };
    let mut rows = Vec::new();
    loop {
        match connection.buffered_row()? {
            Some(RowPacket::Row(packet)) => rows.push(text_row(packet, columns.len())?),
            Some(RowPacket::End) => break,
            None => connection.fill().await?,
        }
    }
    Ok(TextRows { columns: columns.into_iter().map(|column| column.name).collect(), rows })
}

fn text_row(packet: &[u8], columns: usize) -> Result<Vec<Option<String>>> {
    let mut cursor = Cursor::new(packet);
    let cells =
        (0..columns).map(|_| Ok(cursor.bytes_or_null()?.map(|bytes| String::from_utf8_lossy(bytes).into_owned())));
    cells.collect()
}

fn native_error(failure: Failure) -> Error {
    statement_error(failure, Origin::Native)
}
