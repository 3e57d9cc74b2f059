//! Connections of one source: at most so many at once, kept open between statements.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use junto_connector::{Error, Reaper, Result};
use junto_connector_sql::permits::{Permit, Permits};
use junto_connector_sql::temporary::LONGEST_WAIT;
use parking_lot::Mutex;

use crate::error::Origin;
use crate::settings::Settings;
use crate::wire::{Access, Session, cancel, login};

/// The pool. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    reaper: Reaper,
    permits: Permits,
    idle: Mutex<Vec<Session>>,
}

impl Pool {
    pub(crate) fn new(settings: Settings, reaper: Reaper) -> Self {
        let permits = Permits::new(settings.max_connections);
        Self { inner: Arc::new(Inner { settings, reaper, permits, idle: Mutex::default() }) }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// A read-only connection, waiting for one to come free when all are in use.
    pub(crate) async fn get(&self, deadline: Option<Instant>) -> Result<Lease> {
        let permit = within(deadline, self.inner.permits.get()).await?;
        self.read_only(permit, deadline).await
    }

    /// A further connection for a read that has one; none when it would be the last that is free.
    pub(crate) async fn get_further(&self, deadline: Option<Instant>) -> Result<Option<Lease>> {
        let Some(permit) = self.inner.permits.get_further() else { return Ok(None) };
        self.read_only(permit, deadline).await.map(Some)
    }

    /// Connections that [`Self::get_further`] would give now.
    pub(crate) fn further(&self) -> usize {
        self.inner.permits.further()
    }

    /// Whether somebody waits for a connection.
    pub(crate) fn is_wanted(&self) -> bool {
        self.inner.permits.are_wanted()
    }

    async fn read_only(&self, permit: Permit, deadline: Option<Instant>) -> Result<Lease> {
        while let Some(mut session) = self.take_idle() {
            // What an earlier statement left to be read (the answer to its reset) has arrived long ago.
            if session.settle().await.is_ok() && session.is_idle() && session.is_alive() {
                return Ok(self.lease(session, permit, true));
            }
        }
        let session = self.connect(Access::ReadOnly, deadline).await?;
        Ok(self.lease(session, permit, false))
    }

    /// A new connection that may write. Never returned to the pool.
    pub(crate) async fn get_for_writing(&self, deadline: Option<Instant>) -> Result<Lease> {
        let permit = within(deadline, self.inner.permits.get()).await?;
        let session = self.connect(Access::Write, deadline).await?;
        Ok(self.lease(session, permit, false))
    }

    /// A new read-only connection, for a session that keeps something. Never returned to the pool.
    ///
    /// # Errors
    /// [`Error::TooManyConnections`] when all connections stay in use for [`LONGEST_WAIT`].
    pub(crate) async fn get_own(&self, deadline: Option<Instant>) -> Result<Lease> {
        let permit = within(deadline, self.inner.permits.get_for_session());
        let permit = tokio::time::timeout(LONGEST_WAIT, permit).await;
        let permit = permit.map_err(|_| Error::TooManyConnections { reason: self.inner.permits.no_session() })??;
        let session = self.connect(Access::ReadOnly, deadline).await?;
        Ok(self.lease(session, permit, false))
    }

    /// Closes the connections nobody uses.
    pub(crate) async fn close_idle(&self) {
        let sessions = std::mem::take(&mut *self.inner.idle.lock());
        for session in sessions {
            session.close().await;
        }
    }

    fn lease(&self, session: Session, permit: Permit, reused: bool) -> Lease {
        Lease { session: Some(session), permit: Some(permit), pool: self.clone(), reused }
    }

    fn take_idle(&self) -> Option<Session> {
        self.inner.idle.lock().pop()
    }

    async fn connect(&self, access: Access, deadline: Option<Instant>) -> Result<Session> {
        let settings = &self.inner.settings;
        let limit = settings.connect_timeout;
        let outcome = within(deadline, tokio::time::timeout(limit, login(settings, access))).await?;
        let outcome = outcome.map_err(|_| Error::Unreachable {
            host: settings.host(),
            reason: format!("no answer within {} ms", limit.as_millis()),
        })?;
        outcome.map_err(|error| error.at_login(settings))
    }
}

/// A connection in use. [`Lease::give_back`] keeps it; dropped, it is cancelled on the server and closed.
#[derive(Debug)]
pub(crate) struct Lease {
    session: Option<Session>,
    permit: Option<Permit>,
    pool: Pool,
    /// Came from the pool and may have died there unnoticed.
    pub(crate) reused: bool,
}

impl Lease {
    /// The connection.
    pub(crate) fn session(&mut self) -> &mut Session {
        self.session.as_mut().expect("a lease holds its session until it is given back or dropped")
    }

    /// Returns a connection on which nothing is under way; any other is closed.
    pub(crate) fn give_back(mut self) {
        if self.session.as_ref().is_some_and(Session::is_idle) {
            self.keep();
        }
    }

    /// Returns a connection after a statement of the user's, which may have changed its settings.
    pub(crate) async fn give_back_after_reset(self) {
        // DISCARD ALL must stand alone: several statements in one message are one transaction.
        self.give_back_after(&["ROLLBACK", "DISCARD ALL"]).await;
    }

    /// Returns a connection on which we began a transaction to read in.
    pub(crate) async fn give_back_after_transaction(self) {
        self.give_back_after(&["ROLLBACK"]).await;
    }

    /// The statements are on their way; their answers are read when the connection is taken again.
    async fn give_back_after(mut self, statements: &[&str]) {
        let session = self.session();
        let asked = statements.iter().try_for_each(|sql| session.simple(sql));
        if asked.is_ok() && session.flush().await.is_ok() {
            self.keep();
        }
    }

    fn keep(&mut self) {
        if let Some(session) = self.session.take() {
            self.pool.inner.idle.lock().push(session);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        let (permit, pool) = (self.permit.take(), self.pool.clone());
        self.pool.inner.reaper.post(async move {
            if session.is_busy() {
                let _ = cancel(pool.settings(), session.cancel_key()).await;
            }
            session.close().await;
            drop(permit);
        });
    }
}

/// The outcome of `work`, or [`Error::TimedOut`] once the deadline has passed.
pub(crate) async fn within<T>(deadline: Option<Instant>, work: impl Future<Output = T>) -> Result<T> {
    let Some(deadline) = deadline else { return Ok(work.await) };
    let start = Instant::now();
    if deadline <= start {
        return Err(Error::TimedOut { milliseconds: 0 });
    }
    tokio::time::timeout_at(deadline.into(), work)
        .await
        .map_err(|_| Error::TimedOut { milliseconds: duration_ms(start.elapsed()) })
}

fn duration_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Runs one catalog query on a pooled connection. A connection that died while idle is replaced once.
pub(crate) async fn catalog_query(
    pool: &Pool,
    sql: &str,
    parameters: &[Option<&str>],
) -> Result<Vec<crate::wire::TextRow>> {
    let deadline = Some(Instant::now() + CATALOG_LIMIT);
    loop {
        let mut lease = pool.get(deadline).await?;
        let reused = lease.reused;
        match within(deadline, lease.session().query(sql, parameters)).await? {
            Ok(rows) => {
                lease.give_back();
                return Ok(rows);
            }
            Err(error) if reused && error.is_farewell() => {}
            Err(error) => {
                // An error of the server leaves the connection usable.
                lease.give_back();
                return Err(error.of(Origin::Catalog));
            }
        }
    }
}

/// Longest time a catalog query may take.
const CATALOG_LIMIT: Duration = Duration::from_secs(30);
