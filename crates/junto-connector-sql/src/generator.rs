//! The one function that turns a remote plan into SQL, for sending and for showing.
//!
//! Every relational operator could be a derived table of its own: `(SELECT … AS c0, … AS c1 FROM … ) AS t1`. Where the
//! meaning stays the same, operators share one SELECT block instead, for readers and for optimisers that do not look
//! into derived tables. Tables get the aliases `t0`, `t1` …, columns `c0`, `c1` …, or `c_0`, `c_1` … where a table has
//! columns of such names, with the number of their derived table where a dialect needs that; names of the user never become
//! aliases, so nothing can clash.

mod groups;
mod joins;

use junto_connector::expr::Expr;
use junto_connector::plan::{JoinKind, Output, Relation, RelationColumn, SortKey};
use junto_connector::{Error, RemotePlan, Result, ScanColumn, TextSemantics};
use junto_types::TableName;
use uuid::Uuid;

use crate::block::{Block, ColumnAliases, OrderKey};
use crate::dialect::{Dialect, Operand};
use crate::expression::{BlockColumn, Printer};
use crate::keys::KeyValues;

/// SQL of a plan. Result columns come in the plan's order; a plan without columns gives one column that means nothing.
/// `keys` restrict the plan's result, never what is below a limit or aggregate inside it.
///
/// # Errors
/// [`Error::Unsupported`] for what the dialect cannot spell; the planner should not have pushed it.
pub fn generate(dialect: &dyn Dialect, plan: &RemotePlan, keys: Option<KeyValues<'_>>) -> Result<String> {
    generate_part(dialect, plan, keys, None)
}

/// As [`generate`], over a part of the first table that the plan reads: `part` is a condition on it, in the dialect's own
/// words, in which the table is called [`FIRST_TABLE`]. [`RemotePlan::first_table`] says for which plans the parts together
/// are the whole.
///
/// # Errors
/// As [`generate`].
pub fn generate_part(
    dialect: &dyn Dialect,
    plan: &RemotePlan,
    keys: Option<KeyValues<'_>>,
    part: Option<&str>,
) -> Result<String> {
    let mut generator = Generator { dialect, tables: 0, columns: ColumnAliases::beside(&plan.root, dialect), part };
    let mut block = generator.relation(&plan.root)?;
    if let Some(keys) = keys {
        block = generator.keyed(block, keys)?;
    }
    Ok(block.select(dialect, |at| generator.columns.at(at), &[]))
}

/// Whether the dialect can spell an expression over these columns of a table. A connector asks it beside its
/// capabilities, for what depends on a value: a date before year 1, text with NUL.
pub fn can_express(dialect: &dyn Dialect, expr: &Expr, input: &[RelationColumn]) -> bool {
    let column = |info: &RelationColumn| BlockColumn {
        info: info.clone(),
        value: "c".into(),
        compared: Some("c".into()),
        plain: true,
        ungrouped: None,
    };
    let columns: Vec<BlockColumn> = input.iter().map(column).collect();
    Printer { dialect, columns: &columns }.condition(expr).is_ok()
}

/// The text with the statement's id in a comment in front, so that it can be found in the server's activity list.
pub fn tagged(statement: &Uuid, sql: &str) -> String {
    format!("/* junto:{statement} */ {sql}")
}

/// Alias of the first table of a plan.
pub const FIRST_TABLE: &str = "t0";

