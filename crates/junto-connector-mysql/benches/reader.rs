//! How many rows does a second of client CPU read? Junto's reader into Arrow beside mysql_async's rows.
//!
//! Data: a table of your choice, by default `lineitem` of TPC-H with its 16 columns (6 million rows at scale factor 1),
//! on the server named by `JUNTO_BENCH_MYSQL=mysql://user:password@host/database`; `JUNTO_BENCH_TABLE` names another
//! table. CPU time is that of the reading thread, so a server on the same machine does not count; "elem/s" of the report
//! are rows per CPU-second. Baseline: mysql_async, which stops at rows of its own values.

use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput, criterion_group};
use futures::TryStreamExt;
use junto_connector::plan::Relation;
use junto_connector::{
    ConnectionConfig, Connector, ConnectorFactory, OpenRequest, Prefer, Reaper, RemotePlan, ScanColumn,
    StatementContext, TableInfo,
};
use junto_connector_mysql::MySqlFactory;
use junto_types::{Alias, ConnectionId};
use mysql_async::prelude::Queryable;
use tokio::runtime::Runtime;

/// CPU time of this thread.
struct ThreadCpu(WallTime);

impl ThreadCpu {
    /// First field of schedstat: nanoseconds on a CPU (Linux, Documentation/scheduler/sched-stats).
    fn now() -> Duration {
        let line = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux with schedstat");
        Duration::from_nanos(line.split(' ').next().and_then(|field| field.parse().ok()).expect("a number"))
    }
}

impl Measurement for ThreadCpu {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        Self::now()
    }

    fn end(&self, start: Duration) -> Duration {
        Self::now().saturating_sub(start)
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        self.0.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self.0.formatter()
    }
}

async fn connect(url: &str) -> Arc<dyn Connector> {
    let config = ConnectionConfig {
        id: ConnectionId::random(),
        name: "bench".into(),
        alias: Alias::new("bench").expect("a valid alias"),
        driver: "mysql".into(),
        options: MySqlFactory.parse_url(url).expect("a connection URL"),
        prefer: Prefer::Fastest,
        max_connections: 1,
    };
    MySqlFactory.connect(config, Reaper::start()).await.expect("the server takes the login")
}

/// Reads every column of the table; returns the number of rows.
async fn junto(connector: &dyn Connector, table: &TableInfo) -> u64 {
    let columns = table.columns.iter().map(|column| ScanColumn {
        name: column.name.clone(),
        source_type: column.source_type.clone(),
        data_type: column.data_type.clone(),
        nullable: column.nullable,
        text: column.text,
    });
    let root = Relation::Scan { table: table.name.clone(), columns: columns.collect() };
    let request = OpenRequest {
        plan: Arc::new(RemotePlan { root }),
        keys: None,
        batch_rows: 8192,
        context: StatementContext::new(None),
    };
    let stream = connector.open(request).await.expect("a stream");
    stream.try_fold(0, async |rows, batch| Ok(rows + batch.num_rows() as u64)).await.expect("a whole scan")
}

async fn mysql_async_rows(connection: &mut mysql_async::Conn, sql: &str) -> u64 {
    let mut rows = 0;
    let result = connection.exec_iter(sql, ()).await.expect("a result");
    result
        .for_each_and_drop(|row| {
            std::hint::black_box(row);
            rows += 1;
        })
        .await
        .expect("a whole scan");
    rows
}

fn readers(criterion: &mut Criterion<ThreadCpu>) {
    let Ok(url) = std::env::var("JUNTO_BENCH_MYSQL") else {
        eprintln!("skipped: JUNTO_BENCH_MYSQL names no server");
        return;
    };
    let name = std::env::var("JUNTO_BENCH_TABLE").unwrap_or_else(|_| "lineitem".into());
    let runtime: Runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let connector = runtime.block_on(connect(&url));
    let table = runtime.block_on(connector.table(None, &name)).expect("the table exists");
    let rows = runtime.block_on(junto(connector.as_ref(), &table));

    let mut group = criterion.benchmark_group(format!("scan of {name}, {} columns", table.columns.len()));
    group.sample_size(10).throughput(Throughput::Elements(rows));
    group.bench_function("junto", |bencher| {
        bencher.iter(|| assert_eq!(runtime.block_on(junto(connector.as_ref(), &table)), rows));
    });
    let options = mysql_async::Opts::from_url(&url).expect("a connection URL");
    let options = mysql_async::OptsBuilder::from_opts(options).prefer_socket(false);
    let mut connection = runtime.block_on(mysql_async::Conn::new(options)).expect("the server takes the login");
    let sql = format!("select * from `{}`", table.name.table);
    group.bench_function("mysql_async", |bencher| {
        bencher.iter(|| assert_eq!(runtime.block_on(mysql_async_rows(&mut connection, &sql)), rows));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ThreadCpu(WallTime)).without_plots();
    targets = readers
}

fn main() {
    benches();
}
