//! Scans: any columns in any order, batch sizes, repeatability, values as they were written.

use junto_connector::{OpenRequest, TypeClass};

use super::catalog::Tables;
use super::dataset::{self, Kind};
use super::plans::{plan, scan, scan_all};
use super::relation::{Table, row_key};
use super::report::Report;
use super::subject::Subject;
use super::value::{Row, Value};
use super::verify::{multiset, verify};

pub(crate) async fn check(subject: &Subject, tables: &Tables, report: &mut Report) {
    for table in &tables.all {
        columns(subject, tables, table, report).await;
        repeated(subject, table, report).await;
    }
    batch_sizes(subject, tables, report).await;
    values(subject, tables, report);
}

/// No columns, each alone, all, all backwards, one twice.
async fn columns(subject: &Subject, tables: &Tables, table: &Table, report: &mut Report) {
    let names: Vec<&str> = table.info.columns.iter().map(|column| column.name.as_str()).collect();
    let mut choices: Vec<Vec<&str>> = vec![Vec::new(), names.clone(), names.iter().rev().copied().collect()];
    choices.extend(names.iter().map(|name| vec![*name]));
    choices.extend(names.first().zip(names.last()).map(|(first, last)| vec![*last, *first, *last]));
    for choice in choices {
        verify(subject, &tables.all, &plan(scan(&table.info, &choice)), "scan: columns", report).await;
    }
}

/// The same read twice gives the same rows.
async fn repeated(subject: &Subject, table: &Table, report: &mut Report) {
    match subject.rows(&plan(scan_all(&table.info))).await {
        Ok(rows) => report.require(multiset(&rows, false) == multiset(&table.rows, false), "scan: repeated", || {
            format!("{} changed between two reads", table.info.name)
        }),
        Err(error) => report.fail("scan: repeated", format!("{}: {error}", table.info.name)),
    }
}

async fn batch_sizes(subject: &Subject, tables: &Tables, report: &mut Report) {
    const GROUP: &str = "scan: batch size";
    let table = tables.widest();
    for batch_rows in [1, 3, 7] {
        let whole = plan(scan_all(&table.info));
        let request = OpenRequest { batch_rows, ..subject.request(&whole) };
        match subject.batches(request).await {
            Ok(batches) => {
                let rows: usize = batches.iter().map(arrow_array::RecordBatch::num_rows).sum();
                report.require(rows == table.rows.len(), GROUP, || {
                    format!("{rows} rows in batches of {batch_rows}, {} at once", table.rows.len())
                });
            }
            Err(error) => report.fail(GROUP, format!("batches of {batch_rows}: {error}")),
        }
    }
}

/// Every value is the one that was written, as far as the connector's type is of the written kind.
fn values(subject: &Subject, tables: &Tables, report: &mut Report) {
    let Some(dialect) = subject.dialect else { return };
    for written in dataset::tables(dialect) {
        let Some(table) = tables.named(written.name) else { continue };
        report.require(table.rows.len() == written.rows.len(), "scan: values", || {
            format!("{} has {} rows, {} were written", written.name, table.rows.len(), written.rows.len())
        });
        for (at, column) in written.columns.iter().enumerate() {
            let Some(read) = table.info.columns.get(at) else { continue };
            if !same_kind(column.kind, TypeClass::of(&read.data_type)) {
                continue;
            }
            for row in &written.rows {
                let found = table.rows.iter().find(|found| found.first() == row.first());
                let value = found.and_then(|found| found.get(at));
                report.require(value.is_some_and(|value| same(value, &row[at])), "scan: values", || {
                    let place = format!("{}.{} where id = {}", written.name, column.name, row_key(&id(row), false));
                    format!("{place}: wrote {:?}, read {value:?} as {}", row[at], read.data_type)
                });
            }
        }
    }
}

fn id(row: &Row) -> Row {
    row.iter().take(1).cloned().collect()
}

fn same(read: &Value, written: &Value) -> bool {
    match (read, written) {
        (Value::Null, Value::Null) => true,
        _ => read.compare(written) == Some(std::cmp::Ordering::Equal),
    }
}

fn same_kind(kind: Kind, class: TypeClass) -> bool {
    match kind {
        Kind::Key | Kind::SmallInt | Kind::Int | Kind::BigInt => class == TypeClass::Int,
        Kind::Decimal(..) => class == TypeClass::Decimal,
        Kind::Text | Kind::LooseText => class == TypeClass::Text,
        Kind::Boolean => class == TypeClass::Boolean,
        Kind::Double | Kind::Real => class == TypeClass::Float,
        Kind::Date => class == TypeClass::Date,
        Kind::Timestamp => class == TypeClass::Timestamp,
        Kind::Instant => class == TypeClass::TimestampUtc,
        Kind::Time => class == TypeClass::Time,
        Kind::Binary => class == TypeClass::Binary,
    }
}
