//! Cancellation, deadlines, parallel reads, health, privileges and the native path.

use std::time::{Duration, Instant};

use arrow_schema::DataType;
use futures::{StreamExt, TryStreamExt};
use junto_connector::expr::{Aggregate, AggregateFunction};
use junto_connector::plan::{AggregateOutput, Relation};
use junto_connector::{Error, NativeRequest, OpenRequest, RemotePlan, StatementContext, TableInfo, Workers};

use super::catalog::Tables;
use super::plans::{plan, scan_all};
use super::report::Report;
use super::subject::{NativeProbe, Subject};
use super::value::{Row, Value, rows_of};
use super::verify::multiset;

/// The contract's limit for stopping work on a source.
const CANCEL_LIMIT: Duration = Duration::from_secs(2);

pub(crate) async fn check(subject: &Subject, tables: &Tables, report: &mut Report) {
    health(subject, report).await;
    for table in [Some(&tables.widest().info), tables.many.as_ref()].into_iter().flatten() {
        parallel(subject, table, report).await;
    }
    statistics(subject, tables, report).await;
    if let Some(many) = &tables.many {
        let whole = plan(scan_all(many));
        dropped(subject, &whole, report).await;
        late(subject, &whole, report).await;
    }
    if let Some(probe) = subject.native.clone() {
        native(subject, &probe, tables, report).await;
    }
}

async fn health(subject: &Subject, report: &mut Report) {
    match subject.connector.health().await {
        Ok(health) => report.require(!health.version.is_empty(), "health", || "no version".into()),
        Err(error) => report.fail("health", format!("{error:?}")),
    }
    if let Err(error) = subject.connector.privileges().await {
        report.fail("privileges", format!("{error:?}"));
    }
    let id = subject.connector.remote_id().to_string();
    report.require(!id.contains("Secret-"), "remote id", || format!("the password is in {id}"));
}

/// The streams of a parallel read together deliver every row once, and parts of a count add up to it.
async fn parallel(subject: &Subject, table: &TableInfo, report: &mut Report) {
    const GROUP: &str = "parallel reads";
    let whole = plan(scan_all(table));
    let expected = match subject.rows(&whole).await {
        Ok(rows) => rows,
        Err(error) => return report.fail(GROUP, format!("{error:?}")),
    };
    for most in [1, 2, 7] {
        match read_by(subject, &whole, Workers { most, groups_in_parts: false }).await {
            Ok(rows) => report.require(multiset(&rows, false) == multiset(&expected, false), GROUP, || {
                format!("{}: {} rows over {most} streams, {} over one", table.name, rows.len(), expected.len())
            }),
            Err(error) => report.fail(GROUP, format!("{}: {error:?}", table.name)),
        }
    }
    let capabilities = subject.connector.capabilities();
    if !capabilities.aggregates.contains(&AggregateFunction::CountRows) {
        return;
    }
    let counted = plan(counting(whole.root));
    for groups_in_parts in [false, true] {
        match read_by(subject, &counted, Workers { most: 3, groups_in_parts }).await {
            Ok(counts) => {
                let total: i128 = counts.iter().flatten().map(as_integer).sum();
                let right = total == expected.len() as i128 && (groups_in_parts || counts.len() == 1);
                report.require(right, GROUP, || format!("{}: {total} rows counted by {}", table.name, counts.len()));
            }
            Err(error) => report.fail(GROUP, format!("{}: {error:?}", table.name)),
        }
    }
}

/// The rows of all streams, read at the same time.
async fn read_by(subject: &Subject, plan: &RemotePlan, workers: Workers) -> Result<Vec<Row>, Error> {
    let streams = subject.connector.open_parallel(subject.request(plan), workers).await?;
    if streams.is_empty() || streams.len() > workers.most {
        return Err(Error::internal(format!(
            "{} streams where at most {} were asked for",
            streams.len(),
            workers.most
        )));
    }
    let batches: Vec<_> = futures::stream::select_all(streams).try_collect().await?;
    Ok(rows_of(&batches))
}

fn counting(input: Relation) -> Relation {
    let aggregate = Aggregate { function: AggregateFunction::CountRows, argument: None, distinct: false, filter: None };
    let count = AggregateOutput { name: "n".into(), aggregate, data_type: DataType::Int64, nullable: false };
    Relation::Aggregate { input: Box::new(input), groups: Vec::new(), aggregates: vec![count] }
}

fn as_integer(value: &Value) -> i128 {
    match value {
        Value::Int(value) => *value,
        _ => 0,
    }
}

async fn statistics(subject: &Subject, tables: &Tables, report: &mut Report) {
    for table in &tables.all {
        if let Err(error) = subject.connector.statistics(&table.info.name).await {
            report.fail("statistics", format!("{}: {error:?}", table.info.name));
        }
    }
}

