//! How values of different sources compare: which types meet, and which comparisons are refused.
//!
//! | left | right | rule |
//! |---|---|---|
//! | integers of any width and sign | same | compared as numbers; unsigned 64-bit as decimal(20) |
//! | integer | decimal | compared as decimals |
//! | decimal(p,s) | decimal(q,t) | compared exactly, trailing zeros do not count |
//! | boolean | integer | true is 1, false is 0 (MySQL's tinyint(1)) |
//! | date | timestamp | the date is midnight |
//! | timestamp | timestamp with time zone | the one without is UTC |
//! | uuid | text | the text may be in upper or lower case |
//! | text | text | byte by byte, whatever the collations say |
//! | text | number, date, boolean | refused: cast one side |
//!
//! Text *literals* take the other side's type, as in PostgreSQL. The first six rules but the boolean one are DataFusion's
//! own coercions; this rule runs before them.

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, plan_err};
use datafusion::error::Result;
use datafusion::functions::expr_fn::lower;
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, cast};
use datafusion::optimizer::AnalyzerRule;
use junto_federation::field_metadata;

/// Applies the table above to every comparison.
#[derive(Debug)]
pub(crate) struct Harmonise;

impl AnalyzerRule for Harmonise {
    fn name(&self) -> &'static str {
        "junto_harmonise"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(harmonise_plan).map(|transformed| transformed.data)
    }
}

fn harmonise_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let inputs = plan.inputs();
    if inputs.is_empty() {
        return Ok(Transformed::no(plan));
    }
    let schema = merge_schema(&inputs);
    if let LogicalPlan::Join(mut join) = plan {
        let mut changed = false;
        for (left, right) in &mut join.on {
            let (Expr::Column(_), Expr::Column(_)) = (&*left, &*right) else { continue };
            if let Some((new_left, new_right)) = harmonised(left, right, &schema)? {
                (*left, *right) = (new_left, new_right);
                changed = true;
            }
        }
        let filter = join.filter.take().map(|filter| filter.transform_up(|expr| compare(expr, &schema))).transpose()?;
        if let Some(filter) = filter {
            changed |= filter.transformed;
            join.filter = Some(filter.data);
        }
        let plan = LogicalPlan::Join(join);
        return Ok(if changed { Transformed::yes(plan) } else { Transformed::no(plan) });
    }
    plan.map_expressions(|expr| expr.transform_up(|inner| compare(inner, &schema)))
}

fn compare(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(op) => {
            match harmonised(&left, &right, schema)? {
                Some((left, right)) => {
                    let expr = BinaryExpr { left: Box::new(left), op, right: Box::new(right) };
                    Ok(Transformed::yes(Expr::BinaryExpr(expr)))
                }
                None => Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
            }
        }
        Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
            let inner = subquery.subquery.schema().fields().first().map(|field| field.data_type().clone());
            if let (Ok(outer), Some(inner)) = (expr.get_type(schema), inner)
                && !is_literal(&expr)
                && mismatch(&outer, &inner)
            {
                return plan_err!("cannot compare {} with {}; cast one of them", plain(&outer), plain(&inner));
            }
            Ok(Transformed::no(Expr::InSubquery(InSubquery { expr, subquery, negated })))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn compares(op: Operator) -> bool {
    use Operator as O;
    matches!(
        op,
        O::Eq | O::NotEq | O::Lt | O::LtEq | O::Gt | O::GtEq | O::IsDistinctFrom | O::IsNotDistinctFrom
    )
}

/// Both sides in comparable types, where DataFusion would not do it or would do it differently.
fn harmonised(left: &Expr, right: &Expr, schema: &DFSchema) -> Result<Option<(Expr, Expr)>> {
    let (Ok(left_type), Ok(right_type)) = (left.get_type(schema), right.get_type(schema)) else { return Ok(None) };
    let (bool_left, bool_right) = (left_type == DataType::Boolean, right_type == DataType::Boolean);
    if bool_left && right_type.is_integer() {
        return Ok(Some((cast(left.clone(), DataType::Int64), right.clone())));
    }
    if bool_right && left_type.is_integer() {
        return Ok(Some((left.clone(), cast(right.clone(), DataType::Int64))));
    }
    if is_text(&left_type) && is_text(&right_type) {
        let (uuid_left, uuid_right) = (is_uuid(left, schema), is_uuid(right, schema));
        if uuid_left && !uuid_right && !matches!(right, Expr::Literal(..)) {
            return Ok(Some((left.clone(), lower(right.clone()))));
        }
        if uuid_right && !uuid_left && !matches!(left, Expr::Literal(..)) {
            return Ok(Some((lower(left.clone()), right.clone())));
        }
        return Ok(None);
    }
    let text_literal = |expr: &Expr, data_type: &DataType| is_text(data_type) && is_literal(expr);
    if mismatch(&left_type, &right_type) && !text_literal(left, &left_type) && !text_literal(right, &right_type) {
        return plan_err!(
            "cannot compare {} ({}) with {} ({}); cast one of them",
            left.human_display(),
            plain(&left_type),
            right.human_display(),
            plain(&right_type)
        );
    }
    Ok(None)
}

fn is_literal(expr: &Expr) -> bool {
    expr.column_refs().is_empty() && !matches!(expr, Expr::ScalarSubquery(_) | Expr::OuterReferenceColumn(..))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Text against anything that is not text (an unknown NULL aside).
fn mismatch(left: &DataType, right: &DataType) -> bool {
    let other = |data_type: &DataType| data_type.is_numeric() || data_type.is_temporal() || *data_type == DataType::Boolean;
    (is_text(left) && other(right)) || (is_text(right) && other(left))
}

fn is_uuid(expr: &Expr, schema: &DFSchema) -> bool {
    let Expr::Column(column) = expr else { return false };
    let field = schema.field_from_column(column).ok();
    field.is_some_and(|field| field.metadata().get(field_metadata::TYPE).is_some_and(|name| name == "uuid"))
}

/// A type in everyday words.
fn plain(data_type: &DataType) -> String {
    match data_type {
        _ if is_text(data_type) => "text".into(),
        _ if data_type.is_integer() => "integer".into(),
        _ if data_type.is_decimal() => "decimal".into(),
        _ if data_type.is_floating() => "floating point".into(),
        DataType::Date32 | DataType::Date64 => "date".into(),
        DataType::Timestamp(_, None) => "timestamp".into(),
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone".into(),
        DataType::Boolean => "boolean".into(),
        other => other.to_string(),
    }
}
