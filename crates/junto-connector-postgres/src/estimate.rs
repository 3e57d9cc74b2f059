//! What the server expects of a plan, for the planner's estimates.

use std::sync::Arc;

use junto_connector::{Expr, OpenRequest, Relation, RemotePlan, Result, StatementContext};

use crate::parallel;
use crate::pool::Pool;

/// Rows that the server expects a plan to deliver; none where it has a fixed guess: it keeps statistics of columns, not of
/// what is computed from them.
pub(crate) async fn rows(pool: &Pool, plan: Arc<RemotePlan>, context: &StatementContext) -> Result<Option<f64>> {
    match &plan.root {
        Relation::Scan { .. } => {}
        Relation::Filter { predicate, .. } if tests_columns(predicate) => {}
        _ => return Ok(None),
    }
    let request = OpenRequest { plan, keys: None, batch_rows: 1, context: context.clone() };
    let (lease, explained) = parallel::explain(pool, &request).await?;
    lease.give_back();
    Ok(Some(explained?.rows))
}

/// Whether a condition compares columns with values and nothing else.
fn tests_columns(predicate: &Expr) -> bool {
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(_));
    match predicate {
        Expr::And(list) | Expr::Or(list) => list.iter().all(tests_columns),
        Expr::Not(inner) => tests_columns(inner),
        Expr::Like { expr, .. } | Expr::InList { expr, .. } | Expr::IsNull { expr, .. } => is_column(expr),
        Expr::Compare { left, right, .. } => {
            matches!((&**left, &**right), (Expr::Column(_), Expr::Literal(_)) | (Expr::Literal(_), Expr::Column(_)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use junto_connector::Literal;
    use junto_connector::expr::CompareOp;

    use super::*;

    #[test]
    fn the_server_knows_columns_and_not_what_is_computed() {
        let column = || Expr::Column(0);
        let one = || Expr::Literal(Literal::Int(1));
        let compare = |left, right| Expr::compare(CompareOp::Lt, left, right);
        assert!(tests_columns(&Expr::And(vec![compare(column(), one()), compare(one(), column())])));
        assert!(!tests_columns(&compare(column(), column())), "a third, whatever they are");
        let computed = Expr::Not(Box::new(compare(column(), one())));
        assert!(tests_columns(&computed));
        assert!(!tests_columns(&Expr::Or(vec![compare(computed, one()), compare(column(), one())])));
    }
}
