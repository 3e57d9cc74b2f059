//! Length and wording of the files that git knows.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Lines of a source file; a longer one hides a module.
const MAX_LINES: usize = 800;

/// Words that may not be committed, in two parts so that this file may be, and the reason.
const FORBIDDEN: [(&str, &str, &str); 5] = [
    ("todo", "!(", "finish it or leave it out"),
    ("unimple", "mented!(", "finish it or leave it out"),
    ("dbg", "!(", "a left-over"),
    ("FIX", "ME", "mend it or write an issue"),
    ("/ho", "me/", "a path of one machine"),
];

/// What is wrong, a line each.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in tracked(root)? {
        let Ok(text) = fs::read_to_string(root.join(&path)) else { continue };
        problems.extend(check_file(&path, &text));
    }
    Ok(problems)
}

fn check_file(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let rust = Path::new(path).extension().is_some_and(|extension| extension == "rs");
    if rust && text.lines().count() > MAX_LINES {
        problems.push(format!("{path}: more than {MAX_LINES} lines"));
    }
    if rust && !text.starts_with("//!") && !path.contains("/tests/") && text.lines().count() > 40 && is_root(path) {
        problems.push(format!("{path}: says not what it is; begin with `//!`"));
    }
    for (number, line) in text.lines().enumerate() {
        for (first, second, reason) in FORBIDDEN {
            let word = format!("{first}{second}");
            if (rust || first.starts_with('/')) && line.contains(&word) {
                problems.push(format!("{path}:{}: `{word}`: {reason}", number + 1));
            }
        }
    }
    problems
}

fn is_root(path: &str) -> bool {
    path.ends_with("/lib.rs") || path.ends_with("/main.rs") || path.ends_with("/mod.rs")
}

fn tracked(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git").arg("ls-files").current_dir(root).output().context("cannot run git")?;
    ensure!(output.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    let skipped = |path: &&str| *path != "Cargo.lock";
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter(skipped).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_may_not_be_committed() {
        let macro_call = ["todo", "!()"].concat();
        assert_eq!(check_file("a.rs", &macro_call).len(), 1);
        assert!(check_file("a.md", &macro_call).is_empty());
        assert_eq!(check_file("a.rs", &"x\n".repeat(MAX_LINES + 1)), ["a.rs: more than 800 lines"]);
    }
}
