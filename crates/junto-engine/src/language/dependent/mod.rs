//! Subqueries that look outside in any way, as joins with what they look at.
//!
//! ```text
//! SELECT t.id, (SELECT count(*) FROM s WHERE s.a < t.a) FROM t
//! SELECT t.id, q.n FROM t LEFT JOIN (
//!     SELECT v.a, count(s.is) AS n
//!     FROM (SELECT DISTINCT a FROM t) v LEFT JOIN (SELECT *, true AS is FROM s) s ON s.a < v.a GROUP BY v.a
//! ) q ON q.a IS NOT DISTINCT FROM t.a
//! ```
//!
//! DataFusion makes joins of simple subqueries that stand in certain places ([`simple`]). Those are faster, so that a statement
//! is planned in this way only if it has others, or was refused in the other. T. Neumann and A. Kemper, "Unnesting
//! Arbitrary Queries" (BTW 2015), describe the method.

mod simple;
mod values;

use std::cell::Cell;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType, NullEquality, ScalarValue, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, DistinctOn, Expr, Filter, Join, JoinConstraint, LogicalPlan, LogicalPlanBuilder,
    Projection, Sort, SortExpr, SubqueryAlias, Window, lit, when,
};

pub(crate) use self::simple::is_simple;
use self::simple::looks_outside;
use self::values::Values;
use super::not_in::seen_from_within;
use super::{set_operations, single_rows};

/// The same statement with joins for its subqueries; nothing if it has none that need them.
///
/// # Errors
/// Subqueries that look outside in operators of which no join can be made.
pub(crate) fn joined(plan: LogicalPlan) -> Result<Option<LogicalPlan>> {
    let joins = Joins::default();
    // Sets are compared before what they look at comes to their columns.
    let settled = plan.transform_up_with_subqueries(|plan| match plan {
        LogicalPlan::Join(join) if set_operations::is_one(&join) => set_operations::settled(join).map(Transformed::yes),
        plan => Ok(Transformed::no(plan)),
    })?;
    let transformed = settled.data.transform_up_with_subqueries(|plan| joins.rewrite(plan))?;
    Ok(transformed.transformed.then_some(transformed.data))
}

/// Counts the subqueries, whose columns need names.
#[derive(Default)]
struct Joins {
    count: Cell<usize>,
}

impl Joins {
    fn next(&self) -> usize {
        self.count.replace(self.count.get() + 1)
    }

    fn rewrite(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        if let LogicalPlan::Join(join) = plan {
            return self.join(join);
        }
        if !asks(&plan)? {
            return Ok(Transformed::no(plan));
        }
        let schema = Arc::clone(plan.schema());
        let answered = match plan {
            LogicalPlan::Filter(filter) => {
                let mut rows = Rows::new(self, filter.input);
                let predicate = split_conjunction_owned(filter.predicate).into_iter().map(|part| rows.condition(part));
                let predicate = conjunction(predicate.collect::<Result<Vec<_>>>()?).unwrap_or_else(|| lit(true));
                shown(LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(rows.plan))?), &schema)?
            }
            LogicalPlan::Projection(projection) => {
                let mut rows = Rows::new(self, projection.input);
                let exprs = rows.named(projection.expr)?;
                LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(rows.plan))?)
            }
            LogicalPlan::Aggregate(aggregate) => {
                let mut rows = Rows::new(self, aggregate.input);
                let (groups, functions) = (rows.named(aggregate.group_expr)?, rows.named(aggregate.aggr_expr)?);
                LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(rows.plan), groups, functions)?)
            }
            LogicalPlan::Window(window) => {
                let mut rows = Rows::new(self, window.input);
                let functions = rows.named(window.window_expr)?;
                shown(LogicalPlan::Window(Window::try_new(functions, Arc::new(rows.plan))?), &schema)?
            }
            LogicalPlan::Sort(sort) => {
                let mut rows = Rows::new(self, sort.input);
                let expr = rows.keys(sort.expr)?;
                shown(LogicalPlan::Sort(Sort { expr, input: Arc::new(rows.plan), fetch: sort.fetch }), &schema)?
            }
            LogicalPlan::Distinct(Distinct::On(distinct)) => {
                let mut rows = Rows::new(self, distinct.input);
                let (on, selected) = (rows.all(distinct.on_expr)?, rows.named(distinct.select_expr)?);
                let keys = distinct.sort_expr.map(|keys| rows.keys(keys)).transpose()?;
                let distinct = DistinctOn::try_new(on, selected, keys, Arc::new(rows.plan))?;
                LogicalPlan::Distinct(Distinct::On(distinct))
            }
            other => return Ok(Transformed::no(other)),
        };
        Ok(Transformed::yes(answered))
    }

    /// A join whose right side looks at the left one, or whose condition has subqueries.
    fn join(&self, join: Join) -> Result<Transformed<LogicalPlan>> {
        if let Some(right) = lateral(&join.right) {
            if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
                return plan_err!("LATERAL stands on the right side of JOIN, LEFT JOIN and CROSS JOIN only");
            }
            let schema = Arc::clone(&join.schema);
            let values = Values::of(self.next(), &join.left, &right)?;
            let right = values.depend(&right)?;
            let equal = join.on.into_iter().map(|(left, right)| left.eq(right));
            let filter = conjunction(equal.chain(join.filter));
            return Ok(Transformed::yes(shown(
                beside(join.left, right, values.keys(), filter, join.join_type)?,
                &schema,
            )?));
        }
        let has_subqueries = join.filter.as_ref().map_or(Ok(false), asks_in)?;
        if !has_subqueries || join.join_type != JoinType::Inner {
            return Ok(Transformed::no(LogicalPlan::Join(join)));
        }
        let Join { left, right, on, filter, join_type, join_constraint, null_equality, null_aware, .. } = join;
        let pairs = Join::try_new(left, right, on, None, join_type, join_constraint, null_equality, null_aware)?;
        let filter = filter.unwrap_or_else(|| lit(true));
        let filtered = Filter::try_new(filter, Arc::new(LogicalPlan::Join(pairs)))?;
        let plan = self.rewrite(LogicalPlan::Filter(filtered))?.data;
        Ok(Transformed::yes(plan))
    }
}

