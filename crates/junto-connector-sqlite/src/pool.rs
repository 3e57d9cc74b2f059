//! The threads that work on a file, each with a connection of its own.
//!
//! SQLite blocks; the engine's threads must not. A job takes an idle thread or a new one, never waits for a busy one:
//! a statement that reads the file several times at once could wait for itself. Threads beyond the limit of the
//! connection end after their job.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use junto_connector::{Error, Result};
use parking_lot::{Condvar, Mutex, MutexGuard};
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

/// Tells whoever waits that a job is done. Never blocks. Called only when the thread is known to be idle, or has closed
/// its connection: who closes the pool after the last answer then waits for every connection.
pub(crate) type Report = Box<dyn FnOnce() + Send>;

struct Job {
    control: Arc<Control>,
    work: Box<dyn FnOnce(Result<&mut Connection>) -> Report + Send>,
}

/// The threads of one file.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    keep: usize,
    state: Mutex<State>,
    /// A thread ended, or a job.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    running: Vec<Arc<Control>>,
    threads: usize,
    idle: usize,
    /// What wakes each thread that waits for a job. The last to begin is the first to get one: what its connection read
    /// lately is in its cache.
    waiting: Vec<Arc<Condvar>>,
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
        Self { shared: Arc::new(Shared { settings, keep, state, ended: Condvar::new() }) }
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
            Box::new(move || {
                let _ = reply.send(outcome);
            })
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
        work: impl FnOnce(Result<(&Connection, &Settings)>) -> Report + Send + 'static,
    ) -> Result<()> {
        let job = self.job(control, work);
        self.queue(&mut self.shared.state.lock(), job)
    }

    /// As [`Self::start`], unless as many jobs are running as the source may have connections. Says whether it started.
    pub(crate) fn start_if_free(
        &self,
        control: Arc<Control>,
        work: impl FnOnce(Result<(&Connection, &Settings)>) -> Report + Send + 'static,
    ) -> bool {
        let job = self.job(control, work);
        let mut state = self.shared.state.lock();
        state.running.len() + state.jobs.len() < self.shared.keep && self.queue(&mut state, job).is_ok()
    }

    /// How many connections the source may have.
    pub(crate) fn max_connections(&self) -> usize {
        self.shared.keep
    }

    /// The options of the file.
    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    fn job(
        &self,
        control: Arc<Control>,
        work: impl FnOnce(Result<(&Connection, &Settings)>) -> Report + Send + 'static,
    ) -> Job {
        let settings = self.shared.settings.clone();
        let watched = Arc::clone(&control);
        let work = Box::new(move |connection: Result<&mut Connection>| {
            let prepared = connection.and_then(|connection| {
                watch(connection, &watched, &settings).map_err(|cause| from_sqlite(&settings.path, cause))?;
                Ok(&*connection)
            });
            work(prepared.map(|connection| (connection, &settings)))
        });
        Job { control, work }
    }

    fn queue(&self, state: &mut State, job: Job) -> Result<()> {
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() {
            if let Some(last) = state.waiting.pop() {
                last.notify_one();
            }
            return Ok(());
        }
        let refused = |state: &mut State| {
            state.jobs.pop_back();
            Err(Error::TooManyConnections { reason: format!("{MAX_THREADS} reads of this file are running") })
        };
        if state.threads >= MAX_THREADS {
            return refused(state);
        }
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("junto-sqlite".into()).spawn(move || serve(&shared));
        if thread.is_err() {
            return refused(state);
        }
        state.threads += 1;
        Ok(())
    }

    /// Ends idle threads, which closes their connections; waits for them, and for jobs that were stopped.
    pub(crate) fn close(&self) {
        let mut state = self.shared.state.lock();
        state.closed += 1;
        state.waiting.drain(..).for_each(|thread| _ = thread.notify_one());
        let limit = Instant::now() + CLOSE_LIMIT;
        let waiting = |state: &State| state.idle > 0 || state.running.iter().any(|control| control.is_stopped());
        while waiting(&state) && !self.shared.ended.wait_until(&mut state, limit).timed_out() {}
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
pub(crate) fn watch(connection: &mut Connection, control: &Arc<Control>, settings: &Settings) -> rusqlite::Result<()> {
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

/// Life of one thread: a job, then idle until the next one comes or the connection is to be closed.
fn serve(shared: &Shared) {
    let mut database: Option<Database> = None;
    let wake = Arc::new(Condvar::new());
    let mut state = shared.state.lock();
    while let Some(Job { control, work }) = state.jobs.pop_front() {
        state.running.push(Arc::clone(&control));
        // A job that panics has dropped its sender, which tells its reader; the thread goes on.
        let report = MutexGuard::unlocked(&mut state, || {
            catch_unwind(AssertUnwindSafe(|| work(open(&mut database, &shared.settings)))).unwrap_or(Box::new(|| ()))
        });
        let stays = !state.jobs.is_empty() || (!state.shut && state.idle < shared.keep);
        if !stays {
            MutexGuard::unlocked(&mut state, || drop(database.take()));
        }
        state.running.retain(|running| !Arc::ptr_eq(running, &control));
        shared.ended.notify_all();
        if !stays {
            MutexGuard::unlocked(&mut state, report);
            continue;
        }
        state.idle += 1;
        let closed = state.closed;
        MutexGuard::unlocked(&mut state, report);
        while state.jobs.is_empty() && state.closed == closed && !state.shut {
            // Another thread may have taken the job that this one was woken for.
            if !state.waiting.iter().any(|waiting| Arc::ptr_eq(waiting, &wake)) {
                state.waiting.push(Arc::clone(&wake));
            }
            wake.wait(&mut state);
        }
        state.waiting.retain(|waiting| !Arc::ptr_eq(waiting, &wake));
        if state.jobs.is_empty() {
            // Counts as idle until the connection is closed, so that `close` waits for it.
            MutexGuard::unlocked(&mut state, || drop(database.take()));
        }
        state.idle -= 1;
        shared.ended.notify_all();
    }
    state.threads -= 1;
}

fn open<'a>(database: &'a mut Option<Database>, settings: &Settings) -> Result<&'a mut Connection> {
    let opened = match database.take() {
        Some(opened) => opened,
        None => Database::open(settings)?,
    };
    Ok(database.insert(opened).connection())
}
