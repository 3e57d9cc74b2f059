//! Binds the names within expressions.

use super::output::{Outputs, Role};
use super::scope::{Bare, Column, Qualified, Relation, Side, find_bare, find_relation, find_source};
use super::{Resolver, casts, engine_ident, idents_of, rewrite};
use crate::names::Written;
use crate::{Error, Result};
use sqlparser::ast::{
    AccessExpr, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart,
    Query, SetExpr, Subscript, Values, VisitMut, VisitorMut,
};
use std::ops::ControlFlow;

/// What a name in an expression turned out to be.
enum Bound {
    /// A column: what the engine shall read, and what is known of it.
    Column(Expr, Column),
    /// Something whose columns are unknown; the expression to use, if it changes.
    Opaque(Option<Expr>),
}

impl Resolver<'_> {
    /// Binds all names of `expr`; names that are no column in reach may be those of `outputs`.
    pub(super) fn expr(&mut self, expr: &mut Expr, outputs: Option<&Outputs>) -> Result<()> {
        let mut binder = Binder { resolver: self, outputs, queries: Vec::new(), chains: Vec::new() };
        match expr.visit(&mut binder) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(*error),
        }
    }

    /// Binds all names of something that holds expressions.
    pub(super) fn exprs_of(&mut self, holder: &mut impl VisitMut, outputs: Option<&Outputs>) -> Result<()> {
        let mut binder = Binder { resolver: self, outputs, queries: Vec::new(), chains: Vec::new() };
        match holder.visit(&mut binder) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(*error),
        }
    }

    /// The column that `expr` is, if it is nothing but a column.
    pub(super) fn plain_column(&mut self, expr: &Expr) -> Result<Option<(Expr, Column)>> {
        let bound = match expr {
            Expr::Identifier(ident) => self.bind_bare(ident, None)?,
            Expr::CompoundIdentifier(idents) => Some(self.bind_compound(idents)?),
            _ => None,
        };
        Ok(match bound {
            Some(Bound::Column(expr, column)) => Some((expr, column)),
            _ => None,
        })
    }

    /// An unqualified name; nothing if it stays as it is.
    fn bind_bare(&self, ident: &Ident, outputs: Option<&Outputs>) -> Result<Option<Bound>> {
        let written = Written::from(ident);
        let idents = std::slice::from_ref(ident);
        let found = find_bare(&self.scopes, written).map_err(|candidates| self.ambiguous(idents, candidates))?;
        Ok(match found {
            Bare::Column(side) => {
                // The engine would take the select list's alias first, where PostgreSQL takes the column.
                let hidden = outputs.is_some_and(|outputs| outputs.defines(&side.column.engine));
                let expr = if hidden || side.merged {
                    relation_column(side.relation, side.column)
                } else {
                    Expr::Identifier(Ident { span: ident.span, ..engine_ident(&side.column.engine) })
                };
                Some(Bound::Column(expr, side.column.clone()))
            }
            Bare::Merged(sides) => {
                let column = sides.first().map(|side| side.column.clone()).expect("a merged column has sides");
                Some(Bound::Column(coalesce(&sides), column))
            }
            Bare::Opaque => None,
            Bare::Missing => {
                if let Some(expr) = outputs.and_then(|outputs| outputs.named(written)) {
                    Some(Bound::Opaque(Some(expr)))
                } else {
                    let relations: Vec<&Relation> = self.scopes.iter().flat_map(|scope| &scope.relations).collect();
                    return Err(self.unknown_column(idents, &relations));
                }
            }
        })
    }

    /// A name of several parts.
    fn bind_compound(&mut self, idents: &[Ident]) -> Result<Bound> {
        if let Some(index) = idents.first().and_then(|first| self.parsed.reference_at(first)) {
            return self.bind_reference(index, idents);
        }
        match self.find_qualifier(idents)? {
            Some((Qualified::Relation(relation), used)) => self.in_relation(relation, idents, used),
            _ => self.bind_field(idents),
        }
    }

    /// The relation that the first names mean, and how many of them: `schema.table` or `table`.
    fn find_qualifier(&self, idents: &[Ident]) -> Result<Option<(Qualified<'_>, usize)>> {
        let ambiguous = |candidates: Vec<String>| {
            let rest: Vec<&str> = idents.last().map(|last| last.value.as_str()).into_iter().collect();
            let written = candidates.into_iter().map(|candidate| format!("{candidate}.{}", rest.join(".")));
            self.ambiguous(idents, written.collect())
        };
        let [first, second, rest @ ..] = idents else { return Ok(None) };
        if let found @ Qualified::Relation(_) =
            find_relation(&self.scopes, None, Written::from(first)).map_err(ambiguous)?
        {
            return Ok(Some((found, 1)));
        }
        if rest.is_empty() {
            return Ok(None);
        }
        let found =
            find_relation(&self.scopes, Some(Written::from(first)), Written::from(second)).map_err(ambiguous)?;
        Ok(matches!(found, Qualified::Relation(_)).then_some((found, 2)))
    }

    /// `@connection.table.column` or `@connection.schema.table.column`.
    fn bind_reference(&mut self, index: usize, idents: &[Ident]) -> Result<Bound> {
        self.used[index] = true;
        let reference = &self.parsed.references()[index];
        let place = self.parsed.place(reference.span);
        let written = reference.span.of(self.parsed.text());
        let parts: Vec<Written<'_>> = reference.parts.iter().map(Written::from).collect();
        let (schema, table) = match parts.as_slice() {
            [_, table, _] => (None, *table),
            [_, schema, table, _] => (Some(*schema), *table),
            _ => {
                return Err(Error::WrongParts { reference: written.to_owned(), wanted: "column", place });
            }
        };
        if idents.len() < parts.len() {
            return Err(Error::WrongParts { reference: written.to_owned(), wanted: "column", place });
        }
        // Written names carry whether the user quoted them; the parser's are all quoted.
        let column = parts.len() - 1;
        let mut exact = idents.to_vec();
        exact[column].quote_style = parts[column].quoted.then_some('"');
        let relation = self.referenced(index, schema, table)?;
        self.in_relation(relation, &exact, column)
    }

    /// The relation of a reference, which must be in the FROM clause.
    fn referenced(&self, index: usize, schema: Option<Written<'_>>, table: Written<'_>) -> Result<&Relation> {
        let reference = &self.parsed.references()[index];
        let place = self.parsed.place(reference.span);
        let written = || reference.span.of(self.parsed.text()).to_owned();
        match find_source(&self.scopes, &reference.connection().text, schema, table) {
            Ok(Qualified::Relation(relation)) => Ok(relation),
            Ok(Qualified::Missing) => Err(Error::UnknownTable {
                table: table.text.to_owned(),
                column: written(),
                candidates: self.labels(),
                place,
            }),
            Err(candidates) => Err(Error::Ambiguous { name: written(), candidates, place }),
        }
    }

    /// The column `idents[column]` of `relation`, and fields within it.
    fn in_relation(&self, relation: &Relation, idents: &[Ident], column: usize) -> Result<Bound> {
        let Some(name) = idents.get(column) else { return Err(self.unknown_column(idents, &[relation])) };
        let qualified = |name: Ident| {
            let mut all = Vec::with_capacity(idents.len());
            if !relation.engine.is_empty() {
                all.push(engine_ident(&relation.engine));
            }
            all.push(name);
            all.extend(idents[column + 1..].iter().cloned());
            if all.len() == 1 { Expr::Identifier(all.remove(0)) } else { Expr::CompoundIdentifier(all) }
        };
        if relation.columns.is_none() {
            return Ok(Bound::Opaque(Some(qualified(name.clone()))));
        }
        match relation.column(Written::from(name)) {
            Ok(Some(found)) => {
                let expr = qualified(Ident { span: name.span, ..engine_ident(&found.engine) });
                if column + 1 < idents.len() {
                    return Ok(Bound::Opaque(Some(expr)));
                }
                Ok(Bound::Column(expr, found.clone()))
            }
            Ok(None) => Err(self.unknown_column(&idents[..=column], &[relation])),
            Err(candidates) => Err(self.ambiguous(&idents[..=column], candidates)),
        }
    }

    /// `column.field`, or a qualifier that means nothing.
    fn bind_field(&self, idents: &[Ident]) -> Result<Bound> {
        let first = idents.first().expect("a compound name has parts");
        if let Ok(Bare::Column(Side { column, .. })) = find_bare(&self.scopes, Written::from(first)) {
            let mut all = idents.to_vec();
            all[0] = Ident { span: first.span, ..engine_ident(&column.engine) };
            return Ok(Bound::Opaque(Some(Expr::CompoundIdentifier(all))));
        }
        let split = idents.len() - 1;
        let table: Vec<&str> = idents[..split].iter().map(|ident| ident.value.as_str()).collect();
        Err(Error::UnknownTable {
            table: table.join("."),
            column: idents[split].value.clone(),
            candidates: self.labels(),
            place: self.parsed.place_of(idents),
        })
    }

    fn unknown_pattern(&self, function: &Function, pattern: &str) -> Error {
        Error::Unsupported {
            what: format!("pattern '{pattern}' of `{}` is not available", function.name),
            place: Some(self.parsed.place_of(&idents_of(&function.name))),
            hint: Some("YYYY, MM, DD, HH24, MI, SS, MS, Mon and Dy are; or use extract and date_trunc".into()),
        }
    }

    /// All relations in reach, as errors list them.
    fn labels(&self) -> Vec<String> {
        let relations = self.scopes.iter().rev().flat_map(|scope| &scope.relations);
        relations.map(Relation::label).filter(|label| label != "\"\"").collect()
    }

    /// The relation that `name.*` means.
    pub(super) fn wildcard_relation(&mut self, name: &mut ObjectName) -> Result<Relation> {
        let idents = idents_of(name);
        let relation = if let Some(index) = idents.first().and_then(|first| self.parsed.reference_at(first)) {
            self.used[index] = true;
            let parts: Vec<Written<'_>> = self.parsed.references()[index].parts.iter().map(Written::from).collect();
            match parts.as_slice() {
                [_, table] => self.referenced(index, None, *table)?,
                [_, schema, table] => self.referenced(index, Some(*schema), *table)?,
                _ => {
                    let span = self.parsed.references()[index].span;
                    let reference = span.of(self.parsed.text()).to_owned();
                    return Err(Error::WrongParts { reference, wanted: "table", place: self.parsed.place(span) });
                }
            }
        } else {
            self.bare_wildcard(&idents)?
        };
        let relation = relation.clone();
        *name = ObjectName(vec![ObjectNamePart::Identifier(engine_ident(&relation.engine))]);
        Ok(relation)
    }

    fn bare_wildcard(&self, idents: &[Ident]) -> Result<&Relation> {
        let found = match idents {
            [table] => find_relation(&self.scopes, None, Written::from(table)),
            [schema, table] => find_relation(&self.scopes, Some(Written::from(schema)), Written::from(table)),
            _ => Ok(Qualified::Missing),
        };
        match found {
            Ok(Qualified::Relation(relation)) => Ok(relation),
            Ok(Qualified::Missing) => Err(Error::UnknownTable {
                table: idents.iter().map(|ident| ident.value.as_str()).collect::<Vec<_>>().join("."),
                column: "*".into(),
                candidates: self.labels(),
                place: self.parsed.place_of(idents),
            }),
            Err(candidates) => {
                let starred = candidates.into_iter().map(|candidate| format!("{candidate}.*")).collect();
                Err(self.ambiguous(idents, starred))
            }
        }
    }

    /// Whether an expression, not bound yet, is certainly a date.
    fn is_date(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Identifier(ident) => {
                matches!(find_bare(&self.scopes, Written::from(ident)), Ok(Bare::Column(side)) if side.column.is_date)
            }
            Expr::CompoundIdentifier(idents) => self.is_date_column(idents),
            Expr::Nested(inner) => self.is_date(inner),
            Expr::BinaryOp { left, op, right } => {
                rewrite::adds_days(op) && self.is_date(left) && rewrite::whole_number(right).is_some()
            }
            other => rewrite::is_date_syntax(other),
        }
    }

    fn is_date_column(&self, idents: &[Ident]) -> bool {
        let relation = match idents.first().and_then(|first| self.parsed.reference_at(first)) {
            Some(index) => {
                let parts: Vec<Written<'_>> = self.parsed.references()[index].parts.iter().map(Written::from).collect();
                match parts.as_slice() {
                    [_, table, _] => self.referenced(index, None, *table).ok(),
                    [_, schema, table, _] => self.referenced(index, Some(*schema), *table).ok(),
                    _ => None,
                }
            }
            None => match self.find_qualifier(idents) {
                Ok(Some((Qualified::Relation(relation), used))) if used + 1 == idents.len() => Some(relation),
                _ => None,
            },
        };
        let column = relation.zip(idents.last()).map(|(relation, last)| relation.column(Written::from(last)));
        matches!(column, Some(Ok(Some(column))) if column.is_date)
    }
}

