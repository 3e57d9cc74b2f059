//! Random statements over the tables that all sources share, each run in several ways that must not change its answer.
//!
//! The tables of a statement are spread over the sources at random. The ways: pushdown off and as far as it goes, keyed
//! scans off, join order as written, one thread, little memory, rows brought to one database, and all tables in one
//! source. Statements come from a seed, so a failure can be repeated; a found difference becomes an `.slt` file.

use std::fmt::Write as _;

use junto_engine::{Engine, Planning, Settings, StatementOptions, Strategy};

use crate::render;
use crate::world::World;

/// Statements of an ordinary run; `JUNTO_DIFFERENTIAL` asks for another number.
pub const STATEMENTS: usize = 500;

/// Sources that hold the shared tables.
const SOURCES: [&str; 5] = ["pg", "my", "lite", "duck", "files"];

/// Memory of the way in which joins and sorts do not fit, in bytes.
const LITTLE_MEMORY: usize = 24 << 20;

/// A way to run a statement.
struct Way {
    name: &'static str,
    engine: Engine,
    memory_bytes: usize,
    strategy: Strategy,
    /// All tables in this source, instead of spread.
    one_source: Option<&'static str>,
}

/// Runs `statements` random statements in every way.
///
/// # Errors
/// Every difference, with the statement and both answers.
pub async fn run(world: &World, seed: u64, statements: usize) -> Result<(), String> {
    let ways = ways(world);
    let mut random = Random::new(seed);
    let mut differences = Vec::new();
    let mut failed = 0;
    for number in 0..statements {
        let statement = statement(&mut random);
        let spread: Vec<&str> = (0..statement.tables()).map(|_| *random.choose(&SOURCES)).collect();
        let mut expected: Option<Answer> = None;
        for way in &ways {
            let sql = statement.over(|table| way.one_source.unwrap_or(spread[table]).to_owned());
            let answer = answer(way, &sql).await;
            match &expected {
                // A strategy may be impossible for a statement; an answer of it may not be wrong.
                _ if matches!(&answer, Answer::Failed(message) if message.contains(NOT_POSSIBLE)) => {}
                None => {
                    failed += usize::from(matches!(answer, Answer::Failed(_)));
                    expected = Some(answer);
                }
                Some(expected) if *expected == answer => {}
                Some(expected) => differences.push(format!(
                    "statement {number} of seed {seed}, {}:\n{sql}\n  as planned: {expected:?}\n  {}: {answer:?}",
                    way.name, way.name
                )),
            }
        }
    }
    // Statements that fail in every way prove nothing.
    if failed * 10 > statements {
        differences.push(format!("{failed} of {statements} statements of seed {seed} failed"));
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n\n")) }
}

fn ways(world: &World) -> Vec<Way> {
    let planned = |planning: Planning| world.engine_with(Settings { planning, ..Settings::default() });
    let memory_bytes = junto_types::Limits::default().memory_bytes;
    let way = |name, engine| Way { name, engine, memory_bytes, strategy: Strategy::Auto, one_source: None };
    let all = Planning::default();
    let engine = planned(all);
    let pushed = planned(Planning { whatever_it_costs: true, ..all });
    vec![
        way("as planned", engine.clone()),
        way("nothing pushed down", planned(Planning { push_down: false, ..all })),
        way("no keyed scans", planned(Planning { keyed_scans: false, ..all })),
        way("equal reads apart", planned(Planning { read_once: false, ..all })),
        way("joins as written", planned(Planning { reorder_joins: false, ..all })),
        way("one thread", world.engine_with(Settings { threads: Some(1), ..Settings::default() })),
        Way { memory_bytes: LITTLE_MEMORY, ..way("little memory", engine.clone()) },
        way("pushed as far as it goes", pushed.clone()),
        Way { strategy: Strategy::Materialize, ..way("brought to one database", engine.clone()) },
        Way { one_source: Some("pg"), ..way("all in PostgreSQL", engine.clone()) },
        Way { one_source: Some("pg"), ..way("all pushed to PostgreSQL", pushed.clone()) },
        Way { one_source: Some("my"), ..way("all pushed to MariaDB", pushed.clone()) },
        Way { one_source: Some("lite"), ..way("all pushed to SQLite", pushed) },
        Way { one_source: Some("duck"), ..way("all in DuckDB", engine) },
    ]
}

/// Rows as sorted texts, or that it failed.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Rows(Vec<String>),
    Failed(String),
}

/// How a refused strategy is reported.
const NOT_POSSIBLE: &str = "is not possible";

