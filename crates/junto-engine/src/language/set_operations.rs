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

use datafusion::common::{Column, JoinType, NullEquality};
use datafusion::error::Result;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::type_coercion::binary::type_union_coercion;
use datafusion::logical_expr::{
    Distinct, Expr, ExprFunctionExt, Join, LogicalPlan, LogicalPlanBuilder, Projection, cast,
};

use super::harmonise::common_type;

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
    let types = |plan: &LogicalPlan| plan.schema().fields().iter().map(|f| f.data_type().clone()).collect::<Vec<_>>();
    let (left_types, right_types) = (types(&join.left), types(&join.right));
    let common: Vec<_> = left_types
        .iter()
        .zip(&right_types)
        .map(|(left, right)| {
            let together = common_type([left.clone(), right.clone()].into_iter());
            let numbers = left.is_numeric() && right.is_numeric();
            let together = together.or_else(|| numbers.then(|| type_union_coercion(left, right)).flatten());
            together.unwrap_or_else(|| left.clone())
        })
        .collect();
    let is_counted = !matches!(&*join.left, LogicalPlan::Distinct(Distinct::All(_)));
    let widened = |plan: Arc<LogicalPlan>, of: &[_]| -> Result<LogicalPlan> {
        if of == common {
            return Ok(Arc::unwrap_or_clone(plan));
        }
        let exprs = plan.schema().iter().zip(&common).map(|((qualifier, field), common)| {
            let column = Expr::Column(Column::from((qualifier, field)));
            if field.data_type() == common || field.data_type().is_null() {
                return column;
            }
            cast(column, common.clone()).alias_qualified(qualifier.cloned(), field.name())
        });
        let exprs = exprs.collect();
        Ok(LogicalPlan::Projection(Projection::try_new(exprs, plan)?))
    };
    let changed_types = (left_types != common, right_types != common);
    let left = match Arc::unwrap_or_clone(join.left) {
        // Values that become equal are one.
        LogicalPlan::Distinct(Distinct::All(input)) if changed_types.0 => {
            LogicalPlanBuilder::from(widened(input, &left_types)?).distinct()?.build()?
        }
        left => widened(Arc::new(left), &left_types)?,
    };
    let right = widened(join.right, &right_types)?;
    let selected: Vec<Expr> = left.schema().columns().into_iter().map(Expr::Column).collect();
    let (mut left_keys, mut right_keys): (Vec<Column>, Vec<Column>) = join.on.iter().filter_map(columns).unzip();
    let (left, right) = if is_counted {
        left_keys.push(Column::new_unqualified(NUMBERS[0]));
        right_keys.push(Column::new_unqualified(NUMBERS[1]));
        (numbered(left, NUMBERS[0])?, numbered(right, NUMBERS[1])?)
    } else {
        (left, right)
    };
    let joined = LogicalPlanBuilder::from(left).join_detailed(
        right,
        join.join_type,
        (left_keys, right_keys),
        None,
        join.null_equality,
    )?;
    if is_counted { joined.project(selected)?.build() } else { joined.build() }
}

fn columns((left, right): &(Expr, Expr)) -> Option<(Column, Column)> {
    match (left, right) {
        (Expr::Column(left), Expr::Column(right)) => Some((left.clone(), right.clone())),
        _ => None,
    }
}

/// Equal rows get numbers from 1 on.
fn numbered(plan: LogicalPlan, name: &str) -> Result<LogicalPlan> {
    let columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    let number = row_number().partition_by(columns).build()?.alias(name);
    LogicalPlanBuilder::from(plan).window(vec![number])?.build()
}
