//! Order of inner joins, by estimated cost.
//!
//! A tree of inner joins is taken apart into relations and predicates and put together again: exactly for up to
//! [`EXACT`] relations, greedily beyond. In each join the left side is finished first; its keys then reach the right
//! side's remote scan, which the cost model knows. A semi-join with a side that is unique on its key is an inner join
//! and takes part. Outer joins and other semi-joins stay where they are, a semi-join with its smaller side first; what is
//! below them is ordered by itself.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, NullEquality};
use datafusion::error::Result;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Filter, Join, JoinConstraint, JoinType, LogicalPlan, Operator, Projection, binary_expr,
};

use crate::cardinality::{KeyReach, column_position, distinct_of, key_reach, rows};
use crate::statistics::{EQUALITY, RANGE};

/// Relations up to which every order is considered.
const EXACT: usize = 10;
/// Relations one tree may have; larger trees stay as written.
const MOST: usize = 64;
/// Cost of a row that is built into a hash table, against 1 for a row that is transferred.
const BUILD: f64 = 1.0;
/// Cost of a row that looks for partners.
const PROBE: f64 = 0.3;
/// Cost of a row that leaves a join.
const OUTPUT: f64 = 0.3;
/// Cost of sending one key.
const KEY: f64 = 0.7;
/// Share of a table's full cost that a keyed read without index still has: the server reads all, sends little.
const UNINDEXED: f64 = 0.3;

/// Orders the inner joins of a plan, subqueries included.
pub(crate) fn order_joins(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.map_subqueries(|subquery| order_joins(subquery).map(Transformed::yes))?.data;
    if takes_part(&plan) {
        let schema = Arc::clone(plan.schema());
        let mut graph = Graph::default();
        graph.flatten(plan.clone())?;
        if graph.relations.len() <= MOST {
            let joined = graph.rebuild()?;
            let columns = schema.iter().map(|(qualifier, field)| Expr::Column(Column::from((qualifier, field))));
            let projection = Projection::try_new_with_schema(columns.collect(), Arc::new(joined), schema)?;
            return Ok(LogicalPlan::Projection(projection));
        }
    }
    let plan = plan.map_children(|child| order_joins(child).map(Transformed::yes))?.data;
    match plan {
        LogicalPlan::Join(join) => smaller_first(join).map(LogicalPlan::Join),
        other => Ok(other),
    }
}

/// A semi-join with its smaller side first, so that the keys of `k IN (SELECT few)` reach the table that is filtered.
fn smaller_first(join: Join) -> Result<Join> {
    let swaps = join.join_type == JoinType::LeftSemi && !join.null_aware && !join.on.is_empty();
    if !swaps || rows(&join.right) >= rows(&join.left) {
        return Ok(join);
    }
    let on = join.on.into_iter().map(|(left, right)| (right, left)).collect();
    let (left, right) = (join.right, join.left);
    let constraint = join.join_constraint;
    Join::try_new(left, right, on, join.filter, JoinType::RightSemi, constraint, join.null_equality, false)
}

/// Relations and the predicates between them.
#[derive(Default)]
struct Graph {
    relations: Vec<LogicalPlan>,
    predicates: Vec<Predicate>,
}

struct Predicate {
    expr: Expr,
    /// Relations it mentions, one bit each.
    mask: u64,
    /// Share of the product of its relations it keeps.
    share: f64,
}

#[derive(Debug, Clone)]
enum Tree {
    Leaf(usize),
    /// The left side is built first.
    Join(Box<Tree>, Box<Tree>),
}

#[derive(Debug, Clone)]
struct Candidate {
    tree: Tree,
    cost: f64,
    rows: f64,
}

impl Graph {
    fn flatten(&mut self, plan: LogicalPlan) -> Result<()> {
        match plan {
            LogicalPlan::Join(join) if is_inner(&join) || is_unique_semi_join(&join) => {
                self.flatten(Arc::unwrap_or_clone(join.left))?;
                self.flatten(Arc::unwrap_or_clone(join.right))?;
                let equal = |(left, right)| binary_expr(left, Operator::Eq, right);
                let on = join.on.into_iter().map(equal);
                for expr in on.chain(join.filter.into_iter().flat_map(split_conjunction_owned)) {
                    self.predicates.push(Predicate { expr, mask: 0, share: 1.0 });
                }
            }
            LogicalPlan::Projection(projection)
                if takes_part(&projection.input) && projection.expr.iter().all(|e| matches!(e, Expr::Column(_))) =>
            {
                self.flatten(Arc::unwrap_or_clone(projection.input))?;
            }
            other => self.relations.push(order_joins(other)?),
        }
        Ok(())
    }

