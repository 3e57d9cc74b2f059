//! What DataFusion gets wrong, put right for everybody who plans with it: the engine, and the connector that reads files.

mod in_lists;
mod names;
mod zeros;

use std::sync::Arc;

use datafusion::optimizer::{Analyzer, AnalyzerRule, Optimizer, OptimizerRule};
use in_lists::Simplify;
pub use names::keeping_names;
use zeros::OneZero;

/// DataFusion's rules that settle types, in its order, and then what zeros are.
pub fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let last: Arc<dyn AnalyzerRule + Send + Sync> = Arc::new(OneZero);
    Analyzer::new().rules.into_iter().chain([last]).collect()
}

/// DataFusion's rules for logical plans, in its order, the simplifier put right.
pub fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let simplify: Arc<dyn OptimizerRule + Send + Sync> = Arc::new(Simplify::default());
    let rules = Optimizer::new().rules.into_iter();
    rules.map(|rule| if rule.name() == simplify.name() { Arc::clone(&simplify) } else { rule }).collect()
}
