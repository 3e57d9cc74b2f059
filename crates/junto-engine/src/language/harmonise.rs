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
//! | floating point | decimal | compared as floating point |
//! | text | number, date, boolean | refused: cast one side |
//!
//! Text *literals* take the other side's type, as in PostgreSQL. Numbers and dates in columns of a union, branches of CASE and
//! arguments of functions that choose among them meet by the same rules. What is not done here DataFusion's own coercions do,
//! which run afterwards.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRewriter};
use datafusion::common::{Column, DFSchema, ScalarValue, internal_err, plan_err};
use datafusion::error::Result;
use datafusion::functions::expr_fn::{lower, round};
use datafusion::logical_expr::expr::{InList, InSubquery};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Between, BinaryExpr, Case, Cast, Expr, ExprSchemable, LogicalPlan, Operator, Projection, Subquery, TryCast, Union,
    cast, lit,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercionRewriter;
use junto_datafusion::keeping_names;
use junto_federation::column_origin;

use super::{arithmetic, checked, numbers, set_operations};

/// Name of the column of a subquery behind IN.
const SUBQUERY_COLUMN: &str = "__junto_in";

/// Functions whose value is one of their arguments, in the type that is common to them.
const CHOOSING: [&str; 6] = ["coalesce", "greatest", "least", "nullif", "nvl", "nvl2"];

/// Applies the table above to every comparison, and makes arithmetic exact.
#[derive(Debug)]
pub(crate) struct Harmonise;

impl AnalyzerRule for Harmonise {
    fn name(&self) -> &'static str {
        "junto_harmonise"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| harmonise_plan(plan)?.map_data(settled)).map(|plan| plan.data)
    }
}

/// An operator with the types of its columns that its inputs and expressions have by now: comparisons above look at them.
fn settled(plan: LogicalPlan) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Union(union) => TypeCoercionRewriter::coerce_union(Union::try_new_with_loose_types(union.inputs)?),
        other => other.recompute_schema(),
    }
}

fn harmonise_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    if let LogicalPlan::Union(union) = plan {
        return harmonise_union(union);
    }
    if matches!(plan, LogicalPlan::TableScan(_) | LogicalPlan::EmptyRelation(_)) {
        return Ok(Transformed::no(plan));
    }
    let scope = Scope::of(&plan);
    if let LogicalPlan::Join(mut join) = plan {
        if set_operations::is_one(&join) {
            let compared = |(left, right): &(Expr, Expr)| {
                Ok(scope.harmonised(left, right)?.unwrap_or_else(|| (left.clone(), right.clone())))
            };
            join.on = join.on.iter().map(compared).collect::<Result<_>>()?;
            return set_operations::rewrite(join).map(Transformed::yes);
        }
        let mut changed = false;
        for (left, right) in &mut join.on {
            let (Expr::Column(_), Expr::Column(_)) = (&*left, &*right) else { continue };
            if let Some((new_left, new_right)) = scope.harmonised(left, right)? {
                (*left, *right) = (new_left, new_right);
                changed = true;
            }
        }
        let filter = join.filter.take().map(|filter| filter.transform_up(|expr| scope.rewrite(expr))).transpose()?;
        if let Some(filter) = filter {
            changed |= filter.transformed;
            join.filter = Some(filter.data);
        }
        let plan = LogicalPlan::Join(join);
        return Ok(if changed { Transformed::yes(plan) } else { Transformed::no(plan) });
    }
    keeping_names(plan, |expr| expr.transform_up(|inner| scope.rewrite(inner)))
}

