//! What a subquery looks at, and the subquery's rows for each of these values.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, JoinType, ScalarValue, TableReference, not_impl_err};
use datafusion::error::Result;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::expr::AggregateFunctionParams;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, Distinct, DistinctOn, Expr, ExprFunctionExt, FetchType, Filter, Join, Limit, LogicalPlan,
    LogicalPlanBuilder, Operator, Projection, SkipType, SortExpr, SubqueryAlias, Union, Window, binary_expr, lit, when,
};

use super::beside;
use super::simple::outer_columns;

/// The values at which one subquery looks.
pub(super) struct Values {
    number: usize,
    columns: Vec<Value>,
    /// Each combination of them once.
    rows: LogicalPlan,
}

/// A column that the subquery names, and its name there.
struct Value {
    column: Column,
    field: FieldRef,
    name: String,
}

impl Value {
    /// What is compared: zeros of both signs are equal.
    fn key(&self) -> Expr {
        let column = Expr::Column(self.column.clone());
        if self.field.data_type().is_floating() { column + lit(0.0) } else { column }
    }

    fn inside(&self) -> Expr {
        Expr::Column(Column::new_unqualified(&self.name))
    }
}

impl Values {
    /// The values of `rows` that `subquery` looks at.
    pub(super) fn of(number: usize, rows: &LogicalPlan, subquery: &LogicalPlan) -> Result<Self> {
        let mut columns: Vec<Value> = Vec::new();
        for (column, field) in outer_columns(subquery)? {
            // Others are looked at further outside.
            if rows.schema().has_column(&column) && columns.iter().all(|known| known.column != column) {
                let name = format!("__junto_outer_{number}_{}", columns.len());
                columns.push(Value { column, field, name });
            }
        }
        let rows = if columns.is_empty() {
            LogicalPlanBuilder::empty(true).build()?
        } else {
            let keys = columns.iter().map(|value| value.key().alias(&value.name)).collect();
            let rows = LogicalPlan::Projection(Projection::try_new(keys, Arc::new(rows.clone()))?);
            LogicalPlanBuilder::from(rows).distinct()?.build()?
        };
        Ok(Self { number, columns, rows })
    }

    /// Pairs that are the same where rows of the subquery belong to a row outside.
    pub(super) fn keys(&self) -> Vec<(Expr, Expr)> {
        self.columns.iter().map(|value| (value.key(), value.inside())).collect()
    }

    /// The values, as columns of what depends on them.
    pub(super) fn inside(&self) -> Vec<Expr> {
        self.columns.iter().map(Value::inside).collect()
    }

