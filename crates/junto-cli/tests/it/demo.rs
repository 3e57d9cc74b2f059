//! The demo, as its first user sees it.

use crate::harness::Place;

#[test]
fn the_demo_joins_three_databases() {
    let place = Place::empty();
    let first = place.junto(&["demo", "--dir", "demo"]);
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
    let second = place.junto(&["demo", "--dir", "demo"]);
    assert_eq!((second.code, second.stderr.as_str()), (Some(0), "The demo databases are in demo\n"));
}

#[test]
fn the_demo_takes_no_folder_of_others() {
    let place = Place::empty();
    place.write("mine.txt", "mine");
    let said = place.junto(&["demo", "--dir", "."]).refused(1);
    assert!(said.contains("is not empty and holds no complete demo"), "{said}");
    assert_eq!(place.read("mine.txt"), "mine");
}
