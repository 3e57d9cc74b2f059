//! The driver `files` and the contract's answers for a folder.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
};
use datafusion::common::TableReference;
use datafusion::config::Dialect;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use junto_connector::options::parse_path_url;
use junto_connector::{
    BatchStream, Capabilities, ConnectionConfig, Connector, ConnectorFactory, Error, Expr, Health, NativeRequest,
    NativeResult, OpenRequest, OptionKind, OptionSpec, Options, Privileges, Reaper, Relation, RelationColumn, RemoteId,
    RemotePlan, Result, SchemaInfo, StatementContext, Support, TableInfo, TableKind, TableStatistics, TableSummary,
    TextSemantics, TypeClass, check_plan,
};
use junto_types::{TableName, nearest};
use parking_lot::Mutex;

use crate::describe::describe;
use crate::expression::translate;
use crate::folder::{DEFAULT_SCHEMA, Folder, Found};
use crate::output::Running;
use crate::relation::{self, Tables};
use crate::table::OpenTable;
use crate::types::column_type;
use crate::{capabilities, failure, formats, session, statistics};

pub(crate) const DRIVER: &str = "files";

const OPTIONS: &[OptionSpec] = &[
    OptionSpec::new("path", OptionKind::Path, "The folder.").required(),
    formats::OPTIONS[0],
    formats::OPTIONS[1],
    formats::OPTIONS[2],
    formats::OPTIONS[3],
    formats::OPTIONS[4],
    OptionSpec::new(
        "type",
        OptionKind::Map,
        "`type.<table>.<column>` is text, bigint, double, decimal(p,s), boolean, date, timestamp or timestamptz.",
    ),
    OptionSpec::new(
        "memory_limit_mb",
        OptionKind::Integer { min: 16, max: 1 << 20 },
        "Memory of sorts and aggregates.",
    )
    .with_default("256"),
];

/// The driver `files`.
#[derive(Debug, Clone, Copy, Default)]
pub struct FilesFactory;

#[async_trait]
impl ConnectorFactory for FilesFactory {
    fn driver(&self) -> &'static str {
        DRIVER
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["files"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn parse_url(&self, url: &str) -> Result<Options> {
        Options::checked(OPTIONS, parse_path_url(url)?)
    }

    async fn connect(&self, config: ConnectionConfig, _reaper: Reaper) -> Result<Arc<dyn Connector>> {
        let options = config.options;
        for (column, name) in options.entries("type") {
            crate::types::named_type(&format!("type.{column}"), name)?;
        }
        let folder = Folder::open(&PathBuf::from(options.text("path").unwrap_or_default()))?;
        let memory_bytes = usize::try_from(options.integer("memory_limit_mb").unwrap_or(256)).unwrap_or(256) << 20;
        let state = session::base(memory_bytes).map_err(|cause| Error::internal(cause.strip_backtrace()))?;
        Ok(Arc::new(FilesConnector {
            remote_id: RemoteId::new(format!("files:{}", folder.root().display())),
            folder,
            options,
            state,
            capabilities: capabilities::capabilities(),
            opened: Mutex::default(),
        }))
    }
}

/// A live folder.
struct FilesConnector {
    folder: Folder,
    options: Options,
    state: SessionState,
    remote_id: RemoteId,
    capabilities: Capabilities,
    /// Tables whose columns are known, each for one state of its files.
    opened: Mutex<HashMap<TableName, Arc<OpenTable>>>,
}

impl std::fmt::Debug for FilesConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FilesConnector").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl FilesConnector {
    async fn found(&self) -> Result<Vec<Found>> {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || folder.tables())
            .await
            .map_err(|_| Error::internal("listing a folder failed"))?
    }

    /// The table of this name, exact or else the only one that differs in case alone.
    async fn find(&self, schema: Option<&str>, table: &str) -> Result<Found> {
        let schema = schema.unwrap_or(DEFAULT_SCHEMA);
        let all = self.found().await?;
        let in_schema =
            |found: &&Found| found.name.schema.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(schema));
        if !all.iter().any(|found| in_schema(&found)) && schema != DEFAULT_SCHEMA {
            let names = all.iter().filter_map(|found| found.name.schema.as_deref());
            return Err(Error::SchemaNotFound {
                schema: schema.into(),
                nearest: nearest(schema, names).map(Into::into),
            });
        }
        let visible: Vec<&Found> = all.iter().filter(in_schema).collect();
        if let Some(exact) = visible.iter().find(|found| found.name.table == table) {
            return Ok((*exact).clone());
        }
        let mut alike = visible.iter().filter(|found| found.name.table.to_lowercase() == table.to_lowercase());
        match (alike.next(), alike.next()) {
            (Some(only), None) => Ok((*only).clone()),
            _ => Err(Error::TableNotFound {
                table: table.into(),
                nearest: nearest(table, visible.iter().map(|found| found.name.table.as_str())).map(Into::into),
            }),
        }
    }

    async fn opened(&self, found: Found) -> Result<Arc<OpenTable>> {
        let known = self.opened.lock().get(&found.name).filter(|table| table.found == found).cloned();
        if let Some(table) = known {
            return Ok(table);
        }
        let name = found.name.clone();
        let mut table = OpenTable::open(&self.state, found, &self.options).await?;
        table.info.row_estimate = statistics::collect(&self.state, &table).await?.rows;
        let table = Arc::new(table);
        self.opened.lock().insert(name, Arc::clone(&table));
        Ok(table)
    }

    /// The tables of a plan as they are now.
    async fn tables_of(&self, plan: &RemotePlan) -> Result<Tables> {
        let mut tables = Tables::new();
        for name in plan.root.tables() {
            let found = self.find(name.schema.as_deref(), &name.table).await.map_err(|error| match error {
                Error::TableNotFound { .. } | Error::SchemaNotFound { .. } => {
                    Error::StaleCatalog { table: name.to_string(), reason: "its files are gone".into() }
                }
                other => other,
            })?;
            tables.insert(name.clone(), self.opened(found).await?);
        }
        check_columns(&plan.root, &tables)?;
        Ok(tables)
    }

    async fn run(
        &self,
        state: &SessionState,
        plan: &LogicalPlan,
        schema: Option<SchemaRef>,
        tables: Vec<Arc<OpenTable>>,
        context: StatementContext,
    ) -> Result<(SchemaRef, BatchStream), DataFusionError> {
        let physical = state.create_physical_plan(plan).await?;
        let schema = schema.unwrap_or_else(|| delivered(&physical.schema()));
        context.metrics.add_query();
        let stream = execute_stream(Arc::clone(&physical), state.task_ctx())?;
        let running = Running::new(stream, physical, Arc::clone(&schema), tables, context);
        Ok((schema, running.into_stream()))
    }
}

