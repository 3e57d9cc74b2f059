//! An in-memory source that computes plans with the suite's own evaluator: it must pass; with one defect it must not.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, TimeUnit};
use async_trait::async_trait;
use futures::StreamExt;
use junto_connector::expr::{AggregateFunction, ArithmeticOp, CompareOp};
use junto_connector::plan::JoinKind;
use junto_connector::{
    BatchStream, Capabilities, ColumnInfo, Connector, Error, Health, NativeRequest, NativeResult, OpenRequest,
    Operation, Privileges, RemoteId, RemotePlan, Result, SchemaInfo, Support, TableInfo, TableKind, TableStatistics,
    TableSummary, TextSemantics, TypeClass, check_plan,
};
use junto_testkit::conformance::dataset::{self, Dialect, Kind};
use junto_testkit::conformance::relation::{Table, compute};
use junto_testkit::conformance::value::{Row, Value, array_of};
use junto_testkit::conformance::{self, Subject};
use junto_types::{TableName, nearest};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Defect {
    None,
    /// Answers plans it does not claim.
    Eager,
    /// Loses the last row of every read.
    LosesRows,
    /// Claims to compare text, and ignores case.
    IgnoresCase,
}

#[derive(Debug)]
struct Reference {
    tables: Vec<Table>,
    capabilities: Capabilities,
    id: RemoteId,
    defect: Defect,
}

impl Reference {
    fn new(defect: Defect) -> Arc<Self> {
        let tables = dataset::tables(Dialect::Postgres).into_iter().map(table).collect();
        Arc::new(Self { tables, capabilities: capabilities(defect), id: RemoteId::new("memory:reference"), defect })
    }

    fn compute(&self, plan: &RemotePlan) -> Result<Vec<Row>> {
        let folded: Vec<Table>;
        let tables = if self.defect == Defect::IgnoresCase {
            folded = self.tables.iter().map(folded_table).collect();
            &folded
        } else {
            &self.tables
        };
        let mut rows = compute(&plan.root, tables).map_err(|failure| Error::statement(format!("{failure:?}")))?;
        if self.defect == Defect::LosesRows {
            rows.pop();
        }
        Ok(rows)
    }
}

/// As a source with a collation that ignores case would see it.
fn folded_table(table: &Table) -> Table {
    let fold = |value: &Value| match value {
        Value::Text(text) => Value::Text(text.to_lowercase()),
        other => other.clone(),
    };
    Table { info: table.info.clone(), rows: table.rows.iter().map(|row| row.iter().map(fold).collect()).collect() }
}

fn table(written: dataset::Table) -> Table {
    let column = |column: &dataset::Column| ColumnInfo {
        name: column.name.into(),
        source_type: format!("{:?}", column.kind),
        data_type: match column.kind {
            Kind::Key | Kind::BigInt => DataType::Int64,
            Kind::SmallInt => DataType::Int16,
            Kind::Int => DataType::Int32,
            Kind::Decimal(precision, scale) => DataType::Decimal128(precision, scale),
            Kind::Text | Kind::LooseText => DataType::Utf8View,
            Kind::Boolean => DataType::Boolean,
            Kind::Double => DataType::Float64,
            Kind::Real => DataType::Float32,
            Kind::Date => DataType::Date32,
            Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Kind::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::Time => DataType::Time64(TimeUnit::Microsecond),
            Kind::Binary => DataType::Binary,
        },
        nullable: column.kind != Kind::Key,
        text: TextSemantics::Binary,
        comment: None,
        remark: None,
    };
    let info = TableInfo {
        name: TableName::new("main", written.name),
        kind: TableKind::Table,
        comment: None,
        columns: written.columns.iter().map(column).collect(),
        primary_key: vec!["id".into()],
        unique_keys: Vec::new(),
        foreign_keys: Vec::new(),
        indexes: Vec::new(),
        partitions: Vec::new(),
        row_estimate: None,
    };
    Table { info, rows: written.rows }
}

fn capabilities(defect: Defect) -> Capabilities {
    if defect == Defect::Eager {
        return Capabilities::none();
    }
    use CompareOp as C;
    let comparisons = [C::Eq, C::NotEq, C::Lt, C::LtEq, C::Gt, C::GtEq, C::IsDistinctFrom, C::IsNotDistinctFrom];
    let mut operations: Vec<Operation> = comparisons.into_iter().map(Operation::Compare).collect();
    operations.extend([Operation::IsNull, Operation::InList, Operation::Literal, Operation::Case]);
    let arithmetic = [ArithmeticOp::Add, ArithmeticOp::Subtract, ArithmeticOp::Multiply, ArithmeticOp::Modulo];
    let arithmetic: Vec<Operation> = arithmetic.into_iter().map(Operation::Arithmetic).collect();
    let numbers = [TypeClass::Int, TypeClass::Decimal];
    use AggregateFunction as A;
    use JoinKind as J;
    Capabilities {
        filter: true,
        project: true,
        limit: true,
        sort: true,
        distinct: true,
        union_all: true,
        joins: vec![J::Inner, J::Left, J::Right, J::Full, J::LeftSemi, J::LeftAnti],
        aggregates: vec![A::CountRows, A::Count, A::Sum, A::Min, A::Max],
        ..Capabilities::none()
    }
    .with(&operations, &TypeClass::ALL, Support::Exact)
    .with(&arithmetic, &numbers, Support::Exact)
    .with(&[Operation::Like, Operation::CaseInsensitiveLike], &[TypeClass::Text], Support::Exact)
}

