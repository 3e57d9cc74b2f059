//! Reading a plan: a COPY for whole results, one parameterised query for keys. Both take one round trip.

use junto_connector::{BatchStream, OpenRequest, RemotePlan, Result};
use junto_connector_sql::{KeyValues, generate, tagged};

use crate::decode::copy::CopyStream;
use crate::decode::rows::Rows;
use crate::dialect::PostgresDialect;
use crate::error::WireError;
use crate::keys::{KeyParameters, parameters};
use crate::pool::{Lease, Pool, within};
use crate::read::{Afterwards, Framing, Reader, Statement};
use crate::wire::Bind;

/// The text of a plan: what is sent, but for the comment in front.
pub(crate) fn remote_text(plan: &RemotePlan, keys: Option<(&[usize], bool)>) -> Result<String> {
    let Some((columns, nulls)) = keys else {
        let select = generate(&PostgresDialect, plan, None)?;
        return Ok(format!("COPY ({select}) TO STDOUT (FORMAT binary)"));
    };
    generate(&PostgresDialect, plan, Some(KeyValues::Parameters { columns, nulls }))
}

/// Sends the plan and returns its batches.
pub(crate) async fn open(pool: &Pool, request: OpenRequest) -> Result<BatchStream> {
    let rows = Rows::new(request.plan.schema(), &[], request.batch_rows)?;
    let keys = request.keys.as_ref();
    let text = remote_text(&request.plan, keys.map(|keys| (keys.columns.as_slice(), keys.nulls)))?;
    let text = tagged(&request.context.statement, &text);
    let parameters = keys.map(|keys| parameters(keys, &request.plan.root.columns())).transpose()?;
    if parameters.as_ref().is_some_and(|parameters| parameters.rows == 0) && !keys.is_some_and(|keys| keys.nulls) {
        return Ok(Box::pin(futures::stream::empty()));
    }
    let framing = match parameters {
        Some(_) => Framing::Rows { held: Vec::new() },
        None => Framing::Copy(CopyStream::new()),
    };
    let tables: Vec<String> = request.plan.root.tables().iter().map(ToString::to_string).collect();
    let statement = Statement::Generated { tables: tables.join(", ") };
    let deadline = request.context.deadline;
    let lease = loop {
        let mut lease = pool.get(deadline).await?;
        request.context.metrics.add_query();
        match within(deadline, send(&mut lease, &text, parameters.as_ref())).await? {
            Ok(()) => break lease,
            // It died while nobody used it; no row was read, so another may be tried.
            Err(error) if lease.reused && error.is_farewell() => {}
            Err(error) => return Err(error.of(statement.origin())),
        }
    };
    let reader = Reader {
        lease: Some(lease),
        rows,
        framing,
        context: request.context,
        statement,
        afterwards: Afterwards::GiveBack,
        completed: false,
    };
    Ok(reader.into_stream())
}

/// Sends the statement and waits for the first sign of an answer.
async fn send(lease: &mut Lease, text: &str, keys: Option<&KeyParameters>) -> Result<(), WireError> {
    let session = lease.session();
    match keys {
        Some(keys) => session.execute(text, &keys.types, &Bind { parameters: &keys.values, binary: &[true] })?,
        None => session.simple(text)?,
    }
    session.flush().await?;
    session.await_answer().await
}
