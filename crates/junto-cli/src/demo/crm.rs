//! Customer relations: companies, their people and their support tickets, in DuckDB.

use super::random::Random;
use super::shop::{CUSTOMERS, DAYS, FIRST_DAY};
use super::table::{Table, Value};
use super::words::{COMPANY_ENDINGS, INDUSTRIES, LAST_NAMES, ROLES, SUBJECTS};

const ACCOUNTS: i64 = 900;
const TICKETS: i64 = 12_000;

/// The tables. A contact's `customer_id` is the id of a customer of the shop; not every customer is a contact.
pub(super) fn tables() -> Vec<Table> {
    let contacts = contacts();
    let tickets = tickets(contacts.rows.len() as u64);
    vec![accounts(), contacts, tickets]
}

fn accounts() -> Table {
    let mut random = Random::new(4);
    let row = |id: i64| {
        let name = format!("{} {}", random.pick(&LAST_NAMES), random.pick(&COMPANY_ENDINGS));
        let since = FIRST_DAY - 700 + random.below(1_000) as i64;
        vec![id.into(), name.into(), (*random.favoured(&INDUSTRIES)).into(), Value::Date(since)]
    };
    Table {
        name: "accounts",
        definition: &["CREATE TABLE accounts (
            id INTEGER PRIMARY KEY,
            name VARCHAR NOT NULL,
            industry VARCHAR NOT NULL,
            customer_since DATE NOT NULL
        )"],
        rows: (1..=ACCOUNTS).map(row).collect(),
    }
}

fn contacts() -> Table {
    let mut random = Random::new(5);
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for customer in 1..=CUSTOMERS {
        if random.chance(90) {
            let account = 1 + random.skewed(ACCOUNTS as u64) as i64;
            let id = rows.len() as i64 + 1;
            rows.push(vec![id.into(), account.into(), customer.into(), (*random.favoured(&ROLES)).into()]);
        }
    }
    Table {
        name: "contacts",
        definition: &["CREATE TABLE contacts (
            id INTEGER PRIMARY KEY,
            account_id INTEGER NOT NULL,
            customer_id BIGINT NOT NULL,
            role VARCHAR NOT NULL
        )"],
        rows,
    }
}

fn tickets(contacts: u64) -> Table {
    let mut random = Random::new(6);
    let row = |id: i64| {
        let contact = 1 + random.skewed(contacts) as i64;
        let opened = FIRST_DAY + random.below(DAYS) as i64;
        let closed = if random.chance(85) { Value::Date(opened + random.skewed(40) as i64) } else { Value::Null };
        let priority = *random.favoured(&["normal", "low", "high", "urgent"]);
        let subject = *random.favoured(&SUBJECTS);
        vec![id.into(), contact.into(), subject.into(), priority.into(), Value::Date(opened), closed]
    };
    Table {
        name: "tickets",
        definition: &["CREATE TABLE tickets (
            id INTEGER PRIMARY KEY,
            contact_id INTEGER NOT NULL,
            subject VARCHAR NOT NULL,
            priority VARCHAR NOT NULL,
            opened_on DATE NOT NULL,
            closed_on DATE
        )"],
        rows: (1..=TICKETS).map(row).collect(),
    }
}
