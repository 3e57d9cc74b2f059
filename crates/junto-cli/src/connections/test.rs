//! `junto connections test`: one step after the other, each with its outcome and, when it fails, its remedy.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use junto_connector::{Connector, Reaper, Registry};

use crate::configuration::{Configuration, Declared};
use crate::failure::{Failure, Result};
use crate::output::visible;
use crate::query::counted;

/// Tests the named connections, or all.
///
/// # Errors
/// The first failure, once all have been tested.
pub(super) async fn run(config: Option<&Path>, registry: Registry, aliases: &[String], flags: &[String]) -> Result<()> {
    let mut chosen: Vec<Declared> = flags.iter().map(|text| Declared::from_flag(text)).collect::<Result<_>>()?;
    if flags.is_empty() || !aliases.is_empty() {
        let configured = Configuration::load(config)?.connections;
        let wanted =
            |declared: &Declared| aliases.is_empty() || aliases.iter().any(|name| declared.alias.matches(name));
        for name in aliases {
            if !configured.iter().any(|declared| declared.alias.matches(name)) {
                return Err(unknown(name, &configured));
            }
        }
        chosen.extend(configured.into_iter().filter(wanted));
    }
    if chosen.is_empty() {
        return Err(Failure::user("no connection to test").hint("`junto connections add ALIAS URL` adds one"));
    }
    let reaper = Reaper::start();
    let mut first_failure = None;
    for declared in &chosen {
        say(&format!("@{}", declared.alias))?;
        if let Err(failure) = test(declared, &registry, &reaper).await {
            say(&format!(
                "  failed: {}",
                failure.report(false).trim_start_matches("error: ").trim_end().replace('\n', "\n  ")
            ))?;
            first_failure.get_or_insert(failure.reported());
        }
    }
    first_failure.map_or(Ok(()), Err)
}

fn unknown(name: &str, configured: &[Declared]) -> Failure {
    let near = junto_types::nearest(name, configured.iter().map(|declared| declared.alias.as_str()));
    let failure = Failure::user(format!("unknown connection `{name}`"));
    match near {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("`junto connections list` shows them"),
    }
}

async fn test(declared: &Declared, registry: &Registry, reaper: &Reaper) -> Result<()> {
    let failed = |error: junto_connector::Error| Failure::source(declared.alias.as_str(), &error);
    let config = declared.config(registry)?;
    say("  options      ok")?;
    let factory = registry.by_driver(&config.driver).map_err(failed)?;
    let (connector, time) = timed(factory.connect(config, reaper.clone())).await;
    let connector = connector.map_err(failed)?;
    say(&format!("  connect      ok, {}", milliseconds(time)))?;
    let health = connector.health().await.map_err(failed)?;
    say(&format!("  server       {}, round trip {}", visible(&health.version), milliseconds(health.latency)))?;
    let (tables, time) = timed(connector.tables(None)).await;
    let tables = tables.map_err(failed)?;
    say(&format!("  tables       {}, listed in {}", counted(tables.len() as u64, "table"), milliseconds(time)))?;
    privileges(connector.as_ref()).await.map_err(failed)??;
    connector.close().await;
    Ok(())
}

/// Warns of a login that may do more than Junto needs.
async fn privileges(connector: &dyn Connector) -> junto_connector::Result<Result<()>> {
    let privileges = connector.privileges().await?;
    let mut lines = vec![format!(
        "  login        {}",
        if privileges.can_write { "may write; Junto's sessions are read-only" } else { "reads only" }
    )];
    lines.extend(
        privileges
            .not_enforceable
            .iter()
            .map(|reason| format!("  warning      read-only cannot be enforced: {}", visible(reason))),
    );
    Ok(lines.iter().try_for_each(|line| say(line)))
}

async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let started = Instant::now();
    let done = work.await;
    (done, started.elapsed())
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").map_err(|error| Failure::output(&error, "the outcome"))
}
