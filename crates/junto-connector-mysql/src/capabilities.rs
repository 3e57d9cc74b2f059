//! What MySQL and MariaDB compute exactly as Junto does. Each line here has a case in the tests that run it on both.

use arrow_schema::DataType;
use junto_connector::capabilities::{KeySupport, TextComparison};
use junto_connector::expr::{AggregateFunction, ArithmeticOp, CompareOp};
use junto_connector::plan::{JoinKind, RelationColumn};
use junto_connector::{Capabilities, Expr, Function, Literal, Operation, Support, TypeClass};
use junto_connector_sql::can_express;

use crate::costs;
use crate::dialect::{MySqlDialect, most_digits, widens};

/// Keys of one query: longer lists cost the server more per key.
pub(crate) const MAX_KEYS: usize = 10_000;

const COMPARISONS: [Operation; 6] = [
    Operation::Compare(CompareOp::Eq),
    Operation::Compare(CompareOp::NotEq),
    Operation::Compare(CompareOp::Lt),
    Operation::Compare(CompareOp::LtEq),
    Operation::Compare(CompareOp::Gt),
    Operation::Compare(CompareOp::GtEq),
];

/// What is declared. [`support`] narrows it by values and by the server's own types.
pub(crate) fn declared(max_statement_bytes: usize) -> Capabilities {
    use TypeClass as C;
    let compared = [C::Int, C::UInt, C::Decimal, C::Float, C::Text, C::Binary, C::Date, C::Timestamp, C::TimestampUtc];
    let listed = [C::Int, C::UInt, C::Decimal, C::Text, C::Binary, C::Date, C::Timestamp, C::TimestampUtc];
    let distinct = [
        Operation::Compare(CompareOp::IsDistinctFrom),
        Operation::Compare(CompareOp::IsNotDistinctFrom),
        Operation::InList,
    ];
    let arithmetic = [
        Operation::Arithmetic(ArithmeticOp::Add),
        Operation::Arithmetic(ArithmeticOp::Subtract),
        Operation::Arithmetic(ArithmeticOp::Multiply),
        Operation::Negate,
    ];
    let fields =
        [Operation::Function(Function::Year), Operation::Function(Function::Month), Operation::Function(Function::Day)];
    let text = [
        Operation::Like,
        Operation::Function(Function::CharLength),
        Operation::Function(Function::OctetLength),
        Operation::Function(Function::Substring),
    ];
    let mut capabilities = Capabilities::none()
        .with(&COMPARISONS, &compared, Support::Exact)
        .with(&distinct, &listed, Support::Exact)
        .with(&[Operation::Literal], &compared, Support::Exact)
        .with(&[Operation::IsNull], &TypeClass::ALL, Support::Exact)
        .with(&arithmetic, &[C::Int, C::Decimal], Support::Exact)
        .with(&[Operation::Case], &[C::Int, C::Decimal, C::Text, C::Date], Support::Exact)
        .with(&[Operation::Function(Function::Coalesce)], &[C::Int, C::Decimal, C::Text, C::Date], Support::Exact)
        .with(&[Operation::Cast], &[C::Int, C::Decimal, C::Timestamp], Support::Exact)
        .with(&fields, &[C::Date, C::Timestamp, C::TimestampUtc], Support::Exact)
        .with(&text, &[C::Text], Support::Exact)
        // The positions and lengths of SUBSTRING.
        .with(&[Operation::Function(Function::Substring)], &[C::Int], Support::Exact)
        .with(&[Operation::Literal, COMPARISONS[0], COMPARISONS[1]], &[C::Boolean], Support::Exact);
    capabilities.text = TextComparison::ForcedBinary;
    capabilities.filter = true;
    capabilities.project = true;
    capabilities.limit = true;
    capabilities.sort = true;
    capabilities.distinct = true;
    capabilities.union_all = true;
    capabilities.joins = vec![JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::LeftSemi, JoinKind::LeftAnti];
    capabilities.aggregates = vec![
        AggregateFunction::CountRows,
        AggregateFunction::Count,
        AggregateFunction::Sum,
        AggregateFunction::Min,
        AggregateFunction::Max,
    ];
    capabilities.keys = Some(KeySupport {
        types: vec![C::Int, C::UInt, C::Decimal, C::Text, C::Binary, C::Date, C::Timestamp, C::TimestampUtc],
        max_per_query: MAX_KEYS,
        composite: true,
    });
    capabilities.parallel = true;
    capabilities.costs = costs::measured();
    capabilities.max_statement_bytes = max_statement_bytes;
    capabilities
}

