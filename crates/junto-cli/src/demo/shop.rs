//! The shop: customers, products, orders and their items, in SQLite.

use std::path::Path;

use rusqlite::Connection;

use super::random::Random;
use super::table::{Table, Value};
use super::words::{ADJECTIVES, CATEGORIES, FIRST_NAMES, LAST_NAMES, PLACES};
use crate::failure::{Failure, Result};

/// Customers have the ids 1 to this; the other databases refer to them.
pub(super) const CUSTOMERS: i64 = 6_000;
const PRODUCTS: i64 = 400;
const ORDERS: i64 = 40_000;

/// 2024-01-01 and the days of the two years that the demo covers.
pub(super) const FIRST_DAY: i64 = 19_723;
pub(super) const DAYS: u64 = 731;

/// Makes the database.
pub(super) fn write(path: &Path) -> Result<()> {
    let failed = |error: rusqlite::Error| Failure::user("cannot make the shop's database").because(error.to_string());
    let mut connection = Connection::open(path).map_err(failed)?;
    let transaction = connection.transaction().map_err(failed)?;
    for table in tables() {
        for statement in table.statements() {
            transaction.execute_batch(&statement).map_err(failed)?;
        }
    }
    transaction.commit().map_err(failed)?;
    connection.execute_batch("ANALYZE").map_err(failed)
}

/// The tables.
pub(super) fn tables() -> [Table; 4] {
    let products = products();
    let (orders, items) = orders(&products);
    [customers(), products, orders, items]
}

fn customers() -> Table {
    let mut random = Random::new(1);
    let row = |id: i64| {
        let (first, last) = (random.pick(&FIRST_NAMES), random.pick(&LAST_NAMES));
        let (country, city) = random.favoured(&PLACES);
        let mailbox = format!("{first}.{last}.{id}@example.com").to_lowercase().replace([' ', '\''], "");
        let joined = FIRST_DAY - 365 + (id * 365 / CUSTOMERS) + random.below(360) as i64;
        vec![
            id.into(),
            format!("{first} {last}").into(),
            mailbox.into(),
            (*country).into(),
            (*city).into(),
            Value::Date(joined),
        ]
    };
    Table {
        name: "customers",
        definition: &["CREATE TABLE customers (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            email TEXT NOT NULL UNIQUE,
            country TEXT NOT NULL,
            city TEXT NOT NULL,
            joined_on DATE NOT NULL
        )"],
        rows: (1..=CUSTOMERS).map(row).collect(),
    }
}

fn products() -> Table {
    let mut random = Random::new(2);
    let row = |id: i64| {
        let (category, things, lowest) = random.favoured(&CATEGORIES);
        let name = format!("{} {}", random.pick(&ADJECTIVES), random.pick(things).to_lowercase());
        let price = lowest + (random.skewed(60) as i64) * 250;
        vec![id.into(), name.into(), (*category).into(), Value::Amount(price)]
    };
    Table {
        name: "products",
        definition: &["CREATE TABLE products (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            category TEXT NOT NULL,
            price DECIMAL(10,2) NOT NULL
        )"],
        rows: (1..=PRODUCTS).map(row).collect(),
    }
}

/// Orders and their items. An order's total is the sum of its items.
fn orders(products: &Table) -> (Table, Table) {
    let mut random = Random::new(3);
    let mut orders = Vec::new();
    let mut items = Vec::new();
    for id in 1..=ORDERS {
        let customer = 1 + random.skewed(CUSTOMERS as u64) as i64;
        // Trade grows: later days are drawn more often.
        let day = FIRST_DAY + random.below(DAYS).max(random.below(DAYS)) as i64;
        let mut total = 0;
        for line in 1..=1 + random.below(3) as i64 {
            let product = random.skewed(PRODUCTS as u64);
            let quantity = 1 + random.skewed(6) as i64;
            let Some(Value::Amount(price)) = products.rows[product as usize].last() else { continue };
            total += price * quantity;
            items.push(vec![
                id.into(),
                line.into(),
                (product as i64 + 1).into(),
                quantity.into(),
                Value::Amount(*price),
            ]);
        }
        let status = *random.favoured(&["paid", "shipped", "returned", "cancelled"]);
        orders.push(vec![id.into(), customer.into(), Value::Date(day), status.into(), Value::Amount(total)]);
    }
    let orders = Table {
        name: "orders",
        definition: &[
            "CREATE TABLE orders (
                id INTEGER PRIMARY KEY,
                customer_id INTEGER NOT NULL REFERENCES customers (id),
                ordered_on DATE NOT NULL,
                status TEXT NOT NULL,
                total DECIMAL(12,2) NOT NULL
            )",
            "CREATE INDEX orders_customer ON orders (customer_id)",
        ],
        rows: orders,
    };
    let items = Table {
        name: "order_items",
        definition: &["CREATE TABLE order_items (
            order_id INTEGER NOT NULL REFERENCES orders (id),
            line INTEGER NOT NULL,
            product_id INTEGER NOT NULL REFERENCES products (id),
            quantity INTEGER NOT NULL,
            price DECIMAL(10,2) NOT NULL,
            PRIMARY KEY (order_id, line)
        )"],
        rows: items,
    };
    (orders, items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_the_sums_of_the_items_and_nothing_dangles() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        write(file.path()).expect("made");
        let connection = Connection::open(file.path()).expect("opened");
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a number");
        let wrong = "SELECT count(*) FROM orders o WHERE round(o.total * 100) <>
            (SELECT sum(round(i.price * 100) * i.quantity) FROM order_items i WHERE i.order_id = o.id)";
        assert_eq!(count(wrong), 0);
        assert_eq!(count("SELECT count(*) FROM pragma_foreign_key_check"), 0);
        assert_eq!(count("SELECT count(*) FROM orders"), ORDERS);
        assert_eq!(count("SELECT count(DISTINCT email) FROM customers"), CUSTOMERS);
    }
}
