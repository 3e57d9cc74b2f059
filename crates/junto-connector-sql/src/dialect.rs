//! How one kind of database spells SQL.

use std::fmt::Debug;

use arrow::datatypes::DataType;
use junto_connector::expr::{AggregateFunction, ArithmeticOp, CompareOp};
use junto_connector::{Error, Expr, Function, Literal, Result, ScanColumn, TextSemantics};
use junto_types::TableName;

use crate::keys::KeyValues;
use crate::standard;

/// SQL of an expression, with what a dialect must know to write an operator over it.
///
/// The text can stand beside any operator: it is a name, a call, or in parentheses.
#[derive(Debug, Clone, PartialEq)]
pub struct Operand {
    pub sql: String,
    /// What Junto takes the value for.
    pub data_type: DataType,
    /// How the source would compare it, when it is a plain text column; [`TextSemantics::Binary`] for the rest.
    pub text: TextSemantics,
    /// Type in the source's spelling, when it is a plain column.
    pub source_type: Option<String>,
    /// The text names the table's own column in the source's own type ([`Dialect::compared_column`]). Otherwise it is
    /// what [`Dialect::scan_column`] made of it, or computed.
    pub raw: bool,
}

/// A LIKE, without the tested operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LikePattern<'a> {
    pub pattern: &'a str,
    /// `None`: no character escapes.
    pub escape: Option<char>,
    pub negated: bool,
    pub case_insensitive: bool,
}

/// An aggregate function with its printed argument.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateCall<'a> {
    pub function: AggregateFunction,
    /// None only for `count(*)`.
    pub argument: Option<&'a Operand>,
    pub distinct: bool,
    /// Condition of a FILTER clause.
    pub filter: Option<&'a str>,
    /// Type the column must arrive in; cast to it where the source's own result type is another.
    pub data_type: &'a DataType,
}

/// A group key: what GROUP BY says, and what the select list says to deliver its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupKey {
    pub key: String,
    pub output: String,
}

/// How one kind of database spells SQL. Every method has standard SQL as default.
///
/// Methods return text that is *not* enclosed in parentheses where it is an operator (the generator encloses it), and
/// that stands beside any operator where it is said to be a call. Nothing here decides whether an operation is exact:
/// that is the business of [`junto_connector::Capabilities`]. What cannot be spelled is [`Error::Unsupported`].
pub trait Dialect: Debug + Send + Sync {
    /// Driver name, for errors.
    fn name(&self) -> &'static str;

    /// Encloses a name in the dialect's quotes, whatever it holds.
    fn quote(&self, name: &str) -> String {
        standard::quote(name, '"')
    }

    /// A table with its schema.
    fn table(&self, table: &TableName) -> String {
        match &table.schema {
            Some(schema) => format!("{}.{}", self.quote(schema), self.quote(&table.table)),
            None => self.quote(&table.table),
        }
    }

    /// Whether a column of a derived table may not be called as one of a SELECT around it.
    fn confuses_aliases(&self) -> bool {
        false
    }

