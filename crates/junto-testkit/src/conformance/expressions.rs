//! Every claimed operation on every claimed type, over the edge values of the widest table.

use arrow_schema::{DataType, TimeUnit};
use junto_connector::expr::{ArithmeticOp, CompareOp};
use junto_connector::plan::Relation;
use junto_connector::{Expr, Function, Literal, TypeClass};

use super::catalog::Tables;
use super::evaluate::{Failure, evaluate};
use super::plans::{column, compare, filter, int, literal, plan, project, scan};
use super::relation::Table;
use super::report::Report;
use super::subject::Subject;
use super::value::Value;
use super::verify::verify;

const COMPARISONS: [CompareOp; 8] = [
    CompareOp::Eq,
    CompareOp::NotEq,
    CompareOp::Lt,
    CompareOp::LtEq,
    CompareOp::Gt,
    CompareOp::GtEq,
    CompareOp::IsDistinctFrom,
    CompareOp::IsNotDistinctFrom,
];

/// A column of the widest table under test. Plans scan the table's first column, then this one.
struct Tested<'a> {
    table: &'a Table,
    index: usize,
    name: &'a str,
    data_type: &'a DataType,
    class: TypeClass,
}

impl Tested<'_> {
    fn scan(&self) -> Relation {
        scan(&self.table.info, &[self.table.info.columns[0].name.as_str(), self.name])
    }

    /// Values of the column as literals, without NULL and without duplicates, and neighbours of them.
    fn literals(&self) -> Vec<Literal> {
        let mut literals: Vec<Literal> = Vec::new();
        let values = self.table.rows.iter().map(|row| row[self.index].clone());
        let more = match self.class {
            TypeClass::Int => vec![Value::Int(i64::MAX.into()), Value::Int(40_000)],
            TypeClass::Text => vec![Value::Text("A ".into()), Value::Text("\u{10ffff}".into())],
            TypeClass::Decimal => vec![Value::decimal("0.055", 3), Value::decimal("-99999999.995", 3)],
            _ => Vec::new(),
        };
        for value in values.chain(more) {
            if let Some(literal) = value.literal(self.data_type)
                && !literals.contains(&literal)
            {
                literals.push(literal);
            }
        }
        literals
    }
}

pub(crate) async fn check(subject: &Subject, tables: &Tables, report: &mut Report) {
    let table = tables.widest();
    for (index, info) in table.info.columns.iter().enumerate() {
        let (data_type, class) = (&info.data_type, TypeClass::of(&info.data_type));
        let tested = Tested { table, index, name: &info.name, data_type, class };
        predicates(subject, tables, &tested, report).await;
        column_pairs(subject, tables, &tested, report).await;
        for (name, expr) in scalars(&tested) {
            scalar(subject, tables, &tested, &format!("{name} on {class:?} ({})", info.source_type), expr, report)
                .await;
        }
    }
}

async fn predicates(subject: &Subject, tables: &Tables, tested: &Tested<'_>, report: &mut Report) {
    let kind = format!("{:?} ({})", tested.class, tested.table.info.columns[tested.index].source_type);
    let literals = tested.literals();
    let mut all: Vec<(String, Expr)> = Vec::new();
    for value in &literals {
        for op in COMPARISONS {
            all.push((format!("{op:?}"), compare(op, column(1), literal(value.clone()))));
        }
        let equal = compare(CompareOp::Eq, column(1), literal(value.clone()));
        all.push(("not Eq".into(), Expr::Not(Box::new(equal))));
        let less = compare(CompareOp::Lt, literal(value.clone()), column(1));
        all.push(("literal Lt column".into(), less));
    }
    for negated in [false, true] {
        all.push(("IS NULL".into(), Expr::IsNull { expr: Box::new(column(1)), negated }));
        for size in [1, 2, literals.len()] {
            if size > 0 && size <= literals.len() {
                let list = literals[..size].to_vec();
                let listed = Expr::InList { expr: Box::new(column(1)), list, negated };
                all.push((format!("rarely IN, negated {negated}"), Expr::rare(listed.clone())));
                all.push((format!("IN, negated {negated}"), listed));
            }
        }
    }
    for op in COMPARISONS {
        all.push((format!("{op:?} NULL"), compare(op, column(1), literal(Literal::Null(tested.data_type.clone())))));
    }
    if let [first, second, ..] = &literals[..] {
        let [first, second] = [first, second].map(|value| compare(CompareOp::Eq, column(1), literal(value.clone())));
        let is_null = Expr::IsNull { expr: Box::new(column(1)), negated: false };
        all.push(("OR".into(), Expr::Or(vec![first.clone(), second.clone(), is_null.clone()])));
        all.push(("AND".into(), Expr::And(vec![Expr::Not(Box::new(first.clone())), Expr::Not(Box::new(second))])));
        all.push(("NOT of OR".into(), Expr::Not(Box::new(Expr::Or(vec![first, is_null])))));
    }
    if tested.class == TypeClass::Boolean {
        all.push(("a condition itself".into(), column(1)));
        all.push(("NOT".into(), Expr::Not(Box::new(column(1)))));
    }
    if tested.class == TypeClass::Text {
        all.extend(patterns());
    }
    for (name, predicate) in all {
        let tested_plan = plan(filter(tested.scan(), predicate));
        verify(subject, &tables.all, &tested_plan, &format!("{name} on {kind}"), report).await;
    }
}