/// The rows of an operator, to which the answers of subqueries are joined.
struct Rows<'a> {
    joins: &'a Joins,
    /// Without the answers.
    own: LogicalPlan,
    plan: LogicalPlan,
    /// Subqueries and their answers: an order repeats what is selected.
    answers: Vec<(Expr, Expr)>,
}

impl<'a> Rows<'a> {
    fn new(joins: &'a Joins, input: Arc<LogicalPlan>) -> Self {
        let plan = Arc::unwrap_or_clone(input);
        Self { joins, own: plan.clone(), plan, answers: Vec::new() }
    }

    /// What a subquery looks at.
    fn values(&self, number: usize, subquery: &LogicalPlan) -> Result<Values> {
        let values = Values::of(number, &self.own, subquery)?;
        // It may look at an answer too.
        let all = Values::of(number, &self.plan, subquery)?;
        Ok(if values.inside().len() == all.inside().len() { values } else { all })
    }

    /// Part of a WHERE. Those stay that have no need of a join of ours.
    fn condition(&mut self, part: Expr) -> Result<Expr> {
        let asks = match &part {
            Expr::Not(inner) => inner,
            other => other,
        };
        let is_alone = match asks {
            Expr::InSubquery(tested) => !looks_outside(&tested.subquery.subquery)? && !asks_in(&tested.expr)?,
            Expr::Exists(exists) => !looks_outside(&exists.subquery.subquery)?,
            _ => false,
        };
        if is_alone { Ok(part) } else { self.value(part) }
    }

    fn all(&mut self, exprs: Vec<Expr>) -> Result<Vec<Expr>> {
        exprs.into_iter().map(|expr| self.value(expr)).collect()
    }

    /// Expressions whose names others use.
    fn named(&mut self, exprs: Vec<Expr>) -> Result<Vec<Expr>> {
        let names = NamePreserver::new_for_projection();
        let named = exprs.into_iter().map(|expr| {
            let name = names.save(&expr);
            Ok(if asks_in(&expr)? { name.restore(self.value(expr)?) } else { expr })
        });
        named.collect()
    }

    fn keys(&mut self, keys: Vec<SortExpr>) -> Result<Vec<SortExpr>> {
        keys.into_iter().map(|key| Ok(SortExpr { expr: self.value(key.expr)?, ..key })).collect()
    }

    /// An expression whose subqueries are columns of `plan`.
    fn value(&mut self, expr: Expr) -> Result<Expr> {
        let answered = expr.transform_up(|part| {
            if let Some((_, answer)) = self.answers.iter().find(|(subquery, _)| *subquery == part) {
                return Ok(Transformed::yes(answer.clone()));
            }
            Ok(match self.answer(&part)? {
                Some(answer) => {
                    self.answers.push((part, answer.clone()));
                    Transformed::yes(answer)
                }
                None => Transformed::no(part),
            })
        });
        Ok(answered?.data)
    }

    /// What stands for a subquery, if the expression is one.
    fn answer(&mut self, part: &Expr) -> Result<Option<Expr>> {
        Ok(Some(match part {
            Expr::ScalarSubquery(subquery) if looks_outside(&subquery.subquery)? => {
                self.scalar(&single_rows::single(LogicalPlan::clone(&subquery.subquery))?)?
            }
            Expr::Exists(Exists { subquery, negated }) => {
                let some = self.some(&subquery.subquery)?;
                if *negated { some.is_null() } else { some.is_not_null() }
            }
            Expr::InSubquery(tested) => self.is_in(tested.clone())?,
            Expr::SetComparison(comparison) => self.compared(comparison.clone())?,
            _ => return Ok(None),
        }))
    }

    /// The value of the only row.
    fn scalar(&mut self, subquery: &LogicalPlan) -> Result<Expr> {
        let number = self.joins.next();
        let values = self.values(number, subquery)?;
        let value = format!("__junto_value_{number}");
        let rows = values.depend(subquery)?;
        let selected = Expr::Column(Column::from(rows.schema().qualified_field(0))).alias(&value);
        let selected = std::iter::once(selected).chain(values.inside()).collect();
        self.join(&values, LogicalPlan::Projection(Projection::try_new(selected, Arc::new(rows))?))?;
        Ok(Expr::Column(Column::new_unqualified(value)))
    }