struct Generator<'a> {
    dialect: &'a dyn Dialect,
    tables: usize,
    columns: ColumnAliases,
    /// Condition on the first table that is scanned.
    part: Option<&'a str>,
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
                let block = self.sort(block, keys, &input.columns())?;
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
            Relation::UnionAll { inputs } => self.union_all(inputs, relation.columns()),
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
                ungrouped: None,
            }
        };
        let columns = columns.iter().map(column).collect();
        let hint = if alias == FIRST_TABLE { self.dialect.first_table_hint() } else { "" };
        let mut block = Block::over(format!("{} AS {alias}{hint}", self.dialect.table(table)), columns);
        block.conditions.extend(self.part.take().map(str::to_owned));
        block
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
                let operand = Operand { sql: self.columns.of(&alias, at), raw: false, ..key.operand.clone() };
                OrderKey { operand, ..key.clone() }
            })
            .collect();
        if block.is_limited() {
            block.order = order;
        }
        let select = block.select(self.dialect, |at| self.columns.within(&alias, at), &hidden);
        let mut outer = self.derived(&alias, &select, block.columns.into_iter().map(|column| column.info));
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
        // Keys of groups choose the rows that are grouped: rows of other groups take no part in these.
        if let Some(ungrouped) = ungrouped_keys(&block, keys.columns()) {
            let mut block = block;
            block.conditions.push(self.key_condition(&ungrouped, 0..ungrouped.len(), keys)?);
            return Ok(block);
        }
        let plain = keys.columns().iter().all(|index| block.columns.get(*index).is_some_and(|column| column.plain));
        let fits = block.holds_plain_rows() && plain;
        let mut block = self.wrapped_unless(block, fits);
        let condition = self.key_condition(&block.columns, keys.columns().iter().copied(), keys)?;
        block.conditions.push(condition);
        Ok(block)
    }

    fn key_condition(
        &self,
        columns: &[BlockColumn],
        at: impl Iterator<Item = usize>,
        keys: KeyValues<'_>,
    ) -> Result<String> {
        let printer = self.printer(columns);
        let operands = at.map(|index| printer.compared(&Expr::Column(index))).collect::<Result<Vec<_>>>()?;
        self.dialect.key_predicate(&operands, keys)
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
            ungrouped: None,
        })
    }

    fn sort(&mut self, block: Block, keys: &[SortKey], input: &[RelationColumn]) -> Result<Block> {
        let printer = self.printer(&block.columns);
        let fits = block.holds_plain_rows() && keys.iter().all(|key| printer.uses_plain_columns_only(&key.expr));
        let mut block = self.wrapped_unless(block, fits);
        let printer = self.printer(&block.columns);
        // A literal would be taken for a column's position, and orders nothing.
        let ordering = keys.iter().filter(|key| !matches!(key.expr, Expr::Literal(_)));
        let order = ordering
            .map(|key| {
                let column = if let Expr::Column(index) = key.expr { input.get(index) } else { None };
                let nulls_first = column.is_none_or(|column| column.nullable).then_some(key.nulls_first);
                Ok(OrderKey { operand: printer.value(&key.expr)?, descending: key.descending, nulls_first })
            })
            .collect::<Result<Vec<_>>>()?;
        block.order = order;
        Ok(block)
    }

    fn union_all(&mut self, inputs: &[Relation], columns: Vec<RelationColumn>) -> Result<Block> {
        let mut blocks = Vec::new();
        for input in inputs {
            let mut block = self.relation(input)?;
            // Members of a union take no ORDER BY and LIMIT of their own everywhere.
            if block.is_limited() {
                block = self.wrapped(block);
            }
            block.order.clear();
            blocks.push(block);
        }
        if blocks.is_empty() {
            return Err(Error::internal("a union without inputs"));
        }
        let alias = self.alias();
        let selects = blocks.iter().map(|block| block.select(self.dialect, |at| self.columns.within(&alias, at), &[]));
        let selects = selects.collect::<Vec<_>>().join(" UNION ALL ");
        Ok(self.derived(&alias, &selects, columns.into_iter()))
    }

    /// A block over a subquery.
    fn derived(&self, alias: &str, select: &str, columns: impl Iterator<Item = RelationColumn>) -> Block {
        let columns = columns.enumerate().map(|(at, info)| BlockColumn {
            info,
            value: self.columns.of(alias, at),
            compared: None,
            plain: true,
            ungrouped: None,
        });
        Block::over(format!("({select}) AS {alias}"), columns.collect())
    }
}

/// The key columns as they were before the block's own grouping, when they are all among its groups.
fn ungrouped_keys(block: &Block, columns: &[usize]) -> Option<Vec<BlockColumn>> {
    if !block.grouped || block.distinct || block.is_limited() {
        return None;
    }
    columns.iter().map(|index| block.columns.get(*index)?.ungrouped.as_deref().cloned()).collect()
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
