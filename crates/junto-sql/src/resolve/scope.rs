//! What names mean at one place of a statement: the relations of FROM clauses, innermost last, and their columns.

use crate::names::{Fit, Written};
use junto_types::{Alias, TableName};

/// A column that a relation offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// Its field name in the engine.
    pub(super) engine: String,
    /// The name it is found by: the source's spelling, or what the statement made of it.
    pub(super) name: String,
    /// Whether `name` is a source's spelling, so that unquoted names find it whatever its case.
    pub(super) from_source: bool,
    /// What people see above it.
    pub(super) shown: String,
    /// Whether another column of its table differs only in case.
    pub(super) variant: bool,
    /// Whether its type is known to be a date.
    pub(super) is_date: bool,
}

impl Column {
    /// A column that the statement itself names.
    pub(super) fn defined(name: impl Into<String>, shown: impl Into<String>) -> Self {
        let name = name.into();
        Self { engine: name.clone(), name, from_source: false, shown: shown.into(), variant: false, is_date: false }
    }

    pub(super) fn fit(&self, written: Written<'_>) -> Option<Fit> {
        if self.name.is_empty() {
            return None;
        }
        if self.from_source { written.fits_source(&self.name) } else { written.fits_defined(&self.name) }
    }
}

/// One thing in a FROM clause.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    /// What the engine calls it; empty for a derived table without a name.
    pub(super) engine: String,
    /// The name it is found by.
    pub(super) name: String,
    /// Whether the statement gave that name.
    pub(super) aliased: bool,
    /// Whether another relation of this FROM clause goes by that name, so that it does not suffice.
    pub(super) shared: bool,
    /// The table it is, if of a source: connection, schema, table.
    pub(super) table: Option<SourceTable>,
    /// Its columns; unknown for table functions.
    pub(super) columns: Option<Vec<Column>>,
}

/// The full name of a source's table.
#[derive(Debug, Clone)]
pub(super) struct SourceTable {
    pub(super) connection: Alias,
    pub(super) name: TableName,
}

impl SourceTable {
    fn full_name(&self) -> String {
        let part = |name: &str| crate::names::reference_part(name);
        let schema = self.name.schema.as_ref().map(|schema| format!("{}.", part(schema))).unwrap_or_default();
        format!("@{}.{schema}{}", part(self.connection.as_str()), part(&self.name.table))
    }
}

impl Relation {
    /// How errors write it: short where that suffices.
    pub(super) fn label(&self) -> String {
        match &self.table {
            Some(table) if self.shared && !self.aliased => table.full_name(),
            _ => crate::names::reference_part(&self.name),
        }
    }

    pub(super) fn fit(&self, written: Written<'_>) -> Option<Fit> {
        if self.name.is_empty() {
            return None;
        }
        if self.aliased { written.fits_defined(&self.name) } else { written.fits_source(&self.name) }
    }

    /// The one column that `written` names.
    pub(super) fn column(&self, written: Written<'_>) -> Result<Option<&Column>, Vec<String>> {
        let mut hits = best(self.columns.iter().flatten().filter_map(|column| Some((column.fit(written)?, column))));
        let one = hits.pop();
        match one {
            Some(column) if !hits.is_empty() || (column.variant && !written.quoted) => Err(self.alike(written)),
            found => Ok(found),
        }
    }

    /// The columns that `written` may mean, as errors list them.
    fn alike(&self, written: Written<'_>) -> Vec<String> {
        let columns = self.columns.iter().flatten().filter(|column| written.resembles(&column.name));
        unique(columns.map(|column| {
            let name = if column.variant { format!("\"{}\"", column.name) } else { column.name.clone() };
            if self.name.is_empty() { name } else { format!("{}.{name}", self.label()) }
        }))
    }
}

/// The relations of one FROM clause, and the columns that unqualified names and `*` find in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub(super) relations: Vec<Relation>,
    /// In the order of `*`.
    pub(super) visible: Vec<Visible>,
}

/// A column that a FROM clause offers: of one relation, or of several that USING or NATURAL joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Visible {
    /// Numbers of relation and column; more than one if merged.
    sides: Vec<(usize, usize)>,
    /// Whether the first side's value may be missing, after RIGHT and FULL joins.
    outer: bool,
}

