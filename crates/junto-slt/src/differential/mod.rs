//! Random statements, each run in several ways that must not change its answer.
//!
//! The tables of a statement are spread over the sources at random. Some are the fixed ones that all sources share, most
//! come from a random schema: [`schema`] makes tables up, [`load`] puts them into every source, [`statement`] and
//! [`expression`] ask for their rows, [`ways`] answers. Everything comes from a seed, so a failure can be repeated; a
//! found difference becomes an `.slt` file.

mod alone;
mod expression;
mod load;
mod random;
mod schema;
mod statement;
mod tables;
mod ways;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZero;
use std::ops::Range;
use std::pin::pin;
use std::thread::available_parallelism;
use std::time::Instant;

use futures::{StreamExt, stream};

use crate::world::World;
use alone::{Alone, Opinion};
use random::Random;
use statement::Statement;
use tables::Table;
use ways::{Answer, Way};

/// Statements of an ordinary run.
pub const STATEMENTS: usize = 500;
/// Statements until there is a new random schema.
const STATEMENTS_PER_SCHEMA: usize = 500;
/// In a long run, one in so many schemas has a table that MariaDB reads in parts too: its rows take most of the time.
const SCHEMAS_PER_PARTS: u64 = 4;
/// One in so many statements reads the fixed tables.
const FIXED_SHARE: usize = 5;
/// Ways of each statement in an ordinary run, beside the one they are compared with.
const FEW_WAYS: usize = 4;
/// Differences after which a run ends.
const MOST_DIFFERENCES: usize = 40;
/// Rows of an answer that are shown.
const SHOWN_ROWS: usize = 6;

/// The same where answers differ in their order.
const SHOWN_IN_ORDER: usize = 20;

/// Sources that hold all tables.
const SOURCES: [&str; 5] = ["pg", "my", "lite", "duck", "files"];

/// What to run.
#[derive(Debug)]
pub struct Options {
    pub seed: u64,
    pub statements: usize,
    /// Every way for each statement, instead of a few.
    pub all_ways: bool,
    /// These statements, one a line, over the schema of the seed, instead of random ones.
    pub text: Option<String>,
}

/// Runs random statements in every way, or in a few.
///
/// # Errors
/// Every difference, with the statement and the answers.
pub async fn run(world: &World, options: &Options) -> Result<(), String> {
    let mut report = Report { options, differences: Vec::new(), statements: 0, failed: 0, refused: BTreeMap::new() };
    let fixed = alone::fixed()?;
    let mut left = options.statements;
    let mut schema_seed = options.seed;
    while left > 0 && report.differences.len() < MOST_DIFFERENCES {
        let started = Instant::now();
        let now = left.min(STATEMENTS_PER_SCHEMA);
        round(world, &fixed, &mut report, schema_seed, now).await?;
        left -= now;
        if left > 0 {
            let (seconds, found) = (started.elapsed().as_secs(), report.differences.len());
            eprintln!("schema of seed {schema_seed}: {now} statements, {seconds} s, {found} differences so far");
        }
        schema_seed += 1;
    }
    report.conclude()
}

/// Statements over the fixed tables, then over one random schema.
async fn round(
    world: &World,
    fixed: &[Alone],
    report: &mut Report<'_>,
    seed: u64,
    statements: usize,
) -> Result<(), String> {
    let mut random = Random::new(seed);
    let fixed_tables = tables::fixed();
    let fixed_count = statements / FIXED_SHARE;
    // They go out of scope before the others come, and with them their connections.
    {
        let ways = ways::all(|settings| world.engine_with(settings));
        if let Some(text) = &report.options.text {
            let names: Vec<String> = fixed_tables.iter().map(|table| format!(".{} ", table.name)).collect();
            let is_fixed = |line: &&str| names.iter().any(|name| line.contains(name));
            report.written_statements(&ways, fixed, text.lines().filter(is_fixed), &mut random).await;
        } else {
            report.random_statements(&ways, fixed, &fixed_tables, 0..fixed_count, seed, &mut random).await;
        }
    }
    // Of its own, so that written statements meet the same tables.
    let in_parts = report.options.all_ways && seed.is_multiple_of(SCHEMAS_PER_PARTS);
    let most_rows = if in_parts { schema::ROWS_OF_PARTS } else { schema::MANY_ROWS };
    let filled = schema::random(&mut Random::new(seed), most_rows);
    let sources = load::Sources::fill(&filled).await?;
    let tables: Vec<Table> = filled.iter().map(schema::Filled::described).collect();
    let ways = ways::all(|settings| sources.engine(settings));
    let alone = alone::random(&filled)?;
    if let Some(text) = &report.options.text {
        report.written_statements(&ways, &alone, text.lines().filter(|line| line.contains(".r")), &mut random).await;
    } else {
        report.random_statements(&ways, &alone, &tables, fixed_count..statements, seed, &mut random).await;
    }
    Ok(())
}

/// What was found so far.
struct Report<'o> {
    options: &'o Options,
    differences: Vec<String>,
    statements: usize,
    failed: usize,
    /// Statements that a database alone did not answer, by its name and message.
    refused: BTreeMap<(&'static str, String), usize>,
}

