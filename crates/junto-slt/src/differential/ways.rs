//! The ways to run a statement, none of which may change its answer.

use std::time::Duration;

use junto_engine::{Engine, Planning, Settings, StatementOptions, Strategy};

use crate::render;

/// Memory of the way in which joins and sorts of large tables do not fit, in bytes.
const LITTLE_MEMORY: usize = 4 << 20;
/// How a statement is reported that took too long. Not an answer of a source that had to run it, however badly.
const TOO_LONG: &str = "timed out";
/// Time of a statement that a source must run, however badly.
const FORCED_TIME: Duration = Duration::from_secs(10);
/// Partitions of the way that has more than one.
const THREADS: usize = 4;
/// How a refused strategy is reported, and a statement that even spilling does not make small enough. Not answers.
const NO_ANSWER: [&str; 2] = ["is not possible", "bytes of memory"];
/// Failures of single rows. Whether a statement meets one depends on the way: `docs/sql.md`, Numbers.
const FAILURES_OF_ROWS: [&str; 4] = ["overflow", "Overflow", "can't cast", "out of range"];

/// A panic is never an answer, not even when every way agrees on it.
const PANIC: &str = "panic";

/// A way to run a statement.
pub(super) struct Way {
    pub(super) name: &'static str,
    engine: Engine,
    memory_bytes: usize,
    strategy: Strategy,
    /// All tables in this source, instead of spread.
    pub(super) one_source: Option<&'static str>,
}

/// All ways over the sources that `engine` connects; the first is what others are compared with.
pub(super) fn all(engine: impl Fn(Settings) -> Engine) -> Vec<Way> {
    let with = |planning: Planning| engine(Settings { planning, ..Settings::default() });
    let threads = |threads, planning| engine(Settings { threads: Some(threads), planning, ..Settings::default() });
    let memory_bytes = junto_types::Limits::default().memory_bytes;
    let way = |name, engine| Way { name, engine, memory_bytes, strategy: Strategy::Auto, one_source: None };
    let all = Planning::default();
    let nothing = Planning { push_down: false, ..all };
    let everything = Planning { whatever_it_costs: true, ..all };
    let planned = with(all);
    let pushed = with(everything);
    vec![
        way("nothing pushed down", with(nothing)),
        way("as planned", planned.clone()),
        way("no keyed scans", with(Planning { keyed_scans: false, ..all })),
        way("equal reads apart", with(Planning { read_once: false, ..all })),
        way("joins as written", with(Planning { reorder_joins: false, ..all })),
        way("one partition", threads(1, all)),
        way("several partitions", threads(THREADS, all)),
        way("several partitions, nothing pushed down", threads(THREADS, nothing)),
        Way { memory_bytes: LITTLE_MEMORY, ..way("little memory", planned.clone()) },
        Way { memory_bytes: LITTLE_MEMORY, ..way("little memory, nothing pushed down", with(nothing)) },
        way("pushed as far as it goes", pushed.clone()),
        way("pushed as far as it goes, no keyed scans", with(Planning { keyed_scans: false, ..everything })),
        Way { strategy: Strategy::Materialize, ..way("brought to one database", planned.clone()) },
        Way { one_source: Some("pg"), ..way("all in PostgreSQL", planned.clone()) },
        Way { one_source: Some("pg"), ..way("all pushed to PostgreSQL", pushed.clone()) },
        Way { one_source: Some("my"), ..way("all pushed to MariaDB", pushed.clone()) },
        Way { one_source: Some("lite"), ..way("all pushed to SQLite", pushed.clone()) },
        Way { one_source: Some("duck"), ..way("all in DuckDB", planned.clone()) },
        Way { one_source: Some("duck"), ..way("all pushed to DuckDB", pushed.clone()) },
        Way { one_source: Some("files"), ..way("all in files", planned) },
    ]
}

/// Rows as texts, sorted unless the statement orders them; or why there are none.
#[derive(Debug)]
pub(super) enum Answer {
    Rows(Vec<String>),
    Failed(String),
}

impl Answer {
    /// Neither rows nor a failure of the statement: the way could not be taken.
    pub(super) fn is_none(&self, way: &Way) -> bool {
        let too_long = way.is_forced().then_some(&TOO_LONG);
        let mut not_answers = NO_ANSWER.iter().chain(&FAILURES_OF_ROWS).chain(too_long);
        matches!(self, Answer::Failed(message) if !message.starts_with(PANIC) && not_answers.any(|part| message.contains(part)))
    }

    /// Messages may differ: each source has its own.
    pub(super) fn agrees_with(&self, other: &Answer) -> bool {
        match (self, other) {
            (Answer::Rows(rows), Answer::Rows(others)) => rows == others,
            (Answer::Failed(message), Answer::Failed(other)) => message.starts_with(PANIC) == other.starts_with(PANIC),
            _ => false,
        }
    }
}

impl Way {
    fn is_forced(&self) -> bool {
        self.engine.settings().planning.whatever_it_costs
    }

    /// How it runs the statement.
    pub(super) async fn plan(&self, sql: &str) -> String {
        let options = StatementOptions { strategy: self.strategy, ..StatementOptions::default() };
        match self.engine.explain(sql, &options, false).await {
            Ok(explanation) => explanation.to_string(),
            Err(error) => error.to_string(),
        }
    }

    pub(super) async fn answer(&self, sql: &str, is_ordered: bool) -> Answer {
        let mut options = StatementOptions { strategy: self.strategy, ..StatementOptions::default() };
        options.limits.memory_bytes = self.memory_bytes;
        if self.is_forced() {
            options.limits.timeout = Some(FORCED_TIME);
        }
        let (engine, text) = (self.engine.clone(), sql.to_owned());
        // As a task, so that a panic is a failure of the statement and not of the run.
        let task = tokio::spawn(async move {
            let batches = engine.execute(&text, &options).await?.collect().await?;
            let mut rows: Vec<String> = render::rows(&batches)?.into_iter().map(|row| row.join(" | ")).collect();
            if !is_ordered {
                rows.sort_unstable();
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(rows)
        });
        match task.await {
            Ok(Ok(rows)) => Answer::Rows(rows),
            Ok(Err(failure)) => Answer::Failed(failure.to_string()),
            Err(panic) => Answer::Failed(format!("{PANIC}: {panic}")),
        }
    }
}