fn patterns() -> Vec<(String, Expr)> {
    let mut all = Vec::new();
    for pattern in ["a%", "A%", "%", "", "_", "__", "%b", "%\\%%", "\\__", "%'%", "ä", "%本", "a _", "a\\ ", "%\\\\%"]
    {
        for escape in [None, Some('\\'), Some('!')] {
            for (negated, case_insensitive) in [(false, false), (true, false), (false, true), (true, true)] {
                let expr = Box::new(column(1));
                let pattern = pattern.to_owned();
                let name = if case_insensitive { "ILIKE" } else { "LIKE" };
                all.push((name.to_owned(), Expr::Like { expr, pattern, escape, negated, case_insensitive }));
            }
        }
    }
    all
}

/// The column with each other column of its type.
async fn column_pairs(subject: &Subject, tables: &Tables, tested: &Tested<'_>, report: &mut Report) {
    let columns = &tested.table.info.columns;
    for other in columns.iter().skip(tested.index).filter(|other| TypeClass::of(&other.data_type) == tested.class) {
        let both = scan(&tested.table.info, &[&columns[0].name, tested.name, &other.name]);
        for op in COMPARISONS {
            let tested_plan = plan(filter(both.clone(), compare(op, column(1), column(2))));
            let group = format!("{op:?} of two columns, {:?}", tested.class);
            verify(subject, &tables.all, &tested_plan, &group, report).await;
        }
    }
}

/// Expressions that give a value, with a name for messages.
fn scalars(tested: &Tested<'_>) -> Vec<(String, Expr)> {
    let mut all = casts();
    all.extend(functions(tested));
    all.extend(arithmetic(tested));
    if let Some(value) = tested.literals().first() {
        let branch = (compare(CompareOp::Eq, column(1), literal(value.clone())), column(1));
        let data_type = tested.data_type.clone();
        all.push((
            "CASE".into(),
            Expr::Case { branches: vec![branch.clone()], otherwise: None, data_type: data_type.clone() },
        ));
        let otherwise = Some(Box::new(column(1)));
        let branches =
            vec![(Expr::IsNull { expr: Box::new(column(1)), negated: false }, literal(value.clone())), branch];
        all.push(("CASE with ELSE".into(), Expr::Case { branches, otherwise, data_type }));
    }
    if matches!(tested.data_type, DataType::Int64 | DataType::Float64) || tested.class == TypeClass::Decimal {
        all.push(("Negate".into(), Expr::Negate(Box::new(column(1)))));
    }
    all
}

fn casts() -> Vec<(String, Expr)> {
    let targets = [
        DataType::Int64,
        DataType::Int32,
        DataType::Int16,
        DataType::Float64,
        DataType::Decimal128(20, 4),
        DataType::Decimal128(12, 0),
        DataType::Utf8View,
        DataType::Boolean,
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, None),
    ];
    let cast = |to: DataType| (format!("Cast to {to}"), Expr::Cast { expr: Box::new(column(1)), to });
    targets.into_iter().map(cast).collect()
}

fn functions(tested: &Tested<'_>) -> Vec<(String, Expr)> {
    let mut all = Vec::new();
    let mut add = |function: Function, args: Vec<Expr>, data_type: DataType| {
        all.push((format!("{function:?}"), Expr::Function { function, args, data_type }));
    };
    let own = tested.data_type.clone();
    match tested.class {
        TypeClass::Int | TypeClass::Float | TypeClass::Decimal => add(Function::Abs, vec![column(1)], own.clone()),
        TypeClass::Text => {
            for function in [Function::Lower, Function::Upper, Function::Trim, Function::LeftTrim, Function::RightTrim]
            {
                add(function, vec![column(1)], own.clone());
            }
            add(Function::CharLength, vec![column(1)], DataType::Int32);
            add(Function::OctetLength, vec![column(1)], DataType::Int32);
            for (start, count) in [(1, 1), (0, 2), (-1, 3), (2, 1), (2, 0), (3, 100), (1, -1)] {
                add(Function::Substring, vec![column(1), int(start), int(count)], own.clone());
            }
            add(Function::Substring, vec![column(1), int(2)], own.clone());
            add(Function::Substring, vec![column(1), int(-1)], own.clone());
        }
        TypeClass::Date | TypeClass::Timestamp | TypeClass::TimestampUtc => {
            for function in [Function::Year, Function::Month, Function::Day] {
                add(function, vec![column(1)], DataType::Int32);
            }
        }
        _ => {}
    }
    if own == DataType::Float64 || tested.class == TypeClass::Decimal {
        let whole = match own {
            DataType::Decimal128(precision, scale) => DataType::Decimal128(precision - scale as u8 + 1, 0),
            ref other => other.clone(),
        };
        for function in [Function::Floor, Function::Ceil, Function::Round] {
            add(function, vec![column(1)], whole.clone());
        }
    }
    for value in tested.literals().into_iter().take(3) {
        if value.data_type() == own {
            add(Function::Coalesce, vec![column(1), literal(value.clone())], own.clone());
            add(Function::NullIf, vec![column(1), literal(value)], own.clone());
        }
    }
    all
}

