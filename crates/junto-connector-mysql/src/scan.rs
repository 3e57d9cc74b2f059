//! Reads: from a plan to a stream of batches.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::stream;
use junto_connector::plan::{Relation, RemotePlan};
use junto_connector::{BatchStream, Error, Keys, OpenRequest, Result, StatementContext};
use junto_connector_sql::{KeyValues, generate, tagged};

use crate::capabilities::MAX_KEYS;
use crate::decode::{RowDecoder, RowFormat};
use crate::dialect::MySqlDialect;
use crate::error::{Origin, before_deadline, statement_error};
use crate::pool::{Lease, Pool, Session};
use crate::settings::ZeroDates;
use crate::wire::{Answer, Failure, RowPacket};

/// A batch ends at this size even if it has fewer rows than asked for: rows can be megabytes.
const MAX_BATCH_BYTES: usize = 16 << 20;
/// Reads that can bring at most this many rows save the round trip of a preparation.
const FEW_ROWS: usize = 1_000;
/// Rows decoded at a time, column by column: they should stay in the processor's cache.
const RUN_ROWS: usize = 512;
/// Rows for which a decoder makes room before it has seen any.
const FIRST_CAPACITY: usize = 64;

/// SQL of a plan: what [`open`] sends and EXPLAIN shows.
pub(crate) fn remote_text(plan: &RemotePlan, keys: Option<KeyValues<'_>>, zero_dates: ZeroDates) -> Result<String> {
    generate(&MySqlDialect::for_plan(plan, zero_dates == ZeroDates::Null), plan, keys)
}

/// Starts a read. Its first query is sent before this returns; further lists of keys follow on the same connection.
pub(crate) async fn open(pool: &Arc<Pool>, request: OpenRequest, max_statement_bytes: usize) -> Result<BatchStream> {
    let schema = request.plan.schema();
    let format = row_format(&request, &schema);
    let queries = Queries::new(&request, max_statement_bytes);
    let tables = request.plan.root.tables();
    let table = tables.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let scan = Scan {
        pool: Arc::clone(pool),
        schema,
        format,
        queries,
        table,
        batch_rows: request.batch_rows.max(1),
        context: request.context,
        since: Instant::now(),
        current: None,
    };
    scan.begun().await
}

fn row_format(request: &OpenRequest, schema: &SchemaRef) -> RowFormat {
    // The text form of FLOAT has six digits.
    let has_floats = schema.fields().iter().any(|field| field.data_type().is_floating());
    let few_keys = request.keys.as_ref().is_some_and(|keys| keys.values.num_rows() <= FEW_ROWS);
    let few_rows = match &request.plan.root {
        Relation::Limit { fetch: Some(fetch), .. } | Relation::Sort { fetch: Some(fetch), .. } => {
            *fetch <= FEW_ROWS as u64
        }
        _ => false,
    };
    if (few_keys || few_rows) && !has_floats { RowFormat::Text } else { RowFormat::Binary }
}

/// The queries of one read: one, or one per list of keys.
#[derive(Debug)]
struct Queries {
    plan: Arc<RemotePlan>,
    statement: uuid::Uuid,
    max_statement_bytes: usize,
    /// Lists of keys still to be asked for; a single `None` for a read without keys.
    waiting: VecDeque<Option<Keys>>,
}

impl Queries {
    fn new(request: &OpenRequest, max_statement_bytes: usize) -> Self {
        let waiting = match &request.keys {
            None => VecDeque::from([None]),
            Some(keys) => lists(keys).map(Some).collect(),
        };
        Self { plan: Arc::clone(&request.plan), statement: request.context.statement, max_statement_bytes, waiting }
    }

    /// SQL of the next query; none after the last. Lists whose text would be too long are halved.
    fn next(&mut self, zero_dates: ZeroDates) -> Result<Option<String>> {
        while let Some(keys) = self.waiting.pop_front() {
            let sql = remote_text(&self.plan, keys.as_ref().map(KeyValues::Values), zero_dates)?;
            let sql = tagged(&self.statement, &sql);
            if sql.len() <= self.max_statement_bytes {
                return Ok(Some(sql));
            }
            match keys {
                Some(keys) if keys.values.num_rows() > 1 => {
                    let half = keys.values.num_rows() / 2;
                    let part = |from, rows, nulls| Keys {
                        columns: keys.columns.clone(),
                        values: keys.values.slice(from, rows),
                        nulls,
                    };
                    self.waiting.push_front(Some(part(half, keys.values.num_rows() - half, false)));
                    self.waiting.push_front(Some(part(0, half, keys.nulls)));
                }
                _ => {
                    let what = format!(
                        "the statement of {} bytes is longer than the {} bytes this server takes",
                        sql.len(),
                        self.max_statement_bytes
                    );
                    return Err(Error::Resource { what });
                }
            }
        }
        Ok(None)
    }
}

/// Keys in lists of at most [`MAX_KEYS`]; NULL goes with the first.
fn lists(keys: &Keys) -> impl Iterator<Item = Keys> {
    let rows = keys.values.num_rows();
    let count = if keys.nulls { rows.div_ceil(MAX_KEYS).max(1) } else { rows.div_ceil(MAX_KEYS) };
    (0..count).map(move |list| {
        let from = list * MAX_KEYS;
        Keys {
            columns: keys.columns.clone(),
            values: keys.values.slice(from, (rows - from).min(MAX_KEYS)),
            nulls: keys.nulls && list == 0,
        }
    })
}

