//! Walks queries: WITH, set operations, FROM clauses; each SELECT gets its scope.

use super::output::{Outputs, Role};
use super::scope::{Column, Relation, Scope};
use super::{Cte, Resolver, engine_ident, idents_of, internal_name};
use crate::names::{Written, defined_name};
use crate::{Error, Result};
use sqlparser::ast::{
    Distinct, Expr, Fetch, FunctionArg, FunctionArgExpr, Ident, JoinConstraint, JoinOperator, LimitClause, ObjectName,
    Offset, OffsetRows, OrderBy, OrderByKind, Query, Select, SetExpr, SetOperator, TableAlias, TableAliasColumnDef,
    TableFactor, TableWithJoins, With,
};
use std::collections::HashMap;

/// A recursive query's own name and the columns listed behind it.
type Itself = (Cte, Vec<TableAliasColumnDef>);

impl Resolver<'_> {
    /// Resolves a query and says what its columns are.
    pub(super) fn query(&mut self, query: &mut Query, role: Role) -> Result<Outputs> {
        self.query_named(query, role, None)
    }

    /// As [`Self::query`]; the right side of a UNION may also read `recursive`, the query's own name.
    fn query_named(&mut self, query: &mut Query, role: Role, recursive: Option<&Itself>) -> Result<Outputs> {
        if !query.locks.is_empty() {
            return Err(unsupported("FOR UPDATE and FOR SHARE cannot run over connections"));
        }
        if query.for_clause.is_some() || query.settings.is_some() || query.format_clause.is_some() {
            return Err(unsupported("FOR XML, SETTINGS and FORMAT are not part of the language"));
        }
        let outer_ctes = self.ctes.len();
        if let Some(with) = &mut query.with {
            self.with(with)?;
        }
        let outputs = match &mut *query.body {
            SetExpr::Select(select) => self.select(select, query.order_by.as_mut(), role)?,
            body => {
                let outputs = self.set_expr(body, role, recursive)?;
                self.order_set(query.order_by.as_mut(), &outputs)?;
                if query.order_by.is_some() {
                    keep_choice(body);
                }
                outputs
            }
        };
        self.limit(query)?;
        if role == Role::Anonymous && query.limit_clause.is_none() && !chooses_by_order(&query.body) {
            // An order that says nothing, and keeps the engine from making a join of a subquery.
            query.order_by = None;
        }
        self.ctes.truncate(outer_ctes);
        Ok(outputs)
    }

    fn with(&mut self, with: &mut With) -> Result<()> {
        let outer = self.ctes.len();
        for cte in &mut with.cte_tables {
            let name = defined_name(&cte.alias.name);
            if self.ctes[outer..].iter().any(|one| one.name == name) {
                let place = Some(self.parsed.place_of(std::slice::from_ref(&cte.alias.name)));
                let what = format!("WITH names `{name}` more than once");
                return Err(Error::Unsupported { what, place, hint: None });
            }
            // The engine refuses a name that hides one of a query around it.
            let hides = self.ctes.iter().any(|one| one.engine == name);
            let engine = if hides { self.generate("w") } else { name.clone() };
            if hides {
                cte.alias.name = engine_ident(&engine);
            }
            let mut known = Cte { name, engine, columns: None };
            let itself = with.recursive.then(|| (known.clone(), cte.alias.columns.clone()));
            let outputs = self.query_named(&mut cte.query, Role::Named, itself.as_ref())?;
            known.columns = renamed(outputs.columns, &cte.alias.columns);
            self.ctes.push(known);
        }
        Ok(())
    }

    fn set_expr(&mut self, body: &mut SetExpr, role: Role, recursive: Option<&Itself>) -> Result<Outputs> {
        match body {
            SetExpr::Select(select) => self.select(select, None, role),
            SetExpr::Query(query) => self.query(query, role),
            SetExpr::SetOperation { left, right, op, .. } => {
                let outputs = self.set_expr(left, role, None)?;
                let ctes = self.ctes.len();
                if let Some((itself, listed)) = recursive.filter(|_| *op == SetOperator::Union) {
                    let columns = renamed(outputs.columns.clone(), listed);
                    self.ctes.push(Cte { columns, ..itself.clone() });
                }
                self.set_expr(right, Role::Anonymous, None)?;
                self.ctes.truncate(ctes);
                Ok(outputs)
            }
            SetExpr::Values(values) => {
                let count = values.rows.first().map_or(0, |row| row.content.len());
                for expr in values.rows.iter_mut().flat_map(|row| &mut row.content) {
                    self.expr(expr, None)?;
                }
                let columns = (1..=count).map(|number| format!("column{number}"));
                Ok(Outputs::of_columns(columns.map(|name| Column::defined(name.clone(), name)).collect()))
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(unsupported("a query over connections cannot change rows"))
            }
            SetExpr::Table(_) => Err(unsupported("write SELECT * FROM instead of TABLE")),
        }
    }

    /// ORDER BY of a set operation: only names and positions of its columns.
    fn order_set(&mut self, order_by: Option<&mut OrderBy>, outputs: &Outputs) -> Result<()> {
        let Some(OrderBy { kind: OrderByKind::Expressions(exprs), .. }) = order_by else { return Ok(()) };
        for order in exprs {
            if let Expr::Identifier(ident) = &order.expr
                && let Some(column) = outputs.column(Written::from(ident))
            {
                order.expr = Expr::Identifier(engine_ident(&column.engine));
            }
        }
        Ok(())
    }

    /// LIMIT, OFFSET and FETCH; the engine knows FETCH only as LIMIT.
    fn limit(&mut self, query: &mut Query) -> Result<()> {
        if let Some(fetch) = query.fetch.take() {
            let Fetch { with_ties: false, percent: false, quantity } = fetch else {
                return Err(unsupported("FETCH … WITH TIES and PERCENT are not part of the language"));
            };
            let count = quantity.unwrap_or_else(|| Expr::value(super::rewrite::number(1)));
            match &mut query.limit_clause {
                None => {
                    query.limit_clause =
                        Some(LimitClause::LimitOffset { limit: Some(count), offset: None, limit_by: Vec::new() });
                }
                Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = Some(count),
                Some(_) => return Err(unsupported("a query has either LIMIT or FETCH")),
            }
        }
        match &mut query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                for expr in limit.iter_mut().chain(offset.iter_mut().map(|offset| &mut offset.value)) {
                    self.expr(expr, None)?;
                }
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                self.expr(offset, None)?;
                self.expr(limit, None)?;
            }
            None => {}
        }
        Ok(())
    }

    fn select(&mut self, select: &mut Select, order_by: Option<&mut OrderBy>, role: Role) -> Result<Outputs> {
        if select.into.is_some() {
            return Err(unsupported("SELECT INTO cannot run over connections: write CREATE TABLE … AS SELECT"));
        }
        if select.top.is_some() || !select.lateral_views.is_empty() || !select.connect_by.is_empty() {
            return Err(unsupported("TOP, LATERAL VIEW and CONNECT BY are not part of the language"));
        }
        let mut names = HashMap::new();
        for table in &select.from {
            count_names(table, &mut names);
        }
        let mut scope = Scope::default();
        for table in &mut select.from {
            self.table_with_joins(table, &mut scope, &names)?;
        }
        self.scopes.push(scope);
        let outputs = self.select_in_scope(select, order_by, role);
        self.scopes.pop();
        outputs
    }

    fn table_with_joins(
        &mut self,
        table: &mut TableWithJoins,
        scope: &mut Scope,
        names: &HashMap<String, usize>,
    ) -> Result<()> {
        let left = scope.visible.len();
        self.table_factor(&mut table.relation, scope, names)?;
        for join in &mut table.joins {
            let right = scope.visible.len();
            self.table_factor(&mut join.relation, scope, names)?;
            let outer = keeps_right_rows(&join.join_operator);
            match constraint(&mut join.join_operator) {
                Some(JoinConstraint::Using(columns)) => self.using(columns, scope, (left, right), outer)?,
                Some(JoinConstraint::Natural) => {
                    let pairs: Vec<(usize, usize)> = scope
                        .common(left, right)
                        .iter()
                        .filter_map(|name| {
                            let written = Written { text: name, quoted: true };
                            let mine = scope.position(left..right, written).ok()??;
                            Some((mine, scope.position(right..scope.visible.len(), written).ok()??))
                        })
                        .collect();
                    scope.merge(left, &pairs, outer);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The columns in USING: each found once on both sides, under one name of the engine.
    fn using(
        &self,
        names: &mut [ObjectName],
        scope: &mut Scope,
        (left, right): (usize, usize),
        outer: bool,
    ) -> Result<()> {
        let mut pairs = Vec::new();
        for name in names {
            let idents = idents_of(name);
            let [ident] = idents.as_slice() else { return Err(self.unknown_column(&idents, &[])) };
            let find = |range| {
                let found = scope.position(range, Written::from(ident));
                found.map_err(|candidates| self.ambiguous(&idents, candidates))
            };
            let (Some(mine), Some(theirs)) = (find(left..right)?, find(right..scope.visible.len())?) else {
                if scope.is_opaque() {
                    continue;
                }
                return Err(self.unknown_column(&idents, &scope.relations.iter().collect::<Vec<_>>()));
            };
            if scope.engine_name(mine) != scope.engine_name(theirs) {
                let sides = scope.sides(mine).chain(scope.sides(theirs));
                let written = sides.map(|side| format!("{}.\"{}\"", side.relation.label(), side.column.name));
                return Err(self.ambiguous(&idents, written.collect()));
            }
            *name = internal_name(scope.engine_name(mine));
            pairs.push((mine, theirs));
        }
        scope.merge(left, &pairs, outer);
        Ok(())
    }

    fn table_factor(
        &mut self,
        factor: &mut TableFactor,
        scope: &mut Scope,
        names: &HashMap<String, usize>,
    ) -> Result<()> {
        let relation = match factor {
            TableFactor::Table { name, alias, args: None, .. } => self.table(name, alias, names)?,
            TableFactor::Table { name, alias, args: Some(args), .. } => {
                self.function(name, alias, &mut args.args, scope)?
            }
            TableFactor::Function { name, args, alias, .. } => self.function(name, alias, args, scope)?,
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                let outputs = if *lateral {
                    self.beside(scope, |this| this.query(subquery, Role::Named))?
                } else {
                    self.query(subquery, Role::Named)?
                };
                named(alias.as_ref(), outputs.columns)
            }
            TableFactor::UNNEST { alias, array_exprs, .. } => {
                self.beside(scope, |this| array_exprs.iter_mut().try_for_each(|expr| this.expr(expr, None)))?;
                named(alias.as_ref(), None)
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                return self.table_with_joins(table_with_joins, scope, names);
            }
            TableFactor::NestedJoin { .. } => return Err(unsupported("a join in parentheses cannot have an alias")),
            _ => return Err(unsupported("this form of table is not part of the language")),
        };
        if relation.aliased && scope.relations.iter().any(|one| one.aliased && one.engine == relation.engine) {
            let place = alias_of(factor).map(|alias| self.parsed.place_of(std::slice::from_ref(&alias.name)));
            let what = format!("table name `{}` is given more than once", relation.name);
            return Err(Error::Unsupported { what, place, hint: Some("give one of them another alias".into()) });
        }
        scope.push(relation);
        Ok(())
    }

    /// Runs `work` where the relations of `scope` are in reach, as for LATERAL.
    fn beside<T>(&mut self, scope: &mut Scope, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.scopes.push(std::mem::take(scope));
        let result = work(self);
        *scope = self.scopes.pop().expect("pushed above");
        result
    }

    /// A table of a source or a common table expression.
    fn table(
        &mut self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
        names: &HashMap<String, usize>,
    ) -> Result<Relation> {
        let idents = idents_of(name);
        let Some(input) = self.table_at(&idents)? else { return self.cte_table(name, alias.as_ref(), &idents, names) };
        *name = internal_name(&self.internal_table(input));
        let mut relation = self.source_relation(input);
        if let Some(alias) = alias {
            relation.engine = defined_name(&alias.name);
            relation.name.clone_from(&relation.engine);
            relation.aliased = true;
            relation.columns = renamed(relation.columns.take(), &alias.columns);
            return Ok(relation);
        }
        let short = idents.last().map(|ident| ident.value.to_lowercase()).unwrap_or_default();
        relation.shared = names.get(&short).is_some_and(|count| *count > 1);
        relation.engine = if relation.shared { self.generate("a") } else { short };
        *alias =
            Some(TableAlias { explicit: true, name: engine_ident(&relation.engine), columns: Vec::new(), at: None });
        Ok(relation)
    }

    fn cte_table(
        &self,
        name: &mut ObjectName,
        alias: Option<&TableAlias>,
        idents: &[Ident],
        names: &HashMap<String, usize>,
    ) -> Result<Relation> {
        let [ident] = idents else { return Err(self.no_connection(idents)) };
        let written = Written::from(ident);
        let fits = self.ctes.iter().rev().filter_map(|cte| Some((written.fits_defined(&cte.name)?, cte)));
        // The innermost of the best: `max_by_key` takes the last, so the order is turned once more.
        let found = fits.collect::<Vec<_>>().into_iter().rev().max_by_key(|(fit, _)| *fit);
        let Some((_, cte)) = found else { return Err(self.no_connection(idents)) };
        *name = internal_name(&cte.engine);
        if alias.is_some() {
            return Ok(named(alias, cte.columns.clone()));
        }
        Ok(Relation {
            engine: cte.engine.clone(),
            name: cte.name.clone(),
            aliased: true,
            shared: names.get(&ident.value.to_lowercase()).is_some_and(|count| *count > 1),
            table: None,
            columns: cte.columns.clone(),
        })
    }

    /// A table function. PostgreSQL names the column of `generate_series` after its alias.
    fn function(
        &mut self,
        name: &ObjectName,
        alias: &mut Option<TableAlias>,
        args: &mut [FunctionArg],
        scope: &mut Scope,
    ) -> Result<Relation> {
        self.beside(scope, |this| {
            args.iter_mut().try_for_each(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
                | FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. } => this.expr(expr, None),
                _ => Ok(()),
            })
        })?;
        let function = idents_of(name).last().map(|ident| ident.value.to_lowercase()).unwrap_or_default();
        if function == "generate_series" {
            let alias = alias.get_or_insert_with(|| TableAlias {
                explicit: true,
                name: engine_ident(&function),
                columns: Vec::new(),
                at: None,
            });
            if alias.columns.is_empty() {
                alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
            }
        }
        let mut relation = named(alias.as_ref(), None);
        if relation.name.is_empty() {
            relation.name.clone_from(&function);
            relation.engine = function;
        }
        Ok(relation)
    }

    /// The conditions of joins, once all relations are in scope.
    pub(super) fn join_conditions(&mut self, table: &mut TableWithJoins) -> Result<()> {
        self.nested_conditions(&mut table.relation)?;
        for join in &mut table.joins {
            self.nested_conditions(&mut join.relation)?;
            if let Some(JoinConstraint::On(expr)) = constraint(&mut join.join_operator) {
                self.expr(expr, None)?;
            }
        }
        Ok(())
    }

    fn nested_conditions(&mut self, factor: &mut TableFactor) -> Result<()> {
        match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => self.join_conditions(table_with_joins),
            _ => Ok(()),
        }
    }
}

