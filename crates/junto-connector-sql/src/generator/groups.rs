//! Aggregates and DISTINCT.

use junto_connector::expr::Expr;
use junto_connector::plan::{AggregateOutput, Output, RelationColumn};
use junto_connector::{Result, TextSemantics};

use super::Generator;
use crate::block::Block;
use crate::dialect::{AggregateCall, Dialect, Operand};
use crate::expression::{BlockColumn, Printer};

impl Generator<'_> {
    pub(super) fn aggregate(
        &mut self,
        block: Block,
        groups: &[Output],
        aggregates: &[AggregateOutput],
    ) -> Result<Block> {
        let printer = self.printer(&block.columns);
        let plain = groups.iter().all(|group| printer.uses_plain_columns_only(&group.expr))
            && aggregates.iter().all(|output| {
                let aggregate = &output.aggregate;
                aggregate.argument.iter().chain(&aggregate.filter).all(|expr| printer.uses_plain_columns_only(expr))
            });
        let fits = block.holds_plain_rows() && plain;
        let mut block = self.wrapped_unless(block, fits);
        block.order.clear();
        let input = std::mem::take(&mut block.columns);
        let printer = self.printer(&input);
        for group in groups {
            let mut column = self.output(&input, group)?;
            column.compared = None;
            column.plain = false;
            column.ungrouped = match group.expr {
                Expr::Column(index) => input.get(index).filter(|column| column.plain).cloned().map(Box::new),
                _ => None,
            };
            // A literal among the keys would be taken for a column's position, and adds nothing to them.
            if !matches!(group.expr, Expr::Literal(_)) {
                let key = self.dialect.group_key(&printer.value(&group.expr)?);
                block.groups.push(key.key);
                column.value = key.output;
            }
            block.columns.push(column);
        }
        for output in aggregates {
            block.columns.push(aggregate_column(self.dialect, &printer, output)?);
        }
        // Without GROUP BY there would be a row even for no input; that is right only for a plan without groups. An
        // expression is no position, also where it is constant.
        if !groups.is_empty() && block.groups.is_empty() {
            block.groups.push("1 + 0".into());
        }
        block.grouped = true;
        Ok(block)
    }

    pub(super) fn distinct(&mut self, block: Block) -> Block {
        let fits = block.holds_plain_rows();
        let mut block = self.wrapped_unless(block, fits);
        block.order.clear();
        let by_groups = {
            let operands: Vec<Operand> = block.columns.iter().map(operand).collect();
            !operands.is_empty() && self.dialect.distinct_by_groups(&operands)
        };
        if !by_groups {
            block.distinct = true;
            return block;
        }
        let plain = block.all_columns_plain();
        let mut block = self.wrapped_unless(block, plain);
        for column in &mut block.columns {
            let key = self.dialect.group_key(&operand(column));
            block.groups.push(key.key);
            column.value = key.output;
            column.compared = None;
            column.plain = false;
        }
        block.grouped = true;
        block
    }
}

fn aggregate_column(dialect: &dyn Dialect, printer: &Printer<'_>, output: &AggregateOutput) -> Result<BlockColumn> {
    let aggregate = &output.aggregate;
    let argument = aggregate.argument.as_ref().map(|expr| printer.value(expr)).transpose()?;
    let filter = aggregate.filter.as_ref().map(|expr| printer.condition(expr)).transpose()?;
    let value = dialect.aggregate(&AggregateCall {
        function: aggregate.function,
        argument: argument.as_ref(),
        distinct: aggregate.distinct,
        filter: filter.as_deref(),
        data_type: &output.data_type,
    })?;
    let info = RelationColumn {
        name: output.name.clone(),
        data_type: output.data_type.clone(),
        nullable: output.nullable,
        source_type: None,
        text: TextSemantics::Binary,
    };
    Ok(BlockColumn { info, value, compared: None, plain: false, ungrouped: None })
}

fn operand(column: &BlockColumn) -> Operand {
    Operand {
        sql: column.value.clone(),
        data_type: column.info.data_type.clone(),
        text: column.info.text,
        source_type: column.info.source_type.clone(),
        raw: false,
    }
}
