//! Rows per source on a terminal's standard error, for statements that take over a second.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use junto_engine::Progress;
use tokio::task::JoinHandle;

use crate::output::visible;
use crate::terminal;

/// Shows the progress of one statement until it is dropped.
pub(crate) struct Watch {
    bar: ProgressBar,
    sources: Arc<OnceLock<Progress>>,
    task: Option<JoinHandle<()>>,
}

impl Watch {
    const DELAY: Duration = Duration::from_secs(1);
    const INTERVAL: Duration = Duration::from_millis(200);

    /// Starts to wait; nothing is shown for the first second, and never when nobody would see it.
    pub(crate) fn start() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let sources = Arc::new(OnceLock::new());
        let task = terminal::stderr_is_terminal().then(|| tokio::spawn(draw(bar.clone(), Arc::clone(&sources))));
        Self { bar, sources, task }
    }

    /// The statement runs now; these are its figures.
    pub(crate) fn follow(&self, progress: Progress) {
        let _ = self.sources.set(progress);
    }

    /// Takes the display away, for good.
    pub(crate) fn clear(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        self.bar.finish_and_clear();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.clear();
    }
}

async fn draw(bar: ProgressBar, sources: Arc<OnceLock<Progress>>) {
    tokio::time::sleep(Watch::DELAY).await;
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.set_draw_target(ProgressDrawTarget::stderr());
    loop {
        bar.set_message(sources.get().map_or_else(|| "connecting and planning".to_owned(), figures));
        bar.tick();
        tokio::time::sleep(Watch::INTERVAL).await;
    }
}

fn figures(progress: &Progress) -> String {
    let figure = |source: junto_engine::SourceReport| {
        format!("@{} {} rows, {}", visible(&source.connection), grouped(source.rows), bytes(source.bytes))
    };
    progress.sources().into_iter().map(figure).collect::<Vec<_>>().join(" · ")
}

/// `1 234 567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn bytes(number: u64) -> String {
    match number {
        0..1_000 => format!("{number} B"),
        1_000..1_000_000 => format!("{:.1} kB", number as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", number as f64 / 1e6),
        _ => format!("{:.2} GB", number as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_for_people() {
        assert_eq!(grouped(1_234_567), "1 234 567");
        assert_eq!(grouped(12), "12");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_500_000), "1.5 MB");
    }
}
