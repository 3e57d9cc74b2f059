//! The one function that turns a remote plan into SQL, for sending and for showing.
//!
//! Every relational operator could be a derived table of its own: `(SELECT … AS c0, … AS c1 FROM … ) AS t1`. Where the
//! meaning stays the same, operators share one SELECT block instead, for readers and for optimisers that do not look
//! into derived tables. Tables get the aliases `t0`, `t1` …, columns `c0`, `c1` …; names of the user never become
//! aliases, so nothing can clash.

use junto_connector::expr::{CompareOp, Expr};
use junto_connector::plan::{AggregateOutput, JoinKind, Output, Relation, RelationColumn, SortKey};
use junto_connector::{Error, RemotePlan, Result, ScanColumn, TextSemantics};
use junto_types::TableName;
use uuid::Uuid;

use crate::block::{Block, OrderKey, conjunction};
use crate::dialect::{AggregateCall, Dialect, Operand};
use crate::expression::{BlockColumn, Printer};
use crate::keys::KeyValues;

/// SQL of a plan. Result columns come in the plan's order, named `c0`, `c1` …; a plan without columns gives one column
/// that means nothing. `keys` restrict the plan's result, never what is below a limit or aggregate inside it.
///
/// # Errors
/// [`Error::Unsupported`] for what the dialect cannot spell; the planner should not have pushed it.
pub fn generate(dialect: &dyn Dialect, plan: &RemotePlan, keys: Option<KeyValues<'_>>) -> Result<String> {
    let mut generator = Generator { dialect, tables: 0 };
    let mut block = generator.relation(&plan.root)?;
    if let Some(keys) = keys {
        block = generator.keyed(block, keys)?;
    }
    Ok(block.select(dialect, &[]))
}

/// Whether the dialect can spell an expression over these columns of a table. A connector asks it beside its
/// capabilities, for what depends on a value: a date before year 1, text with NUL.
pub fn can_express(dialect: &dyn Dialect, expr: &Expr, input: &[RelationColumn]) -> bool {
    let column = |info: &RelationColumn| BlockColumn {
        info: info.clone(),
        value: "c".into(),
        compared: Some("c".into()),
        plain: true,
    };
    let columns: Vec<BlockColumn> = input.iter().map(column).collect();
    Printer { dialect, columns: &columns }.condition(expr).is_ok()
}

/// The text with the statement's id in a comment in front, so that it can be found in the server's activity list.
pub fn tagged(statement: &Uuid, sql: &str) -> String {
    format!("/* junto:{statement} */ {sql}")
}

struct Generator<'a> {
    dialect: &'a dyn Dialect,
    tables: usize,
}