    fn rebuild(&mut self) -> Result<LogicalPlan> {
        self.measure();
        let best = if self.relations.len() <= EXACT { self.exact() } else { self.greedy() };
        let mut used = vec![false; self.predicates.len()];
        let plan = self.build(&best.tree, &mut used)?.0;
        let rest = self.predicates.iter().zip(&used).filter(|(_, used)| !**used).map(|(p, _)| p.expr.clone());
        Ok(match conjunction(rest) {
            Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(plan))?),
            None => plan,
        })
    }

    /// Finds out which relations each predicate mentions and how much it keeps.
    fn measure(&mut self) {
        for index in 0..self.predicates.len() {
            let expr = self.predicates[index].expr.clone();
            let mask = self.mask_of(&expr);
            let share = match sides(&expr) {
                Some((left, right)) => {
                    let distinct = |side: &Expr| self.owner(side).map(|r| distinct_of(side, &self.relations[r]));
                    match (distinct(left), distinct(right)) {
                        (Some(left), Some(right)) => 1.0 / left.max(right),
                        _ => EQUALITY,
                    }
                }
                None => RANGE,
            };
            self.predicates[index].mask = mask;
            self.predicates[index].share = share;
        }
    }

    fn mask_of(&self, expr: &Expr) -> u64 {
        let owner =
            |column: &Column| self.relations.iter().position(|r| r.schema().maybe_index_of_column(column).is_some());
        expr.column_refs().into_iter().filter_map(owner).fold(0, |mask, relation| mask | (1 << relation))
    }

    /// The only relation an expression mentions.
    fn owner(&self, expr: &Expr) -> Option<usize> {
        let mask = self.mask_of(expr);
        mask.is_power_of_two().then(|| mask.trailing_zeros() as usize)
    }

    fn rows_of(&self, mask: u64, base: &[f64]) -> f64 {
        let product: f64 = (0..base.len()).filter(|r| mask & (1 << r) != 0).map(|r| base[r]).product();
        let inside = self.predicates.iter().filter(|p| p.mask & !mask == 0 && p.mask.count_ones() > 1);
        inside.fold(product, |all, predicate| all * predicate.share).max(1.0)
    }

    fn leaves(&self) -> Vec<Candidate> {
        let leaf = |(index, relation): (usize, &LogicalPlan)| {
            let rows = rows(relation);
            Candidate { tree: Tree::Leaf(index), cost: scan_rows(relation), rows }
        };
        self.relations.iter().enumerate().map(leaf).collect()
    }

    /// Dynamic programming over all sets of relations.
    fn exact(&self) -> Candidate {
        let leaves = self.leaves();
        let base: Vec<f64> = leaves.iter().map(|leaf| leaf.rows).collect();
        let all = (1u64 << leaves.len()) - 1;
        let mut best: HashMap<u64, Candidate> =
            leaves.into_iter().enumerate().map(|(index, leaf)| (1u64 << index, leaf)).collect();
        for set in 1..=all {
            if set.count_ones() < 2 {
                continue;
            }
            let rows = self.rows_of(set, &base);
            let mut chosen: Option<Candidate> = None;
            for connected in [true, false] {
                let mut left = (set - 1) & set;
                while left != 0 {
                    let right = set & !left;
                    if let (Some(build), Some(probe)) = (best.get(&left), best.get(&right))
                        && self.connects(left, right) == connected
                    {
                        let candidate = self.joined(build, probe, rows, left);
                        if chosen.as_ref().is_none_or(|best| candidate.cost < best.cost) {
                            chosen = Some(candidate);
                        }
                    }
                    left = (left - 1) & set;
                }
                // Products of unconnected relations only where there is no other way.
                if chosen.is_some() {
                    break;
                }
            }
            if let Some(chosen) = chosen {
                best.insert(set, chosen);
            }
        }
        best.remove(&all).unwrap_or_else(|| self.as_written())
    }

    /// Joins the cheapest pair until one is left.
    fn greedy(&self) -> Candidate {
        let leaves = self.leaves();
        let base: Vec<f64> = leaves.iter().map(|leaf| leaf.rows).collect();
        let mut parts: Vec<(u64, Candidate)> =
            leaves.into_iter().enumerate().map(|(index, leaf)| (1u64 << index, leaf)).collect();
        while parts.len() > 1 {
            let mut chosen: Option<(bool, f64, usize, usize, Candidate)> = None;
            for (left, (left_mask, build)) in parts.iter().enumerate() {
                for (right, (right_mask, probe)) in parts.iter().enumerate() {
                    if left == right {
                        continue;
                    }
                    let apart = !self.connects(*left_mask, *right_mask);
                    let rows = self.rows_of(left_mask | right_mask, &base);
                    let candidate = self.joined(build, probe, rows, *left_mask);
                    let added = candidate.cost - build.cost - probe.cost + rows;
                    if chosen.as_ref().is_none_or(|best| (apart, added) < (best.0, best.1)) {
                        chosen = Some((apart, added, left, right, candidate));
                    }
                }
            }
            let Some((_, _, left, right, candidate)) = chosen else { break };
            let mask = parts[left].0 | parts[right].0;
            parts.remove(left.max(right));
            parts.remove(left.min(right));
            parts.push((mask, candidate));
        }
        parts.pop().map_or_else(|| self.as_written(), |(_, candidate)| candidate)
    }

    fn as_written(&self) -> Candidate {
        let join = |tree, index| Tree::Join(Box::new(tree), Box::new(Tree::Leaf(index)));
        let tree = (1..self.relations.len()).fold(Tree::Leaf(0), join);
        Candidate { tree, cost: 0.0, rows: 0.0 }
    }

    fn connects(&self, left: u64, right: u64) -> bool {
        let both = left | right;
        self.predicates.iter().any(|p| p.mask & !both == 0 && p.mask & left != 0 && p.mask & right != 0)
    }

    /// `build` joined with `probe`; `left` is the set of `build`.
    fn joined(&self, build: &Candidate, probe: &Candidate, rows: f64, left: u64) -> Candidate {
        let scan = match probe.tree {
            Tree::Leaf(relation) => {
                self.keyed_cost(relation, build, left).map_or(probe.cost, |cost| cost.min(probe.cost))
            }
            Tree::Join(..) => probe.cost,
        };
        let cost = build.cost + scan + build.rows * BUILD + probe.rows * PROBE + rows * OUTPUT;
        let tree = Tree::Join(Box::new(build.tree.clone()), Box::new(probe.tree.clone()));
        Candidate { tree, cost, rows }
    }

    /// Cost of reading `relation` by the keys of a finished side.
    fn keyed_cost(&self, relation: usize, build: &Candidate, left: u64) -> Option<f64> {
        let plan = &self.relations[relation];
        let by_key = |predicate: &Predicate| {
            let (a, b) = sides(&predicate.expr)?;
            let (inner, outer) = if self.owner(a) == Some(relation) { (a, b) } else { (b, a) };
            if self.owner(inner) != Some(relation) || self.mask_of(outer) & !left != 0 {
                return None;
            }
            let KeyReach { table_rows, distinct, indexed, limit } = key_reach(inner, plan)?;
            let keys = match self.owner(outer) {
                Some(owner) => distinct_of(outer, &self.relations[owner]).min(build.rows),
                None => build.rows,
            };
            if keys > limit {
                return None;
            }
            let share = (keys / distinct).min(1.0);
            let found = scan_rows(plan) * share;
            Some(keys * KEY + found + if indexed { 0.0 } else { table_rows * UNINDEXED })
        };
        self.predicates.iter().filter_map(by_key).min_by(f64::total_cmp)
    }

    /// The plan of a tree and the set of its relations. Marks the predicates it used.
    fn build(&self, tree: &Tree, used: &mut [bool]) -> Result<(LogicalPlan, u64)> {
        let (left, right) = match tree {
            Tree::Leaf(index) => return Ok((self.relations[*index].clone(), 1 << index)),
            Tree::Join(left, right) => (self.build(left, used)?, self.build(right, used)?),
        };
        let both = left.1 | right.1;
        let (mut on, mut filters) = (Vec::new(), Vec::new());
        for (predicate, used) in self.predicates.iter().zip(used.iter_mut()) {
            if *used || predicate.mask & !both != 0 || predicate.mask & left.1 == 0 || predicate.mask & right.1 == 0 {
                continue;
            }
            *used = true;
            match self.as_key(predicate, left.1, right.1) {
                Some(pair) => on.push(pair),
                None => filters.push(predicate.expr.clone()),
            }
        }
        let join = Join::try_new(
            Arc::new(left.0),
            Arc::new(right.0),
            on,
            conjunction(filters),
            JoinType::Inner,
            JoinConstraint::On,
            NullEquality::NullEqualsNothing,
            false,
        )?;
        Ok((LogicalPlan::Join(join), both))
    }

    /// An equality as a pair of (left, right) expressions.
    fn as_key(&self, predicate: &Predicate, left: u64, right: u64) -> Option<(Expr, Expr)> {
        let (a, b) = sides(&predicate.expr)?;
        let (of_a, of_b) = (self.mask_of(a), self.mask_of(b));
        if of_a == 0 || of_b == 0 {
            return None;
        }
        if of_a & !left == 0 && of_b & !right == 0 {
            return Some((a.clone(), b.clone()));
        }
        (of_b & !left == 0 && of_a & !right == 0).then(|| (b.clone(), a.clone()))
    }
}

