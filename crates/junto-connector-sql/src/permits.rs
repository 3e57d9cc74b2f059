//! Who may use a connection of a source, of which there are at most so many.
//!
//! A read needs one connection and may use more. Whoever needs one waits in line. A further one is only given while
//! another stays free, and a read that has further ones gives them back when somebody waits: reads of one statement, or
//! of several, then never wait for each other's further connections.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The one session at a time that all sources with a single connection share. Its statement reads elsewhere while it
/// holds the only connection: two such sessions could wait for each other's source for ever.
static OF_SINGLE_CONNECTIONS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(1)));

/// The permits of one source.
#[derive(Debug)]
pub struct Permits {
    all: Arc<Semaphore>,
    /// Those that may go to sessions which are kept while their statement reads elsewhere.
    of_sessions: Arc<Semaphore>,
    most: usize,
    waiting: AtomicUsize,
}

/// The right to one connection, until it is dropped.
#[derive(Debug)]
pub struct Permit {
    _one: OwnedSemaphorePermit,
    _of_sessions: Option<OwnedSemaphorePermit>,
}

/// Counts as waiting until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Permits {
    /// Permits for `most` connections, one at least.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        let of_sessions = match most {
            1 => Arc::clone(&OF_SINGLE_CONNECTIONS),
            _ => Arc::new(Semaphore::new(most - 1)),
        };
        Self { all: Arc::new(Semaphore::new(most)), of_sessions, most, waiting: AtomicUsize::new(0) }
    }

    /// How many there are.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Why nobody gives a permit for a session.
    pub fn no_session(&self) -> String {
        match self.most {
            1 => {
                "the only connection of this source, or of another with one, serves a statement that brings rows there"
                    .into()
            }
            most => format!("all {most} connections of this source are in use"),
        }
    }

    /// How many are in use.
    pub fn in_use(&self) -> usize {
        self.most.saturating_sub(self.all.available_permits())
    }

    /// A permit, after all who asked before.
    pub async fn get(&self) -> Permit {
        Permit { _one: self.one().await, _of_sessions: None }
    }

    /// A permit for a session that is kept while its statement reads elsewhere. One permit stays for reads, which end
    /// without waiting for anybody: statements that bring rows to each other's sources do not wait for ever. Where there
    /// is one permit only, no other source of the kind has a session meanwhile.
    pub async fn get_for_session(&self) -> Permit {
        let of_sessions = granted(Arc::clone(&self.of_sessions).acquire_owned().await);
        Permit { _one: self.one().await, _of_sessions: Some(of_sessions) }
    }

    /// A permit for a further connection of a read; none when it would be the last.
    pub fn get_further(&self) -> Option<Permit> {
        let mut two = Arc::clone(&self.all).try_acquire_many_owned(2).ok()?;
        two.split(1).map(|one| Permit { _one: one, _of_sessions: None })
    }

    /// Permits that [`Self::get_further`] would give now, one after the other.
    pub fn further(&self) -> usize {
        self.all.available_permits().saturating_sub(1)
    }

    /// Whether somebody waits for a permit.
    pub fn are_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    async fn one(&self) -> OwnedSemaphorePermit {
        if let Ok(one) = Arc::clone(&self.all).try_acquire_owned() {
            return one;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        granted(Arc::clone(&self.all).acquire_owned().await)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn granted(acquired: Result<OwnedSemaphorePermit, tokio::sync::AcquireError>) -> OwnedSemaphorePermit {
    acquired.expect("these semaphores are never closed")
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_further_one_leaves_one_free() {
        let permits = Permits::new(3);
        let first = permits.get().now_or_never().expect("three are free");
        assert_eq!(permits.further(), 1);
        let further = permits.get_further().expect("two are free");
        assert!(permits.get_further().is_none(), "it would be the last");
        assert_eq!((permits.in_use(), permits.further()), (2, 0));
        let needed = permits.get().now_or_never();
        assert!(needed.is_some() && permits.get().now_or_never().is_none());
        drop((first, further, needed));
        assert_eq!(permits.in_use(), 0);
    }

    #[test]
    fn who_waits_is_seen_and_served_first() {
        let permits = Permits::new(2);
        let (first, second) = (permits.get().now_or_never(), permits.get().now_or_never());
        assert!(first.is_some() && second.is_some() && !permits.are_wanted());
        let mut waiting = Box::pin(permits.get());
        let mut gives_up = Box::pin(permits.get());
        assert!(waiting.as_mut().now_or_never().is_none() && permits.are_wanted());
        assert!(gives_up.as_mut().now_or_never().is_none());
        drop(first);
        assert!(permits.get().now_or_never().is_none(), "it goes to who waits");
        let served = waiting.as_mut().now_or_never();
        assert!(served.is_some() && permits.are_wanted(), "one still waits");
        drop(gives_up);
        assert!(!permits.are_wanted());
    }

    #[test]
    fn sessions_leave_one_for_reads() {
        let permits = Permits::new(3);
        let (first, second) = (permits.get_for_session().now_or_never(), permits.get_for_session().now_or_never());
        assert!(first.is_some() && second.is_some());
        assert!(permits.get_for_session().now_or_never().is_none());
        assert!(permits.get().now_or_never().is_some());
    }

    #[test]
    fn sources_with_one_connection_have_one_session_between_them() {
        let (here, there) = (Permits::new(1), Permits::new(1));
        let session = here.get_for_session().now_or_never();
        assert!(session.is_some(), "the only connection must do");
        assert!(there.get_for_session().now_or_never().is_none(), "it would wait for the other's source");
        assert!(there.get().now_or_never().is_some(), "reads go on");
        drop(session);
        assert!(there.get_for_session().now_or_never().is_some());
    }
}
