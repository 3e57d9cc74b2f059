//! DataFusion's rules for logical plans, where they are right: one counts different values by grouping twice, one leaves out
//! what is empty, one moves conditions down, two give joins further keys, some ask which columns determine which.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::NullEquality;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, Join, LogicalPlan, Projection, Union};
use datafusion::optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion::optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::propagate_empty_relation::PropagateEmptyRelation;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::single_distinct_to_groupby::SingleDistinctToGroupBy;
use datafusion::optimizer::{Optimizer, OptimizerConfig, OptimizerRule};
use junto_federation::GroupsAlone;

use super::exists::has_one_row;

/// Rules that ask which columns determine which.
const ASKING: [&str; 4] =
    ["replace_distinct_aggregate", "eliminate_join", "eliminate_duplicated_expr", "optimize_projections"];

/// DataFusion's rules, with these behind conditions, and what is known put right for others.
pub(crate) fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let ours: [Arc<dyn OptimizerRule + Send + Sync>; 5] = [
        Arc::new(GroupedTwice { inner: SingleDistinctToGroupBy::new() }),
        Arc::new(EmptyLeftOut { inner: PropagateEmptyRelation::new() }),
        Arc::new(AboveOneRow { inner: PushDownFilter::new() }),
        Arc::new(OneEquality { inner: ExtractEquijoinPredicate::new() }),
        Arc::new(OneEquality { inner: EliminateCrossJoin::new() }),
    ];
    let rules = Optimizer::new().rules;
    let rules =
        rules.into_iter().map(|rule| ours.iter().find(|one| one.name() == rule.name()).cloned().unwrap_or(rule));
    let known: Arc<dyn OptimizerRule + Send + Sync> = Arc::new(GroupsAlone);
    let before =
        |rule: &Arc<dyn OptimizerRule + Send + Sync>| ASKING.contains(&rule.name()).then(|| Arc::clone(&known));
    rules.flat_map(|rule| before(&rule).into_iter().chain([rule])).collect()
}

/// The rule names the columns of the only part of a union that is not empty as those of the union, which they need not be.
#[derive(Debug)]
struct EmptyLeftOut {
    inner: PropagateEmptyRelation,
}

impl OptimizerRule for EmptyLeftOut {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.inner.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if let LogicalPlan::Union(union) = &plan
            && let Some(part) = only_part(union)
        {
            let columns = part.schema().columns().into_iter().zip(union.schema.iter());
            let columns = columns.map(|(column, (qualifier, field))| {
                Expr::Column(column).alias_qualified(qualifier.cloned(), field.name())
            });
            let schema = Arc::clone(&union.schema);
            let renamed = Projection::try_new_with_schema(columns.collect(), Arc::clone(part), schema)?;
            return Ok(Transformed::yes(LogicalPlan::Projection(renamed)));
        }
        self.inner.rewrite(plan, config)
    }
}

/// The part of a union that may have rows, if the others have none.
fn only_part(union: &Union) -> Option<&Arc<LogicalPlan>> {
    let is_empty =
        |part: &&Arc<LogicalPlan>| matches!(&***part, LogicalPlan::EmptyRelation(empty) if !empty.produce_one_row);
    let mut others = union.inputs.iter().filter(|part| !is_empty(part));
    let only = others.next()?;
    (others.next().is_none() && union.inputs.len() > 1).then_some(only)
}

/// The rule moves a condition without columns (`(SELECT count(*) FROM t) > 5`, `NULL < 1`) below groups, where it empties
/// them; a group of all rows is there all the same, without rows.
#[derive(Debug)]
struct AboveOneRow {
    inner: PushDownFilter,
}

impl OptimizerRule for AboveOneRow {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.inner.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match &plan {
            LogicalPlan::Filter(filter)
                if matches!(&*filter.input, LogicalPlan::Aggregate(_)) && has_one_row(&filter.input)? =>
            {
                Ok(Transformed::no(plan))
            }
            _ => self.inner.rewrite(plan, config),
        }
    }
}

/// The rules give keys that are equal as `=` says to joins for which NULL equals NULL, and the other way round.
#[derive(Debug)]
struct OneEquality<R> {
    inner: R,
}

impl<R: OptimizerRule> OptimizerRule for OneEquality<R> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.inner.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if self.apply_order().is_some() {
            return match &plan {
                LogicalPlan::Join(join) if has_equal_nulls(join) => Ok(Transformed::no(plan)),
                _ => self.inner.rewrite(plan, config),
            };
        }
        // A rule that walks by itself takes trees of joins apart, wherever they are.
        if plan.exists(|node| Ok(matches!(node, LogicalPlan::Join(join) if has_equal_nulls(join))))? {
            return Ok(Transformed::no(plan));
        }
        self.inner.rewrite(plan, config)
    }
}

fn has_equal_nulls(join: &Join) -> bool {
    join.null_equality == NullEquality::NullEqualsNull && !join.on.is_empty()
}

/// The rule sums up sums, which have more digits than one sum.
#[derive(Debug)]
struct GroupedTwice {
    inner: SingleDistinctToGroupBy,
}

impl OptimizerRule for GroupedTwice {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.inner.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match &plan {
            LogicalPlan::Aggregate(aggregate) if grows(aggregate) => Ok(Transformed::no(plan)),
            _ => self.inner.rewrite(plan, config),
        }
    }
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
