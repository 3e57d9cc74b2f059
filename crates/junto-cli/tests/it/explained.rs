//! What `explain` says of the operators that run here.

use junto_testkit::{postgres, require};
use rusqlite::Connection;
use serde_json::Value;

use crate::harness::Place;

const CONNECTIONS: [&str; 4] = ["-c", "shop=sqlite:shop.db", "-c", "crm=sqlite:crm.db"];

/// 4,000 orders of 400 users, who are in another database.
fn shop_and_crm() -> Place {
    let place = Place::with(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, total INTEGER NOT NULL, note TEXT NOT NULL);
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 3999)
             INSERT INTO orders SELECT i, i % 400, i % 7, 'note ' || i FROM n;
         CREATE INDEX by_user ON orders (user_id);
         ANALYZE",
    );
    let crm = Connection::open(place.path().join("crm.db")).expect("a database");
    let users = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 399)
             INSERT INTO users SELECT i, 'user ' || i FROM n;
         ANALYZE";
    crm.execute_batch(users).expect("good SQL");
    place
}

fn explained(place: &Place, arguments: &[&str]) -> String {
    let outcome = place.junto(&[&["explain"], &CONNECTIONS[..], arguments].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    outcome.stdout
}

/// All nodes of the plan, each before those below it.
fn analyzed(place: &Place, sql: &str) -> Vec<Value> {
    let text = explained(place, &["--json", "--analyze", "--strategy", "federated", sql]);
    let plan: Value = serde_json::from_str(&text).expect("JSON");
    let mut nodes = Vec::new();
    collect(&plan["root"], &mut nodes);
    nodes
}

fn collect(node: &Value, nodes: &mut Vec<Value>) {
    nodes.push(node.clone());
    node["children"].as_array().expect("children").iter().for_each(|child| collect(child, nodes));
}

/// Estimated and actual rows of the operators that are called so.
fn rows(nodes: &[Value], operator: &str) -> Vec<(u64, u64)> {
    let of_kind = nodes.iter().filter(|node| node["operator"].as_str().is_some_and(|text| text.contains(operator)));
    of_kind
        .map(|node| {
            let figure = |name: &str| node[name].as_u64().unwrap_or_else(|| panic!("no {name}: {node}"));
            (figure("estimated_rows"), figure("actual_rows"))
        })
        .collect()
}

#[test]
fn operators_that_run_here_have_estimates_beside_what_came() {
    let place = shop_and_crm();
    let joined = "SELECT u.name, count(*) AS n, min(o.note) AS first FROM @shop.orders o \
                  JOIN @crm.users u ON u.id = o.user_id GROUP BY u.name HAVING count(*) > 11 ORDER BY n, u.name LIMIT 3";
    let nodes = analyzed(&place, joined);
    for node in &nodes {
        assert!(node["estimated_rows"].is_u64() && node["estimated_bytes"].is_u64(), "no estimate: {node}");
        assert!(node["partitions"].as_u64().is_some_and(|count| count > 0), "{node}");
    }
    let all = "SELECT o.id, u.name FROM @shop.orders o JOIN @crm.users u ON u.id = o.user_id";
    let nodes_of_all = analyzed(&place, all);
    assert_eq!(rows(&nodes_of_all, "HashJoinExec"), [(4_000, 4_000)]);
    // Ids of eight bytes, and each name ten times: "user 0" to "user 399".
    assert_eq!(nodes_of_all[0]["actual_bytes"], 4_000 * 8 + 10 * (10 * 6 + 90 * 7 + 300 * 8));
    assert!(nodes_of_all.iter().all(|node| node["actual_bytes"].is_u64()), "{nodes_of_all:?}");
    // A condition on groups is taken to keep few, and keeps none here.
    let (kept, none) = rows(&nodes, "FilterExec")[0];
    assert!((1..400).contains(&kept) && none == 0, "{kept}");
    assert!(rows(&nodes, "SortExec").iter().all(|(first, _)| *first <= 3 * 2), "{nodes:?}");
}

#[test]
fn estimates_belong_to_the_operator_that_they_are_shown_at() {
    let place = shop_and_crm();
    let united = "SELECT id FROM @shop.orders UNION ALL SELECT id FROM @crm.users";
    assert_eq!(rows(&analyzed(&place, united), "UnionExec"), [(4_400, 4_400)]);
    let skipped = "SELECT o.id, u.name FROM @shop.orders o JOIN @crm.users u ON u.id = o.user_id LIMIT 10 OFFSET 5";
    assert_eq!(rows(&analyzed(&place, skipped), "GlobalLimitExec"), [(10, 10)]);
    // Two aggregates over one read: users, then how many have how many orders.
    let twice =
        "SELECT n, count(*) FROM (SELECT user_id, count(*) AS n FROM @shop.orders GROUP BY user_id) u GROUP BY n";
    let groups = rows(&analyzed(&place, twice), "gby=[user_id");
    assert!(groups.iter().any(|(estimated, actual)| (*estimated, *actual) == (400, 400)), "{groups:?}");
    let outer = rows(&analyzed(&place, twice), "gby=[n@");
    assert!(!outer.is_empty() && outer.iter().all(|(estimated, _)| *estimated < 400), "{outer:?}");
    // Equal reads on both sides of a join, with conditions that are told apart or not shown.
    let alike = "SELECT count(*) FROM (SELECT id, note FROM @shop.orders WHERE reverse(note) LIKE '1%') a \
                 JOIN (SELECT id, note FROM @shop.orders WHERE reverse(note) = '1 eton') b ON b.id = a.id";
    for node in analyzed(&place, alike) {
        if node["operator"].as_str().is_some_and(|operator| operator.starts_with("FilterExec")) {
            let estimated = node["estimated_rows"].as_u64();
            assert!(estimated.is_none_or(|rows| rows < 4_000), "{node}");
        }
    }
}

#[test]
fn what_runs_here_says_why() {
    let place = shop_and_crm();
    let join = "FROM @shop.orders o JOIN @crm.users u ON u.id = o.user_id";
    let both = "SELECT id, note AS text FROM @shop.orders UNION ALL SELECT id, name FROM @crm.users";
    let cases = [
        (format!("SELECT o.id {join} ORDER BY o.total LIMIT 2"), "sort: its input is joined here"),
        (format!("SELECT o.id {join} LIMIT 2"), "limit: its input is joined here"),
        (format!("SELECT o.id {join}"), "join: @crm and @shop are different databases"),
        (format!("SELECT u.name, max(o.note) {join} GROUP BY u.name"), "aggregate: its input is joined here"),
        (
            format!("SELECT u.name, count(*) {join} GROUP BY u.name HAVING count(*) > 3"),
            "HAVING: its groups are formed here",
        ),
        (both.into(), "union: @shop and @crm are different databases"),
        (
            format!("SELECT text FROM ({both}) b ORDER BY lower(text) LIMIT 2"),
            "sort: it orders by what is computed here",
        ),
        (
            "SELECT id FROM @shop.orders UNION ALL SELECT user_id FROM @shop.orders".into(),
            "union: its parts are read at the same time",
        ),
        (
            "SELECT id FROM @shop.orders ORDER BY total".into(),
            "sort: without a limit its source would send as many rows",
        ),
        ("SELECT id FROM @shop.orders OFFSET 2".into(), "limit: OFFSET without LIMIT is done here"),
        (
            "SELECT id, row_number() OVER (ORDER BY total) FROM @shop.orders ORDER BY total, id LIMIT 2".into(),
            "window functions: no source is asked for them",
        ),
    ];
    for (sql, reason) in cases {
        let text = explained(&place, &["--strategy", "federated", &sql]);
        let found = text.lines().filter(|line| line.trim() == format!("kept local: {reason}")).count();
        assert_eq!(found, 1, "{sql}: {reason}\n{text}");
    }
}

#[test]
fn conditions_on_groups_of_a_source_say_why_they_run_here() {
    let server = require!(postgres::shared());
    server.create_database("cli_explained");
    server.execute(
        "cli_explained",
        "create table sales (kind int not null, amount numeric(8,2) not null);
         insert into sales select n % 7, n % 100 from generate_series(1, 60000) n; analyze sales",
    );
    let (place, url) = (Place::empty(), format!("pg={}", server.url("cli_explained")));
    let having = "SELECT kind, avg(amount) FROM @pg.sales GROUP BY kind HAVING avg(amount) > 3";
    let outcome = place.junto(&["explain", "-c", &url, "--strategy", "federated", having]);
    assert!(outcome.stdout.contains("kept local: HAVING: an average is computed here"), "{outcome:?}");
}

#[test]
fn estimates_of_keyed_reads_are_without_keys() {
    let place = shop_and_crm();
    let keyed = "SELECT u.name FROM @shop.orders o JOIN @crm.users u ON u.id = o.user_id WHERE o.id = 7";
    let text = explained(&place, &[keyed]);
    assert!(text.contains("[estimated rows 400 without keys, estimated bytes "), "{text}");
}

#[test]
fn what_a_source_does_is_not_explained() {
    let place = shop_and_crm();
    let both = "SELECT id FROM @shop.orders UNION ALL SELECT id FROM @crm.users ORDER BY id LIMIT 2";
    for sql in ["SELECT id FROM @shop.orders ORDER BY note LIMIT 2", "SELECT id FROM @shop.orders LIMIT 2", both] {
        let text = explained(&place, &[sql]);
        assert!(!text.contains("kept local: sort") && !text.contains("kept local: limit"), "{text}");
    }
}
