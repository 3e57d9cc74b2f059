//! Expressions of a remote plan. Types are explicit: an expression reads the same on every source.

use std::borrow::Cow;

use arrow_schema::DataType;
use serde::{Deserialize, Serialize};

/// An expression over the columns of a relation's input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expr {
    /// Column of the input, by position.
    Column(usize),
    Literal(Literal),
    /// A value that is not known while planning: of a subquery that runs first. It stands for any literal of its type, only
    /// in the predicate of a filter, and is replaced by a literal before the plan is opened.
    Parameter {
        index: usize,
        data_type: DataType,
    },
    /// Operands have one type, except that decimals may differ in precision and scale.
    Compare {
        op: CompareOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// Both operands already have the result's type class. Integers: overflow is an error, `/` truncates towards zero.
    Arithmetic {
        op: ArithmeticOp,
        left: Box<Expr>,
        right: Box<Expr>,
        data_type: DataType,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    IsNull {
        expr: Box<Expr>,
        negated: bool,
    },
    /// SQL's IN with NULL semantics; the list holds no NULL.
    InList {
        expr: Box<Expr>,
        list: Vec<Literal>,
        negated: bool,
    },
    /// `%` and `_`, escape character `escape` or none at all; byte-wise, unless `case_insensitive`.
    Like {
        expr: Box<Expr>,
        pattern: String,
        escape: Option<char>,
        negated: bool,
        case_insensitive: bool,
    },
    /// The first branch whose condition is true; NULL when none is and there is no `otherwise`.
    Case {
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
        data_type: DataType,
    },
    Cast {
        expr: Box<Expr>,
        to: DataType,
    },
    Function {
        function: Function,
        args: Vec<Expr>,
        data_type: DataType,
    },
}

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompareOp {
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
    IsDistinctFrom,
    IsNotDistinctFrom,
}

/// Arithmetic operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// Scalar functions with one exact meaning, the one DataFusion gives them. A source lists those it computes alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// Absolute value.
    Abs,
    /// Simple lower case of ASCII and Unicode letters.
    Lower,
    Upper,
    /// Characters, not bytes.
    CharLength,
    /// Bytes.
    OctetLength,
    /// `substr(text, start from 1, count)`.
    Substring,
    Trim,
    LeftTrim,
    RightTrim,
    Concat,
    Coalesce,
    NullIf,
    /// Field of a date or timestamp, as integer.
    Year,
    Month,
    Day,
    /// Towards minus infinity.
    Floor,
    Ceil,
    Round,
    /// The condition it is given, which few rows meet: a hint for planners that look at nothing else.
    Rare,
}

/// A typed value. Text form is decided by each source's own printer, never here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Literal {
    Null(DataType),
    Boolean(bool),
    Int(i64),
    UInt(u64),
    /// `unscaled` is a decimal integer of at most 76 digits, with sign; value = unscaled / 10^scale.
    Decimal {
        unscaled: String,
        precision: u8,
        scale: i8,
    },
    Float(f64),
    Text(String),
    Binary(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 1970-01-01T00:00:00, in UTC when `utc`.
    Timestamp {
        micros: i64,
        utc: bool,
    },
    Interval {
        months: i32,
        days: i32,
        nanos: i64,
    },
}

/// Aggregate functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AggregateFunction {
    /// `count(*)`: no argument.
    CountRows,
    Count,
    Sum,
    Min,
    Max,
}

/// One aggregate of an aggregation. AVG never occurs: it is split into sum and count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Aggregate {
    pub function: AggregateFunction,
    /// None only for [`AggregateFunction::CountRows`].
    pub argument: Option<Expr>,
    pub distinct: bool,
    pub filter: Option<Expr>,
}

impl Expr {
    /// A condition that few rows meet; see [`Function::Rare`].
    pub fn rare(condition: Expr) -> Self {
        Expr::Function { function: Function::Rare, args: vec![condition], data_type: DataType::Boolean }
    }

    /// `left op right`.
    pub fn compare(op: CompareOp, left: Expr, right: Expr) -> Self {
        Expr::Compare { op, left: Box::new(left), right: Box::new(right) }
    }

    /// Conjunction of predicates; one predicate stays itself.
    pub fn and(mut predicates: Vec<Expr>) -> Self {
        if predicates.len() == 1 { predicates.remove(0) } else { Expr::And(predicates) }
    }

