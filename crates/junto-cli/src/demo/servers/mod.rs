//! PostgreSQL and MariaDB for the demo, where their programs are installed.
//!
//! Each server listens on a Unix socket in a folder that only its user may enter, and nowhere else. It outlives the
//! command, so that the next commands can use it, until `junto demo --stop` or [`process::LIFE`] ends it. Its data stay.

mod process;
mod product;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use junto_connector::Connector;
use tokio::task::spawn_blocking;

use super::{connect, execute};
use crate::configuration::{Declared, Editor, alias};
use crate::failure::{Failure, Result};
use crate::terminal::note;
use process::{Process, find_place};
use product::Product;

pub(super) use process::LIFE;

/// How long a server may take to start, and to end.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);

/// Lies in a server's folder once its data are complete.
const MARK: &str = "complete";

/// Why a server is left out, in one clause.
type Reason = String;

const NOT_INSTALLED: &str = "not installed";

/// Starts both servers, makes their data the first time, and lists in `config` those that run. A server that is
/// missing or fails is left out, which is told.
pub(super) async fn start(folder: &Path, config: &Path) -> Result<Vec<&'static str>> {
    let [postgres, mariadb] = Product::ALL;
    let (postgres_runs, mariadb_runs) = match Product::ALL.iter().any(|product| product.programs().is_ok()) {
        true => {
            let place = find_place(folder);
            // Another command that makes the same servers is waited for.
            let _lock = lock(&place).await;
            tokio::join!(run(&place, postgres), run(&place, mariadb))
        }
        false => (Err(NOT_INSTALLED.into()), Err(NOT_INSTALLED.into())),
    };
    let mut running = Vec::new();
    let mut reasons = Vec::new();
    for (product, outcome) in [(postgres, postgres_runs), (mariadb, mariadb_runs)] {
        match outcome {
            Ok(declared) => running.push((product, declared)),
            Err(reason) => reasons.push(format!("{} ({})", product.name(), crate::output::visible(&reason))),
        }
    }
    if !reasons.is_empty() {
        note(&format!("Left out: {}", reasons.join(", ")));
    }
    list(config, &running)?;
    Ok(running.iter().map(|(product, _)| product.alias()).collect())
}

/// Stops the servers that run and takes them out of `config`.
pub(super) async fn stop(folder: &Path, config: &Path) -> Result<()> {
    let mut stopped = Vec::new();
    if let Some(place) = process::place(folder) {
        for product in Product::ALL {
            if end(product, &place.join(product.alias())).await? {
                stopped.push(product.name());
            }
        }
    }
    if config.exists() {
        list(config, &[])?;
    }
    if stopped.is_empty() {
        note(&format!("No server of the demo in {} is running", folder.display()));
    } else {
        note(&format!("Stopped {}; the next `junto demo` starts again with the same data", stopped.join(" and ")));
    }
    Ok(())
}

/// The connection of a server that runs and has its data.
async fn run(place: &io::Result<PathBuf>, product: Product) -> Result<Declared, Reason> {
    let programs = product.programs()?;
    let place = place.as_ref().map_err(|error| format!("no folder for it: {error}"))?.join(product.alias());
    let declared = declare(product, product.options(&place)).map_err(|failure| in_one_clause(&failure))?;
    let is_complete = place.join(MARK).exists();
    let admin = declare(product, product.administrator(&place)).map_err(|failure| in_one_clause(&failure))?;
    if is_complete && answers(&admin).await.is_some() {
        return Ok(declared);
    }
    if !is_complete {
        // A command that was killed may have left its server and half of the data.
        end(product, &place).await.map_err(|failure| in_one_clause(&failure))?;
        let (place, programs) = (place.clone(), programs.clone());
        let installed = spawn_blocking(move || product.install(&programs, &place)).await;
        installed.map_err(|error| error.to_string())??;
    }
    let mut process = Process::spawn(product.command(&programs, &place), product.stop_signal(), &place)?;
    let connector = wait_until_ready(&mut process, &admin).await?;
    if !is_complete {
        let filled = fill(product, connector.as_ref(), &declared).await;
        filled.map_err(|failure| in_one_clause(&failure))?;
        fs::write(place.join(MARK), "").map_err(|error| error.to_string())?;
    }
    connector.close().await;
    process.leave_running();
    Ok(declared)
}

/// Holds the lock of the servers' folder until it is dropped.
async fn lock(place: &io::Result<PathBuf>) -> Option<fs::File> {
    let path = place.as_ref().ok()?.join("lock");
    let wait = move || {
        let file = fs::File::create(path).ok()?;
        file.lock().ok().map(|()| file)
    };
    spawn_blocking(wait).await.ok().flatten()
}

fn declare(product: Product, options: Vec<(String, String)>) -> Result<Declared> {
    Ok(Declared {
        name: Some(product.title().to_owned()),
        driver: Some(product.driver().to_owned()),
        options,
        ..Declared::new(alias(product.alias())?)
    })
}

async fn answers(declared: &Declared) -> Option<Arc<dyn Connector>> {
    connect(declared).await.ok()
}

async fn wait_until_ready(process: &mut Process, admin: &Declared) -> Result<Arc<dyn Connector>, Reason> {
    let started = Instant::now();
    loop {
        if let Some(connector) = answers(admin).await {
            return Ok(connector);
        }
        if process.has_ended() || started.elapsed() > PATIENCE {
            return Err(format!("it does not start: {}", process.last_words()));
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn fill(product: Product, admin: &dyn Connector, declared: &Declared) -> Result<()> {
    let failed = |error: junto_connector::Error| Failure::source(product.alias(), &error);
    execute(admin, product.create_database()).await.map_err(failed)?;
    let tables = spawn_blocking(move || product.tables()).await.map_err(|error| Failure::user(error.to_string()))?;
    let connector = connect(declared).await?;
    execute(connector.as_ref(), tables.iter().flat_map(super::Table::statements)).await.map_err(failed)?;
    connector.close().await;
    Ok(())
}

/// Stops a server and waits for its end. False: it did not run.
async fn end(product: Product, place: &Path) -> Result<bool> {
    let Some(connector) = answers(&declare(product, product.administrator(place))?).await else { return Ok(false) };
    // Servers may end before they answer.
    let _ = execute(connector.as_ref(), [product.stop_statement().to_owned()]).await;
    let asked = Instant::now();
    while product.process_file(place).exists() {
        if asked.elapsed() > PATIENCE {
            return Err(Failure::user(format!("{} of the demo does not stop", product.name())));
        }
        tokio::time::sleep(POLL).await;
    }
    connector.close().await;
    Ok(true)
}

/// Makes the file list these of the servers, and leaves all other lines as they are.
fn list(config: &Path, running: &[(Product, Declared)]) -> Result<()> {
    let mut editor = Editor::open(config.to_owned())?;
    for product in Product::ALL {
        let before = editor.connection(product.alias()).ok();
        match (running.iter().find(|(other, _)| *other == product), before) {
            (Some((_, declared)), before) => editor.put(before.as_ref(), declared),
            (None, Some(before)) => editor.remove(&before),
            (None, None) => {}
        }
    }
    editor.save(&junto_connectors::registry()).map(drop)
}

fn in_one_clause(failure: &Failure) -> Reason {
    failure.report(false).trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ")
}
