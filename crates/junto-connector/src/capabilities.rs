//! What a source computes exactly as Junto would, operator by operator, function by function, type by type.
//!
//! The rule: an operation is [`Support::Exact`] only when the source returns what local execution returns for every
//! value, NULLs, ties, case, trailing spaces, rounding and errors included. What is not listed is unsupported.

use std::collections::HashMap;

use arrow_schema::DataType;

use crate::catalog::TextSemantics;
use crate::costs::Costs;
use crate::expr::{AggregateFunction, ArithmeticOp, CompareOp, Expr, Function};
use crate::plan::{JoinKind, RelationColumn};

/// How well a source computes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Support {
    /// Not at all, or wrongly.
    Unsupported,
    /// As a filter it keeps every right row and perhaps more; Junto filters again.
    Superset,
    /// Exactly as Junto.
    Exact,
}

/// An operation of an [`Expr`], without its operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    Compare(CompareOp),
    Arithmetic(ArithmeticOp),
    Negate,
    IsNull,
    InList,
    Like,
    CaseInsensitiveLike,
    Case,
    /// Cast *to* the type class it is listed with.
    Cast,
    Function(Function),
    /// A literal of the class can be written.
    Literal,
}

/// Types as far as semantics of operators differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TypeClass {
    Boolean,
    Int,
    UInt,
    Decimal,
    Float,
    Text,
    Binary,
    Date,
    Time,
    /// Without a time zone.
    Timestamp,
    /// An instant.
    TimestampUtc,
    Interval,
    Other,
}

impl TypeClass {
    /// Every class.
    pub const ALL: [TypeClass; 13] = [
        TypeClass::Boolean,
        TypeClass::Int,
        TypeClass::UInt,
        TypeClass::Decimal,
        TypeClass::Float,
        TypeClass::Text,
        TypeClass::Binary,
        TypeClass::Date,
        TypeClass::Time,
        TypeClass::Timestamp,
        TypeClass::TimestampUtc,
        TypeClass::Interval,
        TypeClass::Other,
    ];

    /// Class of an Arrow type.
    pub fn of(data_type: &DataType) -> Self {
        use DataType as T;
        match data_type {
            T::Boolean => TypeClass::Boolean,
            T::Int8 | T::Int16 | T::Int32 | T::Int64 => TypeClass::Int,
            T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => TypeClass::UInt,
            T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) | T::Decimal256(..) => TypeClass::Decimal,
            T::Float16 | T::Float32 | T::Float64 => TypeClass::Float,
            T::Utf8 | T::LargeUtf8 | T::Utf8View => TypeClass::Text,
            T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => TypeClass::Binary,
            T::Date32 | T::Date64 => TypeClass::Date,
            T::Time32(_) | T::Time64(_) => TypeClass::Time,
            T::Timestamp(_, None) => TypeClass::Timestamp,
            T::Timestamp(_, Some(_)) => TypeClass::TimestampUtc,
            T::Interval(_) | T::Duration(_) => TypeClass::Interval,
            _ => TypeClass::Other,
        }
    }
}

/// Reading only rows whose key columns hold one of the given values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySupport {
    /// Classes a key column may have. A source may refuse single columns in [`crate::Connector::accepts_keys`].
    pub types: Vec<TypeClass>,
    /// Keys one query takes; more are sent in several queries.
    pub max_per_query: usize,
    /// Whether a key may consist of several columns.
    pub composite: bool,
}

/// How the generator of a source treats text whose collation is not that of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TextComparison {
    /// Compares as the column's [`TextSemantics`] say.
    #[default]
    Declared,
    /// Writes every comparison, order and group so that bytes decide, whatever the collation.
    ForcedBinary,
}

