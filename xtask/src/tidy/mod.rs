//! `cargo xtask tidy`: rules that no lint can state. ARCHITECTURE.md and the style guide give the reasons.

mod edges;
mod files;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};

/// Checks everything and prints all that is wrong.
pub(crate) fn run() -> Result<()> {
    let metadata = MetadataCommand::new().exec().context("cannot read the workspace's metadata")?;
    let mut problems = edges::check(&metadata);
    problems.extend(one_arrow(&metadata));
    problems.extend(files::check(metadata.workspace_root.as_std_path())?);
    if problems.is_empty() {
        return Ok(());
    }
    bail!("{}", problems.join("\n"));
}

/// Invariant 7: batches of two versions of Arrow are different types.
fn one_arrow(metadata: &Metadata) -> Option<String> {
    let mut versions: Vec<String> = metadata
        .packages
        .iter()
        .filter(|package| package.name.as_str() == "arrow-array")
        .map(|package| package.version.to_string())
        .collect();
    versions.sort();
    (versions.len() != 1).then(|| format!("Cargo.lock: one version of Arrow, not {}", versions.join(" and ")))
}