fn arithmetic(tested: &Tested<'_>) -> Vec<(String, Expr)> {
    let operands = match tested.class {
        TypeClass::Int => vec![int(1), int(0), int(-1), int(-3), int(2), int(i64::MAX), column(1)],
        TypeClass::Float if *tested.data_type == DataType::Float64 => {
            let floats = [1.5, 0.0, -2.0, 1e300];
            floats.into_iter().map(|value| literal(Literal::Float(value))).chain([column(1)]).collect()
        }
        TypeClass::Decimal => {
            let decimal =
                |text: &str, scale| Value::decimal(text, scale).literal(&DataType::Decimal128(5, 2)).map(literal);
            let texts = [("1.50", 2), ("-0.03", 2), ("0", 0), ("100", 0)];
            texts.into_iter().filter_map(|(text, scale)| decimal(text, scale)).chain([column(1)]).collect()
        }
        _ => Vec::new(),
    };
    let mut all = Vec::new();
    for right in operands {
        use ArithmeticOp as A;
        for op in [A::Add, A::Subtract, A::Multiply, A::Divide, A::Modulo] {
            let right_type = right.data_type(&[DataType::Int64, tested.data_type.clone()]);
            let Some(data_type) = result_type(op, tested.data_type, &right_type) else { continue };
            let (left, right) = (Box::new(column(1)), Box::new(right.clone()));
            all.push((format!("{op:?}"), Expr::Arithmetic { op, left, right, data_type }));
        }
    }
    all
}

/// Type of a result, as Arrow has it; integers are widened to 64 bits first.
fn result_type(op: ArithmeticOp, left: &DataType, right: &DataType) -> Option<DataType> {
    let (&DataType::Decimal128(p1, s1), &DataType::Decimal128(p2, s2)) = (left, right) else {
        return match TypeClass::of(left) {
            TypeClass::Int => Some(DataType::Int64),
            TypeClass::Float => Some(DataType::Float64),
            _ => None,
        };
    };
    let (whole1, whole2) = (p1 as i8 - s1, p2 as i8 - s2);
    let (precision, scale) = match op {
        ArithmeticOp::Add | ArithmeticOp::Subtract => (whole1.max(whole2) + s1.max(s2) + 1, s1.max(s2)),
        ArithmeticOp::Multiply => (p1 as i8 + p2 as i8 + 1, s1 + s2),
        ArithmeticOp::Divide => (whole1 + s2 + s1 + 4, s1 + 4),
        ArithmeticOp::Modulo => (whole1.min(whole2) + s1.max(s2), s1.max(s2)),
    };
    Some(DataType::Decimal128(precision.clamp(1, 38) as u8, scale))
}

/// The expression as a computed column and inside a filter. Where some row makes it fail, the statement must fail; the
/// other rows are then tried one by one.
async fn scalar(subject: &Subject, tables: &Tables, tested: &Tested<'_>, group: &str, expr: Expr, report: &mut Report) {
    let projected = plan(project(tested.scan(), vec![column(0), expr.clone()]));
    verify(subject, &tables.all, &projected, group, report).await;
    let rows: Vec<Vec<Value>> =
        tested.table.rows.iter().map(|row| vec![row[0].clone(), row[tested.index].clone()]).collect();
    let results: Vec<Result<Value, Failure>> = rows.iter().map(|row| evaluate(&expr, row)).collect();
    let types = tested.scan().types();
    let result_type = expr.data_type(&types);
    let sample = results.iter().flatten().find_map(|value| value.literal(&result_type));
    if let Some(value) = sample {
        let filtered = filter(tested.scan(), compare(CompareOp::LtEq, expr.clone(), literal(value)));
        verify(subject, &tables.all, &plan(filtered), &format!("{group}, in a filter"), report).await;
    }
    let fails = results.iter().any(|result| matches!(result, Err(Failure::Error(_))));
    let works = rows.iter().zip(&results).filter(|(_, result)| result.is_ok());
    for (row, _) in works.take(if fails { 12 } else { 0 }) {
        let Some(key) = row[0].literal(&types[0]) else { continue };
        let one = filter(tested.scan(), compare(CompareOp::Eq, column(0), literal(key)));
        let single = plan(project(one, vec![column(0), expr.clone()]));
        verify(subject, &tables.all, &single, &format!("{group}, row by row"), report).await;
    }
}
