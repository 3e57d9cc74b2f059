//! What to read from a source: a small relational form, plain data that can be stored and sent.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use junto_types::TableName;
use serde::{Deserialize, Serialize};

use crate::catalog::TextSemantics;
use crate::expr::{Aggregate, Expr, Literal};

/// One read of one source. The smallest is a scan.
///
/// Batches of [`crate::Connector::open`] have exactly [`RemotePlan::schema`]: names, types and order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemotePlan {
    pub root: Relation,
}

impl RemotePlan {
    /// Schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        let fields = self.root.columns().into_iter().map(|c| Field::new(c.name, c.data_type, c.nullable));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// The tables it reads, in the order they appear, as messages name them.
    pub fn table_names(&self) -> String {
        self.root.tables().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Whether a value in it is not known yet.
    pub fn has_parameters(&self) -> bool {
        self.root.has_parameters()
    }

    /// The plan with a literal for each parameter, of which `value` gets index and type.
    #[must_use]
    pub fn with_values(mut self, mut value: impl FnMut(usize, &DataType) -> Literal) -> Self {
        self.root.for_each_parameter(&mut |expr| {
            if let Expr::Parameter { index, data_type } = expr {
                *expr = Expr::Literal(value(*index, data_type));
            }
        });
        self
    }

    /// The table of which parts may be read one by one, so that the rows of all parts together are the plan's rows.
    ///
    /// It is the first table of the plan. None where an operator looks at rows of several parts at once: an order, a
    /// limit, DISTINCT, an aggregate that is not at the root or may not be delivered in parts, an outer join that keeps
    /// the rows of its other side.
    pub fn first_table(&self, groups_in_parts: bool) -> Option<&TableName> {
        match &self.root {
            Relation::Aggregate { input, aggregates, .. } if groups_in_parts => {
                let mergeable = aggregates.iter().all(|output| !output.aggregate.distinct);
                if mergeable { input.row_by_row() } else { None }
            }
            root => root.row_by_row(),
        }
    }
}

/// A relational operator. Column positions in expressions refer to the input's columns, from 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// Columns of a table, in this order; no columns at all means rows without values (for `count(*)`).
    Scan {
        table: TableName,
        columns: Vec<ScanColumn>,
    },
    /// Rows for which the predicate is true.
    Filter {
        input: Box<Relation>,
        predicate: Expr,
    },
    Project {
        input: Box<Relation>,
        outputs: Vec<Output>,
    },
    /// Left columns, then right columns (left only for semi and anti). `filter` sees left then right columns.
    Join {
        left: Box<Relation>,
        right: Box<Relation>,
        kind: JoinKind,
        on: Vec<(Expr, Expr)>,
        filter: Option<Expr>,
    },
    /// Group columns, then aggregates. Without groups: exactly one row.
    Aggregate {
        input: Box<Relation>,
        groups: Vec<Output>,
        aggregates: Vec<AggregateOutput>,
    },
    /// Ordered rows, at most `fetch` of them.
    Sort {
        input: Box<Relation>,
        keys: Vec<SortKey>,
        fetch: Option<u64>,
    },
    Limit {
        input: Box<Relation>,
        skip: u64,
        fetch: Option<u64>,
    },
    Distinct {
        input: Box<Relation>,
    },
    /// Rows of all inputs; names and types are those of the first. Text compares as loosely as that of any input.
    UnionAll {
        inputs: Vec<Relation>,
    },
}

/// A column asked of a table, with everything a reader needs to decode it without asking the source again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScanColumn {
    pub name: String,
    pub source_type: String,
    pub data_type: DataType,
    pub nullable: bool,
    pub text: TextSemantics,
}

/// A computed column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    pub name: String,
    pub expr: Expr,
    pub data_type: DataType,
    pub nullable: bool,
}

/// A computed aggregate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AggregateOutput {
    pub name: String,
    pub aggregate: Aggregate,
    pub data_type: DataType,
    pub nullable: bool,
}

/// Kind of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    LeftSemi,
    LeftAnti,
}

/// One key of a sort.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SortKey {
    pub expr: Expr,
    pub descending: bool,
    pub nulls_first: bool,
}