impl Report<'_> {
    async fn random_statements(
        &mut self,
        ways: &[Way],
        alone: &[Alone],
        tables: &[Table],
        numbers: Range<usize>,
        seed: u64,
        random: &mut Random,
    ) {
        for number in numbers {
            let statement = statement::statement(random, tables);
            let spread: Vec<String> = (0..statement.tables()).map(|_| (*random.choose(&SOURCES)).to_owned()).collect();
            self.compare(ways, alone, &format!("statement {number} of seed {seed}"), &statement, &spread, random).await;
            if self.differences.len() >= MOST_DIFFERENCES {
                break;
            }
        }
    }

    async fn written_statements(
        &mut self,
        ways: &[Way],
        alone: &[Alone],
        lines: impl Iterator<Item = &str>,
        random: &mut Random,
    ) {
        for line in lines {
            let (statement, spread) = Statement::written(line);
            self.compare(ways, alone, "written", &statement, &spread, random).await;
        }
    }

    /// Runs a statement in the first way and in others.
    async fn compare(
        &mut self,
        ways: &[Way],
        alone: &[Alone],
        name: &str,
        statement: &Statement,
        spread: &[String],
        random: &mut Random,
    ) {
        let mut chosen: Vec<&Way> = ways[1..].iter().collect();
        if !self.options.all_ways {
            while chosen.len() > FEW_WAYS {
                chosen.swap_remove(random.below(chosen.len()));
            }
        }
        chosen.insert(0, &ways[0]);
        let mut answers: Vec<(Answer, Vec<&str>)> = Vec::new();
        let mut plans = vec![String::new()];
        let answered = chosen.into_iter().map(async |way| {
            let sql = statement.over(|table| way.one_source.unwrap_or(&spread[table]).to_owned());
            let answer = way.answer(&sql, statement.is_ordered).await;
            (way, sql, answer)
        });
        // Several at once, and looked at in their order. One more than cores: some wait for their servers.
        let at_once = available_parallelism().map_or(1, NonZero::get) + 1;
        let mut answered = pin!(stream::iter(answered).buffered(at_once));
        while let Some((way, sql, answer)) = answered.next().await {
            if answer.is_none(way) {
                continue;
            }
            match answers.iter_mut().find(|(other, _)| other.agrees_with(&answer)) {
                Some((_, ways)) => ways.push(way.name),
                None => {
                    answers.push((answer, vec![way.name]));
                    if self.options.text.is_some() {
                        plans.push(format!("{}\n{}", way.name, way.plan(&sql).await));
                    }
                }
            }
        }
        self.statements += 1;
        self.failed += usize::from(matches!(answers.first(), Some((Answer::Failed(_), _))));
        let sql = statement.over(|table| spread[table].clone());
        let opinions = match &answers[..] {
            // What all ways say may be wrong as well.
            [(answer, _)] => self.opinions(alone, statement, answer).await,
            _ => String::new(),
        };
        if answers.len() > 1 || !opinions.is_empty() {
            let text = difference(name, &sql, &answers) + &opinions + &plans.join("\n");
            if self.options.all_ways {
                // A long run says at once what it finds.
                eprintln!("{text}\n");
            }
            self.differences.push(text);
        } else if self.options.all_ways
            && let Some((answer, _)) = answers.first()
        {
            match answer {
                Answer::Failed(message) => eprintln!("{name} failed: {message}\n  {sql}"),
                Answer::Rows(rows) if self.options.text.is_some() => eprintln!("{} rows of\n  {sql}", rows.len()),
                Answer::Rows(_) => {}
            }
        }
    }

    /// What databases that hold all tables say otherwise.
    async fn opinions(&mut self, alone: &[Alone], statement: &Statement, answer: &Answer) -> String {
        let mut text = String::new();
        for database in alone {
            match database.opinion(statement, answer).await {
                Opinion::Same => {}
                Opinion::None(message) => {
                    let short: String = message.lines().next().unwrap_or_default().chars().take(60).collect();
                    *self.refused.entry((database.name, short)).or_default() += 1;
                }
                Opinion::Other(other) => {
                    let _ = write!(text, "\n  {}: {other}", database.name);
                }
            }
        }
        text
    }

    fn conclude(mut self) -> Result<(), String> {
        if self.options.all_ways {
            for ((database, message), count) in &self.refused {
                eprintln!("{database} did not answer {count} statements: {message}");
            }
        }
        // Statements that fail in every way prove nothing.
        if self.failed * 10 > self.statements {
            self.differences.push(format!("{} of {} statements failed", self.failed, self.statements));
        }
        if self.differences.is_empty() { Ok(()) } else { Err(self.differences.join("\n\n")) }
    }
}

fn difference(name: &str, sql: &str, answers: &[(Answer, Vec<&str>)]) -> String {
    let mut text = format!("{name}:\n{sql}");
    for (at, (answer, ways)) in answers.iter().enumerate() {
        let _ = write!(text, "\n  {}:", ways.join("; "));
        match answer {
            Answer::Failed(message) => {
                let _ = write!(text, " failed: {message}");
            }
            Answer::Rows(rows) => {
                let other = match &answers[usize::from(at == 0).min(answers.len() - 1)].0 {
                    Answer::Rows(rows) if answers.len() > 1 => &rows[..],
                    _ => &[],
                };
                let _ = write!(text, " {} rows", rows.len());
                // What the other answer has as well says little, unless only the order differs.
                let own: Vec<&String> = rows.iter().filter(|row| !other.contains(row)).collect();
                let shown = if own.is_empty() { rows.iter().take(SHOWN_IN_ORDER).collect() } else { own };
                let most = if rows.len() == other.len() { SHOWN_IN_ORDER } else { SHOWN_ROWS };
                for row in shown.into_iter().take(most) {
                    let _ = write!(text, "\n    {row}");
                }
            }
        }
    }
    text
}
