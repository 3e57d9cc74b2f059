//! Aggregates that a source computes in parts.
//!
//! ```text
//! Aggregate: g, sum(x), avg(y)           Merge: g, sum(x), avg(y)
//!   Remote: g, x, y               =>       Remote: g, sum(x), count(y), sum(y) per group
//! ```
//!
//! The source delivers the states that DataFusion's own partial aggregation would deliver, and DataFusion's final
//! aggregation merges them: averages, roundings and empty inputs come out as if all rows had been read, and a source may
//! deliver its groups from several connections.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, DFSchemaRef};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::expr::AggregateFunction as AggregateCall;
use datafusion::logical_expr::function::StateFieldsArgs;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use junto_connector::expr::{Aggregate as RemoteAggregate, AggregateFunction};
use junto_connector::plan::{AggregateOutput, Output};
use junto_connector::{Expr as RemoteExpr, Literal, Relation, RemotePlan, TypeClass};

use super::forms::{checked, plain_column};
use crate::cost;
use crate::node::RemoteNode;
use crate::translate::{Refusal, readable, translate};

/// A final aggregation over the states that a source computed.
#[derive(Debug, Clone)]
pub(crate) struct MergeNode {
    /// The aggregate as written, over its own input.
    pub(crate) aggregate: Aggregate,
    /// Group columns, then the states of each aggregate.
    pub(crate) remote: RemoteNode,
}

impl MergeNode {
    pub(crate) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    /// The node that a plan is, if it is one.
    pub(crate) fn of(plan: &LogicalPlan) -> Option<&MergeNode> {
        match plan {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
            _ => None,
        }
    }
}

/// What the source delivers of each aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// States, which are merged here.
    States,
    /// The value, which DISTINCT allows too.
    Values,
}

/// The aggregate in the source's form. `groups` is the estimate of how many come out.
pub(super) fn merged(aggregate: &Aggregate, input: &RemoteNode, groups: f64) -> Result<MergeNode, Refusal> {
    formed(aggregate, input, groups, Form::States)
}

fn formed(aggregate: &Aggregate, input: &RemoteNode, groups: f64, form: Form) -> Result<MergeNode, Refusal> {
    let costs = input.connector.capabilities().costs;
    let types = input.plan.root.types();
    let mut keys = Vec::with_capacity(aggregate.group_expr.len());
    let mut fields: Vec<Field> = Vec::new();
    let mut per_row = 0.0;
    for (index, expr) in aggregate.group_expr.iter().enumerate() {
        if matches!(expr, Expr::GroupingSet(_)) {
            return Err("grouping sets are formed locally".into());
        }
        let field = aggregate.schema.field(index);
        let key = translate(expr, &input.schema)?;
        per_row += cost::condition(&key, &types, &costs).0;
        let (data_type, nullable) = (field.data_type().clone(), field.is_nullable());
        fields.push(Field::new(format!("g{index}"), data_type.clone(), nullable));
        keys.push(Output { name: format!("g{index}"), expr: key, data_type, nullable });
    }
    let mut outputs = Vec::new();
    for expr in &aggregate.aggr_expr {
        for (state, call) in states_of(expr, input, form)? {
            per_row += costs.aggregated_value;
            if call.distinct {
                per_row += costs.grouping(input.work.rows);
            }
            per_row += call.argument.iter().map(|arg| cost::condition(arg, &types, &costs).0).sum::<f64>();
            let data_type = delivered_type(state.data_type());
            let name = format!("s{}", outputs.len());
            fields.push(Field::new(&name, data_type.clone(), true));
            outputs.push(AggregateOutput { name, aggregate: call, data_type, nullable: true });
        }
    }
    let schema = DFSchema::try_from(arrow::datatypes::Schema::new(fields)).map_err(|cause| cause.to_string())?;
    let of_group = |expr: &Expr| plain_column(expr, &input.schema).and_then(|at| input.origin[at].clone());
    let mut origin: Vec<_> = aggregate.group_expr.iter().map(of_group).collect();
    origin.resize(schema.fields().len(), None);
    let mut remote = input.clone();
    if !keys.is_empty() {
        per_row += costs.grouping(groups);
    }
    remote.work.server += input.work.rows * per_row;
    remote.work.rows = if keys.is_empty() { 1.0 } else { groups.min(input.work.rows) };
    remote.origin = origin;
    remote.schema = Arc::new(schema);
    remote.partial_groups = true;
    remote.plan = RemotePlan {
        root: Relation::Aggregate { input: Box::new(input.plan.root.clone()), groups: keys, aggregates: outputs },
    };
    Ok(MergeNode { aggregate: aggregate.clone(), remote: checked(remote)? })
}

/// The whole aggregate in the source's form, for aggregates whose value is their only state: all but averages.
pub(super) fn whole(aggregate: &Aggregate, input: &RemoteNode, groups: f64) -> Result<RemoteNode, Refusal> {
    finished(formed(aggregate, input, groups, Form::Values)?)
}

/// The same, of an aggregate whose groups arrive in parts.
pub(super) fn finished(merge: MergeNode) -> Result<RemoteNode, Refusal> {
    let MergeNode { aggregate, remote: mut node } = merge;
    let Relation::Aggregate { groups, aggregates, .. } = &mut node.plan.root else {
        return Err("not an aggregate".into());
    };
    let types: Vec<&DataType> = aggregate.schema.fields().iter().map(|field| field.data_type()).collect();
    let delivered = groups.iter().map(|group| &group.data_type).chain(aggregates.iter().map(|of| &of.data_type));
    if !delivered.eq(types.iter().copied()) {
        return Err("an average is computed here".into());
    }
    let nullable = aggregate.schema.fields().iter().skip(groups.len()).map(|field| field.is_nullable());
    aggregates.iter_mut().zip(nullable).for_each(|(of, nullable)| of.nullable = nullable);
    node.schema = Arc::clone(&aggregate.schema);
    node.partial_groups = false;
    Ok(node)
}