pub(super) fn unsupported(what: &str) -> Error {
    Error::Unsupported { what: what.to_owned(), place: None, hint: None }
}

/// A relation that the statement defines.
fn named(alias: Option<&TableAlias>, columns: Option<Vec<Column>>) -> Relation {
    let listed = alias.map(|alias| alias.columns.as_slice()).unwrap_or_default();
    let columns = if columns.is_none() && !listed.is_empty() { Some(Vec::new()) } else { columns };
    Relation {
        engine: alias.map(|alias| defined_name(&alias.name)).unwrap_or_default(),
        name: alias.map(|alias| defined_name(&alias.name)).unwrap_or_default(),
        aliased: alias.is_some(),
        shared: false,
        table: None,
        columns: renamed(columns, listed),
    }
}

/// `columns` with the first ones called as an alias lists them.
fn renamed(columns: Option<Vec<Column>>, listed: &[TableAliasColumnDef]) -> Option<Vec<Column>> {
    let mut columns = columns?;
    for (position, listed) in listed.iter().enumerate() {
        let mut column = Column::defined(defined_name(&listed.name), &listed.name.value);
        match columns.get_mut(position) {
            Some(old) => {
                column.is_date = old.is_date;
                *old = column;
            }
            None => columns.push(column),
        }
    }
    Some(columns)
}

