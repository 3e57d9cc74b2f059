//! The first statement of the demo, its answer, what ran where, and what to try next.

use std::io::{self, Write};
use std::path::Path;

use junto_engine::{PlanNode, StatementOptions};

use crate::arguments::{StatementArguments, Timeout};
use crate::failure::{Failure, Result};
use crate::output::{self, Format, Look, visible};
use crate::progress::grouped;
use crate::session::Session;
use crate::terminal;

/// Runs over all three databases.
const STATEMENT: &str = "\
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

/// Shows everything on standard output.
pub(super) async fn run(session: &Session, config: &Path) -> Result<()> {
    say("Which customers spent most since July 2025 and wait for support, and what brought them?\n")?;
    say(&indented(STATEMENT))?;
    say("")?;
    let unlimited = StatementArguments { on: None, timeout: Some(Timeout(None)), strategy: None, memory_limit: None };
    let options = session.options(&unlimited);
    answer(session, &options).await?;
    let explanation = session.engine.explain(STATEMENT, &options, false).await?;
    say("\nEach database got one piece of it:\n")?;
    pieces(&explanation.root)?;
    say("\nTry next:\n")?;
    for line in next_steps(config) {
        say(&format!("  {line}"))?;
    }
    Ok(())
}

async fn answer(session: &Session, options: &StatementOptions) -> Result<()> {
    let started = std::time::Instant::now();
    let mut run = session.engine.execute(STATEMENT, options).await?;
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
fn next_steps(config: &Path) -> [String; 4] {
    let junto = std::env::current_exe().map_or_else(|_| "junto".into(), |path| quoted(&path.to_string_lossy()));
    let config = quoted(&config.to_string_lossy());
    [
        format!("{junto} schema --config {config} @shop.orders"),
        format!(
            "{junto} query --config {config} \"SELECT country, count(*) FROM @shop.customers GROUP BY 1 ORDER BY 2 DESC\""
        ),
        format!(
            "{junto} explain --config {config} --analyze \"SELECT * FROM @shop.orders o JOIN @crm.contacts k ON k.customer_id = o.customer_id WHERE k.id = 7\""
        ),
        format!(
            "{junto} query --config {config} -c mine=postgres://user:password@host/database \"SELECT * FROM @mine.table LIMIT 10\"   (your own database)"
        ),
    ]
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
