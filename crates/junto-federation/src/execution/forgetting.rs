//! An operator that passes rows on and says less about them than its input does.
//!
//! DataFusion takes what holds of a column below for true above operators that replace some of its values by NULL: that it
//! is constant, the same as another, ordered, or tells the partition. Orders above then leave it out.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::equivalence::{EquivalenceClass, EquivalenceGroup};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{CardinalityEffect, ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
};

/// What is no longer said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// Which columns are constant, or the same as something computed.
    Values,
    /// Anything.
    Everything,
}

/// The rows of its input.
#[derive(Debug)]
pub struct ForgettingExec {
    input: Arc<dyn ExecutionPlan>,
    forgotten: Forgotten,
    properties: Arc<PlanProperties>,
}

impl ForgettingExec {
    /// Passes on the rows of `input`.
    ///
    /// # Errors
    /// DataFusion's, for equalities that contradict each other.
    pub fn try_new(input: Arc<dyn ExecutionPlan>, forgotten: Forgotten) -> Result<Self> {
        let known = input.equivalence_properties();
        let mut left = EquivalenceProperties::new(input.schema());
        let mut properties = input.properties().as_ref().clone();
        match forgotten {
            Forgotten::Values => {
                let is_column = |expr: &&Arc<dyn PhysicalExpr>| expr.is::<Column>();
                let classes =
                    known.eq_group().iter().map(|class| class.iter().filter(is_column).cloned().collect::<Vec<_>>());
                let classes = classes.filter(|class| class.len() > 1).map(EquivalenceClass::new);
                left.add_equivalence_group(EquivalenceGroup::new(classes))?;
                left.add_orderings(known.oeq_class().iter().cloned());
            }
            Forgotten::Everything => {
                let partitions = input.output_partitioning().partition_count();
                properties = properties.with_partitioning(Partitioning::UnknownPartitioning(partitions));
            }
        }
        let properties = Arc::new(properties.with_eq_properties(left));
        Ok(Self { input, forgotten, properties })
    }
}

impl DisplayAs for ForgettingExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForgettingExec")
    }
}

impl ExecutionPlan for ForgettingExec {
    fn name(&self) -> &'static str {
        "ForgettingExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::try_new(children.swap_remove(0), self.forgotten)?))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(inputs.first().map_or_else(|| Arc::new(Statistics::new_unknown(&self.schema())), Arc::clone))
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn execute(&self, partition: usize, task: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, task)
    }
}