impl Generator<'_> {
    fn alias(&mut self) -> String {
        self.tables += 1;
        format!("t{}", self.tables - 1)
    }

    fn relation(&mut self, relation: &Relation) -> Result<Block> {
        match relation {
            Relation::Scan { table, columns } => Ok(self.scan(table, columns)),
            Relation::Filter { input, predicate } => {
                let block = self.relation(input)?;
                self.filter(block, predicate)
            }
            Relation::Project { input, outputs } => {
                let block = self.relation(input)?;
                self.project(block, outputs)
            }
            Relation::Join { left, right, kind, on, filter } => {
                let left = self.relation(left)?;
                let right = self.relation(right)?;
                match kind {
                    JoinKind::LeftSemi => self.exists(left, right, on, filter.as_ref(), "EXISTS"),
                    JoinKind::LeftAnti => self.exists(left, right, on, filter.as_ref(), "NOT EXISTS"),
                    _ => self.join(left, right, *kind, on, filter.as_ref()),
                }
            }
            Relation::Aggregate { input, groups, aggregates } => {
                let block = self.relation(input)?;
                self.aggregate(block, groups, aggregates)
            }
            Relation::Sort { input, keys, fetch } => {
                let block = self.relation(input)?;
                let block = self.sort(block, keys)?;
                Ok(match fetch {
                    Some(_) => limited(block, 0, *fetch),
                    None => block,
                })
            }
            Relation::Limit { input, skip, fetch } => Ok(limited(self.relation(input)?, *skip, *fetch)),
            Relation::Distinct { input } => {
                let block = self.relation(input)?;
                Ok(self.distinct(block))
            }
            Relation::UnionAll { inputs } => self.union_all(inputs),
        }
    }

    fn scan(&mut self, table: &TableName, columns: &[ScanColumn]) -> Block {
        let alias = self.alias();
        let column = |column: &ScanColumn| {
            let qualified = format!("{alias}.{}", self.dialect.quote(&column.name));
            BlockColumn {
                info: RelationColumn {
                    name: column.name.clone(),
                    data_type: column.data_type.clone(),
                    nullable: column.nullable,
                    source_type: Some(column.source_type.clone()),
                    text: column.text,
                },
                value: self.dialect.scan_column(column, &qualified),
                compared: Some(self.dialect.compared_column(column, &qualified)),
                plain: true,
            }
        };
        Block::over(format!("{} AS {alias}", self.dialect.table(table)), columns.iter().map(column).collect())
    }

    /// The block as a derived table of a new one. An order survives: SQL promises none for what leaves a subquery.
    fn wrapped(&mut self, mut block: Block) -> Block {
        let alias = self.alias();
        let order = std::mem::take(&mut block.order);
        let mut hidden = Vec::new();
        let outer_order = order
            .iter()
            .map(|key| {
                let shown = block.columns.iter().position(|column| column.value == key.operand.sql);
                let at = shown.unwrap_or_else(|| {
                    hidden.push(key.operand.sql.clone());
                    block.columns.len() + hidden.len() - 1
                });
                let operand = Operand { sql: format!("{alias}.c{at}"), raw: false, ..key.operand.clone() };
                OrderKey { operand, ..key.clone() }
            })
            .collect();
        if block.is_limited() {
            block.order = order;
        }
        let from = format!("({}) AS {alias}", block.select(self.dialect, &hidden));
        let columns = block.columns.into_iter().enumerate().map(|(at, column)| BlockColumn {
            info: column.info,
            value: format!("{alias}.c{at}"),
            compared: None,
            plain: true,
        });
        let mut outer = Block::over(from, columns.collect());
        outer.order = outer_order;
        outer
    }

    fn wrapped_unless(&mut self, block: Block, fits: bool) -> Block {
        if fits { block } else { self.wrapped(block) }
    }

    fn printer<'b>(&'b self, columns: &'b [BlockColumn]) -> Printer<'b> {
        Printer { dialect: self.dialect, columns }
    }

    fn filter(&mut self, block: Block, predicate: &Expr) -> Result<Block> {
        let fits = block.holds_plain_rows() && self.printer(&block.columns).uses_plain_columns_only(predicate);
        let mut block = self.wrapped_unless(block, fits);
        let condition = self.printer(&block.columns).condition(predicate)?;
        block.conditions.push(condition);
        Ok(block)
    }

    fn keyed(&mut self, block: Block, keys: KeyValues<'_>) -> Result<Block> {
        let plain = keys.columns().iter().all(|index| block.columns.get(*index).is_some_and(|column| column.plain));
        let fits = block.holds_plain_rows() && plain;
        let mut block = self.wrapped_unless(block, fits);
        let printer = self.printer(&block.columns);
        let operands = keys.columns().iter().map(|index| printer.compared(&Expr::Column(*index)));
        let condition = self.dialect.key_predicate(&operands.collect::<Result<Vec<_>>>()?, keys)?;
        block.conditions.push(condition);
        Ok(block)
    }

    /// Choosing columns fits everywhere but under DISTINCT; computing needs names to compute with.
    fn project(&mut self, block: Block, outputs: &[Output]) -> Result<Block> {
        let printer = self.printer(&block.columns);
        let chosen_only = outputs.iter().all(|output| matches!(output.expr, Expr::Column(_)));
        let computable = !block.grouped && outputs.iter().all(|output| printer.uses_plain_columns_only(&output.expr));
        let fits = !block.distinct && (chosen_only || computable);
        let mut block = self.wrapped_unless(block, fits);
        let columns = outputs.iter().map(|output| self.output(&block.columns, output)).collect::<Result<Vec<_>>>()?;
        block.columns = columns;
        Ok(block)
    }

    fn output(&self, columns: &[BlockColumn], output: &Output) -> Result<BlockColumn> {
        if let Expr::Column(index) = output.expr {
            let mut column = columns
                .get(index)
                .cloned()
                .ok_or_else(|| Error::internal(format!("no column {index} in this relation")))?;
            column.info.name.clone_from(&output.name);
            return Ok(column);
        }
        Ok(BlockColumn {
            info: RelationColumn {
                name: output.name.clone(),
                data_type: output.data_type.clone(),
                nullable: output.nullable,
                source_type: None,
                text: TextSemantics::Binary,
            },
            value: self.printer(columns).condition(&output.expr)?,
            compared: None,
            plain: false,
        })
    }

    fn join(
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

    fn exists(
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
        left.conditions.push(format!("{word} ({})", right.select(self.dialect, &[])));
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

    fn aggregate(&mut self, block: Block, groups: &[Output], aggregates: &[AggregateOutput]) -> Result<Block> {
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
        // Without GROUP BY there would be a row even for no input; that is right only for a plan without groups.
        block.having = (!groups.is_empty() && block.groups.is_empty()).then_some("COUNT(*) > 0");
        block.grouped = true;
        Ok(block)
    }

    fn sort(&mut self, block: Block, keys: &[SortKey]) -> Result<Block> {
        let printer = self.printer(&block.columns);
        let fits = block.holds_plain_rows() && keys.iter().all(|key| printer.uses_plain_columns_only(&key.expr));
        let mut block = self.wrapped_unless(block, fits);
        let printer = self.printer(&block.columns);
        // A literal would be taken for a column's position, and orders nothing.
        let ordering = keys.iter().filter(|key| !matches!(key.expr, Expr::Literal(_)));
        let order = ordering
            .map(|key| {
                let operand = printer.value(&key.expr)?;
                Ok(OrderKey { operand, descending: key.descending, nulls_first: key.nulls_first })
            })
            .collect::<Result<Vec<_>>>()?;
        block.order = order;
        Ok(block)
    }

    fn distinct(&mut self, block: Block) -> Block {
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

    fn union_all(&mut self, inputs: &[Relation]) -> Result<Block> {
        let mut columns = None;
        let mut selects = Vec::new();
        for input in inputs {
            let mut block = self.relation(input)?;
            // Members of a union take no ORDER BY and LIMIT of their own everywhere.
            if block.is_limited() {
                block = self.wrapped(block);
            }
            block.order.clear();
            selects.push(block.select(self.dialect, &[]));
            columns.get_or_insert(block.columns);
        }
        let columns = columns.ok_or_else(|| Error::internal("a union without inputs"))?;
        let alias = self.alias();
        let columns = columns.into_iter().enumerate().map(|(at, column)| BlockColumn {
            info: column.info,
            value: format!("{alias}.c{at}"),
            compared: None,
            plain: true,
        });
        Ok(Block::over(format!("({}) AS {alias}", selects.join(" UNION ALL ")), columns.collect()))
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
    Ok(BlockColumn { info, value, compared: None, plain: false })
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

/// A limit over a limit is one limit.
fn limited(mut block: Block, skip: u64, fetch: Option<u64>) -> Block {
    let left = block.fetch.map(|fetch| fetch.saturating_sub(skip));
    block.skip = block.skip.saturating_add(skip);
    block.fetch = match (left, fetch) {
        (Some(left), Some(fetch)) => Some(left.min(fetch)),
        (left, fetch) => left.or(fetch),
    };
    block
}

fn join_word(kind: JoinKind) -> &'static str {
    match kind {
        JoinKind::Left => "LEFT",
        JoinKind::Right => "RIGHT",
        JoinKind::Full => "FULL",
        JoinKind::Inner | JoinKind::LeftSemi | JoinKind::LeftAnti => "INNER",
    }
}
