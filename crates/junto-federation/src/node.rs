//! The logical leaf that stands for a read of one source.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::common::DFSchemaRef;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use junto_connector::RemotePlan;

use crate::source::RemoteTable;

/// A [`RemotePlan`] in place of the operators it absorbed; its schema is exactly theirs.
#[derive(Debug, Clone)]
pub struct RemoteNode {
    pub table: Arc<RemoteTable>,
    pub plan: RemotePlan,
    pub schema: DFSchemaRef,
    /// Per output column, the column of the table it is, if it is one.
    pub origin: Vec<Option<usize>>,
    /// Estimated rows of the plan.
    pub rows: Option<f64>,
    /// Why operators above were not absorbed, for EXPLAIN.
    pub kept_local: Vec<String>,
}

impl PartialEq for RemoteNode {
    fn eq(&self, other: &Self) -> bool {
        self.table.connection == other.table.connection && self.plan == other.plan && self.schema == other.schema
    }
}

impl Eq for RemoteNode {}

impl PartialOrd for RemoteNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl Hash for RemoteNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.table.connection.hash(state);
        self.table.info.name.hash(state);
    }
}

impl UserDefinedLogicalNodeCore for RemoteNode {
    fn name(&self) -> &'static str {
        "Remote"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        Vec::new()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote: {:?}", self.table)
    }

    fn with_exprs_and_inputs(&self, _expressions: Vec<Expr>, _inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(self.clone())
    }
}