async fn answer(way: &Way, sql: &str) -> Answer {
    let mut options = StatementOptions { strategy: way.strategy, ..StatementOptions::default() };
    options.limits.memory_bytes = way.memory_bytes;
    let batches = match way.engine.execute(sql, &options).await {
        Ok(mut run) => run.collect().await,
        Err(error) => Err(error),
    };
    let batches = match batches {
        Ok(batches) => batches,
        Err(error) => return Answer::Failed(error.to_string()),
    };
    let mut rows: Vec<String> = match render::rows(&batches) {
        Ok(rows) => rows.into_iter().map(|row| row.join(" | ")).collect(),
        Err(error) => return Answer::Failed(error.to_string()),
    };
    rows.sort();
    Answer::Rows(rows)
}

/// A column of the shared tables that can be compared with others of its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Number,
    Text,
    Date,
    Moment,
}

struct Table {
    name: &'static str,
    columns: &'static [(&'static str, Class)],
}

const TABLES: [Table; 6] = [
    Table {
        name: "customers",
        columns: &[
            ("id", Class::Number),
            ("name", Class::Text),
            ("country", Class::Text),
            ("balance", Class::Number),
            ("joined", Class::Date),
        ],
    },
    Table {
        name: "products",
        columns: &[("id", Class::Number), ("name", Class::Text), ("category", Class::Text), ("price", Class::Number)],
    },
    Table {
        name: "orders",
        columns: &[
            ("id", Class::Number),
            ("customer_id", Class::Number),
            ("placed", Class::Moment),
            ("status", Class::Text),
            ("total", Class::Number),
        ],
    },
    Table {
        name: "lines",
        columns: &[
            ("order_id", Class::Number),
            ("line_no", Class::Number),
            ("product_id", Class::Number),
            ("quantity", Class::Number),
            ("price", Class::Number),
        ],
    },
    Table {
        name: "numbers",
        columns: &[("id", Class::Number), ("small", Class::Number), ("whole", Class::Number), ("dec", Class::Number)],
    },
    Table { name: "words", columns: &[("id", Class::Number), ("word", Class::Text)] },
];

/// A statement with a place for the alias of each table it reads: `{0}`, `{1}`, …
#[derive(Debug, Clone)]
pub struct Statement {
    text: String,
    tables: usize,
}

impl Statement {
    /// The text with each table in the source that `source` names for its position.
    pub fn over(&self, source: impl Fn(usize) -> String) -> String {
        let mut text = self.text.clone();
        for table in 0..self.tables {
            text = text.replace(&format!("{{{table}}}"), &source(table));
        }
        text
    }

    /// Number of tables.
    pub fn tables(&self) -> usize {
        self.tables
    }
}

/// A small generator of pseudo-random numbers (xorshift64*, Vigna 2016); the same seed gives the same statements.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 33) as usize) % bound.max(1)
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    /// One of `choices`, which are not empty.
    pub fn choose<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }
}

struct Generator<'r> {
    random: &'r mut Random,
    /// Tables so far, by position.
    used: Vec<&'static Table>,
}

/// The statement of this random state.
pub fn statement(random: &mut Random) -> Statement {
    let mut generator = Generator { random, used: Vec::new() };
    let text = generator.query();
    Statement { text, tables: generator.used.len() }
}

