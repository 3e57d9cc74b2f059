//! Order of inner joins, by estimated cost.
//!
//! A tree of inner joins is taken apart into relations and predicates and put together again: exactly for up to
//! [`EXACT`] relations, greedily beyond. In each join the left side is finished first; its keys then reach the right
//! side's remote read, which the cost model knows. Relations of one source may be joined there, when that is cheaper. A
//! semi-join with a side that is unique on its key is an inner join and takes part. Outer joins and other semi-joins stay
//! where they are; what is below them is ordered by itself.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::{Column, NullEquality};
use datafusion::error::Result;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Filter, Join, JoinConstraint, JoinType, LogicalPlan, Operator, Projection, binary_expr,
};

use crate::absorb::{Absorber, remote_join};
use crate::cardinality::{KeyReach, Side, column_position, equalities_share, key_reach, rows};
use crate::cost::{self, Cost};
use crate::node::RemoteNode;
use crate::statistics::{EQUALITY, RANGE};

/// Relations up to which every order is considered.
const EXACT: usize = 10;
/// Relations of a tree whose order is sought: each has a bit.
const MOST: usize = 64;
/// Weight of a row that later joins would work with, in microseconds, when joins are ordered greedily.
const GREED: f64 = 0.1;

/// Whether a plan is a tree of joins whose order is sought. Of larger trees, the joins at the top stay as written.
pub(crate) fn is_ordered(plan: &LogicalPlan) -> bool {
    takes_part(plan) && relations(plan) <= MOST
}

/// The relations of a tree of joins, as [`Graph::flatten`] finds them.
fn relations(plan: &LogicalPlan) -> usize {
    match plan {
        LogicalPlan::Join(join) if takes_part(plan) => relations(&join.left) + relations(&join.right),
        LogicalPlan::Projection(projection) if only_names_joins(projection) => relations(&projection.input),
        _ => 1,
    }
}

/// Whether a projection leaves a tree of joins as it is.
fn only_names_joins(projection: &Projection) -> bool {
    takes_part(&projection.input) && projection.expr.iter().all(|expr| matches!(expr, Expr::Column(_)))
}

/// Orders a tree of inner joins; everything below it is rewritten.
pub(crate) fn order(plan: LogicalPlan, absorber: &Absorber) -> Result<LogicalPlan> {
    let schema = Arc::clone(plan.schema());
    let mut graph = Graph { absorber: *absorber, relations: Vec::new(), predicates: Vec::new() };
    graph.flatten(plan)?;
    let joined = graph.rebuild()?;
    let columns = schema.iter().map(|(qualifier, field)| Expr::Column(Column::from((qualifier, field))));
    let projection = Projection::try_new_with_schema(columns.collect(), Arc::new(joined), schema)?;
    Ok(LogicalPlan::Projection(projection))
}

/// Relations and the predicates between them.
struct Graph {
    absorber: Absorber,
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
    /// A set of relations that their source joins.
    Remote(u64),
    /// The left side is built first.
    Join(Box<Tree>, Box<Tree>),
}

