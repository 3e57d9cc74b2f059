//! Temporary tables of one statement: what goes in comes out, and nothing stays.
//!
//! Not part of [`super::run`]: a source without temporary tables has no such test. [`round_trips`] stores the edge values
//! of every type, [`behaves`] fills tables in every way that can go right or wrong, [`with_one_connection`] wants an
//! error instead of a deadlock. [`gated`] is an input for tests of a source's own, which kill what fills a table.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Array, ArrayRef, Int64Array, IntervalMonthDayNanoArray, RecordBatch};
use arrow_buffer::IntervalMonthDayNano;
use arrow_schema::{DataType, Field, IntervalUnit, Schema, TimeUnit};
use futures::{StreamExt, TryStreamExt, stream};
use junto_connector::plan::{JoinKind, Relation};
use junto_connector::{
    BatchStream, Connector, Error, Expr, OpenRequest, RemotePlan, Result, StatementContext, TableInfo,
};
use tokio::sync::oneshot;

use super::plans::scan_all;
use super::report::Report;
use super::value::{Row, Value, array_of, rows_of, value_at};

/// Time in which everything here must be over.
const LIMIT: Duration = Duration::from_mins(1);
/// Rows of one batch of a long input.
const BATCH_ROWS: i64 = 1_000;

/// Every type that sources deliver, with its edge values.
pub fn edges() -> Vec<(DataType, Vec<Value>)> {
    use DataType as T;
    let ints = |least: i128, most: i128| vec![Value::Int(least), Value::Int(most), Value::Int(0), Value::Int(1)];
    let floats = |least: f64, most: f64, denormal: f64| {
        let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 0.1, -1.5, least, most, denormal];
        special.map(Value::Float).to_vec()
    };
    let decimals = |texts: &[&str], scale: i8| texts.iter().map(|text| Value::decimal(text, scale)).collect();
    let (nines, digits) = ("9".repeat(38), "1234567890123456789012345678901234567890".repeat(2));
    let moments = [0, -1, 1, 951_782_400_123_456, -62_135_596_800_000_000, 253_402_300_799_999_999, i64::MAX, i64::MIN];
    let moments: Vec<Value> = moments
        .into_iter()
        .chain([-62_135_596_800_000_001, i64::MAX - 1, i64::MIN + 1])
        .map(Value::Timestamp)
        .collect();
    let texts = [
        "",
        " ",
        "a",
        "A",
        "a ",
        "'",
        "''",
        "\\",
        "\\'",
        "\"",
        "%_",
        "ä",
        "😀🏳️‍🌈",
        "\t\n\r\u{1}\u{7f}",
        "a\0b",
        "NULL",
        "\\N",
    ];
    let texts: Vec<Value> = texts.into_iter().map(Into::into).chain(["x".repeat(300_000)]).map(Value::Text).collect();
    let bytes = [&b""[..], b"\0", b"'\\\"", &[0xff, 0xfe, 0x80], b"abc"].map(<[u8]>::to_vec);
    let bytes: Vec<Value> = bytes.into_iter().chain([vec![0x27; 200_000]]).map(Value::Binary).collect();
    let days =
        [0, -1, 1, 10_957, -719_162, -719_163, 2_932_896, 2_932_897, i32::MAX, i32::MIN, i32::MAX - 1, i32::MIN + 1];
    vec![
        (T::Boolean, vec![Value::Boolean(true), Value::Boolean(false)]),
        (T::Int8, ints(i8::MIN.into(), i8::MAX.into())),
        (T::Int16, ints(i16::MIN.into(), i16::MAX.into())),
        (T::Int32, ints(i32::MIN.into(), i32::MAX.into())),
        (T::Int64, ints(i64::MIN.into(), i64::MAX.into())),
        (T::UInt8, ints(0, u8::MAX.into())),
        (T::UInt16, ints(0, u16::MAX.into())),
        (T::UInt32, ints(0, u32::MAX.into())),
        (T::UInt64, ints(0, u64::MAX.into())),
        (T::Float32, floats(f32::MIN.into(), f32::MAX.into(), f32::from_bits(1).into()).iter().map(narrowed).collect()),
        (T::Float64, floats(f64::MIN, f64::MAX, f64::from_bits(1))),
        (T::Decimal128(15, 2), decimals(&["0.00", "-0.01", "9999999999999.99", "12.50"], 2)),
        (T::Decimal128(38, 0), decimals(&[&nines, &format!("-{nines}"), "0", "10000"], 0)),
        (T::Decimal128(38, 38), decimals(&[&format!("0.{nines}"), &format!("-0.{nines}"), "0.1"], 38)),
        (T::Decimal256(60, 10), decimals(&[&digits[..50], &format!("-{}", &digits[..50]), "0", "0.0000000001"], 10)),
        (T::Decimal256(76, 38), decimals(&[&digits[..38], &format!("-{}", &digits[..38])], 38)),
        (T::Utf8View, texts.clone()),
        (T::Utf8, texts),
        (T::Binary, bytes.clone()),
        (T::BinaryView, bytes),
        (T::Date32, days.map(Value::Date).to_vec()),
        (
            T::Time64(TimeUnit::Microsecond),
            [0, 1, 86_399_999_999, 43_200_000_000, 86_400_000_000, -1].map(Value::Time).to_vec(),
        ),
        (T::Timestamp(TimeUnit::Microsecond, None), moments.clone()),
        (T::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), moments),
    ]
}

