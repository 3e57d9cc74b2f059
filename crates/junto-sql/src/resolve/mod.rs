//! The pre-pass that makes a parsed statement bind in the engine as a person expects.
//!
//! ```text
//! SELECT Users.Id, count(*) FROM @shop.Users GROUP BY 1        what was written
//! SELECT users.id, count(*) AS __junto_c0
//!   FROM __junto_t0 AS users GROUP BY 1                        what the engine plans; shown as `ID`, `count(*)`
//! ```

mod casts;
mod expr;
mod output;
mod query;
mod rewrite;
mod scope;
mod texts;

use crate::names::engine_ident;
use crate::parse::Parsed;
use crate::parse::REFERENCE_HINT;
use crate::tables::TableRole;
use crate::{Error, Result};
pub use casts::NAMED;
use junto_types::{Alias, Span, TableName};
pub use output::OutputNames;
use output::{Outputs, Role};

use scope::{Column, Scope, SourceTable};
use sqlparser::ast::{CreateTable, Ident, Insert, ObjectName, ObjectNamePart, Statement, TableObject};

/// What the resolver has to know of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumns {
    /// [`TableReference::reference`](crate::TableReference::reference) of the occurrence.
    pub reference: usize,
    /// The connection.
    pub connection: Alias,
    /// The table in the source's spelling, with its schema also where the statement left that to the default.
    pub table: TableName,
    /// Its columns, in their order; empty for a table that the statement creates.
    pub columns: Vec<TableColumn>,
}

/// What the resolver has to know of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    /// Name in the source's spelling.
    pub name: String,
    /// Whether it is a date without time, to which integers are added as days.
    pub is_date: bool,
}

/// A statement ready for the engine's planner.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The statement: every table of a source has an internal name of one part.
    pub statement: Statement,
    /// What the internal names stand for.
    pub tables: Vec<BoundTable>,
    /// What people see above the columns of the result.
    pub names: OutputNames,
    /// The table that the statement writes to.
    pub target: Option<WriteTarget>,
}

/// An internal table name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundTable {
    /// `__junto_t0`, `__junto_t1`, …
    pub name: String,
    /// Index into the tables given to [`resolve`]; the first occurrence of a table that is used several times.
    pub table: usize,
}

/// Where an INSERT or CREATE TABLE AS writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteTarget {
    /// Index into the tables given to [`resolve`].
    pub table: usize,
    /// Insert or create.
    pub role: TableRole,
    /// The columns listed, in the source's spelling; empty if none are listed.
    pub columns: Vec<String>,
}

/// Binds every name of a statement to a table or column, or says why not.
///
/// `tables` holds one entry for each of [`Parsed::table_references`]; `known` are the aliases in scope, for suggestions.
///
/// # Errors
/// Names that mean nothing or several things, and what cannot run over several connections: with the place in the
/// user's text.
pub fn resolve(parsed: &Parsed, tables: &[TableColumns], known: &[Alias]) -> Result<Resolved> {
    let mut statement = parsed.statement().clone();
    let mut resolver = Resolver {
        parsed,
        tables,
        known,
        internal: Vec::new(),
        used: vec![false; parsed.references().len()],
        scopes: Vec::new(),
        ctes: Vec::new(),
        generated: 0,
        target: None,
    };
    let outputs = resolver.statement(&mut statement)?;
    resolver.check_all_used()?;
    Ok(Resolved { statement, tables: resolver.internal, names: OutputNames::new(&outputs), target: resolver.target })
}

/// A common table expression in reach.
#[derive(Debug, Clone)]
struct Cte {
    /// The name it is found by.
    name: String,
    /// Its name in the engine.
    engine: String,
    columns: Option<Vec<Column>>,
}

