//! Whether a whole plan keeps to what a source declares, by one rule for planner, connectors and tests.

use crate::capabilities::{Support, TextComparison, TypeClass};
use crate::catalog::TextSemantics;
use crate::connector::Connector;
use crate::error::{Error, Result};
use crate::expr::{Aggregate, AggregateFunction, CompareOp, Expr};
use crate::plan::{JoinKind, Output, Relation, RelationColumn, RemotePlan, SortKey};

/// Refuses a plan that needs more than the source declares. Connectors call it first in [`Connector::open`] and
/// [`Connector::remote_text`], so that a plan nobody promised to compute gives an error and never wrong rows.
///
/// Returns [`Support::Superset`] when a filter inside the plan keeps more rows than it should; nothing above such a
/// filter may count, cut, order off or compare away rows. Choosing columns by position needs no capability.
///
/// # Errors
/// [`Error::Unsupported`] naming the operation.
pub fn check_plan(connector: &dyn Connector, plan: &RemotePlan) -> Result<Support> {
    Checker { connector }.relation(&plan.root)
}

struct Checker<'a> {
    connector: &'a dyn Connector,
}

impl Checker<'_> {
    fn relation(&self, relation: &Relation) -> Result<Support> {
        let capabilities = self.connector.capabilities();
        match relation {
            Relation::Scan { .. } => Ok(Support::Exact),
            Relation::Filter { input, predicate } => {
                self.need(capabilities.filter, "a filter")?;
                let below = self.relation(input)?;
                match self.connector.supports(&predicate.sampled(), &input.columns()) {
                    Support::Unsupported => Err(self.unsupported("this predicate")),
                    support => Ok(support.min(below)),
                }
            }
            Relation::Project { input, outputs } => {
                let chosen_only = outputs.iter().all(|output| matches!(output.expr, Expr::Column(_)));
                self.need(capabilities.project || chosen_only, "a computed column")?;
                let below = self.relation(input)?;
                self.outputs(outputs, &input.columns())?;
                Ok(below)
            }
            Relation::Join { left, right, kind, on, filter } => self.join(left, right, *kind, on, filter.as_ref()),
            Relation::Aggregate { input, groups, aggregates } => {
                self.exact_input(input, "an aggregate")?;
                let columns = input.columns();
                self.outputs(groups, &columns)?;
                for group in groups {
                    self.equality(&group.expr, &group.expr, &columns, "a group of this type")?;
                }
                aggregates.iter().try_for_each(|output| self.aggregate(&output.aggregate, &columns))?;
                self.need(!aggregates.is_empty() || capabilities.distinct, "distinct rows")?;
                Ok(Support::Exact)
            }
            Relation::Sort { input, keys, fetch } => {
                self.need(capabilities.sort && (capabilities.limit || fetch.is_none()), "an order")?;
                let below = if fetch.is_some() { self.exact_input(input, "a limit")? } else { self.relation(input)? };
                self.sort_keys(keys, &input.columns())?;
                Ok(below)
            }
            Relation::Limit { input, .. } => {
                self.need(capabilities.limit, "a limit")?;
                self.exact_input(input, "a limit")
            }
            Relation::Distinct { input } => {
                self.need(capabilities.distinct, "distinct rows")?;
                let columns = input.columns();
                for index in 0..columns.len() {
                    self.equality(&Expr::Column(index), &Expr::Column(index), &columns, "distinct rows of this type")?;
                }
                self.relation(input)
            }
            Relation::UnionAll { inputs } => {
                self.need(capabilities.union_all, "a union")?;
                let types = inputs.first().map(Relation::types).unwrap_or_default();
                self.need(inputs.iter().all(|input| input.types() == types), "a union of different types")?;
                inputs.iter().try_fold(Support::Exact, |least, input| Ok(least.min(self.relation(input)?)))
            }
        }
    }

    fn join(
        &self,
        left: &Relation,
        right: &Relation,
        kind: JoinKind,
        on: &[(Expr, Expr)],
        filter: Option<&Expr>,
    ) -> Result<Support> {
        self.need(self.connector.capabilities().joins.contains(&kind), "this kind of join")?;
        let (left_columns, right_columns) = (left.columns(), right.columns());
        let both: Vec<RelationColumn> = left_columns.iter().chain(&right_columns).cloned().collect();
        for (left_key, right_key) in on {
            let right_key = shifted(right_key, left_columns.len());
            self.equality(left_key, &right_key, &both, "a join on keys of this type")?;
        }
        if let Some(filter) = filter {
            let exact = self.connector.supports(filter, &both) == Support::Exact;
            self.need(exact, "this condition of a join")?;
        }
        // A row too many on a side that is preserved is filtered again; on the other it hides or invents matches.
        let left_support = match kind {
            JoinKind::Right | JoinKind::Full => self.exact_input(left, "an outer join")?,
            _ => self.relation(left)?,
        };
        let right_support = match kind {
            JoinKind::Inner | JoinKind::Right => self.relation(right)?,
            _ => self.exact_input(right, "this kind of join")?,
        };
        Ok(left_support.min(right_support))
    }

    fn aggregate(&self, aggregate: &Aggregate, columns: &[RelationColumn]) -> Result<()> {
        let listed = self.connector.capabilities().aggregates.contains(&aggregate.function);
        self.need(listed, "this aggregate")?;
        for expr in aggregate.argument.iter().chain(&aggregate.filter) {
            self.exact(expr, columns)?;
        }
        let Some(argument) = &aggregate.argument else { return Ok(()) };
        if aggregate.distinct {
            self.equality(argument, argument, columns, "a distinct aggregate of this type")?;
        }
        if matches!(aggregate.function, AggregateFunction::Min | AggregateFunction::Max) {
            self.need(self.orders_exactly(argument, columns), "the least or greatest of this type")?;
        }
        Ok(())
    }

    fn outputs(&self, outputs: &[Output], columns: &[RelationColumn]) -> Result<()> {
        outputs.iter().try_for_each(|output| self.exact(&output.expr, columns))
    }

    fn sort_keys(&self, keys: &[SortKey], columns: &[RelationColumn]) -> Result<()> {
        for key in keys {
            self.exact(&key.expr, columns)?;
            self.need(self.orders_exactly(&key.expr, columns), "an order of this type")?;
        }
        Ok(())
    }

    /// Numbers and points in time that are not renderings of something else, text that is ordered by its bytes, and
    /// whatever else the source compares with `<` exactly.
    fn orders_exactly(&self, expr: &Expr, columns: &[RelationColumn]) -> bool {
        let types: Vec<_> = columns.iter().map(|column| column.data_type.clone()).collect();
        let semantics = match expr {
            Expr::Column(index) => columns.get(*index).map_or(TextSemantics::Opaque, |column| column.text),
            _ => TextSemantics::Binary,
        };
        let by_bytes = semantics == TextSemantics::Binary
            || (semantics != TextSemantics::Opaque
                && self.connector.capabilities().text == TextComparison::ForcedBinary);
        match TypeClass::of(&expr.data_type(&types)) {
            TypeClass::Boolean | TypeClass::Int | TypeClass::UInt | TypeClass::Decimal => {
                semantics != TextSemantics::Opaque
            }
            TypeClass::Date | TypeClass::Timestamp | TypeClass::TimestampUtc => semantics != TextSemantics::Opaque,
            TypeClass::Text => by_bytes,
            _ => {
                let less = Expr::compare(CompareOp::Lt, expr.clone(), expr.clone());
                self.connector.supports(&less, columns) == Support::Exact
            }
        }
    }

    fn equality(&self, left: &Expr, right: &Expr, columns: &[RelationColumn], what: &str) -> Result<()> {
        let equal = Expr::compare(CompareOp::Eq, left.clone(), right.clone());
        self.need(self.connector.supports(&equal, columns) == Support::Exact, what)
    }

    fn exact(&self, expr: &Expr, columns: &[RelationColumn]) -> Result<()> {
        // A column as it is needs no operation.
        let plain = matches!(expr, Expr::Column(index) if *index < columns.len());
        self.need(plain || self.connector.supports(expr, columns) == Support::Exact, "this expression")
    }

    fn exact_input(&self, input: &Relation, what: &str) -> Result<Support> {
        let support = self.relation(input)?;
        self.need(support == Support::Exact, &format!("{what} above an inexact filter"))?;
        Ok(support)
    }

    fn need(&self, given: bool, what: &str) -> Result<()> {
        if given { Ok(()) } else { Err(self.unsupported(what)) }
    }

    fn unsupported(&self, what: &str) -> Error {
        Error::Unsupported { driver: self.connector.driver(), what: what.into() }
    }
}

/// `expr` with every column position moved up, for conditions that see another relation's columns first.
fn shifted(expr: &Expr, by: usize) -> Expr {
    let mut moved = expr.clone();
    moved.for_each_column(&mut |index| *index += by);
    moved
}
