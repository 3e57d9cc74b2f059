//! INTERSECT and EXCEPT, which DataFusion plans as joins that keep each row of the left side or drop it.
//!
//! Both sides get the types in which they meet, as those of a union do. With ALL, rows that are equal are counted:
//!
//! ```text
//! SELECT a FROM s EXCEPT ALL SELECT b FROM t
//! SELECT a FROM (SELECT a, row_number() OVER (PARTITION BY a) AS n FROM s)
//!   LEFT ANTI JOIN (SELECT b, row_number() OVER (PARTITION BY b) AS m FROM t) ON a = b AND n = m
//! ```

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, JoinType, NullEquality};
use datafusion::error::Result;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::type_coercion::binary::type_union_coercion;
use datafusion::logical_expr::{
    Distinct, Expr, ExprFunctionExt, ExprSchemable, Join, LogicalPlan, LogicalPlanBuilder, lit,
};

use super::harmonise::{common_type, with_types};

/// Names of the numbers of equal rows, on either side.
const NUMBERS: [&str; 2] = ["__junto_n", "__junto_m"];

/// Whether a join, as it was written, is one of the two. No other joins take NULL for a value before they are optimized.
pub(super) fn is_one(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.null_equality == NullEquality::NullEqualsNull
        && join.filter.is_none()
        && join.on.iter().all(|(left, right)| matches!((left, right), (Expr::Column(_), Expr::Column(_))))
}

/// The same with common types and counted rows.
///
/// # Errors
/// DataFusion's, for columns that do not exist.
pub(super) fn rewrite(join: Join) -> Result<LogicalPlan> {
    rewritten(join, None)
}

/// The same, as a join that is not taken for one of the two again.
///
/// # Errors
/// As [`rewrite`].
pub(super) fn settled(join: Join) -> Result<LogicalPlan> {
    rewritten(join, Some(lit(true)))
}

fn rewritten(join: Join, filter: Option<Expr>) -> Result<LogicalPlan> {
    let types = |plan: &LogicalPlan| plan.schema().fields().iter().map(|f| f.data_type().clone()).collect::<Vec<_>>();
    let (left_types, right_types) = (types(&join.left), types(&join.right));
    let common: Vec<_> = left_types
        .iter()
        .zip(&right_types)
        .map(|(left, right)| {
            common_type([left.clone(), right.clone()].into_iter())
                .or_else(|| type_union_coercion(left, right))
                .unwrap_or_else(|| left.clone())
        })
        .collect();
    let is_counted = !matches!(&*join.left, LogicalPlan::Distinct(Distinct::All(_)));
    let wanted = |at: usize, of: &DataType| Some(common[at].clone()).filter(|common| common != of);
    let widened = |plan, of: &[DataType]| if of == common { Ok(plan) } else { with_types(plan, wanted) };
    let left = match Arc::unwrap_or_clone(join.left) {
        // Values that become equal are one.
        LogicalPlan::Distinct(Distinct::All(input)) if left_types != common => {
            LogicalPlanBuilder::from(with_types(input, wanted)?).distinct()?.build()?
        }
        left => Arc::unwrap_or_clone(widened(Arc::new(left), &left_types)?),
    };
    let right = Arc::unwrap_or_clone(widened(join.right, &right_types)?);
    let selected: Vec<Expr> = left.schema().columns().into_iter().map(Expr::Column).collect();
    let mut on = join.on;
    let (left, right) = if is_counted {
        let (left_values, right_values) = on.iter().cloned().unzip();
        on.push((Expr::Column(Column::new_unqualified(NUMBERS[0])), Expr::Column(Column::new_unqualified(NUMBERS[1]))));
        (numbered(left, left_values, NUMBERS[0])?, numbered(right, right_values, NUMBERS[1])?)
    } else {
        (left, right)
    };
    let (left, right) = (Arc::new(left), Arc::new(right));
    let (kind, constraint, nulls) = (join.join_type, join.join_constraint, join.null_equality);
    let joined = LogicalPlan::Join(Join::try_new(left, right, on, filter, kind, constraint, nulls, join.null_aware)?);
    if is_counted { LogicalPlanBuilder::from(joined).project(selected)?.build() } else { Ok(joined) }
}

/// Rows with equal values get numbers from 1 on.
fn numbered(plan: LogicalPlan, values: Vec<Expr>, name: &str) -> Result<LogicalPlan> {
    let schema = plan.schema();
    // Zeros of both signs are equal.
    let value =
        |value: Expr| if value.get_type(schema).is_ok_and(|of| of.is_floating()) { value + lit(0.0) } else { value };
    let number = row_number().partition_by(values.into_iter().map(value).collect()).build()?.alias(name);
    LogicalPlanBuilder::from(plan).window(vec![number])?.build()
}
