//! Any ADBC driver: its tables as they are, and its own dialect for native statements.
//!
//! Nothing is known about the semantics behind such a driver, so nothing is pushed down but the choice of columns.

mod objects;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use adbc_core::options::{InfoCode, ObjectDepth, OptionConnection, OptionDatabase, OptionValue};
use adbc_core::{Connection, Database, Driver, Optionable};
use adbc_driver_manager::{ManagedConnection, ManagedDatabase};
use arrow::datatypes::Schema;
use async_trait::async_trait;
use junto_connector::options::parse_path_url;
use junto_connector::{
    BatchStream, Capabilities, ColumnInfo, ConnectionConfig, Connector, ConnectorFactory, Error, Health, NativeRequest,
    NativeResult, OpenRequest, OptionKind, OptionSpec, Options, Privileges, Reaper, RemoteId, RemotePlan, Result,
    SchemaInfo, TableInfo, TableStatistics, TableSummary, TextSemantics, check_plan,
};
use junto_connector_sql::{Dialect, generate, standard};
use junto_types::{TableName, nearest};

use crate::convert::natural;
use crate::failure::mapped;
use crate::library::load_driver;
use crate::read::{Lease, Query, blocking, start};

const DRIVER: &str = "adbc";

const OPTIONS: &[OptionSpec] = &[
    OptionSpec::new("driver", OptionKind::Text, "Path of the driver's library, or a name ADBC finds it by.").required(),
    OptionSpec::new("entrypoint", OptionKind::Text, "Name of the library's initialisation function, if not the usual."),
    OptionSpec::new("uri", OptionKind::Text, "Address, in the driver's own form.").secret(),
    OptionSpec::new("username", OptionKind::Text, "User."),
    OptionSpec::new("password", OptionKind::Text, "Password.").secret(),
    OptionSpec::new("option", OptionKind::Map, "`option.<name> = value` is handed to the driver as it is."),
    OptionSpec::new("quote", OptionKind::Choice(&["double", "backtick"]), "How the database quotes names.")
        .with_default("double"),
    OptionSpec::new("connect_timeout", OptionKind::Duration, "How long connecting may take.").with_default("10s"),
];

/// The driver `adbc`.
#[derive(Debug, Clone, Copy, Default)]
pub struct AdbcFactory;

#[async_trait]
impl ConnectorFactory for AdbcFactory {
    fn driver(&self) -> &'static str {
        DRIVER
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["adbc"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn parse_url(&self, url: &str) -> Result<Options> {
        let options = parse_path_url(url)?.into_iter();
        let named = options.map(|(name, value)| (if name == "path" { "driver".into() } else { name }, value));
        Options::checked(OPTIONS, named)
    }

    async fn connect(&self, config: ConnectionConfig, reaper: Reaper) -> Result<Arc<dyn Connector>> {
        let options = config.options.clone();
        let limit = options.duration("connect_timeout").unwrap_or_default();
        let connecting = blocking(move || connect(&options, reaper));
        let connector = tokio::time::timeout(limit, connecting)
            .await
            .map_err(|_| Error::TimedOut { milliseconds: limit.as_millis() as u64 })??;
        Ok(Arc::new(connector))
    }
}

fn connect(options: &Options, reaper: Reaper) -> Result<AdbcConnector> {
    let name = options.text("driver").unwrap_or_default();
    let mut driver = load_driver(name, options.text("entrypoint"))?;
    let given =
        [("uri", OptionDatabase::Uri), ("username", OptionDatabase::Username), ("password", OptionDatabase::Password)];
    let mut settings: Vec<(OptionDatabase, OptionValue)> =
        given.into_iter().filter_map(|(name, option)| Some((option, OptionValue::from(options.text(name)?)))).collect();
    settings.extend(options.entries("option").map(|(name, value)| (OptionDatabase::Other(name.into()), value.into())));
    let database = driver.new_database_with_opts(settings).map_err(|cause| without_secrets(mapped(cause), options))?;
    let connection = database.new_connection().map_err(|cause| without_secrets(mapped(cause), options))?;
    let catalog = connection.get_option_string(OptionConnection::CurrentCatalog).ok();
    let default_schema = connection.get_option_string(OptionConnection::CurrentSchema).ok();
    let user = options.text("username").unwrap_or_default();
    Ok(AdbcConnector {
        database,
        reaper,
        dialect: Generic { quote: if options.text("quote") == Some("backtick") { '`' } else { '"' } },
        remote_id: RemoteId::new(format!("adbc:{name}:{user}:{:x}", fingerprint(options))),
        capabilities: Capabilities::none(),
        catalog,
        default_schema,
    })
}

/// Tells databases apart without showing what may hold a password.
fn fingerprint(options: &Options) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    options.text("uri").hash(&mut hasher);
    options.entries("option").for_each(|entry| entry.hash(&mut hasher));
    hasher.finish()
}

