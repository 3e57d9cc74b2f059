//! Keyed reads: all rows with the keys come, others may, and what is inside the plan is not touched.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use junto_connector::{Keys, OpenRequest, StatementContext, TypeClass};

use super::catalog::Tables;
use super::plans::{plan, scan_all, sort};
use super::relation::{Table, compute, row_key};
use super::report::Report;
use super::subject::Subject;
use super::value::{Row, Value, array_of};
use super::verify::missing;

pub(crate) async fn check(subject: &Subject, tables: &Tables, report: &mut Report) {
    let Some(support) = subject.connector.capabilities().keys.clone() else {
        return refused(subject, tables, report).await;
    };
    for table in tables.all.iter().filter(|table| !table.rows.is_empty()) {
        let columns = scan_all(&table.info).columns();
        let accepted: Vec<usize> =
            (0..columns.len()).filter(|index| subject.connector.accepts_keys(&columns[*index])).collect();
        for index in &accepted {
            for (wanted, nulls) in [(1, false), (3, false), (usize::MAX, false), (2, true), (0, true)] {
                keyed(subject, table, &[*index], wanted, nulls, report).await;
            }
        }
        if support.composite {
            for pair in accepted.windows(2).take(6) {
                keyed(subject, table, pair, 4, false, report).await;
            }
        }
        if let Some(index) = accepted.first() {
            empty(subject, table, *index, report).await;
            below_a_limit(subject, table, *index, report).await;
        }
    }
    too_many(subject, tables, support.max_per_query, report).await;
}

/// A source without keys refuses them.
async fn refused(subject: &Subject, tables: &Tables, report: &mut Report) {
    let table = tables.widest();
    let Some(keys) = some_keys(table, &[0], 1, false) else { return };
    let answer = subject.keyed_rows(&plan(scan_all(&table.info)), keys).await;
    report.require(answer.is_err(), "keys: not claimed", || "keys that are not claimed were taken".into());
}

async fn keyed(subject: &Subject, table: &Table, columns: &[usize], wanted: usize, nulls: bool, report: &mut Report) {
    let Some(keys) = some_keys(table, columns, wanted, nulls) else { return };
    let group = format!("keys on {}", describe(table, columns));
    let expected = with_keys(&table.rows, &keys);
    let case = format!("{} keys, nulls {nulls}", keys.values.num_rows());
    report.count();
    match subject.keyed_rows(&plan(scan_all(&table.info)), keys).await {
        Ok(rows) => {
            let wrong = missing(&expected, &rows, "a row with a key is missing")
                .or_else(|| missing(&rows, &table.rows, "not a row of the table, or twice"));
            if let Some(wrong) = wrong {
                report.fail(group, format!("{case}: {wrong}"));
            }
        }
        Err(error) => report.fail(group, format!("{case}: {error:?}")),
    }
}

/// No keys at all: no rows, and nothing is sent.
async fn empty(subject: &Subject, table: &Table, index: usize, report: &mut Report) {
    const GROUP: &str = "keys: none";
    let Some(keys) = some_keys(table, &[index], 0, false) else { return };
    let whole = plan(scan_all(&table.info));
    let context = StatementContext::new(None);
    let metrics = Arc::clone(&context.metrics);
    let request = OpenRequest { keys: Some(keys), context, ..subject.request(&whole) };
    match subject.batches(request).await {
        Ok(batches) => {
            let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
            report.require(rows == 0, GROUP, || format!("{rows} rows without a key"));
            report.require(metrics.queries() == 0, GROUP, || "a query was sent".into());
        }
        Err(error) => report.fail(GROUP, format!("{error:?}")),
    }
}

