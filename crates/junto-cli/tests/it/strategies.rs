//! Where a statement runs, as asked for and as chosen.

use junto_testkit::{postgres, require};

use crate::harness::Place;

const ORDERS: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER, total DECIMAL(10,2));
    INSERT INTO orders VALUES (1, 1, 2.50), (2, 1, 4), (3, 2, 9), (4, 3, 1.25);
    CREATE TABLE returns (order_id INTEGER, reason TEXT); INSERT INTO returns VALUES (3, 'late'), (3, 'broken')";

fn strategy(timing: &str) -> serde_json::Value {
    let line: serde_json::Value = serde_json::from_str(timing.lines().next().expect("a line")).expect("JSON");
    line["strategy"].clone()
}

#[test]
fn a_whole_statement_runs_on_one_database_when_asked() {
    let place = Place::with(ORDERS);
    let sql = "SELECT o.user_id, count(*) AS n, max(o.id) AS last FROM @shop.orders o \
               WHERE NOT EXISTS (SELECT 1 FROM @shop.returns r WHERE r.order_id = o.id) \
               GROUP BY o.user_id HAVING count(*) > 1 ORDER BY last DESC";
    let outcome = place.query(&["--strategy", "push_down", "--timing"], sql);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "user_id,n,last\n1,2,2\n"), "{}", outcome.stderr);
    assert_eq!(strategy(&outcome.stderr), "push_down");
    let here = place.query(&["--strategy", "federated"], sql);
    assert_eq!(here.rows(), "user_id,n,last\n1,2,2\n");
}

#[test]
fn each_part_of_a_union_brings_its_first_rows_only() {
    let place = Place::with(ORDERS);
    let sql = "SELECT kind, id FROM (SELECT 'order' AS kind, id FROM @shop.orders \
               UNION ALL SELECT 'return', order_id FROM @shop.returns WHERE reason <> 'broken') AS everything \
               ORDER BY id DESC, kind LIMIT 2 OFFSET 1";
    assert_eq!(place.query(&[], sql).rows(), "kind,id\norder,3\nreturn,3\n");
    let explained = place.junto(&["explain", "-c", "shop=sqlite:shop.db", sql]).stdout;
    let limited = explained.lines().filter(|line| line.contains("sql:") && line.contains("LIMIT 3")).count();
    assert_eq!(limited, 2, "{explained}");
}

#[test]
fn what_one_database_cannot_run_is_refused_with_the_reason() {
    let place = Place::with(ORDERS);
    let window = "SELECT id, row_number() OVER (ORDER BY total) FROM @shop.orders";
    let said = place.query(&["--strategy", "push_down"], window).refused(1);
    assert!(said.contains("strategy `push_down` is not possible: window"), "{said}");
    assert!(said.contains("hint: use `auto` or `federated`"), "{said}");
    let constants = "SELECT o.id FROM @shop.orders o JOIN (VALUES (1), (2)) v (id) ON v.id = o.id";
    let said = place.query(&["--strategy", "push_down"], constants).refused(1);
    assert!(said.contains("strategy `push_down` is not possible: rows of constants are made here"), "{said}");
    let literal = "SELECT DISTINCT 'a' AS letter, user_id FROM @shop.orders WHERE id < 3";
    let said = place.query(&["--strategy", "push_down"], literal).refused(1);
    assert!(said.contains("strategy `push_down` is not possible"), "{said}");
    assert_eq!(place.query(&[], literal).rows(), "letter,user_id\na,1\n");
    place.write("files/users.csv", "id,name\n1,Ada\n");
    let both = "SELECT u.name FROM @shop.orders o JOIN @files.users u ON u.id = o.user_id";
    let said = place.query(&["-c", "files=files:files", "--strategy", "push_down"], both).refused(1);
    assert!(said.contains("its tables are in different databases"), "{said}");
}

#[test]
fn rows_of_another_database_are_brought_to_one_and_vanish() {
    let server = require!(postgres::shared());
    server.create_database("cli_materialize");
    server.execute(
        "cli_materialize",
        "create table users as select n as id, 'user ' || n as name from generate_series(1, 5000) n; analyze users",
    );
    let place = Place::with(ORDERS);
    let pg = format!("pg={}", server.url("cli_materialize"));
    let sql = "SELECT u.name, sum(o.total) AS total FROM @pg.users u JOIN @shop.orders o ON o.user_id = u.id \
               GROUP BY u.name ORDER BY total DESC, u.name";
    let expected = "name,total\nuser 2,9.00\nuser 1,6.50\nuser 3,1.25\n";
    let outcome = place.query(&["-c", &pg, "--strategy", "materialize", "--timing"], sql);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), expected), "{}", outcome.stderr);
    assert_eq!(strategy(&outcome.stderr), "materialize");
    assert_eq!(place.query(&["-c", &pg], sql).rows(), expected);
    let left = server.query("cli_materialize", "select relname from pg_class where relname like 'junto%'");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn explain_says_what_was_considered() {
    let place = Place::with(ORDERS);
    let sql = "SELECT count(*) FROM @shop.orders";
    let shown = place.junto(&["explain", "-c", "shop=sqlite:shop.db", sql]);
    assert!(shown.stdout.contains("considered: federated: estimated"), "{}", shown.stdout);
    let json = place.junto(&["explain", "-c", "shop=sqlite:shop.db", "--json", "--analyze", sql]);
    let plan: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert!(plan["alternatives"].as_array().is_some_and(|ways| !ways.is_empty()), "{plan}");
}

