//! Reads: from a plan to streams of batches.
//!
//! [`open`] reads over one connection, [`open_parallel`] over several where [`sharing`] finds that it pays and that all
//! can see one state. [`queries`] makes the statements, [`rows`] takes their answers.

mod access;
mod ends;
mod queries;
mod rows;
mod sharing;
mod state;

use std::sync::Arc;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::future::try_join_all;
use futures::stream;
use junto_connector::plan::{Relation, RemotePlan};
use junto_connector::{BatchStream, Error, OpenRequest, Result, StatementContext, Workers};
use junto_connector_sql::{KeyValues, generate, tagged};

use crate::decode::{RowDecoder, RowFormat};
use crate::dialect::MySqlDialect;
use crate::error::{Origin, before_deadline, statement_error};
use crate::known::KnownTables;
use crate::pool::{Lease, Pool, Session};
use crate::settings::ZeroDates;
use crate::wire::{Answer, Failure};
use queries::{Halves, Piece, Queries, pieces};
pub(crate) use rows::Rows;
use sharing::{Shared, Sharing};

/// Reads that can bring at most this many rows save the round trip of a preparation.
const FEW_ROWS: usize = 1_000;
/// Rows for which a decoder makes room before it has seen any.
const FIRST_CAPACITY: usize = 64;

/// SQL of a plan: what [`open`] sends and EXPLAIN shows.
pub(crate) fn remote_text(plan: &RemotePlan, keys: Option<KeyValues<'_>>, zero_dates: ZeroDates) -> Result<String> {
    generate(&dialect(plan, zero_dates), plan, keys)
}

/// Rows that the server expects a plan to deliver; none when it can only guess.
pub(crate) async fn estimate(
    pool: &Arc<Pool>,
    plan: &RemotePlan,
    context: &StatementContext,
    is_mariadb: bool,
) -> Result<Option<f64>> {
    // MySQL says of its own accord what MariaDB is to be asked for.
    let verb = if is_mariadb { "EXPLAIN EXTENDED" } else { "EXPLAIN" };
    let sql = format!("{verb} {}", remote_text(plan, None, pool.settings().types.zero_dates)?);
    let tables = plan.table_names();
    // It is no read of the statement, and not counted as one.
    let context = StatementContext { metrics: Arc::default(), ..context.clone() };
    let asked = pool.start_asking(&context, &tagged(&context.statement, &sql)).await;
    let (_, explained) = asked.map_err(|failure| statement_error(failure, Origin::Generated { table: &tables }))?;
    Ok(access::expected_rows(&explained, is_mariadb, matches!(plan.root, Relation::Scan { .. })))
}

fn dialect(plan: &RemotePlan, zero_dates: ZeroDates) -> MySqlDialect {
    MySqlDialect::for_plan(plan, zero_dates == ZeroDates::Null)
}

/// Starts a read. Its first query is sent before this returns; further lists of keys follow on the same connection.
pub(crate) async fn open(pool: &Arc<Pool>, request: OpenRequest, max_statement_bytes: usize) -> Result<BatchStream> {
    let pieces = pieces(request.keys.as_ref());
    let reading = Arc::new(Reading::new(pool, request, max_statement_bytes, pieces, false));
    Ok(Scan::started(reading, pool).await?.into_stream())
}

/// Starts a read over a connection that is at hand, which ends with it. Its first query is sent before this returns.
pub(crate) async fn open_over(lease: Lease, request: OpenRequest, max_statement_bytes: usize) -> Result<BatchStream> {
    let pieces = pieces(request.keys.as_ref());
    let reading = Arc::new(Reading::new(lease.pool(), request, max_statement_bytes, pieces, false));
    Ok(Scan::continued(reading, lease, false).await?.into_stream())
}

/// Starts a read over as many connections as it pays to use and as are free. Each one's first query is sent before this
/// returns.
pub(crate) async fn open_parallel(
    pool: &Arc<Pool>,
    known: &KnownTables,
    request: OpenRequest,
    workers: Workers,
    max_statement_bytes: usize,
) -> Result<Vec<BatchStream>> {
    let Some(sharing) = Sharing::of(pool, known, &request, workers).await else {
        return Ok(vec![open(pool, request, max_statement_bytes).await?]);
    };
    let shared = match sharing.begin(pool, &request).await {
        Ok(shared) => shared,
        // What the login may not ask or split by, it may still read.
        Err(Failure::Server(refused)) => {
            let note = format!("{}: one connection, because {}", sharing.table(), refused.message);
            request.context.metrics.note(note);
            return Ok(vec![open(pool, request, max_statement_bytes).await?]);
        }
        Err(Failure::Local(error)) => return Err(error),
    };
    let Shared { leases, pieces, in_stored_order } = shared;
    let reading = Arc::new(Reading::new(pool, request, max_statement_bytes, pieces, in_stored_order));
    let scans = leases.into_iter().enumerate();
    let scans = scans.map(|(at, lease)| Scan::continued(Arc::clone(&reading), lease, at > 0));
    Ok(try_join_all(scans).await?.into_iter().map(Scan::into_stream).collect())
}

