//! DataFusion's rules for logical plans, where they are right: one counts different values by grouping twice, one leaves out
//! what is empty, one moves conditions down, two give joins further keys, some ask which columns determine which.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::NullEquality;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan, Projection};
use datafusion::optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion::optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::propagate_empty_relation::PropagateEmptyRelation;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::single_distinct_to_groupby::SingleDistinctToGroupBy;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use junto_federation::GroupsAlone;

use super::exists::has_one_row;

/// Rules that ask which columns determine which.
const ASKING: [&str; 4] =
    ["replace_distinct_aggregate", "eliminate_join", "eliminate_duplicated_expr", "optimize_projections"];

/// DataFusion's rules, with these behind conditions, and what is known put right for others.
pub(crate) fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let ours = [
        behind(SingleDistinctToGroupBy::new(), summed_twice),
        behind(PropagateEmptyRelation::new(), only_part),
        behind(PushDownFilter::new(), above_one_row),
        behind(ExtractEquijoinPredicate::new(), with_equal_nulls),
        behind(EliminateCrossJoin::new(), over_equal_nulls),
    ];
    let rules = junto_datafusion::optimizer_rules().into_iter();
    let rules = rules.map(|rule| ours.iter().find(|one| one.name() == rule.name()).cloned().unwrap_or(rule));
    let known: Arc<dyn OptimizerRule + Send + Sync> = Arc::new(GroupsAlone);
    let before =
        |rule: &Arc<dyn OptimizerRule + Send + Sync>| ASKING.contains(&rule.name()).then(|| Arc::clone(&known));
    rules.flat_map(|rule| before(&rule).into_iter().chain([rule])).collect()
}

/// What is done with a plan that a rule is given.
enum Decision {
    /// What the rule does.
    Rule,
    Nothing,
    /// It becomes this one.
    Becomes(LogicalPlan),
}

impl Decision {
    fn nothing_if(condition: bool) -> Self {
        if condition { Decision::Nothing } else { Decision::Rule }
    }
}

/// A rule that is asked only where it is right.
struct Behind<R> {
    inner: R,
    decide: fn(&LogicalPlan) -> Result<Decision>,
}

fn behind<R: OptimizerRule + Send + Sync + 'static>(
    inner: R,
    decide: fn(&LogicalPlan) -> Result<Decision>,
) -> Arc<dyn OptimizerRule + Send + Sync> {
    Arc::new(Behind { inner, decide })
}

impl<R: fmt::Debug> fmt::Debug for Behind<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<R: OptimizerRule> OptimizerRule for Behind<R> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.inner.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match (self.decide)(&plan)? {
            Decision::Rule => self.inner.rewrite(plan, config),
            Decision::Nothing => Ok(Transformed::no(plan)),
            Decision::Becomes(other) => Ok(Transformed::yes(other)),
        }
    }
}

/// The rule names the columns of the only part of a union that is not empty as those of the union, which they need not be.
fn only_part(plan: &LogicalPlan) -> Result<Decision> {
    let LogicalPlan::Union(union) = plan else { return Ok(Decision::Rule) };
    let is_empty =
        |part: &&Arc<LogicalPlan>| matches!(&***part, LogicalPlan::EmptyRelation(empty) if !empty.produce_one_row);
    let mut others = union.inputs.iter().filter(|part| !is_empty(part));
    let (Some(only), None) = (others.next(), others.next()) else { return Ok(Decision::Rule) };
    if union.inputs.len() == 1 {
        return Ok(Decision::Rule);
    }
    let columns = only.schema().columns().into_iter().zip(union.schema.iter());
    let columns = columns
        .map(|(column, (qualifier, field))| Expr::Column(column).alias_qualified(qualifier.cloned(), field.name()));
    let schema = Arc::clone(&union.schema);
    let renamed = Projection::try_new_with_schema(columns.collect(), Arc::clone(only), schema)?;
    Ok(Decision::Becomes(LogicalPlan::Projection(renamed)))
}

/// The rule moves a condition without columns (`(SELECT count(*) FROM t) > 5`, `NULL < 1`) below groups, where it empties
/// them; a group of all rows is there all the same, without rows.
fn above_one_row(plan: &LogicalPlan) -> Result<Decision> {
    let LogicalPlan::Filter(filter) = plan else { return Ok(Decision::Rule) };
    let is_grouped = matches!(&*filter.input, LogicalPlan::Aggregate(_));
    Ok(Decision::nothing_if(is_grouped && has_one_row(&filter.input)?))
}

/// The rule gives keys that are equal as `=` says to joins for which NULL equals NULL.
#[expect(clippy::unnecessary_wraps, reason = "as the others")]
fn with_equal_nulls(plan: &LogicalPlan) -> Result<Decision> {
    Ok(Decision::nothing_if(has_equal_nulls(plan)))
}

/// The same, of a rule that walks by itself and takes trees of joins apart, wherever they are.
fn over_equal_nulls(plan: &LogicalPlan) -> Result<Decision> {
    Ok(Decision::nothing_if(plan.exists(|node| Ok(has_equal_nulls(node)))?))
}

fn has_equal_nulls(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Join(join)
        if join.null_equality == NullEquality::NullEqualsNull && !join.on.is_empty())
}

/// The rule sums up sums, which have more digits than one sum.
#[expect(clippy::unnecessary_wraps, reason = "as the others")]
fn summed_twice(plan: &LogicalPlan) -> Result<Decision> {
    Ok(Decision::nothing_if(matches!(plan, LogicalPlan::Aggregate(aggregate) if grows(aggregate))))
}

/// Whether a sum of these sums has another type than they have.
fn grows(aggregate: &Aggregate) -> bool {
    let is_sum = |expr: &Expr| match expr {
        Expr::AggregateFunction(call) => call.func.name() == "sum" && !call.params.distinct,
        _ => false,
    };
    let is_float = |expr: &Expr| expr.get_type(aggregate.input.schema()).is_ok_and(|of| of == DataType::Float64);
    aggregate.aggr_expr.iter().any(|expr| is_sum(expr) && !is_float(expr))
}
