//! Prints expressions over the columns of a block.

use arrow::datatypes::DataType;
use junto_connector::plan::RelationColumn;
use junto_connector::{Error, Expr, Literal, Result, TextSemantics};

use crate::dialect::{Dialect, LikePattern, Operand};

/// Terms of AND and OR that stand side by side. Longer lists nest in balanced parentheses, because parsers bound the
/// depth of a tree and a plain chain is as deep as it is long (SQLite: 1,000).
const TERMS_SIDE_BY_SIDE: usize = 100;

/// A column that expressions of a block can use.
#[derive(Debug, Clone)]
pub(crate) struct BlockColumn {
    pub(crate) info: RelationColumn,
    /// As it is read: see [`Dialect::scan_column`].
    pub(crate) value: String,
    /// As it is compared, where that differs in kind: see [`Dialect::compared_column`].
    pub(crate) compared: Option<String>,
    /// A name, not a computation: may be repeated freely.
    pub(crate) plain: bool,
    /// For a group column of the block that groups: the column as it was before.
    pub(crate) ungrouped: Option<Box<BlockColumn>>,
}

/// Prints expressions of one dialect over the columns of one block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer<'a> {
    pub(crate) dialect: &'a dyn Dialect,
    pub(crate) columns: &'a [BlockColumn],
}

/// Whether the text of an expression can stand beside any operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Atom,
    Operator,
}

