//! How names are found: an exact match, else one unique match that ignores case, else an error with the candidates.

use crate::lexer::{is_name_part, is_name_start};
use sqlparser::ast::Ident;
use std::collections::HashMap;

/// A column of a source as the engine has to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldedColumn {
    /// Field name in the engine's schema: lower case, or the exact spelling where lower case would not be unique.
    pub name_in_engine: String,
    /// The source's spelling, for the field's metadata and the headings people see.
    pub source_name: String,
}

/// The schema names of a table's columns, in their order.
///
/// Unquoted names reach the engine in lower case, so columns enter it in lower case. Columns of one table that differ
/// only in case (`"Id"`, `"id"`) keep their spelling and have to be quoted.
pub fn folded_columns(columns: &[String]) -> Vec<FoldedColumn> {
    fold(columns).map(|(folded, _)| folded).collect()
}

/// As [`folded_columns`], and whether another column differs only in case.
pub(crate) fn fold(columns: &[String]) -> impl Iterator<Item = (FoldedColumn, bool)> {
    let mut uses: HashMap<String, usize> = HashMap::new();
    for column in columns {
        *uses.entry(column.to_lowercase()).or_default() += 1;
    }
    columns.iter().map(move |column| {
        let folded = column.to_lowercase();
        let variant = uses.get(&folded).is_some_and(|count| *count > 1);
        let name_in_engine = if variant { column.clone() } else { folded };
        (FoldedColumn { name_in_engine, source_name: column.clone() }, variant)
    })
}

/// Whether two names are the same when case is ignored.
pub(crate) fn same_ignoring_case(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() { a.eq_ignore_ascii_case(b) } else { a.to_lowercase() == b.to_lowercase() }
}

/// A name as a user wrote it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written<'a> {
    pub(crate) text: &'a str,
    pub(crate) quoted: bool,
}

impl<'a> From<&'a Ident> for Written<'a> {
    fn from(ident: &'a Ident) -> Self {
        Self { text: &ident.value, quoted: ident.quote_style.is_some() }
    }
}

impl<'a> From<&'a crate::Part> for Written<'a> {
    fn from(part: &'a crate::Part) -> Self {
        Self { text: &part.text, quoted: part.quoted }
    }
}

impl Written<'_> {
    /// Whether both are the same name when case is ignored.
    pub(crate) fn resembles(self, name: &str) -> bool {
        same_ignoring_case(self.text, name)
    }

    /// How well this name fits one that the statement itself defined; `engine` is what the engine calls it.
    pub(crate) fn fits_defined(self, engine: &str) -> Option<Fit> {
        if !self.resembles(engine) {
            return None;
        }
        let exact = if self.quoted { self.text == engine } else { self.text.to_lowercase() == engine };
        Some(if exact { Fit::Exact } else { Fit::IgnoringCase })
    }

    /// How well this name fits one of a source, of which `source` is the spelling.
    pub(crate) fn fits_source(self, source: &str) -> Option<Fit> {
        if self.text == source || (!self.quoted && self.resembles(source)) {
            return Some(Fit::Exact);
        }
        self.resembles(source).then_some(Fit::IgnoringCase)
    }
}

/// How well a written name fits; the better one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    IgnoringCase,
    Exact,
}

/// What the engine makes of a name that the statement defines: unquoted ones are lower case.
pub(crate) fn defined_name(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// The identifier that the engine reads as exactly `name`.
pub(crate) fn engine_ident(name: &str) -> Ident {
    let plain = !name.is_empty()
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { Ident::new(name) } else { Ident::with_quote('"', name) }
}

/// A name as one writes it in a reference: in quotes where it needs them.
pub(crate) fn reference_part(name: &str) -> String {
    let mut chars = name.chars();
    let plain = chars.next().is_some_and(is_name_start) && chars.all(is_name_part);
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_folded_unless_they_differ_only_in_case() {
        let columns = ["userId", "Id", "ID", "größe", "Größe2"].map(str::to_owned);
        let folded: Vec<String> = folded_columns(&columns).into_iter().map(|column| column.name_in_engine).collect();
        assert_eq!(folded, ["userid", "Id", "ID", "größe", "größe2"]);
    }
}
