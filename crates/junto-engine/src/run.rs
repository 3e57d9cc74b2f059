//! One execution of a statement: its rows, and what it cost each source.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{Stream, StreamExt};
use junto_connector::{Error as SourceError, NativeResult, SourceMetrics};
use junto_federation::{MeasuredExec, RemoteTable, StatementSources};
use junto_types::{Alias, Limits};

use crate::compile::{self, Compiled, Plan};
use crate::engine::Shared;
use crate::error::Error;
use crate::explain::Explanation;
use crate::settings::{StatementOptions, Strategy};

/// Times a statement is planned anew before it has delivered a row.
const MOST_RESTARTS: usize = 3;

type Batches = Pin<Box<dyn Stream<Item = Result<RecordBatch, Error>> + Send>>;

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ResultColumn {
    /// As the user would call it: alias as typed, the source's spelling, or the text of the expression.
    pub name: String,
    #[serde(serialize_with = "as_text")]
    pub data_type: DataType,
    /// The source's type, for columns that come from one table unchanged.
    pub source_type: Option<String>,
    pub connection: Option<String>,
    pub table: Option<String>,
}

fn as_text<S: serde::Serializer>(data_type: &DataType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(data_type)
}

impl ResultColumn {
    /// The column `field`, under the name people see.
    pub(crate) fn of(field: &Field, shown: &str) -> Self {
        Self {
            name: shown.to_owned(),
            data_type: field.data_type().clone(),
            source_type: None,
            connection: None,
            table: None,
        }
    }

    /// The same, as a column of a table.
    pub(crate) fn of_table(self, table: &RemoteTable, column: usize) -> Self {
        let Some(column) = table.info.columns.get(column) else { return self };
        // Where nobody named the column, it still has the name of the source's column: in the source's spelling.
        let name = if column.name.to_lowercase() == self.name { column.name.clone() } else { self.name };
        Self {
            name,
            source_type: Some(column.source_type.clone()),
            connection: Some(table.connection.to_string()),
            table: Some(table.info.name.to_string()),
            ..self
        }
    }
}

/// What one source has contributed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SourceReport {
    pub connection: String,
    pub rows: u64,
    pub bytes: u64,
    pub queries: u64,
}

/// Live figures of a statement; can be watched while another task reads the rows.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    sources: Vec<(String, Arc<SourceMetrics>)>,
}

impl Progress {
    pub(crate) fn of(alias: &Alias, metrics: Arc<SourceMetrics>) -> Self {
        Self { sources: vec![(alias.to_string(), metrics)] }
    }

    fn of_all(sources: &StatementSources) -> Self {
        let mut sources: Vec<_> = sources.metrics().map(|(alias, m)| (alias.to_string(), Arc::clone(m))).collect();
        sources.sort_by(|left, right| left.0.cmp(&right.0));
        Self { sources }
    }

    /// Figures per source, by alias.
    pub fn sources(&self) -> Vec<SourceReport> {
        let report = |(connection, metrics): &(String, Arc<SourceMetrics>)| SourceReport {
            connection: connection.clone(),
            rows: metrics.rows(),
            bytes: metrics.bytes(),
            queries: metrics.queries(),
        };
        self.sources.iter().map(report).collect()
    }
}

/// Rows of one statement. Dropping it cancels the statement on every source.
pub struct Run {
    pub columns: Vec<ResultColumn>,
    /// Schema of the batches, with the names of `columns`.
    pub schema: SchemaRef,
    /// How it runs.
    pub strategy: Strategy,
    /// Why it runs so.
    pub reason: String,
    /// Rows changed by a native statement.
    pub affected: Option<u64>,
    pub progress: Progress,
    batches: Batches,
    deadline: Option<Instant>,
    timeout_ms: u64,
    rows_left: Option<u64>,
    delivered: bool,
    truncated: bool,
    ended: bool,
    federated: Option<Federated>,
}

/// What a federated run needs to start once more.
struct Federated {
    shared: Arc<Shared>,
    sql: String,
    options: StatementOptions,
    compiled: Arc<Compiled>,
    /// The plan that runs, if the bytes are counted that its operators hand on.
    measured: Option<Arc<dyn ExecutionPlan>>,
    attempt: Plan,
    restarts: usize,
    /// Why it was started once more.
    reasons: Vec<String>,
}