/// The columns of all parts in types that DataFusion brings together without a loss.
fn harmonise_union(union: Union) -> Result<Transformed<LogicalPlan>> {
    let types = |column: usize| {
        union.inputs.iter().filter_map(move |input| input.schema().fields().get(column).map(|f| f.data_type().clone()))
    };
    let common: Vec<_> = (0..union.schema.fields().len()).map(|column| common_type(types(column))).collect();
    if common.iter().all(Option::is_none) {
        return Ok(Transformed::no(LogicalPlan::Union(union)));
    }
    let wanted = |column: usize, of: &DataType| common[column].clone().filter(|common| changes(of, common));
    let inputs = union.inputs.into_iter().map(|input| with_types(input, wanted)).collect::<Result<Vec<_>>>()?;
    Ok(Transformed::yes(LogicalPlan::Union(Union { inputs, schema: union.schema })))
}

/// The plan with its columns, by position, in the types that are wanted of some.
pub(super) fn with_types(
    plan: Arc<LogicalPlan>,
    wanted: impl Fn(usize, &DataType) -> Option<DataType>,
) -> Result<Arc<LogicalPlan>> {
    let exprs = plan.schema().iter().enumerate().map(|(at, (qualifier, field))| {
        let column = Expr::Column(Column::from((qualifier, field)));
        match wanted(at, field.data_type()) {
            Some(wanted) => cast(column, wanted).alias_qualified(qualifier.cloned(), field.name()),
            None => column,
        }
    });
    let exprs = exprs.collect();
    Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(exprs, plan)?)))
}

/// The type in which values meet that DataFusion would bring together otherwise; none where it does that well.
pub(super) fn common_type(types: impl Iterator<Item = DataType>) -> Option<DataType> {
    let types: Vec<DataType> = types.collect();
    let any = |of: fn(&DataType) -> bool| types.iter().any(of);
    if any(DataType::is_floating) && any(DataType::is_decimal) {
        let is_short = types.iter().filter(|of| of.is_floating()).all(|of| *of == DataType::Float32);
        return Some(if is_short { DataType::Float32 } else { DataType::Float64 });
    }
    if any(|of| *of == DataType::Date32) {
        // DataFusion counts in nanoseconds then, of which 64 bits hold those of a few centuries.
        return types.iter().find_map(|of| match of {
            DataType::Timestamp(_, zone) => Some(DataType::Timestamp(TimeUnit::Microsecond, zone.clone())),
            _ => None,
        });
    }
    (any(|of| *of == DataType::Boolean) && any(DataType::is_integer)).then_some(DataType::Int64)
}

/// The same of two that are compared.
fn compared_type(left: &DataType, right: &DataType) -> Option<DataType> {
    common_type([left.clone(), right.clone()].into_iter()).map(compared)
}

/// Where values are compared, every short floating-point number is a long one.
fn compared(common: DataType) -> DataType {
    if common.is_floating() { DataType::Float64 } else { common }
}

/// Whether a value of type `of` is cast to the common type here.
fn changes(of: &DataType, common: &DataType) -> bool {
    match of {
        DataType::Boolean => common.is_integer(),
        DataType::Date32 => common.is_temporal(),
        of => of.is_decimal() && common.is_floating(),
    }
}

fn is_distinct(op: Operator) -> bool {
    matches!(op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom)
}

fn is_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(_))
}

/// What the expressions of an operator can name.
struct Scope {
    schema: DFSchema,
    /// Columns that are uuids in their source.
    uuids: Vec<Column>,
}

impl Scope {
    fn of(plan: &LogicalPlan) -> Self {
        let inputs = plan.inputs();
        let is_uuid = |input: &LogicalPlan, index: usize| {
            column_origin(input, index).is_some_and(|(table, column)| table.info.columns[column].source_type == "uuid")
        };
        let uuids = inputs.iter().flat_map(|input| {
            input.schema().iter().enumerate().filter(|(index, _)| is_uuid(input, *index)).map(|(_, c)| Column::from(c))
        });
        Self { uuids: uuids.collect(), schema: merge_schema(&inputs) }
    }

