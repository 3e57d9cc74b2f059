//! Ctrl-C and SIGTERM: the first cancels the statement, the second ends the program at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::failure::{Failure, Result};

/// Tells whether the user wants to stop.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt {
    stopped: Arc<watch::Sender<bool>>,
}

impl Interrupt {
    /// From the first signal on, the program ends within this time even when something blocks.
    const PATIENCE: Duration = Duration::from_millis(1_950);

    /// Starts to listen for signals.
    pub(crate) fn listen() -> Self {
        let interrupt = Self { stopped: Arc::new(watch::Sender::new(false)) };
        let listener = interrupt.clone();
        tokio::spawn(async move {
            signal().await;
            std::thread::spawn(|| {
                std::thread::sleep(Self::PATIENCE);
                exit_now();
            });
            listener.stopped.send_replace(true);
            signal().await;
            exit_now();
        });
        interrupt
    }

    /// `work`, or [`Failure::cancelled`] when the user stops it; `work` is dropped then.
    pub(crate) async fn guard<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut stopped = self.stopped.subscribe();
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => Err(Failure::cancelled()),
            outcome = work => outcome,
        }
    }
}

fn exit_now() -> ! {
    let cancelled = junto_types::ErrorKind::Cancelled.exit_code();
    std::process::exit(i32::from(cancelled))
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
