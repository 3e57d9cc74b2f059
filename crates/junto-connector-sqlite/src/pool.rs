//! The threads that work on a file, each with a connection of its own.
//!
//! SQLite blocks; the engine's threads must not. A job takes an idle thread or a new one, never waits for a busy one:
//! a statement that reads the file several times at once could wait for itself. Threads beyond the limit of the
//! connection end after their job.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use junto_connector::{Error, Result};
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use crate::error::from_sqlite;
use crate::file::Database;
use crate::settings::Settings;

/// Threads at once, whatever the plan: a guard against runaway statements.
const MAX_THREADS: usize = 200;
/// Instructions of SQLite's virtual machine between two looks at the clock: well under a millisecond.
const INSTRUCTIONS_PER_LOOK: i32 = 10_000;
/// How long closing waits for idle threads.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Stops a job: by its owner, or by its deadline.
#[derive(Debug)]
pub(crate) struct Control {
    cancelled: AtomicBool,
    started: Instant,
    deadline: Option<Instant>,
}

impl Control {
    pub(crate) fn new(deadline: Option<Instant>) -> Arc<Self> {
        Arc::new(Self { cancelled: AtomicBool::new(false), started: Instant::now(), deadline })
    }

    /// The job ends within milliseconds.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || self.is_late()
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// The error of a stopped job; `error` itself when nobody stopped it.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match error {
            Error::Cancelled | Error::Locked { .. } if self.is_late() => {
                Error::TimedOut { milliseconds: self.started.elapsed().as_millis() as u64 }
            }
            other => other,
        }
    }
}

type Job = Box<dyn FnOnce(Result<&mut Connection>) + Send>;

/// The threads of one file.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    keep: usize,
    state: Mutex<State>,
    /// A job came, or idle threads should end.
    wake: Condvar,
    /// A thread ended.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    /// Counts calls of `close`: a thread that idles since an earlier one ends.
    closed: u64,
    shut: bool,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl Pool {
    /// No thread yet; `keep` idle ones are kept.
    pub(crate) fn new(settings: Settings, keep: usize) -> Self {
        let state = Mutex::new(State::default());
        Self { shared: Arc::new(Shared { settings, keep, state, wake: Condvar::new(), ended: Condvar::new() }) }
    }

    /// Runs `work` on a thread of the pool, stopped by `control`.
    ///
    /// The connection has the control's progress handler while it works. When the future is dropped the work stops.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        control: Arc<Control>,
        work: impl FnOnce(&Connection, &Settings) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let stop = CancelOnDrop(Arc::clone(&control));
        self.start(control, move |outcome| {
            let outcome = outcome.and_then(|(connection, settings)| work(connection, settings));
            let _ = reply.send(outcome);
        })?;
        let answer = answer.await.map_err(|_| Error::internal("a thread reading a SQLite file ended"))?;
        drop(stop);
        answer
    }

    /// Starts a job that reports by itself.
    ///
    /// # Errors
    /// [`Error::TooManyConnections`] when the file is already read by [`MAX_THREADS`] threads.
    pub(crate) fn start(
        &self,
        control: Arc<Control>,
        work: impl FnOnce(Result<(&Connection, &Settings)>) + Send + 'static,
    ) -> Result<()> {
        let settings = self.shared.settings.clone();
        let job: Job = Box::new(move |connection| {
            let prepared = connection.and_then(|connection| {
                watch(connection, &control, &settings).map_err(|cause| from_sqlite(&settings.path, cause))?;
                Ok(&*connection)
            });
            work(prepared.map(|connection| (connection, &settings)));
        });
        let mut state = self.shared.state.lock();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() {
            self.shared.wake.notify_one();
            return Ok(());
        }
        let refused = |state: &mut State| {
            state.jobs.pop_back();
            Err(Error::TooManyConnections { reason: format!("{MAX_THREADS} reads of this file are running") })
        };
        if state.threads >= MAX_THREADS {
            return refused(&mut state);
        }
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("junto-sqlite".into()).spawn(move || serve(&shared));
        if thread.is_err() {
            return refused(&mut state);
        }
        state.threads += 1;
        Ok(())
    }

    /// Ends idle threads, which closes their connections; waits for them.
    pub(crate) fn close(&self) {
        let mut state = self.shared.state.lock();
        state.closed += 1;
        self.shared.wake.notify_all();
        let limit = Instant::now() + CLOSE_LIMIT;
        while state.idle > 0 && !self.shared.ended.wait_until(&mut state, limit).timed_out() {}
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.state.lock().shut = true;
        self.close();
    }
}

struct CancelOnDrop(Arc<Control>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Lets the control stop the connection's work, and its waiting for locks.
fn watch(connection: &mut Connection, control: &Arc<Control>, settings: &Settings) -> rusqlite::Result<()> {
    let progress = Arc::clone(control);
    connection.progress_handler(INSTRUCTIONS_PER_LOOK, Some(move || progress.is_stopped()))?;
    let (waiting, patience) = (Arc::clone(control), settings.busy_timeout);
    let mut since = Instant::now();
    connection.busy_handler(Some(move |attempt| {
        if attempt == 0 {
            since = Instant::now();
        }
        if waiting.is_stopped() || since.elapsed() >= patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
        true
    }))
}

/// Life of one thread.
fn serve(shared: &Shared) {
    let mut database: Option<Database> = None;
    let mut state = shared.state.lock();
    loop {
        if let Some(job) = state.jobs.pop_front() {
            drop(state);
            match open(&mut database, &shared.settings) {
                Ok(connection) => job(Ok(connection)),
                Err(error) => job(Err(error)),
            }
            state = shared.state.lock();
            continue;
        }
        if state.shut || state.idle >= shared.keep {
            break;
        }
        state.idle += 1;
        let closed = state.closed;
        while state.jobs.is_empty() && state.closed == closed && !state.shut {
            shared.wake.wait(&mut state);
        }
        if state.jobs.is_empty() {
            // Counted as idle until the connection is closed, so that `close` waits for it.
            drop(state);
            drop(database.take());
            state = shared.state.lock();
            state.idle -= 1;
            if state.jobs.is_empty() {
                break;
            }
            // A job came that counted on this thread.
            continue;
        }
        state.idle -= 1;
    }
    state.threads -= 1;
    drop(state);
    drop(database);
    shared.ended.notify_all();
}

fn open<'a>(database: &'a mut Option<Database>, settings: &Settings) -> Result<&'a mut Connection> {
    let opened = match database.take() {
        Some(opened) => opened,
        None => Database::open(settings)?,
    };
    Ok(database.insert(opened).connection())
}
