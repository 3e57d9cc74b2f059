//! Support: who answers tickets, and the messages of each, in MariaDB.

use super::crm;
use super::random::Random;
use super::table::{Table, Value};
use super::words::{ANSWERS, FIRST_NAMES, LAST_NAMES, QUESTIONS, TEAMS};

const AGENTS: i64 = 24;

/// The tables. A message's `ticket_id` is the id of a ticket of the customer relations.
pub(super) fn tables() -> Vec<Table> {
    vec![agents(), messages()]
}

fn agents() -> Table {
    let mut random = Random::new(10);
    let row = |id: i64| {
        let name = format!("{} {}", random.pick(&FIRST_NAMES), random.pick(&LAST_NAMES));
        vec![id.into(), name.into(), (*random.favoured(&TEAMS)).into()]
    };
    Table {
        name: "agents",
        definition: &["CREATE TABLE agents (
            id INTEGER PRIMARY KEY,
            name VARCHAR(80) NOT NULL,
            team VARCHAR(40) NOT NULL
        )"],
        rows: (1..=AGENTS).map(row).collect(),
    }
}

/// Customer and agent write in turns; the agent is NULL where the customer writes.
fn messages() -> Table {
    let mut random = Random::new(11);
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for ticket in crm::tables().into_iter().filter(|table| table.name == "tickets").flat_map(|tickets| tickets.rows) {
        let [ticket, .., Value::Date(opened), closed] = ticket.as_slice() else { continue };
        let agent = 1 + random.skewed(AGENTS as u64) as i64;
        let mut day = *opened;
        for turn in 0..=random.skewed(8) {
            let (agent, body) = match turn % 2 {
                0 => (Value::Null, *random.favoured(&QUESTIONS)),
                _ => (agent.into(), *random.favoured(&ANSWERS)),
            };
            let id = rows.len() as i64 + 1;
            rows.push(vec![id.into(), ticket.clone(), agent, Value::Date(day), body.into()]);
            day += random.skewed(6) as i64;
            if let Value::Date(closed) = closed {
                day = day.min(*closed);
            }
        }
    }
    Table {
        name: "messages",
        definition: &["CREATE TABLE messages (
            id INTEGER PRIMARY KEY,
            ticket_id INTEGER NOT NULL,
            agent_id INTEGER REFERENCES agents (id),
            sent_on DATE NOT NULL,
            body VARCHAR(200) NOT NULL,
            INDEX messages_ticket (ticket_id)
        )"],
        rows,
    }
}