/// The nearest value of single precision.
fn narrowed(value: &Value) -> Value {
    match value {
        Value::Float(value) => Value::Float(f64::from(*value as f32)),
        other => other.clone(),
    }
}

/// Types for which there need not be a place anywhere.
fn never_stored() -> [DataType; 2] {
    [DataType::new_list(DataType::Int32, true), DataType::Interval(IntervalUnit::DayTime)]
}

/// Stores the edge values of every type, with a NULL, and reads them back. Where `lacks` says so for a type (`None`) the
/// source must refuse to describe the table, and for a value it must refuse the rows; nothing may come back changed.
pub async fn round_trips(connector: &dyn Connector, lacks: impl Fn(&DataType, Option<&Value>) -> bool) -> Report {
    let mut report = Report::default();
    for (data_type, values) in edges() {
        let group = data_type.to_string();
        let (lacking, held): (Vec<Value>, Vec<Value>) =
            values.into_iter().partition(|value| lacks(&data_type, Some(value)));
        if lacks(&data_type, None) {
            let described = connector.temporary_table("junto_m0", &schema(&data_type));
            report.require(matches!(described, Err(Error::Unsupported { .. })), &group, || format!("{described:?}"));
            continue;
        }
        let held: Vec<Value> = [Value::Null].into_iter().chain(held).collect();
        match stored(connector, &data_type, &held).await {
            Ok(rows) => compare(&mut report, &group, &held, &rows),
            Err(error) => report.fail(&group, format!("{error:?}")),
        }
        for value in lacking {
            let answer = stored(connector, &data_type, std::slice::from_ref(&value)).await;
            report.require(matches!(answer, Err(Error::Unsupported { .. })), &group, || {
                format!("{value:?} must be refused, gave {answer:?}")
            });
        }
    }
    if connector.temporary_table("junto_m0", &schema(&DataType::Interval(IntervalUnit::MonthDayNano))).is_ok() {
        intervals(connector, &mut report).await;
    }
    for data_type in never_stored() {
        let described = connector.temporary_table("junto_m0", &schema(&data_type));
        let names_it =
            matches!(&described, Err(Error::Unsupported { what, .. }) if what.contains(&data_type.to_string()));
        report.require(names_it, "types without a place", || format!("{described:?}"));
    }
    report.require(connector.temporary_table("junto_m0", &Schema::empty()).is_ok(), "no columns", || "refused".into());
    report
}

fn compare(report: &mut Report, group: &str, held: &[Value], rows: &[Row]) {
    report.require(held.len() == rows.len(), group, || format!("{} rows of {}", rows.len(), held.len()));
    for (value, row) in held.iter().zip(rows) {
        let same = match (value, &row[1]) {
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
            (Value::Decimal { scale, .. }, b) => value.unscaled_at(*scale) == b.unscaled_at(*scale),
            (a, b) => a == b,
        };
        report.require(same, group, || format!("{:.80} became {:.80}", format!("{value:?}"), format!("{:?}", row[1])));
    }
}

