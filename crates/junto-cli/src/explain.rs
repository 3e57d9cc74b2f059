//! `junto explain`: what runs where.

use std::io::Write;

use crate::arguments::ExplainArguments;
use crate::failure::{Failure, Result};
use crate::interrupt::Interrupt;
use crate::query;
use crate::session::Session;

/// Runs the command.
pub(crate) async fn run(arguments: ExplainArguments, interrupt: &Interrupt) -> Result<()> {
    let session = Session::open(&arguments.sources)?;
    let outcome = Box::pin(interrupt.guard(explain(&arguments, &session))).await;
    // Also after an interrupt: what was dropped is being cancelled on the servers.
    session.engine.shutdown();
    outcome
}

async fn explain(arguments: &ExplainArguments, session: &Session) -> Result<()> {
    let text = query::read(Some(&arguments.sql), None)?;
    let statement = text.trim().trim_end_matches(';');
    let options = session.options(&arguments.statement);
    if let Some(failure) = session.broken_connection(statement, &options) {
        return Err(failure);
    }
    let explanation = session.engine.explain(statement, &options, arguments.analyze).await.map_err(|error| {
        let place = error.span();
        let failure = Failure::from(error);
        match place {
            Some(place) => failure.at(None, statement, place),
            None => failure,
        }
    })?;
    let text = if arguments.json {
        serde_json::to_string_pretty(&explanation).expect("numbers and texts are JSON") + "\n"
    } else {
        explanation.to_string()
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::output(&error, "the plan"))
}
