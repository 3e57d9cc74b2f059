//! From the text of a federated statement to a physical plan.
//!
//! references → connections and tables, all at once → names resolved → logical plan → optimizer → federated plan.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::{DataType, FieldRef, Fields};
use datafusion::common::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{LogicalPlan, TableSource};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::planner::{ParserOptions, SqlToRel};
use futures::future::join_all;
use junto_connector::{ColumnInfo, Connector};
use junto_federation::{
    Alternative, FederatedPlanner, LocalOperators, PlanError, Planned, Refused, RemoteTable, RemoteTableSource,
    StatementSources, column_origin,
};
use junto_sql::{BoundTable, Parsed, Resolved, StatementKind, TableColumn, TableColumns, TableReference};
use junto_types::Alias;

use crate::catalog::CachedTable;
use crate::engine::Shared;
use crate::error::Error;
use crate::language::{StatementContextProvider, is_simple, joined, statement_session};
use crate::run::ResultColumn;
use crate::settings::{StatementOptions, Strategy};

/// Decisions that a second attempt at a statement changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) prefer_hash_join: bool,
    pub(crate) values_in_reads: bool,
    /// Whether sources compute more than their columns.
    pub(crate) push_down: bool,
    /// Whether rows may be brought to a database without being asked to.
    pub(crate) may_materialize: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { prefer_hash_join: true, values_in_reads: true, push_down: true, may_materialize: true }
    }
}

/// A statement ready to run.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    pub(crate) task: Arc<TaskContext>,
    pub(crate) sources: Arc<StatementSources>,
    pub(crate) columns: Vec<ResultColumn>,
    pub(crate) tables: Vec<String>,
    pub(crate) strategy: Strategy,
    /// Why it runs so.
    pub(crate) reason: String,
    /// Other ways that were considered.
    pub(crate) alternatives: Vec<Alternative>,
    /// What sources said while the statement was planned.
    pub(crate) notes: Vec<String>,
    /// What is known of the operators that run here.
    pub(crate) local: LocalOperators,
}

impl Compiled {
    /// Aliases of the connections read from.
    pub(crate) fn connections(&self) -> Vec<String> {
        connections_of(&self.sources)
    }
}

/// A table reference with what it refers to.
struct Found {
    alias: Alias,
    connector: Arc<dyn Connector>,
    table: CachedTable,
}

pub(crate) async fn compile(
    shared: &Shared,
    sql: &str,
    options: &StatementOptions,
    attempt: Plan,
) -> Result<Compiled, Error> {
    let started = Instant::now();
    let parsed = junto_sql::parse_within(sql, &options.limits)?;
    check_operation(shared, &parsed)?;
    junto_sql::check_aliases(&parsed, &shared.connections.aliases())?;
    let references = parsed.table_references()?;
    check_settings(shared, &references)?;
    let found = find_tables(shared, &references).await?;
    check_kinds(shared, &found)?;

    let columns: Vec<TableColumns> =
        references.iter().zip(&found).map(|(reference, found)| table_columns(reference, found)).collect();
    let resolved = junto_sql::resolve(&parsed, &columns, &shared.connections.aliases())?;

    let connectors = found.iter().map(|found| (found.alias.clone(), Arc::clone(&found.connector)));
    let deadline = options.limits.timeout.map(|timeout| started + timeout);
    let reads = Arc::clone(&shared.reads);
    let sources = Arc::new(StatementSources::new(uuid::Uuid::new_v4(), deadline, connectors, reads));
    let failed = |error: DataFusionError| Error::from_datafusion(&error, sql, options.limits.memory_bytes);
    let (state, task) = statement_session(
        &shared.session,
        &shared.spill,
        &options.limits,
        Arc::clone(&sources),
        attempt.prefer_hash_join,
    )
    .map_err(failed)?;

    let tables = table_sources(shared, &resolved, &found);
    let provider = StatementContextProvider::new(&state, tables);
    let parser = ParserOptions::from(&state.config_options().sql_parser);
    let sql_planner = SqlToRel::new_with_options(&provider, parser);
    let logical = sql_planner.sql_statement_to_plan(resolved.statement.clone()).map_err(failed)?;
    let planner = planner(shared, options, attempt);
    let planned = planned(&planner, &logical, &state).await;
    let Planned { plan, strategy, alternatives, notes, local } = match planned {
        Ok(planned) => planned,
        Err(PlanError::Failed(error)) => return Err(failed(error)),
        Err(PlanError::Refused(refused)) => return Err(strategy_refused(&refused)),
    };
    let columns = result_columns(&logical, plan.schema().fields(), &resolved);
    let strategy = Strategy::of(strategy);
    let reason = reason(strategy, &sources, planner.strategy == junto_federation::Strategy::Auto);
    tracing::debug!(elapsed = ?started.elapsed(), "statement compiled");
    let tables = references.iter().map(|reference| reference.span.of(sql).trim_start_matches('@').to_owned()).collect();
    Ok(Compiled { plan, task, sources, columns, tables, strategy, reason, alternatives, notes, local })
}