/// Sources count in signed integers.
fn delivered_type(state: &DataType) -> DataType {
    match state {
        DataType::UInt64 => DataType::Int64,
        other => other.clone(),
    }
}

/// The states of one aggregate, each with the aggregate of the source that computes it.
fn states_of(expr: &Expr, input: &RemoteNode, form: Form) -> Result<Vec<(FieldRef, RemoteAggregate)>, Refusal> {
    let call = match expr {
        Expr::Alias(alias) => return states_of(&alias.expr, input, form),
        Expr::AggregateFunction(call) => call,
        other => return Err(format!("{other}: not an aggregate")),
    };
    let name = call.func.name();
    let distinct = call.params.distinct;
    if distinct && form == Form::States {
        return Err(format!("{}: values of DISTINCT cannot be merged", readable(expr)));
    }
    if !call.params.order_by.is_empty() || call.params.null_treatment.is_some() {
        return Err(format!("{}: ORDER BY in an aggregate runs locally", readable(expr)));
    }
    let fields = state_fields(expr, call, input).map_err(|cause| cause.to_string())?;
    let filter = call.params.filter.as_ref().map(|filter| translate(filter, &input.schema)).transpose()?;
    let of = |function, argument| RemoteAggregate { function, argument, distinct, filter: filter.clone() };
    let argument = || match call.params.args.as_slice() {
        [argument] => match translate(argument, &input.schema)? {
            // PostgreSQL asks for its type.
            RemoteExpr::Literal(Literal::Null(_)) => Err(format!("{name} of NULL needs no source")),
            argument => Ok(argument),
        },
        _ => Err(format!("{name}: takes one argument to run remotely")),
    };
    let functions = match name {
        "count" if counts_rows(&call.params.args) => vec![of(AggregateFunction::CountRows, None)],
        "count" => vec![of(AggregateFunction::Count, Some(argument()?))],
        "sum" => vec![of(AggregateFunction::Sum, Some(summed(argument()?, input)?))],
        "min" => vec![of(AggregateFunction::Min, Some(argument()?))],
        "max" => vec![of(AggregateFunction::Max, Some(argument()?))],
        "avg" => {
            let value = summed(argument()?, input)?;
            vec![of(AggregateFunction::Count, Some(value.clone())), of(AggregateFunction::Sum, Some(value))]
        }
        _ => return Err(format!("{name}() runs locally")),
    };
    if fields.len() != functions.len() {
        return Err(format!("{name}() has other states than its source delivers"));
    }
    Ok(fields.into_iter().zip(functions).collect())
}

/// `count(*)`, which DataFusion spells `count(1)`.
fn counts_rows(args: &[Expr]) -> bool {
    match args {
        [Expr::Literal(value, _)] => !value.is_null(),
        args => args.is_empty(),
    }
}

/// A sum that does not depend on the order of its rows; casts that only make room are left to the source's own sum.
fn summed(argument: RemoteExpr, input: &RemoteNode) -> Result<RemoteExpr, Refusal> {
    let types = input.plan.root.types();
    let argument = match argument {
        RemoteExpr::Cast { expr, to: DataType::Decimal128(_, 0) } if expr.data_type(&types).is_integer() => *expr,
        RemoteExpr::Cast { expr, to: DataType::Int32 }
            if matches!(expr.data_type(&types), DataType::UInt8 | DataType::UInt16) =>
        {
            *expr
        }
        other => other,
    };
    match TypeClass::of(&argument.data_type(&types)) {
        TypeClass::Int | TypeClass::UInt | TypeClass::Decimal => Ok(argument),
        other => Err(format!("a sum of values of type {other:?} depends on the order of the rows")),
    }
}

fn state_fields(expr: &Expr, call: &AggregateCall, input: &RemoteNode) -> DataFusionResult<Vec<FieldRef>> {
    let input_fields: Vec<FieldRef> = call
        .params
        .args
        .iter()
        .map(|arg| arg.to_field(input.schema.as_ref()).map(|(_, field)| field))
        .collect::<DataFusionResult<_>>()?;
    let return_field = expr.to_field(input.schema.as_ref())?.1;
    call.func.state_fields(StateFieldsArgs {
        name: call.func.name(),
        input_fields: &input_fields,
        return_field,
        ordering_fields: &[],
        is_distinct: false,
    })
}

impl PartialEq for MergeNode {
    fn eq(&self, other: &Self) -> bool {
        self.aggregate == other.aggregate && self.remote == other.remote
    }
}

impl Eq for MergeNode {}

impl PartialOrd for MergeNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl Hash for MergeNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.remote.hash(state);
    }
}

impl UserDefinedLogicalNodeCore for MergeNode {
    fn name(&self) -> &'static str {
        "Merge"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        self.remote.inputs()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.aggregate.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.remote.expressions()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Merge: ")?;
        self.remote.fmt_for_explain(f)
    }

    fn with_exprs_and_inputs(&self, expressions: Vec<Expr>, inputs: Vec<LogicalPlan>) -> DataFusionResult<Self> {
        let remote = self.remote.with_exprs_and_inputs(expressions, inputs)?;
        Ok(Self { aggregate: self.aggregate.clone(), remote })
    }
}
