//! What plans cost, in microseconds. Estimates decide how a statement runs, never what it answers.
//!
//! A source's share comes from the constants its connector declares ([`Costs`]); Junto's own are below, measured on one
//! core of the machine that the benchmarks run on. Elapsed time is the longer of two: the longest chain of work that
//! cannot be shared out, and all work divided by the cores.

use arrow::datatypes::DataType;
use junto_connector::{Costs, Expr, Prefer, TypeClass};

use crate::execution::MOST_LISTED;
use crate::node::{Origin, RemoteNode};

/// Rows a source must look at before a second connection is worth opening.
pub(crate) const PARALLEL_ROWS: f64 = 50_000.0;
/// Decoding a row, and a value of fixed size or not.
const DECODED_ROW: f64 = 0.02;
const DECODED_VALUE: f64 = 0.008;
const DECODED_WIDE_VALUE: f64 = 0.02;
/// Sending and decoding a byte of text.
const BYTE: f64 = 0.001;
/// Bytes of a text whose width is unknown.
const TEXT_BYTES: f64 = 24.0;
/// Testing a condition, and one with a pattern or a function over text.
const CONDITION: f64 = 0.004;
const TEXT_CONDITION: f64 = 0.03;
/// Finding the group of a row, when groups are few and when they are many.
const GROUPED_ROW: f64 = 0.03;
const GROUPED_ROW_OF_MANY: f64 = 0.12;
const MANY_GROUPS: f64 = 50_000.0;
const AGGREGATED_VALUE: f64 = 0.012;
/// A row built into a hash table, looked up, and put out by a join.
const BUILT_ROW: f64 = 0.07;
const PROBED_ROW: f64 = 0.04;
const JOINED_ROW: f64 = 0.03;
/// Collecting and sending a key, beyond the source's work for it.
const KEY: f64 = 0.3;
/// Times that what is sent counts where a connection prefers the least data.
const SPARED: f64 = 20.0;

/// What one remote plan asks of its source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// Rows that leave the plan.
    pub rows: f64,
    /// Rows of tables that are looked at.
    pub scanned: f64,
    /// Microseconds of the source's cores, without sending the rows.
    pub server: f64,
    /// Nothing is known of one of the tables.
    pub guessed: bool,
}

/// Rows of a table that an index leads to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Indexed {
    /// Share of the table's rows.
    pub(crate) share: f64,
    /// Microseconds for each.
    pub(crate) per_row: f64,
}

/// Reading one row that values of a column lead to. `covered`: an index on it has everything that is read.
pub(crate) fn reached_row(origin: &Origin, covered: bool, costs: &Costs) -> f64 {
    let clustered = costs.clustered && origin.table.info.primary_key.first().is_some_and(|key| key == origin.name());
    if clustered || covered { costs.scanned_row * 2.0 } else { costs.indexed_row + miss(origin, costs) }
}

/// Reading from the disk, as often as a row at a random place of a table is not in memory.
pub(crate) fn miss(origin: &Origin, costs: &Costs) -> f64 {
    origin.table.statistics.cached.map_or(0.0, |cached| (1.0 - cached).max(0.0) * costs.fetched_row)
}

/// Work on all cores together, and the longest chain of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Cost {
    pub(crate) cpu: f64,
    pub(crate) chain: f64,
}

impl Cost {
    /// Work that any number of cores can share.
    pub(crate) fn shared(work: f64, cores: f64) -> Self {
        Self { cpu: work, chain: work / cores }
    }

    /// One after the other.
    pub(crate) fn then(self, next: Cost) -> Self {
        Self { cpu: self.cpu + next.cpu, chain: self.chain + next.chain }
    }

    /// With one of its parts replaced by another.
    pub(crate) fn with(self, old: Cost, new: Cost) -> Self {
        let replaced = |whole: f64, old: f64, new: f64| (whole - old).max(0.0) + new;
        Self { cpu: replaced(self.cpu, old.cpu, new.cpu), chain: replaced(self.chain, old.chain, new.chain) }
    }

    /// Estimated elapsed time.
    pub(crate) fn time(self, cores: f64) -> f64 {
        self.chain.max(self.cpu / cores)
    }
}

impl Work {
    /// Reading a whole table.
    pub(crate) fn of_table(rows: Option<u64>, unknown: f64, costs: &Costs) -> Self {
        let count = rows.map_or(unknown, |rows| rows as f64);
        Self { rows: count, scanned: count, server: count * costs.scanned_row, guessed: rows.is_none() }
    }

