//! What can be set: for the engine as a whole and for one statement.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use junto_types::{Limits, nearest};
use serde::{Deserialize, Serialize};

/// Settings of an engine.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub multiquery: MultiQuery,
    /// Folder for spilled joins, sorts and aggregates; the system's temporary folder by default.
    pub spill_directory: Option<PathBuf>,
    /// Tasks that compute at the same time; one per core by default.
    pub threads: Option<usize>,
    /// Developer's switches for differential tests; all on by default.
    pub planning: Planning,
}

/// Parts of the planner that can be switched off to compare answers. They never change an answer.
#[derive(Debug, Clone, Copy)]
pub struct Planning {
    pub reorder_joins: bool,
    pub push_down: bool,
    pub keyed_scans: bool,
    /// Equal reads and other equal parts of one statement run once.
    pub read_once: bool,
    /// Gives sources whatever they compute exactly, also where that is slower; off by default.
    pub whatever_it_costs: bool,
}

impl Default for Planning {
    fn default() -> Self {
        Self { reorder_joins: true, push_down: true, keyed_scans: true, read_once: true, whatever_it_costs: false }
    }
}

/// Section `[multiquery]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultiQuery {
    /// Statements with `@` are allowed at all.
    pub enabled: bool,
    /// Connections one statement may use.
    pub max_concurrent_connections: usize,
    pub default_strategy: Strategy,
    pub timeout: Duration,
    /// Rows of one JSON answer of the API.
    pub max_result_rows: u64,
    /// One statement may span different kinds of database.
    pub enable_cross_type_queries: bool,
    pub batch_size: usize,
    /// Memory of one statement's joins, sorts and aggregates before they spill, in bytes.
    pub merge_buffer_size: usize,
    /// Partitions of a plan run at the same time.
    pub parallel_execution: bool,
    /// Every statement must name its connections with `@`.
    pub require_explicit_connections: bool,
    /// Statement kinds allowed over several connections.
    pub allowed_operations: Vec<String>,
}

impl Default for MultiQuery {
    fn default() -> Self {
        Self {
            enabled: true,
            max_concurrent_connections: 10,
            default_strategy: Strategy::Auto,
            timeout: Duration::from_secs(30),
            max_result_rows: 10_000,
            enable_cross_type_queries: true,
            batch_size: 8192,
            merge_buffer_size: 512 << 20,
            parallel_execution: true,
            require_explicit_connections: false,
            allowed_operations: vec!["SELECT".into()],
        }
    }
}

impl MultiQuery {
    /// Limits of a statement under these settings, without a row limit.
    pub fn limits(&self) -> Limits {
        Limits {
            max_rows: None,
            timeout: Some(self.timeout),
            memory_bytes: self.merge_buffer_size,
            batch_rows: self.batch_size,
            ..Limits::default()
        }
    }
}

/// How a statement runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The planner decides.
    #[default]
    Auto,
    /// Each source runs the largest piece it can; Junto joins the pieces.
    Federated,
    /// The whole statement runs on one database.
    PushDown,
    /// Reduced inputs are copied into temporary tables on one database and the statement runs there.
    Materialize,
    /// The user's own text went to one connection; only ever an answer, never a request.
    Native,
}

impl Strategy {
    /// As the planner calls it.
    pub(crate) fn planned(self) -> junto_federation::Strategy {
        match self {
            Strategy::Auto | Strategy::Native => junto_federation::Strategy::Auto,
            Strategy::Federated => junto_federation::Strategy::Federated,
            Strategy::PushDown => junto_federation::Strategy::PushDown,
            Strategy::Materialize => junto_federation::Strategy::Materialize,
        }
    }

    /// What the planner chose.
    pub(crate) fn of(planned: junto_federation::Strategy) -> Self {
        match planned {
            junto_federation::Strategy::Auto => Strategy::Auto,
            junto_federation::Strategy::Federated => Strategy::Federated,
            junto_federation::Strategy::PushDown => Strategy::PushDown,
            junto_federation::Strategy::Materialize => Strategy::Materialize,
        }
    }

    /// The name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Auto => "auto",
            Strategy::Federated => "federated",
            Strategy::PushDown => "push_down",
            Strategy::Materialize => "materialize",
            Strategy::Native => "native",
        }
    }
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Strategy::Auto, Strategy::Federated, Strategy::PushDown, Strategy::Materialize];
        known.into_iter().find(|strategy| strategy.name() == text).ok_or_else(|| {
            let names = known.map(Strategy::name);
            match nearest(text, names) {
                Some(near) => format!("unknown strategy `{text}`; did you mean `{near}`?"),
                None => format!("unknown strategy `{text}`; one of {}", names.join(", ")),
            }
        })
    }
}

/// Options of one statement.
#[derive(Debug, Clone, Default)]
pub struct StatementOptions {
    /// Alias of the connection that statements without `@` go to; with one connection only, that one.
    pub connection: Option<String>,
    pub limits: Limits,
    pub strategy: Strategy,
    /// Permits writes on the native path.
    pub allow_write: bool,
}
