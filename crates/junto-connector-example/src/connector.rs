//! The two traits every source implements.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringViewArray};
use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use junto_connector::expr::CompareOp;
use junto_connector::options::parse_path_url;
use junto_connector::{
    BatchStream, Capabilities, ColumnInfo, ConnectionConfig, Connector, ConnectorFactory, Error, Health, NativeRequest,
    NativeResult, OpenRequest, Operation, OptionKind, OptionSpec, Options, Privileges, Reaper, RemoteId, RemotePlan,
    Result, SchemaInfo, Support, TableInfo, TableKind, TableStatistics, TableSummary, TextSemantics, TypeClass,
    check_plan,
};
use junto_types::{TableName, nearest};

use crate::evaluate;
use crate::records::{self, Cell, Records, Value};

const DRIVER: &str = "example";
const SUFFIX: &str = "records";

/// Options are declared once; checking, help and documentation come from here. Mark passwords with `.secret()`.
const OPTIONS: &[OptionSpec] = &[OptionSpec::new("path", OptionKind::Path, "The folder of files.").required()];

/// Makes connections. Stateless: what a connection needs to keep belongs to the connector.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExampleFactory;

#[async_trait]
impl ConnectorFactory for ExampleFactory {
    fn driver(&self) -> &'static str {
        DRIVER
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["example"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn parse_url(&self, url: &str) -> Result<Options> {
        Options::checked(OPTIONS, parse_path_url(url)?)
    }

    /// Tries the folder now, so that a wrong path fails here and not in the first statement. The reaper is for sources
    /// that must cancel something when a stream is dropped; a file needs nothing.
    async fn connect(&self, config: ConnectionConfig, _reaper: Reaper) -> Result<Arc<dyn Connector>> {
        let folder = PathBuf::from(config.options.text("path").unwrap_or_default());
        let connector = ExampleConnector {
            remote_id: RemoteId::new(format!("{DRIVER}:{}", folder.display())),
            capabilities: capabilities(),
            folder,
        };
        connector.names()?;
        Ok(Arc::new(connector))
    }
}

/// What this source computes exactly as Junto does. Everything else stays out, and Junto does it: keys, sorting, joins
/// and so on are `none`, and asking for them is refused by [`check_plan`].
fn capabilities() -> Capabilities {
    let types = [TypeClass::Int, TypeClass::Text];
    let operations = [Operation::Compare(CompareOp::Eq), Operation::Literal, Operation::IsNull];
    let mut capabilities = Capabilities::none().with(&operations, &types, Support::Exact);
    capabilities.filter = true;
    capabilities
}

/// One folder.
#[derive(Debug)]
struct ExampleConnector {
    remote_id: RemoteId,
    capabilities: Capabilities,
    folder: PathBuf,
}

impl ExampleConnector {
    /// Names of the tables, sorted.
    fn names(&self) -> Result<Vec<String>> {
        let unreadable = |cause: std::io::Error| match cause.kind() {
            std::io::ErrorKind::NotFound => Error::FileNotFound { path: self.folder.display().to_string() },
            _ => Error::PermissionDenied { reason: format!("{}: {cause}", self.folder.display()) },
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|suffix| suffix == SUFFIX) {
                names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
            }
        }
        names.sort();
        Ok(names)
    }

    /// The table's own spelling: the exact name, else the only one that differs in case.
    fn find(&self, wanted: &str) -> Result<String> {
        let names = self.names()?;
        let alike: Vec<&String> = names.iter().filter(|name| name.to_lowercase() == wanted.to_lowercase()).collect();
        match (names.iter().find(|name| *name == wanted), alike.as_slice()) {
            (Some(exact), _) => Ok(exact.clone()),
            (None, [only]) => Ok((*only).clone()),
            _ => Err(Error::TableNotFound {
                table: wanted.into(),
                nearest: nearest(wanted, names.iter().map(String::as_str)).map(Into::into),
            }),
        }
    }
}

fn file(folder: &Path, table: &str) -> PathBuf {
    folder.join(format!("{table}.{SUFFIX}"))
}

