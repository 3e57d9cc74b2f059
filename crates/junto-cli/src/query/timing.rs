//! The JSON line of `--timing`.

use std::time::Duration;

use junto_engine::SourceReport;
use serde::Serialize;

use super::Outcome;

/// One run of one statement. Programs read it: names and order stay as they are.
#[derive(Debug, Serialize)]
pub(super) struct Timing<'a> {
    statement: usize,
    ok: bool,
    /// From the SQL text to the last row, in milliseconds.
    elapsed_ms: f64,
    rows: u64,
    strategy: Option<&'static str>,
    reason: Option<&'a str>,
    sources: &'a [SourceReport],
    error: Option<&'a str>,
}

impl<'a> Timing<'a> {
    pub(super) fn new(statement: usize, elapsed: Duration, outcome: &'a Outcome, error: Option<&'a str>) -> Self {
        Self {
            statement,
            ok: error.is_none(),
            elapsed_ms: (elapsed.as_secs_f64() * 1e6).round() / 1e3,
            rows: outcome.rows,
            strategy: outcome.strategy,
            reason: outcome.reason.as_deref(),
            sources: &outcome.sources,
            error,
        }
    }

    pub(super) fn line(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts are JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_of_json() {
        let source = SourceReport { connection: "pg".into(), rows: 3, bytes: 40, queries: 1 };
        let (strategy, reason) = (Some("federated"), Some("because".into()));
        let outcome = Outcome { rows: 2, strategy, reason, sources: vec![source], ..Outcome::default() };
        assert_eq!(
            Timing::new(1, Duration::from_micros(1_250), &outcome, None).line(),
            r#"{"statement":1,"ok":true,"elapsed_ms":1.25,"rows":2,"strategy":"federated","reason":"because","sources":[{"connection":"pg","rows":3,"bytes":40,"queries":1}],"error":null}"#
        );
        let failed = Timing::new(2, Duration::ZERO, &Outcome::default(), Some("no")).line();
        assert!(failed.ends_with(r#""strategy":null,"reason":null,"sources":[],"error":"no"}"#), "{failed}");
    }
}