/// How well the server computes `expr`, its values and the server's own types considered.
pub(crate) fn support(capabilities: &Capabilities, expr: &Expr, input: &[RelationColumn]) -> Support {
    let declared = capabilities.support(expr, input);
    if declared == Support::Unsupported {
        return declared;
    }
    let types: Vec<DataType> = input.iter().map(|column| column.data_type.clone()).collect();
    let scope = Scope { input, types: &types };
    if scope.is_exact(expr) && can_express(&MySqlDialect::plain(), expr, input) {
        declared
    } else {
        Support::Unsupported
    }
}

/// The columns an expression can use.
#[derive(Clone, Copy)]
struct Scope<'a> {
    input: &'a [RelationColumn],
    types: &'a [DataType],
}

impl Scope<'_> {
    fn is_exact(self, expr: &Expr) -> bool {
        self.is_exact_here(expr) && expr.children().into_iter().all(|child| self.is_exact(child))
    }

    fn is_exact_here(self, expr: &Expr) -> bool {
        match expr {
            Expr::Compare { left, right, .. } => self.compares(left, right) && self.compares(right, left),
            Expr::InList { expr, list, .. } => {
                list.iter().all(|literal| self.compares(expr, &Expr::Literal(literal.clone())))
            }
            Expr::IsNull { expr, .. } => !self.is_date_read_as_text(expr),
            Expr::Arithmetic { op, left, right, data_type } => self.computes(*op, left, right, data_type),
            Expr::Negate(inner) => {
                matches!(self.data_type(inner), DataType::Int64 | DataType::Decimal128(..) | DataType::Decimal256(..))
            }
            Expr::Cast { expr, to } => casts(&self.data_type(expr), to),
            Expr::Case { branches, otherwise, data_type } => branches
                .iter()
                .map(|(_, then)| then)
                .chain(otherwise.as_deref())
                .all(|then| self.is_of(then, data_type)),
            Expr::Function { function: Function::Coalesce, args, data_type } => {
                args.iter().all(|arg| self.is_of(arg, data_type))
            }
            Expr::Function { function: Function::Substring, args, .. } => substring_is_exact(args),
            _ => true,
        }
    }

    /// Whether comparing the first operand with the second means the same on the server.
    fn compares(self, operand: &Expr, other: &Expr) -> bool {
        let (class, other_class) = (TypeClass::of(&self.data_type(operand)), TypeClass::of(&self.data_type(other)));
        let is_whole = |class| matches!(class, TypeClass::Int | TypeClass::UInt);
        if class != other_class && !(is_whole(class) && is_whole(other_class)) {
            return false;
        }
        match (operand, other, class) {
            // -0 and 0 are one value for the server and two for Arrow.
            (Expr::Literal(Literal::Float(value)), _, _) => value.is_finite() && *value != 0.0,
            (Expr::Column(_), Expr::Literal(_), TypeClass::Float) => self.data_type(operand) == DataType::Float64,
            (_, _, TypeClass::Float) => false,
            (Expr::Column(_), _, TypeClass::Binary) => {
                self.source_type_starts(operand, &["binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"])
            }
            // The server takes 5 for the year 2005.
            (Expr::Column(_), _, TypeClass::Int) if self.source_type_starts(operand, &["year"]) => {
                matches!(other, Expr::Literal(Literal::Int(1901..=2155)))
            }
            _ => true,
        }
    }

    /// Integers in 64 bits; decimals whose result keeps every place and cannot outgrow Junto's 38 digits.
    fn computes(self, op: ArithmeticOp, left: &Expr, right: &Expr, data_type: &DataType) -> bool {
        let DataType::Decimal128(_, planned_scale) = data_type else {
            let types = [self.data_type(left), self.data_type(right), data_type.clone()];
            return types.iter().all(|data_type| *data_type == DataType::Int64);
        };
        let (Some(left), Some(right)) = (self.digits(left), self.digits(right)) else { return false };
        let result = Digits::of_result(op, left, right);
        result.scale == i16::from(*planned_scale) && result.whole + result.scale <= 38 && result.scale <= 30
    }

    /// Room that the values of a decimal expression need.
    fn digits(self, expr: &Expr) -> Option<Digits> {
        match expr {
            Expr::Literal(Literal::Decimal { unscaled, scale, .. }) => {
                let digits = unscaled.trim_start_matches('-').trim_start_matches('0').len() as i16;
                let scale = i16::from(*scale);
                (scale >= 0).then(|| Digits { whole: (digits - scale).max(0), scale })
            }
            Expr::Cast { expr, to: DataType::Decimal128(_, 0) } if matches!(**expr, Expr::Literal(Literal::Int(_))) => {
                let Expr::Literal(Literal::Int(value)) = **expr else { return None };
                Some(Digits { whole: value.unsigned_abs().to_string().len() as i16, scale: 0 })
            }
            Expr::Negate(inner) => self.digits(inner),
            Expr::Arithmetic { op, left, right, .. } => {
                Some(Digits::of_result(*op, self.digits(left)?, self.digits(right)?))
            }
            other => match self.data_type(other) {
                DataType::Decimal128(precision, scale) if scale >= 0 => {
                    Some(Digits { whole: i16::from(precision) - i16::from(scale), scale: i16::from(scale) })
                }
                _ => None,
            },
        }
    }

    /// Whether a value needs no change to be of this type.
    fn is_of(self, expr: &Expr, wanted: &DataType) -> bool {
        let found = self.data_type(expr);
        found == *wanted || widens(&found, wanted) || matches!(expr, Expr::Literal(Literal::Null(_)))
    }

    /// Servers call a NOT NULL date with zeros NULL.
    fn is_date_read_as_text(self, expr: &Expr) -> bool {
        TypeClass::of(&self.data_type(expr)) == TypeClass::Text
            && self.source_type_starts(expr, &["date", "datetime", "timestamp"])
    }

    fn source_type_starts(self, expr: &Expr, names: &[&str]) -> bool {
        let Expr::Column(index) = expr else { return false };
        let spelled = self.input.get(*index).and_then(|column| column.source_type.as_deref()).unwrap_or_default();
        let name = spelled.split(['(', ' ']).next().unwrap_or_default();
        names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted))
    }

    fn data_type(self, expr: &Expr) -> DataType {
        expr.data_type(self.types)
    }
}