/// A number per row, and the values.
fn schema(data_type: &DataType) -> Schema {
    Schema::new(vec![Field::new("n", DataType::Int64, false), Field::new("value", data_type.clone(), true)])
}

async fn stored(connector: &dyn Connector, data_type: &DataType, values: &[Value]) -> Result<Vec<Row>> {
    stored_array(connector, array_of(values, data_type).expect("a type of `edges`")).await
}

/// What comes back of a column, in its order.
async fn stored_array(connector: &dyn Connector, array: ArrayRef) -> Result<Vec<Row>> {
    let schema = schema(array.data_type());
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..array.len() as i64));
    let batch = RecordBatch::try_new(Arc::new(schema.clone()), vec![numbers, array]).expect("two columns");
    let table = connector.temporary_table("junto_m0", &schema)?;
    let mut rows = filled(connector, &table, vec![batch]).await?;
    rows.sort_by(|a, b| a[0].compare(&b[0]).expect("numbers"));
    Ok(rows)
}

/// Intervals, where they have a place; nanoseconds must be kept or refused.
async fn intervals(connector: &dyn Connector, report: &mut Report) {
    const GROUP: &str = "intervals";
    let array = |values: &[Option<IntervalMonthDayNano>]| -> ArrayRef {
        Arc::new(IntervalMonthDayNanoArray::from(values.to_vec()))
    };
    let interval = |months, days, nanoseconds| Some(IntervalMonthDayNano { months, days, nanoseconds });
    let (least, most) = (interval(i32::MIN, i32::MIN, -9_223_372_036_854_775_000), interval(i32::MAX, i32::MAX, 1_000));
    let held = array(&[None, interval(0, 0, 0), interval(1, -1, 86_399_999_999_000), interval(-14, 3, -1_000)]);
    for (array, may_be_refused) in [(held, false), (array(&[least, most]), true), (array(&[interval(0, 0, 1)]), true)] {
        match stored_array(connector, Arc::clone(&array)).await {
            Ok(rows) => {
                let expected = (0..array.len()).map(|row| value_at(array.as_ref(), row));
                let same = expected.eq(rows.into_iter().filter_map(|row| row.into_iter().nth(1)));
                report.require(same, GROUP, || format!("{array:?} came back changed"));
            }
            Err(Error::Unsupported { .. }) if may_be_refused => {}
            Err(error) => report.fail(GROUP, format!("{error:?}")),
        }
    }
}

/// A context that ends with this suite's limit.
fn context() -> StatementContext {
    StatementContext::new(Some(Instant::now() + LIMIT))
}

/// The rows of one table, filled and read in a workspace of its own.
async fn filled(connector: &dyn Connector, table: &TableInfo, batches: Vec<RecordBatch>) -> Result<Vec<Row>> {
    let context = context();
    let mut workspace = connector.workspace(context.clone()).await?;
    workspace.fill(table, Box::pin(stream::iter(batches.into_iter().map(Ok)))).await?;
    read(workspace, scan_all(table), context).await
}

async fn read(
    workspace: Box<dyn junto_connector::Workspace>,
    root: Relation,
    context: StatementContext,
) -> Result<Vec<Row>> {
    let request = OpenRequest { plan: Arc::new(RemotePlan { root }), keys: None, batch_rows: 777, context };
    let schema = request.plan.schema();
    let batches: Vec<RecordBatch> = workspace.open(request).await?.try_collect().await?;
    let planned = |batch: &RecordBatch| {
        batch.schema().fields().iter().zip(schema.fields()).all(|(a, b)| a.data_type() == b.data_type())
    };
    if !batches.iter().all(planned) {
        return Err(Error::internal("a batch does not have the plan's types"));
    }
    Ok(rows_of(&batches))
}

/// Columns of the tables of [`behaves`].
fn numbered() -> Schema {
    Schema::new(vec![Field::new("id", DataType::Int64, false), Field::new("name", DataType::Utf8View, true)])
}