/// DataFusion makes joins of simple subqueries, and not of all of them; the others are joined before.
async fn planned(planner: &FederatedPlanner, plan: &LogicalPlan, state: &SessionState) -> Result<Planned, PlanError> {
    let optimized = |plan: &LogicalPlan| state.optimize(plan);
    if !is_simple(plan)? {
        let joined = joined(plan.clone())?;
        return planner.plan(&optimized(joined.as_ref().unwrap_or(plan))?, state).await;
    }
    let first = async { planner.plan(&optimized(plan)?, state).await };
    let refused = match first.await {
        Err(PlanError::Failed(refused)) => refused,
        planned => return planned,
    };
    let Some(joined) = joined(plan.clone())? else { return Err(PlanError::Failed(refused)) };
    let second = async { planner.plan(&optimized(&joined)?, state).await };
    second.await.map_err(|failed| {
        tracing::debug!(?failed, "not with joins either");
        PlanError::Failed(refused)
    })
}

/// The strategy of a statement, else the configured one.
pub(crate) fn asked_strategy(shared: &Shared, options: &StatementOptions) -> Strategy {
    match options.strategy {
        Strategy::Auto => shared.settings.multiquery.default_strategy,
        asked => asked,
    }
}

fn planner(shared: &Shared, options: &StatementOptions, attempt: Plan) -> FederatedPlanner {
    let asked = asked_strategy(shared, options);
    let planning = shared.settings.planning;
    FederatedPlanner {
        strategy: asked.planned(),
        reorder_joins: planning.reorder_joins,
        push_down: planning.push_down && attempt.push_down,
        whatever_it_costs: planning.whatever_it_costs,
        values_in_reads: attempt.values_in_reads,
        compute_once: planning.read_once,
        may_materialize: attempt.may_materialize,
    }
}

fn strategy_refused(refused: &Refused) -> Error {
    Error::Plan {
        message: format!("strategy `{}` is not possible: {}", refused.strategy, refused.reason),
        span: None,
        hint: Some("use `auto` or `federated`".into()),
    }
}

fn reason(strategy: Strategy, sources: &StatementSources, chosen: bool) -> String {
    let connections = connections_of(sources);
    let what = match (strategy, connections.as_slice()) {
        (_, []) => return "no connection is read".to_owned(),
        (Strategy::PushDown, [one]) => format!("the whole statement runs on @{one}"),
        (Strategy::PushDown, _) => "the whole statement runs on one database".to_owned(),
        (Strategy::Materialize, _) => "rows of other databases are brought to one, which runs the statement".to_owned(),
        (_, [one]) => format!("all tables are in @{one}"),
        (_, several) => format!("tables of {} connections are joined here", several.len()),
    };
    if chosen && strategy != Strategy::Federated { format!("{what}, the cheapest way") } else { what }
}

/// Aliases of the connections read from.
fn connections_of(sources: &StatementSources) -> Vec<String> {
    let mut names: Vec<String> = sources.metrics().map(|(alias, _)| alias.to_string()).collect();
    names.sort();
    names
}

fn check_operation(shared: &Shared, parsed: &Parsed) -> Result<(), Error> {
    let settings = &shared.settings.multiquery;
    let has_references = !parsed.references().is_empty();
    if has_references && !settings.enabled {
        return Err(Error::Refused { key: "enabled", what: "statements with `@` are switched off".into() });
    }
    match junto_sql::classify(parsed.statement()) {
        StatementKind::Read => Ok(()),
        StatementKind::Write if settings.allowed_operations.iter().any(|name| name.eq_ignore_ascii_case("INSERT")) => {
            Err(Error::Plan {
                message: "writing over several connections is not available yet".into(),
                span: None,
                hint: Some("write to one connection with its own statement, without `@`".into()),
            })
        }
        _ => Err(Error::Refused {
            key: "allowed_operations",
            what: format!(
                "a statement over several connections only reads; allowed are {}",
                settings.allowed_operations.join(", ")
            ),
        }),
    }
}

