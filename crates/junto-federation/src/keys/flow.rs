//! The physical optimizer rule that connects finished join sides with remote scans.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::NullEquality;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use super::MAX_KEYS;
use super::slot::KeySlot;
use super::tap::KeyTapExec;
use crate::execution::{KeyBinding, RemoteScanExec};

/// Makes keys flow. Must be the last physical optimizer rule: later ones could move a tap away from its join.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyFlow;

impl PhysicalOptimizerRule for KeyFlow {
    fn name(&self) -> &'static str {
        "junto_key_flow"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        // A recursive part runs many times with other keys each time.
        let recursive = plan.exists(|node| Ok(node.downcast_ref::<RecursiveQueryExec>().is_some()))?;
        if recursive {
            return Ok(plan);
        }
        plan.transform_up(connect).map(|transformed| transformed.data)
    }
}

fn connect(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(join) = plan.downcast_ref::<HashJoinExec>() else { return Ok(Transformed::no(plan)) };
    let Some(id) = join.dynamic_expressions_produced().pop().and_then(|filter| filter.expression_id()) else {
        return Ok(Transformed::no(plan));
    };
    let nulls_join = join.null_equality() == NullEquality::NullEqualsNull;
    // NOT IN also asks whether the other side is empty, which keys would hide; composite NULL keys are not asked for.
    if join.null_aware || (nulls_join && join.on().len() > 1) {
        return Ok(Transformed::no(plan));
    }
    let keys: Vec<Arc<dyn PhysicalExpr>> = join.on().iter().map(|(left, _)| Arc::clone(left)).collect();
    let left_schema = join.left().schema();
    let types = keys.iter().map(|key| key.data_type(&left_schema)).collect::<Result<Vec<DataType>>>()?;
    let partitions = join.left().output_partitioning().partition_count();
    let slot = Arc::new(KeySlot::new(types, partitions, MAX_KEYS, nulls_join)?);

    let mut bound = false;
    let right = Arc::clone(join.right()).transform_down(|node| {
        // Keys below a limit would change which rows it keeps.
        if node.fetch().is_some() || node.name().contains("Limit") {
            return Ok(Transformed::new(node, false, TreeNodeRecursion::Jump));
        }
        let Some(scan) = node.downcast_ref::<RemoteScanExec>() else { return Ok(Transformed::no(node)) };
        let route = scan.routes().iter().find(|route| route.expression_id() == Some(id));
        let Some(binding) = route.and_then(|route| binding(scan, route, &slot)) else {
            return Ok(Transformed::no(node));
        };
        bound = true;
        let scan: Arc<dyn ExecutionPlan> = Arc::new(scan.with_binding(binding));
        Ok(Transformed::new(scan, true, TreeNodeRecursion::Jump))
    })?;
    if !bound {
        return Ok(Transformed::no(plan));
    }
    let left: Arc<dyn ExecutionPlan> = Arc::new(KeyTapExec::new(Arc::clone(join.left()), keys, slot));
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep);
    plan.replace_children(vec![left, right.data], options).map(Transformed::yes)
}

/// Chooses one key column of the scan: an indexed one before others, then the one that allows more keys.
fn binding(scan: &RemoteScanExec, route: &Arc<dyn PhysicalExpr>, slot: &Arc<KeySlot>) -> Option<KeyBinding> {
    let candidates = route.children().into_iter().enumerate().filter_map(|(position, expr)| {
        let column = key_column(expr)?;
        Some((position, column, scan.key_column(column)?))
    });
    let (position, column, key) = candidates.max_by_key(|(_, _, key)| (key.indexed, key.limit))?;
    Some(KeyBinding {
        columns: vec![column],
        slot_columns: vec![position],
        limit: key.limit,
        slot: Arc::clone(slot),
    })
}

/// The scan's column an expression of the join's key is, looking through casts (the slot converts keys back).
fn key_column(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        return key_column(cast.expr());
    }
    expr.downcast_ref::<Column>().map(Column::index)
}
