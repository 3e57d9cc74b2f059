//! The native path: a statement without `@` goes to one connection as it is.

use std::sync::Arc;
use std::time::Instant;

use junto_connector::{NativeRequest, StatementContext};
use junto_types::Alias;

use crate::engine::Shared;
use crate::error::Error;
use crate::run::{Progress, Run};
use crate::settings::StatementOptions;

/// The connection a statement goes to as it is; none for a federated one, or one that reads no table at all.
pub(crate) fn target(shared: &Shared, sql: &str, options: &StatementOptions) -> Result<Option<Alias>, Error> {
    if sql.len() > options.limits.max_statement_bytes {
        let limit = options.limits.max_statement_bytes;
        return Err(junto_sql::Error::TooLong { bytes: sql.len(), limit }.into());
    }
    if junto_sql::has_references(sql) {
        return Ok(None);
    }
    if junto_sql::split_statements(sql, junto_sql::Dialect::Federated)?.is_empty() {
        return Err(junto_sql::Error::Empty.into());
    }
    let known = shared.connections.aliases();
    let alias = match &options.connection {
        Some(name) => Some(shared.connections.alias(name)?),
        None if known.len() == 1 => known.into_iter().next(),
        None => None,
    };
    if alias.is_some() && shared.settings.multiquery.require_explicit_connections {
        return Err(Error::Refused {
            key: "require_explicit_connections",
            what: "every table needs its connection, as in `@alias.table`".into(),
        });
    }
    Ok(alias)
}

/// Sends the statement to its connection, read-only unless the options permit writes.
pub(crate) async fn run(shared: &Shared, alias: &Alias, sql: &str, options: &StatementOptions) -> Result<Run, Error> {
    let deadline = options.limits.timeout.map(|timeout| Instant::now() + timeout);
    let connector = shared.connections.connector(alias).await?;
    let context = StatementContext::new(deadline);
    let metrics = Arc::clone(&context.metrics);
    let request = NativeRequest {
        sql: sql.to_owned(),
        read_only: !options.allow_write,
        batch_rows: options.limits.batch_rows,
        context,
    };
    let failed = |error| Error::source_failed(alias, error, None);
    let answer = connector.native(request).await.map_err(failed)?;
    Ok(Run::native(alias.clone(), answer, Progress::of(alias, metrics), deadline, &options.limits))
}