/// Rows that must be read from sources for a plan.
fn scan_rows(plan: &LogicalPlan) -> f64 {
    match plan {
        LogicalPlan::TableScan(_) | LogicalPlan::Filter(_) if plan.inputs().iter().all(|i| i.inputs().is_empty()) => {
            rows(plan)
        }
        _ if plan.inputs().is_empty() => rows(plan),
        _ => plan.inputs().into_iter().map(scan_rows).sum(),
    }
}

/// Whether an operator belongs to a tree of inner joins.
fn takes_part(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Join(join) => is_inner(join) || is_unique_semi_join(join),
        _ => false,
    }
}

fn sides(expr: &Expr) -> Option<(&Expr, &Expr)> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => Some((left, right)),
        _ => None,
    }
}

fn is_inner(join: &Join) -> bool {
    join.join_type == JoinType::Inner && join.null_equality == NullEquality::NullEqualsNothing
}

/// A semi-join whose right side has each key once keeps a left row as often as an inner join would.
fn is_unique_semi_join(join: &Join) -> bool {
    join.join_type == JoinType::LeftSemi
        && join.null_equality == NullEquality::NullEqualsNothing
        && join.filter.is_none()
        && has_unique_keys(&join.right, &join.on.iter().map(|(_, right)| right.clone()).collect::<Vec<_>>())
        && join.right.schema().iter().all(|(qualifier, field)| {
            join.left.schema().maybe_index_of_column(&Column::from((qualifier, field))).is_none()
        })
}

