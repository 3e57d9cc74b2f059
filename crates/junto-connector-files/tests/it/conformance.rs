//! The suite every connector runs, over Parquet files with its standard tables.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::datatypes::{DataType, TimeUnit};
use junto_testkit::conformance::dataset::{self, Dialect, Kind};
use junto_testkit::conformance::{self, NativeProbe, Subject, value};

use crate::support::Folder;

fn arrow_type(kind: Kind) -> DataType {
    match kind {
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
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    let folder = Folder::new();
    for table in dataset::tables(Dialect::Postgres) {
        let column = |(at, column): (usize, &dataset::Column)| {
            let values: Vec<_> = table.rows.iter().map(|row| row[at].clone()).collect();
            let array: ArrayRef = value::array_of(&values, &arrow_type(column.kind)).expect("values of the type");
            (column.name, array)
        };
        let columns = table.columns.iter().enumerate().map(column).collect();
        folder.parquet(&format!("{}.parquet", table.name), columns, 10);
    }
    let rows = i64::try_from(dataset::MANY_ROWS).expect("few");
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=rows));
    let notes: ArrayRef = Arc::new(StringArray::from_iter_values((1..=rows).map(|_| "x".repeat(80))));
    folder.parquet("many.parquet", vec![("id", ids), ("note", notes)], 20_000);
    let writes =
        ["delete from parent", "insert into parent values (9, 'x', 1)", "drop table parent", "create table x (a int)"];
    let subject = Subject::new(folder.connect().await)
        .native(NativeProbe { read: "select * from parent".into(), writes: writes.map(str::to_owned).to_vec() });
    conformance::run(&subject).await;
}
