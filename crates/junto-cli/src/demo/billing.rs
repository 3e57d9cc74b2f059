//! Billing: invoices of the shop's orders since 2025 and what was paid for them, in PostgreSQL.

use super::random::Random;
use super::shop::{self, FIRST_DAY};
use super::table::{Table, Value};
use super::words::METHODS;

/// Orders before 2025-01-01 have no invoices here.
const FIRST_INVOICE: i64 = FIRST_DAY + 366;
const DAYS_TO_PAY: i64 = 30;

/// The tables. An invoice's `order_id` is the id of an order of the shop, `customer_id` that of its customer.
pub(super) fn tables() -> Vec<Table> {
    let mut random = Random::new(9);
    let mut invoices: Vec<Vec<Value>> = Vec::new();
    let mut payments: Vec<Vec<Value>> = Vec::new();
    for order in shop::tables().into_iter().filter(|table| table.name == "orders").flat_map(|orders| orders.rows) {
        let [order, customer, Value::Date(day), Value::Text(status), Value::Amount(total)] = order.as_slice() else {
            continue;
        };
        if *day < FIRST_INVOICE || status == "cancelled" {
            continue;
        }
        let invoice = invoices.len() as i64 + 1;
        let state = match status.as_str() {
            "returned" => "refunded",
            "shipped" if random.chance(60) => "open",
            _ => "paid",
        };
        let mut pay = |day: i64, cents: i64, random: &mut Random| {
            let method: &str = random.favoured::<&str>(&METHODS);
            let id = payments.len() as i64 + 1;
            payments.push(vec![id.into(), invoice.into(), method.into(), Value::Date(day), Value::Amount(cents)]);
        };
        let paid_on = day + random.skewed(45) as i64;
        match state {
            "open" => {}
            "paid" if random.chance(6) => {
                pay(paid_on, total / 2, &mut random);
                pay(paid_on + DAYS_TO_PAY, total - total / 2, &mut random);
            }
            "paid" => pay(paid_on, *total, &mut random),
            _ => {
                pay(paid_on, *total, &mut random);
                pay(paid_on + 5 + random.below(20) as i64, -total, &mut random);
            }
        }
        let (issued, due) = (Value::Date(*day), Value::Date(day + DAYS_TO_PAY));
        invoices.push(vec![
            invoice.into(),
            order.clone(),
            customer.clone(),
            issued,
            due,
            state.into(),
            Value::Amount(*total),
        ]);
    }
    vec![
        Table {
            name: "invoices",
            definition: &[
                "CREATE TABLE invoices (
                    id INTEGER PRIMARY KEY,
                    order_id INTEGER NOT NULL UNIQUE,
                    customer_id INTEGER NOT NULL,
                    issued_on DATE NOT NULL,
                    due_on DATE NOT NULL,
                    status TEXT NOT NULL,
                    amount DECIMAL(12,2) NOT NULL
                )",
                "CREATE INDEX invoices_customer ON invoices (customer_id)",
            ],
            rows: invoices,
        },
        Table {
            name: "payments",
            definition: &[
                "CREATE TABLE payments (
                    id INTEGER PRIMARY KEY,
                    invoice_id INTEGER NOT NULL REFERENCES invoices (id),
                    method TEXT NOT NULL,
                    paid_on DATE NOT NULL,
                    amount DECIMAL(12,2) NOT NULL
                )",
                "CREATE INDEX payments_invoice ON payments (invoice_id)",
            ],
            rows: payments,
        },
    ]
}
