//! DataFusion's session: built once, copied for the planning of each statement, and what the statement runs with.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{FunctionRegistry, TaskContext};
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_optimizer::sanity_checker::SanityCheckPlan;
use datafusion::prelude::SessionConfig;
use junto_federation::keys::KeyFlow;
use junto_federation::{ComputeOnce, ReadAhead, ReadOnce, StatementSources};
use junto_types::Limits;

use super::arithmetic::DateArithmetic;
use super::distinct_on::ComputedBelow;
use super::exists::SelectedExists;
use super::harmonise::Harmonise;
use super::known::LessKnown;
use super::named::Unnamed;
use super::nearest::Nearest;
use super::nested_loops::NestedLoops;
use super::not_in::NotIn;
use super::outer_types::OuterTypes;
use super::patterns::Patterns;
use super::projections::Projections;
use super::requirements::SortedAsRequired;
use super::semi_joins::SemiJoins;
use super::whole_orders::WholeOrders;
use super::{averages, checked, date_trunc, named, now, numbers, stock_rules, string_agg, sums};
use crate::settings::Settings;
use crate::spill::SpillFolder;

/// Build sides up to this size are collected whole, so that two cores do not repartition both sides of every join.
const COLLECTED_BYTES: usize = 64 << 20;
/// The same in rows.
const COLLECTED_ROWS: usize = 4_000_000;
/// Spilled runs a sort merges at once; each keeps a batch in memory.
const MERGED_RUNS: usize = 16;
/// A sort keeps this part of the memory limit free for its merge.
const MERGE_SHARE: usize = 64;
/// Rows per batch while joins sort and spill.
const SPILLING_BATCH_ROWS: usize = 2048;
/// Consumers named in the message of a statement that ran out of memory.
const NAMED_CONSUMERS: usize = 3;

/// The session every statement starts from.
pub(crate) fn base_session(settings: &Settings) -> Result<SessionState> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let threads = if settings.multiquery.parallel_execution { settings.threads.unwrap_or(cores) } else { 1 };
    let mut config = SessionConfig::new().with_target_partitions(threads).with_information_schema(false);
    let options = config.options_mut();
    options.optimizer.join_reordering = false;
    options.optimizer.hash_join_single_partition_threshold = COLLECTED_BYTES;
    options.optimizer.hash_join_single_partition_threshold_rows = COLLECTED_ROWS;
    // Keys reach remote scans on a way of our own (junto_federation::keys).
    options.optimizer.enable_dynamic_filter_pushdown = false;
    options.optimizer.enable_topk_dynamic_filter_pushdown = false;
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    options.optimizer.enable_join_dynamic_filter_pushdown = false;
    options.execution.hash_join_buffering_capacity = 0;
    // It refuses `count(DISTINCT x IS TRUE)`, because one plan thinks that it could be NULL and the other does not.
    options.execution.skip_physical_aggregate_schema_check = true;
    options.execution.time_zone = Some("UTC".into());
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.enable_ident_normalization = true;
    options.sql_parser.map_string_types_to_utf8view = true;
    options.sql_parser.collect_spans = true;
    options.sql_parser.support_varchar_with_length = true;

    let mut builder = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .with_analyzer_rules(analyzer_rules())
        .with_optimizer_rules(stock_rules::optimizer_rules())
        .with_physical_optimizer_rules(physical_rules());
    if settings.planning.keyed_scans {
        builder = builder.with_physical_optimizer_rule(Arc::new(KeyFlow));
    }
    if settings.planning.read_once {
        builder = builder.with_physical_optimizer_rule(Arc::new(ComputeOnce));
        builder = builder.with_physical_optimizer_rule(Arc::new(ReadOnce));
    }
    let last: [Arc<dyn PhysicalOptimizerRule + Send + Sync>; 3] =
        [Arc::new(SemiJoins), Arc::new(NestedLoops), Arc::new(ReadAhead)];
    for rule in last {
        builder = builder.with_physical_optimizer_rule(rule);
    }
    let dates: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(DateArithmetic)];
    if let Some(planners) = builder.expr_planners() {
        planners.splice(0..0, dates);
    }
    let mut state = builder.build();
    datafusion_functions_json::register_all(&mut state)?;
    state.register_udf(Arc::new(now::function()))?;
    state.register_udf(Arc::new(named::function()))?;
    state.register_udf(Arc::new(date_trunc::function()))?;
    state.register_udaf(Arc::new(sums::function()))?;
    state.register_udaf(Arc::new(averages::function()))?;
    state.register_udaf(Arc::new(string_agg::function()))?;
    for function in checked::functions().into_iter().chain(numbers::functions()) {
        state.register_udf(Arc::new(function))?;
    }
    Ok(state)
}

