//! What reaches a source when the other sides of its joins are in other databases.

use junto_testkit::{postgres, require};

use crate::harness::Place;

const DIMENSIONS: &str = "
    CREATE TABLE days (id INTEGER PRIMARY KEY, year INTEGER);
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999) INSERT INTO days SELECT i, i / 100 FROM n;
    CREATE TABLE items (id INTEGER PRIMARY KEY, kind INTEGER);
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 39999)
        INSERT INTO items SELECT i, i / 4000 FROM n;";

const FACTS: &str =
    "create table sales as select n as id, (n * 7) % 1000 as day, (n * 11) % 40000 as item, n % 90 as amount
    from generate_series(1, 60000) n; analyze sales";

/// The node of an analyzed plan that reads a connection.
pub(crate) fn read_of<'p>(node: &'p serde_json::Value, connection: &str) -> Option<&'p serde_json::Value> {
    if node["connection"] == connection {
        return Some(node);
    }
    node["children"].as_array()?.iter().find_map(|child| read_of(child, connection))
}

/// The analyzed plan of a statement.
fn analyzed(place: &Place, connections: &[&str], sql: &str) -> serde_json::Value {
    let outcome = place.junto(&[&["explain", "--json", "--analyze"], connections, &[sql]].concat());
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{}", outcome.stderr))
}

#[test]
fn several_joins_restrict_one_read() {
    let server = require!(postgres::shared());
    server.create_database("cli_star");
    server.execute("cli_star", FACTS);
    let place = Place::with(DIMENSIONS);
    let pg = format!("pg={}", server.url("cli_star"));
    // A hundred days are listed, four thousand items have bounds.
    let sql = "SELECT count(*) AS n, sum(s.amount) AS total FROM @pg.sales s JOIN @shop.days d ON d.id = s.day \
               JOIN @shop.items i ON i.id = s.item WHERE d.year = 3 AND i.kind = 7";
    let plan = analyzed(&place, &["-c", "shop=sqlite:shop.db", "-c", &pg], sql);
    let read = read_of(&plan["root"], "pg").expect("PostgreSQL is read");
    let expected = "select count(*), sum(amount) from sales where day / 100 = 3 and item / 4000 = 7";
    let row: Vec<String> = server.query("cli_star", expected).remove(0).into_iter().flatten().collect();
    assert_eq!(read["actual_keys"], 100, "{plan}");
    assert_eq!(read["actual_conditions"], 1, "{plan}");
    assert_eq!(read["actual_rows"].to_string(), row[0], "{plan}");
    let answer = place.query(&["-c", &pg], sql).rows();
    assert_eq!(answer, format!("n,total\n{}\n", row.join(",")));
}

#[test]
fn keys_that_no_index_finds_are_asked_for_in_parts_of_a_read() {
    let place = Place::with(
        "CREATE TABLE sales (id INTEGER PRIMARY KEY, day INTEGER, note TEXT);
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199999)
            INSERT INTO sales SELECT i, i % 10000, 'sold ' || i FROM n;
        ANALYZE;",
    );
    place.write("files/days.csv", format!("id\n{}", (0..50).map(|day| format!("{}\n", day * 100)).collect::<String>()));
    let connections = ["-c", "shop=sqlite:shop.db", "-c", "files=files:files"];
    let sql = "SELECT s.note, d.id FROM @shop.sales s JOIN @files.days d ON d.id = s.day";
    let plan = analyzed(&place, &connections, sql);
    let read = read_of(&plan["root"], "shop").expect("SQLite is read");
    assert_eq!((&read["actual_keys"], &read["actual_rows"]), (&50.into(), &1000.into()), "{plan}");
    assert!(read["actual_connections"].as_u64().is_some_and(|count| count > 1), "{plan}");
    let counted = format!("SELECT count(*) AS n, min(note) AS least FROM ({sql}) x");
    assert_eq!(place.query(&connections[2..], &counted).rows(), "n,least\n1000,sold 0\n");
}

#[test]
fn what_is_only_asked_for_a_partner_is_compared_once() {
    let place = Place::with(DIMENSIONS);
    let sales = (0..20_000).map(|id| format!("{id},{}\n", id % 3));
    place.write("files/sales.csv", format!("id,kind\n{}", sales.collect::<String>()));
    for (condition, count) in [
        ("i.kind IN (SELECT kind FROM @files.sales)", 12_000),
        ("i.kind NOT IN (SELECT kind FROM @files.sales)", 28_000),
        ("i.id = 39999 OR EXISTS (SELECT 1 FROM @files.sales s WHERE s.kind = i.kind)", 12_001),
        ("EXISTS (SELECT 1 FROM @files.sales s WHERE s.kind = i.kind AND s.id > i.id + 19990)", 8),
    ] {
        let sql = format!("SELECT count(*) AS n FROM @shop.items i WHERE {condition}");
        let connections = ["-c", "shop=sqlite:shop.db", "-c", "files=files:files"];
        let outcome = place.junto(&[&["explain", "--analyze"], &connections[..], &[&sql]].concat());
        // Here, or by their source.
        let is_grouped = |line: &str| {
            line.contains("mode=Partial, gby=[kind@")
                || line.contains("mode=Partial, gby=[id@")
                || line.contains("[] by [kind] of (scan main.sales [kind])")
        };
        assert!(outcome.stdout.lines().any(is_grouped), "{condition}: {}{}", outcome.stdout, outcome.stderr);
        assert_eq!(place.query(&connections[2..], &sql).rows(), format!("n\n{count}\n"), "{condition}");
    }
}

