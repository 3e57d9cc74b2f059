//! The sources all files run on: started once per test process, filled from `slt/seed`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use junto_engine::{Engine, Settings, StatementOptions};
use junto_testkit::{StartError, mariadb, postgres};
use parquet::arrow::ArrowWriter;

use crate::duckdb;
use crate::script;

/// Database on the servers.
pub const DATABASE: &str = "shop";

/// Tables of the seed that `files` holds as Parquet, written from PostgreSQL's rows.
const PARQUET_TABLES: [&str; 7] = ["customers", "orders", "products", "lines", "numbers", "points", "words"];

/// Engine and sources.
#[derive(Debug)]
pub struct World {
    pub engine: Arc<Engine>,
    pub postgres: Option<&'static postgres::Server>,
    /// Sources that are not there, with the reason.
    pub missing: BTreeMap<&'static str, String>,
    /// URLs of the sources that are there.
    urls: Vec<(&'static str, String)>,
    // Holds the files of SQLite, DuckDB and `files`; removed at the end.
    folder: tempfile::TempDir,
}

impl World {
    /// Starts the servers, fills all sources and connects an engine to them. `wanted` are the aliases needed.
    ///
    /// # Panics
    /// When a source that is installed cannot be filled.
    pub async fn start(wanted: &[&'static str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let engine = Engine::new(junto_connectors::registry(), Settings::default());
        let mut world =
            Self { engine: Arc::new(engine), postgres: None, missing: BTreeMap::new(), urls: Vec::new(), folder };
        for alias in wanted {
            let url = match *alias {
                "pg" => world.postgres(),
                "my" => world.mariadb(),
                "lite" => Ok(world.sqlite()),
                "duck" => world.duckdb(),
                // From PostgreSQL's rows, so after it.
                _ => continue,
            };
            world.connect(alias, url);
        }
        if wanted.contains(&"files") {
            let url = world.files().await;
            world.connect("files", url);
        }
        world
    }

    /// Another engine over the same sources.
    pub fn engine_with(&self, settings: Settings) -> Engine {
        engine_of(&self.urls, settings)
    }

    fn connect(&mut self, alias: &'static str, url: Result<String, String>) {
        let added = url.and_then(|url| match self.engine.add_url(alias, &url) {
            Ok(()) => Ok(url),
            Err(error) => Err(error.to_string()),
        });
        match added {
            Ok(url) => self.urls.push((alias, url)),
            Err(reason) => {
                self.missing.insert(alias, reason);
            }
        }
    }

    fn postgres(&mut self) -> Result<String, String> {
        let server = postgres::shared().map_err(|error| unavailable(&error))?;
        server.create_database(DATABASE);
        server.execute(DATABASE, &seed("postgres.sql"));
        self.postgres = Some(server);
        for alias in more("pg") {
            server.create_database(alias);
            server.execute(alias, &seed(&format!("more/{alias}.sql")));
            self.connect(alias, Ok(server.url(alias)));
        }
        Ok(server.url(DATABASE))
    }

    fn mariadb(&mut self) -> Result<String, String> {
        let server = mariadb::shared().map_err(|error| unavailable(&error))?;
        server.create_database(DATABASE);
        server.execute(DATABASE, &seed("mysql.sql"));
        for alias in more("my") {
            server.create_database(alias);
            server.execute(alias, &seed(&format!("more/{alias}.sql")));
            self.connect(alias, Ok(server.url(alias)));
        }
        Ok(server.url(DATABASE))
    }

    fn sqlite(&self) -> String {
        let file = junto_testkit::sqlite::File::create(&seed("sqlite.sql"));
        let path = self.folder.path().join("shop.db");
        std::fs::copy(file.path(), &path).expect("the file can be copied");
        format!("sqlite:{}", path.display())
    }

    fn duckdb(&self) -> Result<String, String> {
        let library = duckdb::library().ok_or("DuckDB's library is missing; `./dev fetch-duckdb` brings it")?;
        let path = self.folder.path().join("shop.duckdb");
        duckdb::create(&library, &path, &seed("duckdb.sql")).unwrap_or_else(|error| panic!("duckdb.sql: {error}"));
        Ok(format!("duckdb:{}", path.display()))
    }

    /// Files as they lie in `slt/seed/files`, and the common tables as Parquet.
    async fn files(&self) -> Result<String, String> {
        if self.postgres.is_none() {
            return Err("its Parquet files are written from PostgreSQL's rows, and that is missing".into());
        }
        let folder = self.folder.path().join("files");
        copy(&script::folder().join("seed/files"), &folder);
        for table in PARQUET_TABLES {
            let sql = format!("SELECT * FROM @pg.{table}");
            let answer = async {
                let mut run = self.engine.execute(&sql, &StatementOptions::default()).await?;
                Ok::<_, junto_engine::Error>((run.collect().await?, Arc::clone(&run.schema)))
            };
            let (batches, schema) = answer.await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            let file = File::create(folder.join(format!("{table}.parquet"))).expect("the file can be written");
            let mut writer = ArrowWriter::try_new(file, schema, None).expect("Parquet has these types");
            for batch in &batches {
                writer.write(batch).expect("the rows can be written");
            }
            writer.close().expect("the file can be finished");
        }
        Ok(format!("files:{}", folder.display()))
    }
}

/// An engine over sources with these aliases and URLs.
///
/// # Panics
/// When a URL is none.
pub(crate) fn engine_of(urls: &[(&'static str, String)], settings: Settings) -> Engine {
    let engine = Engine::new(junto_connectors::registry(), settings);
    for (alias, url) in urls {
        engine.add_url(alias, url).expect("the URL is well-formed and the aliases differ");
    }
    engine
}

/// Aliases of the other databases on the server of `alias`.
fn more(alias: &str) -> impl Iterator<Item = &'static str> {
    script::MORE.into_iter().filter(move |(_, server)| *server == alias).map(|(alias, _)| alias)
}

/// A server that is not installed is skipped; one that does not start is a failure.
fn unavailable(error: &StartError) -> String {
    match error {
        StartError::Unavailable { .. } => error.to_string(),
        StartError::Failed { .. } => panic!("{error}"),
    }
}

pub(crate) fn seed(name: &str) -> String {
    let path = script::folder().join("seed").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())).flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}