#[async_trait]
impl Connector for FilesConnector {
    fn driver(&self) -> &'static str {
        DRIVER
    }

    fn remote_id(&self) -> &RemoteId {
        &self.remote_id
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn supports(&self, expr: &Expr, input: &[RelationColumn]) -> Support {
        let types: Vec<DataType> = input.iter().map(|column| column.data_type.clone()).collect();
        if capabilities::refuses(expr, &types) || translate(expr, &types).is_err() {
            return Support::Unsupported;
        }
        self.capabilities.support(expr, input)
    }

    fn accepts_keys(&self, column: &RelationColumn) -> bool {
        let keys = self.capabilities.keys.as_ref();
        !matches!(column.data_type, DataType::Timestamp(TimeUnit::Nanosecond, _))
            && column.text != TextSemantics::Opaque
            && keys.is_some_and(|keys| keys.types.contains(&TypeClass::of(&column.data_type)))
    }

    async fn schemas(&self) -> Result<Vec<SchemaInfo>> {
        let mut names: Vec<String> = self.found().await?.into_iter().filter_map(|found| found.name.schema).collect();
        names.push(DEFAULT_SCHEMA.into());
        names.sort_unstable();
        names.dedup();
        let schema = |name: String| SchemaInfo { is_default: name == DEFAULT_SCHEMA, name, comment: None };
        Ok(names.into_iter().map(schema).collect())
    }

    async fn tables(&self, schema: Option<&str>) -> Result<Vec<TableSummary>> {
        let all = self.found().await?;
        let wanted = |found: &Found| {
            schema
                .is_none_or(|schema| found.name.schema.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(schema)))
        };
        let opened = self.opened.lock();
        let summary = |found: Found| TableSummary {
            row_estimate: opened.get(&found.name).and_then(|table| table.info.row_estimate),
            name: found.name,
            kind: TableKind::File,
            comment: None,
        };
        Ok(all.into_iter().filter(wanted).map(summary).collect())
    }

    async fn table(&self, schema: Option<&str>, table: &str) -> Result<TableInfo> {
        let found = self.find(schema, table).await?;
        Ok(self.opened(found).await?.info.clone())
    }

    async fn statistics(&self, table: &TableName) -> Result<TableStatistics> {
        let found = self.find(table.schema.as_deref(), &table.table).await?;
        statistics::collect(&self.state, self.opened(found).await?.as_ref()).await
    }

    /// The steps of the plan, innermost last: there is no other language in between.
    fn remote_text(&self, plan: &RemotePlan, keys: Option<&[usize]>) -> Result<String> {
        check_plan(self, plan)?;
        let text = describe(&plan.root)?;
        Ok(if keys.is_some() { format!("rows with the keys of ({text})") } else { text })
    }

    async fn open(&self, request: OpenRequest) -> Result<BatchStream> {
        check_plan(self, &request.plan)?;
        if request.keys.as_ref().is_some_and(|keys| keys.values.num_rows() == 0 && !keys.nulls) {
            return Ok(Box::pin(futures::stream::empty()));
        }
        let tables = self.tables_of(&request.plan).await?;
        let plan = relation::plan(&request.plan, request.keys.as_ref(), &tables)?;
        let state = session::with_batch_rows(&self.state, request.batch_rows);
        let opened: Vec<Arc<OpenTable>> = tables.into_values().collect();
        let shown = opened.iter().map(|table| table.shown()).collect::<Vec<_>>().join(" or ");
        let schema = Some(request.plan.schema());
        let run = self.run(&state, &plan, schema, opened, request.context).await;
        Ok(run.map_err(|cause| failure::reading(&shown, &cause))?.1)
    }

    /// In DataFusion's SQL; only queries, and only of the folder's tables.
    async fn native(&self, request: NativeRequest) -> Result<NativeResult> {
        let base = session::with_batch_rows(&self.state, request.batch_rows);
        let state = SessionStateBuilder::new_from_existing(base).with_catalog_list(own_catalog()).build();
        let user = |cause: DataFusionError| failure::statement(&cause);
        let statement = state.sql_to_statement(&request.sql, &Dialect::PostgreSQL).map_err(user)?;
        if !is_query(&statement) {
            return Err(Error::ReadOnly { reason: "files are only queried".into() });
        }
        let context = SessionContext::new_with_state(state);
        let mut opened = Vec::new();
        for reference in context.state().resolve_table_references(&statement).map_err(user)? {
            let table = self.opened(self.find(reference.schema(), reference.table()).await?).await?;
            register(&context, reference, &table).map_err(user)?;
            opened.push(table);
        }
        let plan = context.state().statement_to_plan(statement).await.map_err(user)?;
        let queries_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        queries_only.verify_plan(&plan).map_err(|cause| Error::ReadOnly { reason: cause.strip_backtrace() })?;
        let state = context.state();
        let (schema, stream) = self.run(&state, &plan, None, opened, request.context).await.map_err(user)?;
        Ok(NativeResult { schema, stream, affected: None })
    }

    async fn health(&self) -> Result<Health> {
        let begun = Instant::now();
        self.found().await?;
        Ok(Health { version: format!("DataFusion {}", datafusion::DATAFUSION_VERSION), latency: begun.elapsed() })
    }

    async fn privileges(&self) -> Result<Privileges> {
        Ok(Privileges::default())
    }

    async fn close(&self) {
        self.opened.lock().clear();
    }
}