/// A stream dropped after its first batch: the source stops, and the next read works.
async fn dropped(subject: &Subject, whole: &junto_connector::RemotePlan, report: &mut Report) {
    const GROUP: &str = "a dropped stream";
    let context = StatementContext::new(None);
    let tag = context.statement.to_string();
    let request = OpenRequest { batch_rows: 100, context, ..subject.request(whole) };
    let mut stream = match subject.connector.open(request).await {
        Ok(stream) => stream,
        Err(error) => return report.fail(GROUP, format!("{error:?}")),
    };
    let first = stream.next().await;
    report.require(matches!(first, Some(Ok(_))), GROUP, || format!("no first batch: {first:?}"));
    let started = Instant::now();
    drop(stream);
    let held = started.elapsed();
    report.require(held < Duration::from_millis(500), GROUP, || format!("dropping took {held:?}"));
    if let Some(watch) = &subject.watch {
        let mut active = watch(&tag);
        while active && started.elapsed() < CANCEL_LIMIT {
            tokio::time::sleep(Duration::from_millis(20)).await;
            active = watch(&tag);
        }
        report.require(!active, GROUP, || format!("the source still works after {CANCEL_LIMIT:?}"));
    }
    let again = subject.connector.health().await;
    report.require(again.is_ok(), GROUP, || format!("the connector is unusable afterwards: {again:?}"));
}

/// A deadline that has passed, and one that passes while rows flow.
async fn late(subject: &Subject, whole: &junto_connector::RemotePlan, report: &mut Report) {
    const GROUP: &str = "deadline";
    let past = Instant::now().checked_sub(Duration::from_millis(10)).unwrap_or_else(Instant::now);
    let started = Instant::now();
    let request = OpenRequest { context: StatementContext::new(Some(past)), ..subject.request(whole) };
    let answer = subject.batches(request).await;
    report.require(matches!(answer, Err(Error::TimedOut { .. })), GROUP, || {
        format!("a deadline in the past gave {:?}", answer.map(|batches| batches.len()))
    });
    report.require(started.elapsed() < Duration::from_secs(1), GROUP, || format!("after {:?}", started.elapsed()));
    // The reader stops reading: only the deadline can end the stream, and it must, with an error.
    let soon = Instant::now() + Duration::from_millis(300);
    let context = StatementContext::new(Some(soon));
    let request = OpenRequest { batch_rows: 10, context, ..subject.request(whole) };
    let Ok(mut stream) = subject.connector.open(request).await else { return };
    let first = stream.next().await;
    tokio::time::sleep_until((soon + Duration::from_millis(50)).into()).await;
    let mut last = first;
    while let Some(next) = stream.next().await {
        last = Some(next);
    }
    report.require(matches!(last, Some(Err(Error::TimedOut { .. }))), GROUP, || {
        format!("a stream past its deadline ended with {:?}", last.map(|batch| batch.map(|batch| batch.num_rows())))
    });
}

async fn native(subject: &Subject, probe: &NativeProbe, tables: &Tables, report: &mut Report) {
    const GROUP: &str = "native statements";
    let run = async |sql: &str| -> Result<usize, Error> {
        let context = StatementContext::new(None);
        let request = NativeRequest { sql: sql.into(), read_only: true, batch_rows: 100, context };
        let mut result = subject.connector.native(request).await?;
        let mut rows = 0;
        while let Some(batch) = result.stream.next().await {
            let batch = batch?;
            if batch.schema().fields() != result.schema.fields() {
                return Err(Error::internal("a batch has another schema than the result"));
            }
            rows += batch.num_rows();
        }
        Ok(rows)
    };
    match run(&probe.read).await {
        Ok(rows) => report.require(rows > 0, GROUP, || format!("{}: no rows", probe.read)),
        Err(error) => report.fail(GROUP, format!("{}: {error:?}", probe.read)),
    }
    for write in &probe.writes {
        let answer = run(write).await;
        report.require(answer.is_err(), GROUP, || format!("a read-only session ran: {write}"));
    }
    for table in &tables.all {
        match subject.rows(&plan(scan_all(&table.info))).await {
            Ok(rows) => report.require(multiset(&rows, false) == multiset(&table.rows, false), GROUP, || {
                format!("{} changed in a read-only session", table.info.name)
            }),
            Err(error) => report.fail(GROUP, format!("{} after refused writes: {error:?}", table.info.name)),
        }
    }
    let wrong = run("this is not a statement").await;
    report.require(matches!(wrong, Err(Error::Statement { .. })), GROUP, || format!("nonsense gave {wrong:?}"));
    let read = run(&probe.read).await;
    report.require(read.is_ok(), GROUP, || format!("unusable after an error: {read:?}"));
}