impl Run {
    /// A statement that is planned, and begins with [`Run::start`].
    pub(crate) async fn planned(shared: Arc<Shared>, sql: &str, options: &StatementOptions) -> Result<Self, Error> {
        let attempt = Plan::default();
        let limits = &options.limits;
        let deadline = limits.timeout.map(|timeout| Instant::now() + timeout);
        let compiled = compiled(&shared, sql, options, attempt, deadline).await?;
        Ok(Self {
            columns: compiled.columns.clone(),
            schema: named(&compiled.columns, &compiled.plan.schema()),
            strategy: compiled.strategy,
            reason: compiled.reason.clone(),
            affected: None,
            progress: Progress::of_all(&compiled.sources),
            batches: Box::pin(futures::stream::empty()),
            deadline,
            timeout_ms: timeout_ms(limits),
            rows_left: limits.max_rows,
            delivered: false,
            truncated: false,
            ended: false,
            federated: Some(Federated {
                shared,
                sql: sql.to_owned(),
                options: options.clone(),
                compiled,
                measured: None,
                attempt,
                restarts: 0,
                reasons: Vec::new(),
            }),
        })
    }

    pub(crate) fn native(
        alias: Alias,
        answer: NativeResult,
        progress: Progress,
        deadline: Option<Instant>,
        limits: &Limits,
    ) -> Self {
        let column = |field: &Arc<Field>| ResultColumn {
            connection: Some(alias.to_string()),
            ..ResultColumn::of(field, field.name())
        };
        let columns = answer.schema.fields().iter().map(column).collect();
        let reason = format!("the statement names no connection and goes to @{alias} as it is");
        let batches = answer.stream.map(move |batch| batch.map_err(|e| Error::source_failed(&alias, e, None)));
        Self {
            columns,
            schema: answer.schema,
            strategy: Strategy::Native,
            reason,
            affected: answer.affected,
            progress,
            batches: Box::pin(batches),
            deadline,
            timeout_ms: timeout_ms(limits),
            rows_left: limits.max_rows,
            delivered: false,
            truncated: false,
            ended: false,
            federated: None,
        }
    }

    /// Begins to read; with `measured`, the bytes are counted that operators hand on.
    ///
    /// # Errors
    /// What the plan refuses at once.
    pub(crate) fn start(&mut self, measured: bool) -> Result<(), Error> {
        let Some(federated) = &mut self.federated else { return Ok(()) };
        let compiled = &federated.compiled;
        let (sql, memory) = (federated.sql.clone(), federated.options.limits.memory_bytes);
        let failed = move |error| Error::from_datafusion(&error, &sql, memory);
        let mut plan = Arc::clone(&compiled.plan);
        if measured {
            plan = MeasuredExec::over_all(plan).map_err(&failed)?;
            federated.measured = Some(Arc::clone(&plan));
        }
        let stream = execute_stream(plan, Arc::clone(&compiled.task)).map_err(&failed)?;
        let schema = Arc::clone(&self.schema);
        self.batches = Box::pin(stream.map(move |batch| {
            let batch = batch.map_err(&failed)?;
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(Arc::clone(&schema), batch.columns().to_vec(), &options)
                .map_err(|cause| Error::Internal { message: cause.to_string() })
        }));
        Ok(())
    }

