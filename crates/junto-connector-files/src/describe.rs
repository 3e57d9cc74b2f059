//! A remote plan in words, for EXPLAIN and logs.

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr as df;
use junto_connector::{Error, Expr, Relation, Result};

use crate::expression::{column_name, translate};

/// The relation's steps, innermost last: `filter id > 3 of (scan main.orders [id, total])`.
pub(crate) fn describe(relation: &Relation) -> Result<String> {
    let inputs = relation.inputs().into_iter().map(describe).collect::<Result<Vec<_>>>()?.join(", ");
    Ok(match relation {
        Relation::Scan { table, columns } => {
            let names = columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
            format!("scan {table} [{names}]")
        }
        Relation::Filter { input, predicate } => format!("filter {} of ({inputs})", shown(predicate, input)?),
        Relation::Project { input, outputs } => {
            let outputs = outputs.iter().map(|output| shown(&output.expr, input)).collect::<Result<Vec<_>>>()?;
            format!("[{}] of ({inputs})", outputs.join(", "))
        }
        Relation::Aggregate { input, groups, aggregates } => {
            let groups = groups.iter().map(|group| shown(&group.expr, input)).collect::<Result<Vec<_>>>()?;
            let calls = aggregates.iter().map(|output| {
                let argument = output.aggregate.argument.as_ref().map(|argument| shown(argument, input)).transpose()?;
                Ok(format!("{:?}({})", output.aggregate.function, argument.unwrap_or_else(|| "*".into())))
            });
            let calls = calls.collect::<Result<Vec<_>>>()?;
            format!("[{}] by [{}] of ({inputs})", calls.join(", "), groups.join(", "))
        }
        Relation::Sort { input, keys, fetch } => {
            let keys = keys.iter().map(|key| {
                let direction = if key.descending { " DESC" } else { "" };
                Ok(format!("{}{direction}", shown(&key.expr, input)?))
            });
            let keys = keys.collect::<Result<Vec<_>>>()?.join(", ");
            let first = fetch.map_or_else(String::new, |fetch| format!("first {fetch} "));
            format!("{first}by [{keys}] of ({inputs})")
        }
        Relation::Limit { skip, fetch, .. } => {
            let fetch = fetch.map_or_else(|| "all".into(), |fetch| fetch.to_string());
            format!("{fetch} rows after {skip} of ({inputs})")
        }
        Relation::Distinct { .. } => format!("distinct of ({inputs})"),
        Relation::UnionAll { .. } => format!("all of ({inputs})"),
        Relation::Join { kind, .. } => format!("{kind:?} join of ({inputs})"),
    })
}

/// An expression with the names of its input's columns.
fn shown(expr: &Expr, input: &Relation) -> Result<String> {
    let columns = input.columns();
    let named = translate(expr, &input.types())?.transform(|expr| {
        let df::Expr::Column(column) = &expr else { return Ok(Transformed::no(expr)) };
        let at = (0..columns.len()).find(|at| column_name(*at) == column.name);
        Ok(match at.and_then(|at| columns.get(at)) {
            Some(info) => Transformed::yes(df::Expr::Column(Column::new_unqualified(&info.name))),
            None => Transformed::no(expr),
        })
    });
    let named = named.map_err(|cause| Error::internal(cause.strip_backtrace()))?;
    Ok(named.data.human_display().to_string())
}
