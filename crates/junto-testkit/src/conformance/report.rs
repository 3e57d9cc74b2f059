//! What failed, grouped so that one defect does not fill the screen.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Failures of one run of the suite.
#[derive(Debug, Default)]
pub struct Report {
    failures: BTreeMap<String, Vec<String>>,
    checks: usize,
}

/// Examples shown of one group.
const EXAMPLES: usize = 3;

impl Report {
    /// One more thing was looked at.
    pub(crate) fn count(&mut self) {
        self.checks += 1;
    }

    /// A failure; `group` names what was tested, `what` the case and what was seen.
    pub(crate) fn fail(&mut self, group: impl Into<String>, what: impl Into<String>) {
        self.failures.entry(group.into()).or_default().push(what.into());
    }

    /// Fails unless `given`.
    pub(crate) fn require(&mut self, given: bool, group: &str, what: impl FnOnce() -> String) {
        self.count();
        if !given {
            self.fail(group, what());
        }
    }

    /// Checks made, to see that a suite did something.
    pub fn checks(&self) -> usize {
        self.checks
    }

    /// Names of the groups in which something failed.
    pub fn failed_groups(&self) -> Vec<&str> {
        self.failures.keys().map(String::as_str).collect()
    }

    /// # Panics
    /// With a readable list when something failed.
    pub fn assert_empty(&self) {
        let mut list = String::new();
        for (group, cases) in &self.failures {
            let _ = writeln!(list, "\n{group}: {} failed", cases.len());
            for case in cases.iter().take(EXAMPLES) {
                let _ = writeln!(list, "  - {}", case.replace('\n', "\n    "));
            }
        }
        assert!(self.failures.is_empty(), "the connector breaks its contract ({} checks):{list}", self.checks);
    }
}
