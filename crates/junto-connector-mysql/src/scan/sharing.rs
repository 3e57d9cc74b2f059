//! Whether a read is shared by several connections, and what each of them reads.
//!
//! A plan over a large table is read by ranges of an index, mostly the table's primary key, keys by their lists. Both only in snapshots
//! that show one state, see [`super::state`].

use std::sync::Arc;

use futures::future::{join, join_all};
use junto_connector::plan::{Relation, RemotePlan};
use junto_connector::{OpenRequest, StatementContext, Workers};
use junto_connector_sql::parts::ranges;
use junto_connector_sql::{Dialect, FIRST_TABLE, datetime, tagged};
use junto_types::TableName;

use super::access::{EndToEnd, end_to_end, looked_up};
use super::ends::ends;
use super::queries::{Piece, lists, pieces};
use super::remote_text;
use super::state::ChangeTimes;
use crate::costs;
use crate::dialect::MySqlDialect;
use crate::known::{KnownTable, KnownTables, LeadingColumn, PRIMARY};
use crate::pool::{Lease, Pool, TextRows};
use crate::wire::Failure;

/// Tables with fewer rows are read faster than they are shared out.
const FEW_ROWS: u64 = 50_000;
/// Parts per connection: enough that none waits long for the last one to end.
const PARTS_PER_CONNECTION: u64 = 8;
/// Parts of one read, at most.
const MAX_PARTS: u64 = 256;
/// A part has at least about this many rows.
const ROWS_PER_PART: u64 = 5_000;

/// A read that may be shared, if the data stand still.
#[derive(Debug)]
pub(super) struct Sharing {
    by: By,
    /// Every table of the plan, once.
    tables: Vec<TableName>,
    most: usize,
}

/// What a read is shared by.
#[derive(Debug)]
enum By {
    /// Lists of keys.
    Lists,
    /// Ranges of an index of the plan's first table.
    Ranges { table: TableName, known: KnownTable },
}

/// Connections that see one state, and what they are to read together.
#[derive(Debug)]
pub(super) struct Shared {
    /// The first and, perhaps, further ones.
    pub(super) leases: Vec<Lease>,
    pub(super) pieces: Vec<Piece>,
    /// The first table is read in the order it is stored, though the server would choose another index.
    pub(super) in_stored_order: bool,
}

/// What is read piece by piece, and how.
#[derive(Debug, Default)]
struct Cut {
    pieces: Vec<Piece>,
    in_stored_order: bool,
}

impl Sharing {
    /// How to share a read; none when it cannot be or is not worth it. The server is asked nothing about tables that
    /// were described lately.
    pub(super) async fn of(
        pool: &Arc<Pool>,
        known: &KnownTables,
        request: &OpenRequest,
        workers: Workers,
    ) -> Option<Self> {
        let most = workers.most.min(pool.max_connections());
        let first = match &request.keys {
            Some(keys) if lists(keys).count() < 2 => None,
            Some(_) => request.plan.root.tables().into_iter().next(),
            None => request.plan.first_table(workers.groups_in_parts),
        };
        let first = first.filter(|_| most > 1)?;
        let table = known.table(pool, first).await.ok()?;
        let by = By::of(request, first, &table)?;
        let mut tables: Vec<TableName> = Vec::new();
        for name in request.plan.root.tables() {
            if !tables.contains(name) {
                if !known.table(pool, name).await.ok()?.is_plain_innodb {
                    let note = format!("{name} is no table of InnoDB, which has snapshots: one connection");
                    request.context.metrics.note(note);
                    return None;
                }
                tables.push(name.clone());
            }
        }
        Some(Self { by, tables, most })
    }

    /// The table that is shared out, for notes.
    pub(super) fn table(&self) -> &TableName {
        match &self.by {
            By::Ranges { table, .. } => table,
            By::Lists => &self.tables[0],
        }
    }

