//! Tasks of the repository that need more than a shell script. `./dev` calls them.

mod fetch_duckdb;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let task = std::env::args().nth(1);
    match task.as_deref() {
        Some("fetch-duckdb") => {
            let path = fetch_duckdb::run()?;
            eprintln!("DuckDB's library is at {}", path.display());
            Ok(())
        }
        _ => bail!("usage: cargo xtask fetch-duckdb"),
    }
}
