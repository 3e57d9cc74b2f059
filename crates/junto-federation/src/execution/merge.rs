//! The physical plan of a final aggregation over states that a source computed.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_expr::aggregate::LoweredAggregateBuilder;
use datafusion::physical_expr::expressions::{BinaryExpr, CaseExpr, CastExpr, Column, lit};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::projection::ProjectionExec;

use super::{MaterializeExec, RemoteScanExec};
use crate::absorb::MergeNode;
use crate::node::RemoteNode;

/// The final aggregation of `node` over its remote read.
///
/// The partial aggregation that DataFusion would have run is planned over no rows, only to learn the schema and the
/// functions of the final one.
pub(crate) fn merged(
    node: &MergeNode,
    inputs: &[Arc<dyn ExecutionPlan>],
    cores: usize,
    session: &dyn Session,
    context: &PhysicalPlanningContext,
) -> Result<Arc<dyn ExecutionPlan>> {
    let aggregate = &node.aggregate;
    let logical = aggregate.input.schema();
    let schema: SchemaRef = Arc::clone(logical.inner());
    let properties = session.execution_props();
    let key = |(index, expr): (usize, &Expr)| {
        let name = aggregate.schema.field(index).name().clone();
        Ok((create_physical_expr(expr, logical, properties, context)?, name))
    };
    let keys = aggregate.group_expr.iter().enumerate().map(key).collect::<Result<Vec<_>>>()?;
    let (mut functions, mut filters) = (Vec::new(), Vec::new());
    for expr in &aggregate.aggr_expr {
        let lowered = LoweredAggregateBuilder::new(expr, logical, &schema, properties, context).build()?;
        functions.push(lowered.aggregate);
        filters.push(lowered.filter);
    }
    let partial = AggregateExec::try_new(
        AggregateMode::Partial,
        PhysicalGroupBy::new_single(keys),
        functions,
        filters.clone(),
        Arc::new(EmptyExec::new(Arc::clone(&schema))),
        Arc::clone(&schema),
    )?;
    let counts = counts_of_averages(&partial)?;
    let states = conforming(read(&node.remote, inputs, cores, context)?, &partial.schema(), &counts)?;
    let groups = partial.group_expr().as_final();
    let spreads = !groups.is_empty() && cores > 1;
    let mode = if spreads { AggregateMode::FinalPartitioned } else { AggregateMode::Final };
    Ok(Arc::new(AggregateExec::try_new(mode, groups, partial.aggr_expr().to_vec(), filters, states, schema)?))
}

/// The read of a node, after its temporary tables are filled from `inputs`.
pub(crate) fn read(
    node: &RemoteNode,
    inputs: &[Arc<dyn ExecutionPlan>],
    cores: usize,
    context: &PhysicalPlanningContext,
) -> Result<Arc<dyn ExecutionPlan>> {
    if node.filled.is_empty() {
        return Ok(Arc::new(RemoteScanExec::new(node, cores, context)?));
    }
    let tables = node.filled.iter().map(|filled| Arc::clone(&filled.table)).collect();
    // The tables are seen by one session only.
    Ok(Arc::new(MaterializeExec::new(RemoteScanExec::new(node, 1, context)?, inputs.to_vec(), tables)))
}

/// Columns that hold the count of an average.
fn counts_of_averages(partial: &AggregateExec) -> Result<Vec<usize>> {
    let mut at = partial.group_expr().expr().len();
    let mut counts = Vec::new();
    for function in partial.aggr_expr() {
        if function.fun().name() == "avg" {
            counts.push(at);
        }
        at += function.state_fields()?.len();
    }
    Ok(counts)
}

/// The scan's columns under the names and types that the final aggregation expects. It takes an average whose count is
/// not NULL for one of some rows, so those in `counts` are NULL instead of 0.
fn conforming(scan: Arc<dyn ExecutionPlan>, expected: &SchemaRef, counts: &[usize]) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = scan.schema();
    let column = |(index, field): (usize, &FieldRef)| -> Result<(Arc<dyn PhysicalExpr>, String)> {
        let found = schema.field(index);
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(found.name(), index));
        let expr = if found.data_type() == field.data_type() {
            column
        } else {
            Arc::new(CastExpr::new(column, field.data_type().clone(), None))
        };
        let expr = if counts.contains(&index) { unless_zero(expr, field.data_type())? } else { expr };
        Ok((expr, field.name().clone()))
    };
    let columns = expected.fields().iter().enumerate().map(column).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(ProjectionExec::try_new(columns, scan)?))
}

/// `CASE WHEN x <> 0 THEN x END`
fn unless_zero(expr: Arc<dyn PhysicalExpr>, data_type: &DataType) -> Result<Arc<dyn PhysicalExpr>> {
    let zero = lit(ScalarValue::new_zero(data_type)?);
    let condition: Arc<dyn PhysicalExpr> = Arc::new(BinaryExpr::new(Arc::clone(&expr), Operator::NotEq, zero));
    Ok(Arc::new(CaseExpr::try_new(None, vec![(condition, expr)], None)?))
}