    /// Takes connections and opens their snapshots. The first connection is waited for; others only join when they can
    /// be spared. Where the data change meanwhile, or sharing does not pay, one connection reads everything.
    pub(super) async fn begin(&self, pool: &Arc<Pool>, request: &OpenRequest) -> Result<Shared, Failure> {
        // Questions are not queries of the statement.
        let context = StatementContext { metrics: Arc::default(), ..request.context.clone() };
        let asked = |sql: &str| tagged(&context.statement, sql);
        let times = ChangeTimes::question(&self.tables);
        let (mut lease, answer) = pool.start_asking(&context, &asked(&times)).await?;
        let before = ChangeTimes::new(answer);
        if self.notes_change(&before, &before, request) {
            return Ok(alone(lease, request));
        }
        let Cut { pieces, in_stored_order } = self.cut(&mut lease, pool, request, &context).await?;
        let alone = |lease, request| Shared { in_stored_order, ..alone(lease, request) };
        if pieces.len() < 2 {
            return Ok(alone(lease, request));
        }
        let others = (1..self.most.min(pieces.len())).map(|_| pool.further_snapshot(&context));
        let (begun, others) = join(lease.begin_snapshot(&context), join_all(others)).await;
        begun?;
        let others: Vec<Lease> = others.into_iter().flatten().collect();
        if others.is_empty() {
            return Ok(alone(lease, request));
        }
        let after = ChangeTimes::new(lease.ask(&context, &asked(&times)).await?);
        if self.notes_change(&after, &before, request) {
            join_all(others.into_iter().map(|other| other.release(&context))).await;
            return Ok(alone(lease, request));
        }
        Ok(Shared { leases: std::iter::once(lease).chain(others).collect(), pieces, in_stored_order })
    }

    /// Whether some table changes; says so to whoever reads the plan.
    fn notes_change(&self, times: &ChangeTimes, before: &ChangeTimes, request: &OpenRequest) -> bool {
        let changing = times.unsettled(before, &self.tables);
        if let Some(table) = changing {
            request.context.metrics.note(format!("{table} changes while it is read: one connection"));
        }
        changing.is_some()
    }

    async fn cut(
        &self,
        lease: &mut Lease,
        pool: &Pool,
        request: &OpenRequest,
        context: &StatementContext,
    ) -> Result<Cut, Failure> {
        let (table, known) = match &self.by {
            By::Lists => return Ok(Cut { pieces: pieces(request.keys.as_ref()), in_stored_order: false }),
            By::Ranges { table, known } => (table, known),
        };
        let sql = remote_text(&request.plan, None, pool.settings().types.zero_dates)?;
        let mut in_stored_order = false;
        let stored = || EndToEnd { index: PRIMARY.into(), rows: known.rows, rows_of_others: 0, looks_up: false };
        let read = match lease.ask(context, &tagged(&context.statement, &format!("EXPLAIN {sql}"))).await {
            Ok(explained) => match dear_index(&explained, known) {
                Some(index) => {
                    let note =
                        format!("{table} is larger than its server's memory: read whole, not by its index {index}");
                    request.context.metrics.note(note);
                    in_stored_order = true;
                    Some(stored())
                }
                None => end_to_end(&explained, delivers_rows(&request.plan)).filter(|read| read.rows >= FEW_ROWS),
            },
            // Whoever may read a view may not always have it explained.
            Err(Failure::Server(_)) => Some(stored()),
            Err(failure) => return Err(failure),
        };
        let uncut = Cut { pieces: Vec::new(), in_stored_order };
        let Some(read) = read else { return Ok(uncut) };
        let Some(leading) = known.orders.get(&read.index) else {
            let key = if read.index == PRIMARY { "primary key" } else { read.index.as_str() };
            let note = format!("{table} has no {key} that begins with a whole number or a date: one connection");
            request.context.metrics.note(note);
            return Ok(uncut);
        };
        let wanted = ends(&request.plan.root, &leading.name);
        if read.looks_up && wanted == (None, None) {
            // Most parts would hold nothing.
            return Ok(uncut);
        }
        let dialect = MySqlDialect::plain();
        let column = dialect.quote(&leading.name);
        let bounds = format!("SELECT MIN({column}), MAX({column}) FROM {}", dialect.table(table));
        let bounds = lease.ask(context, &tagged(&context.statement, &bounds)).await?;
        let pieces = Bounds::of(&bounds, leading).and_then(|all| {
            let wanted = all.between(wanted);
            let count = part_count(self.most as u64, wanted.share_of(all, known.rows), &read)?;
            Some(parts(&column, leading, wanted, count))
        });
        Ok(Cut { pieces: pieces.unwrap_or_default(), in_stored_order })
    }
}

