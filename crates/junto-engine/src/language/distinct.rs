//! DataFusion's rule that counts different values by grouping twice, where it keeps the types.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::single_distinct_to_groupby::SingleDistinctToGroupBy;
use datafusion::optimizer::{Optimizer, OptimizerConfig, OptimizerRule};

/// DataFusion's rules, with that one behind a condition.
pub(crate) fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let ours: Arc<dyn OptimizerRule + Send + Sync> = Arc::new(GroupedTwice { inner: SingleDistinctToGroupBy::new() });
    let rules = Optimizer::new().rules;
    rules.into_iter().map(|rule| if rule.name() == ours.name() { Arc::clone(&ours) } else { rule }).collect()
}

/// The rule sums up sums, which have more digits than one sum.
#[derive(Debug)]
struct GroupedTwice {
    inner: SingleDistinctToGroupBy,
}

impl OptimizerRule for GroupedTwice {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.inner.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match &plan {
            LogicalPlan::Aggregate(aggregate) if grows(aggregate) => Ok(Transformed::no(plan)),
            _ => self.inner.rewrite(plan, config),
        }
    }
}

/// Whether a sum of these sums has another type than they have.
fn grows(aggregate: &Aggregate) -> bool {
    let is_sum = |expr: &Expr| match expr {
        Expr::AggregateFunction(call) => call.func.name() == "sum" && !call.params.distinct,
        _ => false,
    };
    let is_float = |expr: &Expr| expr.get_type(aggregate.input.schema()).is_ok_and(|of| of == DataType::Float64);
    aggregate.aggr_expr.iter().any(|expr| is_sum(expr) && !is_float(expr))
}
