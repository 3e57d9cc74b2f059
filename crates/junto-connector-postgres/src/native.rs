//! Statements of the user's, in PostgreSQL's own dialect.
//!
//! Reads run inside `BEGIN READ ONLY` after a query of ours, which makes `SET TRANSACTION READ WRITE` refused; one
//! statement per message, so that nothing follows a `COMMIT`; and `default_transaction_read_only` stands behind that.
//! Columns whose binary form Junto knows come in binary, all others in text.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use junto_connector::{Error, NativeRequest, NativeResult, Result, StatementContext};
use junto_connector_sql::tagged;
use postgres_protocol::message::backend::{CommandCompleteBody, Message};

use crate::decode::rows::{Rows, fields};
use crate::decode::{Encoding, numeric_extent};
use crate::error::WireError;
use crate::numeric_rules::decimal;
use crate::pool::{Lease, Pool, within};
use crate::read::{Afterwards, Framing, Reader, Statement, finish};
use crate::types::{NativeType, native_type};
use crate::wire::{Bind, Frame, Session, tag};

/// Rows looked at before the type of a bare numeric is decided, in bytes at most.
const HELD_BYTES: usize = 16 << 20;

/// A column of the result. The type is not known yet for a bare numeric.
#[derive(Debug)]
struct Column {
    name: String,
    read_as: Option<NativeType>,
}

/// Runs one statement.
pub(crate) async fn native(pool: &Pool, request: NativeRequest) -> Result<NativeResult> {
    let text = tagged(&request.context.statement, &request.sql);
    let prefix = text.chars().count() - request.sql.chars().count();
    let statement = Statement::Native { sql: request.sql.clone(), prefix };
    let deadline = request.context.deadline;
    let afterwards = if request.read_only { Afterwards::Reset } else { Afterwards::Close };
    loop {
        let mut lease =
            if request.read_only { pool.get(deadline).await? } else { pool.get_for_writing(deadline).await? };
        request.context.metrics.add_query();
        let prepared = within(deadline, prepare(lease.session(), &text, request.read_only)).await?;
        let columns = match prepared {
            Ok(columns) => columns,
            Err(error) if lease.reused && error.is_farewell() => continue,
            Err(error) => return Err(refused(lease, error, &statement, &request.context, afterwards).await),
        };
        let started = within(deadline, execute(lease.session(), columns.as_deref().unwrap_or_default())).await?;
        if let Err(error) = started {
            return Err(refused(lease, error, &statement, &request.context, afterwards).await);
        }
        return match columns {
            Some(columns) => rows(lease, columns, statement, request, afterwards).await,
            None => without_rows(lease, &statement, &request.context, afterwards).await,
        };
    }
}

/// The error, after the connection was brought to rest.
async fn refused(
    mut lease: Lease,
    error: WireError,
    statement: &Statement,
    context: &StatementContext,
    afterwards: Afterwards,
) -> Error {
    if matches!(error, WireError::Server(_))
        && let Ok(Ok(())) = within(context.deadline, lease.session().settle()).await
    {
        finish(lease, afterwards).await;
    }
    error.of(statement.origin())
}

/// Begins, prepares and describes in one round trip. No columns: the statement returns no rows.
async fn prepare(session: &mut Session, text: &str, read_only: bool) -> Result<Option<Vec<Column>>, WireError> {
    if read_only {
        session.simple("BEGIN READ ONLY; SELECT 1")?;
    }
    session.prepare(text)?;
    session.flush().await?;
    if read_only {
        while session.message().await?.is_some() {}
    }
    let mut columns = None;
    while let Some(message) = session.message().await? {
        if let Message::RowDescription(description) = message {
            use fallible_iterator::FallibleIterator;
            let column = |field: postgres_protocol::message::backend::Field<'_>| {
                Ok(Column {
                    name: field.name().to_owned(),
                    read_as: native_type(field.type_oid(), field.type_modifier()),
                })
            };
            columns = Some(description.fields().map(column).collect()?);
        }
    }
    Ok(columns)
}

async fn execute(session: &mut Session, columns: &[Column]) -> Result<(), WireError> {
    let binary: Vec<bool> =
        columns.iter().map(|column| column.read_as.as_ref().is_none_or(|read_as| read_as.binary)).collect();
    session.execute_prepared(&Bind { parameters: &[], binary: &binary })?;
    session.flush().await
}

/// Runs a statement that returns no rows to its end.
async fn without_rows(
    mut lease: Lease,
    statement: &Statement,
    context: &StatementContext,
    afterwards: Afterwards,
) -> Result<NativeResult> {
    let outcome = within(context.deadline, complete(lease.session())).await?;
    match outcome {
        Ok(affected) => {
            finish(lease, afterwards).await;
            Ok(NativeResult::without_rows(affected))
        }
        Err(error) => Err(refused(lease, error, statement, context, afterwards).await),
    }
}

