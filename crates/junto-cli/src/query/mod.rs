//! `junto query`: statements in, rows out.

mod script;
mod timing;

use std::io::Write;
use std::time::{Duration, Instant};

use junto_engine::{Run, StatementOptions};
use junto_types::Span;

use crate::arguments::{OnError, QueryArguments};
use crate::failure::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::output::{self, Format, Look, Sink, visible};
use crate::progress::Watch;
use crate::session::Session;
use crate::terminal;
use script::Script;
pub(crate) use script::read;
use timing::Timing;

/// Rows of a result at a terminal, unless `--limit` says otherwise.
const TERMINAL_ROWS: u64 = 1000;

/// Runs the command.
pub(crate) async fn run(arguments: QueryArguments, interrupt: &Interrupt) -> Result<()> {
    let session = Session::open(&arguments.sources)?;
    let outcome = Box::pin(interrupt.guard(run_script(&arguments, &session))).await;
    // Also after an interrupt: what was dropped is being cancelled on the servers.
    session.engine.shutdown();
    outcome
}

async fn run_script(arguments: &QueryArguments, session: &Session) -> Result<()> {
    let text = read(arguments.sql.as_deref(), arguments.file.as_deref())?;
    let options = statement_options(arguments, session);
    let script = Script::split(text, arguments.file.as_deref(), session, &options)?;
    let format = format(arguments)?;
    if script.statements.len() > 1 && !format.holds_several_results() {
        return Err(Failure::user("this format holds one result, and there are several statements")
            .hint("run the statements one by one, or choose another `--format`"));
    }
    let mut sink = match &arguments.output {
        Some(path) => {
            Sink::file(path).map_err(|error| Failure::file(&error, format!("cannot write {}", path.display())))?
        }
        None => Sink::standard(),
    };
    let mut first_failure = None;
    for number in 1..=script.statements.len() {
        let execution =
            Execution { session, options: &options, script: &script, number, format, timing: arguments.timing };
        let Err(failure) = execution.repeated(arguments.repeat, &mut sink).await else { continue };
        if failure.is_broken_pipe() || arguments.on_error == OnError::Stop {
            return Err(first_failure.unwrap_or(failure));
        }
        terminal::report(&failure);
        first_failure.get_or_insert(failure.reported());
    }
    sink.commit().map_err(|error| Failure::output(&error, "the rows"))?;
    first_failure.map_or(Ok(()), Err)
}

fn statement_options(arguments: &QueryArguments, session: &Session) -> StatementOptions {
    let mut options = session.options(&arguments.statement);
    options.allow_write = arguments.allow_write;
    options.limits.max_rows = match arguments.limit {
        Some(limit) => limit.0,
        None if arguments.output.is_none() && terminal::stdout_is_terminal() => Some(TERMINAL_ROWS),
        None => None,
    };
    options
}

fn format(arguments: &QueryArguments) -> Result<Format> {
    let to_terminal = arguments.output.is_none() && terminal::stdout_is_terminal();
    let by_name = arguments.output.as_ref().and_then(|path| match path.extension()?.to_str()? {
        "parquet" => Some(Format::Parquet),
        "arrow" | "arrows" => Some(Format::Arrow),
        "json" => Some(Format::Json),
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        "md" => Some(Format::Markdown),
        "tsv" => Some(Format::Tsv),
        _ => None,
    });
    let format = arguments.format.or(by_name).unwrap_or(if to_terminal { Format::Table } else { Format::Csv });
    if format.is_binary() && to_terminal {
        return Err(Failure::user("this format is not for terminals").hint("write it to a file with `--output`"));
    }
    Ok(format)
}

/// One statement of a script.
struct Execution<'a> {
    session: &'a Session,
    options: &'a StatementOptions,
    script: &'a Script,
    /// From 1.
    number: usize,
    format: Format,
    timing: bool,
}

/// What came of one run.
#[derive(Debug, Default)]
struct Outcome {
    rows: u64,
    strategy: Option<&'static str>,
    /// Why it ran so.
    reason: Option<String>,
    sources: Vec<junto_engine::SourceReport>,
    truncated: bool,
    affected: Option<u64>,
    has_columns: bool,
}