/// What the connections of one read have in common.
#[derive(Debug)]
struct Reading {
    schema: SchemaRef,
    format: RowFormat,
    has_many_queries: bool,
    queries: Queries,
    /// For errors.
    tables: String,
    zero_dates: ZeroDates,
    batch_rows: usize,
    context: StatementContext,
    since: Instant,
}

impl Reading {
    fn new(
        pool: &Pool,
        request: OpenRequest,
        max_statement_bytes: usize,
        pieces: Vec<Piece>,
        in_stored_order: bool,
    ) -> Self {
        let zero_dates = pool.settings().types.zero_dates;
        let schema = request.plan.schema();
        let dialect = dialect(&request.plan, zero_dates);
        let dialect = if in_stored_order { dialect.in_stored_order() } else { dialect };
        let tables = request.plan.table_names();
        Self {
            format: row_format(&request, &schema),
            has_many_queries: pieces.len() > 1,
            queries: Queries::new(&request, dialect, max_statement_bytes, pieces),
            schema,
            tables,
            zero_dates,
            batch_rows: request.batch_rows.max(1),
            context: request.context,
            since: Instant::now(),
        }
    }

    fn rows(&self, lease: Lease, answer: Answer) -> Result<Rows> {
        let Answer::Rows(columns) = answer else {
            return Err(Error::internal("the server answered a read without rows"));
        };
        let capacity = self.batch_rows.min(FIRST_CAPACITY);
        let decoder = RowDecoder::new(Arc::clone(&self.schema), &columns, self.format, self.zero_dates, capacity)?;
        Ok(Rows { lease, decoder, has_ended: false })
    }

    fn error(&self, failure: Failure) -> Error {
        match statement_error(failure, Origin::Generated { table: &self.tables }) {
            // The number counts the rows of one query.
            Error::Decode { column, reason, hint, .. } if self.has_many_queries => {
                Error::Decode { column, row: None, reason, hint }
            }
            error => error,
        }
    }
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

/// One connection's share of a read under way. Decodes when polled, so that nothing is read ahead of its reader but the
/// network's buffers.
#[derive(Debug)]
struct Scan {
    reading: Arc<Reading>,
    /// Its connection is a further one, which goes to whoever waits for one. The first scan reads on.
    is_further: bool,
    halves: Halves,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Between two queries.
    Free(Lease),
    Reading(Rows),
    #[default]
    Ended,
}

impl Scan {
    /// A scan that waits for a connection; it leases none when there is nothing to ask.
    async fn started(reading: Arc<Reading>, pool: &Arc<Pool>) -> Result<Self> {
        let mut scan = Self { reading, is_further: false, halves: Vec::new(), state: State::Ended };
        let reading = &scan.reading;
        if let Some(sql) = reading.queries.next(&mut scan.halves)? {
            let started = pool.start(Session::Generated, &reading.context, &sql, reading.format).await;
            let (lease, answer) = started.map_err(|failure| reading.error(failure))?;
            scan.state = State::Reading(reading.rows(lease, answer)?);
        }
        Ok(scan)
    }

    /// A scan over a connection that is at hand.
    async fn continued(reading: Arc<Reading>, lease: Lease, is_further: bool) -> Result<Self> {
        let mut scan = Self { reading, is_further, halves: Vec::new(), state: State::Ended };
        scan.send_next(lease).await?;
        Ok(scan)
    }

    fn into_stream(self) -> BatchStream {
        Box::pin(stream::try_unfold(
            self,
            |mut scan| async move { Ok(scan.next_batch().await?.map(|batch| (batch, scan))) },
        ))
    }

    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            match std::mem::take(&mut self.state) {
                State::Ended => return Ok(None),
                State::Free(lease) => self.send_next(lease).await?,
                State::Reading(mut rows) => {
                    let reading = &self.reading;
                    let batch = rows.next_batch(reading.batch_rows, &reading.context, reading.since).await;
                    match batch.map_err(|failure| reading.error(failure))? {
                        None => self.state = State::Free(rows.lease),
                        batch => {
                            self.state = State::Reading(rows);
                            return Ok(batch);
                        }
                    }
                }
            }
        }
    }

    /// Sends the next query over the connection that the last one left free; gives it back after the last, or for
    /// whoever waits for one.
    async fn send_next(&mut self, mut lease: Lease) -> Result<()> {
        let reading = &self.reading;
        let is_given_up = self.is_further && self.halves.is_empty() && lease.pool().is_wanted();
        let sql = if is_given_up { None } else { reading.queries.next(&mut self.halves)? };
        let Some(sql) = sql else {
            lease.release(&reading.context).await;
            return Ok(());
        };
        let connection = lease.connection()?;
        reading.context.metrics.add_query();
        let answer = match reading.format {
            RowFormat::Text => before_deadline(&reading.context, reading.since, connection.query(&sql)).await,
            RowFormat::Binary => before_deadline(&reading.context, reading.since, connection.query_binary(&sql)).await,
        };
        let answer = answer.map_err(|failure| reading.error(failure))?;
        self.state = State::Reading(reading.rows(lease, answer)?);
        Ok(())
    }
}
