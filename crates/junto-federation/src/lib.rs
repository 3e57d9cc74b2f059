//! Plans one statement over many sources: from DataFusion's logical plan to a physical plan whose leaves are remote.
//!
//! After the stock optimizer, [`FederatedPlanner`] chooses how a statement runs ([`Strategy`]): it lets remote reads absorb
//! what their sources compute exactly and for less ([`absorb`], through [`translate`]), orders joins by cost
//! ([`join_order`], [`cost`]), and after the stock physical planner makes keys flow from finished join sides into remote
//! scans ([`keys`]).
//!
//! Must not know: any concrete connector, SQL text, configuration. It performs no I/O of its own: estimates come through
//! [`junto_connector::Connector::estimate`] while planning, rows through [`junto_connector::Connector::open`] when a plan runs.

mod absorb;
mod cardinality;
mod cost;
mod dependencies;
pub mod execution;
mod join_keys;
mod join_order;
pub mod keys;
mod local;
mod node;
mod planner;
mod remote_estimates;
mod repeated;
mod source;
mod statistics;
mod strategy;
mod translate;

pub use absorb::groups_as_joined;
pub use cardinality::column_origin;
pub use cost::Work;
pub use dependencies::GroupsAlone;
pub use execution::{
    ComputeOnce, ForgettingExec, Forgotten, MaterializeExec, MeasuredExec, ReadAhead, ReadAheadExec, ReadOnce, Reads,
    RemoteScanExec, RepeatedExec, SharedScanExec, SourceFailure, StatementSources, apart,
};
pub use local::{LocalOperators, Operator};
pub use node::{Filled, Origin, RemoteNode};
pub use planner::{FederatedPlanner, PlanError, Planned};
pub use remote_estimates::RemoteEstimates;
pub use source::{RemoteTable, RemoteTableSource};
pub use strategy::{Alternative, Refused, Strategy};
pub use translate::DECIMAL_CASTS;
