//! Section `[multiquery]`: its keys, each with its reader, from the file and from `JUNTO_MULTIQUERY_<KEY>`.

use std::ffi::OsString;

use junto_engine::MultiQuery;
use junto_types::nearest;

use super::quantity::{parse_bytes, parse_timeout};
use crate::failure::{Failure, Result};

type Reader = fn(&mut MultiQuery, &str) -> Result<(), String>;

/// Every key with what reads it.
const KEYS: [(&str, Reader); 11] = [
    ("enabled", |s, text| boolean(text).map(|value| s.enabled = value)),
    ("max_concurrent_connections", |s, text| at_least_one(text).map(|value| s.max_concurrent_connections = value)),
    ("default_strategy", |s, text| text.parse().map(|value| s.default_strategy = value)),
    ("timeout", |s, text| {
        let timeout = parse_timeout(text)?.ok_or("must be a duration such as `30s`")?;
        s.timeout = timeout;
        Ok(())
    }),
    ("max_result_rows", |s, text| at_least_one(text).map(|value| s.max_result_rows = value as u64)),
    ("enable_cross_type_queries", |s, text| boolean(text).map(|value| s.enable_cross_type_queries = value)),
    ("batch_size", |s, text| at_least_one(text).map(|value| s.batch_size = value)),
    ("merge_buffer_size", |s, text| parse_bytes(text).map(|value| s.merge_buffer_size = value)),
    ("parallel_execution", |s, text| boolean(text).map(|value| s.parallel_execution = value)),
    ("require_explicit_connections", |s, text| boolean(text).map(|value| s.require_explicit_connections = value)),
    ("allowed_operations", |s, text| operations(text).map(|value| s.allowed_operations = value)),
];

/// Statement kinds that `allowed_operations` may hold.
const OPERATIONS: [&str; 2] = ["SELECT", "INSERT"];

/// Sets one key from its value as text; list members are separated by commas.
///
/// # Errors
/// A sentence saying what is wrong, and a hint.
pub(super) fn set(settings: &mut MultiQuery, key: &str, text: &str) -> Result<(), (String, Option<String>)> {
    let Some((_, read)) = KEYS.iter().find(|(known, _)| *known == key) else {
        let near = nearest(key, KEYS.iter().map(|(known, _)| *known));
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known keys: {}", KEYS.map(|(known, _)| known).join(", ")),
        };
        return Err((format!("unknown key `multiquery.{key}`"), Some(hint)));
    };
    read(settings, text).map_err(|reason| (format!("`multiquery.{key}` {reason}"), None))
}

/// Applies `JUNTO_MULTIQUERY_TIMEOUT=10s` and the like.
///
/// # Errors
/// Unknown keys and wrong values, naming the variable.
pub(super) fn apply_environment(
    settings: &mut MultiQuery,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<()> {
    for (name, value) in variables {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else { continue };
        let Some(key) = name.strip_prefix("JUNTO_MULTIQUERY_") else { continue };
        set(settings, &key.to_ascii_lowercase(), value).map_err(|(message, hint)| {
            let failure = Failure::user(format!("environment variable {name}: {message}"));
            match hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        })?;
    }
    Ok(())
}

fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("is `true` or `false`, not `{text}`"))
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("is a whole number above 0, not `{text}`"))
}

fn operations(text: &str) -> Result<Vec<String>, String> {
    let words = text.split(',').map(|word| word.trim().to_ascii_uppercase()).filter(|word| !word.is_empty());
    words
        .map(|word| match OPERATIONS.contains(&word.as_str()) {
            true => Ok(word),
            false => Err(format!("holds `{word}`; it may hold {}", OPERATIONS.join(" and "))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use junto_engine::Strategy;

    use super::*;

    fn with(key: &str, text: &str) -> MultiQuery {
        let mut settings = MultiQuery::default();
        set(&mut settings, key, text).expect("a good value");
        settings
    }

    #[test]
    fn every_key_has_a_reader() {
        assert!(!with("enabled", "false").enabled);
        assert_eq!(with("max_concurrent_connections", "3").max_concurrent_connections, 3);
        assert_eq!(with("default_strategy", "push_down").default_strategy, Strategy::PushDown);
        assert_eq!(with("timeout", "2m").timeout, Duration::from_mins(2));
        assert_eq!(with("max_result_rows", "5").max_result_rows, 5);
        assert!(!with("enable_cross_type_queries", "false").enable_cross_type_queries);
        assert_eq!(with("batch_size", "1024").batch_size, 1024);
        assert_eq!(with("merge_buffer_size", "1GB").merge_buffer_size, 1 << 30);
        assert!(!with("parallel_execution", "false").parallel_execution);
        assert!(with("require_explicit_connections", "true").require_explicit_connections);
        assert_eq!(with("allowed_operations", "select, insert").allowed_operations, ["SELECT", "INSERT"]);
    }

    #[test]
    fn wrong_keys_and_values_are_refused() {
        let refuse = |key, text| set(&mut MultiQuery::default(), key, text).expect_err("refused");
        assert_eq!(refuse("timeuot", "1s").1.as_deref(), Some("did you mean `timeout`?"));
        assert_eq!(refuse("batch_size", "0").0, "`multiquery.batch_size` is a whole number above 0, not `0`");
        assert_eq!(
            refuse("allowed_operations", "SELECT,DELETE").0,
            "`multiquery.allowed_operations` holds `DELETE`; it may hold SELECT and INSERT"
        );
        assert_eq!(
            refuse("default_strategy", "pushdown").0,
            "`multiquery.default_strategy` unknown strategy `pushdown`; did you mean `push_down`?"
        );
    }

    #[test]
    fn the_environment_overrides() {
        let mut settings = MultiQuery::default();
        let variables = [("JUNTO_MULTIQUERY_BATCH_SIZE", "7"), ("JUNTO_DUCKDB_LIBRARY", "x")];
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        apply_environment(&mut settings, variables.into_iter()).expect("good values");
        assert_eq!(settings.batch_size, 7);
        let wrong = [("JUNTO_MULTIQUERY_BATCHSIZE".into(), "7".into())];
        let failure = apply_environment(&mut settings, wrong.into_iter()).expect_err("refused");
        assert!(failure.report(false).contains("did you mean `batch_size`?"));
    }
}
