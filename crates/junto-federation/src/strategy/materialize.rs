//! Rewrites a plan so that one database runs it: tables of others become temporary tables there.
//!
//! ```text
//! Join                                      Join
//!   Filter: b = 1                    =>       Remote: @target temp.junto_m0    (filled from @other: b = 1)
//!     TableScan: @other.t
//!   TableScan: @target.u                      TableScan: @target.u
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;
use junto_connector::{Prefer, Relation, RemotePlan, TableInfo};

use crate::absorb::Absorber;
use crate::cardinality::rows;
use crate::cost::Work;
use crate::node::{Filled, Origin, RemoteNode};
use crate::source::{RemoteTable, RemoteTableSource};
use crate::statistics::UNKNOWN_ROWS;

/// The plan on its target, or why that is not possible.
pub(super) fn rewrite(plan: &LogicalPlan, absorber: Absorber) -> Result<std::result::Result<LogicalPlan, String>> {
    let Some(target) = target(plan) else { return Ok(Err("the statement reads no table".into())) };
    let mut mover = Mover { target, absorber, moved: 0, refused: None };
    let moved = mover.rewrite(plan.clone())?;
    Ok(match mover.refused {
        Some(reason) => Err(reason),
        None => Ok(absorber.rewrite(moved)?),
    })
}

/// The table that a scan reads.
pub(super) fn table_of(plan: &LogicalPlan) -> Option<&Arc<RemoteTable>> {
    match plan {
        LogicalPlan::TableScan(scan) => Some(&scan.source.downcast_ref::<RemoteTableSource>()?.table),
        _ => None,
    }
}

/// A table of the database with the most rows among those that hold temporary tables, else of any.
fn target(plan: &LogicalPlan) -> Option<Arc<RemoteTable>> {
    let mut sizes: BTreeMap<String, (bool, f64, Arc<RemoteTable>)> = BTreeMap::new();
    let _ = plan.apply_with_subqueries(|node| {
        if let Some(table) = table_of(node) {
            let able = table.connector.temporary_table("junto_m", &arrow::datatypes::Schema::empty()).is_ok();
            let entry = sizes.entry(table.connection.to_string());
            let known = entry.or_insert_with(|| (able, 0.0, Arc::clone(table)));
            known.1 += table.rows().map_or(UNKNOWN_ROWS, |rows| rows as f64);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    let largest = sizes.into_values().max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    largest.map(|(_, _, table)| table)
}

struct Mover {
    target: Arc<RemoteTable>,
    absorber: Absorber,
    moved: usize,
    refused: Option<String>,
}

impl Mover {
    fn rewrite(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let plan = plan.map_subqueries(|subquery| self.rewrite(subquery).map(Transformed::yes))?.data;
        match input_table(&plan) {
            Some(table) if table.connector.remote_id() != self.target.connector.remote_id() => self.moved(plan),
            Some(_) => Ok(plan),
            None => Ok(plan.map_children(|child| self.rewrite(child).map(Transformed::yes))?.data),
        }
    }

    /// The temporary table that holds what a plan reads.
    fn moved(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        if plan.schema().fields().is_empty() {
            // As below `EXISTS (SELECT 1 FROM …)`. No source has a temporary table without columns.
            self.refused.get_or_insert_with(|| "rows without columns have no place in another database".into());
            return Ok(plan);
        }
        let name = format!("junto_m{}", self.moved);
        self.moved += 1;
        let schema = Arc::clone(plan.schema());
        let described = self.target.connector.temporary_table(&name, schema.as_arrow());
        let info: TableInfo = match described {
            Ok(info) => info,
            Err(error) => {
                self.refused.get_or_insert(format!("@{}: {error}", self.target.connection));
                return Ok(plan);
            }
        };
        let count = rows(&plan);
        let input = self.absorber.rewrite(plan)?;
        Ok(self.scan(info, input, schema, count).into_plan())
    }

    fn scan(
        &self,
        info: TableInfo,
        input: LogicalPlan,
        schema: datafusion::common::DFSchemaRef,
        count: f64,
    ) -> RemoteNode {
        let target = &self.target;
        let costs = target.connector.capabilities().costs;
        let info = Arc::new(info);
        let names: Vec<String> = info.columns.iter().map(|column| column.name.clone()).collect();
        let statistics = junto_connector::TableStatistics::rows_only(Some(count as u64));
        let table = Arc::new(RemoteTable::new(
            target.connection.clone(),
            Arc::clone(&target.connector),
            Arc::clone(&info),
            Arc::new(statistics),
            Arc::default(),
            Prefer::Fastest,
            &names,
        ));
        let columns = (0..info.columns.len()).map(|index| table.scan_column(index)).collect();
        let origin = (0..info.columns.len()).map(|column| Some(Origin { table: Arc::clone(&table), column }));
        RemoteNode {
            connection: target.connection.clone(),
            connector: Arc::clone(&target.connector),
            prefer: target.prefer,
            plan: RemotePlan { root: Relation::Scan { table: info.name.clone(), columns } },
            schema,
            origin: origin.collect(),
            work: Work::of_table(Some(count as u64), UNKNOWN_ROWS, &costs),
            kept_local: Vec::new(),
            partial_groups: false,
            filled: vec![Filled { table: info, input, rows: count }],
            takes_values: self.absorber.values_in_reads,
            parameters: Vec::new(),
        }
    }
}

/// The table below a chain of filters and chosen columns.
fn input_table(plan: &LogicalPlan) -> Option<&Arc<RemoteTable>> {
    match plan {
        LogicalPlan::Filter(filter) => input_table(&filter.input),
        LogicalPlan::Projection(projection) => input_table(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => input_table(&alias.input),
        other => table_of(other),
    }
}
