//! One SELECT in the making, and how it is printed.

use std::fmt::Write;

use junto_connector::Relation;

use crate::dialect::{Dialect, Operand};
use crate::expression::{BlockColumn, balanced};

/// One SELECT. SQL evaluates its clauses in one order (FROM, WHERE, GROUP BY, DISTINCT, ORDER BY, LIMIT), so an
/// operator may join a block only when its clause comes after those that are filled.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) from: String,
    /// FROM is a chain of joins and not one table or subquery.
    pub(crate) joined: bool,
    pub(crate) conditions: Vec<String>,
    pub(crate) grouped: bool,
    pub(crate) groups: Vec<String>,
    pub(crate) distinct: bool,
    pub(crate) columns: Vec<BlockColumn>,
    /// Kept apart from the text, so that a block around this one can repeat it.
    pub(crate) order: Vec<OrderKey>,
    pub(crate) skip: u64,
    pub(crate) fetch: Option<u64>,
}

/// One key of ORDER BY.
#[derive(Debug, Clone)]
pub(crate) struct OrderKey {
    pub(crate) operand: Operand,
    pub(crate) descending: bool,
    /// None where no NULL is to be sorted.
    pub(crate) nulls_first: Option<bool>,
}

impl Block {
    pub(crate) fn over(from: String, columns: Vec<BlockColumn>) -> Self {
        Self {
            from,
            joined: false,
            conditions: Vec::new(),
            grouped: false,
            groups: Vec::new(),
            distinct: false,
            columns,
            order: Vec::new(),
            skip: 0,
            fetch: None,
        }
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.skip > 0 || self.fetch.is_some()
    }

    /// Only FROM, WHERE and ORDER BY are filled: one more condition, a grouping or a join means the same inside.
    pub(crate) fn holds_plain_rows(&self) -> bool {
        !self.grouped && !self.distinct && !self.is_limited()
    }

    pub(crate) fn all_columns_plain(&self) -> bool {
        self.columns.iter().all(|column| column.plain)
    }

    /// The finished text; `hidden` columns follow the block's own.
    pub(crate) fn select(&self, dialect: &dyn Dialect, name: impl Fn(usize) -> String, hidden: &[String]) -> String {
        let named = |at, sql: &str| format!("{sql} AS {}", name(at));
        let shown = self.columns.iter().map(|column| &column.value);
        let items = shown.chain(hidden).enumerate().map(|(at, sql)| named(at, sql));
        let mut list = items.collect::<Vec<_>>().join(", ");
        if list.is_empty() {
            list = named(0, if self.grouped { "COUNT(*)" } else { "1" });
        }
        let mut sql = format!("SELECT {}{list} FROM {}", if self.distinct { "DISTINCT " } else { "" }, self.from);
        if !self.conditions.is_empty() {
            let _ = write!(sql, " WHERE {}", conjunction(&self.conditions));
        }
        if !self.groups.is_empty() {
            let _ = write!(sql, " GROUP BY {}", self.groups.join(", "));
        }
        if !self.order.is_empty() {
            let keys = self.order.iter().map(|key| dialect.sort_key(&key.operand, key.descending, key.nulls_first));
            let _ = write!(sql, " ORDER BY {}", keys.collect::<Vec<_>>().join(", "));
        }
        if self.is_limited() {
            let _ = write!(sql, " {}", dialect.limit(self.skip, self.fetch));
        }
        sql
    }
}

/// Names of the columns of SELECTs.
#[derive(Debug)]
pub(crate) struct ColumnAliases {
    prefix: String,
    /// No two SELECTs have the same.
    are_unique: bool,
}

impl ColumnAliases {
    /// Names that no table of the relation has for a column that is read.
    pub(crate) fn beside(relation: &Relation, dialect: &dyn Dialect) -> Self {
        fn read<'a>(relation: &'a Relation, names: &mut Vec<&'a str>) {
            if let Relation::Scan { columns, .. } = relation {
                names.extend(columns.iter().map(|column| column.name.as_str()));
            }
            relation.inputs().into_iter().for_each(|input| read(input, names));
        }
        let mut names = Vec::new();
        read(relation, &mut names);
        let mut prefix = "c".to_owned();
        while names.iter().any(|name| is_numbered(name, &prefix)) {
            prefix.push('_');
        }
        Self { prefix, are_unique: dialect.confuses_aliases() }
    }

    /// The name of the column at a position of the outermost SELECT.
    pub(crate) fn at(&self, at: usize) -> String {
        format!("{}{at}", self.prefix)
    }

    /// The same of a derived table, within it.
    pub(crate) fn within(&self, table: &str, at: usize) -> String {
        match table.strip_prefix('t').filter(|_| self.are_unique) {
            Some(number) => format!("{}{number}_{at}", self.prefix),
            None => self.at(at),
        }
    }

    /// The same, outside of it.
    pub(crate) fn of(&self, table: &str, at: usize) -> String {
        format!("{table}.{}", self.within(table, at))
    }
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    let digits =
        name.get(prefix.len()..).filter(|_| name.as_bytes()[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes()));
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_'))
}

/// Conditions joined by AND.
pub(crate) fn conjunction(conditions: &[String]) -> String {
    match conditions {
        [single] => single.clone(),
        many => balanced(many.iter().map(|condition| format!("({condition})")).collect(), " AND ", "1 = 1"),
    }
}
