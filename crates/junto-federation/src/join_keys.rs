//! Computed keys of joins as columns of their inputs.
//!
//! DataFusion's physical planner makes them columns too, but collects several of them in a set, whose order is another one in
//! each run (`wrap_projection_for_join_if_necessary`): plans would not be repeatable.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, Projection};

/// The plan with keys in an order of their own wherever a side of a join has several computed ones.
pub(crate) fn as_columns(plan: LogicalPlan) -> Result<LogicalPlan> {
    let named = |plan| match plan {
        LogicalPlan::Join(join) if has_several_computed(&join) => with_columns(join).map(Transformed::yes),
        other => Ok(Transformed::no(other)),
    };
    plan.transform_up_with_subqueries(named).map(|transformed| transformed.data)
}

fn has_several_computed(join: &Join) -> bool {
    // The mark's name depends on the columns of the right side.
    let is_mark = matches!(join.join_type, JoinType::LeftMark | JoinType::RightMark);
    let computed =
        |side: fn(&(Expr, Expr)) -> &Expr| join.on.iter().map(side).filter(|key| key.try_as_col().is_none()).count();
    !is_mark && computed(|(left, _)| left).max(computed(|(_, right)| right)) > 1
}

fn with_columns(join: Join) -> Result<LogicalPlan> {
    let (left_keys, right_keys) = join.on.into_iter().unzip();
    let (left, left_keys) = extended(join.left, left_keys, "left")?;
    let (right, right_keys) = extended(join.right, right_keys, "right")?;
    let on = left_keys.into_iter().zip(right_keys).collect();
    let joined = Join::try_new(
        left,
        right,
        on,
        join.filter,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    let columns = join.schema.columns().into_iter().map(Expr::Column).collect();
    let joined = Arc::new(LogicalPlan::Join(joined));
    Projection::try_new_with_schema(columns, joined, join.schema).map(LogicalPlan::Projection)
}

/// A side of a join with the computed ones of `keys` as further columns, and the keys as columns of it.
fn extended(plan: Arc<LogicalPlan>, keys: Vec<Expr>, side: &str) -> Result<(Arc<LogicalPlan>, Vec<Expr>)> {
    let mut columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    let given = columns.len();
    let mut column_of = |key: Expr| {
        if key.try_as_col().is_some() {
            return key;
        }
        let name = format!("__junto_{side}_key_{}", columns.len() - given);
        columns.push(key.alias(&name));
        Expr::Column(Column::new_unqualified(name))
    };
    let keys = keys.into_iter().map(&mut column_of).collect();
    if columns.len() == given {
        return Ok((plan, keys));
    }
    Ok((Arc::new(LogicalPlan::Projection(Projection::try_new(columns, plan)?)), keys))
}
