//! One read over several connections, which see one snapshot and take parts of the read from one queue.
//!
//! A part is a range of pages of the plan's first table (`ctid`), or a batch of the keys asked for. One connection reads
//! everything where that is as fast: small tables, rows found by an index, work the server shares among its own
//! processes. Whatever is in the way of a second connection leaves its part to the first; only the first is waited for.

mod explain;
mod layout;
mod snapshot;
mod worker;

pub(crate) use layout::Layouts;

use std::sync::Arc;

use junto_connector::{BatchStream, Error, Keys, OpenRequest, Result, Workers};
use junto_connector_sql::parts::PartQueue;

use crate::pool::{Lease, Pool, within};
use crate::scan::{self, Query, statement};
use explain::Explained;
use snapshot::Tables;
use worker::{Part, Read, Worker};

/// Parts per connection: enough that all end at about the same time, few enough that starting them costs nothing.
const PARTS_PER_WORKER: usize = 8;
/// Pages of a part, at least: 8 MB take some 50 ms.
const PART_PAGES: u64 = 1_000;
/// A table of fewer pages is read by one connection without asking the server anything.
const PAGES_WORTH_SHARING: u64 = 2 * PART_PAGES;
/// Fewer keys are asked for in one query.
const KEYS_WORTH_SHARING: usize = 5_000;
/// Keys of a part: fewer are not worth a round trip. For more, PostgreSQL would rather read the whole table, long before
/// that is faster (10,000 keys in 6 million rows: 0.55 s instead of 0.06 s).
const PART_KEYS: std::ops::RangeInclusive<usize> = 1_000..=2_500;

/// How a read is shared out.
struct Division {
    /// Of the first worker.
    lease: Lease,
    parts: Vec<Part>,
    tables: Tables,
}

/// The streams of one read; together they deliver every row once.
pub(crate) async fn open(
    pool: &Pool,
    layouts: &Layouts,
    request: OpenRequest,
    workers: Workers,
) -> Result<Vec<BatchStream>> {
    let most = workers.most.min(pool.settings().max_connections);
    let workers = Workers { most, ..workers };
    if most > 1
        && let Some(division) = divide(pool, layouts, &request, workers).await?
        && let Some(streams) = share(pool, division, &request, most).await?
    {
        return Ok(streams);
    }
    Ok(vec![scan::open(pool, request).await?])
}

/// None when one query should read everything.
async fn divide(pool: &Pool, layouts: &Layouts, request: &OpenRequest, workers: Workers) -> Result<Option<Division>> {
    let division = match &request.keys {
        Some(keys) => divide_keys(pool, request, keys, workers.most).await,
        None => divide_pages(pool, layouts, request, workers).await,
    };
    Ok(division?.filter(|division| division.parts.len() > 1))
}

/// Ranges of pages of the plan's first table.
async fn divide_pages(
    pool: &Pool,
    layouts: &Layouts,
    request: &OpenRequest,
    workers: Workers,
) -> Result<Option<Division>> {
    let Some(table) = request.plan.first_table(workers.groups_in_parts) else { return Ok(None) };
    let layout = within(request.context.deadline, layouts.of(pool, table)).await??;
    if let Some(obstacle) = layout.obstacle {
        request.context.metrics.note(format!("{table} is read over one connection: {obstacle}"));
        return Ok(None);
    }
    if layout.total() < PAGES_WORTH_SHARING {
        return Ok(None);
    }
    let (lease, explained) = explain(pool, request).await?;
    let per_worker = match explained {
        Ok(explained) => explained.parts_per_worker(workers.most, PARTS_PER_WORKER),
        // A server that explains nothing most likely reads the whole table.
        Err(_) => Some(PARTS_PER_WORKER),
    };
    let Some(per_worker) = per_worker else {
        lease.give_back();
        return Ok(None);
    };
    let sensible = (layout.total() / PART_PAGES) as usize;
    let ranges = layout.ranges((workers.most * per_worker).min(sensible));
    let tables = Tables::of(&request.plan, layout.materialized.then_some(table));
    Ok(Some(Division { lease, parts: ranges.into_iter().map(Part::Pages).collect(), tables }))
}

/// Batches of the keys, when the server finds their rows by an index. Without one, every batch would read the table.
async fn divide_keys(pool: &Pool, request: &OpenRequest, keys: &Keys, most: usize) -> Result<Option<Division>> {
    let rows = keys.values.num_rows();
    // What is below a limit or aggregate must be computed once for all keys.
    let row_by_row = request.plan.first_table(false).is_some();
    if rows <= KEYS_WORTH_SHARING || !row_by_row {
        return Ok(None);
    }
    let size = rows.div_ceil(most * PARTS_PER_WORKER).clamp(*PART_KEYS.start(), *PART_KEYS.end());
    let first = OpenRequest { keys: keys.lists(size).next(), ..request.clone() };
    let (lease, explained) = explain(pool, &first).await?;
    if !explained.is_ok_and(|explained| explained.is_by_index()) {
        lease.give_back();
        return Ok(None);
    }
    let parts = keys.lists(size).map(Part::Keys).collect();
    Ok(Some(Division { lease, parts, tables: Tables::of(&request.plan, None) }))
}

/// A connection, and what the server plans for the read, or why it does not say.
pub(crate) async fn explain(pool: &Pool, request: &OpenRequest) -> Result<(Lease, Result<Explained>)> {
    let deadline = request.context.deadline;
    let query = Query::new(request, None)?;
    loop {
        let mut lease = pool.get(deadline).await?;
        match within(deadline, query.explain(lease.session())).await? {
            Ok(json) => {
                let explained = Explained::parse(&json);
                return Ok((lease, explained.ok_or_else(|| Error::internal("the server explains in another form"))));
            }
            Err(error) if lease.reused && error.is_farewell() => {}
            Err(error) if error.is_refusal() => return Ok((lease, Err(error.of(statement(request).origin())))),
            Err(error) => return Err(error.of(statement(request).origin())),
        }
    }
}

/// Begins a transaction whose snapshot the others take over. None when nobody else can read along.
async fn share(
    pool: &Pool,
    division: Division,
    request: &OpenRequest,
    most: usize,
) -> Result<Option<Vec<BatchStream>>> {
    let Division { mut lease, parts, tables } = division;
    let others = pool.further().min(most - 1).min(parts.len() - 1);
    if others == 0 {
        request.context.metrics.note("read over one connection: no other could be spared");
        lease.give_back();
        return Ok(None);
    }
    let exported = within(request.context.deadline, snapshot::export(lease.session(), &tables)).await?;
    let snapshot = match exported {
        Ok(snapshot) => snapshot,
        Err(error) if error.is_refusal() => {
            let reason = error.of(statement(request).origin());
            request.context.metrics.note(format!("read over one connection: the server shares no snapshot ({reason})"));
            lease.give_back_after_transaction().await;
            return Ok(None);
        }
        Err(error) => return Err(error.of(statement(request).origin())),
    };
    let (pool, request, queue) = (pool.clone(), request.clone(), PartQueue::new(parts));
    let read = Arc::new(Read { pool, request, queue, snapshot, tables });
    let first = Worker::begun(Arc::clone(&read), lease);
    let others = (0..others).map(|_| Worker::joining(Arc::clone(&read)));
    Ok(Some(std::iter::once(first).chain(others).map(Worker::into_stream).collect()))
}