impl By {
    fn of(request: &OpenRequest, name: &TableName, table: &KnownTable) -> Option<Self> {
        if request.keys.is_some() {
            return Some(By::Lists);
        }
        if table.rows < FEW_ROWS {
            return None;
        }
        Some(By::Ranges { table: name.clone(), known: table.clone() })
    }
}

/// Whether what is read is delivered, and not counted or summed up.
fn delivers_rows(plan: &RemotePlan) -> bool {
    !matches!(plan.root, Relation::Aggregate { .. })
}

/// One connection reads everything.
fn alone(lease: Lease, request: &OpenRequest) -> Shared {
    Shared { leases: vec![lease], pieces: pieces(request.keys.as_ref()), in_stored_order: false }
}

/// The index that the server would look up rows by, though reading the table is cheaper: it knows nothing of what is on
/// its disk.
fn dear_index(explained: &TextRows, known: &KnownTable) -> Option<String> {
    let (rows, index) = looked_up(explained)?;
    let costs = costs::measured();
    let by_index = rows as f64 * (costs.indexed_row + (1.0 - known.cached) * costs.fetched_row);
    // Reading a table from the disk in its order takes about twice as long as from memory.
    let by_table = known.rows as f64 * costs.scanned_row * 2.0;
    (known.cached < 1.0 && by_index > by_table * 2.0).then_some(index)
}

/// How many parts: more where the plan reads only some of the ranges, less where each part reads other tables too. None
/// when those would be most of the work. `rows` are those between the bounds.
fn part_count(connections: u64, rows: u64, read: &EndToEnd) -> Option<u64> {
    let spread = rows.div_ceil(read.rows.max(1)).max(1);
    let most = (rows / ROWS_PER_PART).clamp(connections, MAX_PARTS.max(connections));
    let affordable = (read.rows / 2).checked_div(read.rows_of_others).unwrap_or(u64::MAX);
    let count = (connections * PARTS_PER_CONNECTION * spread).min(most).min(affordable);
    (count >= connections).then_some(count)
}

/// Least and greatest value of a column, as numbers or days since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    low: i64,
    high: i64,
}

impl Bounds {
    /// None when the ends are no numbers of 64 bits or no dates.
    fn of(answer: &TextRows, leading: &LeadingColumn) -> Option<Self> {
        let number = |text: &str| {
            if leading.is_date { datetime::parse_date(text).map(i64::from) } else { text.parse::<i64>().ok() }
        };
        let bound = |at: usize| number(answer.rows.first()?.get(at)?.as_ref()?);
        Some(Self { low: bound(0)?, high: bound(1)? })
    }

    /// What `ends` leave of them.
    fn between(self, ends: (Option<i64>, Option<i64>)) -> Self {
        let low = ends.0.map_or(self.low, |end| end.clamp(self.low, self.high.max(self.low)));
        let high = ends.1.map_or(self.high, |end| end.clamp(low, self.high.max(low)));
        Self { low, high }
    }

    /// So many of `rows` values between `all` are between these, if they are spread evenly.
    fn share_of(self, all: Self, rows: u64) -> u64 {
        let width = |bounds: Self| i128::from(bounds.high) - i128::from(bounds.low) + 1;
        u64::try_from(i128::from(rows) * width(self) / width(all).max(1)).unwrap_or(rows).min(rows)
    }
}