/// Everything a source declares. [`Capabilities::none`] reads whole tables and nothing else.
#[derive(Debug, Clone, Default)]
pub struct Capabilities {
    /// Support per operation and class of its *operands* (for [`Operation::Cast`]: of its result).
    pub expressions: HashMap<(Operation, TypeClass), Support>,
    pub text: TextComparison,
    pub filter: bool,
    /// Computed columns, not only chosen ones.
    pub project: bool,
    pub limit: bool,
    /// Sorting, with NULLs where the plan says.
    pub sort: bool,
    pub distinct: bool,
    pub union_all: bool,
    pub joins: Vec<JoinKind>,
    /// Conditions of a semi- or anti-join beside its equalities, at most; none for any number.
    pub semi_join_conditions: Option<usize>,
    pub aggregates: Vec<AggregateFunction>,
    pub keys: Option<KeySupport>,
    /// Connections that may read parts of one plan at once, beyond the first; see [`crate::Connector::open_parallel`].
    pub parallel: bool,
    /// What work costs there.
    pub costs: Costs,
    /// Longest statement the source takes, in bytes.
    pub max_statement_bytes: usize,
}

impl Capabilities {
    /// A source that delivers chosen columns of whole tables.
    pub fn none() -> Self {
        Self { max_statement_bytes: 1 << 20, ..Self::default() }
    }

    /// Adds operations for classes, all with one support.
    #[must_use]
    pub fn with(mut self, operations: &[Operation], classes: &[TypeClass], support: Support) -> Self {
        for operation in operations {
            for class in classes {
                self.expressions.insert((*operation, *class), support);
            }
        }
        self
    }

    fn listed(&self, operation: Operation, class: TypeClass) -> Support {
        self.expressions.get(&(operation, class)).copied().unwrap_or(Support::Unsupported)
    }

    /// How well the source computes `expr` over a relation with these columns.
    ///
    /// [`Support::Superset`] can only come from a predicate, and never from under NOT.
    pub fn support(&self, expr: &Expr, input: &[RelationColumn]) -> Support {
        let types: Vec<DataType> = input.iter().map(|column| column.data_type.clone()).collect();
        self.support_typed(expr, input, &types)
    }

    fn support_typed(&self, expr: &Expr, input: &[RelationColumn], types: &[DataType]) -> Support {
        let class = |expr: &Expr| TypeClass::of(&expr.data_type(types));
        let all = |children: &[&Expr]| {
            children.iter().map(|child| self.support_typed(child, input, types)).min().unwrap_or(Support::Exact)
        };
        let exact = |children: &[&Expr]| {
            if all(children) == Support::Exact { Support::Exact } else { Support::Unsupported }
        };
        let children = expr.children();
        match expr {
            Expr::Column(index) if *index < input.len() => Support::Exact,
            Expr::Column(_) => Support::Unsupported,
            Expr::Literal(literal) => self.listed(Operation::Literal, TypeClass::of(&literal.data_type())),
            Expr::Parameter { data_type, .. } => self.listed(Operation::Literal, TypeClass::of(data_type)),
            Expr::And(_) | Expr::Or(_) => all(&children),
            Expr::Not(_) => exact(&children),
            Expr::Compare { op, left, right } => exact(&children)
                .min(self.listed(Operation::Compare(*op), class(left)))
                .min(self.listed(Operation::Compare(*op), class(right)))
                .min(self.text_support(&children, input, is_order(*op), is_negative(*op))),
            Expr::InList { expr: tested, list, negated } => {
                let literals = list
                    .iter()
                    .map(|literal| self.listed(Operation::Literal, TypeClass::of(&literal.data_type())))
                    .min();
                exact(&children)
                    .min(literals.unwrap_or(Support::Exact))
                    .min(self.listed(Operation::InList, class(tested)))
                    .min(self.text_support(&children, input, false, *negated))
            }
            Expr::Like { expr: tested, negated, case_insensitive, .. } => {
                let operation = if *case_insensitive { Operation::CaseInsensitiveLike } else { Operation::Like };
                exact(&children)
                    .min(self.listed(operation, class(tested)))
                    .min(self.text_support(&children, input, false, *negated))
            }
            Expr::IsNull { expr: tested, .. } => exact(&children).min(self.listed(Operation::IsNull, class(tested))),
            Expr::Negate(inner) => exact(&children).min(self.listed(Operation::Negate, class(inner))),
            Expr::Arithmetic { op, left, right, .. } => exact(&children)
                .min(self.listed(Operation::Arithmetic(*op), class(left)))
                .min(self.listed(Operation::Arithmetic(*op), class(right))),
            Expr::Case { data_type, .. } => {
                exact(&children).min(self.listed(Operation::Case, TypeClass::of(data_type)))
            }
            Expr::Cast { to, .. } => exact(&children)
                .min(self.listed(Operation::Cast, TypeClass::of(to)))
                .min(self.text_support(&children, input, true, true)),
            Expr::Function { function, args, .. } => {
                let listed = args.iter().map(|arg| self.listed(Operation::Function(*function), class(arg))).min();
                exact(&children)
                    .min(listed.unwrap_or(Support::Unsupported))
                    .min(self.text_support(&children, input, false, true))
            }
        }
    }