/// Every column of every scan must still be there, in the type that was planned.
fn check_columns(relation: &Relation, tables: &Tables) -> Result<()> {
    if let Relation::Scan { table, columns } = relation {
        let open = tables.get(table).ok_or_else(|| Error::internal(format!("{table} was not opened")))?;
        for wanted in columns {
            let same = |column: &junto_connector::ColumnInfo| {
                column.name == wanted.name && column.data_type == wanted.data_type
            };
            if !open.info.columns.iter().any(same) {
                let reason = format!("column `{}` is gone or of another type", wanted.name);
                return Err(Error::StaleCatalog { table: table.to_string(), reason });
            }
        }
    }
    relation.inputs().into_iter().try_for_each(|input| check_columns(input, tables))
}

/// SELECT and EXPLAIN. Other statements are refused before their names are looked for; DataFusion's own check follows.
fn is_query(statement: &Statement) -> bool {
    match statement {
        Statement::Statement(statement) => matches!(**statement, ast::Statement::Query(_)),
        Statement::Explain(explain) => is_query(&explain.statement),
        _ => false,
    }
}

/// Tables are registered under the names a statement uses, so each statement has a catalog of its own.
fn own_catalog() -> Arc<dyn CatalogProviderList> {
    let list = MemoryCatalogProviderList::new();
    let catalog = MemoryCatalogProvider::new();
    // A new memory catalog takes every schema.
    let _ = catalog.register_schema(DEFAULT_SCHEMA, Arc::new(MemorySchemaProvider::new()));
    list.register_catalog(session::CATALOG.into(), Arc::new(catalog));
    Arc::new(list)
}

fn register(context: &SessionContext, reference: TableReference, table: &OpenTable) -> Result<(), DataFusionError> {
    if let Some(schema) = reference.schema() {
        let catalog =
            context.catalog(session::CATALOG).ok_or_else(|| DataFusionError::Plan("no such catalog".into()))?;
        if catalog.schema(schema).is_none() {
            catalog.register_schema(schema, Arc::new(MemorySchemaProvider::new()))?;
        }
    }
    context.register_table(reference, Arc::clone(&table.provider)).map(|_| ())
}

/// Types in which the result of a native statement leaves.
fn delivered(schema: &Schema) -> SchemaRef {
    let field = |field: &Arc<Field>| Field::new(field.name(), column_type(field).planned, field.is_nullable());
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}