/// What only names expressions goes first, comparisons are settled next, then DataFusion coerces the rest; casts that
/// came of it are made exact last.
fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut rules = junto_datafusion::analyzer_rules();
    rules.insert(0, Arc::new(Harmonise));
    rules.insert(0, Arc::new(OuterTypes));
    rules.insert(0, Arc::new(NotIn));
    rules.insert(0, Arc::new(Patterns));
    rules.insert(0, Arc::new(SelectedExists));
    rules.insert(0, Arc::new(ComputedBelow));
    rules.insert(0, Arc::new(Unnamed));
    rules.push(Arc::new(Nearest));
    rules
}

/// DataFusion's rules between ours, one behind a condition, without the two that push filters through physical
/// operators. They follow columns by name, so that above a join of two tables with an `id` each the condition of one
/// reaches the other (`slt/federation/filters_above_joins.slt`). Filters are where they belong since the logical optimizer.
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let projections: Arc<dyn PhysicalOptimizerRule + Send + Sync> = Arc::new(Projections::new());
    let rules = PhysicalOptimizer::new().rules;
    let kept = rules.into_iter().filter(|rule| !rule.name().starts_with("FilterPushdown"));
    let kept = kept.map(|rule| if rule.name() == projections.name() { Arc::clone(&projections) } else { rule });
    let first: Arc<dyn PhysicalOptimizerRule + Send + Sync> = Arc::new(LessKnown);
    let last: Arc<dyn PhysicalOptimizerRule + Send + Sync> = Arc::new(WholeOrders);
    let mut rules: Vec<_> = std::iter::once(first).chain(kept).chain([last]).collect();
    let check = rules.iter().position(|rule| rule.name() == SanityCheckPlan::new().name());
    rules.insert(check.unwrap_or(rules.len()), Arc::new(SortedAsRequired));
    rules
}

/// What one statement is planned with, and what it runs with. Only the second has its memory and its disk.
///
/// A session that is built, and not copied, registers every function again.
pub(crate) fn statement_session(
    base: &SessionState,
    spill: &Arc<SpillFolder>,
    limits: &Limits,
    sources: Arc<StatementSources>,
    prefer_hash_join: bool,
) -> Result<(SessionState, Arc<TaskContext>)> {
    let disk = DiskManagerMode::Custom(Arc::<SpillFolder>::clone(spill));
    let consumers = std::num::NonZeroUsize::new(NAMED_CONSUMERS).unwrap_or(std::num::NonZeroUsize::MIN);
    let pool = TrackConsumersPool::new(FairSpillPool::new(limits.memory_bytes), consumers);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(disk))
        .with_max_spill_merge_fan_in(MERGED_RUNS)
        .build_arc()?;
    let mut config = base.config().clone().with_batch_size(limits.batch_rows);
    let options = config.options_mut();
    options.optimizer.prefer_hash_join = prefer_hash_join;
    options.execution.sort_spill_reservation_bytes =
        options.execution.sort_spill_reservation_bytes.min(limits.memory_bytes / MERGE_SHARE);
    if !prefer_hash_join {
        // Memory was short: fewer sorts at the same time, and smaller batches in each of their merges. With one
        // partition only, DataFusion would hash again (physical_planner.rs, sort-merge join).
        config = config.with_target_partitions(2).with_batch_size(limits.batch_rows.min(SPILLING_BATCH_ROWS));
    }
    let name = sources.statement.to_string();
    let config = config.with_extension(sources);
    // A plan holds the functions it calls.
    let (scalar, higher_order, aggregate, window) = Default::default();
    let task = TaskContext::new(None, name, config.clone(), scalar, higher_order, aggregate, window, runtime);
    let mut state = base.clone();
    // The instant of `now()`.
    state.execution_props_mut().mark_start_execution(Arc::clone(config.options()));
    *state.config_mut() = config;
    Ok((state, Arc::new(task)))
}
