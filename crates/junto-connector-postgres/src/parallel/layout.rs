//! In how many pages a table lies, and how they are cut into ranges.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use junto_connector::{Error, Result};
use junto_connector_sql::FIRST_TABLE;
use junto_types::TableName;
use parking_lot::Mutex;
use serde::Deserialize;

use crate::pool::{Pool, catalog_query};

const LAYOUT: &str = include_str!("layout.sql");
/// How long a layout is believed. The ranges made of it cover the table whatever has become of it.
const MAX_AGE: Duration = Duration::from_mins(1);
/// Tables remembered at once.
const MOST_TABLES: usize = 1_000;
/// Bytes of a page, unless the server was built otherwise.
const PAGE_BYTES: u64 = 8 << 10;
/// Since this version the server reads a range of pages without reading the others.
const RANGE_SCANS: u32 = 140_000;

/// Pages of a table and of what belongs to it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Layout {
    /// Of each table with rows: the table itself, its partitions, the tables that inherit it.
    pub(super) pages: Vec<u64>,
    /// It is a materialized view.
    pub(super) materialized: bool,
    /// Why it cannot be read by ranges of pages.
    pub(super) obstacle: Option<&'static str>,
}

/// Pages from the first up to, but without, the second; without a bound where there is none. Of a table with
/// partitions: these pages of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageRange(Option<u64>, Option<u64>);

impl PageRange {
    /// The condition on the first table of a plan.
    pub(super) fn condition(&self) -> String {
        let bound = |op: &str, page: Option<u64>| page.map(|page| format!("{FIRST_TABLE}.ctid {op} '({page},0)'::tid"));
        let bounds = [bound(">=", self.0), bound("<", self.1)];
        bounds.into_iter().flatten().collect::<Vec<_>>().join(" AND ")
    }
}

impl Layout {
    /// All pages.
    pub(super) fn total(&self) -> u64 {
        self.pages.iter().sum()
    }

    /// At most so many ranges with about the same number of pages. The last one has no end: rows may have been added.
    pub(super) fn ranges(&self, parts: usize) -> Vec<PageRange> {
        let parts = parts.max(1) as u64;
        let total = self.total();
        let mut cuts: Vec<u64> = (1..parts).map(|part| self.cut(total * part / parts)).filter(|cut| *cut > 0).collect();
        cuts.dedup();
        let starts = std::iter::once(None).chain(cuts.iter().copied().map(Some));
        let ends = cuts.iter().copied().map(Some).chain(std::iter::once(None));
        starts.zip(ends).map(|(start, end)| PageRange(start, end)).collect()
    }

