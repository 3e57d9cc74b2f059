//! The first statements of the demo, their answers, what ran where, and what to try next.

use std::io::{self, Write};
use std::path::Path;

use junto_engine::{PlanNode, StatementOptions};

use super::servers::LIFE;
use crate::arguments::{StatementArguments, Timeout};
use crate::failure::{Failure, Result};
use crate::output::{self, Format, Look, visible};
use crate::progress::grouped;
use crate::session::Session;
use crate::terminal;

const THREE_QUESTION: &str = "Which customers spent most since July 2025 and wait for support, and what brought them?";

/// Runs over the databases that are always there.
const THREE_SOURCES: &str = "\
SELECT c.name AS customer, a.name AS company, g.name AS came_by, o.spent, t.open_tickets
FROM @shop.customers c
JOIN (SELECT customer_id, sum(total) AS spent
      FROM @shop.orders
      WHERE status = 'paid' AND ordered_on >= DATE '2025-07-01'
      GROUP BY customer_id) o ON o.customer_id = c.id
JOIN @crm.contacts k ON k.customer_id = c.id
JOIN @crm.accounts a ON a.id = k.account_id
JOIN (SELECT contact_id, count(*) AS open_tickets
      FROM @crm.tickets
      WHERE closed_on IS NULL
      GROUP BY contact_id) t ON t.contact_id = k.id
JOIN @events.page_views v ON v.customer_id = c.id AND v.page = '/welcome'
JOIN @events.campaigns g ON g.code = v.campaign
ORDER BY o.spent DESC
LIMIT 10";

const FIVE_QUESTION: &str =
    "And with PostgreSQL and MariaDB: which customers with an urgent ticket owe money since before October 2025?";

/// Runs over these and both servers.
const FIVE_SOURCES: &str = "\
SELECT c.name AS customer, a.name AS company, g.name AS came_by, i.overdue, t.subject, m.messages, m.last_on
FROM (SELECT customer_id, sum(amount) AS overdue
      FROM @billing.invoices
      WHERE status = 'open' AND due_on < DATE '2025-10-01'
      GROUP BY customer_id) i
JOIN @shop.customers c ON c.id = i.customer_id
JOIN @crm.contacts k ON k.customer_id = c.id
JOIN @crm.accounts a ON a.id = k.account_id
JOIN @crm.tickets t ON t.contact_id = k.id AND t.priority = 'urgent' AND t.closed_on IS NULL
JOIN (SELECT ticket_id, count(*) AS messages, max(sent_on) AS last_on
      FROM @support.messages
      GROUP BY ticket_id) m ON m.ticket_id = t.id
JOIN @events.page_views v ON v.customer_id = c.id AND v.page = '/welcome'
JOIN @events.campaigns g ON g.code = v.campaign
ORDER BY i.overdue DESC, t.id
LIMIT 10";

/// Shows everything on standard output. `servers` are the aliases of those that run.
pub(super) async fn run(session: &Session, config: &Path, servers: &[&str]) -> Result<()> {
    show(session, THREE_QUESTION, THREE_SOURCES).await?;
    if servers.len() == 2 {
        say("")?;
        show(session, FIVE_QUESTION, FIVE_SOURCES).await?;
    }
    say("\nTry next:\n")?;
    for line in next_steps(config, servers) {
        say(&format!("  {line}"))?;
    }
    Ok(())
}

async fn show(session: &Session, question: &str, statement: &str) -> Result<()> {
    say(&format!("{question}\n\n{}\n", indented(statement)))?;
    let unlimited = StatementArguments { on: None, timeout: Some(Timeout(None)), strategy: None, memory_limit: None };
    let options = session.options(&unlimited);
    answer(session, statement, &options).await?;
    let explanation = session.engine.explain(statement, &options, false).await?;
    say("\nEach database got one piece of it:\n")?;
    pieces(&explanation.root)
}

async fn answer(session: &Session, statement: &str, options: &StatementOptions) -> Result<()> {
    let started = std::time::Instant::now();
    let mut run = session.engine.execute(statement, options).await?;
    let batches = run.collect().await?;
    let elapsed = started.elapsed();
    let look = Look { colour: terminal::colour_on_stdout() };
    let mut stdout = io::stdout();
    let not_written = |error: io::Error| Failure::output(&error, "the answer");
    let mut writer = output::writer(Format::Table, &mut stdout, &run.schema, look).map_err(not_written)?;
    for batch in &batches {
        writer.batch(batch).map_err(not_written)?;
    }
    writer.finish().map_err(not_written)?;
    drop(writer);
    let read: Vec<String> =
        run.sources().iter().map(|source| format!("@{} {} rows", source.connection, grouped(source.rows))).collect();
    say(&format!("\n{:.0} ms; read {}", elapsed.as_secs_f64() * 1e3, read.join(", ")))
}

fn pieces(node: &PlanNode) -> Result<()> {
    if let (Some(connection), Some(sql)) = (&node.connection, &node.sql) {
        say(&format!("  @{connection}: {}", visible(sql)))?;
    }
    node.children.iter().try_for_each(pieces)
}

/// Commands that work as they are printed.
fn next_steps(config: &Path, servers: &[&str]) -> Vec<String> {
    let junto = std::env::current_exe().map_or_else(|_| "junto".into(), |path| quoted(&path.to_string_lossy()));
    let folder = quoted(&config.parent().unwrap_or(config).to_string_lossy());
    let config = quoted(&config.to_string_lossy());
    let mut steps = vec![
        format!("{junto} schema --config {config} @shop.orders"),
        format!(
            "{junto} query --config {config} \"SELECT country, count(*) FROM @shop.customers GROUP BY 1 ORDER BY 2 DESC\""
        ),
        format!(
            "{junto} explain --config {config} --analyze \"SELECT * FROM @shop.orders o JOIN @crm.contacts k ON k.customer_id = o.customer_id WHERE k.id = 7\""
        ),
    ];
    if servers.contains(&"billing") {
        steps.push(format!(
            "{junto} query --config {config} \"SELECT i.status, count(*), sum(o.total) FROM @billing.invoices i JOIN @shop.orders o ON o.id = i.order_id GROUP BY 1\""
        ));
    }
    if servers.contains(&"support") {
        steps.push(format!(
            "{junto} query --config {config} \"SELECT t.priority, count(*) FROM @support.messages m JOIN @crm.tickets t ON t.id = m.ticket_id GROUP BY 1\""
        ));
    }
    steps.push(format!(
        "{junto} query --config {config} -c mine=postgres://user:password@host/database \"SELECT * FROM @mine.table LIMIT 10\"   # your own database"
    ));
    if !servers.is_empty() {
        steps.push(format!("{junto} demo --dir {folder} --stop   # ends the two servers, which else run for {LIFE}"));
    }
    steps
}

/// For a shell, in quotes where it needs them.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn say(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").map_err(|error| Failure::output(&error, "the answer"))
}
