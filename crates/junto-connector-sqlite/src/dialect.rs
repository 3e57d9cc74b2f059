//! How SQLite spells SQL. <https://www.sqlite.org/lang.html>

use std::fmt::Write;

use arrow::datatypes::DataType;
use junto_connector::expr::CompareOp;
use junto_connector::{Function, Literal, Result, TypeClass};
use junto_connector_sql::{Dialect, KeyValues, LikePattern, Operand, standard};

/// SQLite's dialect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SqliteDialect;

/// Longest pattern of LIKE and GLOB, in bytes (`SQLITE_MAX_LIKE_PATTERN_LENGTH`).
const PATTERN_LIMIT: usize = 50_000;

impl Dialect for SqliteDialect {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn literal(&self, literal: &Literal) -> Result<String> {
        match literal {
            Literal::Boolean(value) => Ok(if *value { "1" } else { "0" }.into()),
            // A NUL ends SQLite's statement; a function makes one.
            Literal::Text(text) if text.contains('\0') => {
                let parts: Vec<String> = text.split('\0').map(standard::text_literal).collect();
                Ok(format!("({})", parts.join(" || char(0) || ")))
            }
            other => standard::literal(self.name(), other),
        }
    }

    /// A column declared INTEGER may hold a text, and every text is greater than every number. It must not match
    /// `column > 5`: its row cannot be read. So a number that could be on the greater side is also compared with the
    /// least text, which keeps the use of an index.
    fn compare(&self, op: CompareOp, left: &Operand, right: &Operand) -> Result<String> {
        let greater: &[&Operand] = match op {
            CompareOp::Gt | CompareOp::GtEq => &[left],
            CompareOp::Lt | CompareOp::LtEq => &[right],
            CompareOp::NotEq => &[left, right],
            CompareOp::Eq | CompareOp::IsDistinctFrom | CompareOp::IsNotDistinctFrom => &[],
        };
        let mut condition = standard::compare(op, left, right);
        for operand in greater.iter().filter(|operand| is_stored_number(operand)) {
            let _ = write!(condition, " AND {}", is_number(operand));
        }
        Ok(condition)
    }

    fn in_list(&self, tested: &Operand, list: &[Literal], negated: bool) -> Result<String> {
        let values = list.iter().map(|literal| self.literal(literal)).collect::<Result<Vec<_>>>()?.join(", ");
        Ok(match (negated, is_stored_number(tested)) {
            (false, _) => format!("{} IN ({values})", tested.sql),
            (true, false) => format!("{} NOT IN ({values})", tested.sql),
            (true, true) => format!("{} NOT IN ({values}) AND {}", tested.sql, is_number(tested)),
        })
    }

    /// GLOB is case-sensitive and counts characters, as Junto's LIKE; SQLite's own LIKE ignores the case of ASCII
    /// letters. GLOB ends a text at its first NUL: such a text is kept whatever the pattern, and Junto looks again.
    fn like(&self, tested: &Operand, like: LikePattern<'_>) -> Result<String> {
        if like.case_insensitive {
            return Err(self.unsupported("ILIKE"));
        }
        let glob = glob_pattern(like.pattern, like.escape);
        if glob.len() > PATTERN_LIMIT || glob.contains('\0') {
            return Err(self.unsupported("this LIKE pattern"));
        }
        let pattern = self.literal(&Literal::Text(glob))?;
        let not = if like.negated { "NOT " } else { "" };
        let text = &tested.sql;
        Ok(format!("{text} {not}GLOB {pattern} OR instr({text}, char(0))"))
    }

    /// SQLite takes a list over a column without an index to leave out next to nothing, and begins a join elsewhere,
    /// unless it is told.
    fn function(&self, function: Function, args: &[Operand], _data_type: &DataType) -> Result<String> {
        let called = standard::function(function, args);
        Ok(if function == Function::Rare { format!("unlikely{called}") } else { called })
    }

    fn limit(&self, skip: u64, fetch: Option<u64>) -> String {
        let most = i64::MAX as u64;
        match fetch {
            Some(fetch) => standard::limit(skip.min(most), Some(fetch.min(most))),
            None => format!("LIMIT -1 OFFSET {}", skip.min(most)),
        }
    }

    /// Several key columns are compared with rows of VALUES: SQLite knows no list of rows.
    fn key_predicate(&self, columns: &[Operand], keys: KeyValues<'_>) -> Result<String> {
        match keys {
            KeyValues::Values(keys) if columns.len() > 1 && keys.values.num_rows() > 0 => {
                let names = columns.iter().map(|column| column.sql.as_str()).collect::<Vec<_>>().join(", ");
                Ok(format!("({names}) IN (VALUES {})", standard::key_rows(self, keys)?))
            }
            keys => standard::key_predicate(self, columns, keys),
        }
    }
}

fn is_stored_number(operand: &Operand) -> bool {
    let number = matches!(TypeClass::of(&operand.data_type), TypeClass::Int | TypeClass::Decimal);
    number && operand.source_type.is_some()
}

/// Every number is less than every text. <https://www.sqlite.org/datatype3.html>, section 4.1.
fn is_number(operand: &Operand) -> String {
    format!("{} < ''", operand.sql)
}

/// A LIKE pattern as a GLOB pattern: `%` is `*`, `_` is `?`, and what GLOB takes for special stands in brackets.
fn glob_pattern(pattern: &str, escape: Option<char>) -> String {
    let mut glob = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let (character, escaped) = match escape {
            // A pattern that ends in its escape character means that character.
            Some(escape) if character == escape => (characters.next().unwrap_or(escape), true),
            _ => (character, false),
        };
        match character {
            '%' if !escaped => glob.push('*'),
            '_' if !escaped => glob.push('?'),
            '*' | '?' | '[' => glob.extend(['[', character, ']']),
            other => glob.push(other),
        }
    }
    glob
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_like_as_patterns_of_glob() {
        assert_eq!(glob_pattern("%a_b%", None), "*a?b*");
        assert_eq!(glob_pattern("100\\%*[x]?", Some('\\')), "100%[*][[]x][?]");
        assert_eq!(glob_pattern("a\\", Some('\\')), "a\\");
        assert_eq!(glob_pattern("a\\", None), "a\\");
    }
}