    /// A column that is not NULL where the subquery has rows.
    fn some(&mut self, subquery: &LogicalPlan) -> Result<Expr> {
        let number = self.joins.next();
        let values = self.values(number, subquery)?;
        let some = format!("__junto_some_{number}");
        let rows = values.depend(subquery)?;
        let selected = std::iter::once(lit(true).alias(&some)).chain(values.inside()).collect();
        let rows = LogicalPlanBuilder::from(LogicalPlan::Projection(Projection::try_new(selected, Arc::new(rows))?));
        let once = if values.inside().is_empty() { rows.limit(0, Some(1))? } else { rows.distinct()? };
        self.join(&values, once.build()?)?;
        Ok(Expr::Column(Column::new_unqualified(some)))
    }

    fn join(&mut self, values: &Values, rows: LogicalPlan) -> Result<()> {
        let plan = Arc::new(std::mem::take(&mut self.plan));
        self.plan = beside(plan, rows, values.keys(), None, JoinType::Left)?;
        Ok(())
    }

    /// True where a row is equal; NULL where one might be, as a side of the comparison is NULL.
    fn is_in(&mut self, InSubquery { expr, subquery, negated }: InSubquery) -> Result<Expr> {
        let rows = Arc::unwrap_or_clone(subquery.subquery);
        let column = Expr::Column(Column::from(rows.schema().qualified_field(0)));
        let seen = seen_from_within((*expr).clone(), self.plan.schema(), &mut Vec::new())?;
        let equal = self.some(&filtered(rows.clone(), seen.eq(column.clone()))?)?;
        let any = self.some(&rows)?;
        let null = self.some(&filtered(rows, column.is_null())?)?;
        let unknown = null.is_not_null().or(expr.is_null().and(any.is_not_null()));
        let nothing = lit(ScalarValue::Boolean(None));
        when(equal.is_not_null(), lit(!negated)).when(unknown, nothing).otherwise(lit(negated))
    }

    /// ANY: as IN, by another operator. ALL: no row for which the comparison is false.
    fn compared(&mut self, SetComparison { expr, subquery, op, quantifier }: SetComparison) -> Result<Expr> {
        let rows = Arc::unwrap_or_clone(subquery.subquery);
        let column = Expr::Column(Column::from(rows.schema().qualified_field(0)));
        let seen = seen_from_within(*expr, self.plan.schema(), &mut Vec::new())?;
        let fits = Expr::BinaryExpr(BinaryExpr::new(Box::new(seen), op, Box::new(column)));
        let (decides, is_any) = match quantifier {
            SetQuantifier::Any => (Expr::IsTrue(Box::new(fits.clone())), true),
            SetQuantifier::All => (Expr::IsFalse(Box::new(fits.clone())), false),
        };
        let decided = self.some(&filtered(rows.clone(), decides)?)?;
        let unknown = self.some(&filtered(rows, fits.is_null())?)?;
        let nothing = lit(ScalarValue::Boolean(None));
        when(decided.is_not_null(), lit(is_any)).when(unknown.is_not_null(), nothing).otherwise(lit(!is_any))
    }
}

/// Rows of both sides whose values are the same, NULL the same as NULL.
fn beside(
    left: Arc<LogicalPlan>,
    right: LogicalPlan,
    keys: Vec<(Expr, Expr)>,
    filter: Option<Expr>,
    kind: JoinType,
) -> Result<LogicalPlan> {
    let nulls = NullEquality::NullEqualsNull;
    Ok(LogicalPlan::Join(Join::try_new(left, Arc::new(right), keys, filter, kind, JoinConstraint::On, nulls, false)?))
}

/// The columns of a schema only.
fn shown(plan: LogicalPlan, schema: &DFSchema) -> Result<LogicalPlan> {
    let columns = schema.columns().into_iter().map(Expr::Column).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?))
}

fn filtered(rows: LogicalPlan, condition: Expr) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Filter(Filter::try_new(condition, Arc::new(rows))?))
}

/// What follows LATERAL, under its alias.
fn lateral(plan: &LogicalPlan) -> Option<LogicalPlan> {
    match plan {
        LogicalPlan::Subquery(subquery) => Some((*subquery.subquery).clone()),
        LogicalPlan::SubqueryAlias(alias) => {
            let input = lateral(&alias.input)?;
            SubqueryAlias::try_new(Arc::new(input), alias.alias.clone()).ok().map(LogicalPlan::SubqueryAlias)
        }
        _ => None,
    }
}

/// Whether an expression of the operator has a subquery that may need a join.
fn asks(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        found = asks_in(expr)?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

fn asks_in(expr: &Expr) -> Result<bool> {
    expr.exists(|part| match part {
        Expr::ScalarSubquery(subquery) => looks_outside(&subquery.subquery),
        Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => Ok(true),
        _ => Ok(false),
    })
}