#[test]
fn explain_says_what_was_not_considered() {
    let place = Place::with(ORDERS);
    let considered = |sql: &str| {
        place.write("files/users.csv", "id,name\n1,Ada\n");
        let arguments = ["explain", "-c", "shop=sqlite:shop.db", "-c", "files=files:files", sql];
        place.junto(&arguments).stdout
    };
    let cheap = "not costed: federated is estimated at ";
    let one = considered("SELECT count(*) FROM @shop.orders");
    assert!(one.contains(&format!("considered: push_down: {cheap}")) && one.contains(" ms, below 10\n"), "{one}");
    assert!(!one.contains("materialize"), "nothing is to be brought anywhere: {one}");
    let both = considered("SELECT u.name FROM @shop.orders o JOIN @files.users u ON u.id = o.user_id");
    assert!(both.contains("considered: push_down: its tables are in different databases: @shop, @files"), "{both}");
    assert!(both.contains(&format!("considered: materialize: {cheap}")), "{both}");
}

#[test]
fn a_connection_may_prefer_to_send_the_least() {
    let place = Place::with(
        "CREATE TABLE items (id INTEGER PRIMARY KEY, kind TEXT, colour TEXT);
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 39999)
             INSERT INTO items SELECT i, 'kind ' || (i % 7), 'colour ' || (i % 11) FROM n;
         ANALYZE",
    );
    let sql = "SELECT kind, colour, count(*) AS n FROM @shop.items GROUP BY kind, colour ORDER BY kind, colour";
    let mut answers = Vec::new();
    for (prefer, rows) in [("fastest", 40_000), ("least_data", 77)] {
        place.write("junto.toml", format!("[connections.shop]\nurl = \"sqlite:shop.db\"\nprefer = \"{prefer}\"\n"));
        let outcome = place.junto(&["query", "--timing", sql]);
        let timing: serde_json::Value = serde_json::from_str(&outcome.stderr).expect("a line of JSON");
        assert_eq!(timing["sources"][0]["rows"], rows, "{prefer}: {timing}");
        answers.push(outcome.stdout);
    }
    assert_eq!(answers[0].lines().count(), 78);
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn joins_are_ordered_and_keys_sent_for_the_least_data() {
    let server = require!(postgres::shared());
    server.create_database("cli_least_joined");
    // No index: with so many keys the server compares every row, which takes longer than sending all.
    server.execute(
        "cli_least_joined",
        "create table visits as select n % 10000 as user_id, n % 7 as page from generate_series(1, 40000) n;
         analyze visits",
    );
    let place = Place::with(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1999)
             INSERT INTO users SELECT i * 5, 'user ' || i FROM n; ANALYZE",
    );
    let sql = "SELECT count(*) AS n, sum(v.page) AS pages, count(DISTINCT u.name) AS users \
               FROM @shop.users u JOIN @pg.visits v ON v.user_id = u.id";
    let mut answers = Vec::new();
    for (prefer, rows) in [("fastest", 40_000), ("least_data", 8_000)] {
        let url = server.url("cli_least_joined");
        let shop = "[connections.shop]\nurl = \"sqlite:shop.db\"\n";
        place.write("junto.toml", format!("{shop}[connections.pg]\nurl = \"{url}\"\nprefer = \"{prefer}\"\n"));
        let outcome = place.junto(&["query", "--timing", sql]);
        let timing: serde_json::Value = serde_json::from_str(&outcome.stderr).expect("a line of JSON");
        let sources = timing["sources"].as_array().expect("sources");
        let pg = sources.iter().find(|source| source["connection"] == "pg").expect("it is read");
        assert_eq!(pg["rows"], rows, "{prefer}: {timing}");
        answers.push(outcome.stdout);
    }
    assert!(answers[0].contains("\n8000,"), "{}", answers[0]);
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn different_values_are_counted_where_they_are() {
    let place = Place::with(ORDERS);
    let sql = "SELECT count(DISTINCT user_id) AS users, count(*) AS n, count(DISTINCT id) FILTER (WHERE user_id > 1) AS some FROM @shop.orders";
    assert_eq!(place.query(&["--strategy", "push_down"], sql).rows(), "users,n,some\n3,4,2\n");
}
