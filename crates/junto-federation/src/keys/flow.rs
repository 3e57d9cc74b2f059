//! The physical optimizer rule that connects finished join sides with remote scans.

use std::cmp::Reverse;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinType, NullEquality};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use super::MAX_KEYS;
use super::route::{Positions, bind_scans, positions, table_column};
use super::slot::KeySlot;
use super::tap::KeyTapExec;
use crate::execution::{KeyBinding, KeyColumn, RemoteScanExec};
use crate::statistics::covered_part;

/// Makes keys flow. Must run after all rules that move operators: they could move a tap away from its join.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyFlow;

impl PhysicalOptimizerRule for KeyFlow {
    fn name(&self) -> &'static str {
        "junto_key_flow"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        // A recursive part runs many times with other keys each time.
        let recursive = plan.exists(|node| Ok(node.downcast_ref::<RecursiveQueryExec>().is_some()))?;
        if recursive {
            return Ok(plan);
        }
        plan.transform_up(connect).map(|transformed| transformed.data)
    }
}

fn connect(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(join) = plan.downcast_ref::<HashJoinExec>() else { return Ok(Transformed::no(plan)) };
    let nulls_join = join.null_equality() == NullEquality::NullEqualsNull;
    // NOT IN also asks whether the other side is empty, which keys would hide; composite NULL keys are not asked for.
    if !may_reduce_right(*join.join_type()) || join.null_aware || (nulls_join && join.on().len() > 1) {
        return Ok(Transformed::no(plan));
    }
    let (keys, wanted): (Vec<_>, Vec<_>) = join.on().iter().cloned().unzip();
    let left_schema = join.left().schema();
    let types = keys.iter().map(|key| key.data_type(&left_schema)).collect::<Result<Vec<DataType>>>()?;
    let partitions = join.left().output_partitioning().partition_count();
    let slot = Arc::new(KeySlot::new(types, partitions, MAX_KEYS, nulls_join)?);

    let wanted = positions(&wanted, &join.right().schema());
    let of_left = positions(&keys, &left_schema);
    let values = |position: &Option<usize>| table_column(join.left(), (*position)?).map(|column| column.distinct);
    let values: Vec<Option<f64>> = of_left.iter().map(values).collect();
    let table = whole_table(join.left()).map(|scan| (scan, of_left));
    let reduces = |scan: &RemoteScanExec, binding: &KeyBinding| match &table {
        Some((table, keys)) => !has_keys_of_all(table, keys, scan, binding),
        None => true,
    };
    let mut bind = |scan: &RemoteScanExec, columns: &Positions| {
        let mut bindings = bindings(scan, columns, &values, &slot);
        bindings.retain(|binding| reduces(scan, binding));
        (!bindings.is_empty()).then(|| scan.with_bindings(bindings))
    };
    let Some(right) = bind_scans(join.right(), &wanted, &mut bind)? else { return Ok(Transformed::no(plan)) };
    let left: Arc<dyn ExecutionPlan> = Arc::new(KeyTapExec::new(Arc::clone(join.left()), keys, slot));
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep);
    plan.replace_children(vec![left, right], options).map(Transformed::yes)
}

/// Whether rows of the right side that match nothing do not come out.
fn may_reduce_right(join: JoinType) -> bool {
    match join {
        JoinType::Inner
        | JoinType::Left
        | JoinType::LeftSemi
        | JoinType::LeftAnti
        | JoinType::LeftMark
        | JoinType::RightSemi => true,
        JoinType::Right | JoinType::Full | JoinType::RightAnti | JoinType::RightMark => false,
    }
}

/// The read of a whole table, when a plan does no more.
fn whole_table(plan: &Arc<dyn ExecutionPlan>) -> Option<&RemoteScanExec> {
    let passes = plan.is::<CoalescePartitionsExec>() || plan.is::<RepartitionExec>() || plan.is::<CooperativeExec>();
    match plan.children().as_slice() {
        [input] if passes => whole_table(input),
        _ => plan.downcast_ref::<RemoteScanExec>().filter(|scan| scan.reads_a_whole_table()),
    }
}

/// Whether the key columns `keys` of a whole table have, as far as is known, too many values for `scan` to ask for, from
/// all of the range that its column has: waiting for them is in vain.
fn has_keys_of_all(table: &RemoteScanExec, keys: &Positions, scan: &RemoteScanExec, binding: &KeyBinding) -> bool {
    let (&[column], &[of_slot]) = (binding.columns.as_slice(), binding.slot_columns.as_slice()) else { return false };
    let of_table = keys.get(of_slot).copied().flatten().and_then(|column| table.key_column(column));
    let (Some(of_table), Some(asked)) = (of_table, scan.key_column(column)) else { return false };
    of_table.distinct > SURELY_MORE * binding.limit as f64
        && covered_part(&asked.statistics, &of_table.statistics).is_some_and(|part| part > NEARLY_ALL)
}

/// Times that an estimate must be above a limit.
const SURELY_MORE: f64 = 2.0;
const NEARLY_ALL: f64 = 0.9;

/// The key columns of the scan: indexed ones before others, then those that allow more keys. `values`: per key, the distinct
/// values of its column in the table that it comes from.
fn bindings(
    scan: &RemoteScanExec,
    columns: &Positions,
    values: &[Option<f64>],
    slot: &Arc<KeySlot>,
) -> Vec<KeyBinding> {
    let candidates = columns.iter().enumerate().filter_map(|(position, column)| {
        let column = (*column)?;
        Some((position, column, scan.key_column(column)?))
    });
    let mut candidates: Vec<_> = candidates.collect();
    candidates.sort_by_key(|(_, _, key)| Reverse((key.indexed, key.limit)));
    let binding = |(position, column, key): (usize, usize, &KeyColumn)| KeyBinding {
        columns: vec![column],
        slot_columns: vec![position],
        limit: key.limit,
        // Where nothing is known of the column, it refers to the other table.
        distinct: values.get(position).copied().flatten().map_or(key.distinct, |values| values.min(key.distinct)),
        slot: Arc::clone(slot),
    };
    candidates.into_iter().map(binding).collect()
}