struct Resolver<'a> {
    parsed: &'a Parsed,
    tables: &'a [TableColumns],
    known: &'a [Alias],
    /// Internal names given so far.
    internal: Vec<BoundTable>,
    /// By reference: whether it was met as a table or column.
    used: Vec<bool>,
    /// Scopes around the place that is being resolved, innermost last.
    scopes: Vec<Scope>,
    ctes: Vec<Cte>,
    /// Number of names generated so far.
    generated: usize,
    target: Option<WriteTarget>,
}

impl Resolver<'_> {
    fn statement(&mut self, statement: &mut Statement) -> Result<Outputs> {
        match statement {
            Statement::Query(query) => self.query(query, Role::Top),
            Statement::Explain { statement, .. } => self.statement(statement),
            Statement::Insert(insert) => self.insert(insert),
            Statement::CreateTable(create) if create.query.is_some() => self.create_table(create),
            _ => Err(Error::Unsupported {
                what: "this statement cannot run over connections".into(),
                place: None,
                hint: Some(
                    "SELECT, EXPLAIN, INSERT INTO … SELECT and CREATE TABLE … AS SELECT can; run others on one \
                     connection, without `@`"
                        .into(),
                ),
            }),
        }
    }

    fn insert(&mut self, insert: &mut Insert) -> Result<Outputs> {
        let extras = insert.on.is_some()
            || insert.returning.is_some()
            || insert.or.is_some()
            || insert.replace_into
            || insert.overwrite
            || insert.partitioned.is_some()
            || !insert.assignments.is_empty();
        let (TableObject::TableName(name), Some(source), false) = (&mut insert.table, &mut insert.source, extras)
        else {
            return Err(Error::Unsupported {
                what: "this form of INSERT cannot run over connections".into(),
                place: None,
                hint: Some("write `INSERT INTO @target.table [(columns)] SELECT …`".into()),
            });
        };
        let input = self.take_target(name)?;
        let columns = insert.columns.iter().map(|column| self.target_column(input, column)).collect::<Result<_>>()?;
        self.target = Some(WriteTarget { table: input, role: TableRole::Insert, columns });
        self.query(source, Role::Top)
    }

    fn create_table(&mut self, create: &mut CreateTable) -> Result<Outputs> {
        let input = self.take_target(&mut create.name)?;
        self.target = Some(WriteTarget { table: input, role: TableRole::Create, columns: Vec::new() });
        let query = create.query.as_mut().expect("only called for CREATE TABLE AS");
        self.query(query, Role::Top)
    }

    /// Gives the target its internal name.
    fn take_target(&mut self, name: &mut ObjectName) -> Result<usize> {
        let idents = idents_of(name);
        let Some(input) = self.table_at(&idents)? else { return Err(self.no_connection(&idents)) };
        *name = internal_name(&self.internal_table(input));
        Ok(input)
    }

    /// A listed column of the target, in the source's spelling.
    fn target_column(&self, input: usize, name: &ObjectName) -> Result<String> {
        let idents = idents_of(name);
        let relation = self.source_relation(input);
        let last = idents.last().map(crate::names::Written::from);
        let found = last.map_or(Ok(None), |written| relation.column(written));
        match found {
            Ok(Some(column)) => Ok(column.name.clone()),
            Ok(None) => Err(self.unknown_column(&idents, &[&relation])),
            Err(candidates) => Err(self.ambiguous(&idents, candidates)),
        }
    }

    /// The table that a reference in table position names, as an index into the given tables.
    fn table_at(&mut self, idents: &[Ident]) -> Result<Option<usize>> {
        let Some(index) = idents.first().and_then(|first| self.parsed.reference_at(first)) else { return Ok(None) };
        self.used[index] = true;
        let reference = &self.parsed.references()[index];
        let input = self.tables.iter().position(|table| table.reference == index);
        match input.filter(|_| idents.len() == reference.parts.len()) {
            Some(input) => Ok(Some(input)),
            None => Err(Error::WrongParts {
                reference: reference.span.of(self.parsed.text()).to_owned(),
                wanted: "table",
                place: self.parsed.place(reference.span),
            }),
        }
    }

    /// The internal name of a table; occurrences of one table share it.
    fn internal_table(&mut self, input: usize) -> String {
        let same = |other: usize| {
            let (a, b) = (&self.tables[input], &self.tables[other]);
            a.connection == b.connection && a.table == b.table
        };
        if let Some(bound) = self.internal.iter().find(|bound| same(bound.table)) {
            return bound.name.clone();
        }
        let name = format!("__junto_t{}", self.internal.len());
        self.internal.push(BoundTable { name: name.clone(), table: input });
        name
    }

    /// A relation for a table of a source, without a name in the engine.
    fn source_relation(&self, input: usize) -> scope::Relation {
        let table = &self.tables[input];
        let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
        let columns = crate::names::fold(&names).zip(&table.columns).map(|((folded, variant), column)| Column {
            variant,
            engine: folded.name_in_engine,
            name: column.name.clone(),
            from_source: true,
            shown: column.name.clone(),
            is_date: column.is_date,
        });
        scope::Relation {
            engine: String::new(),
            name: table.table.table.clone(),
            aliased: false,
            shared: false,
            columns: Some(columns.collect()),
            table: Some(SourceTable { connection: table.connection.clone(), name: table.table.clone() }),
        }
    }

    /// A name that nobody else uses.
    fn generate(&mut self, prefix: &str) -> String {
        self.generated += 1;
        format!("__junto_{prefix}{}", self.generated - 1)
    }

    fn check_all_used(&self) -> Result<()> {
        match self.used.iter().position(|used| !used) {
            None => Ok(()),
            Some(index) => {
                let span = self.parsed.references()[index].span;
                let reference = span.of(self.parsed.text()).to_owned();
                Err(Error::MisplacedReference { reference, place: self.parsed.place(span) })
            }
        }
    }

    fn no_connection(&self, idents: &[Ident]) -> Error {
        let first = idents.first().map(|ident| ident.value.as_str()).unwrap_or_default();
        if let Some(at) = self.parsed.text().find(first).filter(|_| first.starts_with('@')) {
            return Error::Syntax {
                message: format!("`{first}` is no reference to a table"),
                place: self.parsed.place(Span::new(at, at + first.len())),
                hint: Some(REFERENCE_HINT.into()),
            };
        }
        let written: Vec<String> = idents.iter().map(Ident::to_string).collect();
        Error::NoConnection {
            table: written.join("."),
            candidates: self.known.iter().map(|alias| crate::names::reference_part(alias.as_str())).collect(),
            place: self.parsed.place_of(idents),
        }
    }

    fn unknown_column(&self, idents: &[Ident], relations: &[&scope::Relation]) -> Error {
        let last = idents.last().map(|ident| ident.value.as_str()).unwrap_or_default();
        let columns = relations.iter().flat_map(|relation| relation.columns.iter().flatten());
        let names = columns.filter(|column| !column.name.is_empty()).map(|column| column.shown.as_str());
        let table = match relations {
            [relation] if idents.len() > 1 => Some(relation.label()),
            _ => None,
        };
        Error::UnknownColumn {
            column: last.to_owned(),
            table,
            nearest: junto_types::nearest(last, names).map(str::to_owned),
            place: self.parsed.place_of(idents),
        }
    }

    fn ambiguous(&self, idents: &[Ident], candidates: Vec<String>) -> Error {
        let name: Vec<&str> = idents.iter().map(|ident| ident.value.as_str()).collect();
        Error::Ambiguous { name: name.join("."), candidates, place: self.parsed.place_of(idents) }
    }
}

/// The identifiers of a name; names made by functions, which PostgreSQL's rules do not have, count as empty.
fn idents_of(name: &ObjectName) -> Vec<Ident> {
    name.0.iter().filter_map(|part| part.as_ident().cloned()).collect()
}

fn internal_name(name: &str) -> ObjectName {
    ObjectName(vec![ObjectNamePart::Identifier(engine_ident(name))])
}
