//! What SQLite is told of conditions.

use junto_connector::expr::CompareOp;
use junto_connector::plan::{JoinKind, Relation};
use junto_connector::{Connector, Expr, Literal, RemotePlan};
use junto_testkit::conformance::plans::{column, compare, filter, int, join, plan, scan_all};
use junto_testkit::sqlite::File;

use crate::support::{collect, lines, open, request};

/// Sales are found by their item alone, and not by their day; SQLite knows how many there are of each.
const SHOP: &str = "CREATE TABLE item (id INTEGER PRIMARY KEY, kind INTEGER); \
    CREATE TABLE sale (item INTEGER, ticket INTEGER, day INTEGER, PRIMARY KEY (item, ticket)); \
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) \
      INSERT INTO sale SELECT i % 50, i, i / 2 FROM n; \
    INSERT INTO item SELECT DISTINCT item, item % 3 FROM sale; \
    ANALYZE;";

/// Sales on some days of items of two kinds of three.
async fn sales(connector: &dyn Connector, days: Expr) -> Relation {
    let item = connector.table(None, "item").await.expect("there");
    let sale = connector.table(None, "sale").await.expect("there");
    let kinds = [0, 1].map(|kind| compare(CompareOp::Eq, column(1), int(kind)));
    let items = filter(scan_all(&item), Expr::Or(kinds.to_vec()));
    filter(join(items, scan_all(&sale), JoinKind::Inner, &[(0, 0)], None), days)
}

/// What SQLite reads first.
fn outermost(file: &File, connector: &dyn Connector, plan: &RemotePlan) -> String {
    let sql = connector.remote_text(plan, None).expect("can be spelled");
    let connection = rusqlite::Connection::open(file.path()).expect("opens");
    connection.query_row(&format!("EXPLAIN QUERY PLAN {sql}"), [], |row| row.get(3)).expect("a plan")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_begins_with_the_rows_that_a_rare_condition_keeps() {
    let file = File::create(SHOP);
    let connector = open(&file, "").await;
    let list = [7, 8, 9].map(Literal::Int).to_vec();
    let days = Expr::InList { expr: Box::new(column(4)), list, negated: false };
    let as_is = sales(connector.as_ref(), days.clone()).await;
    let told = sales(connector.as_ref(), Expr::rare(days)).await;
    assert_eq!(outermost(&file, connector.as_ref(), &plan(as_is.clone())), "SCAN t0");
    assert_eq!(outermost(&file, connector.as_ref(), &plan(told.clone())), "SCAN t1");
    let mut answers = Vec::new();
    for root in [as_is, told] {
        let mut rows = lines(&collect(connector.as_ref(), request(root, 100)).await.expect("readable"));
        rows.sort();
        answers.push(rows);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], ["15|0|15|15|7", "16|1|16|16|8", "18|0|18|18|9", "19|1|19|19|9"].map(str::to_owned));
}