/// What an unqualified name means.
#[derive(Debug)]
pub(super) enum Bare<'s> {
    /// This column.
    Column(Side<'s>),
    /// One that joins made of several, whichever has a value.
    Merged(Vec<Side<'s>>),
    /// Nothing known, but some relation's columns are unknown.
    Opaque,
    /// Nothing.
    Missing,
}

/// A column and the relation it is of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'s> {
    pub(super) relation: &'s Relation,
    pub(super) column: &'s Column,
    /// Whether other relations have the column too, so that it needs its qualifier.
    pub(super) merged: bool,
}

/// What a qualifier means.
#[derive(Debug)]
pub(super) enum Qualified<'s> {
    /// This relation.
    Relation(&'s Relation),
    /// Nothing.
    Missing,
}

impl Scope {
    pub(super) fn is_opaque(&self) -> bool {
        self.relations.iter().any(|relation| relation.columns.is_none())
    }

    /// The relations that a qualifier may mean: those found, or all of a name that several share.
    fn rivals(&self, found: &[&Relation], table: Written<'_>) -> Vec<String> {
        if !found.iter().any(|relation| relation.shared) {
            return found.iter().map(|relation| relation.label()).collect();
        }
        self.relations.iter().filter(|relation| relation.fit(table).is_some()).map(Relation::label).collect()
    }

    /// Adds a relation; its columns become visible behind all others.
    pub(super) fn push(&mut self, relation: Relation) {
        let number = self.relations.len();
        let columns = relation.columns.as_ref().map_or(0, Vec::len);
        let all = (0..columns).map(|column| Visible { sides: vec![(number, column)], outer: false });
        self.visible.extend(all);
        self.relations.push(relation);
    }

    /// The columns of `*`; nothing if some are unknown.
    pub(super) fn all(&self) -> Option<Vec<Bare<'_>>> {
        (!self.is_opaque()).then(|| self.visible.iter().map(|visible| self.meaning(visible)).collect())
    }

    /// Whether joins made one column of several.
    pub(super) fn has_merged(&self) -> bool {
        self.visible.iter().any(|visible| visible.sides.len() > 1)
    }

    /// Names that the visible columns `left..right` and `right..` share, in the order of the left.
    pub(super) fn common(&self, left: usize, right: usize) -> Vec<String> {
        let engine = |visible: &Visible| self.first_side(visible).column.engine.clone();
        let theirs: Vec<String> = self.visible[right..].iter().map(engine).collect();
        self.visible[left..right].iter().map(engine).filter(|name| theirs.contains(name)).collect()
    }

    /// The one among the visible columns `range` that `written` names, as its number; candidates if several do.
    pub(super) fn position(
        &self,
        range: std::ops::Range<usize>,
        written: Written<'_>,
    ) -> Result<Option<usize>, Vec<String>> {
        let hits = range.filter_map(|number| {
            let visible = self.visible.get(number)?;
            Some((self.first_side(visible).column.fit(written)?, number))
        });
        match best(hits).as_slice() {
            [] => Ok(None),
            [one] => {
                let side = self.first_side(&self.visible[*one]);
                if side.column.variant && !written.quoted { Err(side.relation.alike(written)) } else { Ok(Some(*one)) }
            }
            several => {
                let sides = several.iter().map(|number| self.first_side(&self.visible[*number]));
                Err(unique(sides.flat_map(|side| side.relation.alike(written))))
            }
        }
    }

    /// Makes one of each pair of visible columns, as a join with USING does: those first, then the others.
    pub(super) fn merge(&mut self, left: usize, pairs: &[(usize, usize)], outer: bool) {
        let merged = pairs.iter().map(|(mine, theirs)| {
            let (mine, theirs) = (&self.visible[*mine], &self.visible[*theirs]);
            let sides = mine.sides.iter().chain(&theirs.sides).copied().collect();
            Visible { sides, outer: outer || mine.outer }
        });
        let gone = |number: &usize| pairs.iter().any(|(mine, theirs)| mine == number || theirs == number);
        let others =
            (left..self.visible.len()).filter(|number| !gone(number)).map(|number| self.visible[number].clone());
        let new: Vec<Visible> = merged.chain(others).collect();
        self.visible.truncate(left);
        self.visible.extend(new);
    }

    fn first_side(&self, visible: &Visible) -> Side<'_> {
        let (relation, column) = visible.sides.first().expect("a visible column is of some relation");
        Side { merged: visible.sides.len() > 1, ..self.side(*relation, *column) }
    }

    fn side(&self, relation: usize, column: usize) -> Side<'_> {
        let relation = &self.relations[relation];
        let columns = relation.columns.as_ref().expect("a relation with visible columns knows them");
        Side { relation, column: &columns[column], merged: false }
    }

    fn meaning(&self, visible: &Visible) -> Bare<'_> {
        if !visible.outer {
            return Bare::Column(self.first_side(visible));
        }
        Bare::Merged(visible.sides.iter().map(|(relation, column)| self.side(*relation, *column)).collect())
    }

    /// The engine name that a visible column's first side has.
    pub(super) fn engine_name(&self, number: usize) -> &str {
        &self.first_side(&self.visible[number]).column.engine
    }

    /// The sides of a visible column.
    pub(super) fn sides(&self, number: usize) -> impl Iterator<Item = Side<'_>> {
        self.visible[number].sides.iter().map(|(relation, column)| self.side(*relation, *column))
    }

    fn bare(&self, written: Written<'_>) -> Result<Option<Bare<'_>>, Vec<String>> {
        match self.position(0..self.visible.len(), written)? {
            Some(number) => Ok(Some(self.meaning(&self.visible[number]))),
            None if self.is_opaque() => Ok(Some(Bare::Opaque)),
            None => Ok(None),
        }
    }
}

