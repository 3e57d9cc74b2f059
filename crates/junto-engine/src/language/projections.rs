//! Where DataFusion may move projections.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::projection_pushdown::ProjectionPushdown;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::joins::SortMergeJoinExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::projection::ProjectionExec;

use super::requirements::ensured;

/// DataFusion's rule that moves projections below other operators, for plans in which it may.
///
/// - Below a join by sorting it moves columns and not the positions of its condition, which then reads others. And such
///   a condition is evaluated also for rows of an outer join without a partner, so it has to see NULL in every column.
/// - A filter that leaves out columns itself tests a column of its input. The rule looks for it by name and position
///   among the columns the filter delivers, and where another table's column stands there under the same name, the
///   projection goes below and the filter tests that one. Such filters deliver all columns when the rule begins.
#[derive(Debug)]
pub(crate) struct Projections {
    inner: ProjectionPushdown,
}

impl Projections {
    pub(crate) fn new() -> Self {
        Self { inner: ProjectionPushdown::new() }
    }
}

impl PhysicalOptimizerRule for Projections {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn schema_check(&self) -> bool {
        self.inner.schema_check()
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let rewritten = plan.transform_up(with_nullable_condition)?;
        if rewritten.transformed {
            return Ok(rewritten.data);
        }
        let apart = rewritten.data.transform_up(with_projection_apart)?.data;
        let moved = self.inner.optimize(Arc::clone(&apart), config)?;
        if Arc::ptr_eq(&moved, &apart) { Ok(moved) } else { ensured(moved, config) }
    }
}

fn with_nullable_condition(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(join) = plan.downcast_ref::<SortMergeJoinExec>() else { return Ok(Transformed::no(plan)) };
    let Some(filter) = join.filter() else { return Ok(Transformed::no(plan)) };
    let fields = filter.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let filter = JoinFilter::new(Arc::clone(filter.expression()), filter.column_indices().to_vec(), schema);
    let rewritten = SortMergeJoinExec::try_new(
        Arc::clone(join.left()),
        Arc::clone(join.right()),
        join.on().to_vec(),
        Some(filter),
        join.join_type(),
        join.sort_options().to_vec(),
        join.null_equality(),
    )?;
    Ok(Transformed::yes(Arc::new(rewritten)))
}

fn with_projection_apart(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = plan.downcast_ref::<FilterExec>() else { return Ok(Transformed::no(plan)) };
    let Some(kept) = filter.projection() else { return Ok(Transformed::no(plan)) };
    let columns = ProjectionExprs::from_indices(kept, &filter.input().schema());
    let whole = FilterExecBuilder::from(filter).apply_projection(None)?.build()?;
    Ok(Transformed::yes(Arc::new(ProjectionExec::try_new(columns.iter().cloned(), Arc::new(whole))?)))
}