/// A column that leaves a relation.
#[derive(Debug, Clone, PartialEq)]
pub struct RelationColumn {
    pub name: String,
    pub data_type: DataType,
    pub nullable: bool,
    /// Type in the source's spelling, for plain columns of a table.
    pub source_type: Option<String>,
    pub text: TextSemantics,
}

impl Relation {
    /// The columns that leave this relation.
    pub fn columns(&self) -> Vec<RelationColumn> {
        match self {
            Relation::Scan { columns, .. } => columns
                .iter()
                .map(|c| RelationColumn {
                    name: c.name.clone(),
                    data_type: c.data_type.clone(),
                    nullable: c.nullable,
                    source_type: Some(c.source_type.clone()),
                    text: c.text,
                })
                .collect(),
            Relation::Filter { input, .. }
            | Relation::Sort { input, .. }
            | Relation::Limit { input, .. }
            | Relation::Distinct { input } => input.columns(),
            Relation::Project { input, outputs } => {
                let columns = input.columns();
                outputs.iter().map(|output| output.column(&columns)).collect()
            }
            Relation::Aggregate { input, groups, aggregates } => {
                let columns = input.columns();
                let computed = aggregates.iter().map(|output| RelationColumn {
                    name: output.name.clone(),
                    data_type: output.data_type.clone(),
                    nullable: output.nullable,
                    source_type: None,
                    text: TextSemantics::Binary,
                });
                groups.iter().map(|output| output.column(&columns)).chain(computed).collect()
            }
            Relation::Join { left, right, kind, .. } => {
                let mut columns = left.columns();
                match kind {
                    JoinKind::LeftSemi | JoinKind::LeftAnti => return columns,
                    JoinKind::Right | JoinKind::Full => columns.iter_mut().for_each(|c| c.nullable = true),
                    JoinKind::Inner | JoinKind::Left => {}
                }
                let outer = matches!(kind, JoinKind::Left | JoinKind::Full);
                columns.extend(right.columns().into_iter().map(|mut column| {
                    column.nullable |= outer;
                    column
                }));
                columns
            }
            Relation::UnionAll { inputs } => {
                let mut inputs = inputs.iter().map(Relation::columns);
                let mut columns = inputs.next().unwrap_or_default();
                for other in inputs {
                    for (column, other) in columns.iter_mut().zip(other) {
                        column.nullable |= other.nullable;
                        // A filter above the union may be evaluated inside either input, with its collation.
                        column.text = column.text.or(other.text);
                        if column.source_type != other.source_type {
                            column.source_type = None;
                        }
                    }
                }
                columns
            }
        }
    }

    /// Types of the columns that leave this relation.
    pub fn types(&self) -> Vec<DataType> {
        self.columns().into_iter().map(|column| column.data_type).collect()
    }

    /// Direct inputs.
    pub fn inputs(&self) -> Vec<&Relation> {
        match self {
            Relation::Scan { .. } => Vec::new(),
            Relation::Filter { input, .. }
            | Relation::Project { input, .. }
            | Relation::Aggregate { input, .. }
            | Relation::Sort { input, .. }
            | Relation::Limit { input, .. }
            | Relation::Distinct { input } => vec![input],
            Relation::Join { left, right, .. } => vec![left, right],
            Relation::UnionAll { inputs } => inputs.iter().collect(),
        }
    }

    /// Calls `change` for every value that is not known yet.
    pub fn for_each_parameter(&mut self, change: &mut impl FnMut(&mut Expr)) {
        match self {
            Relation::Scan { .. } => {}
            Relation::Filter { input, predicate } => {
                predicate.for_each_parameter(change);
                input.for_each_parameter(change);
            }
            Relation::Project { input, .. }
            | Relation::Aggregate { input, .. }
            | Relation::Sort { input, .. }
            | Relation::Limit { input, .. }
            | Relation::Distinct { input } => input.for_each_parameter(change),
            Relation::Join { left, right, .. } => {
                left.for_each_parameter(change);
                right.for_each_parameter(change);
            }
            Relation::UnionAll { inputs } => inputs.iter_mut().for_each(|input| input.for_each_parameter(change)),
        }
    }

