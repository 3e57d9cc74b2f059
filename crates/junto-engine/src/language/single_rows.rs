//! Subqueries that stand for a value and may have several rows, which is an error.
//!
//! ```text
//! (SELECT name FROM s WHERE s.id = t.id)
//! (SELECT only_row(min(name), count(*)) FROM s WHERE s.id = t.id)
//! ```

use std::sync::LazyLock;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Column, exec_err, internal_err};
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::{count, min};
use datafusion::logical_expr::{
    ColumnarValue, Distinct, Expr, FetchType, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, lit,
};

/// Columns of the counting subquery; no names of the user's.
const VALUE: &str = "__junto_value";
const ROWS: &str = "__junto_rows";

/// The same value from a subquery that has one row at most; an error comes of it if it would have more.
pub(super) fn single(subquery: LogicalPlan) -> Result<LogicalPlan> {
    if has_one_row_at_most(&subquery)? {
        return Ok(subquery);
    }
    let (qualifier, field) = subquery.schema().qualified_field(0);
    let (value, qualifier, name) = (Column::from((qualifier, field)), qualifier.cloned(), field.name().clone());
    let counted = [min(Expr::Column(value)).alias(VALUE), count(lit(1)).alias(ROWS)];
    let column = |name| Expr::Column(Column::new_unqualified(name));
    let only = ONLY_ROW.call(vec![column(VALUE), column(ROWS)]).alias_qualified(qualifier, name);
    LogicalPlanBuilder::from(subquery).aggregate(Vec::<Expr>::new(), counted)?.project([only])?.build()
}

fn has_one_row_at_most(plan: &LogicalPlan) -> Result<bool> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => Ok(aggregate.group_expr.is_empty()),
        LogicalPlan::Limit(limit) => {
            Ok(matches!(limit.get_fetch_type()?, FetchType::Literal(Some(0 | 1))) || has_one_row_at_most(&limit.input)?)
        }
        LogicalPlan::Projection(projection) => has_one_row_at_most(&projection.input),
        LogicalPlan::Filter(filter) => has_one_row_at_most(&filter.input),
        LogicalPlan::Sort(sort) => has_one_row_at_most(&sort.input),
        LogicalPlan::SubqueryAlias(alias) => has_one_row_at_most(&alias.input),
        LogicalPlan::Distinct(Distinct::All(input)) => has_one_row_at_most(input),
        LogicalPlan::EmptyRelation(_) => Ok(true),
        _ => Ok(false),
    }
}

static ONLY_ROW: LazyLock<ScalarUDF> =
    LazyLock::new(|| ScalarUDF::new_from_impl(OnlyRow { signature: Signature::any(2, Volatility::Immutable) }));

/// `only_row(value, rows)`: the value, unless it is one of several.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OnlyRow {
    signature: Signature,
}

impl ScalarUDFImpl for OnlyRow {
    fn name(&self) -> &'static str {
        "only_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [value, _] => Ok(value.clone()),
            _ => internal_err!("only_row takes two arguments"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, rows] = args.args.as_slice() else { return internal_err!("only_row takes two arguments") };
        let rows = rows.cast_to(&DataType::Int64, None)?.to_array(args.number_rows)?;
        if rows.as_primitive::<Int64Type>().iter().flatten().any(|rows| rows > 1) {
            return exec_err!("a subquery that stands for a value has more than one row");
        }
        Ok(value.clone())
    }
}
