//! One test per `.slt` file and source, named `folder/file` or `folder/file@alias`; `…(oracle)` asks PostgreSQL.
//!
//! `cargo test -p junto-slt -- core/numbers` runs one file. With `JUNTO_SLT_COMPLETE=junto` or `=postgres` the answers
//! are written into the file instead of compared: read them before you commit them.

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use junto_slt::database::Database;
use junto_slt::oracle::{Oracle, same_row};
use junto_slt::script::{self, Script};
use junto_slt::{World, differential};
use libtest_mimic::{Arguments, Failed, Trial};
use sqllogictest::{
    AsyncDB, DefaultColumnType, MakeConnection, QueryExpect, Record, Runner, default_column_validator,
    default_normalizer, default_validator,
};
use tokio::runtime::Runtime;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sources and engine, started by the first test that runs.
struct Stage {
    runtime: Runtime,
    world: OnceLock<World>,
    wanted: Vec<&'static str>,
}

impl Stage {
    fn world(&self) -> &World {
        self.world.get_or_init(|| self.runtime.block_on(World::start(&self.wanted)))
    }

    /// Fails, or says why the test is skipped, when a source is missing.
    fn needs(&self, aliases: &[&'static str]) -> Result<bool, Failed> {
        let missing = &self.world().missing;
        let Some((alias, reason)) = aliases.iter().find_map(|alias| Some((alias, missing.get(alias)?))) else {
            return Ok(true);
        };
        if junto_testkit::servers_required() {
            return Err(format!("@{alias}: {reason}").into());
        }
        eprintln!("SKIPPED, @{alias}: {reason}");
        Ok(false)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let runtime = Runtime::new().expect("a runtime can be built");
    let scripts = script::all();
    // All sources, unless single files are asked for.
    let chosen = |script: &&Script| {
        arguments.filter.as_ref().is_none_or(|filter| script.name.contains(filter.split('@').next().unwrap_or(filter)))
    };
    let mut wanted: Vec<&'static str> = scripts.iter().filter(chosen).flat_map(needed).collect();
    if arguments.filter.as_ref().is_none_or(|filter| "differential/random".contains(filter.as_str())) {
        wanted.extend(["pg", "my", "lite", "duck", "files"]);
    }
    wanted.sort_unstable();
    wanted.dedup();
    let stage = Arc::new(Stage { runtime, world: OnceLock::new(), wanted });
    let mut trials: Vec<Trial> = scripts.into_iter().flat_map(|script| trials(&stage, script)).collect();
    let random = Arc::clone(&stage);
    trials.push(Trial::test("differential/random", move || differ(&random)));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(world) = stage.world.get() {
        world.engine.shutdown();
    }
    conclusion.exit_code()
}

/// Random statements in several ways. `JUNTO_DIFFERENTIAL=20000` runs so many, each in every way;
/// `JUNTO_DIFFERENTIAL_SEED` starts elsewhere; `JUNTO_DIFFERENTIAL_FILE` names statements to run instead, one a line.
fn differ(stage: &Stage) -> Result<(), Failed> {
    if !stage.needs(&["pg", "my", "lite", "duck", "files"])? {
        return Ok(());
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let statements = number("JUNTO_DIFFERENTIAL");
    let file = std::env::var("JUNTO_DIFFERENTIAL_FILE").ok();
    let text = file.map(std::fs::read_to_string).transpose().map_err(|error| error.to_string())?;
    let options = differential::Options {
        seed: number("JUNTO_DIFFERENTIAL_SEED").unwrap_or(1),
        statements: statements.map_or(differential::STATEMENTS, |number| number as usize),
        all_ways: statements.is_some() || text.is_some(),
        text,
    };
    stage.runtime.block_on(differential::run(stage.world(), &options)).map_err(Failed::from)
}

/// Aliases the file needs on any of its sources; the files are made from PostgreSQL's rows.
fn needed(script: &Script) -> Vec<&'static str> {
    let mut needed = script.needs(None);
    needed.extend(script.sources.iter().flat_map(|source| script.needs(Some(source))));
    if script.oracle || needed.contains(&"files") {
        needed.push("pg");
    }
    needed
}

fn trials(stage: &Arc<Stage>, script: Script) -> Vec<Trial> {
    let script = Arc::new(script);
    let complete = std::env::var("JUNTO_SLT_COMPLETE").ok();
    if let Some(who) = &complete {
        assert!(matches!(who.as_str(), "junto" | "postgres"), "JUNTO_SLT_COMPLETE is `junto` or `postgres`");
        let (stage, by_oracle, name) = (Arc::clone(stage), who == "postgres", script.name.clone());
        // The first source's answers are what the file holds.
        return vec![Trial::test(name, move || fill(&stage, &script, by_oracle))];
    }
    let sources: Vec<Option<String>> = match &script.sources[..] {
        [] => vec![None],
        sources => sources.iter().cloned().map(Some).collect(),
    };
    let mut trials = Vec::new();
    for source in sources {
        let name = source.as_ref().map_or_else(|| script.name.clone(), |source| format!("{}@{source}", script.name));
        let (stage, script) = (Arc::clone(stage), Arc::clone(&script));
        trials.push(Trial::test(name, move || run(&stage, &script, source)));
    }
    if script.oracle {
        let (stage, name) = (Arc::clone(stage), format!("{}(oracle)", script.name));
        trials.push(Trial::test(name, move || ask_oracle(&stage, &script)));
    }
    trials
}

fn run(stage: &Stage, script: &Script, source: Option<String>) -> Result<(), Failed> {
    if !stage.needs(&script.needs(source.as_deref()))? {
        return Ok(());
    }
    let engine = &stage.world().engine;
    let mut runner = Runner::new(|| {
        let database = Database::new(Arc::clone(engine), source.clone());
        async move { Ok(database) }
    });
    let records = sqllogictest::parse_file(&script.path).map_err(|error| error.to_string())?;
    stage.runtime.block_on(run_all(&mut runner, records))
}

/// Runs every record, also after a failure, and lists what failed.
async fn run_all<D, M>(runner: &mut Runner<D, M>, records: Vec<Record<DefaultColumnType>>) -> Result<(), Failed>
where
    D: AsyncDB<ColumnType = DefaultColumnType>,
    M: MakeConnection<Conn = D>,
{
    let mut failures = Vec::new();
    for record in records {
        if let Err(error) = runner.run_async(record).await {
            failures.push(error.display(false).to_string());
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n\n").into()) }
}

/// Writes the answers into the file.
fn fill(stage: &Stage, script: &Script, by_oracle: bool) -> Result<(), Failed> {
    let source = script.sources.first().cloned();
    let updated = if by_oracle {
        if !script.oracle {
            return Err("only a file with `# oracle: postgres` can be completed by it".into());
        }
        let server = stage.world().postgres.ok_or("no PostgreSQL")?;
        let runner = Runner::new(|| async move { Ok(Oracle::new(server, junto_slt::DATABASE)) });
        stage.runtime.block_on(update(runner, script))
    } else {
        let engine = &stage.world().engine;
        let runner = Runner::new(|| {
            let database = Database::new(Arc::clone(engine), source.clone());
            async move { Ok(database) }
        });
        stage.runtime.block_on(update(runner, script))
    };
    updated.map_err(Failed::from)
}

async fn update<D, M>(mut runner: Runner<D, M>, script: &Script) -> Result<(), String>
where
    D: AsyncDB<ColumnType = DefaultColumnType>,
    M: MakeConnection<Conn = D>,
{
    let path = &script.path;
    let updated =
        runner.update_test_file(path, " ", default_validator, default_normalizer, default_column_validator).await;
    updated.map_err(|error| error.to_string())
}

/// Runs the file's queries on PostgreSQL; statements that must fail are left out, their errors are our own.
fn ask_oracle(stage: &Stage, script: &Script) -> Result<(), Failed> {
    if !stage.needs(&["pg"])? {
        return Ok(());
    }
    let server = stage.world().postgres.ok_or("no PostgreSQL")?;
    let mut runner = Runner::new(|| async move { Ok(Oracle::new(server, junto_slt::DATABASE)) });
    runner.with_validator(|normalizer, actual, expected| {
        let line = |row: &Vec<String>| row.iter().map(normalizer).collect::<Vec<_>>().join(" ");
        let actual: Vec<String> = actual.iter().map(line).collect();
        actual.len() == expected.len() && actual.iter().zip(expected).all(|(a, e)| same_row(a, e))
    });
    let records = sqllogictest::parse_file(&script.path).map_err(|error| error.to_string())?;
    let asked = |record: &Record<DefaultColumnType>| match record {
        Record::Query { expected, .. } => !matches!(expected, QueryExpect::Error(_)),
        Record::Statement { .. } => false,
        _ => true,
    };
    stage.runtime.block_on(run_all(&mut runner, records.into_iter().filter(asked).collect()))
}
