//! Tasks of the repository that need more than a shell script. `./dev` calls them.

mod fetch_duckdb;
mod lint;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let task = std::env::args().nth(1);
    match task.as_deref() {
        Some("fetch-duckdb") => {
            let path = fetch_duckdb::run()?;
            eprintln!("DuckDB's library is at {}", path.display());
            Ok(())
        }
        Some("tidy") => tidy::run(),
        Some("lint") => lint::run(),
        _ => bail!("usage: cargo xtask fetch-duckdb | tidy | lint"),
    }
}