/// `coalesce` of the sides of a merged column.
pub(super) fn coalesce(sides: &[Side<'_>]) -> Expr {
    rewrite::call("coalesce", sides.iter().map(|side| relation_column(side.relation, side.column)).collect())
}

/// The column of a relation, qualified.
pub(super) fn relation_column(relation: &Relation, column: &Column) -> Expr {
    if relation.engine.is_empty() {
        return Expr::Identifier(engine_ident(&column.engine));
    }
    Expr::CompoundIdentifier(vec![engine_ident(&relation.engine), engine_ident(&column.engine)])
}

/// Walks one expression. Subqueries are taken out while their turn comes, because they have scopes of their own.
struct Binder<'r, 'a> {
    resolver: &'r mut Resolver<'a>,
    outputs: Option<&'r Outputs>,
    queries: Vec<Query>,
    chains: Vec<Vec<AccessExpr>>,
}

impl Binder<'_, '_> {
    fn bind(&mut self, expr: &mut Expr) -> Result<()> {
        let bound = match expr {
            Expr::Identifier(ident) => self.resolver.bind_bare(ident, self.outputs)?,
            Expr::CompoundIdentifier(idents) => Some(self.resolver.bind_compound(idents)?),
            Expr::CompoundFieldAccess { access_chain, .. } => {
                let mut chain = std::mem::take(access_chain);
                self.subscripts(&mut chain)?;
                self.chains.push(chain);
                None
            }
            Expr::Value(_) => {
                rewrite::float(expr);
                None
            }
            Expr::TypedString(typed) => {
                casts::check_precision(&typed.data_type).map_err(unavailable_type)?;
                None
            }
            Expr::Function(function) => {
                rewrite::rename_function(function);
                if let Err(pattern) = rewrite::translate_pattern(function) {
                    return Err(self.resolver.unknown_pattern(function, &pattern));
                }
                self.function_wildcards(function)?;
                rewrite::remainder(expr);
                None
            }
            Expr::QualifiedWildcard(name, _) => {
                self.resolver.wildcard_relation(name)?;
                None
            }
            Expr::BinaryOp { .. } => {
                let resolver = &*self.resolver;
                rewrite::add_days(expr, |operand| resolver.is_date(operand));
                None
            }
            _ => None,
        };
        if let Some(Bound::Column(new, _) | Bound::Opaque(Some(new))) = bound {
            *expr = new;
        }
        Ok(())
    }

    /// The indexes of `a[1]`; the names behind dots are fields and stay.
    fn subscripts(&mut self, chain: &mut [AccessExpr]) -> Result<()> {
        for access in chain {
            match access {
                AccessExpr::Subscript(Subscript::Index { index }) => self.resolver.expr(index, self.outputs)?,
                AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride }) => {
                    for bound in [lower_bound, upper_bound, stride].into_iter().flatten() {
                        self.resolver.expr(bound, self.outputs)?;
                    }
                }
                AccessExpr::Dot(_) => {}
            }
        }
        Ok(())
    }

    /// `count(t.*)`
    fn function_wildcards(&mut self, function: &mut Function) -> Result<()> {
        let FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
        for arg in &mut list.args {
            if let FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) = arg {
                self.resolver.wildcard_relation(name)?;
            }
        }
        Ok(())
    }
}

impl VisitorMut for Binder<'_, '_> {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Box<Error>> {
        let mut taken = std::mem::replace(query, empty_query());
        if let Err(error) = self.resolver.query(&mut taken, Role::Anonymous) {
            return ControlFlow::Break(Box::new(error));
        }
        self.queries.push(taken);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Box<Error>> {
        *query = self.queries.pop().expect("taken before its children were visited");
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Box<Error>> {
        match self.bind(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Box<Error>> {
        if let Expr::CompoundFieldAccess { access_chain, .. } = expr {
            *access_chain = self.chains.pop().expect("taken before its children were visited");
        }
        if let Err(what) = casts::settle(expr) {
            return ControlFlow::Break(Box::new(unavailable_type(what)));
        }
        ControlFlow::Continue(())
    }
}

fn unavailable_type(what: String) -> Error {
    Error::Unsupported { what, place: None, hint: Some("times have microseconds; use date_trunc to cut them".into()) }
}

/// A query that holds the place of another for a moment.
fn empty_query() -> Query {
    Query {
        with: None,
        body: Box::new(SetExpr::Values(Values { explicit_row: false, value_keyword: false, rows: Vec::new() })),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}