/// Conditions on the first table that share it out by a column. Rows without a value are in the first part.
fn parts(column: &str, leading: &LeadingColumn, bounds: Bounds, count: u64) -> Vec<Piece> {
    let value = |number: i64| match i32::try_from(number) {
        Ok(days) if leading.is_date => format!("DATE '{}'", datetime::date_to_text(days)),
        _ => number.to_string(),
    };
    let column = format!("{FIRST_TABLE}.{column}");
    let condition = |range: (Option<i64>, Option<i64>)| match range {
        (None, Some(to)) if leading.is_nullable => format!("({column} < {} OR {column} IS NULL)", value(to)),
        (from, to) => {
            let from = from.map(|from| format!("{column} >= {}", value(from)));
            let to = to.map(|to| format!("{column} < {}", value(to)));
            from.into_iter().chain(to).collect::<Vec<_>>().join(" AND ")
        }
    };
    ranges(bounds.low, bounds.high, count as usize).into_iter().map(|range| Piece::Part(condition(range))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_many_as_pay() {
        let count = |rows, read, rows_of_others| {
            part_count(2, rows, &EndToEnd { index: PRIMARY.into(), rows: read, rows_of_others, looks_up: false })
        };
        assert_eq!(count(6_000_000, 6_000_000, 0), Some(16));
        assert_eq!(count(60_000, 60_000, 0), Some(12), "not too small");
        assert_eq!(count(6_000_000, 1_500_000, 0), Some(64), "three of four ranges hold nothing");
        assert_eq!(count(6_000_000, 6_000_000, 500_000), Some(6));
        assert_eq!(count(6_000_000, 6_000_000, 2_000_000), None);
    }

    fn bounds(leading: &LeadingColumn, low: &str, high: &str) -> Option<Bounds> {
        let rows = vec![vec![Some(low.to_owned()), Some(high.to_owned())]];
        Bounds::of(&TextRows { columns: Vec::new(), rows }, leading)
    }

    #[test]
    fn parts_meet() {
        let conditions = |is_date, is_nullable, low, high| -> Vec<String> {
            let text = |piece| if let Piece::Part(condition) = piece { condition } else { String::new() };
            let leading = LeadingColumn { name: "id".into(), is_date, is_nullable };
            let bounds = bounds(&leading, low, high).expect("numbers or days");
            parts("id", &leading, bounds, 2).into_iter().map(text).collect()
        };
        assert_eq!(conditions(false, false, "-10", "9"), ["t0.id < 0", "t0.id >= 0"]);
        assert_eq!(conditions(false, true, "-10", "9"), ["(t0.id < 0 OR t0.id IS NULL)", "t0.id >= 0"]);
        let days = conditions(true, false, "2024-02-28", "2024-03-02");
        assert_eq!(days, ["t0.id < DATE '2024-03-01'", "t0.id >= DATE '2024-03-01'"]);
    }

    #[test]
    fn only_numbers_of_64_bits_and_days_are_shared_out() {
        let of = |is_date| LeadingColumn { name: "id".into(), is_date, is_nullable: false };
        assert_eq!(bounds(&of(false), "0", "18446744073709551615"), None, "beyond 64 bits with a sign");
        assert_eq!(bounds(&of(true), "0000-00-00", "2024-03-02"), None, "not a day");
    }

    #[test]
    fn a_wanted_range_is_shared_out_by_itself() {
        let all = Bounds { low: 0, high: 999 };
        let wanted = all.between((Some(100), Some(199)));
        assert_eq!((wanted, wanted.share_of(all, 5_000)), (Bounds { low: 100, high: 199 }, 500));
        assert_eq!(all.between((Some(-5), None)), all);
        assert_eq!(all.between((Some(2_000), Some(-1))), Bounds { low: 999, high: 999 }, "nothing is wanted");
        let everything = Bounds { low: i64::MIN, high: i64::MAX };
        assert_eq!(everything.share_of(everything, 7), 7);
    }
}