#[derive(Debug, Clone)]
struct Candidate {
    tree: Tree,
    cost: Cost,
    /// `cost` as elapsed time.
    time: f64,
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
            LogicalPlan::Projection(projection) if only_names_joins(&projection) => {
                self.flatten(Arc::unwrap_or_clone(projection.input))?;
            }
            other => self.relations.push(self.absorber.rewrite(other)?),
        }
        Ok(())
    }

    fn rebuild(&mut self) -> Result<LogicalPlan> {
        self.measure();
        let remotes = if self.relations.len() <= EXACT { self.remotes() } else { HashMap::new() };
        let best = match self.relations.len() {
            0..=EXACT => self.exact(&remotes),
            _ => self.greedy(),
        };
        let mut used = vec![false; self.predicates.len()];
        let plan = self.build(&best.tree, &remotes, &mut used)?.0;
        let rest = self.predicates.iter().zip(&used).filter(|(_, used)| !**used).map(|(p, _)| p.expr.clone());
        Ok(match conjunction(rest) {
            Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(plan))?),
            None => plan,
        })
    }

    /// For each connected set of relations of one source, the read that joins them there, if the source can.
    fn remotes(&self) -> HashMap<u64, RemoteNode> {
        let mut remotes: HashMap<u64, RemoteNode> = HashMap::new();
        if !self.absorber.push_down {
            return remotes;
        }
        for (index, relation) in self.relations.iter().enumerate() {
            if let Some(node) = RemoteNode::of(relation) {
                remotes.insert(1 << index, node.clone());
            }
        }
        if remotes.len() < 2 {
            return remotes;
        }
        let base: Vec<f64> = self.relations.iter().map(rows).collect();
        for set in 1..1u64 << self.relations.len() {
            if set.count_ones() < 2 {
                continue;
            }
            // The relation that is joined last: what is left then should be small.
            let last = (0..self.relations.len())
                .map(|index| 1u64 << index)
                .filter(|one| set & one != 0 && remotes.contains_key(one) && self.connects(set & !one, *one))
                .filter(|one| remotes.contains_key(&(set & !one)))
                .min_by(|a, b| self.rows_of(set & !a, &base).total_cmp(&self.rows_of(set & !b, &base)));
            let Some(last) = last else { continue };
            let (Some(left), Some(right)) = (remotes.get(&(set & !last)), remotes.get(&last)) else { continue };
            if left.shares_source_with(right)
                && let Some(joined) = self.joined_there(left, right, set & !last, last, self.rows_of(set, &base))
            {
                remotes.insert(set, joined);
            }
        }
        remotes
    }

    fn joined_there(&self, left: &RemoteNode, right: &RemoteNode, l: u64, r: u64, rows: f64) -> Option<RemoteNode> {
        let mut used = vec![false; self.predicates.len()];
        let join = self.join(left.clone().into_plan(), right.clone().into_plan(), l, r, &mut used).ok()?;
        remote_join(left, right, &join, rows).ok()
    }

    /// Finds out which relations each predicate mentions and how much it keeps. Equalities between the same two relations
    /// are weighed together.
    fn measure(&mut self) {
        let base: Vec<f64> = self.relations.iter().map(rows).collect();
        let masks: Vec<u64> = self.predicates.iter().map(|predicate| self.mask_of(&predicate.expr)).collect();
        let equalities: Vec<Option<(Side<'_>, Side<'_>)>> =
            self.predicates.iter().map(|predicate| self.equality(&predicate.expr, &base)).collect();
        let share = |index: usize| {
            if equalities[index].is_none() {
                return if sides(&self.predicates[index].expr).is_some() { EQUALITY } else { RANGE };
            }
            let together = (0..masks.len()).filter(|other| masks[*other] == masks[index]);
            let together: Vec<_> = together.filter_map(|other| equalities[other]).collect();
            equalities_share(&together).powf(1.0 / together.len() as f64)
        };
        let shares: Vec<f64> = (0..masks.len()).map(share).collect();
        for (predicate, (mask, share)) in self.predicates.iter_mut().zip(masks.into_iter().zip(shares)) {
            (predicate.mask, predicate.share) = (mask, share);
        }
    }

    /// The sides of an equality between two relations, that of the first relation first.
    fn equality<'g>(&'g self, expr: &'g Expr, base: &[f64]) -> Option<(Side<'g>, Side<'g>)> {
        let (a, b) = sides(expr)?;
        let (of_a, of_b) = (self.owner(a)?, self.owner(b)?);
        let side = |expr, owner: usize| Side { expr, plan: &self.relations[owner], rows: base[owner] };
        match of_a.cmp(&of_b) {
            Ordering::Less => Some((side(a, of_a), side(b, of_b))),
            Ordering::Greater => Some((side(b, of_b), side(a, of_a))),
            Ordering::Equal => None,
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

    fn candidate(&self, tree: Tree, cost: Cost, rows: f64) -> Candidate {
        Candidate { tree, cost, time: cost.time(self.absorber.cores), rows }
    }

    fn leaves(&self) -> Vec<Candidate> {
        let leaf = |(index, relation): (usize, &LogicalPlan)| {
            self.candidate(Tree::Leaf(index), self.absorber.cost(relation), rows(relation))
        };
        self.relations.iter().enumerate().map(leaf).collect()
    }

    /// Dynamic programming over all sets of relations.
    fn exact(&self, remotes: &HashMap<u64, RemoteNode>) -> Candidate {
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
            let there = remotes
                .get(&set)
                .map(|node| self.candidate(Tree::Remote(set), cost::read(node, self.absorber.cores), rows));
            if let Some(there) = there.as_ref().filter(|_| self.absorber.whatever_it_costs) {
                best.insert(set, there.clone());
                continue;
            }
            let mut chosen = there;
            // Products of unconnected relations only where there is no other way.
            let ways: &[bool] = if self.needs_product(set) { &[true, false] } else { &[true] };
            for &connected in ways {
                let mut left = (set - 1) & set;
                while left != 0 {
                    let right = set & !left;
                    if let (Some(build), Some(probe)) = (best.get(&left), best.get(&right))
                        && self.connects(left, right) == connected
                    {
                        let candidate = self.joined(build, probe, rows, left, remotes);
                        if chosen.as_ref().is_none_or(|best| candidate.time < best.time) {
                            chosen = Some(candidate);
                        }
                    }
                    left = (left - 1) & set;
                }
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
        // What joining two parts adds; of most pairs it is known from the round before.
        let mut pairs: HashMap<(u64, u64), (bool, f64, Candidate)> = HashMap::new();
        while parts.len() > 1 {
            let mut chosen: Option<(bool, f64, u64, u64)> = None;
            for (left, build) in &parts {
                for (right, probe) in parts.iter().filter(|(right, _)| right != left) {
                    let (apart, added, _) = pairs.entry((*left, *right)).or_insert_with(|| {
                        let rows = self.rows_of(left | right, &base);
                        let candidate = self.joined(build, probe, rows, *left, &HashMap::new());
                        let added = candidate.time - build.time - probe.time + rows * GREED;
                        (!self.connects(*left, *right), added, candidate)
                    });
                    if chosen.is_none_or(|best| (*apart, *added) < (best.0, best.1)) {
                        chosen = Some((*apart, *added, *left, *right));
                    }
                }
            }
            let Some((_, _, left, right)) = chosen else { break };
            let Some((_, _, candidate)) = pairs.remove(&(left, right)) else { break };
            pairs.retain(|(a, b), _| (a | b) & (left | right) == 0);
            parts.retain(|(part, _)| part & (left | right) == 0);
            parts.push((left | right, candidate));
        }
        parts.pop().map_or_else(|| self.as_written(), |(_, candidate)| candidate)
    }

    fn as_written(&self) -> Candidate {
        let join = |tree, index| Tree::Join(Box::new(tree), Box::new(Tree::Leaf(index)));
        let tree = (1..self.relations.len()).fold(Tree::Leaf(0), join);
        self.candidate(tree, Cost::default(), 0.0)
    }

    /// Whether a set of relations may have to be a product: nothing connects it with the others, or a predicate over
    /// three relations does.
    fn needs_product(&self, set: u64) -> bool {
        self.predicates.iter().all(|p| p.mask & set == 0 || p.mask & !set == 0)
            || self.predicates.iter().any(|p| p.mask.count_ones() > 2)
    }

    fn connects(&self, left: u64, right: u64) -> bool {
        let both = left | right;
        self.predicates.iter().any(|p| p.mask & !both == 0 && p.mask & left != 0 && p.mask & right != 0)
    }

    /// `build` joined with `probe`; `left` is the set of `build`.
    fn joined(
        &self,
        build: &Candidate,
        probe: &Candidate,
        rows: f64,
        left: u64,
        remotes: &HashMap<u64, RemoteNode>,
    ) -> Candidate {
        let cores = self.absorber.cores;
        let keyed = match &probe.tree {
            Tree::Leaf(relation) => self.keyed(&self.relations[*relation], 1 << relation, build, left),
            Tree::Remote(set) => {
                remotes.get(set).and_then(|node| self.keyed(&node.clone().into_plan(), *set, build, left))
            }
            Tree::Join(..) => None,
        };
        let whole = (probe.cost, probe.rows);
        let (scan, probed) = match keyed {
            Some(keyed) if keyed.0.time(cores) < probe.time => keyed,
            _ => whole,
        };
        let cost = build.cost.then(scan).then(cost::join(build.rows, probed, rows, cores));
        let tree = Tree::Join(Box::new(build.tree.clone()), Box::new(probe.tree.clone()));
        self.candidate(tree, cost, rows)
    }

    /// Cost of reading the relations `set`, together `plan`, by the keys of a finished side, and the rows that come.
    fn keyed(&self, plan: &LogicalPlan, set: u64, build: &Candidate, left: u64) -> Option<(Cost, f64)> {
        let by_key = |predicate: &Predicate| {
            let (a, b) = sides(&predicate.expr)?;
            let of_set = |expr: &Expr| self.owner(expr).is_some_and(|owner| set & (1 << owner) != 0);
            let (inner, outer) = if of_set(a) { (a, b) } else { (b, a) };
            if !of_set(inner) || self.mask_of(outer) & !left != 0 {
                return None;
            }
            let KeyReach { node, key, limit } = key_reach(inner, plan, self.absorber.cores)?;
            let keys = match self.owner(outer) {
                Some(owner) => {
                    let plan = &self.relations[owner];
                    Side { expr: outer, plan, rows: rows(plan) }.distinct().min(build.rows)
                }
                None => build.rows,
            };
            if keys > limit {
                return None;
            }
            let found = rows(plan) * (keys / key.distinct).min(1.0);
            Some((cost::keyed_read(node, key, keys, self.absorber.cores), found))
        };
        let cores = self.absorber.cores;
        let cheapest = |a: &(Cost, f64), b: &(Cost, f64)| a.0.time(cores).total_cmp(&b.0.time(cores));
        self.predicates.iter().filter_map(by_key).min_by(cheapest)
    }

    /// The plan of a tree and the set of its relations. Marks the predicates it used.
    fn build(&self, tree: &Tree, remotes: &HashMap<u64, RemoteNode>, used: &mut [bool]) -> Result<(LogicalPlan, u64)> {
        let (left, right) = match tree {
            Tree::Leaf(index) => return Ok((self.relations[*index].clone(), 1 << index)),
            Tree::Remote(set) => {
                for (predicate, used) in self.predicates.iter().zip(used.iter_mut()) {
                    *used |= predicate.mask & !set == 0 && predicate.mask.count_ones() > 1;
                }
                let node = remotes.get(set).cloned().map(RemoteNode::into_plan);
                return Ok((node.unwrap_or_default(), *set));
            }
            Tree::Join(left, right) => (self.build(left, remotes, used)?, self.build(right, remotes, used)?),
        };
        let join = self.join(left.0, right.0, left.1, right.1, used)?;
        Ok((LogicalPlan::Join(join), left.1 | right.1))
    }

    /// Two plans joined by the predicates between them. Marks the predicates it used.
    fn join(&self, left: LogicalPlan, right: LogicalPlan, l: u64, r: u64, used: &mut [bool]) -> Result<Join> {
        let (mut on, mut filters) = (Vec::new(), Vec::new());
        for (predicate, used) in self.predicates.iter().zip(used.iter_mut()) {
            if *used || predicate.mask & !(l | r) != 0 || predicate.mask & l == 0 || predicate.mask & r == 0 {
                continue;
            }
            *used = true;
            match self.as_key(predicate, l, r) {
                Some(pair) => on.push(pair),
                None => filters.push(predicate.expr.clone()),
            }
        }
        Join::try_new(
            Arc::new(left),
            Arc::new(right),
            on,
            conjunction(filters),
            JoinType::Inner,
            JoinConstraint::On,
            NullEquality::NullEqualsNothing,
            false,
        )
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