fn has_unique_keys(plan: &LogicalPlan, keys: &[Expr]) -> bool {
    let positions: Option<Vec<usize>> = keys
        .iter()
        .map(|key| match key {
            Expr::Column(_) => column_position(key, plan.schema()),
            _ => None,
        })
        .collect();
    positions.is_some_and(|positions| unique_positions(plan, &positions))
}

fn unique_positions(plan: &LogicalPlan, positions: &[usize]) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => unique_positions(&alias.input, positions),
        LogicalPlan::Filter(filter) => unique_positions(&filter.input, positions),
        LogicalPlan::Projection(projection) => {
            let input = &projection.input;
            let below = positions.iter().map(|p| match projection.expr.get(*p) {
                Some(Expr::Column(column)) => input.schema().maybe_index_of_column(column),
                Some(Expr::Alias(alias)) => match alias.expr.as_ref() {
                    Expr::Column(column) => input.schema().maybe_index_of_column(column),
                    _ => None,
                },
                _ => None,
            });
            below.collect::<Option<Vec<_>>>().is_some_and(|below| unique_positions(input, &below))
        }
        LogicalPlan::Aggregate(aggregate) => {
            let groups = aggregate.group_expr.len();
            let sets = aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)));
            !sets && (0..groups).all(|group| positions.contains(&group))
        }
        LogicalPlan::Distinct(_) => (0..plan.schema().fields().len()).all(|column| positions.contains(&column)),
        _ => false,
    }
}