impl Execution<'_> {
    async fn repeated(&self, times: u32, sink: &mut Sink) -> Result<()> {
        for repetition in 0..times {
            let started = Instant::now();
            let mut outcome = Outcome::default();
            let sink = (repetition == 0).then_some(&mut *sink);
            let run = Box::pin(self.once(sink, &mut outcome)).await;
            let elapsed = started.elapsed();
            if self.timing {
                let error = run.as_ref().err().map(Failure::message);
                terminal::note(&Timing::new(self.number, elapsed, &outcome, error).line());
            }
            run.map_err(|failure| if outcome.rows > 0 { failure.partial(outcome.rows) } else { failure })?;
            if repetition == 0 {
                self.conclude(&outcome, elapsed);
            }
        }
        Ok(())
    }

    /// Runs the statement, writing its rows when there is a sink.
    async fn once(&self, sink: Option<&mut Sink>, outcome: &mut Outcome) -> Result<()> {
        let (statement, span) = self.script.statement(self.number);
        if let Some(failure) = self.session.broken_connection(statement, self.options) {
            return Err(failure);
        }
        let failed = |error: junto_engine::Error| {
            let place = error.span();
            let failure = Failure::from(error);
            match place {
                Some(place) => {
                    self.script.underlined(failure, Span::new(span.start + place.start, span.start + place.end))
                }
                None => failure,
            }
        };
        let watch = Watch::start();
        let mut run = self.session.engine.execute(statement, self.options).await.map_err(failed)?;
        watch.follow(run.progress.clone());
        outcome.has_columns = !run.columns.is_empty();
        let written = match sink {
            Some(sink) if outcome.has_columns => self.write(&mut run, sink, outcome, &watch, failed).await,
            _ => drain(&mut run, outcome).await.map_err(failed),
        };
        // Until the first rows the engine may take another way.
        outcome.strategy = Some(run.strategy.name());
        outcome.reason = Some(run.reason.clone());
        outcome.sources = run.sources();
        outcome.truncated = run.truncated();
        outcome.affected = run.affected;
        written
    }

    async fn write(
        &self,
        run: &mut Run,
        sink: &mut Sink,
        outcome: &mut Outcome,
        watch: &Watch,
        failed: impl Fn(junto_engine::Error) -> Failure,
    ) -> Result<()> {
        let not_written = |error: std::io::Error| Failure::output(&error, "the rows");
        // Until the first rows the engine may plan anew and change the types.
        let mut next = run.next().await;
        if sink.is_standard() && terminal::stdout_is_terminal() {
            watch.clear();
        }
        if self.number > 1 && self.format.separates_results() {
            sink.write_all(b"\n").map_err(not_written)?;
        }
        let look = Look { colour: sink.is_standard() && terminal::colour_on_stdout() };
        let mut writer = output::writer(self.format, sink, &run.schema, look).map_err(not_written)?;
        while let Some(batch) = next {
            let batch = batch.map_err(&failed)?;
            writer.batch(&batch).map_err(not_written)?;
            outcome.rows += batch.num_rows() as u64;
            next = run.next().await;
        }
        writer.finish().map_err(not_written)
    }

    /// Says what the rows do not: what was cut, what was changed, and at a terminal what ran where.
    fn conclude(&self, outcome: &Outcome, elapsed: Duration) {
        if outcome.truncated {
            let rows = outcome.rows;
            terminal::note(&format!("the result is cut after {rows} rows; `--limit none` shows all of them"));
        }
        if let Some(affected) = outcome.affected.filter(|_| !outcome.has_columns) {
            terminal::note(&format!("{} changed", counted(affected, "row")));
        }
        if terminal::stderr_is_terminal() && outcome.has_columns {
            terminal::note(&summary(outcome, elapsed));
        }
    }
}

async fn drain(run: &mut Run, outcome: &mut Outcome) -> std::result::Result<(), junto_engine::Error> {
    while let Some(batch) = run.next().await {
        outcome.rows += batch?.num_rows() as u64;
    }
    Ok(())
}

/// `3 rows in 0.012 s, federated (tables of 2 connections are joined here): read @shop 3 rows, @crm 20 rows`.
fn summary(outcome: &Outcome, elapsed: Duration) -> String {
    let sources: Vec<String> = outcome
        .sources
        .iter()
        .map(|source| format!("@{} {}", visible(&source.connection), counted(source.rows, "row")))
        .collect();
    let strategy = outcome.strategy.unwrap_or_default();
    let reason = outcome.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let read = if sources.is_empty() { String::new() } else { format!(": read {}", sources.join(", ")) };
    format!("{} in {:.3} s, {strategy}{reason}{read}", counted(outcome.rows, "row"), elapsed.as_secs_f64())
}

/// `1 row`, `2 rows`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
