//! The `junto` binary: reads its arguments, puts engine and connectors together, and runs one command.

mod arguments;
mod configuration;
mod connections;
mod demo;
mod explain;
mod failure;
mod interrupt;
mod listing;
mod output;
mod progress;
mod query;
mod schema;
mod session;
mod terminal;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use failure::{Failure, Result};
use interrupt::Interrupt;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Stack of a thread, of which only what is used is taken: plans are walked operator by operator, and a statement may join
/// hundreds of tables.
const STACK_BYTES: usize = 64 << 20;

fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build()
    {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::user("cannot start threads").because(error.to_string())),
    };
    let outcome = runtime.block_on(run(arguments));
    // Tasks that are still at work belong to dropped statements; nobody waits for them.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let interrupt = Interrupt::listen();
    match arguments.command {
        Command::Query(arguments) => Box::pin(query::run(arguments, &interrupt)).await,
        Command::Explain(arguments) => Box::pin(explain::run(arguments, &interrupt)).await,
        Command::Schema(arguments) => interrupt.guard(Box::pin(schema::run(arguments))).await,
        Command::Connections(arguments) => interrupt.guard(Box::pin(connections::run(arguments))).await,
        Command::Demo(arguments) => interrupt.guard(Box::pin(demo::run(arguments))).await,
    }
}

fn report(failure: &Failure) -> ExitCode {
    terminal::report(failure);
    ExitCode::from(failure.exit_code())
}
