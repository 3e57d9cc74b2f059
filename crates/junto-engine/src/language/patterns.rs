//! `LIKE … ESCAPE` and `SIMILAR TO` in terms of what DataFusion computes.
//!
//! Its LIKE knows no escape character but the backslash, and its SIMILAR TO takes the pattern for a regular expression,
//! in which `%` and `_` mean themselves: `'China' SIMILAR TO 'C%'` is false.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{ScalarValue, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, Like, LogicalPlan, Operator, binary_expr, lit};
use datafusion::optimizer::AnalyzerRule;
use junto_datafusion::keeping_names;

/// Rewrites patterns with a character of their own to escape, and SQL's regular expressions.
#[derive(Debug)]
pub(crate) struct Patterns;

impl AnalyzerRule for Patterns {
    fn name(&self) -> &'static str {
        "junto_patterns"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| keeping_names(plan, |expr| expr.transform_up(rewrite)))
            .map(|transformed| transformed.data)
    }
}

fn rewrite(expr: Expr) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Like(like) if like.escape_char.is_some_and(|escape| escape != '\\') => {
            let (Some(pattern), Some(escape)) = (text(&like.pattern), like.escape_char) else {
                return plan_err!("LIKE with ESCAPE needs its pattern as a literal");
            };
            let pattern = Box::new(lit(with_backslashes(pattern, escape)));
            Ok(Transformed::yes(Expr::Like(Like { pattern, escape_char: None, ..like })))
        }
        Expr::SimilarTo(Like { negated, expr, pattern, escape_char, .. }) => {
            let Some(pattern) = text(&pattern) else {
                return plan_err!("SIMILAR TO needs its pattern as a literal");
            };
            let operator = if negated { Operator::RegexNotMatch } else { Operator::RegexMatch };
            let pattern = regular_expression(pattern, escape_char.unwrap_or('\\'));
            Ok(Transformed::yes(binary_expr(*expr, operator, lit(pattern))))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn text(pattern: &Expr) -> Option<&str> {
    match pattern {
        Expr::Literal(ScalarValue::Utf8(value) | ScalarValue::Utf8View(value) | ScalarValue::LargeUtf8(value), _) => {
            value.as_deref()
        }
        _ => None,
    }
}

/// A LIKE pattern escaped by `escape` as one escaped by the backslash.
fn with_backslashes(pattern: &str, escape: char) -> String {
    let mut result = String::with_capacity(pattern.len() + 2);
    let mut chars = pattern.chars();
    while let Some(next) = chars.next() {
        let literal = if next == escape { chars.next() } else { None };
        match literal.unwrap_or(next) {
            '\\' => result.push_str("\\\\"),
            wildcard @ ('%' | '_') if literal.is_some() => result.extend(['\\', wildcard]),
            other => result.push(other),
        }
    }
    result
}

/// A pattern of SIMILAR TO as a regular expression over the whole text.
fn regular_expression(pattern: &str, escape: char) -> String {
    let mut result = String::from("^(?s:");
    let mut chars = pattern.chars();
    let mut in_set = false;
    while let Some(next) = chars.next() {
        match next {
            _ if next == escape => chars.next().into_iter().for_each(|literal| push_literal(&mut result, literal)),
            '[' => {
                in_set = true;
                result.push('[');
            }
            ']' => {
                in_set = false;
                result.push(']');
            }
            _ if in_set => result.push(next),
            '%' => result.push_str(".*"),
            '_' => result.push('.'),
            '|' | '*' | '+' | '?' | '{' | '}' | '(' | ')' => result.push(next),
            literal => push_literal(&mut result, literal),
        }
    }
    result.push_str(")$");
    result
}

fn push_literal(result: &mut String, literal: char) {
    if r"\.+*?()|[]{}^$".contains(literal) {
        result.push('\\');
    }
    result.push(literal);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_escape_character_becomes_the_backslash() {
        assert_eq!(with_backslashes("10!%%", '!'), "10\\%%");
        assert_eq!(with_backslashes("a!!b!c\\_", '!'), "a!bc\\\\_");
    }

    #[test]
    fn similar_to_is_over_the_whole_text() {
        assert_eq!(regular_expression("C%|_.[a-c]", '\\'), "^(?s:C.*|.\\.[a-c])$");
        assert_eq!(regular_expression("50\\%", '\\'), "^(?s:50%)$");
    }
}
