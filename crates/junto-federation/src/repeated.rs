//! Marks the parts of a plan that are there more than once: mostly common table expressions, which DataFusion puts into
//! every place that names them.
//!
//! ```text
//! Join                              Join
//!   Aggregate: g, sum(x)              Repeated: 0
//!     Join: a, b             =>         Aggregate: g, sum(x)
//!   Aggregate: g, sum(x)                  Join: a, b
//!     Join: a, b                      Repeated: 0
//!                                       Aggregate: g, sum(x) …
//! ```
//!
//! The marks change nothing. Once it is known which keys reach which of them, one may be computed for all
//! ([`crate::ComputeOnce`]).

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use datafusion::common::DFSchemaRef;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};

use crate::absorb::MergeNode;
use crate::cardinality::rows;
use crate::node::RemoteNode;

/// Estimated rows up to which a part is kept for its other readers.
const MOST_ROWS: f64 = 2_000_000.0;

/// A part of a plan that is elsewhere in it too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RepeatedNode {
    /// The same for equal parts, and for no others.
    pub(crate) number: usize,
    input: LogicalPlan,
}

/// The plan with its repeated parts marked: those that compute something of what was read.
///
/// # Errors
/// DataFusion's, for operators that are put together again.
pub(crate) fn marked(plan: LogicalPlan) -> Result<LogicalPlan> {
    let counts = repeated(&plan)?;
    if counts.is_empty() {
        return Ok(plan);
    }
    // In the order of their hashes these would have another number in each run.
    let mut numbers: HashMap<LogicalPlan, usize> = HashMap::new();
    mark(plan, 1, &counts, &mut numbers)
}

/// `above`: how often what it is directly a part of is there.
fn mark(
    plan: LogicalPlan,
    above: usize,
    counts: &HashMap<LogicalPlan, usize>,
    numbers: &mut HashMap<LogicalPlan, usize>,
) -> Result<LogicalPlan> {
    let count = counts.get(&plan).copied().unwrap_or(1);
    let number = (count > above).then(|| {
        let next = numbers.len();
        *numbers.entry(plan.clone()).or_insert(next)
    });
    let marked = plan.map_children(|input| mark(input, count.max(above), counts, numbers).map(Transformed::yes))?.data;
    Ok(match number {
        Some(number) => {
            let node = Arc::new(RepeatedNode { number, input: marked });
            LogicalPlan::Extension(Extension { node })
        }
        None => marked,
    })
}

/// The parts that are there at least twice, and how often.
fn repeated(plan: &LogicalPlan) -> Result<HashMap<LogicalPlan, usize>> {
    let mut counts = HashMap::new();
    let is_alone = !has_equal_reads(plan)? || plan.exists(|node| Ok(matches!(node, LogicalPlan::RecursiveQuery(_))))?;
    if is_alone {
        return Ok(counts);
    }
    plan.apply(|node| {
        if worth_keeping(node)? {
            *counts.entry(node.clone()).or_insert(0) += 1;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    counts.retain(|_, count| *count > 1);
    Ok(counts)
}

/// Without equal reads there are no equal parts, and looking at the reads is quick.
fn has_equal_reads(plan: &LogicalPlan) -> Result<bool> {
    let mut reads: Vec<&RemoteNode> = Vec::new();
    plan.apply(|node| {
        reads.extend(read(node));
        Ok(TreeNodeRecursion::Continue)
    })?;
    let is_equal = |(at, node): (usize, &&RemoteNode)| reads[..at].contains(node);
    Ok(reads.iter().enumerate().any(is_equal))
}

fn read(plan: &LogicalPlan) -> Option<&RemoteNode> {
    RemoteNode::of(plan).or_else(|| MergeNode::of(plan).map(|merge| &merge.remote))
}

/// Whether a part reads sources and does more than that, always with the same rows, of which there are not too many.
fn worth_keeping(plan: &LogicalPlan) -> Result<bool> {
    let (mut reads, mut computes, mut is_fixed) = (false, false, true);
    plan.apply(|node| {
        computes |= matches!(
            node,
            LogicalPlan::Join(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_) | LogicalPlan::Window(_)
        ) || MergeNode::of(node).is_some();
        if let Some(node) = read(node) {
            reads = true;
            // What fills a temporary table is not a part of the node's comparison.
            is_fixed &= node.filled.is_empty();
        }
        is_fixed &= !node.expressions().iter().any(Expr::is_volatile);
        Ok(if is_fixed { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(reads && computes && is_fixed && rows(plan) <= MOST_ROWS)
}

impl PartialOrd for RepeatedNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for RepeatedNode {
    fn name(&self) -> &'static str {
        "Repeated"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repeated: {}", self.number)
    }

    fn with_exprs_and_inputs(&self, _expressions: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(Self { number: self.number, input: inputs.swap_remove(0) })
    }
}