/// Finds an unqualified column, from the innermost scope outwards; candidates if several fit.
pub(super) fn find_bare<'s>(scopes: &'s [Scope], written: Written<'_>) -> Result<Bare<'s>, Vec<String>> {
    for scope in scopes.iter().rev() {
        if let Some(found) = scope.bare(written)? {
            return Ok(found);
        }
    }
    Ok(Bare::Missing)
}

/// Finds the relation that a qualifier (`alias`, `table` or `schema.table`) names; candidates if several fit.
pub(super) fn find_relation<'s>(
    scopes: &'s [Scope],
    schema: Option<Written<'_>>,
    table: Written<'_>,
) -> Result<Qualified<'s>, Vec<String>> {
    for scope in scopes.iter().rev() {
        let fits = scope.relations.iter().filter_map(|relation| {
            let Some(schema) = schema else { return Some((relation.fit(table)?, relation)) };
            let source = relation.table.as_ref().filter(|_| !relation.aliased)?;
            let fit = schema.fits_source(source.name.schema.as_ref()?)?;
            Some((fit.min(table.fits_source(&source.name.table)?), relation))
        });
        match best(fits).as_slice() {
            [] => {}
            [relation] if !relation.shared => return Ok(Qualified::Relation(relation)),
            several => return Err(scope.rivals(several, table)),
        }
    }
    Ok(Qualified::Missing)
}

/// Finds the relation of a reference to a column (`@connection.table.column`); candidates if several fit.
pub(super) fn find_source<'s>(
    scopes: &'s [Scope],
    connection: &str,
    schema: Option<Written<'_>>,
    table: Written<'_>,
) -> Result<Qualified<'s>, Vec<String>> {
    for scope in scopes.iter().rev() {
        let fits = scope.relations.iter().filter_map(|relation| {
            let source = relation.table.as_ref()?;
            if !source.connection.matches(connection) {
                return None;
            }
            let fit = table.fits_source(&source.name.table)?;
            let fit = match (schema, &source.name.schema) {
                (None, _) => fit,
                (Some(schema), Some(name)) => fit.min(schema.fits_source(name)?),
                (Some(_), None) => return None,
            };
            Some((fit, relation))
        });
        let mut found = best(fits);
        if found.iter().any(|relation| !relation.aliased) {
            found.retain(|relation| !relation.aliased);
        }
        match found.as_slice() {
            [] => {}
            [relation] => return Ok(Qualified::Relation(relation)),
            several => return Err(several.iter().map(|relation| relation.label()).collect()),
        }
    }
    Ok(Qualified::Missing)
}

/// Each text once, in order.
fn unique(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut found = Vec::new();
    for text in texts {
        if !found.contains(&text) {
            found.push(text);
        }
    }
    found
}

/// Those that fit best.
fn best<T>(hits: impl Iterator<Item = (Fit, T)>) -> Vec<T> {
    let mut found: Vec<T> = Vec::new();
    let mut fit = Fit::IgnoringCase;
    for (this, hit) in hits {
        if this > fit {
            found.clear();
            fit = this;
        }
        if this == fit {
            found.push(hit);
        }
    }
    found
}