/// A batch of rows with these numbers; each is called `name 1`, `name 2` ….
fn batch(numbers: std::ops::Range<i64>) -> RecordBatch {
    let names: Vec<Value> = numbers.clone().map(|number| Value::Text(format!("name {number}"))).collect();
    let names = array_of(&names, &DataType::Utf8View).expect("text");
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
    RecordBatch::try_new(Arc::new(numbered()), vec![numbers, names]).expect("two columns")
}

fn batches(count: i64) -> impl Iterator<Item = Result<RecordBatch>> {
    (0..count).map(|at| Ok(batch(at * BATCH_ROWS..(at + 1) * BATCH_ROWS)))
}

/// An input that stops after its first batch until it may go on.
pub struct Gate {
    /// A batch, then `count` more once it may go on.
    pub rows: BatchStream,
    /// Comes when the first batch was taken and the next is asked for.
    pub reached: oneshot::Receiver<()>,
    /// Lets it go on. Dropped, it never does.
    pub go_on: oneshot::Sender<()>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}

/// An input for a table of [`gated_table`].
pub fn gated(count: i64) -> Gate {
    let (here, reached) = oneshot::channel();
    let (go_on, gate) = oneshot::channel();
    let wait = async move {
        let _ = here.send(());
        if gate.await.is_err() {
            std::future::pending::<()>().await;
        }
        batch(-1..0)
    };
    let rows =
        stream::iter([Ok(batch(-BATCH_ROWS..0))]).chain(stream::once(wait).map(Ok)).chain(stream::iter(batches(count)));
    Gate { rows: Box::pin(rows), reached, go_on }
}

/// A table for the rows of [`gated`].
pub fn gated_table(connector: &dyn Connector, name: &str) -> TableInfo {
    connector.temporary_table(name, &numbered()).expect("numbers and text can be stored")
}

/// Fills tables in every way that can go right or wrong. `own` is a table of the source with columns `id` (a 64-bit
/// number) and `name` (text), which holds `(1, 'name 1')`, `(2, 'name 2')`, `(3, 'Name 3')` in this order.
pub async fn behaves(connector: &dyn Connector, own: &TableInfo) -> Report {
    let mut report = Report::default();
    many_rows(connector, &mut report).await;
    joined(connector, own, &mut report).await;
    failing_input(connector, &mut report).await;
    late_input(connector, &mut report).await;
    dropped(connector, &mut report).await;
    let listed = connector.tables(None).await.map(|tables| tables.into_iter().map(|table| table.name.table).collect());
    let clean = matches!(&listed, Ok::<Vec<String>, _>(names) if !names.iter().any(|name| name.starts_with("junto_")));
    report.require(clean, "what is left", || format!("{listed:?}"));
    report
}

async fn many_rows(connector: &dyn Connector, report: &mut Report) {
    const COUNT: i64 = 60;
    let run = async || -> Result<(u64, usize, StatementContext)> {
        let context = context();
        let table = gated_table(connector, "junto_m1");
        let empty = gated_table(connector, "junto_m2");
        let mut workspace = connector.workspace(context.clone()).await?;
        let none = workspace.fill(&empty, Box::pin(stream::empty())).await?;
        let stored = workspace.fill(&table, Box::pin(stream::iter(batches(COUNT)))).await?;
        let rows = read(workspace, scan_all(&table), context.clone()).await?;
        Ok((none + stored, rows.len(), context))
    };
    match run().await {
        Ok((stored, read, context)) => {
            let expected = (COUNT * BATCH_ROWS) as u64;
            let right = stored == expected && read as u64 == expected;
            report.require(right, "many rows", || format!("{stored} stored, {read} read of {expected}"));
            let notes = context.metrics.notes();
            report.require(notes.iter().any(|note| note.contains(&expected.to_string())), "notes", || {
                format!("{notes:?}")
            });
            report.require(context.metrics.queries() >= 3, "queries", || context.metrics.queries().to_string());
        }
        Err(error) => report.fail("many rows", format!("{error:?}")),
    }
}

