//! Estimates by the sources themselves, for what their statistics do not say: patterns, computed conditions, views.
//!
//! A source is asked for each condition of its own, so that what it says serves wherever the condition ends up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Filter, LogicalPlan, TableScan, TableSource};
use futures::future::join_all;
use junto_connector::{Expr as RemoteExpr, RemotePlan};
use junto_types::{Alias, TableName};
use parking_lot::Mutex;

use crate::absorb::{filtered, scan, term};
use crate::execution::StatementSources;
use crate::node::RemoteNode;
use crate::source::{RemoteTable, RemoteTableSource};
use crate::statistics::{is_guess, selectivity};
use crate::translate::readable;

/// Answers that take longer are done without.
const PATIENCE: Duration = Duration::from_millis(100);
/// Questions to one source, at most.
const MOST_QUESTIONS: usize = 16;
/// Answers about one table that are remembered.
const MOST_REMEMBERED: usize = 64;
/// An answer counts when it is so many times as large as the guess, or as small.
const WORTH_KNOWING: f64 = 1.5;

/// What a source said about one table, so that it is asked once.
#[derive(Debug, Default)]
pub struct RemoteEstimates {
    said: Mutex<Vec<Said>>,
}

/// An answer.
#[derive(Debug)]
struct Said {
    /// With columns as positions in the table; none for all rows.
    condition: Option<RemoteExpr>,
    rows: Rows,
}

/// Rows that are expected; none when the source can only guess.
#[derive(Debug, Clone, Copy)]
struct Rows(Option<f64>);

impl RemoteEstimates {
    fn get(&self, condition: Option<&RemoteExpr>) -> Option<Rows> {
        let said = self.said.lock();
        said.iter().find(|said| said.condition.as_ref() == condition).map(|said| said.rows)
    }

    fn remember(&self, condition: Option<RemoteExpr>, rows: Rows) {
        let mut said = self.said.lock();
        if said.len() >= MOST_REMEMBERED {
            said.remove(0);
        }
        said.push(Said { condition, rows });
    }
}

/// What was learned.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The plan over tables that know what their sources expect; none when that changes nothing.
    pub(crate) plan: Option<LogicalPlan>,
    /// Questions and answers, for whoever reads the plan.
    pub(crate) notes: Vec<String>,
}

/// What a source is asked for.
#[derive(Debug)]
struct Question {
    table: Arc<RemoteTable>,
    /// With columns as positions in the table, and as people read it; none for all rows.
    condition: Option<(RemoteExpr, String)>,
    plan: Arc<RemotePlan>,
    /// Rows, or for a condition the share of rows.
    guess: f64,
}

/// What is known of a table by its answers.
#[derive(Debug, Default)]
struct Expected {
    rows: Option<f64>,
    shares: Vec<(RemoteExpr, f64)>,
    changes: bool,
}

/// Asks all sources at once for what would be guessed in `plan`.
pub(crate) async fn ask(plan: &LogicalPlan, sources: &StatementSources) -> Result<Asked> {
    let mut by_source: Vec<(Alias, Vec<Question>)> = Vec::new();
    for question in questions(plan) {
        let alias = &question.table.connection;
        match by_source.iter_mut().find(|(known, _)| known == alias) {
            Some((_, list)) if list.iter().any(|known| known.asks_the_same(&question)) => {}
            Some((_, list)) => list.push(question),
            None => by_source.push((alias.clone(), vec![question])),
        }
    }
    let answers = join_all(by_source.iter().map(|(alias, list)| ask_source(alias, list, sources))).await;
    let mut notes = Vec::new();
    let mut expected: HashMap<(Alias, TableName), Expected> = HashMap::new();
    for answers in answers {
        notes.extend(answers.notes);
        for (question, rows) in answers.rows {
            let key = (question.table.connection.clone(), question.table.info.name.clone());
            expected.entry(key).or_default().learn(question, rows);
        }
    }
    let changes = expected.values().any(|expected| expected.changes);
    let plan = if changes { Some(with_expected(plan, &expected)?) } else { None };
    Ok(Asked { plan, notes })
}

/// Answers of one source.
struct Answers<'a> {
    rows: Vec<(&'a Question, f64)>,
    notes: Vec<String>,
}

/// What was not answered before, one question after the other: they are short, and connections are few. A question that
/// takes too long is left to end by itself, so that its connection stays and the next statement knows; then none of the
/// answers counts, or the plan would depend on which came first.
async fn ask_source<'a>(alias: &Alias, questions: &'a [Question], sources: &StatementSources) -> Answers<'a> {
    let Some(context) = sources.context(alias) else { return Answers { rows: Vec::new(), notes: Vec::new() } };
    let questions = &questions[..questions.len().min(MOST_QUESTIONS)];
    let asked: Vec<_> =
        questions.iter().map(|of| (Arc::clone(&of.table), of.condition().cloned(), Arc::clone(&of.plan))).collect();
    let asking = tokio::spawn(async move {
        let started = Instant::now();
        let mut answers = Vec::with_capacity(asked.len());
        for (table, condition, plan) in asked {
            let answer = match table.estimates.get(condition.as_ref()) {
                Some(Rows(rows)) => Ok(rows),
                None if started.elapsed() > PATIENCE => break,
                None => table.connector.estimate(plan, &context).await.inspect(|rows| {
                    table.estimates.remember(condition, Rows(*rows));
                }),
            };
            answers.push(answer);
        }
        answers
    });
    let answered = match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(answered)) if answered.len() == questions.len() => answered,
        _ => {
            let note = format!("@{alias}: guessed, its estimates take longer than {} ms", PATIENCE.as_millis());
            return Answers { rows: Vec::new(), notes: vec![note] };
        }
    };
    let mut answers = Answers { rows: Vec::new(), notes: Vec::new() };
    for (question, answer) in questions.iter().zip(answered) {
        match answer {
            Ok(Some(rows)) => {
                answers.notes.push(format!("{question}: {rows:.0} rows expected by the source"));
                answers.rows.push((question, rows.max(1.0)));
            }
            Ok(None) => {}
            Err(error) => answers.notes.push(format!("{question}: guessed, the source does not say ({error})")),
        }
    }
    answers
}

