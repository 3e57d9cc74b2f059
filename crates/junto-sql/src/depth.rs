//! Keeps syntax trees shallow, because most steps that follow walk them recursively.
//!
//! The parser builds `a OR b OR c …` and `a + b + c …` as trees leaning to the left, one level per operator. Conditions
//! are rebalanced (AND and OR are associative, also with NULLs); other chains are bounded before they are built.

use sqlparser::ast::{BinaryOperator, Expr, Statement, VisitMut, VisitorMut};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};
use std::ops::ControlFlow;

/// Nesting of parentheses, subqueries and statements that the parser follows.
pub(crate) const MAX_NESTING: usize = 200;
/// Operators between two operands of AND, OR or a comma; deeper ones within parentheses count.
const MAX_OPERATORS: usize = 1000;
/// UNION, EXCEPT and INTERSECT of one query.
const MAX_SET_OPERATIONS: usize = 500;
/// Parentheses within parentheses after FROM or JOIN: where they do not fit, the parser takes 2ⁿ steps to say so.
const MAX_NESTED_TABLES: usize = 16;
/// CASE within CASE.
const MAX_CASES: usize = 40;
/// Chains of AND or OR up to this length stay as the parser built them.
const UNBALANCED: usize = 32;

/// What one pair of parentheses has seen so far.
#[derive(Debug, Default, Clone, Copy)]
struct Level {
    /// Levels that the expression read last may add to the tree.
    operators: usize,
    /// The largest `operators` of this pair.
    deepest: usize,
    set_operations: usize,
    /// Whether it stands where a table stands.
    table: bool,
}

/// The place where the tree would become too deep, found before it is built.
pub(crate) fn too_deep(tokens: &[TokenWithSpan]) -> Option<Location> {
    let mut outer = Vec::new();
    let mut level = Level::default();
    let mut cases = 0_usize;
    let mut tables = 0_usize;
    let mut table_next = false;
    for token in tokens {
        let table = std::mem::take(&mut table_next);
        match &token.token {
            Token::Whitespace(_) => {
                table_next = table;
                continue;
            }
            Token::LParen | Token::LBracket => {
                outer.push(level);
                level = Level { table, ..Level::default() };
                tables += usize::from(table);
                table_next = table;
            }
            Token::RParen | Token::RBracket => {
                let inner = level;
                tables -= usize::from(inner.table);
                level = outer.pop().unwrap_or_default();
                level.operators = level.operators.max(inner.deepest) + 1;
            }
            Token::Comma | Token::SemiColon => level.operators = 0,
            Token::Word(word) => match word.keyword {
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT => {
                    level.operators = 0;
                    level.set_operations += 1;
                }
                Keyword::AND
                | Keyword::OR
                | Keyword::WHEN
                | Keyword::THEN
                | Keyword::ELSE
                | Keyword::ON
                | Keyword::WHERE => level.operators = 0,
                Keyword::FROM | Keyword::JOIN | Keyword::LATERAL => table_next = true,
                Keyword::IS | Keyword::COLLATE | Keyword::AT | Keyword::LIKE | Keyword::IN | Keyword::BETWEEN => {
                    level.operators += 1;
                }
                // The parser recurses for each NOT and CASE, and hides it when that becomes too deep.
                Keyword::NOT => level.operators += MAX_OPERATORS / MAX_NESTING,
                Keyword::CASE => cases += 1,
                Keyword::END => cases = cases.saturating_sub(1),
                _ => {}
            },
            Token::Number(..) | Token::SingleQuotedString(_) | Token::Period => {}
            _ => level.operators += 1,
        }
        level.deepest = level.deepest.max(level.operators);
        let nested = cases > MAX_CASES || tables > MAX_NESTED_TABLES;
        if nested || level.deepest > MAX_OPERATORS || level.set_operations > MAX_SET_OPERATIONS {
            return Some(token.span.start);
        }
    }
    None
}

/// Turns long chains of AND and of OR into trees of logarithmic depth.
///
/// ```text
/// ((a OR b) OR c) OR d   →   (a OR b) OR (c OR d)
/// ```
pub(crate) fn balance(statement: &mut Statement) {
    let _ = statement.visit(&mut Balance);
}

struct Balance;

impl VisitorMut for Balance {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. } = expr {
            balance_chain(expr);
        }
        ControlFlow::Continue(())
    }
}

fn balance_chain(expr: &mut Expr) {
    let Expr::BinaryOp { op, .. } = expr else { return };
    let op = op.clone();
    if chain_length(expr, &op) <= UNBALANCED {
        return;
    }
    let mut operands = Vec::new();
    let mut rest = std::mem::replace(expr, placeholder());
    loop {
        match rest {
            Expr::BinaryOp { left, op: found, right } if found == op => {
                operands.push(*right);
                rest = *left;
            }
            first => {
                operands.push(first);
                break;
            }
        }
    }
    operands.reverse();
    *expr = join(&mut operands.into_iter(), &op);
}

fn chain_length(mut expr: &Expr, op: &BinaryOperator) -> usize {
    let mut length = 1;
    while let Expr::BinaryOp { left, op: found, .. } = expr {
        if found != op {
            break;
        }
        length += 1;
        expr = left;
    }
    length
}

/// Joins all operands in their order.
fn join(operands: &mut std::vec::IntoIter<Expr>, op: &BinaryOperator) -> Expr {
    fn take(operands: &mut std::vec::IntoIter<Expr>, count: usize, op: &BinaryOperator) -> Expr {
        if count <= 1 {
            return operands.next().expect("there are `count` operands left");
        }
        let left = Box::new(take(operands, count / 2, op));
        let right = Box::new(take(operands, count - count / 2, op));
        Expr::BinaryOp { left, op: op.clone(), right }
    }
    take(operands, operands.len(), op)
}

/// An expression that holds the place of another for a moment.
fn placeholder() -> Expr {
    Expr::Tuple(Vec::new())
}