    fn rewrite(&self, expr: Expr) -> Result<Transformed<Expr>> {
        match expr {
            // Always false or true, and DuckDB 1.5 fails on it in the condition of a join.
            Expr::BinaryExpr(BinaryExpr { left, op, right })
                if is_distinct(op) && left == right && is_column(&left) =>
            {
                Ok(Transformed::yes(lit(op == Operator::IsNotDistinctFrom)))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(op) => {
                let (left, right, changed) = match self.harmonised(&left, &right)? {
                    Some((left, right)) => (Box::new(left), Box::new(right), true),
                    None => (left, right, false),
                };
                let expr = Expr::BinaryExpr(BinaryExpr { left, op, right });
                Ok(if changed { Transformed::yes(expr) } else { Transformed::no(expr) })
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                match arithmetic::exact(&left, op, &right, &self.schema)? {
                    Some(exact) => Ok(Transformed::yes(exact)),
                    None => Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
                }
            }
            Expr::Between(mut between) => {
                let (tested, bounds) = self.against(*between.expr, vec![*between.low, *between.high])?;
                let Ok([low, high]) = <[Expr; 2]>::try_from(bounds) else {
                    return internal_err!("BETWEEN has two bounds");
                };
                (between.low, between.high) = (Box::new(low), Box::new(high));
                Ok(tested.update_data(|expr| Expr::Between(Between { expr: Box::new(expr), ..between })))
            }
            Expr::InList(InList { expr, list, negated }) => {
                let (tested, list) = self.against(*expr, list)?;
                Ok(tested.update_data(|expr| Expr::InList(InList { expr: Box::new(expr), list, negated })))
            }
            Expr::Case(case) => self.case(case),
            Expr::Negative(inner) if inner.get_type(&self.schema).is_ok_and(|t| t.is_signed_integer()) => {
                // The least integer has no opposite.
                Ok(Transformed::yes(checked::negate(cast(*inner, DataType::Int64))))
            }
            Expr::ScalarFunction(mut function) if CHOOSING.contains(&function.name()) => {
                // One argument of `nvl2` is only tested, those of `nullif` are compared, too.
                let tested = usize::from(function.name() == "nvl2");
                let meeting = if function.name() == "nullif" { compared } else { |common| common };
                let mut args = std::mem::take(&mut function.args);
                let chosen = self.together(args.split_off(tested.min(args.len())), meeting);
                let args = chosen.update_data(|chosen| args.into_iter().chain(chosen).collect());
                Ok(args.update_data(|args| {
                    function.args = args;
                    Expr::ScalarFunction(function)
                }))
            }
            // The scale of a rounded decimal is known when its places are a literal of this type, and not before. Known
            // later, it would not fit the comparisons around it.
            Expr::ScalarFunction(mut function) if matches!(function.name(), "round" | "trunc") => {
                let Some(Expr::Literal(ScalarValue::Int64(Some(places)), _)) = function.args.get(1) else {
                    return Ok(Transformed::no(Expr::ScalarFunction(function)));
                };
                let Ok(places) = i32::try_from(*places) else {
                    return Ok(Transformed::no(Expr::ScalarFunction(function)));
                };
                function.args[1] = lit(places);
                Ok(Transformed::yes(Expr::ScalarFunction(function)))
            }
            Expr::Cast(cast) => {
                let rounded = self.rounded(*cast.expr, cast.field.data_type());
                Ok(rounded.update_data(|expr| Expr::Cast(Cast { expr: Box::new(expr), field: cast.field })))
            }
            Expr::TryCast(cast) => {
                let rounded = self.rounded(*cast.expr, cast.field.data_type());
                Ok(rounded.update_data(|expr| Expr::TryCast(TryCast { expr: Box::new(expr), field: cast.field })))
            }
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                let inner = subquery.subquery.schema().fields().first().map(|field| field.data_type().clone());
                if let (Ok(outer), Some(inner)) = (expr.get_type(&self.schema), inner)
                    && !is_literal(&expr)
                    && mismatch(&outer, &inner)
                {
                    return plan_err!("cannot compare {} with {}; cast one of them", plain(&outer), plain(&inner));
                }
                let (expr, subquery) = self.harmonised_in(*expr, subquery)?;
                let subquery = named_column(subquery)?;
                Ok(Transformed::yes(Expr::InSubquery(InSubquery { expr: Box::new(expr), subquery, negated })))
            }
            other => Ok(Transformed::no(other)),
        }
    }