impl Question {
    fn asks_the_same(&self, other: &Question) -> bool {
        self.table.info.name == other.table.info.name && self.condition() == other.condition()
    }

    fn condition(&self) -> Option<&RemoteExpr> {
        self.condition.as_ref().map(|(condition, _)| condition)
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.table)?;
        match &self.condition {
            Some((_, text)) => write!(f, " where {text}"),
            None => Ok(()),
        }
    }
}

impl Expected {
    /// Takes an answer to `question`, those for all rows of a table before those for some.
    fn learn(&mut self, question: &Question, rows: f64) {
        let answer = match &question.condition {
            None => {
                self.rows = Some(rows);
                rows
            }
            Some((condition, _)) => {
                let Some(all) = self.rows.or(question.table.rows().map(|rows| rows as f64)) else { return };
                let share = (rows / all.max(1.0)).min(1.0);
                self.shares.push((condition.clone(), share));
                share
            }
        };
        self.changes |= answer.max(question.guess) > WORTH_KNOWING * answer.min(question.guess);
    }
}

/// What would be guessed in a plan, subqueries included.
fn questions(plan: &LogicalPlan) -> Vec<Question> {
    let (mut tables, mut conditions) = (Vec::new(), Vec::new());
    let _ = plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::TableScan(scan) => tables.extend(table_question(scan)),
            LogicalPlan::Filter(filter) => conditions.extend(condition_questions(filter)),
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    tables.append(&mut conditions);
    tables
}

fn table_question(scan: &TableScan) -> Option<Question> {
    let node = self::scan(scan, false)?;
    let table = Arc::clone(&scan.source.downcast_ref::<RemoteTableSource>()?.table);
    let is_unknown = table.rows().is_none() && scan.fetch.is_none();
    is_unknown.then(|| Question { table, condition: None, plan: Arc::new(node.plan), guess: node.work.rows })
}

fn condition_questions(filter: &Filter) -> Vec<Question> {
    let Some(node) = filtered_scan(filter) else { return Vec::new() };
    let question = |predicate| {
        let term = term(&node, predicate).ok()?;
        if !is_guess(&term.expr, &node.origin) {
            return None;
        }
        let mut condition = term.expr.clone();
        let mut table = None;
        condition.for_each_column(&mut |position| {
            if let Some(origin) = node.origin.get(*position).and_then(Option::as_ref) {
                *position = origin.column;
                table = Some(Arc::clone(&origin.table));
            }
        });
        let guess = selectivity(&term.expr, &node.origin);
        let plan = Arc::new(filtered(&node, vec![term.expr]).plan);
        Some(Question { table: table?, condition: Some((condition, readable(predicate))), plan, guess })
    };
    split_conjunction(&filter.predicate).into_iter().filter_map(question).collect()
}

/// The read of the table that a filter is directly above.
fn filtered_scan(filter: &Filter) -> Option<RemoteNode> {
    let mut input = filter.input.as_ref();
    while let LogicalPlan::SubqueryAlias(alias) = input {
        input = &alias.input;
    }
    match input {
        LogicalPlan::TableScan(scan) if scan.fetch.is_none() => {
            Some(RemoteNode { schema: Arc::clone(filter.input.schema()), ..self::scan(scan, false)? })
        }
        _ => None,
    }
}

/// The plan over the same tables, with what their sources expect. Readings of one table stay one.
fn with_expected(plan: &LogicalPlan, expected: &HashMap<(Alias, TableName), Expected>) -> Result<LogicalPlan> {
    let mut known: HashMap<*const RemoteTable, Arc<dyn TableSource>> = HashMap::new();
    let informed = |node| {
        let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
        let Some(table) = scan.source.downcast_ref::<RemoteTableSource>().map(|source| Arc::clone(&source.table))
        else {
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        };
        let key = (table.connection.clone(), table.info.name.clone());
        let Some(expected) = expected.get(&key) else { return Ok(Transformed::no(LogicalPlan::TableScan(scan))) };
        let source = known.entry(Arc::as_ptr(&table)).or_insert_with(|| {
            let rows = expected.rows.map(|rows| rows as u64);
            Arc::new(RemoteTableSource { table: Arc::new(table.with_expected(rows, expected.shares.clone())) })
        });
        scan.source = Arc::clone(source);
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    };
    Ok(plan.clone().transform_up_with_subqueries(informed)?.data)
}
