//! Predicates put together at random, the same ones every time: AND, OR and NOT over claimed comparisons of several
//! columns, alone and below a group.

use arrow_schema::DataType;
use junto_connector::expr::{AggregateFunction, CompareOp};
use junto_connector::{Expr, Literal, Support, TypeClass};

use super::catalog::Tables;
use super::plans::{aggregate, call, column, compare, filter, literal, plan, scan_all};
use super::relation::Table;
use super::report::Report;
use super::subject::Subject;
use super::verify::verify;

const PREDICATES: usize = 300;
const SEED: u64 = 0x4a75_6e74_6f21;

pub(crate) async fn check(subject: &Subject, tables: &Tables, report: &mut Report) {
    const GROUP: &str = "predicates at random";
    let table = tables.widest();
    let scan = scan_all(&table.info);
    let columns = scan.columns();
    let mut source = Source { table, state: SEED };
    for number in 0..PREDICATES {
        let predicate = source.predicate(3);
        let filtered = filter(scan.clone(), predicate.clone());
        // What is not claimed was tried piece by piece; here it would only repeat itself.
        if subject.connector.supports(&predicate, &columns) == Support::Unsupported {
            continue;
        }
        verify(subject, &tables.all, &plan(filtered.clone()), GROUP, report).await;
        let group = number % columns.len();
        let counted = vec![(call(AggregateFunction::CountRows, None), DataType::Int64)];
        let grouped = plan(aggregate(filtered, vec![column(group)], counted));
        if subject.permits(&grouped).is_ok() {
            verify(subject, &tables.all, &grouped, "groups of predicates at random", report).await;
        }
    }
}

struct Source<'a> {
    table: &'a Table,
    state: u64,
}

impl Source<'_> {
    /// A number below `bound` (SplitMix64).
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn predicate(&mut self, depth: usize) -> Expr {
        match self.below(if depth == 0 { 1 } else { 5 }) {
            1 => Expr::Not(Box::new(self.predicate(depth - 1))),
            2 => Expr::Or(vec![self.predicate(depth - 1), self.predicate(depth - 1)]),
            3 => Expr::And(vec![self.predicate(depth - 1), self.predicate(depth - 1)]),
            4 => Expr::Or(vec![self.comparison(), self.predicate(depth - 1), self.comparison()]),
            _ => self.comparison(),
        }
    }

    fn comparison(&mut self) -> Expr {
        let infos = &self.table.info.columns;
        let index = self.below(infos.len());
        let own = &infos[index].data_type;
        let tested = column(index);
        let same: Vec<usize> = (0..infos.len()).filter(|other| infos[*other].data_type == *own).collect();
        use CompareOp as C;
        let operators = [C::Eq, C::NotEq, C::Lt, C::LtEq, C::Gt, C::GtEq, C::IsDistinctFrom, C::IsNotDistinctFrom];
        let op = operators[self.below(operators.len())];
        match self.below(6) {
            0 => Expr::IsNull { expr: Box::new(tested), negated: self.below(2) == 0 },
            1 => {
                let list = (0..3).filter_map(|_| self.value(index)).collect();
                Expr::InList { expr: Box::new(tested), list, negated: self.below(2) == 0 }
            }
            2 if TypeClass::of(own) == TypeClass::Boolean => tested,
            3 => compare(op, tested, column(same[self.below(same.len())])),
            _ => {
                let value = self.value(index).unwrap_or_else(|| Literal::Null(own.clone()));
                compare(op, tested, literal(value))
            }
        }
    }

    /// A value of the column, in some row.
    fn value(&mut self, index: usize) -> Option<Literal> {
        let row = self.below(self.table.rows.len());
        self.table.rows[row][index].literal(&self.table.info.columns[index].data_type)
    }
}