    /// The next rows, or the end. After an error nothing more comes.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, Error>> {
        while !self.ended {
            let polled = match self.deadline {
                Some(deadline) => match tokio::time::timeout_at(deadline.into(), self.batches.next()).await {
                    Ok(polled) => polled,
                    Err(_) => Some(Err(Error::TimedOut { milliseconds: self.timeout_ms })),
                },
                None => self.batches.next().await,
            };
            match polled {
                None => self.end(),
                Some(Ok(batch)) if batch.num_rows() == 0 => {}
                Some(Ok(batch)) => return self.limited(batch).map(Ok),
                Some(Err(error)) if self.delivered => return self.fail(error),
                Some(Err(error)) => match self.again(&error).await {
                    Ok(true) => {}
                    Ok(false) => return self.fail(error),
                    Err(second) => return self.fail(second),
                },
            }
        }
        None
    }

    /// All remaining batches.
    ///
    /// # Errors
    /// The first error; nothing partial is returned.
    pub async fn collect(&mut self) -> Result<Vec<RecordBatch>, Error> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }

    /// Whether the row limit cut the result. Final after the end.
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// Figures per source.
    pub fn sources(&self) -> Vec<SourceReport> {
        self.progress.sources()
    }

    /// The plan, with actual figures if they were measured.
    pub(crate) fn explanation(&self) -> Explanation {
        match &self.federated {
            Some(federated) => Explanation::federated(&federated.compiled, federated.measured.as_ref(), &self.reason),
            None => Explanation::default(),
        }
    }

    fn limited(&mut self, batch: RecordBatch) -> Option<RecordBatch> {
        self.delivered = true;
        let Some(left) = self.rows_left else { return Some(batch) };
        let rows = batch.num_rows() as u64;
        if rows <= left {
            self.rows_left = Some(left - rows);
            return Some(batch);
        }
        self.truncated = true;
        self.rows_left = Some(0);
        self.end();
        (left > 0).then(|| batch.slice(0, left as usize))
    }

    fn fail(&mut self, error: Error) -> Option<Result<RecordBatch, Error>> {
        self.end();
        Some(Err(error))
    }

    fn end(&mut self) {
        self.ended = true;
        if let Some(federated) = &self.federated {
            federated.compiled.sources.end();
        }
        self.batches = Box::pin(futures::stream::empty());
    }

    /// Starts the statement once more where that can help: nothing has been delivered yet.
    async fn again(&mut self, error: &Error) -> Result<bool, Error> {
        let Some(federated) = &mut self.federated else { return Ok(false) };
        if federated.restarts == MOST_RESTARTS {
            return Ok(false);
        }
        federated.restarts += 1;
        let asked = compile::asked_strategy(&federated.shared, &federated.options);
        let mut because = None;
        match error {
            Error::Source { connection, source, .. } => match source.as_ref() {
                SourceError::StaleCatalog { .. } | SourceError::ConnectionLost { .. } if federated.restarts == 1 => {
                    federated.shared.catalog.forget(connection);
                }
                SourceError::TooWide { column, wanted: Some(wanted), .. } => {
                    let is_wider = federated.shared.catalog.widen(connection, column, wanted.clone());
                    // Something was computed there. Columns as they are say which of them is wider than planned.
                    let may_compute_here = matches!(asked, Strategy::Auto | Strategy::Federated);
                    if is_wider {
                        // Each column once: no statement does this without end.
                        federated.restarts -= 1;
                    } else if federated.attempt.push_down && may_compute_here {
                        federated.attempt.push_down = false;
                    } else {
                        return Ok(false);
                    }
                }
                // It may not keep rows, or cannot. Nobody asked it to.
                SourceError::PermissionDenied { .. }
                | SourceError::Unsupported { .. }
                | SourceError::ReadOnly { .. }
                    if self.strategy == Strategy::Materialize
                        && asked == Strategy::Auto
                        && federated.attempt.may_materialize =>
                {
                    federated.attempt.may_materialize = false;
                    because = Some(format!("; rows cannot be brought to @{connection}: {source}"));
                }
                // A value that was not known while planning is one that the source does not take.
                SourceError::Unsupported { .. } if federated.attempt.values_in_reads => {
                    federated.attempt.values_in_reads = false;
                }
                _ => return Ok(false),
            },
            Error::Memory { .. } if federated.attempt.prefer_hash_join => {
                federated.attempt.prefer_hash_join = false;
                because = Some("; joins sort and spill, the memory limit is too small to hash".to_owned());
            }
            _ => return Ok(false),
        }
        let Federated { shared, sql, options, attempt, .. } = &*federated;
        let compiled = compiled(shared, sql, options, *attempt, self.deadline).await?;
        self.columns.clone_from(&compiled.columns);
        self.schema = named(&compiled.columns, &compiled.plan.schema());
        self.strategy = compiled.strategy;
        federated.reasons.extend(because);
        self.reason = format!("{}{}", compiled.reason, federated.reasons.concat());
        self.progress = Progress::of_all(&compiled.sources);
        federated.compiled = compiled;
        let measured = federated.measured.is_some();
        self.start(measured)?;
        Ok(true)
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("columns", &self.columns).field("strategy", &self.strategy).finish_non_exhaustive()
    }
}

fn timeout_ms(limits: &Limits) -> u64 {
    limits.timeout.map_or(0, |timeout| timeout.as_millis() as u64)
}

/// Compiles on a task of its own: planning a huge statement does not yield, and the deadline holds all the same.
async fn compiled(
    shared: &Arc<Shared>,
    sql: &str,
    options: &StatementOptions,
    attempt: Plan,
    deadline: Option<Instant>,
) -> Result<Arc<Compiled>, Error> {
    let (shared, sql, options) = (Arc::clone(shared), sql.to_owned(), options.clone());
    let milliseconds = timeout_ms(&options.limits);
    let work = async move { compile::compile(&shared, &sql, &options, attempt).await };
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(work);
    let joined = match deadline {
        None => tasks.join_next().await,
        Some(deadline) => match tokio::time::timeout_at(deadline.into(), tasks.join_next()).await {
            Ok(joined) => joined,
            Err(_) => return Err(Error::TimedOut { milliseconds }),
        },
    };
    match joined {
        Some(Ok(result)) => result.map(Arc::new),
        Some(Err(failed)) => Err(Error::Internal { message: format!("planning failed: {failed}") }),
        None => Err(Error::Internal { message: "planning ended without a result".into() }),
    }
}

fn named(columns: &[ResultColumn], schema: &SchemaRef) -> SchemaRef {
    let fields =
        schema.fields().iter().zip(columns).map(|(field, column)| field.as_ref().clone().with_name(&column.name));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