/// Drivers like to repeat the address in their messages.
fn without_secrets(error: Error, options: &Options) -> Error {
    let secrets: Vec<&str> =
        ["uri", "password"].iter().filter_map(|name| options.text(name)).filter(|secret| !secret.is_empty()).collect();
    match error {
        Error::Statement { message, code, .. } => {
            let message = secrets.iter().fold(message, |message, secret| message.replace(secret, "***"));
            Error::Statement { message, code, position: None, hint: None }
        }
        other => other,
    }
}

/// A live database behind an ADBC driver.
struct AdbcConnector {
    database: ManagedDatabase,
    reaper: Reaper,
    dialect: Generic,
    remote_id: RemoteId,
    capabilities: Capabilities,
    catalog: Option<String>,
    default_schema: Option<String>,
}

impl fmt::Debug for AdbcConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdbcConnector").field("remote_id", &self.remote_id).finish_non_exhaustive()
    }
}

impl AdbcConnector {
    /// Runs blocking work on a connection of its own.
    async fn connected<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ManagedConnection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let database = self.database.clone();
        blocking(move || work(&database.new_connection().map_err(mapped)?)).await
    }

    async fn objects(&self) -> Result<Vec<TableSummary>> {
        let catalog = self.catalog.clone();
        self.connected(move |connection| {
            let catalog = catalog.as_deref();
            let reader =
                connection.get_objects(ObjectDepth::Tables, catalog, None, None, None, None).map_err(mapped)?;
            objects::tables(reader)
        })
        .await
    }

    fn is_default(&self, schema: &str) -> bool {
        self.default_schema.as_deref() == Some(schema)
    }
}

