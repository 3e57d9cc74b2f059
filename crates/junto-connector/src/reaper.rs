use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Finishes what a dropped stream cannot: cancels on the server, closes or returns the connection.
///
/// Runs on its own thread and runtime, so that it works while the engine's is busy or gone. Each job has at most
/// [`Reaper::JOB_LIMIT`]; jobs run at the same time.
#[derive(Clone)]
pub struct Reaper {
    inner: Arc<Inner>,
}

struct Inner {
    jobs: tokio::sync::mpsc::UnboundedSender<Message>,
}

enum Message {
    Job(Job),
    Drain(mpsc::Sender<()>),
}

impl Reaper {
    /// Longest time one job may take.
    pub const JOB_LIMIT: Duration = Duration::from_secs(2);

    /// Starts the thread.
    ///
    /// # Panics
    /// When the operating system gives no thread; nothing works then.
    pub fn start() -> Self {
        let (jobs, mut inbox) = tokio::sync::mpsc::unbounded_channel::<Message>();
        std::thread::Builder::new()
            .name("junto-reaper".into())
            .spawn(move || {
                let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
                runtime.block_on(async move {
                    let mut running = tokio::task::JoinSet::new();
                    while let Some(message) = inbox.recv().await {
                        match message {
                            Message::Job(job) => {
                                running.spawn(tokio::time::timeout(Self::JOB_LIMIT, job));
                                while running.try_join_next().is_some() {}
                            }
                            Message::Drain(done) => {
                                while running.join_next().await.is_some() {}
                                let _ = done.send(());
                            }
                        }
                    }
                });
            })
            .expect("the operating system gives a thread");
        Self { inner: Arc::new(Inner { jobs }) }
    }

    /// Hands over a job. Never blocks, so it may be called from `Drop`.
    pub fn post(&self, job: impl Future<Output = ()> + Send + 'static) {
        let _ = self.inner.jobs.send(Message::Job(Box::pin(job)));
    }

    /// Waits until all jobs posted so far are done, at most `limit`. Blocks: for the end of a program and for tests.
    pub fn drain(&self, limit: Duration) {
        let (done, wait) = mpsc::channel();
        if self.inner.jobs.send(Message::Drain(done)).is_ok() {
            let _ = wait.recv_timeout(limit);
        }
    }
}

impl fmt::Debug for Reaper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reaper")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn drain_waits_for_jobs_posted_before() {
        let reaper = Reaper::start();
        let done = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&done);
        reaper.post(async move {
            tokio::task::yield_now().await;
            flag.store(true, Ordering::SeqCst);
        });
        reaper.drain(Reaper::JOB_LIMIT);
        assert!(done.load(Ordering::SeqCst));
    }
}