    /// The relation without the rows whose value in `column` fails a condition, which stands as low as it means the same:
    /// rows of groups that nobody wants are not grouped. `condition` gets the column's position there.
    #[must_use]
    pub fn restricted(self, column: usize, condition: impl FnOnce(usize) -> Expr) -> Self {
        match self {
            Relation::Project { input, outputs } => match outputs.get(column).map(|output| &output.expr) {
                Some(Expr::Column(below)) => {
                    let below = *below;
                    Relation::Project { input: Box::new(input.restricted(below, condition)), outputs }
                }
                _ => Relation::Project { input, outputs }.filtered(condition(column)),
            },
            Relation::Aggregate { input, groups, aggregates } => match groups.get(column).map(|group| &group.expr) {
                Some(Expr::Column(below)) => {
                    let below = *below;
                    Relation::Aggregate { input: Box::new(input.restricted(below, condition)), groups, aggregates }
                }
                _ => Relation::Aggregate { input, groups, aggregates }.filtered(condition(column)),
            },
            other => other.filtered(condition(column)),
        }
    }

    fn has_parameters(&self) -> bool {
        let here = matches!(self, Relation::Filter { predicate, .. } if predicate.has_parameter());
        here || self.inputs().into_iter().any(Relation::has_parameters)
    }

    fn filtered(self, predicate: Expr) -> Self {
        Relation::Filter { input: Box::new(self), predicate }
    }

    /// The first table, when each row of it adds rows of its own to the result.
    fn row_by_row(&self) -> Option<&TableName> {
        match self {
            Relation::Scan { table, .. } => Some(table),
            Relation::Filter { input, .. } | Relation::Project { input, .. } => input.row_by_row(),
            Relation::Join { left, kind, .. } => match kind {
                JoinKind::Inner | JoinKind::Left | JoinKind::LeftSemi | JoinKind::LeftAnti => left.row_by_row(),
                JoinKind::Right | JoinKind::Full => None,
            },
            _ => None,
        }
    }

    /// Tables read, in the order they appear.
    pub fn tables(&self) -> Vec<&TableName> {
        match self {
            Relation::Scan { table, .. } => vec![table],
            _ => self.inputs().into_iter().flat_map(Relation::tables).collect(),
        }
    }
}

impl Output {
    fn column(&self, input: &[RelationColumn]) -> RelationColumn {
        let plain = match &self.expr {
            Expr::Column(index) => input.get(*index),
            _ => None,
        };
        RelationColumn {
            name: self.name.clone(),
            data_type: self.data_type.clone(),
            nullable: self.nullable,
            source_type: plain.and_then(|column| column.source_type.clone()),
            text: plain.map_or(TextSemantics::Binary, |column| column.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(nullable: bool, source_type: &str, text: TextSemantics) -> Relation {
        let source_type = source_type.into();
        let column = ScanColumn { name: "c".into(), source_type, data_type: DataType::Utf8View, nullable, text };
        Relation::Scan { table: TableName { schema: None, table: "t".into() }, columns: vec![column] }
    }

    #[test]
    fn a_condition_on_a_group_goes_below_the_grouping() {
        let group =
            |at| Output { name: "g".into(), expr: Expr::Column(at), data_type: DataType::Utf8View, nullable: false };
        let grouped =
            |input| Relation::Aggregate { input: Box::new(input), groups: vec![group(0)], aggregates: Vec::new() };
        let plain = scan(false, "TEXT", TextSemantics::Binary);
        let is_null = |at| Expr::IsNull { expr: Box::new(Expr::Column(at)), negated: true };
        let filtered = Relation::Filter { input: Box::new(plain.clone()), predicate: is_null(0) };
        assert_eq!(grouped(plain.clone()).restricted(0, is_null), grouped(filtered));
        let limited = Relation::Limit { input: Box::new(plain), skip: 0, fetch: Some(1) };
        let above = Relation::Filter { input: Box::new(limited.clone()), predicate: is_null(0) };
        assert_eq!(limited.restricted(0, is_null), above, "a limit counts the rows that fail too");
    }

    #[test]
    fn a_union_promises_only_what_every_input_does() {
        let binary = scan(false, "TEXT", TextSemantics::Binary);
        let loose = scan(true, "NTEXT", TextSemantics::Loose);
        for inputs in [vec![binary.clone(), loose.clone()], vec![loose, binary]] {
            let columns = Relation::UnionAll { inputs }.columns();
            assert_eq!((columns[0].nullable, columns[0].text), (true, TextSemantics::Loose));
            assert_eq!(columns[0].source_type, None);
        }
    }
}
