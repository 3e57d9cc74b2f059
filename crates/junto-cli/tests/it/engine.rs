//! An engine in the test's own process, for what one process does at the same time.

use std::time::Duration;

use junto_engine::{Engine, Error, Settings, StatementOptions};
use junto_types::Limits;

/// An engine that computes three partitions at once, over connections with at most so many connections each.
pub(crate) fn engine(urls: &[(&str, &str)], max_connections: usize) -> Engine {
    let mut settings = Settings { threads: Some(3), ..Settings::default() };
    settings.multiquery.max_concurrent_connections = max_connections;
    let engine = Engine::new(junto_connectors::registry(), settings);
    for (alias, url) in urls {
        engine.add_url(alias, url).expect("a good URL");
    }
    engine
}

/// Options with this time-out.
pub(crate) fn within(timeout: Duration) -> StatementOptions {
    let limits = Limits { timeout: Some(timeout), ..Limits::default() };
    StatementOptions { limits, ..StatementOptions::default() }
}

/// Rows of the answer.
///
/// # Errors
/// The statement's.
pub(crate) async fn count(engine: &Engine, sql: &str, options: &StatementOptions) -> Result<usize, Error> {
    let mut run = engine.execute(sql, options).await?;
    let batches = run.collect().await?;
    Ok(batches.iter().map(arrow::array::RecordBatch::num_rows).sum())
}