/// What one connection did for a statement over `shop` and `files`.
fn reads_of_shop(place: &Place, sql: &str) -> (String, serde_json::Value) {
    let outcome = place.junto(&["query", "--timing", "-c", "shop=sqlite:shop.db", "-c", "files=files:files", sql]);
    let timing: serde_json::Value =
        serde_json::from_str(&outcome.stderr).unwrap_or_else(|_| panic!("{}", outcome.stderr));
    let sources = timing["sources"].as_array().expect("sources");
    let shop = sources.iter().find(|source| source["connection"] == "shop").expect("it is read");
    (outcome.stdout, shop.clone())
}

#[test]
fn a_part_that_is_used_twice_is_computed_once() {
    let place = Place::with(DIMENSIONS);
    let picks = (0..500).map(|id| format!("{}\n", id * 80));
    place.write("files/picks.csv", format!("item\n{}", picks.collect::<String>()));
    let picked = "WITH w AS (SELECT i.kind, count(*) AS n FROM @files.picks p JOIN @shop.items i ON i.id = p.item GROUP BY i.kind)";
    let twice = format!(
        "{picked} SELECT a.kind, a.n + b.n AS n FROM w a JOIN w b ON b.kind = a.kind + 1 ORDER BY a.kind LIMIT 2"
    );
    let (rows, shop) = reads_of_shop(&place, &twice);
    assert_eq!(rows, "kind,n\n0,100\n1,100\n");
    assert_eq!((&shop["queries"], &shop["rows"]), (&1.into(), &500.into()), "each item is asked for once: {shop}");
    let explain = ["explain", "--analyze", "-c", "shop=sqlite:shop.db", "-c", "files=files:files", &twice];
    let plan = place.junto(&explain).stdout;
    let count = |text: &str| plan.matches(text).count();
    assert_eq!((count("computed here for all"), count("read from where it is computed")), (1, 1), "{plan}");
}

#[test]
fn a_part_that_one_place_reads_in_part_leaves_its_connection_to_others() {
    let server = require!(postgres::shared());
    server.create_database("cli_parts");
    server.execute("cli_parts", FACTS);
    server.execute("cli_parts", "create table days as select n as id from generate_series(0, 999) n; analyze days");
    let place = Place::with(DIMENSIONS);
    let url = server.url("cli_parts");
    let shop = "[connections.shop]\nurl = \"sqlite:shop.db\"\n";
    place.write("junto.toml", format!("{shop}[connections.pg]\nurl = \"{url}\"\nmax_connections = 1\n"));
    let sql = "WITH j AS (SELECT s.id, s.day, i.kind FROM @shop.items i JOIN @pg.sales s ON s.item = i.id) \
               SELECT count(*) AS n, count(DISTINCT y.id) AS ids FROM (SELECT * FROM j LIMIT 3) x \
               JOIN @pg.days d ON d.id = x.day OR d.id = x.day + 1000 JOIN j y ON y.day = d.id";
    let outcome = place.junto(&["query", "--timeout", "60s", sql]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let counted: Vec<u64> = outcome.stdout.lines().nth(1).unwrap_or_default().split(',').flat_map(str::parse).collect();
    // Of each day there are sixty sales.
    assert!(matches!(counted[..], [180, 60 | 120 | 180]), "{}", outcome.stdout);
}

#[test]
fn parts_that_all_get_keys_are_computed_apart() {
    let place = Place::with(DIMENSIONS);
    place.write("files/few.csv", "id\n5\n70\n39999\n");
    place.write("files/facts.csv", format!("id\n{}", (0..5000).map(|id| format!("{}\n", id * 7)).collect::<String>()));
    let sql = "WITH w AS (SELECT i.id, i.kind, count(*) AS n FROM @shop.items i JOIN @files.facts f ON f.id = i.id \
               GROUP BY i.id, i.kind) \
               SELECT f.id, a.n, b.kind FROM @files.few f JOIN w a ON a.id = f.id JOIN w b ON b.id = f.id";
    let (rows, shop) = reads_of_shop(&place, sql);
    assert_eq!(rows, "id,n,kind\n70,1,0\n");
    assert!(shop["rows"].as_u64().is_some_and(|rows| rows <= 6), "{shop}");
}

#[test]
fn as_many_joins_as_one_likes() {
    let place = Place::with(DIMENSIONS);
    place.write("files/kinds.csv", "id,name\n0,a\n1,b\n2,c\n");
    for tables in [11, 64, 65, 90] {
        let joined = (1..tables).map(|at| {
            let (table, key) = if at % 2 == 0 { ("@shop.days", "id") } else { ("@files.kinds", "id") };
            format!(" JOIN {table} t{at} ON t{at}.{key} = t{}.id", at - 1)
        });
        let sql = format!("SELECT count(*) AS n, sum(t0.id) AS s FROM @shop.days t0{}", joined.collect::<String>());
        let answer = place.query(&["-c", "files=files:files", "--timeout", "none"], &sql).rows();
        assert_eq!(answer, "n,s\n3,3\n", "{tables} tables");
    }
}