    /// After conditions that keep `share` of the rows; `indexed` is what an index finds by itself.
    pub(crate) fn filtered(self, share: f64, indexed: Option<Indexed>, per_row: f64, costs: &Costs) -> Self {
        let mut work = Self { rows: self.rows * share, server: self.server + self.rows * per_row, ..self };
        if let Some(Indexed { share, per_row: reached }) = indexed {
            let found = self.rows * share;
            let by_index = costs.key + found * (reached + per_row);
            if by_index < work.server {
                (work.server, work.scanned) = (by_index, found);
            }
        }
        work
    }

    /// At most `rows` leave; the source may stop early.
    pub(crate) fn limited(self, rows: f64) -> Self {
        let part = if self.rows > 0.0 { (rows / self.rows).min(1.0) } else { 1.0 };
        Self { rows: self.rows.min(rows), scanned: self.scanned * part, server: self.server * part, ..self }
    }
}

/// Reading a remote plan and decoding its rows.
pub(crate) fn read(node: &RemoteNode, cores: f64) -> Cost {
    let costs = &node.connector.capabilities().costs;
    let (sent, decoded) = transfer_of(node);
    let server = node.work.server + node.work.rows * sent;
    let client = node.work.rows * decoded;
    let workers = if can_split(node) { cores } else { 1.0 };
    let work = if workers > 1.0 { (server + client) / workers } else { (server / costs.cores.max(1.0)).max(client) };
    Cost { cpu: server + client, chain: costs.query + work }
}

/// Whether looking at all rows of a plan's tables takes its source less time than finding, by an index, those that come.
pub(crate) fn scans_sooner(node: &RemoteNode) -> bool {
    let costs = &node.connector.capabilities().costs;
    node.work.scanned * (costs.scanned_row + costs.condition * 2.0) < node.work.rows * costs.indexed_row
}

/// Whether several connections would read the plan.
pub(crate) fn can_split(node: &RemoteNode) -> bool {
    node.connector.capabilities().parallel
        && node.work.scanned >= PARALLEL_ROWS
        && node.plan.first_table(node.partial_groups).is_some()
}

/// Microseconds that sending a row of the plan takes its source, and that decoding it takes Junto. Each counts for more
/// where the connection prefers the least data.
pub(crate) fn transfer_of(node: &RemoteNode) -> (f64, f64) {
    let weight = weight_of_data(node);
    let costs = &node.connector.capabilities().costs;
    let types = node.plan.root.types();
    let values = types.iter().zip(node.origin.iter().map(Option::as_ref));
    let decoded_row = if costs.sends_arrow { 0.0 } else { DECODED_ROW };
    let start = (costs.sent_row * weight, decoded_row * weight);
    values.fold(start, |(sent, decoded), (data_type, origin)| {
        let (send, decode) = value(data_type, origin, costs);
        (sent + send * weight, decoded + decode * weight)
    })
}

/// How much what is sent from or to the connection of a node counts.
pub(crate) fn weight_of_data(node: &RemoteNode) -> f64 {
    match node.prefer {
        Prefer::Fastest => 1.0,
        Prefer::LeastData => SPARED,
    }
}

/// Bytes of a value, per column of the plan.
pub(crate) fn column_bytes(node: &RemoteNode) -> Vec<f64> {
    let types = node.plan.root.types();
    types.iter().zip(&node.origin).map(|(data_type, origin)| value_bytes(data_type, origin.as_ref())).collect()
}

/// Bytes of a value of a type.
pub(crate) fn value_bytes(data_type: &DataType, origin: Option<&Origin>) -> f64 {
    data_type.primitive_width().map_or_else(|| wide_bytes(origin), |width| width as f64)
}

/// Bytes of a value that has no fixed size.
fn wide_bytes(origin: Option<&Origin>) -> f64 {
    let known = origin.and_then(|origin| origin.table.statistics.column(origin.name())?.average_bytes);
    known.map_or(TEXT_BYTES, f64::from)
}

/// As [`transfer_of`], for one value.
pub(crate) fn value(data_type: &DataType, origin: Option<&Origin>, costs: &Costs) -> (f64, f64) {
    let (sent, decoded) = match TypeClass::of(data_type) {
        TypeClass::Text | TypeClass::Binary | TypeClass::Other => {
            let bytes = wide_bytes(origin) * BYTE;
            (costs.sent_wide_value + bytes, DECODED_WIDE_VALUE + bytes)
        }
        TypeClass::Decimal => (costs.sent_wide_value, DECODED_WIDE_VALUE),
        _ => (0.0, DECODED_VALUE),
    };
    (costs.sent_value + sent, if costs.sends_arrow { 0.0 } else { decoded })
}

