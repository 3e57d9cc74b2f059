//! Which references of a parsed statement name tables, and whether their connections exist.

use crate::parse::Parsed;
use crate::reference::{Part, Reference};
use crate::{Error, Place, Result, UnknownConnection};
use junto_types::{Alias, Span, nearest};
use sqlparser::ast::{ObjectName, Statement, TableObject, Visit, Visitor};
use std::ops::ControlFlow;

/// One occurrence of a table reference in a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReference {
    /// Index into [`Parsed::references`].
    pub reference: usize,
    /// The connection: an alias or a `{domain}:{connection}` key.
    pub connection: Part,
    /// The schema; none means the connection's default schema.
    pub schema: Option<Part>,
    /// The table.
    pub table: Part,
    /// The whole reference, `@` included.
    pub span: Span,
    /// What the statement does with it.
    pub role: TableRole,
}

/// What a statement does with a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableRole {
    /// Reads its rows; it must exist.
    Read,
    /// Adds rows to it; it must exist.
    Insert,
    /// Creates it; it must not exist.
    Create,
    /// Does something else to it, which no statement over several connections may.
    Other,
}

impl Parsed {
    /// The references that stand where a table stands, in the order of the text.
    ///
    /// # Errors
    /// A reference in such a place with more than connection, schema and table.
    pub fn table_references(&self) -> Result<Vec<TableReference>> {
        let mut finder = Finder { parsed: self, target: target(self.statement()), found: Vec::new() };
        let _ = self.statement().visit(&mut finder);
        let mut found = finder.found;
        found.sort_by_key(|(reference, _)| *reference);
        found.dedup_by_key(|(reference, _)| *reference);
        found.into_iter().map(|(reference, role)| self.table_reference(reference, role)).collect()
    }

    fn table_reference(&self, index: usize, role: TableRole) -> Result<TableReference> {
        let Reference { span, parts } = &self.references()[index];
        let (connection, schema, table) = match parts.as_slice() {
            [connection, table] => (connection, None, table),
            [connection, schema, table] => (connection, Some(schema), table),
            _ => {
                let reference = span.of(self.text()).to_owned();
                return Err(Error::WrongParts { reference, wanted: "table", place: self.place(*span) });
            }
        };
        Ok(TableReference {
            reference: index,
            connection: connection.clone(),
            schema: schema.cloned(),
            table: table.clone(),
            span: *span,
            role,
        })
    }
}

/// Checks that every connection the statement names is one of `known`.
///
/// # Errors
/// All unknown connections, each once, with the known alias most like it; or a reference to all connections of a
/// domain (`@"{domain}:*".table`).
pub fn check_aliases(parsed: &Parsed, known: &[Alias]) -> Result<()> {
    let mut unknown: Vec<UnknownConnection> = Vec::new();
    for reference in parsed.references() {
        let part = reference.connection();
        if part.text.ends_with(":*") {
            let place = parsed.place(reference.span);
            return Err(Error::FanOut { reference: reference.span.of(parsed.text()).to_owned(), place });
        }
        let seen = unknown.iter().any(|one| one.name.to_lowercase() == part.text.to_lowercase());
        if seen || known.iter().any(|alias| alias.matches(&part.text)) {
            continue;
        }
        unknown.push(UnknownConnection {
            name: part.text.clone(),
            nearest: nearest(&part.text, known.iter().map(Alias::as_str)).map(str::to_owned),
            place: Place::new(parsed.text(), part.span),
        });
    }
    if unknown.is_empty() { Ok(()) } else { Err(Error::UnknownConnections { unknown }) }
}

/// The table a statement writes to.
fn target(statement: &Statement) -> Option<(&ObjectName, TableRole)> {
    match statement {
        Statement::Insert(insert) => match &insert.table {
            TableObject::TableName(name) => Some((name, TableRole::Insert)),
            _ => None,
        },
        Statement::CreateTable(create) => Some((&create.name, TableRole::Create)),
        Statement::Explain { statement, .. } => target(statement),
        _ => None,
    }
}

fn reads_only(statement: &Statement) -> bool {
    match statement {
        Statement::Query(_) | Statement::Insert(_) | Statement::CreateTable(_) => true,
        Statement::Explain { statement, .. } => reads_only(statement),
        _ => false,
    }
}

struct Finder<'a> {
    parsed: &'a Parsed,
    target: Option<(&'a ObjectName, TableRole)>,
    found: Vec<(usize, TableRole)>,
}

impl Visitor for Finder<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        let first = name.0.first().and_then(|part| part.as_ident());
        if let Some(reference) = first.and_then(|ident| self.parsed.reference_at(ident)) {
            let role = match self.target {
                Some((target, role)) if starts_together(target, name) => role,
                _ if reads_only(self.parsed.statement()) => TableRole::Read,
                _ => TableRole::Other,
            };
            self.found.push((reference, role));
        }
        ControlFlow::Continue(())
    }
}

fn starts_together(a: &ObjectName, b: &ObjectName) -> bool {
    let start = |name: &ObjectName| name.0.first().and_then(|part| part.as_ident()).map(|ident| ident.span.start);
    start(a) == start(b)
}