    /// What collations and renderings among the plain columns leave of a comparison.
    fn text_support(&self, operands: &[&Expr], input: &[RelationColumn], order: bool, negative: bool) -> Support {
        let of = |expr: &&Expr| match expr {
            Expr::Column(index) => input.get(*index).map_or(TextSemantics::Opaque, |column| column.text),
            _ => TextSemantics::Binary,
        };
        let forced = self.text == TextComparison::ForcedBinary;
        operands
            .iter()
            .map(|operand| match of(operand) {
                TextSemantics::Binary => Support::Exact,
                TextSemantics::Opaque => Support::Unsupported,
                _ if forced => Support::Exact,
                TextSemantics::BinaryEquality if order => Support::Unsupported,
                TextSemantics::BinaryEquality => Support::Exact,
                TextSemantics::Loose if order || negative => Support::Unsupported,
                TextSemantics::Loose => Support::Superset,
            })
            .min()
            .unwrap_or(Support::Exact)
    }
}

fn is_order(op: CompareOp) -> bool {
    matches!(op, CompareOp::Lt | CompareOp::LtEq | CompareOp::Gt | CompareOp::GtEq)
}

fn is_negative(op: CompareOp) -> bool {
    matches!(op, CompareOp::NotEq | CompareOp::IsDistinctFrom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Literal;

    fn text_column(text: TextSemantics) -> Vec<RelationColumn> {
        vec![RelationColumn {
            name: "c".into(),
            data_type: DataType::Utf8View,
            nullable: true,
            source_type: None,
            text,
        }]
    }

    fn comparing(op: CompareOp) -> Expr {
        Expr::compare(op, Expr::Column(0), Expr::Literal(Literal::Text("a".into())))
    }

    #[test]
    fn a_loose_collation_is_a_superset_for_equality_and_nothing_for_the_rest() {
        let capabilities = Capabilities::none().with(
            &[
                Operation::Compare(CompareOp::Eq),
                Operation::Compare(CompareOp::NotEq),
                Operation::Compare(CompareOp::Lt),
                Operation::Literal,
            ],
            &[TypeClass::Text],
            Support::Exact,
        );
        let support = |op, text| capabilities.support(&comparing(op), &text_column(text));
        assert_eq!(support(CompareOp::Eq, TextSemantics::Binary), Support::Exact);
        assert_eq!(support(CompareOp::Eq, TextSemantics::Loose), Support::Superset);
        assert_eq!(support(CompareOp::NotEq, TextSemantics::Loose), Support::Unsupported);
        assert_eq!(support(CompareOp::Lt, TextSemantics::BinaryEquality), Support::Unsupported);
        assert_eq!(support(CompareOp::Eq, TextSemantics::Opaque), Support::Unsupported);
        let negated = Expr::Not(Box::new(comparing(CompareOp::Eq)));
        assert_eq!(capabilities.support(&negated, &text_column(TextSemantics::Loose)), Support::Unsupported);
    }

    #[test]
    fn what_is_not_listed_is_unsupported() {
        let capabilities = Capabilities::none();
        assert_eq!(
            capabilities.support(&comparing(CompareOp::Eq), &text_column(TextSemantics::Binary)),
            Support::Unsupported
        );
    }
}
