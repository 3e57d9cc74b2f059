//! The second side of a join is read while the first is.

use junto_testkit::{postgres, require};

use crate::faults_keyed::with_a_slow_row;
use crate::harness::Place;
use crate::sessions::{SOON, Server, assert_within, cancelled, wait_for};

#[test]
fn both_sides_of_a_join_are_read_at_once() {
    let server = Server::Postgres(require!(postgres::shared()));
    // Neither read comes to its end.
    let first = format!("a={}", with_a_slow_row(server, "cli_ahead_a"));
    let second = format!("b={}", with_a_slow_row(server, "cli_ahead_b"));
    let sql = "SELECT count(*) AS n FROM @a.events x FULL JOIN @b.events y ON y.id = x.id";
    let place = Place::empty();
    let child = place.spawn(&["query", "-c", &first, "-c", &second, "--timeout", "none", sql]);
    let working = |database: &str| !server.working(database, "%events%").is_empty();
    let child = wait_for(child, || working("cli_ahead_a") && working("cli_ahead_b"));
    let since = cancelled(child);
    assert_within(SOON, since, "something is left on the server", || {
        server.sessions("cli_ahead_a").is_empty() && server.sessions("cli_ahead_b").is_empty()
    });
}

/// The first side needs the only connection after the second has failed in the middle of its rows.
#[test]
fn a_side_that_failed_gives_its_connection_back() {
    let server = require!(postgres::shared());
    server.create_database("cli_ahead_fails");
    server.execute(
        "cli_ahead_fails",
        "create table numbers as select n as id, repeat('x', 20) as note from generate_series(1, 1000000) n;
         create table customers (id int primary key, name text);
         insert into customers select n, 'customer ' || n from generate_series(1, 100000) n; analyze",
    );
    let place = Place::with(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
             INSERT INTO orders SELECT i, i * 31 FROM n; ANALYZE",
    );
    let shop = "[connections.shop]\nurl = \"sqlite:shop.db\"\n";
    let url = server.url("cli_ahead_fails");
    place.write("junto.toml", format!("{shop}[connections.pg]\nurl = \"{url}\"\nmax_connections = 1\n"));
    let sql = |factor: &str| {
        format!(
            "SELECT count(*) AS n, count(n.id) AS found FROM (SELECT o.id, c.name FROM @shop.orders o \
             JOIN @pg.customers c ON c.id = o.customer) x LEFT JOIN @pg.numbers n ON n.id * {factor} = x.id + 0"
        )
    };
    let query = |factor: &str| place.junto(&["query", "--timeout", "60s", &sql(factor)]);
    assert_eq!(query("2").rows(), "n,found\n200,100\n");
    let said = query("4611686018427387904").refused(1);
    assert!(said.contains("out of range"), "{said}");
}