/// What a condition costs per row: its source, and Junto.
pub(crate) fn condition(expr: &Expr, types: &[DataType], costs: &Costs) -> (f64, f64) {
    let is_text = |expr: &Expr| TypeClass::of(&expr.data_type(types)) == TypeClass::Text;
    let children = expr.children();
    let own = match expr {
        Expr::Like { .. } => (costs.pattern, TEXT_CONDITION),
        Expr::Function { args, .. } if args.iter().any(is_text) => (costs.text_condition, TEXT_CONDITION),
        Expr::Compare { left, .. } if is_text(left) => (costs.text_condition, CONDITION * 2.0),
        Expr::InList { expr, list, .. } if is_text(expr) => {
            (costs.text_condition, CONDITION * 2.0 * (list.len() as f64).min(20.0))
        }
        Expr::InList { .. } => (costs.condition * 2.0, CONDITION * 4.0),
        Expr::Arithmetic { .. } | Expr::Cast { .. } | Expr::Function { .. } => (costs.computed_value, CONDITION),
        Expr::Column(_) | Expr::Literal(_) | Expr::Parameter { .. } => (0.0, 0.0),
        Expr::And(_) | Expr::Or(_) | Expr::Not(_) => (0.0, 0.0),
        _ => (costs.condition, CONDITION),
    };
    children.into_iter().fold(own, |(server, local), child| {
        let (s, l) = condition(child, types, costs);
        (server + s, local + l)
    })
}

/// Grouping `rows` into `groups` here.
pub(crate) fn aggregate(rows: f64, groups: f64, aggregates: usize, cores: f64) -> Cost {
    let row = if groups > MANY_GROUPS { GROUPED_ROW_OF_MANY } else { GROUPED_ROW };
    Cost::shared(rows * (row + aggregates as f64 * AGGREGATED_VALUE), cores)
}

/// A join here that compares every pair of rows, without reading its inputs.
pub(crate) fn pairs(left: f64, right: f64, output: f64, cores: f64) -> Cost {
    Cost::shared(left * right * CONDITION + output * JOINED_ROW, cores)
}

/// A hash join here, without reading its inputs.
pub(crate) fn join(build: f64, probe: f64, output: f64, cores: f64) -> Cost {
    Cost::shared(build * BUILT_ROW + probe * PROBED_ROW + output * JOINED_ROW, cores)
}

/// Reading only the rows with `keys` of the values of one column, of a node that would bring all.
pub(crate) fn keyed_read(node: &RemoteNode, key: KeyedBy<'_>, keys: f64, cores: f64) -> Cost {
    let costs = &node.connector.capabilities().costs;
    let share = (keys / key.distinct.max(1.0)).min(1.0);
    let (sent, decoded) = transfer_of(node);
    let found = node.work.rows * share;
    let server = if key.indexed {
        let table_rows = key.origin.table.rows().map_or(node.work.scanned, |rows| rows as f64);
        let beyond = (node.work.server - node.work.scanned * costs.scanned_row).max(0.0);
        keys * (costs.key + miss(key.origin, costs))
            + table_rows * share * reached_row(key.origin, key.covered, costs)
            + beyond * share
    } else {
        node.work.server + node.work.scanned * costs.condition * 2.0
    };
    let all = server + found * (sent + decoded) + keys * KEY;
    // Without an index a list of keys is a condition of a read in parts.
    let is_shared = if key.indexed { keys > MANY_KEYS } else { keys <= MOST_LISTED as f64 && can_split(node) };
    Cost { cpu: all, chain: costs.query + if is_shared { all / cores } else { all } }
}

/// The column whose keys restrict a read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyedBy<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) distinct: f64,
    pub(crate) indexed: bool,
    /// By an index that has everything the read needs.
    pub(crate) covered: bool,
}

/// Keys that several connections share.
const MANY_KEYS: f64 = 10_000.0;

/// Keys up to which reading by them is taken to be cheaper than reading everything.
pub(crate) fn most_keys(node: &RemoteNode, key: KeyedBy<'_>, most: f64, cores: f64) -> f64 {
    // Data that several connections bring at once is no less data.
    let figure = |cost: Cost| match node.prefer {
        Prefer::Fastest => cost.time(cores),
        Prefer::LeastData => cost.cpu,
    };
    let full = figure(read(node, cores));
    let (mut low, mut high) = (0.0, most.min(key.distinct));
    // The cost of keys grows with their number, so the break-even is found by halving.
    for _ in 0..20 {
        let middle = f64::midpoint(low, high);
        if figure(keyed_read(node, key, middle, cores)) < full {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}