#[async_trait]
impl Connector for Reference {
    fn driver(&self) -> &'static str {
        "reference"
    }

    fn remote_id(&self) -> &RemoteId {
        &self.id
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn schemas(&self) -> Result<Vec<SchemaInfo>> {
        Ok(vec![SchemaInfo { name: "main".into(), is_default: true, comment: None }])
    }

    async fn tables(&self, _schema: Option<&str>) -> Result<Vec<TableSummary>> {
        let summary = |table: &Table| TableSummary {
            name: table.info.name.clone(),
            kind: table.info.kind,
            comment: None,
            row_estimate: None,
        };
        Ok(self.tables.iter().map(summary).collect())
    }

    async fn table(&self, schema: Option<&str>, table: &str) -> Result<TableInfo> {
        if schema.is_some_and(|schema| schema != "main") {
            return Err(Error::SchemaNotFound { schema: schema.unwrap_or_default().into(), nearest: None });
        }
        let names = self.tables.iter().map(|table| table.info.name.table.as_str());
        let found = self.tables.iter().find(|known| known.info.name.table.eq_ignore_ascii_case(table));
        found
            .map(|table| table.info.clone())
            .ok_or_else(|| Error::TableNotFound { table: table.into(), nearest: nearest(table, names).map(Into::into) })
    }

    async fn statistics(&self, _table: &TableName) -> Result<TableStatistics> {
        Ok(TableStatistics::rows_only(None))
    }

    fn remote_text(&self, plan: &RemotePlan, _keys: Option<&[usize]>) -> Result<String> {
        Ok(format!("{plan:?}"))
    }

    async fn open(&self, request: OpenRequest) -> Result<BatchStream> {
        if self.defect != Defect::Eager {
            check_plan(self, &request.plan)?;
            if request.keys.is_some() {
                return Err(Error::Unsupported { driver: "reference", what: "keys".into() });
            }
        }
        let schema = request.plan.schema();
        let rows = self.compute(&request.plan)?;
        let batches: Vec<Result<RecordBatch>> = rows
            .chunks(request.batch_rows)
            .map(|chunk| {
                let column = |at: usize| chunk.iter().map(|row| row[at].clone()).collect::<Vec<_>>();
                let types = schema.fields().iter().enumerate();
                let arrays = types.map(|(at, field)| array_of(&column(at), field.data_type()).expect("a known type"));
                let options = RecordBatchOptions::new().with_row_count(Some(chunk.len()));
                let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays.collect(), &options);
                batch.map_err(|error| Error::internal(error.to_string()))
            })
            .collect();
        Ok(futures::stream::iter(batches).boxed())
    }

    async fn native(&self, _request: NativeRequest) -> Result<NativeResult> {
        Err(Error::Unsupported { driver: "reference", what: "a native statement".into() })
    }

    async fn health(&self) -> Result<Health> {
        Ok(Health { version: "1".into(), latency: Duration::ZERO })
    }

    async fn privileges(&self) -> Result<Privileges> {
        Ok(Privileges::default())
    }

    async fn close(&self) {}
}

async fn failed_groups(defect: Defect) -> Vec<String> {
    let report = conformance::check(&Subject::new(Reference::new(defect))).await;
    report.failed_groups().into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn an_honest_source_passes() {
    let report = conformance::check(&Subject::new(Reference::new(Defect::None))).await;
    report.assert_empty();
    assert!(report.checks() > 2_000, "{} checks", report.checks());
}

#[tokio::test]
async fn answers_that_nobody_claimed_are_caught() {
    let groups = failed_groups(Defect::Eager).await;
    assert!(groups.iter().any(|group| group.starts_with("not claimed, yet answered: Lt")), "{groups:?}");
    assert!(groups.iter().any(|group| group == "keys: not claimed"), "{groups:?}");
}

#[tokio::test]
async fn lost_rows_are_caught() {
    let groups = failed_groups(Defect::LosesRows).await;
    assert!(groups.iter().any(|group| group.contains("Left join")), "{groups:?}");
}

#[tokio::test]
async fn a_loose_collation_is_caught() {
    let report =
        conformance::check(&Subject::new(Reference::new(Defect::IgnoresCase)).seeded_as(Dialect::Postgres)).await;
    assert!(report.failed_groups().contains(&"scan: values"), "{:?}", report.failed_groups());
}
