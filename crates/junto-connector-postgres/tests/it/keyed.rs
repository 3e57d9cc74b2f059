//! Keyed reads: only rows with the keys arrive, whatever the key's type and number.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Int32Array, RecordBatch, StringViewArray};
use junto_connector::Keys;
use junto_connector::plan::Relation;
use junto_testkit::postgres::shared;
use junto_testkit::require;

use crate::{database, read, request, rows, scan};

const TABLES: &str = "
    create table t (id int primary key, code char(4), word text, tag uuid, price numeric(9,2), day date);
    insert into t select x, 'c' || x % 100, 'w' || x, md5(x::text)::uuid, x / 4.0, date '2000-01-01' + x
        from generate_series(1, 60000) x;
    insert into t values (0, null, null, null, null, null);
    create index on t (tag); create index on t (code); analyze t";

fn keys(columns: &[usize], values: Vec<ArrayRef>, nulls: bool) -> Keys {
    let named = values.into_iter().enumerate().map(|(at, values)| (format!("k{at}"), values));
    Keys { columns: columns.to_vec(), values: RecordBatch::try_from_iter(named).expect("columns of one length"), nulls }
}

#[tokio::test]
async fn one_key_of_every_type() {
    let server = require!(shared());
    let connector = database(server, "keyed", TABLES).await;
    let table = connector.table(None, "t").await.expect("the table is there");
    let check = async |column: usize, values: ArrayRef, nulls: bool, expected: usize| {
        let batch =
            read(&*connector, scan(&table), Some(keys(&[column], vec![values], nulls))).await.expect("readable");
        assert_eq!(batch.num_rows(), expected, "column {column}");
    };
    check(0, Arc::new(Int32Array::from(vec![1, 2, 99_999])), false, 2).await;
    check(0, Arc::new(Int32Array::from(Vec::<i32>::new())), false, 0).await;
    check(1, Arc::new(StringViewArray::from(vec!["c7"])), false, 600).await;
    check(2, Arc::new(StringViewArray::from(vec!["w7", "it's", "a\0b"])), false, 1).await;
    check(2, Arc::new(StringViewArray::from(vec!["w7"])), true, 2).await;
    let uuid = "c4ca4238-a0b9-2382-0dcc-509a6f75849b";
    check(3, Arc::new(StringViewArray::from(vec![uuid, "C4CA4238-A0B9-2382-0DCC-509A6F75849B", "x"])), false, 1).await;
    let prices = Decimal128Array::from(vec![25, 50]).with_precision_and_scale(9, 2).expect("a valid type");
    check(4, Arc::new(prices), false, 2).await;
    check(5, Arc::new(Date32Array::from(vec![10_958])), false, 1).await;
}

#[tokio::test]
async fn composite_keys_and_fifty_thousand() {
    let server = require!(shared());
    let connector = database(server, "keyed_many", TABLES).await;
    let table = connector.table(None, "t").await.expect("the table is there");
    let pairs = keys(
        &[0, 2],
        vec![Arc::new(Int32Array::from(vec![1, 2, 3])), Arc::new(StringViewArray::from(vec!["w1", "w9", "w3"]))],
        false,
    );
    let batch = read(&*connector, scan(&table), Some(pairs)).await.expect("readable");
    let mut ids: Vec<String> = rows(&batch).into_iter().map(|row| row[0].clone()).collect();
    ids.sort();
    assert_eq!(ids, ["1", "3"]);
    let many = keys(&[0], vec![Arc::new(Int32Array::from_iter_values(1..=50_000))], false);
    let request = request(scan(&table), Some(many));
    let metrics = Arc::clone(&request.context.metrics);
    let batches: Vec<RecordBatch> =
        futures::TryStreamExt::try_collect(connector.open(request).await.expect("opens")).await.expect("readable");
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 50_000);
    assert!(batches.iter().all(|batch| batch.num_rows() <= 8192));
    assert_eq!((metrics.queries(), metrics.rows()), (1, 50_000));
}

#[tokio::test]
async fn keys_restrict_the_result_and_never_what_a_limit_counts() {
    let server = require!(shared());
    let connector = database(
        server,
        "keyed_limit",
        "create table t (id int, tag uuid); insert into t values (1, gen_random_uuid())",
    )
    .await;
    let table = connector.table(None, "t").await.expect("the table is there");
    let limited = Relation::Limit { input: Box::new(scan(&table)), skip: 0, fetch: Some(1) };
    let wanted = keys(&[1], vec![Arc::new(StringViewArray::from(vec!["x"]))], false);
    let batch = read(&*connector, limited.clone(), Some(wanted)).await.expect("readable");
    assert_eq!(batch.num_rows(), 0);
    let wanted = keys(&[0], vec![Arc::new(Int32Array::from(vec![1]))], false);
    assert_eq!(read(&*connector, limited, Some(wanted)).await.expect("readable").num_rows(), 1);
}

#[tokio::test]
async fn keys_use_the_index_of_uuid_and_padded_columns() {
    let server = require!(shared());
    let connector = database(server, "keyed_index", TABLES).await;
    let table = connector.table(None, "t").await.expect("the table is there");
    let plan = junto_connector::RemotePlan { root: scan(&table) };
    for (column, cast) in [(1, "bpchar[]"), (3, "uuid[]")] {
        let text = connector.remote_text(&plan, Some(&[column])).expect("can be written");
        assert!(text.contains(&format!("= ANY($1::{cast})")), "{text}");
        let value = if column == 1 { "{c7}" } else { "{c4ca4238-a0b9-2382-0dcc-509a6f75849b}" };
        let text = text.replace("$1", &format!("'{value}'::text[]"));
        let explained = server.query("keyed_index", &format!("explain {text}"));
        assert!(format!("{explained:?}").contains("Index"), "{explained:?}");
    }
}
