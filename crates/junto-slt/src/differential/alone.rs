//! One database that holds all tables and gets the text of a statement as it is, without Junto: a second opinion.
//!
//! What Junto's planner does wrong in every way alike shows here only. `CONTRIBUTING.md` lists where such a database has
//! another dialect.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType};
use junto_testkit::postgres;
use parking_lot::Mutex;

use super::schema::Filled;
use super::ways::Answer;
use super::{SHOWN_ROWS, load, statement::Statement};
use crate::{duckdb, render};

/// What PostgreSQL computes as Junto does only with the rules of ICU for upper and lower case.
const POSTGRES_RULES: &str = r#"
CREATE SCHEMA rules;
CREATE FUNCTION rules.lower(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
  AS $$ SELECT pg_catalog.lower($1 COLLATE "und-x-icu") COLLATE "default" $$;
CREATE FUNCTION rules.upper(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
  AS $$ SELECT pg_catalog.upper($1 COLLATE "und-x-icu") COLLATE "default" $$;
"#;
/// Settings that give DuckDB PostgreSQL's meaning of `/` and of NULL in an order, and functions that know the letters whose
/// other case is two letters.
const DUCKDB_RULES: &str = "
SET integer_division = true;
SET default_null_order = 'nulls_last_on_asc_first_on_desc';
SET threads = 1;
CREATE MACRO upper(x) AS replace(ucase(x), 'ẞ', 'SS');
CREATE MACRO lower(x) AS lcase(replace(x, 'İ', 'i\u{307}'));
";
/// Time that PostgreSQL has for a statement: without Junto's joins of subqueries it may need very long.
const MOST_MILLISECONDS: u32 = 5_000;
/// Where PostgreSQL 15 leaves keys out of an order: of columns that are the same before they are grouped.
const GROUPING_SETS: [&str; 3] = ["CUBE (", "ROLLUP (", "GROUPING SETS ("];
/// Decimals of numbers that need too many digits beside others.
const MANY_DECIMALS: usize = 9;
/// Between the cells of a row.
const SEPARATOR: &str = " | ";

/// A database with all tables.
pub(super) struct Alone {
    pub(super) name: &'static str,
    kind: Kind,
}

enum Kind {
    PostgreSql { server: &'static postgres::Server, database: &'static str },
    DuckDb(Arc<Mutex<duckdb::Database>>),
}

/// What came of asking.
pub(super) enum Opinion {
    Same,
    /// Why it gives none: it has another dialect here, or takes too long.
    None(String),
    /// What differs.
    Other(String),
}

/// Both databases with the fixed tables.
pub(super) fn fixed() -> Result<[Alone; 2], String> {
    filled("alone_fixed", &crate::world::seed("postgres.sql"), &crate::world::seed("duckdb.sql"))
}

/// Both databases with random tables; text is compared by bytes in them.
pub(super) fn random(tables: &[Filled]) -> Result<[Alone; 2], String> {
    let plain: Vec<Filled> = tables.iter().map(Filled::plain).collect();
    let script = |dialect| load::script(&plain, dialect);
    filled("alone", &script(load::Dialect::PostgreSql), &script(load::Dialect::DuckDb))
}

fn filled(database: &'static str, postgres_script: &str, duckdb_script: &str) -> Result<[Alone; 2], String> {
    let server = postgres::shared().map_err(|error| error.to_string())?;
    server.create_database(database);
    server.execute(database, postgres_script);
    server.execute(database, POSTGRES_RULES);
    let settings = format!(
        "ALTER DATABASE {database} SET search_path = rules, pg_catalog, public;\n\
         ALTER DATABASE {database} SET statement_timeout = {MOST_MILLISECONDS};"
    );
    server.execute(database, &settings);
    let library = duckdb::library().ok_or("DuckDB's library is missing")?;
    let mut duck = duckdb::Database::open(&library, Path::new(":memory:"))?;
    duck.execute(duckdb_script)?;
    duck.execute(DUCKDB_RULES)?;
    Ok([
        Alone { name: "PostgreSQL alone", kind: Kind::PostgreSql { server, database } },
        Alone { name: "DuckDB alone", kind: Kind::DuckDb(Arc::new(Mutex::new(duck))) },
    ])
}

impl Alone {
    /// What it thinks of an answer.
    pub(super) async fn opinion(&self, statement: &Statement, answer: &Answer) -> Opinion {
        let sql = statement.alone();
        if folds_dotted_i(&sql) {
            return Opinion::None("ILIKE and the letter İ".to_owned());
        }
        let (rows, full) = match self.rows(&sql).await {
            Ok(found) => found,
            Err(message) => return Opinion::None(message),
        };
        let Answer::Rows(answered) = answer else {
            return Opinion::Other(format!("{} rows", rows.len()));
        };
        let answered = answered.iter().map(|row| row.split(SEPARATOR).map(str::to_owned).collect()).collect();
        let is_duckdb = matches!(self.kind, Kind::DuckDb(_));
        let differing = Differing { averages: sql.contains("avg("), decimals: is_duckdb, full };
        let keeps_order = is_duckdb || !GROUPING_SETS.iter().any(|word| sql.contains(word));
        compare(&differing, answered, rows, statement.is_ordered && keeps_order)
    }

    /// The rows, and of each column the decimals if it may have lost some.
    async fn rows(&self, sql: &str) -> Result<(Vec<Vec<String>>, Full), String> {
        let sql = sql.to_owned();
        let asked = match &self.kind {
            &Kind::PostgreSql { server, database } => tokio::task::spawn_blocking(move || {
                let rows = server.try_query(database, &sql)?;
                let cell = |cell: Option<String>| cell.map_or_else(|| "NULL".to_owned(), |text| render::visible(&text));
                Ok((rows.into_iter().map(|row| row.into_iter().map(cell).collect()).collect(), Full::new()))
            }),
            Kind::DuckDb(database) => {
                let database = Arc::clone(database);
                tokio::task::spawn_blocking(move || {
                    let batches = database.lock().query(&sql)?;
                    let rows = render::rows(&batches).map_err(|error| error.to_string())?;
                    Ok((rows, batches.first().map_or_else(Full::new, full_decimals)))
                })
            }
        };
        asked.await.map_err(|panic| panic.to_string())?
    }
}

/// Whether `İ` may be compared with `i` by ILIKE: it is a letter without another case in Junto, and `i` elsewhere.
fn folds_dotted_i(sql: &str) -> bool {
    sql.split("ILIKE '")
        .skip(1)
        .filter_map(|rest| rest.split('\'').next())
        .any(|pattern| pattern.contains(['i', 'I', 'İ']))
}

/// Of each column the decimals, if it is a decimal with all the digits there are; none for the columns behind the last.
type Full = Vec<Option<i32>>;

fn full_decimals(batch: &RecordBatch) -> Full {
    let decimals = |column: &ArrayRef| match *column.data_type() {
        DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale) => Some(i32::from(scale)),
        _ => None,
    };
    batch.columns().iter().map(decimals).collect()
}

/// In what the numbers of a database differ.
struct Differing {
    /// Averages have four digits more than what is averaged in Junto, and more or fewer elsewhere.
    averages: bool,
    /// Where a decimal would need more than 38 digits, DuckDB leaves out some behind the point,
    decimals: bool,
    /// as it does in these columns.
    full: Full,
}

/// Compares rows, but for how a number is written.
fn compare(differing: &Differing, ours: Vec<Vec<String>>, theirs: Vec<Vec<String>>, is_ordered: bool) -> Opinion {
    let prepared = |rows: Vec<Vec<String>>| {
        let row = |row: Vec<String>| -> Vec<Cell> {
            let cell =
                |(column, text)| Cell::new(text, if differing.averages { Some(2) } else { differing.full(column) });
            row.into_iter().enumerate().map(cell).collect()
        };
        let mut rows: Vec<Vec<Cell>> = rows.into_iter().map(row).collect();
        if !is_ordered {
            rows.sort_unstable();
        }
        rows
    };
    let (ours, theirs) = (prepared(ours), prepared(theirs));
    let same_row = |ours: &Vec<Cell>, theirs: &Vec<Cell>| {
        let mut cells = ours.iter().zip(theirs).enumerate();
        ours.len() == theirs.len() && cells.all(|(column, (ours, theirs))| ours.is_same(theirs, differing, column))
    };
    if ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(ours, theirs)| same_row(ours, theirs)) {
        return Opinion::Same;
    }
    let mut text = format!("{} rows", theirs.len());
    for (whose, rows, others) in [("here", &ours, &theirs), ("there", &theirs, &ours)] {
        let own = rows.iter().filter(|row| !others.iter().any(|other| same_row(row, other)));
        for row in own.take(SHOWN_ROWS) {
            let cells: Vec<&str> = row.iter().map(|cell| &cell.text[..]).collect();
            let _ = write!(text, "\n    only {whose}: {}", cells.join(SEPARATOR));
        }
    }
    Opinion::Other(text)
}

