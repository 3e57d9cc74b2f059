//! Computes what this source declares: chosen columns, and conditions made of `=`.

use arrow::datatypes::DataType;
use junto_connector::expr::{CompareOp, Expr};
use junto_connector::plan::Relation;
use junto_connector::{Error, Literal, Result};

use crate::records::{Cell, Records, Value};

/// Rows of a relation; `table` reads one.
///
/// # Errors
/// [`Error::Unsupported`] for what is not declared. `check_plan` has refused it before; this says it again instead of
/// delivering wrong rows.
pub(crate) fn rows(relation: &Relation, table: &dyn Fn(&str) -> Result<Records>) -> Result<Vec<Vec<Cell>>> {
    match relation {
        Relation::Scan { table: name, columns } => {
            let records = table(&name.table)?;
            let position = |wanted: &str| records.columns.iter().position(|(column, _)| column == wanted);
            let positions = columns.iter().map(|column| position(&column.name)).collect::<Option<Vec<_>>>();
            // The engine refreshes the catalog and plans once more.
            let positions = positions
                .ok_or_else(|| Error::StaleCatalog { table: name.to_string(), reason: "a column is gone".into() })?;
            Ok(records.rows.iter().map(|row| positions.iter().map(|at| row[*at].clone()).collect()).collect())
        }
        Relation::Filter { input, predicate } => {
            let mut kept = rows(input, table)?;
            let mut failure = None;
            kept.retain(|row| match condition(predicate, row) {
                Ok(holds) => holds == Some(true),
                Err(error) => {
                    failure = Some(error);
                    false
                }
            });
            failure.map_or(Ok(kept), Err)
        }
        // Choosing columns by position needs no capability: every source does it.
        Relation::Project { input, outputs } => {
            let chosen = outputs.iter().map(|output| match output.expr {
                Expr::Column(index) => Ok(index),
                _ => Err(unsupported()),
            });
            let chosen = chosen.collect::<Result<Vec<_>>>()?;
            let input = rows(input, table)?;
            Ok(input.iter().map(|row| chosen.iter().map(|at| row.get(*at).cloned().flatten()).collect()).collect())
        }
        _ => Err(unsupported()),
    }
}

/// SQL's three truth values: `None` is unknown.
fn condition(expr: &Expr, row: &[Cell]) -> Result<Option<bool>> {
    let all = |list: &[Expr]| list.iter().map(|expr| condition(expr, row)).collect::<Result<Vec<_>>>();
    Ok(match expr {
        Expr::Compare { op: CompareOp::Eq, left, right } => match (value(left, row)?, value(right, row)?) {
            (Some(left), Some(right)) => Some(left == right),
            _ => None,
        },
        Expr::IsNull { expr, negated } => Some(value(expr, row)?.is_none() != *negated),
        Expr::And(list) => decided(&all(list)?, false),
        Expr::Or(list) => decided(&all(list)?, true),
        Expr::Not(inner) => condition(inner, row)?.map(|truth| !truth),
        _ => return Err(unsupported()),
    })
}

/// AND is decided by one `false`, OR by one `true`; otherwise one unknown makes all unknown.
fn decided(truths: &[Option<bool>], by: bool) -> Option<bool> {
    if truths.contains(&Some(by)) {
        Some(by)
    } else if truths.contains(&None) {
        None
    } else {
        Some(!by)
    }
}

fn value(expr: &Expr, row: &[Cell]) -> Result<Cell> {
    match expr {
        Expr::Column(index) => row.get(*index).cloned().ok_or_else(|| Error::internal("no such column in the plan")),
        Expr::Literal(Literal::Int(value)) => Ok(Some(Value::Integer(*value))),
        Expr::Literal(Literal::Text(text)) => Ok(Some(Value::Text(text.clone()))),
        Expr::Literal(Literal::Null(DataType::Int64 | DataType::Utf8View)) => Ok(None),
        _ => Err(unsupported()),
    }
}

fn unsupported() -> Error {
    Error::Unsupported { driver: "example", what: "this operation".into() }
}