/// Counts how many relations of a FROM clause go by each name, ignoring case.
fn count_names(table: &TableWithJoins, names: &mut HashMap<String, usize>) {
    let factors = std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation));
    for factor in factors {
        let name = match factor {
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                count_names(table_with_joins, names);
                None
            }
            TableFactor::Table { name, alias: None, args: None, .. } => idents_of(name).pop(),
            other => alias_of(other).map(|alias| alias.name.clone()),
        };
        if let Some(name) = name {
            *names.entry(name.value.to_lowercase()).or_default() += 1;
        }
    }
}

fn alias_of(factor: &TableFactor) -> Option<&TableAlias> {
    match factor {
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => alias.as_ref(),
        _ => None,
    }
}

fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    use JoinOperator as J;
    match operator {
        J::Join(constraint)
        | J::Inner(constraint)
        | J::Left(constraint)
        | J::LeftOuter(constraint)
        | J::Right(constraint)
        | J::RightOuter(constraint)
        | J::FullOuter(constraint)
        | J::CrossJoin(constraint)
        | J::Semi(constraint)
        | J::LeftSemi(constraint)
        | J::RightSemi(constraint)
        | J::Anti(constraint)
        | J::LeftAnti(constraint)
        | J::RightAnti(constraint)
        | J::StraightJoin(constraint)
        | J::AsOf { constraint, .. } => Some(constraint),
        J::CrossApply | J::OuterApply | J::ArrayJoin | J::LeftArrayJoin | J::InnerArrayJoin => None,
    }
}

/// Whether rows of the right side may come without a row of the left.
fn keeps_right_rows(operator: &JoinOperator) -> bool {
    matches!(operator, JoinOperator::Right(_) | JoinOperator::RightOuter(_) | JoinOperator::FullOuter(_))
}

/// Whether the order says which rows are left: those that come first of each kind.
fn chooses_by_order(body: &SetExpr) -> bool {
    matches!(body, SetExpr::Select(select) if matches!(select.distinct, Some(Distinct::On(_))))
}

/// Lets rows that are chosen by an order stay chosen by it under another order, which the engine would choose by instead.
fn keep_choice(body: &mut SetExpr) {
    let SetExpr::Query(query) = body else { return };
    if chooses_by_order(&query.body) && query.limit_clause.is_none() {
        let offset = Some(Offset { value: Expr::value(super::rewrite::number(0)), rows: OffsetRows::None });
        query.limit_clause = Some(LimitClause::LimitOffset { limit: None, offset, limit_by: Vec::new() });
    }
    keep_choice(&mut query.body);
}
