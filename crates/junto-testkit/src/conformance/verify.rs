//! One plan, run on the source and computed locally.

use std::collections::HashMap;

use junto_connector::plan::Relation;
use junto_connector::{Error, RemotePlan, Support};

use super::evaluate::Failure;
use super::relation::{Table, compute, order, row_key};
use super::report::Report;
use super::subject::Subject;
use super::value::Row;

/// Compares the source's answer with the local one when the plan is claimed, and wants a clean refusal otherwise.
pub(crate) async fn verify(subject: &Subject, tables: &[Table], plan: &RemotePlan, group: &str, report: &mut Report) {
    report.count();
    let Ok(support) = subject.permits(plan) else { return refused(subject, plan, group, report).await };
    let remote = subject.rows(plan).await;
    let local = compute(&plan.root, tables);
    if let Some(difference) = compare(plan, tables, support, local, remote) {
        report.fail(group, format!("{difference}\nplan: {:?}\ntext: {}", plan.root, subject.text(plan)));
    }
}

/// What is not claimed gives an error of the right kind: neither rows, nor the server's complaint, nor a panic.
async fn refused(subject: &Subject, plan: &RemotePlan, group: &str, report: &mut Report) {
    match subject.rows(plan).await {
        Err(Error::Unsupported { .. }) => {}
        Ok(rows) => report.fail(
            format!("not claimed, yet answered: {group}"),
            format!("{} rows\nplan: {:?}\ntext: {}", rows.len(), plan.root, subject.text(plan)),
        ),
        Err(other) => report.fail(
            format!("not claimed, and refused badly: {group}"),
            format!("{other:?}\nplan: {:?}\ntext: {}", plan.root, subject.text(plan)),
        ),
    }
}

fn compare(
    plan: &RemotePlan,
    tables: &[Table],
    support: Support,
    local: Result<Vec<Row>, Failure>,
    remote: Result<Vec<Row>, Error>,
) -> Option<String> {
    let local = match (local, &remote) {
        (Ok(local), _) => local,
        (Err(Failure::Unknown(what)), _) => return Some(format!("claimed, but its meaning is not known here: {what}")),
        (Err(Failure::Error(what)), Ok(rows)) => {
            return Some(format!("must fail ({what}), answered {} rows", rows.len()));
        }
        (Err(Failure::Error(_)), Err(Error::Unsupported { .. })) => return Some("claimed, then refused".into()),
        (Err(Failure::Error(_)), Err(_)) => return None,
    };
    let remote = match remote {
        Ok(remote) => remote,
        Err(error) => return Some(format!("claimed, then failed: {error:?}")),
    };
    match &plan.root {
        Relation::Limit { input, .. } => {
            let all = compute(input, tables).unwrap_or_default();
            (remote.len() != local.len())
                .then(|| format!("{} rows instead of {}", remote.len(), local.len()))
                .or_else(|| missing(&remote, &all, "not a row of the input"))
        }
        Relation::Sort { input, keys, .. } => {
            let all = compute(input, tables).unwrap_or_default();
            if remote.len() != local.len() {
                return Some(format!("{} rows instead of {}", remote.len(), local.len()));
            }
            // Ties may come in any order, so the rows need not be the same ones; their places in the order must be.
            let misplaced = remote.iter().zip(&local).find(|(a, b)| order(a, b, keys) != Ok(std::cmp::Ordering::Equal));
            misplaced
                .map(|(a, b)| format!("{} where {} belongs", row_key(a, false), row_key(b, false)))
                .or_else(|| missing(&remote, &all, "not a row of the input"))
        }
        _ if support == Support::Superset => {
            let all = compute(unfiltered(&plan.root), tables).unwrap_or_default();
            missing(&local, &remote, "a row of the answer is missing")
                .or_else(|| missing(&remote, &all, "not a row of the input"))
        }
        root => {
            let rounded = matches!(root, Relation::Aggregate { .. });
            let (local, remote) = (multiset(&local, rounded), multiset(&remote, rounded));
            difference(&local, &remote, "missing").or_else(|| difference(&remote, &local, "too many"))
        }
    }
}

/// The input below filters, for supersets.
fn unfiltered(relation: &Relation) -> &Relation {
    match relation {
        Relation::Filter { input, .. } => unfiltered(input),
        other => other,
    }
}

/// Rows with how often each occurs.
pub(crate) fn multiset(rows: &[Row], rounded: bool) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for row in rows {
        *counts.entry(row_key(row, rounded)).or_default() += 1;
    }
    counts
}

/// A row of `part` that `whole` has less often.
pub(crate) fn missing(part: &[Row], whole: &[Row], what: &str) -> Option<String> {
    difference(&multiset(part, false), &multiset(whole, false), what)
}

fn difference(part: &HashMap<String, usize>, whole: &HashMap<String, usize>, what: &str) -> Option<String> {
    let mut rows: Vec<&String> = part
        .iter()
        .filter(|(row, count)| whole.get(*row).is_none_or(|other| other < *count))
        .map(|(row, _)| row)
        .collect();
    rows.sort();
    let (first, others) = (rows.first()?, rows.len() - 1);
    Some(format!("{what}: {first}{}", if others > 0 { format!(" (and {others} more)") } else { String::new() }))
}