/// Keys choose among the rows that the plan's own limit left.
async fn below_a_limit(subject: &Subject, table: &Table, index: usize, report: &mut Report) {
    const GROUP: &str = "keys above a limit";
    let top = plan(sort(scan_all(&table.info), &[(0, false, false)], Some(2)));
    if subject.permits(&top).is_err() {
        return;
    }
    let Some(keys) = some_keys(table, &[index], usize::MAX, false) else { return };
    let Ok(limited) = compute(&top.root, std::slice::from_ref(table)) else { return };
    let expected = with_keys(&limited, &keys);
    report.count();
    match subject.keyed_rows(&top, keys).await {
        Ok(rows) => {
            let wrong = missing(&expected, &rows, "a row with a key is missing")
                .or_else(|| missing(&rows, &limited, "a row the limit had cut off"));
            if let Some(wrong) = wrong {
                report.fail(GROUP, wrong);
            }
        }
        Err(error) => report.fail(GROUP, format!("{error:?}")),
    }
}

/// More keys than one query takes: several queries, or a refusal; never fewer rows.
async fn too_many(subject: &Subject, tables: &Tables, max_per_query: usize, report: &mut Report) {
    const GROUP: &str = "keys: more than one query takes";
    const MOST: usize = 300_000;
    let Some(table) = tables.all.iter().find(|table| {
        table.info.columns.first().is_some_and(|column| column.data_type == DataType::Int64) && !table.rows.is_empty()
    }) else {
        return;
    };
    let whole = scan_all(&table.info);
    if max_per_query >= MOST || !subject.connector.accepts_keys(&whole.columns()[0]) {
        return;
    }
    let values: Vec<Value> = (1..=max_per_query as i128 + 1).map(Value::Int).collect();
    let Some(keys) = keys_of(table, &[0], &[values], false) else { return };
    let expected = with_keys(&table.rows, &keys);
    report.count();
    if let Ok(rows) = subject.keyed_rows(&plan(whole), keys).await
        && let Some(wrong) = missing(&expected, &rows, "a row with a key is missing")
    {
        report.fail(GROUP, wrong);
    }
}

/// The first distinct keys of the table, sorted; nothing when this suite cannot build them.
fn some_keys(table: &Table, columns: &[usize], wanted: usize, nulls: bool) -> Option<Keys> {
    let mut chosen: Vec<Row> = Vec::new();
    for row in &table.rows {
        let key: Row = columns.iter().map(|index| row[*index].clone()).collect();
        let known = chosen.iter().any(|other| row_key(other, false) == row_key(&key, false));
        if chosen.len() < wanted && !known && !key.iter().any(Value::is_null) {
            chosen.push(key);
        }
    }
    chosen.sort_by(|a, b| {
        let orders = a.iter().zip(b).map(|(a, b)| a.compare(b).unwrap_or(std::cmp::Ordering::Equal));
        orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
    let lists: Vec<Row> = (0..columns.len()).map(|at| chosen.iter().map(|key| key[at].clone()).collect()).collect();
    keys_of(table, columns, &lists, nulls)
}

fn keys_of(table: &Table, columns: &[usize], lists: &[Row], nulls: bool) -> Option<Keys> {
    let infos = columns.iter().map(|index| &table.info.columns[*index]);
    let fields: Vec<Field> = infos.map(|info| Field::new(&info.name, info.data_type.clone(), false)).collect();
    let arrays = lists.iter().zip(&fields).map(|(list, field)| array_of(list, field.data_type()));
    let arrays: Vec<ArrayRef> = arrays.collect::<Option<_>>()?;
    let values = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).ok()?;
    Some(Keys { columns: columns.to_vec(), values, nulls })
}

/// The rows that have one of the keys.
fn with_keys(rows: &[Row], keys: &Keys) -> Vec<Row> {
    let given = super::value::rows_of(std::slice::from_ref(&keys.values));
    let given: Vec<String> = given.iter().map(|row| row_key(row, false)).collect();
    let has_key = |row: &&Row| {
        let key: Row = keys.columns.iter().map(|index| row[*index].clone()).collect();
        given.contains(&row_key(&key, false)) || (keys.nulls && key.len() == 1 && key[0].is_null())
    };
    rows.iter().filter(has_key).cloned().collect()
}

fn describe(table: &Table, columns: &[usize]) -> String {
    let name = |index: &usize| {
        let info = &table.info.columns[*index];
        format!("{:?} ({})", TypeClass::of(&info.data_type), info.source_type)
    };
    columns.iter().map(name).collect::<Vec<_>>().join(", ")
}