#[async_trait]
impl Connector for AdbcConnector {
    fn driver(&self) -> &'static str {
        DRIVER
    }

    fn remote_id(&self) -> &RemoteId {
        &self.remote_id
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn schemas(&self) -> Result<Vec<SchemaInfo>> {
        let mut names: Vec<String> = self.objects().await?.into_iter().filter_map(|table| table.name.schema).collect();
        names.sort_unstable();
        names.dedup();
        let only = names.len() == 1;
        let schema = |name: String| SchemaInfo { is_default: only || self.is_default(&name), name, comment: None };
        Ok(names.into_iter().map(schema).collect())
    }

    async fn tables(&self, schema: Option<&str>) -> Result<Vec<TableSummary>> {
        let all = self.objects().await?;
        let wanted = |table: &TableSummary| schema.is_none() || table.name.schema.as_deref() == schema;
        Ok(all.into_iter().filter(wanted).collect())
    }

    async fn table(&self, schema: Option<&str>, table: &str) -> Result<TableInfo> {
        let all = self.objects().await?;
        let visible: Vec<TableSummary> = all
            .into_iter()
            .filter(|summary| match (schema, &summary.name.schema) {
                (Some(wanted), Some(schema)) => wanted.eq_ignore_ascii_case(schema),
                (None, Some(schema)) => self.default_schema.is_none() || self.is_default(schema),
                (_, None) => schema.is_none(),
            })
            .collect();
        let summary = objects::named(&visible, table).cloned().ok_or_else(|| Error::TableNotFound {
            table: table.into(),
            nearest: nearest(table, visible.iter().map(|summary| summary.name.table.as_str())).map(Into::into),
        })?;
        let (catalog, name) = (self.catalog.clone(), summary.name.clone());
        let columns = self
            .connected(move |connection| {
                let schema = connection
                    .get_table_schema(catalog.as_deref(), name.schema.as_deref(), &name.table)
                    .map_err(mapped)?;
                Ok(columns_of(&schema))
            })
            .await?;
        Ok(TableInfo {
            name: summary.name,
            kind: summary.kind,
            comment: None,
            columns,
            primary_key: Vec::new(),
            unique_keys: Vec::new(),
            foreign_keys: Vec::new(),
            indexes: Vec::new(),
            partitions: Vec::new(),
            row_estimate: None,
        })
    }

    async fn statistics(&self, _table: &TableName) -> Result<TableStatistics> {
        Ok(TableStatistics::rows_only(None))
    }

    fn remote_text(&self, plan: &RemotePlan, _keys: Option<&[usize]>) -> Result<String> {
        check_plan(self, plan)?;
        generate(&self.dialect, plan, None)
    }

    async fn open(&self, request: OpenRequest) -> Result<BatchStream> {
        check_plan(self, &request.plan)?;
        if request.keys.is_some() {
            return Err(Error::Unsupported { driver: DRIVER, what: "a keyed scan".into() });
        }
        let query = Query {
            sql: generate(&self.dialect, &request.plan, None)?,
            parameters: None,
            planned: Some(request.plan.schema()),
            batch_rows: request.batch_rows,
            read_only: false,
            context: request.context,
        };
        Ok(start(Lease::new(self.database.clone(), ()), query, &self.reaper).await?.stream)
    }

    /// With `read_only` the driver must take ADBC's read-only option; not all do.
    async fn native(&self, request: NativeRequest) -> Result<NativeResult> {
        let query = Query {
            sql: request.sql,
            parameters: None,
            planned: None,
            batch_rows: request.batch_rows,
            read_only: request.read_only,
            context: request.context,
        };
        let started = start(Lease::new(self.database.clone(), ()), query, &self.reaper).await?;
        Ok(NativeResult { schema: started.schema, stream: started.stream, affected: None })
    }

    async fn health(&self) -> Result<Health> {
        let begun = Instant::now();
        let version = self
            .connected(|connection| {
                let codes = [InfoCode::VendorName, InfoCode::VendorVersion].into();
                Ok(connection.get_info(Some(codes)).map_or_else(|_| String::new(), objects::version))
            })
            .await?;
        Ok(Health { version, latency: begun.elapsed() })
    }

    async fn privileges(&self) -> Result<Privileges> {
        let not_enforceable = vec!["what a login behind an ADBC driver may do cannot be found out".into()];
        Ok(Privileges { can_write: true, can_create_temporary: false, not_enforceable })
    }

    async fn close(&self) {}
}

fn columns_of(schema: &Schema) -> Vec<ColumnInfo> {
    let column = |field: &arrow::datatypes::FieldRef| ColumnInfo {
        name: field.name().clone(),
        source_type: field.data_type().to_string(),
        data_type: natural(field),
        nullable: true,
        // Nothing is known of the database's collations.
        text: TextSemantics::Opaque,
        comment: None,
        remark: None,
    };
    schema.fields().iter().map(column).collect()
}

/// Standard SQL with a choice of quotes.
#[derive(Debug, Clone, Copy)]
struct Generic {
    quote: char,
}

impl Dialect for Generic {
    fn name(&self) -> &'static str {
        DRIVER
    }

    fn quote(&self, name: &str) -> String {
        standard::quote(name, self.quote)
    }
}
