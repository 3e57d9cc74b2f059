//! A remote plan as a DataFusion plan. Every relation's columns are named `c0`, `c1` … by position.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{Column, JoinType, ScalarValue};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::expr_fn as aggregates;
use datafusion::logical_expr::{
    self as df, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, Sort, SortExpr, cast, lit,
};
use junto_connector::expr::{Aggregate, AggregateFunction};
use junto_connector::plan::{AggregateOutput, Output, SortKey};
use junto_connector::{Error, Keys, Relation, RemotePlan, Result, ScanColumn};
use junto_types::TableName;

use crate::expression::{between, column, column_name, translate};
use crate::table::OpenTable;

/// More keys than this are joined with; fewer are a list, which also prunes by bloom filters.
const KEYS_IN_A_LIST: usize = 1_000;

/// The tables a plan reads, opened.
pub(crate) type Tables = HashMap<TableName, Arc<OpenTable>>;

/// The plan, restricted to the keys.
pub(crate) fn plan(remote: &RemotePlan, keys: Option<&Keys>, tables: &Tables) -> Result<LogicalPlan> {
    let mut builder = relation(&remote.root, tables)?;
    if let Some(keys) = keys {
        builder = keyed(builder, keys)?;
    }
    builder.build().map_err(internal)
}

fn internal(cause: DataFusionError) -> Error {
    Error::internal(cause.strip_backtrace())
}

fn relation(relation: &Relation, tables: &Tables) -> Result<LogicalPlanBuilder> {
    let input = |input: &Relation| self::relation(input, tables);
    match relation {
        Relation::Scan { table, columns } => scan(table, columns, tables),
        Relation::Filter { input: from, predicate } => {
            let predicate = translate(predicate, &from.types())?;
            input(from)?.filter(predicate).map_err(internal)
        }
        Relation::Project { input: from, outputs } => {
            let outputs = named(outputs, &from.types())?;
            input(from)?.project(outputs).map_err(internal)
        }
        Relation::Aggregate { input: from, groups, aggregates } => {
            aggregate(input(from)?, &from.types(), groups, aggregates)
        }
        // DataFusion's top-N asserts that N is not 0.
        Relation::Sort { input: from, fetch: Some(0), .. } => input(from)?.limit(0, Some(0)).map_err(internal),
        Relation::Sort { input: from, keys, fetch } => {
            let types = from.types();
            let keys = keys.iter().map(|key| sort_key(key, &types)).collect::<Result<Vec<_>>>()?;
            // Not by the builder's own method, which takes a key for what the projection below calls by that name.
            let input = Arc::new(input(from)?.build().map_err(internal)?);
            let sort = Sort { expr: keys, input, fetch: fetch.map(as_usize) };
            Ok(LogicalPlanBuilder::new(LogicalPlan::Sort(sort)))
        }
        Relation::Limit { input: from, skip, fetch } => {
            input(from)?.limit(as_usize(*skip), fetch.map(as_usize)).map_err(internal)
        }
        Relation::Distinct { input: from } => input(from)?.distinct().map_err(internal),
        Relation::UnionAll { inputs } => {
            let mut all = inputs.iter().map(input);
            let first = all.next().ok_or_else(|| Error::internal("a union without inputs"))??;
            all.try_fold(first, |left, right| left.union(right?.build().map_err(internal)?).map_err(internal))
        }
        Relation::Join { .. } => Err(Error::Unsupported { driver: crate::connector::DRIVER, what: "a join".into() }),
    }
}

fn as_usize(rows: u64) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}

fn scan(name: &TableName, columns: &[ScanColumn], tables: &Tables) -> Result<LogicalPlanBuilder> {
    let table = tables.get(name).ok_or_else(|| Error::internal(format!("{name} was not opened")))?;
    let outputs = columns
        .iter()
        .enumerate()
        .map(|(at, wanted)| df::Expr::Column(Column::new(Some("t"), &wanted.name)).alias(column_name(at)));
    LogicalPlanBuilder::scan("t", provider_as_source(Arc::clone(&table.provider)), None)
        .and_then(|scan| scan.project(outputs))
        .map_err(internal)
}

fn named(outputs: &[Output], types: &[DataType]) -> Result<Vec<df::Expr>> {
    let output = |(at, output): (usize, &Output)| {
        let expr = translate(&output.expr, types)?;
        Ok(if output.expr.data_type(types) == output.data_type { expr } else { cast(expr, output.data_type.clone()) }
            .alias(column_name(at)))
    };
    outputs.iter().enumerate().map(output).collect()
}

fn sort_key(key: &SortKey, types: &[DataType]) -> Result<SortExpr> {
    Ok(translate(&key.expr, types)?.sort(!key.descending, key.nulls_first))
}

