//! The logical leaf that stands for a read of one source.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::common::DFSchemaRef;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use junto_connector::{Connector, Prefer, Relation, RemotePlan, TableInfo};
use junto_types::Alias;

use crate::cost::Work;
use crate::source::RemoteTable;

/// A [`RemotePlan`] in place of the operators it absorbed; its schema is exactly theirs.
#[derive(Debug, Clone)]
pub struct RemoteNode {
    /// The connection's alias; physical plans hold this, never the connection.
    pub connection: Alias,
    /// Consulted for capabilities while planning.
    pub connector: Arc<dyn Connector>,
    /// What the connection's owner wants of the planner.
    pub prefer: Prefer,
    pub plan: RemotePlan,
    pub schema: DFSchemaRef,
    /// Per output column, the column of a table it is, if it is one.
    pub origin: Vec<Option<Origin>>,
    /// What the plan costs its source, and the rows that leave it.
    pub work: Work,
    /// Why operators above were not absorbed, for EXPLAIN.
    pub kept_local: Vec<String>,
    /// Groups of the plan's aggregate are merged above, so they may arrive in parts.
    pub partial_groups: bool,
    /// Temporary tables that the plan reads, and what fills them.
    pub filled: Vec<Filled>,
    /// Whether the plan may have parameters.
    pub takes_values: bool,
    /// Subqueries whose values are the plan's parameters, in their order.
    pub parameters: Vec<Expr>,
}

/// A temporary table of the source and the plan whose rows it holds.
#[derive(Debug, Clone)]
pub struct Filled {
    pub table: Arc<TableInfo>,
    pub input: LogicalPlan,
    /// Estimated rows.
    pub rows: f64,
}

/// A column of a table.
#[derive(Debug, Clone)]
pub struct Origin {
    pub table: Arc<RemoteTable>,
    /// Position in the table.
    pub column: usize,
}

impl Origin {
    /// The column's name in the source.
    pub(crate) fn name(&self) -> &str {
        &self.table.info.columns[self.column].name
    }

    /// Whether the source reaches rows by values of this column without reading the table.
    pub(crate) fn is_indexed(&self) -> bool {
        self.table.is_indexed(self.name())
    }
}

impl RemoteNode {
    /// The node as a plan.
    pub(crate) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    /// The node that a plan is, if it is one.
    pub(crate) fn of(plan: &LogicalPlan) -> Option<&RemoteNode> {
        match plan {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// The node with other plans filling its temporary tables.
    pub(crate) fn with_inputs(&self, inputs: Vec<LogicalPlan>) -> Self {
        let mut node = self.clone();
        node.filled.iter_mut().zip(inputs).for_each(|(filled, input)| filled.input = input);
        node
    }

    /// Whether an index on a column of its only table has everything that the plan reads of that table.
    pub(crate) fn is_covered_by(&self, key: &Origin) -> bool {
        let mut relation = &self.plan.root;
        while let [input] = relation.inputs().as_slice() {
            relation = input;
        }
        match relation {
            Relation::Scan { table, columns } if *table == key.table.info.name => {
                let columns: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                key.table.info.has_index_over(key.name(), &columns)
            }
            _ => false,
        }
    }

    /// Whether one query could read this node and `other`.
    pub(crate) fn shares_source_with(&self, other: &RemoteNode) -> bool {
        self.connection == other.connection || self.connector.remote_id() == other.connector.remote_id()
    }
}

impl PartialEq for RemoteNode {
    fn eq(&self, other: &Self) -> bool {
        self.connection == other.connection
            && self.plan == other.plan
            && self.schema == other.schema
            && self.parameters == other.parameters
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
        self.connection.hash(state);
        self.plan.root.tables().hash(state);
    }
}

impl UserDefinedLogicalNodeCore for RemoteNode {
    fn name(&self) -> &'static str {
        "Remote"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        self.filled.iter().map(|filled| &filled.input).collect()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.parameters.clone()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote: @{} {}", self.connection, self.plan.table_names())
    }

    fn with_exprs_and_inputs(&self, expressions: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(Self { parameters: expressions, ..self.with_inputs(inputs) })
    }
}