    fn case(&self, case: Case) -> Result<Transformed<Expr>> {
        let Case { expr, when_then_expr, else_expr } = case;
        let (when, then): (Vec<Expr>, Vec<Expr>) =
            when_then_expr.into_iter().map(|(when, then)| (*when, *then)).unzip();
        let (tested, when) = match expr {
            Some(expr) => {
                let (tested, when) = self.against(*expr, when)?;
                (tested.update_data(|expr| Some(Box::new(expr))), when)
            }
            None => (Transformed::no(None), when),
        };
        let branches = then.len();
        let results = then.into_iter().chain(else_expr.map(|expr| *expr)).collect();
        let mut results = self.together(results, |common| common);
        let changed = tested.transformed || results.transformed;
        let else_expr = results.data.drain(branches..).next().map(Box::new);
        let when_then_expr = when.into_iter().map(Box::new).zip(results.data.into_iter().map(Box::new)).collect();
        let case = Expr::Case(Case { expr: tested.data, when_then_expr, else_expr });
        // Until its branches have one type, DataFusion takes that of the first for the whole.
        let case = TypeCoercionRewriter::new(&self.schema).f_up(case)?;
        Ok(Transformed::new_transformed(case.data, changed || case.transformed))
    }

    /// Values in the type that `meeting` makes of the one common to them, if DataFusion would bring them together otherwise.
    fn together(&self, values: Vec<Expr>, meeting: fn(DataType) -> DataType) -> Transformed<Vec<Expr>> {
        let types = values.iter().filter_map(|value| value.get_type(&self.schema).ok());
        match common_type(types).map(meeting) {
            Some(common) => Transformed::yes(values.into_iter().map(|value| self.as_common(value, &common)).collect()),
            None => Transformed::no(values),
        }
    }

    /// A value in the type of those that it meets.
    fn as_common(&self, value: Expr, common: &DataType) -> Expr {
        match value.get_type(&self.schema) {
            Ok(of) if changes(&of, common) => cast(value, common.clone()),
            _ => value,
        }
    }

    /// The operand of a cast to `to`. Numbers are rounded to integers, as in PostgreSQL: decimals half away from zero,
    /// others half to even. Arrow would cut them.
    fn rounded(&self, operand: Expr, to: &DataType) -> Transformed<Expr> {
        let Ok(from) = operand.get_type(&self.schema) else { return Transformed::no(operand) };
        if !to.is_integer() {
            return Transformed::no(operand);
        }
        if from.is_decimal() {
            return Transformed::yes(round(vec![operand]));
        }
        if from.is_floating() {
            return Transformed::yes(numbers::round_to_even(operand));
        }
        Transformed::no(operand)
    }

    /// `tested` and what it is compared with, each in the types the comparison alone would have.
    fn against(&self, tested: Expr, others: Vec<Expr>) -> Result<(Transformed<Expr>, Vec<Expr>)> {
        let values = self.together(std::iter::once(tested).chain(others).collect(), compared);
        let mut others = values.data;
        let mut result = Transformed::new_transformed(others.remove(0), values.transformed);
        for other in &others {
            if let Some((left, _)) = self.harmonised(&result.data, other)? {
                result = Transformed::yes(left);
            }
        }
        // What is compared later may have given `tested` another type.
        let compared = others.into_iter().map(|other| {
            let harmonised = self.harmonised(&result.data, &other)?;
            Ok(harmonised.map_or(other, |(_, right)| right))
        });
        let compared = compared.collect::<Result<Vec<_>>>()?;
        Ok((result, compared))
    }

