//! Reading a plan: a COPY for whole results, one parameterised query for keys. Both take one round trip.

use junto_connector::{BatchStream, OpenRequest, RemotePlan, Result};
use junto_connector_sql::{KeyValues, generate_part, tagged};

use crate::decode::copy::CopyStream;
use crate::decode::rows::Rows;
use crate::dialect::PostgresDialect;
use crate::error::WireError;
use crate::keys::{KeyParameters, parameters};
use crate::pool::{Lease, Pool, within};
use crate::read::{Afterwards, Framing, Reader, Statement};
use crate::wire::{Bind, Session};

/// The text of a plan: what is sent, but for the comment in front.
pub(crate) fn remote_text(plan: &RemotePlan, keys: Option<(&[usize], bool)>) -> Result<String> {
    let select = select(plan, keys, None)?;
    Ok(if keys.is_some() { select } else { copy(&select) })
}

fn select(plan: &RemotePlan, keys: Option<(&[usize], bool)>, part: Option<&str>) -> Result<String> {
    let keys = keys.map(|(columns, nulls)| KeyValues::Parameters { columns, nulls });
    generate_part(&PostgresDialect, plan, keys, part)
}

fn copy(select: &str) -> String {
    format!("COPY ({select}) TO STDOUT (FORMAT binary)")
}

/// One statement of a read: a COPY, or with keys a query that takes them as parameters.
#[derive(Debug)]
pub(crate) struct Query {
    select: String,
    /// Comment with the statement's id.
    comment: String,
    keys: Option<KeyParameters>,
    nulls: bool,
}

impl Query {
    /// The statement that reads all that is asked for, or `part` of it: a condition on the plan's first table.
    pub(crate) fn new(request: &OpenRequest, part: Option<&str>) -> Result<Self> {
        let keys = request.keys.as_ref();
        let nulls = keys.is_some_and(|keys| keys.nulls);
        Ok(Self {
            select: select(&request.plan, keys.map(|keys| (keys.columns.as_slice(), nulls)), part)?,
            comment: tagged(&request.context.statement, ""),
            keys: keys.map(|keys| parameters(keys, &request.plan.root.columns())).transpose()?,
            nulls,
        })
    }

    /// Whether no row can have any of the keys.
    pub(crate) fn is_empty(&self) -> bool {
        !self.nulls && self.keys.as_ref().is_some_and(|keys| keys.rows == 0)
    }

    /// Sends the statement and waits for the first sign of an answer.
    pub(crate) async fn send(&self, session: &mut Session) -> Result<(), WireError> {
        match &self.keys {
            Some(keys) => self.execute(session, &self.select, keys, true)?,
            None => session.simple(&format!("{}{}", self.comment, copy(&self.select)))?,
        }
        session.flush().await?;
        session.await_answer().await
    }

    /// The server's plan for the statement, as JSON.
    pub(crate) async fn explain(&self, session: &mut Session) -> Result<String, WireError> {
        let sql = format!("EXPLAIN (FORMAT JSON) {}", self.select);
        match &self.keys {
            Some(keys) => self.execute(session, &sql, keys, false)?,
            None => session.simple(&format!("{}{sql}", self.comment))?,
        }
        let rows = session.answer().await?;
        let cell = rows.into_iter().next().and_then(|row| row.into_iter().next());
        Ok(cell.flatten().unwrap_or_default())
    }

    /// The reader of the answer to [`Self::send`].
    pub(crate) fn reader(&self, lease: Lease, request: &OpenRequest, afterwards: Afterwards) -> Result<Reader> {
        let framing = match self.keys {
            Some(_) => Framing::Rows { held: Vec::new() },
            None => Framing::Copy(CopyStream::new()),
        };
        Ok(Reader {
            lease: Some(lease),
            rows: Rows::new(request.plan.schema(), &[], request.batch_rows)?,
            framing,
            context: request.context.clone(),
            statement: statement(request),
            afterwards,
            completed: false,
            ended: false,
        })
    }

    fn execute(&self, session: &mut Session, sql: &str, keys: &KeyParameters, binary: bool) -> Result<(), WireError> {
        let bind = Bind { parameters: &keys.values, binary: &[binary] };
        session.execute(&format!("{}{sql}", self.comment), &keys.types, &bind)
    }
}

/// What the errors of a read name.
pub(crate) fn statement(request: &OpenRequest) -> Statement {
    Statement::Generated { tables: request.plan.table_names() }
}

/// Sends the plan and returns its batches.
pub(crate) async fn open(pool: &Pool, request: OpenRequest) -> Result<BatchStream> {
    let query = Query::new(&request, None)?;
    if query.is_empty() {
        return Ok(Box::pin(futures::stream::empty()));
    }
    let deadline = request.context.deadline;
    let lease = loop {
        let mut lease = pool.get(deadline).await?;
        request.context.metrics.add_query();
        match within(deadline, query.send(lease.session())).await? {
            Ok(()) => break lease,
            // It died while nobody used it; no row was read, so another may be tried.
            Err(error) if lease.reused && error.is_farewell() => {}
            Err(error) => return Err(error.of(statement(&request).origin())),
        }
    };
    Ok(query.reader(lease, &request, Afterwards::GiveBack)?.into_stream())
}
