//! What DataFusion gets wrong, put right for everybody who plans with it: the engine, and the connector that reads files.

mod in_lists;
mod names;

use std::sync::Arc;

use datafusion::optimizer::{Optimizer, OptimizerRule};
use in_lists::Simplify;
pub use names::keeping_names;

/// DataFusion's rules for logical plans, in its order, the simplifier put right.
pub fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let simplify: Arc<dyn OptimizerRule + Send + Sync> = Arc::new(Simplify::default());
    let rules = Optimizer::new().rules.into_iter();
    rules.map(|rule| if rule.name() == simplify.name() { Arc::clone(&simplify) } else { rule }).collect()
}