#[async_trait]
impl Connector for ExampleConnector {
    fn driver(&self) -> &'static str {
        DRIVER
    }

    fn remote_id(&self) -> &RemoteId {
        &self.remote_id
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// No schemas: table names have one part, and [`TableName::schema`] is `None`.
    async fn schemas(&self) -> Result<Vec<SchemaInfo>> {
        Ok(Vec::new())
    }

    async fn tables(&self, _schema: Option<&str>) -> Result<Vec<TableSummary>> {
        let summary = |table: String| TableSummary {
            name: TableName { schema: None, table },
            kind: TableKind::File,
            comment: None,
            row_estimate: None,
        };
        Ok(self.names()?.into_iter().map(summary).collect())
    }

    async fn table(&self, schema: Option<&str>, table: &str) -> Result<TableInfo> {
        if let Some(schema) = schema {
            return Err(Error::SchemaNotFound { schema: schema.into(), nearest: None });
        }
        let table = self.find(table)?;
        let records = read(file(&self.folder, &table)).await?;
        let column = |(name, data_type): (String, DataType)| ColumnInfo {
            name,
            source_type: if data_type == DataType::Int64 { "integer" } else { "text" }.into(),
            data_type,
            // `false` would be a promise that batches hold no NULL.
            nullable: true,
            // The values are compared by their bytes, as in Junto. A source with collations says what they do.
            text: TextSemantics::Binary,
            comment: None,
            remark: None,
        };
        Ok(TableInfo {
            name: TableName { schema: None, table },
            kind: TableKind::File,
            comment: None,
            columns: records.columns.into_iter().map(column).collect(),
            primary_key: Vec::new(),
            unique_keys: Vec::new(),
            foreign_keys: Vec::new(),
            indexes: Vec::new(),
            partitions: Vec::new(),
            row_estimate: None,
        })
    }

    /// Estimates only, and cheap: no scan.
    async fn statistics(&self, _table: &TableName) -> Result<TableStatistics> {
        Ok(TableStatistics::rows_only(None))
    }

    /// For EXPLAIN. A source with a language shows here what [`Self::open`] sends, made by the same function.
    fn remote_text(&self, plan: &RemotePlan, _keys: Option<&[usize]>) -> Result<String> {
        check_plan(self, plan)?;
        let tables = plan.root.tables();
        let files = tables.iter().map(|table| file(&self.folder, &table.table).display().to_string());
        Ok(format!("read {}", files.collect::<Vec<_>>().join(", ")))
    }

    /// The one read call. Checks, reads, and delivers batches of the plan's schema, none above `batch_rows`.
    async fn open(&self, request: OpenRequest) -> Result<BatchStream> {
        check_plan(self, &request.plan)?;
        if request.keys.is_some() {
            return Err(Error::Unsupported { driver: DRIVER, what: "keys".into() });
        }
        if request.context.remaining().is_some_and(|left| left.is_zero()) {
            return Err(Error::TimedOut { milliseconds: 0 });
        }
        request.context.metrics.add_query();
        let (plan, folder) = (Arc::clone(&request.plan), self.folder.clone());
        let rows = blocking(move || evaluate::rows(&plan.root, &|table| records::read(&file(&folder, table)))).await?;
        let schema = request.plan.schema();
        let metrics = request.context.metrics;
        let chunks: Vec<Vec<Vec<Cell>>> = rows.chunks(request.batch_rows.max(1)).map(<[_]>::to_vec).collect();
        Ok(Box::pin(futures::stream::iter(chunks.into_iter().map(move |rows| {
            let batch = batch(&schema, &rows)?;
            metrics.add_batch(&batch);
            Ok(batch)
        }))))
    }

    async fn native(&self, _request: NativeRequest) -> Result<NativeResult> {
        Err(Error::Unsupported { driver: DRIVER, what: "a statement of its own".into() })
    }

    async fn health(&self) -> Result<Health> {
        let asked = Instant::now();
        self.names()?;
        Ok(Health { version: "records 1".into(), latency: asked.elapsed() })
    }

    async fn privileges(&self) -> Result<Privileges> {
        Ok(Privileges::default())
    }

    async fn close(&self) {}
}

/// Work that blocks goes off the engine's threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|cause| Error::internal(cause.to_string()))?
}

async fn read(path: PathBuf) -> Result<Records> {
    blocking(move || records::read(&path)).await
}

/// Rows as Arrow columns. The row count is given apart, for plans without columns (`count(*)`).
fn batch(schema: &SchemaRef, rows: &[Vec<Cell>]) -> Result<RecordBatch> {
    let column = |at: usize| -> ArrayRef {
        let cells = rows.iter().map(move |row| row[at].as_ref());
        match schema.field(at).data_type() {
            DataType::Int64 => Arc::new(cells.map(|cell| cell.and_then(Value::as_integer)).collect::<Int64Array>()),
            _ => Arc::new(cells.map(|cell| cell.and_then(Value::as_text)).collect::<StringViewArray>()),
        }
    };
    let columns = (0..schema.fields().len()).map(column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|cause| Error::internal(cause.to_string()))
}