impl Printer<'_> {
    /// A condition, to stand in WHERE, ON or WHEN by itself or beside AND.
    pub(crate) fn condition(&self, expr: &Expr) -> Result<String> {
        Ok(self.print(expr)?.0)
    }

    /// An expression in the form in which its value is read.
    pub(crate) fn value(&self, expr: &Expr) -> Result<Operand> {
        let (sql, shape) = self.print(expr)?;
        let column = self.plain_column(expr);
        Ok(Operand {
            sql: enclosed(sql, shape),
            data_type: self.data_type(expr),
            text: column.map_or(TextSemantics::Binary, |column| column.info.text),
            source_type: column.and_then(|column| column.info.source_type.clone()),
            raw: false,
        })
    }

    /// An expression in the form in which it is compared.
    pub(crate) fn compared(&self, expr: &Expr) -> Result<Operand> {
        let mut operand = self.value(expr)?;
        if let Some(compared) = self.plain_column(expr).and_then(|column| column.compared.clone()) {
            operand.sql = compared;
            operand.raw = true;
        }
        Ok(operand)
    }

    /// Whether every column the expression uses is a name, so that its text may be put in the column's place.
    pub(crate) fn uses_plain_columns_only(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Column(index) => self.columns.get(*index).is_some_and(|column| column.plain),
            _ => expr.children().into_iter().all(|child| self.uses_plain_columns_only(child)),
        }
    }

    fn plain_column(&self, expr: &Expr) -> Option<&BlockColumn> {
        match expr {
            Expr::Column(index) => self.columns.get(*index),
            _ => None,
        }
    }

    fn data_type(&self, expr: &Expr) -> DataType {
        match expr {
            Expr::Column(index) => {
                self.columns.get(*index).map_or(DataType::Null, |column| column.info.data_type.clone())
            }
            Expr::Negate(inner) => self.data_type(inner),
            _ => expr.data_type(&[]),
        }
    }

    fn values(&self, exprs: &[Expr]) -> Result<Vec<Operand>> {
        exprs.iter().map(|expr| self.value(expr)).collect()
    }

    fn print(&self, expr: &Expr) -> Result<(String, Shape)> {
        let dialect = self.dialect;
        let operator = |sql: String| (sql, Shape::Operator);
        let atom = |sql: String| (sql, Shape::Atom);
        Ok(match expr {
            Expr::Column(index) => {
                let column = self.columns.get(*index);
                let column = column.ok_or_else(|| Error::internal(format!("no column {index} in this relation")))?;
                (column.value.clone(), if column.plain { Shape::Atom } else { Shape::Operator })
            }
            Expr::Literal(literal) => {
                let sql = dialect.literal(literal)?;
                // A sign directly after another minus would begin a comment.
                let shape = if sql.starts_with('-') { Shape::Operator } else { Shape::Atom };
                (sql, shape)
            }
            // Only EXPLAIN prints it.
            Expr::Parameter { .. } => atom("(\u{2026}value)".into()),
            Expr::Compare { op, left, right } => {
                if let Some(faster) = dialect.faster(expr) {
                    return self.print(&faster);
                }
                operator(dialect.compare(*op, &self.compared(left)?, &self.compared(right)?)?)
            }
            Expr::Arithmetic { op, left, right, data_type } => {
                operator(dialect.arithmetic(*op, &self.value(left)?, &self.value(right)?, data_type)?)
            }
            Expr::And(terms) => self.chain(terms, " AND ", "1 = 1")?,
            Expr::Or(terms) => self.chain(terms, " OR ", "1 = 0")?,
            Expr::Not(inner) => operator(format!("NOT {}", self.value(inner)?.sql)),
            Expr::Negate(inner) => operator(format!("-{}", self.value(inner)?.sql)),
            Expr::IsNull { expr, negated } => operator(dialect.is_null(&self.compared(expr)?, *negated)?),
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated)?,
            Expr::Like { expr, pattern, escape, negated, case_insensitive } => {
                let like =
                    LikePattern { pattern, escape: *escape, negated: *negated, case_insensitive: *case_insensitive };
                operator(dialect.like(&self.compared(expr)?, like)?)
            }
            Expr::Case { branches, otherwise, data_type } => {
                let branches = branches
                    .iter()
                    .map(|(when, then)| Ok((self.condition(when)?, self.value(then)?)))
                    .collect::<Result<Vec<_>>>()?;
                let otherwise = otherwise.as_deref().map(|expr| self.value(expr)).transpose()?;
                atom(dialect.case(&branches, otherwise.as_ref(), data_type)?)
            }
            Expr::Cast { expr, to } => atom(dialect.cast(&self.value(expr)?, to)?),
            Expr::Function { function, args, data_type } => {
                atom(dialect.function(*function, &self.values(args)?, data_type)?)
            }
        })
    }

    /// `x IN ()` is false and `x NOT IN ()` true, for every x and NULL too; no dialect spells an empty list alike.
    fn in_list(&self, tested: &Expr, list: &[Literal], negated: bool) -> Result<(String, Shape)> {
        let sql = match (list.is_empty(), negated) {
            (true, false) => "1 = 0".into(),
            (true, true) => "1 = 1".into(),
            (false, _) => self.dialect.in_list(&self.compared(tested)?, list, negated)?,
        };
        Ok((sql, Shape::Operator))
    }

    fn chain(&self, terms: &[Expr], separator: &str, empty: &str) -> Result<(String, Shape)> {
        if let [single] = terms {
            return self.print(single);
        }
        let terms = terms.iter().map(|term| Ok(self.value(term)?.sql)).collect::<Result<Vec<_>>>()?;
        Ok((balanced(terms, separator, empty), Shape::Operator))
    }
}

/// Joins terms that can each stand beside the separator, in balanced parentheses when they are many.
pub(crate) fn balanced(mut terms: Vec<String>, separator: &str, empty: &str) -> String {
    while terms.len() > TERMS_SIDE_BY_SIDE {
        terms = terms.chunks(TERMS_SIDE_BY_SIDE).map(|part| format!("({})", part.join(separator))).collect();
    }
    if terms.is_empty() { empty.to_owned() } else { terms.join(separator) }
}

fn enclosed(sql: String, shape: Shape) -> String {
    match shape {
        Shape::Atom => sql,
        Shape::Operator => format!("({sql})"),
    }
}
