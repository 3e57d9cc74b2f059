//! A table of a connection as DataFusion's planner sees it.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::logical_expr::TableSource;
use junto_connector::{ColumnInfo, Connector, Expr, Prefer, ScanColumn, TableInfo, TableStatistics};
use junto_types::Alias;

use crate::remote_estimates::RemoteEstimates;

/// A table, its connection and what is known of it.
pub struct RemoteTable {
    /// The connection's alias; physical plans hold this, never the connection.
    pub connection: Alias,
    /// Consulted for capabilities while planning.
    pub connector: Arc<dyn Connector>,
    pub info: Arc<TableInfo>,
    pub statistics: Arc<TableStatistics>,
    /// What the connection's owner wants of the planner.
    pub prefer: Prefer,
    /// Shares of the rows that the source expects some conditions to keep, 0 to 1. Columns are positions in the table.
    pub(crate) expected: Vec<(Expr, f64)>,
    /// What the source said before; lives as long as the statistics.
    pub(crate) estimates: Arc<RemoteEstimates>,
    schema: SchemaRef,
}

impl RemoteTable {
    /// A table whose columns have the names `engine_names` inside the engine, in the order of `info.columns`.
    pub fn new(
        connection: Alias,
        connector: Arc<dyn Connector>,
        info: Arc<TableInfo>,
        statistics: Arc<TableStatistics>,
        estimates: Arc<RemoteEstimates>,
        prefer: Prefer,
        engine_names: &[String],
    ) -> Self {
        // Without metadata: fields of different sources meet in unions, which compare it.
        let field =
            |(column, name): (&ColumnInfo, &String)| Field::new(name, column.data_type.clone(), column.nullable);
        let fields = info.columns.iter().zip(engine_names).map(field);
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { connection, connector, info, statistics, prefer, expected: Vec::new(), estimates, schema }
    }

    /// The same table with what its source expects: its rows, if asked for, and shares of them.
    pub(crate) fn with_expected(&self, rows: Option<u64>, expected: Vec<(Expr, f64)>) -> Self {
        let mut statistics = Arc::clone(&self.statistics);
        if rows.is_some() {
            Arc::make_mut(&mut statistics).rows = rows;
        }
        Self {
            connection: self.connection.clone(),
            connector: Arc::clone(&self.connector),
            info: Arc::clone(&self.info),
            statistics,
            prefer: self.prefer,
            expected,
            estimates: Arc::clone(&self.estimates),
            schema: Arc::clone(&self.schema),
        }
    }

    /// Schema inside the engine.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What to ask the source for, to get the column at `index`.
    pub(crate) fn scan_column(&self, index: usize) -> ScanColumn {
        let column = &self.info.columns[index];
        ScanColumn {
            name: column.name.clone(),
            source_type: column.source_type.clone(),
            data_type: column.data_type.clone(),
            nullable: column.nullable,
            text: column.text,
        }
    }

    /// Estimated rows.
    pub fn rows(&self) -> Option<u64> {
        self.statistics.rows.or(self.info.row_estimate)
    }

    /// Whether the source reaches rows by values of this column without reading the table.
    pub fn is_indexed(&self, column: &str) -> bool {
        self.info.has_index_on(&[column])
    }
}

impl fmt::Debug for RemoteTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}.{}", self.connection, self.info.name)
    }
}

/// The handle DataFusion's logical plan holds. Takes no filters, so that they stay visible above the scan.
#[derive(Debug, Clone)]
pub struct RemoteTableSource {
    pub table: Arc<RemoteTable>,
}

impl TableSource for RemoteTableSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.table.schema)
    }
}
