//! One SELECT in the making, and how it is printed.

use std::fmt::Write;

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
    pub(crate) having: Option<&'static str>,
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
            having: None,
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
    pub(crate) fn select(&self, dialect: &dyn Dialect, hidden: &[String]) -> String {
        let shown = self.columns.iter().map(|column| &column.value);
        let items = shown.chain(hidden).enumerate().map(|(at, sql)| format!("{sql} AS c{at}"));
        let mut list = items.collect::<Vec<_>>().join(", ");
        if list.is_empty() {
            list = if self.grouped { "COUNT(*) AS c0" } else { "1 AS c0" }.into();
        }
        let mut sql = format!("SELECT {}{list} FROM {}", if self.distinct { "DISTINCT " } else { "" }, self.from);
        if !self.conditions.is_empty() {
            let _ = write!(sql, " WHERE {}", conjunction(&self.conditions));
        }
        if !self.groups.is_empty() {
            let _ = write!(sql, " GROUP BY {}", self.groups.join(", "));
        }
        if let Some(having) = self.having {
            let _ = write!(sql, " HAVING {having}");
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

/// Conditions joined by AND.
pub(crate) fn conjunction(conditions: &[String]) -> String {
    match conditions {
        [single] => single.clone(),
        many => balanced(many.iter().map(|condition| format!("({condition})")).collect(), " AND ", "1 = 1"),
    }
}