/// A temporary table with a table of the source's own, by number and by text.
async fn joined(connector: &dyn Connector, own: &TableInfo, report: &mut Report) {
    for (column, expected) in [(0, 3), (1, 2)] {
        let run = async || -> Result<Vec<Row>> {
            let context = context();
            let table = gated_table(connector, "junto_m1");
            let mut workspace = connector.workspace(context.clone()).await?;
            workspace.fill(&table, Box::pin(stream::iter(batches(2)))).await?;
            let join = Relation::Join {
                left: Box::new(scan_all(own)),
                right: Box::new(scan_all(&table)),
                kind: JoinKind::Inner,
                on: vec![(Expr::Column(column), Expr::Column(column))],
                filter: None,
            };
            read(workspace, join, context).await
        };
        match run().await {
            Ok(rows) => report.require(rows.len() == expected, "a join", || format!("on column {column}: {rows:?}")),
            Err(error) => report.fail("a join", format!("on column {column}: {error:?}")),
        }
    }
}

async fn failing_input(connector: &dyn Connector, report: &mut Report) {
    let run = async || -> Result<Option<Error>> {
        let table = gated_table(connector, "junto_m1");
        let mut workspace = connector.workspace(context()).await?;
        let failure = stream::once(async { Err(Error::Resource { what: "the input broke".into() }) });
        let failed = workspace.fill(&table, Box::pin(stream::iter(batches(3)).chain(failure))).await;
        Ok(failed.err())
    };
    let failed = run().await;
    let right = matches!(&failed, Ok(Some(Error::Resource { what })) if what == "the input broke");
    report.require(right, "a failing input", || format!("{failed:?}"));
}

async fn late_input(connector: &dyn Connector, report: &mut Report) {
    let begun = Instant::now();
    let run = async || -> Result<u64> {
        let context = StatementContext::new(Some(Instant::now() + Duration::from_millis(500)));
        let table = gated_table(connector, "junto_m1");
        let mut workspace = connector.workspace(context).await?;
        let rows = stream::iter(batches(2)).chain(stream::pending());
        workspace.fill(&table, Box::pin(rows)).await
    };
    let answer = run().await;
    report.require(matches!(answer, Err(Error::TimedOut { .. })), "a late input", || format!("{answer:?}"));
    report.require(begun.elapsed() < Duration::from_secs(2), "a late input", || format!("{:?}", begun.elapsed()));
}

/// Dropped while it is filled, and dropped before it is read.
async fn dropped(connector: &dyn Connector, report: &mut Report) {
    let run = async || -> Result<()> {
        let table = gated_table(connector, "junto_m1");
        let mut workspace = connector.workspace(context()).await?;
        let Gate { rows, reached, go_on: _closed } = gated(1);
        tokio::select! {
            filled = workspace.fill(&table, rows) => return Err(Error::internal(format!("filled: {filled:?}"))),
            _ = reached => {}
        }
        drop(workspace);
        let mut workspace = connector.workspace(context()).await?;
        workspace.fill(&table, Box::pin(stream::iter(batches(1)))).await?;
        drop(workspace);
        filled(connector, &table, vec![batch(0..3)]).await.map(drop)
    };
    if let Err(error) = run().await {
        report.fail("a dropped workspace", format!("{error:?}"));
    }
}

/// A connector that may have one connection: a second workspace fails in time, and the first one's end makes room.
pub async fn with_one_connection(connector: &dyn Connector) -> Report {
    const GROUP: &str = "one connection";
    let mut report = Report::default();
    let first = match connector.workspace(context()).await {
        Ok(first) => first,
        Err(error) => {
            report.fail(GROUP, format!("{error:?}"));
            return report;
        }
    };
    let begun = Instant::now();
    let second = connector.workspace(StatementContext::new(Some(Instant::now() + Duration::from_millis(500)))).await;
    let in_time = begun.elapsed() < Duration::from_secs(3);
    let refused = matches!(second, Err(Error::TimedOut { .. } | Error::TooManyConnections { .. }));
    report.require(refused && in_time, GROUP, || format!("{second:?} after {:?}", begun.elapsed()));
    drop(first);
    let table = gated_table(connector, "junto_m1");
    let third = filled(connector, &table, vec![batch(0..3)]).await;
    report.require(third.as_ref().is_ok_and(|rows| rows.len() == 3), GROUP, || format!("{third:?}"));
    report
}
