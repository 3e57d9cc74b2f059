//! Plans one statement over many sources: from DataFusion's logical plan to a physical plan whose leaves are remote.
//!
//! [`FederatedPlanner`] is a DataFusion `QueryPlanner`. After the stock optimizer it orders joins ([`join_order`]),
//! lets remote scans absorb what their sources compute exactly ([`pushdown`], through [`translate`]), and after the
//! stock physical planner it makes keys flow from finished join sides into remote scans ([`keys`]).
//!
//! Must not know: any concrete connector, SQL text, configuration. It performs no I/O of its own; rows come through
//! [`junto_connector::Connector::open`] when a plan runs.

mod absorb;
mod cardinality;
mod cost;
pub mod execution;
mod join_order;
pub mod keys;
mod node;
mod planner;
mod source;
mod statistics;
mod translate;

pub use cardinality::column_origin;
pub use cost::Work;
pub use execution::{RemoteScanExec, SourceFailure, StatementSources};
pub use node::{Origin, RemoteNode};
pub use planner::FederatedPlanner;
pub use source::{RemoteTable, RemoteTableSource};