    /// What follows the first table of a plan and its alias, such as the index to read it by.
    fn first_table_hint(&self) -> &'static str {
        ""
    }

    /// A comparison that holds for the same values as `expr` and that the source tests faster.
    fn faster(&self, _expr: &Expr) -> Option<Expr> {
        None
    }

    /// A literal of exactly this value. Must hold against hostile text: nothing of it may end the literal.
    fn literal(&self, literal: &Literal) -> Result<String> {
        standard::literal(self.name(), literal)
    }

    /// Name of a type after `CAST(… AS`.
    fn type_name(&self, data_type: &DataType) -> Result<String> {
        standard::type_name(self.name(), data_type)
    }

    /// A table column as it is read: `qualified` (such as `t0."id"`) or a call over it (such as `t0."id"::text`). NULL must
    /// stay NULL: the column may be on the side of an outer join that is missing.
    fn scan_column(&self, _column: &ScanColumn, qualified: &str) -> String {
        qualified.to_owned()
    }

    /// The same column where it is compared, tested for NULL or matched with keys in the block that reads the table:
    /// its raw form, so that an index can be used. The operand over it has `raw` set.
    fn compared_column(&self, _column: &ScanColumn, qualified: &str) -> String {
        qualified.to_owned()
    }

    /// `left op right`.
    fn compare(&self, op: CompareOp, left: &Operand, right: &Operand) -> Result<String> {
        Ok(standard::compare(op, left, right))
    }

    /// `tested [NOT] IN (…)`; the list is not empty.
    fn in_list(&self, tested: &Operand, list: &[Literal], negated: bool) -> Result<String> {
        let values = list.iter().map(|literal| self.literal(literal)).collect::<Result<Vec<_>>>()?.join(", ");
        Ok(format!("{} {}IN ({values})", tested.sql, if negated { "NOT " } else { "" }))
    }

    /// `tested IS [NOT] NULL`.
    fn is_null(&self, tested: &Operand, negated: bool) -> Result<String> {
        Ok(format!("{} IS {}NULL", tested.sql, if negated { "NOT " } else { "" }))
    }

    /// `tested [NOT] LIKE pattern ESCAPE character`.
    fn like(&self, tested: &Operand, like: LikePattern<'_>) -> Result<String> {
        standard::like(self, tested, like)
    }

    /// `left op right`, with a result of `data_type`.
    fn arithmetic(&self, op: ArithmeticOp, left: &Operand, right: &Operand, _data_type: &DataType) -> Result<String> {
        Ok(standard::arithmetic(op, left, right))
    }

    /// A call.
    fn case(
        &self,
        branches: &[(String, Operand)],
        otherwise: Option<&Operand>,
        _data_type: &DataType,
    ) -> Result<String> {
        Ok(standard::case(branches, otherwise))
    }

    /// A call.
    fn cast(&self, operand: &Operand, to: &DataType) -> Result<String> {
        Ok(format!("CAST({} AS {})", operand.sql, self.type_name(to)?))
    }

    /// A call.
    fn function(&self, function: Function, args: &[Operand], _data_type: &DataType) -> Result<String> {
        Ok(standard::function(function, args))
    }

    /// A call. FILTER is spelled with CASE, which every source has.
    fn aggregate(&self, call: &AggregateCall<'_>) -> Result<String> {
        Ok(standard::aggregate(call))
    }

    /// How a group is formed and delivered.
    fn group_key(&self, operand: &Operand) -> GroupKey {
        GroupKey { key: operand.sql.clone(), output: operand.sql.clone() }
    }

    /// Whether DISTINCT over these columns is spelled as a GROUP BY of [`Dialect::group_key`]s, because SELECT DISTINCT
    /// would merge other values than Junto does.
    fn distinct_by_groups(&self, _columns: &[Operand]) -> bool {
        false
    }

    /// One entry of ORDER BY. `nulls_first` is None where no NULL is to be sorted: saying where they go would keep some
    /// sources from reading an index in its order.
    fn sort_key(&self, operand: &Operand, descending: bool, nulls_first: Option<bool>) -> String {
        standard::sort_key(&operand.sql, descending, nulls_first)
    }

    /// The clause after ORDER BY that skips and limits.
    fn limit(&self, skip: u64, fetch: Option<u64>) -> String {
        standard::limit(skip, fetch)
    }

    /// Condition that the key columns hold one of the keys. More rows than those are allowed, fewer never.
    fn key_predicate(&self, columns: &[Operand], keys: KeyValues<'_>) -> Result<String> {
        standard::key_predicate(self, columns, keys)
    }

    /// The error for something this dialect cannot spell.
    fn unsupported(&self, what: &str) -> Error {
        Error::Unsupported { driver: self.name(), what: what.into() }
    }
}