    /// Both sides in comparable types, where DataFusion would not do it or would do it differently.
    fn harmonised(&self, left: &Expr, right: &Expr) -> Result<Option<(Expr, Expr)>> {
        let schema = &self.schema;
        let (Ok(left_type), Ok(right_type)) = (left.get_type(schema), right.get_type(schema)) else { return Ok(None) };
        if let Some(common) = compared_type(&left_type, &right_type) {
            return Ok(Some((self.as_common(left.clone(), &common), self.as_common(right.clone(), &common))));
        }
        if is_text(&left_type) && is_text(&right_type) {
            return Ok(self.harmonised_text(left, right));
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

    /// A value and those of a subquery in comparable types.
    fn harmonised_in(&self, expr: Expr, subquery: Subquery) -> Result<(Expr, Subquery)> {
        let plan = &subquery.subquery;
        let (Ok(outer), Some(inner)) = (expr.get_type(&self.schema), plan.schema().fields().first()) else {
            return Ok((expr, subquery));
        };
        let Some(common) = compared_type(&outer, inner.data_type()) else { return Ok((expr, subquery)) };
        let expr = self.as_common(expr, &common);
        if !changes(inner.data_type(), &common) {
            return Ok((expr, subquery));
        }
        let column = Expr::Column(Column::from(plan.schema().qualified_field(0)));
        let (column, input) = match plan.as_ref() {
            LogicalPlan::Projection(Projection { expr, input, .. }) if expr.len() == 1 => {
                (expr[0].clone().unalias(), Arc::clone(input))
            }
            _ => (column, Arc::clone(plan)),
        };
        let column = cast(column, common).alias(SUBQUERY_COLUMN);
        let plan = LogicalPlan::Projection(Projection::try_new(vec![column], input)?);
        Ok((expr, subquery.with_plan(Arc::new(plan))))
    }

    /// A text beside a uuid is compared in lower case, as uuids are delivered.
    fn harmonised_text(&self, left: &Expr, right: &Expr) -> Option<(Expr, Expr)> {
        match (self.is_uuid(left), self.is_uuid(right)) {
            (true, false) if !matches!(right, Expr::Literal(..)) => Some((left.clone(), lower(right.clone()))),
            (false, true) if !matches!(left, Expr::Literal(..)) => Some((lower(left.clone()), right.clone())),
            _ => None,
        }
    }

    fn is_uuid(&self, expr: &Expr) -> bool {
        matches!(expr, Expr::Column(column) if self.uuids.contains(column))
    }
}

/// A correlated subquery whose only column has a name of its own. DataFusion may cast it under the old name, and puts the
/// columns that are compared with outer ones beside it.
fn named_column(mut subquery: Subquery) -> Result<Subquery> {
    if subquery.outer_ref_columns.is_empty() {
        return Ok(subquery);
    }
    if let LogicalPlan::Projection(projection) = subquery.subquery.as_ref()
        && let [column @ Expr::Column(_)] = projection.expr.as_slice()
    {
        let renamed = Projection::try_new(vec![column.clone().alias(SUBQUERY_COLUMN)], Arc::clone(&projection.input))?;
        subquery.subquery = Arc::new(LogicalPlan::Projection(renamed));
    }
    Ok(subquery)
}

fn compares(op: Operator) -> bool {
    use Operator as O;
    matches!(op, O::Eq | O::NotEq | O::Lt | O::LtEq | O::Gt | O::GtEq | O::IsDistinctFrom | O::IsNotDistinctFrom)
}

fn is_literal(expr: &Expr) -> bool {
    expr.column_refs().is_empty() && !matches!(expr, Expr::ScalarSubquery(_) | Expr::OuterReferenceColumn(..))
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Text against anything that is not text (an unknown NULL aside).
fn mismatch(left: &DataType, right: &DataType) -> bool {
    let other =
        |data_type: &DataType| data_type.is_numeric() || data_type.is_temporal() || *data_type == DataType::Boolean;
    (is_text(left) && other(right)) || (is_text(right) && other(left))
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