    /// Direct operands.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Column(_) | Expr::Literal(_) | Expr::Parameter { .. } => Vec::new(),
            Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => vec![left, right],
            Expr::And(list) | Expr::Or(list) => list.iter().collect(),
            Expr::Not(expr) | Expr::Negate(expr) | Expr::IsNull { expr, .. } => vec![expr],
            Expr::InList { expr, .. } | Expr::Like { expr, .. } | Expr::Cast { expr, .. } => vec![expr],
            Expr::Case { branches, otherwise, .. } => {
                let mut all: Vec<&Expr> = branches.iter().flat_map(|(when, then)| [when, then]).collect();
                all.extend(otherwise.as_deref());
                all
            }
            Expr::Function { args, .. } => args.iter().collect(),
        }
    }

    /// Calls `change` for the expression, after everything inside it.
    pub fn for_each(&mut self, change: &mut impl FnMut(&mut Expr)) {
        match self {
            Expr::Column(_) | Expr::Literal(_) | Expr::Parameter { .. } => {}
            Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => {
                left.for_each(change);
                right.for_each(change);
            }
            Expr::And(list) | Expr::Or(list) | Expr::Function { args: list, .. } => {
                list.iter_mut().for_each(|expr| expr.for_each(change));
            }
            Expr::Not(expr) | Expr::Negate(expr) | Expr::IsNull { expr, .. } => expr.for_each(change),
            Expr::InList { expr, .. } | Expr::Like { expr, .. } | Expr::Cast { expr, .. } => expr.for_each(change),
            Expr::Case { branches, otherwise, .. } => {
                for (when, then) in branches {
                    when.for_each(change);
                    then.for_each(change);
                }
                otherwise.iter_mut().for_each(|expr| expr.for_each(change));
            }
        }
        change(self);
    }

    /// Calls `change` for every column position in the expression.
    pub fn for_each_column(&mut self, change: &mut impl FnMut(&mut usize)) {
        self.for_each(&mut |expr| {
            if let Expr::Column(index) = expr {
                change(index);
            }
        });
    }

    /// Whether a value in it is not known yet.
    pub fn has_parameter(&self) -> bool {
        matches!(self, Expr::Parameter { .. }) || self.children().into_iter().any(Expr::has_parameter)
    }

    /// Calls `change` for every value in it that is not known yet.
    pub fn for_each_parameter(&mut self, change: &mut impl FnMut(&mut Expr)) {
        self.for_each(&mut |expr| {
            if matches!(expr, Expr::Parameter { .. }) {
                change(expr);
            }
        });
    }

    /// The expression as a source is asked about it before its values are known: with some value for each parameter.
    pub fn sampled(&self) -> Cow<'_, Expr> {
        if !self.has_parameter() {
            return Cow::Borrowed(self);
        }
        let mut expr = self.clone();
        expr.for_each_parameter(&mut |parameter| {
            let data_type = parameter.data_type(&[]);
            *parameter = Expr::Literal(Literal::sample(&data_type).unwrap_or(Literal::Null(data_type)));
        });
        Cow::Owned(expr)
    }

    /// Type of the value, given the types of the input columns.
    pub fn data_type(&self, input: &[DataType]) -> DataType {
        match self {
            Expr::Column(index) => input.get(*index).cloned().unwrap_or(DataType::Null),
            Expr::Literal(literal) => literal.data_type(),
            Expr::Parameter { data_type, .. }
            | Expr::Arithmetic { data_type, .. }
            | Expr::Case { data_type, .. }
            | Expr::Function { data_type, .. } => data_type.clone(),
            Expr::Cast { to, .. } => to.clone(),
            Expr::Negate(expr) => expr.data_type(input),
            Expr::Compare { .. } | Expr::And(_) | Expr::Or(_) | Expr::Not(_) | Expr::IsNull { .. } => DataType::Boolean,
            Expr::InList { .. } | Expr::Like { .. } => DataType::Boolean,
        }
    }
}

impl Literal {
    /// Some value of a type that [`Literal::data_type`] gives; none for the others.
    pub fn sample(data_type: &DataType) -> Option<Literal> {
        use arrow_schema::TimeUnit;
        Some(match data_type {
            DataType::Boolean => Literal::Boolean(true),
            DataType::Int64 => Literal::Int(1),
            DataType::UInt64 => Literal::UInt(1),
            DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
                Literal::Decimal { unscaled: "1".into(), precision: *precision, scale: *scale }
            }
            DataType::Float64 => Literal::Float(1.0),
            DataType::Utf8View => Literal::Text("a".into()),
            DataType::Date32 => Literal::Date(1),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => Literal::Timestamp { micros: 1, utc: zone.is_some() },
            _ => return None,
        })
    }

    /// The value's Arrow type.
    pub fn data_type(&self) -> DataType {
        use arrow_schema::{IntervalUnit, TimeUnit};
        match self {
            Literal::Null(data_type) => data_type.clone(),
            Literal::Boolean(_) => DataType::Boolean,
            Literal::Int(_) => DataType::Int64,
            Literal::UInt(_) => DataType::UInt64,
            Literal::Decimal { precision, scale, .. } if *precision <= 38 => DataType::Decimal128(*precision, *scale),
            Literal::Decimal { precision, scale, .. } => DataType::Decimal256(*precision, *scale),
            Literal::Float(_) => DataType::Float64,
            Literal::Text(_) => DataType::Utf8View,
            Literal::Binary(_) => DataType::Binary,
            Literal::Date(_) => DataType::Date32,
            Literal::Time(_) => DataType::Time64(TimeUnit::Microsecond),
            Literal::Timestamp { utc, .. } => DataType::Timestamp(TimeUnit::Microsecond, utc.then(|| "UTC".into())),
            Literal::Interval { .. } => DataType::Interval(IntervalUnit::MonthDayNano),
        }
    }
}