    /// The first page number below which at least `wanted` pages of all tables lie.
    fn cut(&self, wanted: u64) -> u64 {
        let below = |page: u64| self.pages.iter().map(|pages| (*pages).min(page)).sum::<u64>();
        let (mut low, mut high) = (0, self.pages.iter().copied().max().unwrap_or(0));
        while low < high {
            let middle = low + (high - low) / 2;
            if below(middle) < wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// Layouts of the tables read of late.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    known: Mutex<HashMap<TableName, (Instant, Layout)>>,
}

impl Layouts {
    /// The layout of a table, remembered or asked for. A table that is not there has no pages.
    pub(super) async fn of(&self, pool: &Pool, table: &TableName) -> Result<Layout> {
        let known = self.known.lock().get(table).filter(|(at, _)| at.elapsed() < MAX_AGE).cloned();
        if let Some((_, layout)) = known {
            return Ok(layout);
        }
        let rows = catalog_query(pool, LAYOUT, &[table.schema.as_deref(), Some(&table.table)]).await?;
        let text = rows.into_iter().next().and_then(|row| row.into_iter().next().flatten());
        let layout = text.as_deref().map(parse).transpose()?.unwrap_or_default();
        self.remember(table, layout.clone());
        Ok(layout)
    }

    /// Takes note of a table's size that was asked for something else: nothing more need be asked of small tables.
    pub(crate) fn learn(&self, table: &TableName, bytes: u64) {
        let pages = bytes / PAGE_BYTES;
        if pages < super::PAGES_WORTH_SHARING {
            self.remember(table, Layout { pages: vec![pages], ..Layout::default() });
        }
    }

    /// Forgets a table that may be another now.
    pub(crate) fn forget(&self, table: &TableName) {
        self.known.lock().remove(table);
    }

    fn remember(&self, table: &TableName, layout: Layout) {
        let mut known = self.known.lock();
        if known.len() >= MOST_TABLES {
            known.clear();
        }
        known.insert(table.clone(), (Instant::now(), layout));
    }
}

/// What `layout.sql` says of a table.
#[derive(Debug, Deserialize)]
struct Described {
    kind: String,
    version: u32,
    tid_scans: bool,
    /// Every table with rows is stored the way PostgreSQL itself stores tables.
    heap: bool,
    /// Also the column with a row's place, for which there is no grant of its own.
    readable: bool,
    pages: Option<Vec<u64>>,
}

fn parse(text: &str) -> Result<Layout> {
    let described: Described =
        serde_json::from_str(text).map_err(|cause| Error::internal(format!("the catalog cannot be read: {cause}")))?;
    let obstacle = match described.kind.as_str() {
        "v" => Some("it is a view"),
        "f" => Some("it is a foreign table"),
        _ if !described.heap => Some("not all of it is an ordinary table"),
        _ if described.version < RANGE_SCANS => Some("PostgreSQL before version 14 cannot read a range of pages"),
        _ if !described.tid_scans => Some("`enable_tidscan` is off on the server"),
        _ if !described.readable => Some("the login may read only some of its columns"),
        _ => None,
    };
    let materialized = described.kind == "m";
    Ok(Layout { pages: described.pages.unwrap_or_default(), materialized, obstacle })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(pages: &[u64], parts: usize) -> Vec<PageRange> {
        Layout { pages: pages.to_vec(), ..Layout::default() }.ranges(parts)
    }

    #[test]
    fn ranges_meet_and_have_open_ends() {
        for (pages, parts) in [(&[100_u64][..], 8), (&[3], 8), (&[], 4), (&[1, 1_000, 50], 5), (&[10, 10], 1)] {
            let ranges = ranges(pages, parts);
            assert!(!ranges.is_empty() && ranges.len() <= parts, "{ranges:?}");
            assert_eq!((ranges[0].0, ranges[ranges.len() - 1].1), (None, None));
            assert!(ranges.windows(2).all(|pair| pair[0].1 == pair[1].0 && pair[0].1.is_some()), "{ranges:?}");
        }
    }

    #[test]
    fn ranges_hold_about_as_many_pages_of_tables_of_any_size() {
        let pages = [1_000, 10, 4_000];
        let held = |range: &PageRange| {
            let below = |bound: Option<u64>| pages.map(|pages| bound.map_or(pages, |bound| bound.min(pages)));
            let start = range.0.map_or(0, |_| below(range.0).iter().sum::<u64>());
            below(range.1).iter().sum::<u64>() - start
        };
        let sizes: Vec<u64> = ranges(&pages, 5).iter().map(held).collect();
        assert!(sizes.iter().all(|size| size.abs_diff(1_002) <= 5), "{sizes:?}");
    }

    #[test]
    fn conditions_name_the_first_table() {
        assert_eq!(PageRange(Some(5), Some(9)).condition(), "t0.ctid >= '(5,0)'::tid AND t0.ctid < '(9,0)'::tid");
        assert_eq!(PageRange(None, Some(9)).condition(), "t0.ctid < '(9,0)'::tid");
        assert_eq!(PageRange(Some(9), None).condition(), "t0.ctid >= '(9,0)'::tid");
    }
}
