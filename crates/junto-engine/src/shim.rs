use junto_types::{Alias, TableName};
use sqlparser::ast::*;
use std::ops::ControlFlow;
pub(crate) struct TableColumns { pub reference: usize, pub connection: Alias, pub table: TableName, pub columns: Vec<String> }
pub(crate) struct Folded { pub name_in_engine: String }
pub(crate) fn folded_columns(n: &[String]) -> Vec<Folded> { n.iter().map(|n| Folded { name_in_engine: n.to_lowercase() }).collect() }
pub(crate) struct BoundTable { pub name: String, pub table: usize }
pub(crate) struct Names;
impl Names { pub(crate) fn shown(&self, _n: &str) -> Option<&str> { None } }
pub(crate) struct Resolved { pub statement: Statement, pub tables: Vec<BoundTable>, pub names: Names }
struct V<'a> { n: usize, max: usize, t: &'a [TableColumns] }
impl VisitorMut for V<'_> {
    type Break = ();
    fn pre_visit_table_factor(&mut self, t: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, .. } = t {
            if name.0.len() > 1 && self.n < self.max {
                let last = name.0.last().unwrap().as_ident().unwrap().value.clone();
                let _ = &self.t;
                *name = ObjectName::from(vec![Ident::new(format!("__junto_t{}", self.n))]);
                self.n += 1;
                if alias.is_none() { *alias = Some(TableAlias { explicit: true, name: Ident::with_quote('"', last), columns: vec![], at: None }); }
            }
        }
        ControlFlow::Continue(())
    }
}
pub(crate) fn resolve(p: &junto_sql::Parsed, t: &[TableColumns]) -> Result<Resolved, junto_sql::Error> {
    let mut s = p.statement().clone();
    let _ = VisitMut::visit(&mut s, &mut V { n: 0, max: t.len(), t });
    let _ = t.iter().map(|x| (x.reference, &x.connection, &x.table, &x.columns)).count();
    Ok(Resolved { statement: s, tables: (0..t.len()).map(|i| BoundTable { name: format!("__junto_t{i}"), table: i }).collect(), names: Names })
}