fn check_settings(shared: &Shared, references: &[TableReference]) -> Result<(), Error> {
    let settings = &shared.settings.multiquery;
    let mut aliases: Vec<String> = references.iter().map(|one| one.connection.text.to_lowercase()).collect();
    aliases.sort();
    aliases.dedup();
    if aliases.len() > settings.max_concurrent_connections {
        return Err(Error::Refused {
            key: "max_concurrent_connections",
            what: format!("the statement uses {} connections", aliases.len()),
        });
    }
    Ok(())
}

fn check_kinds(shared: &Shared, found: &[Found]) -> Result<(), Error> {
    let mut drivers: Vec<&str> = found.iter().map(|found| found.connector.driver()).collect();
    drivers.sort_unstable();
    drivers.dedup();
    if shared.settings.multiquery.enable_cross_type_queries || drivers.len() < 2 {
        return Ok(());
    }
    Err(Error::Refused {
        key: "enable_cross_type_queries",
        what: format!("the statement spans {}", drivers.join(" and ")),
    })
}

/// All tables, all connections at the same time; every connection that fails is reported.
async fn find_tables(shared: &Shared, references: &[TableReference]) -> Result<Vec<Found>, Error> {
    let find = |reference: &TableReference| {
        let (connection, span) = (reference.connection.text.clone(), reference.span);
        let schema = reference.schema.as_ref().map(|part| part.text.clone());
        let table = reference.table.text.clone();
        async move {
            let alias = shared.connections.alias(&connection)?;
            let connector = shared.connections.connector(&alias).await.map_err(|error| at(error, span))?;
            let cached = shared.catalog.table(&alias, &connector, schema.as_deref(), &table).await;
            let table = cached.map_err(|error| Error::source_failed(&alias, error, Some(span)))?;
            Ok::<_, Error>(Found { alias, connector, table })
        }
    };
    let mut found = Vec::with_capacity(references.len());
    let mut failures: Vec<Error> = Vec::new();
    for result in join_all(references.iter().map(find)).await {
        match result {
            Ok(table) => found.push(table),
            Err(error) if failures.iter().any(|known| known.to_string() == error.to_string()) => {}
            Err(error) => failures.push(error),
        }
    }
    match failures.len() {
        0 => Ok(found),
        1 => Err(failures.remove(0)),
        _ => Err(Error::Sources { failures }),
    }
}

fn at(error: Error, place: junto_types::Span) -> Error {
    match error {
        Error::Source { connection, source, span: None } => Error::Source { connection, source, span: Some(place) },
        other => other,
    }
}

fn table_columns(reference: &TableReference, found: &Found) -> TableColumns {
    let info = &found.table.info;
    let column =
        |column: &ColumnInfo| TableColumn { name: column.name.clone(), is_date: column.data_type == DataType::Date32 };
    TableColumns {
        reference: reference.reference,
        connection: found.alias.clone(),
        table: info.name.clone(),
        columns: info.columns.iter().map(column).collect(),
    }
}

fn table_sources(shared: &Shared, resolved: &Resolved, found: &[Found]) -> HashMap<String, Arc<dyn TableSource>> {
    let source = |bound: &BoundTable| {
        let found = &found[bound.table];
        let info = &found.table.info;
        let names: Vec<String> = info.columns.iter().map(|column| column.name.clone()).collect();
        let folded = junto_sql::folded_columns(&names);
        let names: Vec<String> = folded.into_iter().map(|column| column.name_in_engine).collect();
        let table = RemoteTable::new(
            found.alias.clone(),
            Arc::clone(&found.connector),
            Arc::clone(info),
            Arc::clone(&found.table.statistics),
            Arc::clone(&found.table.estimates),
            shared.connections.prefer(&found.alias),
            &names,
        );
        let source: Arc<dyn TableSource> = Arc::new(RemoteTableSource { table: Arc::new(table) });
        (bound.name.clone(), source)
    };
    resolved.tables.iter().map(source).collect()
}

/// `fields` are those that are delivered: until a statement is planned, an expression has the type of its first branch.
fn result_columns(plan: &LogicalPlan, fields: &Fields, resolved: &Resolved) -> Vec<ResultColumn> {
    let names: Vec<&str> = plan.schema().fields().iter().map(|field| field.name().as_str()).collect();
    let shown = resolved.names.shown(&names);
    let column = |(index, (field, name)): (usize, (&FieldRef, &str))| {
        let column = ResultColumn::of(field, name);
        match column_origin(plan, index) {
            Some((table, origin)) => column.of_table(&table, origin),
            None => column,
        }
    };
    fields.iter().zip(shown).enumerate().map(column).collect()
}