async fn complete(session: &mut Session) -> Result<Option<u64>, WireError> {
    let mut affected = None;
    let mut copied = false;
    loop {
        match session.message().await {
            Ok(Some(Message::CommandComplete(body))) => affected = affected_rows(&body),
            Ok(Some(Message::CopyInResponse(_))) => {
                copied = true;
                session.refuse_copy().await?;
            }
            Ok(Some(Message::CopyOutResponse(_))) => copied = true,
            Ok(Some(_)) => {}
            Ok(None) if copied => return Err(WireError::CopyRefused),
            Ok(None) => return Ok(affected),
            // What the server says of a COPY we refused is not what the user should read.
            Err(WireError::Server(_)) if copied => {
                session.settle().await?;
                return Err(WireError::CopyRefused);
            }
            Err(error) => return Err(error),
        }
    }
}

/// The count in a tag such as `INSERT 0 5`; none for those without one.
fn affected_rows(body: &CommandCompleteBody) -> Option<u64> {
    body.tag().ok()?.rsplit(' ').next()?.parse().ok()
}

/// The stream of a statement that returns rows. With bare numerics the first rows are held until their scale is known.
async fn rows(
    mut lease: Lease,
    columns: Vec<Column>,
    statement: Statement,
    request: NativeRequest,
    afterwards: Afterwards,
) -> Result<NativeResult> {
    let context = request.context;
    let mut held = Held::default();
    if columns.iter().any(|column| column.read_as.is_none()) {
        let outcome = within(context.deadline, hold(lease.session(), request.batch_rows, &mut held)).await?;
        if let Err(error) = outcome {
            return Err(refused(lease, error, &statement, &context, afterwards).await);
        }
    }
    let columns = resolve(columns, &held.bytes)?;
    let schema = schema_of(&columns);
    let encodings: Vec<Encoding> = columns.iter().map(|(_, read_as)| read_as.encoding).collect();
    let rows = Rows::new(Arc::clone(&schema), &encodings, request.batch_rows)?;
    let framing = Framing::Rows { held: held.bytes };
    let reader = Reader {
        lease: Some(lease),
        rows,
        framing,
        context,
        statement,
        afterwards,
        completed: held.completed,
        ended: false,
    };
    Ok(NativeResult { schema, stream: reader.into_stream(), affected: None })
}

fn schema_of(columns: &[(String, NativeType)]) -> SchemaRef {
    let field = |(name, read_as): &(String, NativeType)| Field::new(name, read_as.data_type.clone(), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// Rows received before their decoder was known.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    completed: bool,
}

async fn hold(session: &mut Session, batch_rows: usize, held: &mut Held) -> Result<(), WireError> {
    let mut count = 0;
    while count < batch_rows && held.bytes.len() < HELD_BYTES && !held.completed {
        match session.next()? {
            Some(Frame { tag: tag::DATA_ROW, body }) => {
                held.bytes.extend_from_slice(body);
                count += 1;
            }
            // "Ready" is left for the reader.
            Some(Frame { tag: tag::COMMAND_COMPLETE, .. }) => held.completed = true,
            Some(Frame { tag: tag::READY, .. }) => return Err(WireError::Protocol("an end before the last row")),
            Some(_) => {}
            None => session.fill().await?,
        }
    }
    Ok(())
}

/// Decides each bare numeric: a decimal that holds every value seen, or text where there is NaN or no width suffices.
fn resolve(columns: Vec<Column>, held: &[u8]) -> Result<Vec<(String, NativeType)>> {
    let mut extents: Vec<Option<(i32, i32)>> = vec![Some((1, 0)); columns.len()];
    let mut rest = held;
    while !rest.is_empty() {
        rest = fields(rest, |at, value| {
            let (Some(extent), Some(value)) = (extents.get_mut(at), value) else { return };
            if columns.get(at).is_some_and(|column| column.read_as.is_none()) {
                let seen = numeric_extent(value);
                *extent = extent.zip(seen).map(|(a, b)| (a.0.max(b.0), a.1.max(b.1)));
            }
        })?;
    }
    let decided = |(column, extent): (Column, Option<(i32, i32)>)| {
        let binary = |data_type| NativeType { data_type, encoding: Encoding::Plain, binary: true };
        let read_as = column.read_as.unwrap_or_else(|| match extent {
            Some((integer, scale)) if integer + scale <= 38 => binary(decimal(38, scale.max(0) as i8)),
            Some((integer, scale)) if integer + scale <= 76 => binary(decimal(76, scale.max(0) as i8)),
            _ => NativeType { encoding: Encoding::Numeric, ..binary(DataType::Utf8View) },
        });
        (column.name, read_as)
    };
    Ok(columns.into_iter().zip(extents).map(decided).collect())
}