    /// The rows that the subquery has for each of the values, which follow its columns.
    ///
    /// # Errors
    /// Operators that cannot be computed for several values at once.
    pub(super) fn depend(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        if self.columns.is_empty() {
            return Ok(plan.clone());
        }
        if !self.is_asked(plan)? {
            return LogicalPlanBuilder::from(plan.clone()).cross_join(self.rows.clone())?.build();
        }
        match plan {
            LogicalPlan::Filter(filter) => {
                let predicate = self.seen(filter.predicate.clone())?;
                Ok(LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(self.depend(&filter.input)?))?))
            }
            LogicalPlan::Projection(projection) => self.project(projection, self.depend(&projection.input)?),
            LogicalPlan::SubqueryAlias(alias) => self.alias(&alias.alias, self.depend(&alias.input)?),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                LogicalPlanBuilder::from(self.depend(input)?).distinct()?.build()
            }
            LogicalPlan::Distinct(Distinct::On(distinct)) => self.distinct_on(distinct),
            // What a subquery's rows are ordered by matters to a limit only.
            LogicalPlan::Sort(sort) => self.depend(&sort.input),
            LogicalPlan::Limit(limit) => self.limit(limit, &limit.input),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => {
                let inputs = union.inputs.iter().map(|input| self.depend(input).map(Arc::new));
                let rows = Union::try_new_with_loose_types(inputs.collect::<Result<_>>()?)?;
                let columns: Vec<Column> = rows.schema.columns();
                let exprs = columns.into_iter().enumerate().map(|(position, column)| {
                    let (qualifier, name) = match self.columns.get(position.wrapping_sub(union.schema.fields().len())) {
                        Some(value) => (None, &value.name),
                        None => {
                            let (qualifier, field) = union.schema.qualified_field(position);
                            (qualifier.cloned(), field.name())
                        }
                    };
                    Expr::Column(column).alias_qualified(qualifier, name)
                });
                let exprs = exprs.collect();
                Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(LogicalPlan::Union(rows)))?))
            }
            LogicalPlan::Window(window) => {
                let functions = self.partitioned(window.window_expr.clone())?;
                let input = Arc::new(self.depend(&window.input)?);
                self.ordered(LogicalPlan::Window(Window::try_new(functions, input)?), plan.schema())
            }
            other => not_impl_err!("a subquery looks outside from within {}", other.display()),
        }
    }

    /// An expression that names the values as columns.
    fn seen(&self, expr: Expr) -> Result<Expr> {
        let seen = expr.transform_up(|part| match part {
            Expr::OuterReferenceColumn(field, column) => {
                Ok(match self.columns.iter().find(|value| value.column == column) {
                    Some(value) => Transformed::yes(value.inside()),
                    None => Transformed::no(Expr::OuterReferenceColumn(field, column)),
                })
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(seen.data)
    }

    /// The same under the names that others use.
    fn all_seen(&self, exprs: &[Expr]) -> Result<Vec<Expr>> {
        let names = NamePreserver::new_for_projection();
        exprs.iter().map(|expr| Ok(names.save(expr).restore(self.seen(expr.clone())?))).collect()
    }

    fn keys_seen(&self, keys: &[SortExpr]) -> Result<Vec<SortExpr>> {
        keys.iter().map(|key| Ok(SortExpr { expr: self.seen(key.expr.clone())?, ..key.clone() })).collect()
    }

    fn is_asked(&self, plan: &LogicalPlan) -> Result<bool> {
        let asked = outer_columns(plan)?;
        Ok(asked.iter().any(|(column, _)| self.columns.iter().any(|value| value.column == *column)))
    }

    /// The columns of a schema, then the values.
    fn ordered(&self, rows: LogicalPlan, schema: &DFSchema) -> Result<LogicalPlan> {
        let columns = schema.columns().into_iter().map(Expr::Column).chain(self.inside()).collect();
        Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(rows))?))
    }

    fn project(&self, projection: &Projection, rows: LogicalPlan) -> Result<LogicalPlan> {
        let mut exprs = self.all_seen(&projection.expr)?;
        exprs.extend(self.inside());
        Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(rows))?))
    }

    fn alias(&self, alias: &TableReference, rows: LogicalPlan) -> Result<LogicalPlan> {
        let rows = SubqueryAlias::try_new(Arc::new(rows), alias.clone())?;
        let own = rows.schema.fields().len() - self.columns.len();
        let columns = rows.schema.columns().into_iter().enumerate().map(|(position, column)| {
            match position.checked_sub(own).map(|value| &self.columns[value].name) {
                Some(name) => Expr::Column(column).alias(name),
                None => Expr::Column(column),
            }
        });
        let columns = columns.collect();
        Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(LogicalPlan::SubqueryAlias(rows)))?))
    }

    /// A group of all rows is there for each of the values, also where none of the rows is.
    fn aggregate(&self, aggregate: &Aggregate) -> Result<LogicalPlan> {
        if let [Expr::GroupingSet(_)] = &aggregate.group_expr[..] {
            return not_impl_err!("a subquery looks outside from below grouping sets");
        }
        let mut rows = self.depend(&aggregate.input)?;
        let mut functions = self.all_seen(&aggregate.aggr_expr)?;
        let mut groups = self.all_seen(&aggregate.group_expr)?;
        if groups.is_empty() {
            let is_row = format!("__junto_row_{}", self.number);
            rows = self.with_all_values(rows, &aggregate.input, &is_row)?;
            functions = functions.into_iter().map(|function| counted(function, &is_row)).collect::<Result<_>>()?;
        }
        groups.extend(self.inside());
        let aggregated = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(rows), groups, functions)?);
        self.ordered(aggregated, &aggregate.schema)
    }

    /// Values without rows get one in which `is_row` is NULL.
    fn with_all_values(&self, rows: LogicalPlan, input: &LogicalPlan, is_row: &str) -> Result<LogicalPlan> {
        let (renamed, columns) = self.renamed(rows, input.schema(), [lit(true).alias(is_row)])?;
        let keys = self.inside().into_iter().zip(columns).collect();
        beside(Arc::new(self.rows.clone()), renamed, keys, None, JoinType::Left)
    }

    /// The columns of a schema and others, and the values under other names.
    fn renamed(
        &self,
        rows: LogicalPlan,
        schema: &DFSchema,
        others: impl IntoIterator<Item = Expr>,
    ) -> Result<(LogicalPlan, Vec<Expr>)> {
        let other_name = |value: &Value| format!("{}_r", value.name);
        let values = self.columns.iter().map(|value| value.inside().alias(other_name(value)));
        let columns = schema.columns().into_iter().map(Expr::Column).chain(others).chain(values).collect();
        let renamed = LogicalPlan::Projection(Projection::try_new(columns, Arc::new(rows))?);
        let names = self.columns.iter().map(|value| Expr::Column(Column::new_unqualified(other_name(value))));
        Ok((renamed, names.collect()))
    }

    fn distinct_on(&self, distinct: &DistinctOn) -> Result<LogicalPlan> {
        let values = self.inside();
        let on = values.iter().cloned().chain(self.all_seen(&distinct.on_expr)?).collect();
        let selected = self.all_seen(&distinct.select_expr)?.into_iter().chain(values.iter().cloned()).collect();
        let keys = distinct.sort_expr.as_ref().map(|keys| -> Result<Vec<SortExpr>> {
            let first = values.iter().map(|value| value.clone().sort(true, false));
            Ok(first.chain(self.keys_seen(keys)?).collect())
        });
        let input = Arc::new(self.depend(&distinct.input)?);
        let distinct = DistinctOn::try_new(on, selected, keys.transpose()?, input)?;
        Ok(LogicalPlan::Distinct(Distinct::On(distinct)))
    }

    /// The first rows for each of the values, of an order that may stand below a projection.
    fn limit(&self, limit: &Limit, input: &LogicalPlan) -> Result<LogicalPlan> {
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) = (limit.get_skip_type()?, limit.get_fetch_type()?)
        else {
            return not_impl_err!("a subquery looks outside from below a LIMIT that is no number");
        };
        let (rows, keys, schema) = match input {
            LogicalPlan::Projection(projection) => {
                return self.project(projection, self.limit(limit, &projection.input)?);
            }
            LogicalPlan::SubqueryAlias(alias) => return self.alias(&alias.alias, self.limit(limit, &alias.input)?),
            LogicalPlan::Sort(sort) => (self.depend(&sort.input)?, self.keys_seen(&sort.expr)?, sort.input.schema()),
            other => (self.depend(other)?, Vec::new(), other.schema()),
        };
        let number = format!("__junto_number_{}", self.number);
        let numbers = row_number().partition_by(self.inside());
        let numbers = if keys.is_empty() { numbers } else { numbers.order_by(keys) };
        let numbers = numbers.build()?.alias(&number);
        let numbered = LogicalPlan::Window(Window::try_new(vec![numbers], Arc::new(rows))?);
        let count = |count: usize| lit(ScalarValue::UInt64(Some(count as u64)));
        let number = Expr::Column(Column::new_unqualified(number));
        let mut chosen = number.clone().gt(count(skip));
        if let Some(fetch) = fetch {
            chosen = chosen.and(number.lt_eq(count(skip.saturating_add(fetch))));
        }
        self.ordered(LogicalPlan::Filter(Filter::try_new(chosen, Arc::new(numbered))?), schema)
    }

    /// Each side is computed for the values if it asks for them, or if its rows are there without partner.
    fn join(&self, join: &Join) -> Result<LogicalPlan> {
        let kind = join.join_type;
        if matches!(kind, JoinType::LeftMark | JoinType::RightMark) {
            return not_impl_err!("a subquery looks outside from below a {kind} join");
        }
        let keeps_left = matches!(kind, JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::Full);
        let keeps_right = matches!(kind, JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::Full);
        let asks_right = self.is_asked(&join.right)?;
        // Where only the condition asks, the left side has the values.
        let on_right = keeps_right || asks_right;
        let on_left = keeps_left || self.is_asked(&join.left)? || !on_right;
        let left = if on_left { self.depend(&join.left)? } else { (*join.left).clone() };
        let mut right = if on_right { self.depend(&join.right)? } else { (*join.right).clone() };
        let on = join.on.iter().map(|(left, right)| Ok((self.seen(left.clone())?, self.seen(right.clone())?)));
        let on = on.collect::<Result<Vec<_>>>()?;
        let mut filter = join.filter.clone().map(|filter| self.seen(filter)).transpose()?;
        let mut values = self.inside();
        if on_left && on_right {
            let (renamed, others) = self.renamed(right, join.right.schema(), [])?;
            right = renamed;
            for (value, other) in self.inside().into_iter().zip(&others) {
                let same = binary_expr(value, Operator::IsNotDistinctFrom, other.clone());
                filter = Some(match filter {
                    Some(filter) => filter.and(same),
                    None => same,
                });
            }
            match kind {
                JoinType::Right => values = others,
                JoinType::Full => {
                    // A side without partner has NULL for all of its values; where both have NULL it is the same.
                    let either = values
                        .into_iter()
                        .zip(others)
                        .map(|(left, right)| when(left.clone().is_not_null(), left).otherwise(right));
                    values = either.collect::<Result<_>>()?;
                }
                JoinType::RightSemi | JoinType::RightAnti => values = others,
                _ => {}
            }
        }
        let (constraint, nulls) = (join.join_constraint, join.null_equality);
        let joined =
            Join::try_new(Arc::new(left), Arc::new(right), on, filter, kind, constraint, nulls, join.null_aware)?;
        let names = self.columns.iter().map(|value| &value.name);
        let values = values.into_iter().zip(names).map(|(value, name)| {
            let is_named = matches!(&value, Expr::Column(column) if column.name == *name);
            if is_named { value } else { value.alias(name) }
        });
        let columns = join.schema.columns().into_iter().map(Expr::Column).chain(values).collect();
        Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(LogicalPlan::Join(joined)))?))
    }

    /// Windows of the rows of each of the values.
    fn partitioned(&self, functions: Vec<Expr>) -> Result<Vec<Expr>> {
        let names = NamePreserver::new_for_projection();
        let partitioned = functions.into_iter().map(|function| {
            let name = names.save(&function);
            let seen = self.seen(function)?.transform_up(|part| match part {
                Expr::WindowFunction(mut window) => {
                    window.params.partition_by.extend(self.inside());
                    Ok(Transformed::yes(Expr::WindowFunction(window)))
                }
                other => Ok(Transformed::no(other)),
            })?;
            Ok(name.restore(seen.data))
        });
        partitioned.collect()
    }
}

/// An aggregate that does not count rows in which a column is NULL.
fn counted(function: Expr, is_row: &str) -> Result<Expr> {
    let names = NamePreserver::new_for_projection();
    let name = names.save(&function);
    let counted = function.transform_up(|part| match part {
        Expr::AggregateFunction(mut function) => {
            let is_row = Expr::Column(Column::new_unqualified(is_row)).is_not_null();
            let AggregateFunctionParams { filter, .. } = &mut function.params;
            *filter = Some(Box::new(match filter.take() {
                Some(filter) => filter.and(is_row),
                None => is_row,
            }));
            Ok(Transformed::yes(Expr::AggregateFunction(function)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(name.restore(counted.data))
}
