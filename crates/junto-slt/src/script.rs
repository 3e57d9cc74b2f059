//! The files under `slt/` and the directives in the comments at their top.
//!
//! - `# sources: pg my lite duck files` runs the file once per source, `$SRC` standing for its alias;
//! - `# oracle: postgres` has the answers checked against PostgreSQL as well.

use std::path::{Path, PathBuf};

/// Aliases of the sources every file may name.
pub const ALIASES: [&str; 5] = ["pg", "my", "lite", "duck", "files"];

/// More connections, each a database of its own on the server of one of the five: alias, server.
pub const MORE: [(&str, &str); 7] = [
    ("dev", "pg"),
    ("prod", "pg"),
    ("users_db", "pg"),
    ("orders_db", "pg"),
    ("production", "pg"),
    ("payments_db", "my"),
    ("staging", "my"),
];

/// Stands for the alias a file is run on.
pub const SOURCE_VARIABLE: &str = "$SRC";

/// One file.
#[derive(Debug, Clone)]
pub struct Script {
    pub path: PathBuf,
    /// Folder and name without ending, as `core/numbers`.
    pub name: String,
    /// Aliases to run it on; empty when it names its own.
    pub sources: Vec<String>,
    pub oracle: bool,
    text: String,
}

impl Script {
    /// Aliases that a run of it on `source` needs.
    pub fn needs(&self, source: Option<&str>) -> Vec<&'static str> {
        let mentioned = |alias: &str| {
            ["@", "on "].iter().any(|before| {
                self.text.match_indices(&format!("{before}{alias}")).any(|(at, found)| {
                    let after = self.text[at + found.len()..].chars().next();
                    matches!(after, Some('.' | ':'))
                })
            })
        };
        let own = ALIASES.into_iter().filter(|alias| source == Some(*alias) || mentioned(alias));
        let more = MORE.into_iter().filter(|(alias, _)| mentioned(alias)).map(|(_, server)| server);
        own.chain(more).collect()
    }
}

/// Folder `slt/` of this repository.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../slt")
}

/// Every file, by name.
///
/// # Panics
/// When the folder cannot be read, or a directive is misspelt.
pub fn all() -> Vec<Script> {
    let mut scripts = Vec::new();
    collect(&folder(), &mut scripts);
    scripts.sort_by(|a, b| a.name.cmp(&b.name));
    scripts
}

fn collect(folder_path: &Path, scripts: &mut Vec<Script>) {
    let entries = std::fs::read_dir(folder_path).unwrap_or_else(|error| panic!("{}: {error}", folder_path.display()));
    for entry in entries {
        let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder_path.display())).path();
        if path.is_dir() {
            collect(&path, scripts);
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            scripts.push(read(path));
        }
    }
}

fn read(path: PathBuf) -> Script {
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let relative = path.strip_prefix(folder()).unwrap_or(&path).with_extension("");
    let mut script = Script { name: relative.display().to_string(), path, sources: Vec::new(), oracle: false, text };
    let text = script.text.clone();
    for line in text.lines().take_while(|line| line.starts_with('#') || line.is_empty()) {
        match line.trim_start_matches('#').trim().split_once(':') {
            Some(("sources", list)) => script.sources = list.split_whitespace().map(str::to_owned).collect(),
            Some(("oracle", name)) => {
                assert_eq!(name.trim(), "postgres", "{}: the only oracle is postgres", script.name);
                script.oracle = true;
            }
            _ => {}
        }
    }
    let unknown = script.sources.iter().find(|source| !ALIASES.contains(&source.as_str()));
    assert!(unknown.is_none(), "{}: unknown source {unknown:?}", script.name);
    script
}
