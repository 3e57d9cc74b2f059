//! The DataFusion session that reads files: one per connection, a copy with its own batch size per read.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use junto_datafusion::{analyzer_rules, optimizer_rules};

/// The catalog in which native statements find their tables.
pub(crate) const CATALOG: &str = "files";

/// A session whose sorts and aggregates spill beyond `memory_bytes`.
pub(crate) fn base(memory_bytes: usize) -> Result<SessionState> {
    let mut config = SessionConfig::new()
        .with_information_schema(false)
        .with_default_catalog_and_schema(CATALOG, crate::folder::DEFAULT_SCHEMA)
        .with_parquet_bloom_filter_pruning(true)
        .with_parquet_page_index_pruning(true);
    let options = config.options_mut();
    // Nanoseconds since 1970 reach only from 1677 to 2262; the old type holds more.
    options.execution.parquet.coerce_int96 = Some("us".into());
    options.sql_parser.parse_float_as_decimal = true;
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(memory_bytes))).build_arc()?;
    let session = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features();
    Ok(session.with_analyzer_rules(analyzer_rules()).with_optimizer_rules(optimizer_rules()).build())
}

/// The session with batches of at most `rows` rows.
pub(crate) fn with_batch_rows(base: &SessionState, rows: usize) -> SessionState {
    let config = base.config().clone().with_batch_size(rows.max(1));
    SessionStateBuilder::new_from_existing(base.clone()).with_config(config).build()
}
