//! Which crate may depend on which ("What may import what" of ARCHITECTURE.md).

use cargo_metadata::{DependencyKind, Metadata};

/// Each crate, and the crates of the workspace it may use. Connectors share one rule, below.
const EDGES: [(&str, &[&str]); 15] = [
    ("junto-types", &[]),
    ("junto-sql", &["junto-types"]),
    ("junto-connector", &["junto-types"]),
    ("junto-connector-sql", &["junto-types", "junto-connector"]),
    ("junto-datafusion", &[]),
    ("junto-federation", &["junto-types", "junto-connector"]),
    ("junto-engine", &["junto-types", "junto-sql", "junto-connector", "junto-datafusion", "junto-federation"]),
    ("junto-store", &["junto-types"]),
    ("junto-secrets", &["junto-types"]),
    ("junto-assistant", &["junto-types", "junto-sql"]),
    ("junto-service", &["junto-types", "junto-sql", "junto-engine", "junto-store", "junto-secrets", "junto-assistant"]),
    ("junto-server", &["junto-types", "junto-service"]),
    ("junto-testkit", &["junto-types", "junto-connector"]),
    ("junto-slt", &["junto-types", "junto-engine", "junto-connectors", "junto-testkit"]),
    ("xtask", &[]),
];

/// Crates for tests and measurements: they may use anything, and nothing that is shipped may use them.
const NEVER_SHIPPED: [&str; 3] = ["junto-testkit", "junto-slt", "junto-bench"];

/// The composition root: the only crate that knows both engine and connectors.
const COMPOSITION_ROOTS: [&str; 2] = ["junto-cli", "junto-desktop"];

/// What is wrong, a line each.
pub(super) fn check(metadata: &Metadata) -> Vec<String> {
    let mut problems = Vec::new();
    let members = metadata.workspace_packages();
    for package in &members {
        for dependency in &package.dependencies {
            let known = members.iter().any(|member| member.name.as_str() == dependency.name);
            let shipped = matches!(dependency.kind, DependencyKind::Normal | DependencyKind::Build);
            if known && shipped && !may_use(package.name.as_str(), &dependency.name) {
                problems.push(format!("{} may not depend on {}", package.name, dependency.name));
            }
        }
    }
    problems
}

fn may_use(from: &str, to: &str) -> bool {
    if NEVER_SHIPPED.contains(&to) {
        return NEVER_SHIPPED.contains(&from);
    }
    if COMPOSITION_ROOTS.contains(&from) {
        return !is_connector(to);
    }
    if from == "junto-bench" {
        return true;
    }
    if from == "junto-connectors" {
        return to == "junto-connector" || is_connector(to);
    }
    if is_connector(from) {
        if to == "junto-datafusion" {
            return from == "junto-connector-files";
        }
        return ["junto-types", "junto-connector", "junto-connector-sql"].contains(&to);
    }
    EDGES.iter().any(|(name, allowed)| *name == from && allowed.contains(&to))
}

/// A crate of one source.
fn is_connector(name: &str) -> bool {
    name.strip_prefix("junto-connector-").is_some_and(|source| source != "sql")
}

#[cfg(test)]
mod tests {
    use super::may_use;

    #[test]
    fn layers_hold() {
        assert!(may_use("junto-cli", "junto-connectors"));
        assert!(!may_use("junto-cli", "junto-connector-postgres"));
        assert!(!may_use("junto-engine", "junto-connector-postgres"));
        assert!(!may_use("junto-connector-mysql", "junto-connector-postgres"));
        assert!(!may_use("junto-engine", "junto-testkit"));
        assert!(!may_use("junto-types", "junto-sql"));
        assert!(!may_use("junto-newcomer", "junto-types"));
    }
}