/// A read under way. Decodes when polled, so that nothing is read ahead of its reader but the network's buffers.
#[derive(Debug)]
struct Scan {
    pool: Arc<Pool>,
    schema: SchemaRef,
    format: RowFormat,
    queries: Queries,
    /// For errors.
    table: String,
    batch_rows: usize,
    context: StatementContext,
    since: Instant,
    current: Option<Rows>,
}

impl Scan {
    async fn begun(mut self) -> Result<BatchStream> {
        let zero_dates = self.pool.settings().types.zero_dates;
        if let Some(sql) = self.queries.next(zero_dates)? {
            let started = self.pool.start(Session::Generated, &self.context, &sql, self.format).await;
            let (lease, answer) = started.map_err(|failure| self.error(failure))?;
            self.current = Some(self.rows(lease, answer)?);
        }
        Ok(Box::pin(stream::try_unfold(self, |mut scan| async move {
            Ok(scan.next_batch().await?.map(|batch| (batch, scan)))
        })))
    }

    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        while let Some(rows) = &mut self.current {
            let batch = rows.next_batch(self.batch_rows, &self.context, self.since).await;
            match batch.map_err(|failure| self.error(failure))? {
                Some(batch) => return Ok(Some(batch)),
                None => self.next_query().await?,
            }
        }
        Ok(None)
    }

    /// Sends the next list of keys over the connection that the last one left free.
    async fn next_query(&mut self) -> Result<()> {
        let Some(Rows { mut lease, .. }) = self.current.take() else { return Ok(()) };
        let zero_dates = self.pool.settings().types.zero_dates;
        let Some(sql) = self.queries.next(zero_dates)? else { return Ok(()) };
        let connection = lease.connection()?;
        self.context.metrics.add_query();
        let answer = match self.format {
            RowFormat::Text => before_deadline(&self.context, self.since, connection.query(&sql)).await,
            RowFormat::Binary => before_deadline(&self.context, self.since, connection.query_binary(&sql)).await,
        };
        let answer = answer.map_err(|failure| self.error(failure))?;
        self.current = Some(self.rows(lease, answer)?);
        Ok(())
    }

    fn rows(&self, lease: Lease, answer: Answer) -> Result<Rows> {
        let Answer::Rows(columns) = answer else {
            return Err(Error::internal("the server answered a read without rows"));
        };
        let capacity = self.batch_rows.min(FIRST_CAPACITY);
        let zero_dates = self.pool.settings().types.zero_dates;
        let decoder = RowDecoder::new(Arc::clone(&self.schema), &columns, self.format, zero_dates, capacity)?;
        Ok(Rows { lease, decoder, has_ended: false })
    }

    fn error(&self, failure: Failure) -> Error {
        statement_error(failure, Origin::Generated { table: &self.table })
    }
}

/// Rows of one query.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) lease: Lease,
    pub(crate) decoder: RowDecoder,
    pub(crate) has_ended: bool,
}

impl Rows {
    /// The next batch; none after the last. The end is only believed when the server says so.
    pub(crate) async fn next_batch(
        &mut self,
        batch_rows: usize,
        context: &StatementContext,
        since: Instant,
    ) -> Result<Option<RecordBatch>, Failure> {
        let connection = self.lease.connection()?;
        while !self.has_ended && self.decoder.rows() < batch_rows && self.decoder.bytes() < MAX_BATCH_BYTES {
            if self.decoder.format() == RowFormat::Binary {
                let rows = connection.buffered_binary_rows((batch_rows - self.decoder.rows()).min(RUN_ROWS))?;
                if !rows.is_empty() {
                    self.decoder.append_run(&rows)?;
                    continue;
                }
            }
            match connection.buffered_row()? {
                Some(RowPacket::Row(packet)) => self.decoder.append(packet)?,
                Some(RowPacket::End) => self.has_ended = true,
                None => before_deadline(context, since, connection.fill()).await?,
            }
        }
        if self.decoder.rows() == 0 {
            return Ok(None);
        }
        context.metrics.add_rows(self.decoder.rows() as u64, self.decoder.bytes() as u64);
        // A reader that always finds bytes waiting would never notice the deadline.
        if context.remaining().is_some_and(|left| left.is_zero()) {
            return Err(crate::error::timed_out(since).into());
        }
        Ok(Some(self.decoder.finish()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Int64Array;
    use arrow_schema::{DataType, Field, Schema};

    fn keys(rows: usize, nulls: bool) -> Keys {
        let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, false)]));
        let values = Int64Array::from_iter_values(0..rows as i64);
        let values = RecordBatch::try_new(schema, vec![Arc::new(values)]).expect("one column");
        Keys { columns: vec![0], values, nulls }
    }

    #[test]
    fn keys_are_asked_for_in_lists() {
        let sizes = |rows, nulls| {
            lists(&keys(rows, nulls)).map(|list| (list.values.num_rows(), list.nulls)).collect::<Vec<_>>()
        };
        assert_eq!(sizes(25_000, true), [(10_000, true), (10_000, false), (5_000, false)]);
        assert_eq!(sizes(0, true), [(0, true)]);
        assert!(sizes(0, false).is_empty());
    }
}