impl Differing {
    /// The decimals of a column that may have lost some.
    fn full(&self, column: usize) -> Option<i32> {
        self.full.get(column).copied().flatten()
    }
}

/// A value as it is compared, and first sorted by what rounded numbers share.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Cell {
    /// Rounded, where averages are.
    coarse: String,
    /// Numbers without zeros at the end and without exponent.
    text: String,
}

impl Cell {
    /// `decimals`: to what it is rounded to be sorted, where it is.
    fn new(text: String, decimals: Option<i32>) -> Self {
        let text = match &text[..] {
            "t" => "true".to_owned(),
            "f" => "false".to_owned(),
            _ => canonical_number(&text).unwrap_or(text),
        };
        let coarse = decimals.and_then(|decimals| {
            let unit = 10_f64.powi(decimals);
            Some(((text.parse::<f64>().ok()? * unit).round() / unit).to_string())
        });
        let coarse = coarse.unwrap_or_else(|| text.clone());
        Self { coarse, text }
    }

    fn is_same(&self, other: &Self, differing: &Differing, column: usize) -> bool {
        if self.text == other.text {
            return true;
        }
        let (Ok(a), Ok(b)) = (self.text.parse::<f64>(), other.text.parse::<f64>()) else { return false };
        if differing.averages && (a - b).abs() <= (1e-9 * a.abs()).max(1e-4) {
            return true;
        }
        let decimals = |text: &str| text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let (ours, theirs) = (decimals(&self.text), decimals(&other.text));
        let kept = if differing.decimals && ours >= MANY_DECIMALS {
            theirs as i32
        } else if let Some(decimals) = differing.full(column) {
            decimals
        } else {
            return false;
        };
        (kept as usize) < ours && (a - b).abs() <= 0.5000001 * 10_f64.powi(-kept)
    }
}

/// A number without exponent and without zeros at the end; none for other text.
fn canonical_number(text: &str) -> Option<String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let plain = if digits.contains(['e', 'E']) { text.parse::<f64>().ok()?.to_string() } else { text.to_owned() };
    if !plain.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')) || plain.rfind('-') > Some(0) {
        return None;
    }
    let short = if plain.contains('.') { plain.trim_end_matches('0').trim_end_matches('.') } else { &plain };
    Some(if short == "-0" { "0".to_owned() } else { short.to_owned() })
}
