//! `junto demo`: the databases of a small web shop, and first statements over all of them.

mod billing;
mod crm;
mod events;
mod random;
mod servers;
mod shop;
mod support;
mod table;
mod tour;
mod words;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use junto_connector::{Connector, NativeRequest, Reaper, StatementContext};

use crate::arguments::{DemoArguments, SourceArguments};
use crate::configuration::{Declared, alias};
use crate::failure::{Failure, Result};
use crate::session::Session;
use crate::terminal::note;
use table::Table;

/// First line of the demo's `junto.toml`, which is written last: the folder is complete and of this version.
const MARK: &str = "# Made by `junto demo`, version 1.";

const CONFIGURATION: &str = r#"
[connections.shop]
name = "Web shop"
url = "sqlite:shop.db"

[connections.crm]
name = "Customer relations"
url = "duckdb:crm.duckdb"

[connections.events]
name = "Page views and campaigns"
url = "files:events"
"#;

/// Runs the command.
pub(crate) async fn run(arguments: DemoArguments) -> Result<()> {
    let folder = match arguments.dir {
        Some(folder) => folder,
        None => default_folder()?,
    };
    let config = folder.join("junto.toml");
    if arguments.stop {
        return servers::stop(&folder, &config).await;
    }
    if is_complete(&folder) {
        note(&format!("The demo databases are in {}", folder.display()));
    } else {
        note(&format!("Making the demo databases in {} …", folder.display()));
        make(&folder).await?;
    }
    let servers = match arguments.no_servers {
        true => Vec::new(),
        false => servers::start(&folder, &config).await?,
    };
    let session = Session::open(&SourceArguments { connections: Vec::new(), config: Some(config.clone()) })?;
    let outcome = tour::run(&session, &config, &servers).await;
    session.engine.shutdown();
    outcome
}

fn is_complete(folder: &Path) -> bool {
    fs::read_to_string(folder.join("junto.toml")).is_ok_and(|text| text.starts_with(MARK))
}

/// Makes everything in a folder beside `folder`, which then takes its place: a crash leaves nothing half-made.
async fn make(folder: &Path) -> Result<()> {
    let failed = |error: std::io::Error| Failure::file(&error, format!("cannot make {}", folder.display()));
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::user(format!("{} is not empty and holds no complete demo", folder.display()))
            .hint("name another folder with `--dir`, or remove it"));
    }
    let folder = std::path::absolute(folder).map_err(failed)?;
    let parent = folder.parent().unwrap_or(&folder);
    fs::create_dir_all(parent).map_err(failed)?;
    let scratch = tempfile::Builder::new().prefix(".junto-demo-").tempdir_in(parent).map_err(failed)?;
    let place = scratch.path().to_owned();
    let crm = tokio::task::spawn_blocking(move || {
        shop::write(&place.join("shop.db"))?;
        events::write(&place.join("events"))?;
        Ok::<_, Failure>(crm::tables())
    })
    .await
    .map_err(|error| Failure::new(junto_types::ErrorKind::Internal, error.to_string()))??;
    write_duckdb(&scratch.path().join("crm.duckdb"), &crm).await?;
    fs::write(scratch.path().join("junto.toml"), format!("{MARK}\n{CONFIGURATION}")).map_err(failed)?;
    if folder.exists() {
        fs::remove_dir(&folder).map_err(failed)?;
    }
    fs::rename(scratch.keep(), &folder).map_err(failed)
}

/// Writes tables into a new DuckDB file, through the driver's native path.
async fn write_duckdb(path: &Path, tables: &[Table]) -> Result<()> {
    let options =
        vec![("path".to_owned(), path.to_string_lossy().into_owned()), ("create".to_owned(), "true".to_owned())];
    let connector =
        connect(&Declared { driver: Some("duckdb".into()), options, ..Declared::new(alias("crm")?) }).await?;
    // The checkpoint leaves one file, without a log beside it.
    let statements = tables.iter().flat_map(Table::statements).chain(["CHECKPOINT".to_owned()]);
    execute(connector.as_ref(), statements).await.map_err(|error| Failure::source("crm", &error))?;
    connector.close().await;
    Ok(())
}

/// Opens a connection that need not be in any file.
async fn connect(declared: &Declared) -> Result<Arc<dyn Connector>> {
    let failed = |error: junto_connector::Error| Failure::source(declared.alias.as_str(), &error);
    let registry = junto_connectors::registry();
    let config = declared.config(&registry)?;
    let factory = registry.by_driver(&config.driver).map_err(failed)?;
    factory.connect(config, Reaper::start()).await.map_err(failed)
}

/// Runs statements that write and return no rows.
async fn execute(
    connector: &dyn Connector,
    statements: impl IntoIterator<Item = String>,
) -> junto_connector::Result<()> {
    for sql in statements {
        let context = StatementContext::new(None);
        connector.native(NativeRequest { sql, read_only: false, batch_rows: 1024, context }).await?;
    }
    Ok(())
}

fn default_folder() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local").join("share")));
    let data = data.ok_or_else(|| Failure::user("HOME is not set").hint("name a folder with `--dir`"))?;
    Ok(data.join("junto").join("demo"))
}