impl Generator<'_> {
    /// Adds a table and returns its `FROM` item and position.
    fn table(&mut self) -> (String, usize) {
        let table = self.random.choose(&TABLES);
        self.used.push(table);
        let position = self.used.len() - 1;
        (format!("@{{{position}}}.{} t{position}", table.name), position)
    }

    fn column(&mut self, table: usize, class: Option<Class>) -> Option<String> {
        let columns: Vec<&(&str, Class)> =
            self.used[table].columns.iter().filter(|(_, of)| class.is_none_or(|class| class == *of)).collect();
        (!columns.is_empty()).then(|| format!("t{table}.{}", self.random.choose(&columns).0))
    }

    fn query(&mut self) -> String {
        let (mut from, first) = self.table();
        let mut visible = vec![first];
        for _ in 0..self.random.below(3) {
            let (item, position) = self.table();
            let kind = *self.random.choose(&["JOIN", "JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
            let left = visible[self.random.below(visible.len())];
            let condition = self.equality(left, position);
            let _ = write!(from, " {kind} {item} ON {condition}");
            visible.push(position);
        }
        let mut conditions = Vec::new();
        for _ in 0..self.random.below(3) {
            let table = visible[self.random.below(visible.len())];
            conditions.push(self.predicate(table));
        }
        if self.random.one_in(3) {
            let outer = visible[self.random.below(visible.len())];
            conditions.push(self.subquery(outer));
        }
        let filter = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        if self.random.one_in(3) {
            return self.grouped(&from, &filter, &visible);
        }
        let mut items = Vec::new();
        for table in &visible {
            items.extend(self.column(*table, None));
        }
        let positions: Vec<String> = (1..=items.len()).map(|n| n.to_string()).collect();
        let distinct = if self.random.one_in(4) { "DISTINCT " } else { "" };
        let mut text = format!("SELECT {distinct}{} FROM {from}{filter}", items.join(", "));
        if self.random.one_in(3) {
            let _ = write!(text, " ORDER BY {} LIMIT {}", positions.join(", "), 1 + self.random.below(6));
        }
        text
    }

    fn grouped(&mut self, from: &str, filter: &str, visible: &[usize]) -> String {
        let table = visible[self.random.below(visible.len())];
        let group = self.column(table, None).unwrap_or_else(|| "1".into());
        let number_table = visible[self.random.below(visible.len())];
        let number = self.column(number_table, Some(Class::Number)).unwrap_or_else(|| "1".into());
        let aggregate = *self.random.choose(&["count", "sum", "min", "max", "count(DISTINCT "]);
        let aggregate = if aggregate.ends_with("DISTINCT ") {
            format!("{aggregate}{number})")
        } else {
            format!("{aggregate}({number})")
        };
        let having = if self.random.one_in(4) { " HAVING count(*) > 1" } else { "" };
        format!("SELECT {group}, count(*), {aggregate} FROM {from}{filter} GROUP BY {group}{having}")
    }

    /// An equality between columns of one class, which every table has in numbers.
    fn equality(&mut self, left: usize, right: usize) -> String {
        let class = if self.random.one_in(5) { Class::Text } else { Class::Number };
        match (self.column(left, Some(class)), self.column(right, Some(class))) {
            (Some(left), Some(right)) => format!("{left} = {right}"),
            _ => format!("t{left}.{} = t{right}.{}", self.key(left), self.key(right)),
        }
    }

    fn key(&self, table: usize) -> &'static str {
        self.used[table].columns[0].0
    }

    fn predicate(&mut self, table: usize) -> String {
        let (name, class) = *self.random.choose(self.used[table].columns);
        let column = format!("t{table}.{name}");
        let op = *self.random.choose(&["=", "<>", "<", "<=", ">", ">="]);
        match (class, self.random.below(6)) {
            (_, 0) => format!("{column} IS NULL"),
            (_, 1) => format!("{column} IS NOT NULL"),
            (Class::Number, 2) => format!("{column} IN (1, 2, 3, 100, 102, 10.00)"),
            (Class::Number, 3) => format!("NOT ({column} {op} {})", self.random.choose(&["1", "2.5", "102"])),
            (Class::Number, _) => {
                format!("{column} {op} {}", self.random.choose(&["0", "1", "2", "10", "0.1", "-1", "101", "99.99"]))
            }
            (Class::Text, 2) => format!("{column} LIKE {}", self.random.choose(&["'a%'", "'%e'", "'_p%'", "'%'"])),
            (Class::Text, 3) => format!("{column} NOT IN ('US', 'apple', 'Pen', 'paid')"),
            (Class::Text, _) => {
                format!(
                    "{column} {op} {}",
                    self.random.choose(&["'apple'", "'Apple'", "''", "'US'", "'paid'", "'apple '"])
                )
            }
            (Class::Date, _) => format!("{column} {op} DATE {}", self.random.choose(&["'2020-01-15'", "'2022-01-01'"])),
            (Class::Moment, _) => format!("{column} {op} TIMESTAMP '2024-02-10 14:00:00'"),
        }
    }

    fn subquery(&mut self, outer: usize) -> String {
        let (item, inner) = self.table();
        let filter = self.predicate(inner);
        let (outside, inside) =
            (format!("t{outer}.{}", self.key(outer)), self.column(inner, Some(Class::Number)).unwrap_or_default());
        match self.random.below(4) {
            0 => format!("EXISTS (SELECT 1 FROM {item} WHERE {inside} = {outside} AND {filter})"),
            1 => format!("NOT EXISTS (SELECT 1 FROM {item} WHERE {inside} = {outside} AND {filter})"),
            2 => format!("{outside} IN (SELECT {inside} FROM {item} WHERE {filter})"),
            _ => format!("{outside} NOT IN (SELECT {inside} FROM {item} WHERE {filter})"),
        }
    }
}
