//! The engine as sqllogictest sees a database.
//!
//! A statement may start with a prefix of ours, up to a colon:
//! - `native on ALIAS: …` goes to that connection as it is, read-only; `write on ALIAS: …` may write;
//! - `columns of: …` gives a row per result column: name, type, source type, connection;
//! - `rows read by: …` runs the statement and gives a row per connection: alias, rows it sent, queries it ran;
//! - `within N ms: …`, `memory N MB: …`, `limit N: …` set a limit of the statement.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use junto_engine::{Engine, Run, StatementOptions};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType};

use crate::render;
use crate::script::SOURCE_VARIABLE;

/// Runs statements of one file. `$SRC` in them stands for the alias the file is run on.
#[derive(Debug, Clone)]
pub struct Database {
    engine: Arc<Engine>,
    source: Option<String>,
}

/// What a statement failed with: message, hint, and the place in the text.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    text: String,
}

impl Failure {
    fn of(error: &junto_engine::Error, sql: &str) -> Self {
        let mut text = format!("{:?} error: {error}", error.kind());
        if let Some(hint) = error.hint() {
            text.push_str(&format!("; hint: {hint}"));
        }
        if let Some(span) = error.span() {
            let place = span.line_column(sql);
            text.push_str(&format!("; at line {} column {}: `{}`", place.line, place.column, span.of(sql)));
        }
        Self { text }
    }
}

/// What is wanted of a run.
enum Shown {
    Rows,
    Columns,
    Traffic,
}

type Output = DBOutput<DefaultColumnType>;

impl Database {
    /// The engine, for a file that is run on `source`.
    pub fn new(engine: Arc<Engine>, source: Option<String>) -> Self {
        Self { engine, source }
    }

    async fn answer(&self, sql: &str) -> Result<Output, Failure> {
        let mut options = StatementOptions::default();
        let (shown, sql) = prefixes(sql, &mut options)?;
        let failed = |error: junto_engine::Error| Failure::of(&error, sql);
        let mut run = self.engine.execute(sql, &options).await.map_err(failed)?;
        let batches = run.collect().await.map_err(failed)?;
        Ok(match shown {
            Shown::Rows => rows(&run, &batches)?,
            Shown::Columns => columns(&run),
            Shown::Traffic => traffic(&run),
        })
    }
}

/// Reads the prefixes off a statement.
fn prefixes<'a>(sql: &'a str, options: &mut StatementOptions) -> Result<(Shown, &'a str), Failure> {
    let mut shown = Shown::Rows;
    let mut rest = sql.trim_start();
    while let Some((prefix, after)) = rest.split_once(':') {
        let number = |text: &str| {
            text.parse::<u64>().map_err(|_| Failure { text: format!("`{prefix}` needs a number, not `{text}`") })
        };
        match prefix.split_whitespace().collect::<Vec<_>>()[..] {
            ["native", "on", alias] => options.connection = Some(alias.to_owned()),
            ["write", "on", alias] => {
                options.connection = Some(alias.to_owned());
                options.allow_write = true;
            }
            ["columns", "of"] => shown = Shown::Columns,
            ["rows", "read", "by"] => shown = Shown::Traffic,
            ["within", text, "ms"] => options.limits.timeout = Some(Duration::from_millis(number(text)?)),
            ["memory", text, "MB"] => options.limits.memory_bytes = (number(text)? as usize) << 20,
            ["limit", text] => options.limits.max_rows = Some(number(text)?),
            _ => break,
        }
        rest = after.trim_start();
    }
    Ok((shown, rest))
}

fn rows(run: &Run, batches: &[RecordBatch]) -> Result<Output, Failure> {
    if run.columns.is_empty() {
        return Ok(DBOutput::StatementComplete(run.affected.unwrap_or_default()));
    }
    let types = run.schema.fields().iter().map(|field| render::column_type(field.data_type())).collect();
    let rows = render::rows(batches).map_err(|error| Failure { text: error.to_string() })?;
    Ok(DBOutput::Rows { types, rows })
}

fn columns(run: &Run) -> Output {
    let or_none = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), render::visible);
    let rows = run.columns.iter().map(|column| {
        let (source_type, connection) = (or_none(&column.source_type), or_none(&column.connection));
        vec![render::visible(&column.name), column.data_type.to_string(), source_type, connection]
    });
    DBOutput::Rows { types: vec![DefaultColumnType::Text; 4], rows: rows.collect() }
}

fn traffic(run: &Run) -> Output {
    let row = |source: junto_engine::SourceReport| {
        vec![source.connection, source.rows.to_string(), source.queries.to_string()]
    };
    let types = vec![DefaultColumnType::Text, DefaultColumnType::Integer, DefaultColumnType::Integer];
    DBOutput::Rows { types, rows: run.sources().into_iter().map(row).collect() }
}

#[async_trait]
impl AsyncDB for Database {
    type Error = Failure;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<Output, Failure> {
        let sql = match &self.source {
            Some(source) => sql.replace(SOURCE_VARIABLE, source),
            None => sql.to_owned(),
        };
        self.answer(&sql).await
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &'static str {
        "junto"
    }
}
