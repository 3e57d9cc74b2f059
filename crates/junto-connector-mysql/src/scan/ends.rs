//! Between which values of a column a plan reads its first table.

use junto_connector::expr::{CompareOp, Expr, Literal};
use junto_connector::plan::{Relation, ScanColumn};

/// Least and greatest value that conditions leave of a column of the first table, as numbers or days since 1970; none
/// where they say nothing. Rows beyond them may still be asked for: this is for sharing out, not for finding.
pub(super) fn ends(relation: &Relation, column: &str) -> (Option<i64>, Option<i64>) {
    let mut ends = (None, None);
    let mut relation = relation;
    let mut predicates = Vec::new();
    while let Some(input) = relation.inputs().first() {
        if let Relation::Filter { predicate, .. } = relation {
            predicates.push(predicate);
        } else {
            // Positions mean other columns below.
            predicates.clear();
        }
        relation = input;
    }
    if let Relation::Scan { columns, .. } = relation {
        predicates.into_iter().for_each(|predicate| tighten(&mut ends, predicate, column, columns));
    }
    ends
}

fn tighten(ends: &mut (Option<i64>, Option<i64>), predicate: &Expr, name: &str, columns: &[ScanColumn]) {
    if let Expr::And(list) = predicate {
        return list.iter().for_each(|predicate| tighten(ends, predicate, name, columns));
    }
    let Expr::Compare { op, left, right } = predicate else { return };
    let (Expr::Column(index), Expr::Literal(value)) = (&**left, &**right) else { return };
    let value = match value {
        Literal::Int(value) => *value,
        Literal::Date(days) => i64::from(*days),
        _ => return,
    };
    if columns.get(*index).is_none_or(|column| column.name != name) {
        return;
    }
    if matches!(op, CompareOp::Eq | CompareOp::Gt | CompareOp::GtEq) {
        ends.0 = Some(ends.0.map_or(value, |low| low.max(value)));
    }
    if matches!(op, CompareOp::Eq | CompareOp::Lt | CompareOp::LtEq) {
        ends.1 = Some(ends.1.map_or(value, |high| high.min(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::DataType;
    use junto_connector::TextSemantics;
    use junto_types::TableName;

    #[test]
    fn conditions_over_the_first_table_bound_its_columns() {
        let column = |name: &str| ScanColumn {
            name: name.into(),
            source_type: "int".into(),
            data_type: DataType::Int32,
            nullable: false,
            text: TextSemantics::Binary,
        };
        let scan = Relation::Scan { table: TableName::new("s", "t"), columns: vec![column("a"), column("b")] };
        let compare = |op, at, value| Expr::compare(op, Expr::Column(at), Expr::Literal(Literal::Int(value)));
        let range = vec![
            compare(CompareOp::GtEq, 1, 3),
            compare(CompareOp::Lt, 1, 9),
            compare(CompareOp::Gt, 1, 1),
            compare(CompareOp::Gt, 0, 5),
        ];
        let filtered = Relation::Filter { input: Box::new(scan), predicate: Expr::And(range) };
        assert_eq!(ends(&filtered, "b"), (Some(3), Some(9)));
        assert_eq!(ends(&filtered, "a"), (Some(5), None));
        let above = Relation::Filter {
            input: Box::new(Relation::Project { input: Box::new(filtered), outputs: Vec::new() }),
            predicate: compare(CompareOp::Eq, 0, 7),
        };
        assert_eq!(ends(&above, "a"), (Some(5), None), "column 0 above the projection is another");
    }
}
