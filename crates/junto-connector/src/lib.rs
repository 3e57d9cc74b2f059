//! The contract between the engine and a source.
//!
//! A source is one crate that implements [`ConnectorFactory`] (how to connect, with which options) and
//! [`Connector`] (what is there, what it can compute, and the one read call [`Connector::open`]).
//! What to read is a [`RemotePlan`]: plain data in Junto's own small relational form. A source declares in
//! [`Capabilities`] which parts of that form it computes *exactly as Junto would*; the planner pushes nothing else.
//! A source that speaks no SQL fits the same contract.
//!
//! Must not know: DataFusion, any concrete source, HTTP, files of configuration.
//! Start reading at [`connector`], then [`plan`] and [`expr`].

mod bytes;
pub mod capabilities;
pub mod catalog;
mod check;
pub mod connector;
mod costs;
mod error;
pub mod expr;
pub mod options;
pub mod plan;
mod reaper;
mod registry;
pub mod statistics;

pub use bytes::bytes_of;
pub use capabilities::{Capabilities, Operation, Support, TypeClass};
pub use catalog::{ColumnInfo, ForeignKey, IndexInfo, SchemaInfo, TableInfo, TableKind, TableSummary, TextSemantics};
pub use check::check_plan;
pub use connector::{
    BatchStream, Connector, ConnectorFactory, Health, Keys, NativeRequest, NativeResult, OpenRequest, Privileges,
    RemoteId, SourceMetrics, StatementContext, Workers, Workspace,
};
pub use costs::Costs;
pub use error::{Error, Result};
pub use expr::{Expr, Function, Literal};
pub use options::{ConnectionConfig, OptionKind, OptionSpec, Options, Prefer};
pub use plan::{Relation, RelationColumn, RemotePlan, ScanColumn};
pub use reaper::Reaper;
pub use registry::Registry;
pub use statistics::{ColumnStatistics, TableStatistics};
