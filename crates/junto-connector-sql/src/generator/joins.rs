//! Joins: side by side in FROM, or as EXISTS.

use junto_connector::Result;
use junto_connector::expr::{CompareOp, Expr};
use junto_connector::plan::JoinKind;

use super::Generator;
use crate::block::{Block, conjunction};
use crate::expression::BlockColumn;

impl Generator<'_> {
    pub(super) fn join(
        &mut self,
        left: Block,
        right: Block,
        kind: JoinKind,
        on: &[(Expr, Expr)],
        filter: Option<&Expr>,
    ) -> Result<Block> {
        // A condition on a side that keeps all its rows may wait until after the join; on the other side it may not.
        let left_waits = matches!(kind, JoinKind::Inner | JoinKind::Left) || left.conditions.is_empty();
        let right_waits = matches!(kind, JoinKind::Inner | JoinKind::Right) || right.conditions.is_empty();
        let left_fits = left.holds_plain_rows() && left.all_columns_plain() && left_waits;
        let right_fits = right.holds_plain_rows() && right.all_columns_plain() && right_waits && !right.joined;
        let mut left = self.wrapped_unless(left, left_fits);
        let right = self.wrapped_unless(right, right_fits);
        let condition = self.join_condition(&left.columns, &right.columns, on, filter)?;
        let from = match (kind, condition.is_empty()) {
            (JoinKind::Inner, true) => format!("{} CROSS JOIN {}", left.from, right.from),
            (_, true) => format!("{} {} JOIN {} ON 1 = 1", left.from, join_word(kind), right.from),
            (_, false) => {
                format!("{} {} JOIN {} ON {}", left.from, join_word(kind), right.from, conjunction(&condition))
            }
        };
        left.columns.extend(right.columns);
        left.conditions.extend(right.conditions);
        let mut block = Block::over(from, left.columns);
        block.joined = true;
        block.conditions = left.conditions;
        Ok(block)
    }

    pub(super) fn exists(
        &mut self,
        left: Block,
        right: Block,
        on: &[(Expr, Expr)],
        filter: Option<&Expr>,
        word: &str,
    ) -> Result<Block> {
        let left_fits = left.holds_plain_rows() && left.all_columns_plain();
        let right_fits = right.holds_plain_rows() && right.all_columns_plain();
        let mut left = self.wrapped_unless(left, left_fits);
        let mut right = self.wrapped_unless(right, right_fits);
        let condition = self.join_condition(&left.columns, &right.columns, on, filter)?;
        right.conditions.extend(condition);
        right.columns.clear();
        right.order.clear();
        left.conditions.push(format!("{word} ({})", right.select(self.dialect, |at| self.columns.at(at), &[])));
        Ok(left)
    }

    fn join_condition(
        &self,
        left: &[BlockColumn],
        right: &[BlockColumn],
        on: &[(Expr, Expr)],
        filter: Option<&Expr>,
    ) -> Result<Vec<String>> {
        let (left_printer, right_printer) = (self.printer(left), self.printer(right));
        let mut condition = Vec::new();
        for (left, right) in on {
            let (left, right) = (left_printer.compared(left)?, right_printer.compared(right)?);
            condition.push(self.dialect.compare(CompareOp::Eq, &left, &right)?);
        }
        if let Some(filter) = filter {
            let both: Vec<BlockColumn> = left.iter().chain(right).cloned().collect();
            condition.push(self.printer(&both).condition(filter)?);
        }
        Ok(condition)
    }
}

fn join_word(kind: JoinKind) -> &'static str {
    match kind {
        JoinKind::Left => "LEFT",
        JoinKind::Right => "RIGHT",
        JoinKind::Full => "FULL",
        JoinKind::Inner | JoinKind::LeftSemi | JoinKind::LeftAnti => "INNER",
    }
}
