//! `cargo xtask lint`: clippy over everything; with `CI=true` a warning is an error.

use std::process::Command;

use anyhow::{Context, Result, ensure};

pub(crate) fn run() -> Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // One profile and one feature set, as the tests use: dependencies are compiled once.
    command.args(["clippy", "--quiet", "--workspace", "--all-targets"]);
    if std::env::var_os("CI").is_some_and(|value| value == "true") {
        command.args(["--", "--deny", "warnings"]);
    }
    let status = command.status().context("cannot run cargo")?;
    ensure!(status.success(), "clippy found something");
    Ok(())
}
