//! A connector under test, and how the suite reads from it.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::StreamExt;
use junto_connector::{Connector, Error, Keys, OpenRequest, RemotePlan, Result, StatementContext, check_plan};

use super::dataset::Dialect;
use super::value::{Row, rows_of};

type Watch = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Statements in the source's own language.
#[derive(Debug, Clone, Default)]
pub struct NativeProbe {
    /// Returns at least one row.
    pub read: String,
    /// Each must be refused in a read-only session, and change nothing.
    pub writes: Vec<String>,
}

/// A live connector with the standard tables in its default schema.
#[derive(Clone)]
pub struct Subject {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) dialect: Option<Dialect>,
    pub(crate) watch: Option<Watch>,
    pub(crate) native: Option<NativeProbe>,
    pub(crate) ambiguous: Option<String>,
}

impl Subject {
    /// The connector alone: its tables may hold anything, values are not compared with [`super::dataset`].
    pub fn new(connector: Arc<dyn Connector>) -> Self {
        Self { connector, dialect: None, watch: None, native: None, ambiguous: None }
    }

    /// The tables are those of [`super::dataset::sql`]: scans must deliver its values, and keys must be listed.
    #[must_use]
    pub fn seeded_as(mut self, dialect: Dialect) -> Self {
        self.dialect = Some(dialect);
        self
    }

    /// How to see whether the source still works on a statement: given the statement's id, whether its activity list
    /// holds a query with that id in it. Without it, cancellation is only checked to return.
    #[must_use]
    pub fn watched(mut self, watch: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.watch = Some(Arc::new(watch));
        self
    }

    /// Statements to try on the native path.
    #[must_use]
    pub fn native(mut self, probe: NativeProbe) -> Self {
        self.native = Some(probe);
        self
    }

    /// A table name that matches two tables when case is ignored, and neither exactly.
    #[must_use]
    pub fn ambiguous(mut self, table: impl Into<String>) -> Self {
        self.ambiguous = Some(table.into());
        self
    }

    /// A request for everything the plan delivers.
    pub(crate) fn request(&self, plan: &RemotePlan) -> OpenRequest {
        OpenRequest { plan: Arc::new(plan.clone()), keys: None, batch_rows: 8192, context: StatementContext::new(None) }
    }

    /// All batches of a request, each checked against the plan's schema and the requested size.
    pub(crate) async fn batches(&self, request: OpenRequest) -> Result<Vec<RecordBatch>> {
        let schema = request.plan.schema();
        let batch_rows = request.batch_rows;
        let mut stream = self.connector.open(request).await?;
        let mut batches = Vec::new();
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            if let Some(difference) = difference(&schema, &batch.schema()) {
                return Err(Error::internal(format!("a batch does not have the plan's schema: {difference}")));
            }
            if batch.num_rows() > batch_rows {
                let rows = batch.num_rows();
                return Err(Error::internal(format!("a batch of {rows} rows where {batch_rows} were the most")));
            }
            batches.push(batch);
        }
        Ok(batches)
    }

    /// All rows of a plan.
    pub(crate) async fn rows(&self, plan: &RemotePlan) -> Result<Vec<Row>> {
        Ok(rows_of(&self.batches(self.request(plan)).await?))
    }

    /// All rows of a plan restricted to keys.
    pub(crate) async fn keyed_rows(&self, plan: &RemotePlan, keys: Keys) -> Result<Vec<Row>> {
        let request = OpenRequest { keys: Some(keys), ..self.request(plan) };
        Ok(rows_of(&self.batches(request).await?))
    }

    /// The text for a plan, for messages.
    pub(crate) fn text(&self, plan: &RemotePlan) -> String {
        self.connector.remote_text(plan, None).unwrap_or_else(|error| format!("(no text: {error})"))
    }

    /// As [`check_plan`] on this connector.
    pub(crate) fn permits(&self, plan: &RemotePlan) -> Result<junto_connector::Support> {
        check_plan(self.connector.as_ref(), plan)
    }
}

/// How two schemas differ in names, types or number of columns; nullability may be narrower in a batch.
fn difference(planned: &arrow_schema::Schema, delivered: &arrow_schema::Schema) -> Option<String> {
    let describe = |schema: &arrow_schema::Schema| {
        let fields = schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type()));
        fields.collect::<Vec<_>>().join(", ")
    };
    let (planned, delivered) = (describe(planned), describe(delivered));
    (planned != delivered).then(|| format!("planned ({planned}), delivered ({delivered})"))
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("connector", &self.connector)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}