fn aggregate(
    input: LogicalPlanBuilder,
    types: &[DataType],
    groups: &[Output],
    outputs: &[AggregateOutput],
) -> Result<LogicalPlanBuilder> {
    let keys = named(groups, types)?;
    let calls = outputs
        .iter()
        .enumerate()
        .map(|(at, output)| Ok(aggregate_call(&output.aggregate, types)?.alias(column_name(groups.len() + at))));
    let calls = calls.collect::<Result<Vec<_>>>()?;
    let aggregated = input.aggregate(keys, calls).map_err(internal)?;
    let typed = (0..groups.len()).map(column).chain(outputs.iter().enumerate().map(|(at, output)| {
        let at = groups.len() + at;
        cast(column(at), output.data_type.clone()).alias(column_name(at))
    }));
    aggregated.project(typed).map_err(internal)
}

fn aggregate_call(aggregate: &Aggregate, types: &[DataType]) -> Result<df::Expr> {
    let argument = match &aggregate.argument {
        Some(argument) => translate(argument, types)?,
        None => lit(1_i64),
    };
    let is_integer = aggregate.argument.as_ref().is_some_and(|argument| argument.data_type(types).is_integer());
    let call = match aggregate.function {
        AggregateFunction::CountRows | AggregateFunction::Count => aggregates::count(argument),
        // A sum of 64-bit integers wraps around; of decimals it does not.
        AggregateFunction::Sum if is_integer => aggregates::sum(cast(argument, DataType::Decimal128(20, 0))),
        AggregateFunction::Sum => aggregates::sum(argument),
        AggregateFunction::Min => aggregates::min(argument),
        AggregateFunction::Max => aggregates::max(argument),
    };
    let filter = aggregate.filter.as_ref().map(|filter| translate(filter, types)).transpose()?;
    match (aggregate.distinct, filter) {
        (false, None) => Ok(call),
        (true, None) => call.distinct().build().map_err(internal),
        (false, Some(filter)) => call.filter(filter).build().map_err(internal),
        (true, Some(filter)) => call.distinct().filter(filter).build().map_err(internal),
    }
}

/// Rows with the keys. The bounds come first: they prune row groups and pages, which long lists do not.
fn keyed(input: LogicalPlanBuilder, keys: &Keys) -> Result<LogicalPlanBuilder> {
    let tested = |at: &usize| column(*at);
    let rows = keys.values.num_rows();
    if rows == 0 {
        let nulls = keys.columns.first().map(|at| column(*at).is_null()).filter(|_| keys.nulls);
        return input.filter(nulls.unwrap_or_else(|| lit(false))).map_err(internal);
    }
    let mut conditions = Vec::new();
    for (at, values) in keys.columns.iter().zip(keys.values.columns()) {
        let value = |row: usize| ScalarValue::try_from_array(values, row).map_err(internal);
        let mut bounds = (value(0)?, value(0)?);
        for row in 1..rows {
            let value = value(row)?;
            if value < bounds.0 {
                bounds.0 = value;
            } else if value > bounds.1 {
                bounds.1 = value;
            }
        }
        conditions.push(between(column(*at), bounds.0, bounds.1));
    }
    let single = keys.columns.len() == 1;
    if single && rows <= KEYS_IN_A_LIST {
        let list = (0..rows).map(|row| ScalarValue::try_from_array(keys.values.column(0), row).map(lit));
        let list = list.collect::<Result<Vec<_>, _>>().map_err(internal)?;
        conditions.extend(keys.columns.first().map(|at| tested(at).in_list(list, false)));
    }
    let condition = conditions.into_iter().reduce(df::Expr::and).unwrap_or_else(|| lit(true));
    let nulls = keys.columns.first().filter(|_| keys.nulls).map(|at| column(*at).is_null());
    let condition = match nulls {
        Some(nulls) => condition.or(nulls),
        None => condition,
    };
    let bounded = input.filter(condition).map_err(internal)?;
    // More rows than those with the keys are allowed, so NULLs need no join of their own.
    if keys.nulls || (single && rows <= KEYS_IN_A_LIST) { Ok(bounded) } else { joined(bounded, keys) }
}

fn joined(input: LogicalPlanBuilder, keys: &Keys) -> Result<LogicalPlanBuilder> {
    let name = |at: usize| format!("k{at}");
    let fields = keys.values.columns().iter().enumerate();
    let fields = fields.map(|(at, values)| Field::new(name(at), values.data_type().clone(), false));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrow = |cause: arrow::error::ArrowError| Error::internal(cause.to_string());
    let batch = RecordBatch::try_new(Arc::clone(&schema), keys.values.columns().to_vec()).map_err(arrow)?;
    let table = MemTable::try_new(schema, vec![vec![batch]]).map_err(internal)?;
    let list = LogicalPlanBuilder::scan("keys", provider_as_source(Arc::new(table)), None).map_err(internal)?;
    let (of_keys, of_rows): (Vec<Column>, Vec<Column>) = keys
        .columns
        .iter()
        .enumerate()
        .map(|(at, index)| (Column::new(Some("keys"), name(at)), Column::new_unqualified(column_name(*index))))
        .unzip();
    // The keys are the side that is built, and their dynamic filter reaches the scan.
    list.join(input.build().map_err(internal)?, JoinType::RightSemi, (of_keys, of_rows), None).map_err(internal)
}
