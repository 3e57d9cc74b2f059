//! The demo, as its first user sees it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use junto_testkit::{mariadb, postgres, require};

use crate::harness::{Outcome, Place};

/// Stops the demo's servers when a test ends or fails.
struct Stopped<'a>(&'a Place);

impl<'a> Stopped<'a> {
    /// The servers' users may enter the place, also when the tests are run by root.
    fn after_the_test(place: &'a Place) -> Self {
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("our own folder");
        Self(place)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let stopped = self.0.junto(&["demo", "--dir", "demo", "--stop"]);
        if let Ok(servers) = self.0.path().join("demo/servers").canonicalize() {
            let _ = fs::remove_dir_all(servers);
        }
        assert!(std::thread::panicking() || stopped.code == Some(0), "{}", stopped.stderr);
    }
}

/// The answers of a tour: its output without times.
fn answers(tour: &Outcome) -> Vec<&str> {
    tour.stdout.lines().filter(|line| line.contains('│')).collect()
}

#[test]
fn the_demo_joins_three_databases() {
    let place = Place::empty();
    let first = place.junto(&["demo", "--dir", "demo", "--no-servers"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert!(first.stderr.starts_with("Making the demo databases in demo"), "{}", first.stderr);
    for part in ["customer ", "@shop: SELECT", "@crm: SELECT", "@events", "Try next:"] {
        assert!(first.stdout.contains(part), "{part} is missing in {}", first.stdout);
    }
    assert_eq!(place.names_in("demo"), ["crm.duckdb", "events", "junto.toml", "shop.db"]);
    let counts = "SELECT (SELECT count(*) FROM @shop.customers) + (SELECT count(*) FROM @shop.products)
        + (SELECT count(*) FROM @shop.orders) + (SELECT count(*) FROM @shop.order_items)
        + (SELECT count(*) FROM @crm.accounts) + (SELECT count(*) FROM @crm.contacts)
        + (SELECT count(*) FROM @crm.tickets) + (SELECT count(*) FROM @events.page_views)
        + (SELECT count(*) FROM @events.campaigns) AS n";
    let counted = place.junto(&["query", "--config", "demo/junto.toml", counts]).rows();
    let rows: u64 = counted.lines().nth(1).and_then(|line| line.parse().ok()).expect("a number");
    assert!((190_000..220_000).contains(&rows), "{rows}");
    // Once more: nothing is made again.
    let second = place.junto(&["demo", "--dir", "demo", "--no-servers"]);
    assert_eq!((second.code, second.stderr.as_str()), (Some(0), "The demo databases are in demo\n"));
}

#[test]
fn servers_that_are_installed_join_in() {
    require!(postgres::shared());
    require!(mariadb::shared());
    let place = Place::empty();
    let _stopped = Stopped::after_the_test(&place);
    let first = place.junto(&["demo", "--dir", "demo"]);
    assert_eq!((first.code, first.stderr.lines().count()), (Some(0), 1), "{}", first.stderr);
    for part in ["@shop: ", "@crm: ", "@events: ", "@billing: SELECT", "@support: SELECT"] {
        assert!(first.stdout.contains(part), "{part} is missing in {}", first.stdout);
    }
    let count = |sql: &str| {
        let rows = place.junto(&["query", "--config", "demo/junto.toml", sql]).rows();
        rows.lines().nth(1).and_then(|line| line.parse::<u64>().ok()).expect("a number")
    };
    for (table, rows) in [
        ("billing.invoices", 25_000..35_000),
        ("billing.payments", 20_000..35_000),
        ("support.agents", 24..25),
        ("support.messages", 25_000..35_000),
    ] {
        let counted = count(&format!("SELECT count(*) FROM @{table}"));
        assert!(rows.contains(&counted), "{table}: {counted}");
    }
    let dangling = "SELECT (SELECT count(*) FROM @billing.invoices i LEFT JOIN @shop.orders o
            ON o.id = i.order_id AND o.customer_id = i.customer_id AND o.total = i.amount WHERE o.id IS NULL)
        + (SELECT count(*) FROM @support.messages m LEFT JOIN @crm.tickets t ON t.id = m.ticket_id WHERE t.id IS NULL) AS n";
    assert_eq!(count(dangling), 0);
    let unbalanced = "SELECT count(*) FROM @billing.invoices i JOIN
        (SELECT invoice_id, sum(amount) AS paid FROM @billing.payments GROUP BY invoice_id) p ON p.invoice_id = i.id
        WHERE p.paid <> CASE i.status WHEN 'paid' THEN i.amount ELSE 0 END";
    assert_eq!(count(unbalanced), 0);
    let tested = place.junto(&["connections", "test", "--config", "demo/junto.toml", "billing", "support"]);
    assert!(tested.code == Some(0) && !tested.stdout.contains("warning"), "{}{}", tested.stdout, tested.stderr);
    // Everything that is proposed works as it is printed; the last of it stops the servers.
    let steps: Vec<&str> = first.stdout.lines().skip_while(|line| *line != "Try next:").skip(2).collect();
    assert!(steps.last().is_some_and(|step| step.contains("--stop")), "{steps:?}");
    for step in steps.iter().filter(|step| !step.contains("your own database")) {
        let outcome = place.shell(step);
        assert_eq!(outcome.code, Some(0), "{step}: {}", outcome.stderr);
    }
    let said = place.junto(&["query", "--config", "demo/junto.toml", "SELECT * FROM @billing.invoices"]).refused(1);
    assert!(said.contains("unknown connection `@billing`"), "{said}");
    let stopped = place.junto(&["demo", "--dir", "demo", "--stop"]);
    assert_eq!((stopped.code, stopped.stderr.as_str()), (Some(0), "No server of the demo in demo is running\n"));
    // The data are still there, and the answers are the same.
    let made = fs::metadata(place.path().join("demo/servers/billing/complete")).and_then(|mark| mark.modified());
    for _ in 0..2 {
        let again = place.junto(&["demo", "--dir", "demo"]);
        assert_eq!((again.code, again.stderr.as_str()), (Some(0), "The demo databases are in demo\n"));
        assert_eq!(answers(&again), answers(&first));
    }
    let kept = fs::metadata(place.path().join("demo/servers/billing/complete")).and_then(|mark| mark.modified());
    assert_eq!(made.expect("made"), kept.expect("kept"));
}

#[test]
fn servers_that_fail_are_left_out_with_the_reason() {
    let place = Place::empty();
    let _stopped = Stopped::after_the_test(&place);
    fs::create_dir(place.path().join("bin")).expect("a folder");
    for program in ["initdb", "postgres", "mariadb-install-db", "mariadbd"] {
        let path = format!("bin/{program}");
        place.write(&path, "#!/bin/sh\necho 'this is broken' >&2\nexit 1\n");
        fs::set_permissions(place.path().join(path), fs::Permissions::from_mode(0o755)).expect("our own file");
    }
    let path = format!("{}/bin:{}", place.path().display(), std::env::var("PATH").unwrap_or_default());
    let demo = || -> Outcome {
        place.command(&["demo", "--dir", "demo"]).env("PATH", &path).output().expect("the binary starts").into()
    };
    for _ in 0..2 {
        let outcome = demo();
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let left_out = outcome.stderr.lines().nth(1).expect("a second line");
        assert!(left_out.starts_with("Left out: PostgreSQL (") && left_out.contains(", MariaDB ("), "{left_out}");
        assert_eq!(left_out.matches("failed: this is broken").count(), 2, "{left_out}");
        assert!(!outcome.stdout.contains("@billing") && !outcome.stdout.contains("--stop"), "{}", outcome.stdout);
    }
    assert!(!place.read("demo/junto.toml").contains("billing"));
}

#[test]
fn the_demo_takes_no_folder_of_others() {
    let place = Place::empty();
    place.write("mine.txt", "mine");
    let said = place.junto(&["demo", "--dir", "."]).refused(1);
    assert!(said.contains("is not empty and holds no complete demo"), "{said}");
    assert_eq!(place.read("mine.txt"), "mine");
}