/// Digits before and after the point.
#[derive(Debug, Clone, Copy)]
struct Digits {
    whole: i16,
    scale: i16,
}

impl Digits {
    fn of_result(op: ArithmeticOp, left: Self, right: Self) -> Self {
        match op {
            ArithmeticOp::Multiply => Self { whole: left.whole + right.whole, scale: left.scale + right.scale },
            _ => Self { whole: left.whole.max(right.whole) + 1, scale: left.scale.max(right.scale) },
        }
    }
}

/// Casts that lose nothing and fail never.
fn casts(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        _ if widens(from, to) => true,
        (DataType::UInt8 | DataType::UInt16 | DataType::UInt32, DataType::Int64) => true,
        (DataType::Decimal128(p, s), DataType::Decimal128(wider_p, wider_s)) => {
            s <= wider_s && i16::from(*p) - i16::from(*s) <= i16::from(*wider_p) - i16::from(*wider_s) && *wider_s <= 30
        }
        (whole, DataType::Decimal128(p, s)) if (0..=30).contains(s) => {
            most_digits(whole).is_some_and(|digits| i16::from(digits) <= i16::from(*p) - i16::from(*s))
        }
        (DataType::Date32, DataType::Timestamp(_, None)) => true,
        _ => false,
    }
}

/// From a character that is there, for a count that is not negative: for other positions servers count from the end.
fn substring_is_exact(args: &[Expr]) -> bool {
    match args {
        [_, Expr::Literal(Literal::Int(from))] => *from >= 1,
        [_, Expr::Literal(Literal::Int(from)), Expr::Literal(Literal::Int(count))] => *from >= 1 && *count >= 0,
        _ => false,
    }
}
