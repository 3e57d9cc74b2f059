//! Typed options of a connection: declared once per driver, parsed, checked and documented from the declaration.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use junto_types::{Alias, ConnectionId, Secret, nearest};
use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};

/// One option of a driver.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    pub name: &'static str,
    pub kind: OptionKind,
    /// Written as the user would write it; shown in the documentation.
    pub default: Option<&'static str>,
    pub required: bool,
    /// Never printed, stored only sealed.
    pub secret: bool,
    /// One sentence.
    pub doc: &'static str,
}

impl OptionSpec {
    /// An optional option without default.
    pub const fn new(name: &'static str, kind: OptionKind, doc: &'static str) -> Self {
        Self { name, kind, default: None, required: false, secret: false, doc }
    }

    /// With a default.
    #[must_use]
    pub const fn with_default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// Must be given.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// A secret.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

/// What values an option takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OptionKind {
    Text,
    Path,
    Boolean,
    Integer {
        min: i64,
        max: i64,
    },
    /// `30s`, `500ms`, `2m`.
    Duration,
    Choice(&'static [&'static str]),
    /// Free text with a key after a dot, for example `type.orders.note = text`.
    Map,
}

/// Values of a driver's options, as text, checked against its [`OptionSpec`]s.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Options {
    values: BTreeMap<String, Secret>,
    secrets: Vec<&'static str>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.values.iter().map(|(name, value)| {
                let hidden = self.secrets.contains(&name.as_str());
                (name, if hidden { "***" } else { value.expose() })
            }))
            .finish()
    }
}

impl Options {
    /// Checks names and values.
    ///
    /// # Errors
    /// Unknown names with the nearest known one, values of the wrong kind, required options that are missing.
    pub fn checked(specs: &[OptionSpec], values: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let secrets = specs.iter().filter(|spec| spec.secret).map(|spec| spec.name).collect();
        let mut options = Self { values: BTreeMap::new(), secrets };
        for (name, value) in values {
            let spec = find_spec(specs, &name).ok_or_else(|| Error::UnknownOption {
                nearest: nearest(&name, specs.iter().map(|spec| spec.name)).map(Into::into),
                option: name.clone(),
            })?;
            check_value(spec, &value)?;
            options.values.insert(name, Secret::new(value));
        }
        for spec in specs {
            if let (None, Some(default)) = (options.values.get(spec.name), spec.default) {
                options.values.insert(spec.name.into(), Secret::new(default));
            }
            if spec.required && !options.values.contains_key(spec.name) {
                return Err(Error::InvalidOption { option: spec.name.into(), reason: "is required".into() });
            }
        }
        Ok(options)
    }

    /// Text value.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(Secret::expose)
    }

    /// Secret value.
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.values.get(name).cloned()
    }

    /// Integer value; checked when the options were.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// Boolean value; absent is false.
    pub fn is_on(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| parse_boolean(value) == Some(true))
    }

    /// Duration value.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        parse_duration(self.text(name)?)
    }

    /// Entries of a [`OptionKind::Map`] option: what stands after `name.`, with its value.
    pub fn entries<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.values
            .iter()
            .filter_map(move |(full, value)| Some((full.strip_prefix(name)?.strip_prefix('.')?, value.expose())))
    }

    /// Names and values that are not secret, for display and storage.
    pub fn public(&self) -> impl Iterator<Item = (&str, &str)> {
        let shown = |name: &str| !self.secrets.contains(&name);
        self.values.iter().filter(move |(name, _)| shown(name)).map(|(name, value)| (name.as_str(), value.expose()))
    }
}

/// Options out of `scheme://user:password@host:port/database?name=value`. Parts become `user`, `password`, `host`,
/// `port` and `database`; the query's pairs become options of their names. Percent escapes are decoded.
pub fn parse_server_url(url: &str) -> Result<Vec<(String, String)>> {
    let invalid = |reason: &str| Error::InvalidUrl { reason: reason.into() };
    let parsed = url::Url::parse(url).map_err(|cause| invalid(&cause.to_string()))?;
    if !parsed.has_host() && !url.contains("://") {
        return Err(invalid("expected scheme://user:password@host:port/database"));
    }
    let decoded = |text: &str| -> Result<String> {
        Ok(percent_decode_str(text).decode_utf8().map_err(|_| invalid("percent escapes are not UTF-8"))?.into_owned())
    };
    let mut options = Vec::new();
    let mut add = |name: &str, value: String| options.push((name.to_owned(), value));
    if !parsed.username().is_empty() {
        add("user", decoded(parsed.username())?);
    }
    if let Some(password) = parsed.password() {
        add("password", decoded(password)?);
    }
    if let Some(host) = parsed.host_str().filter(|host| !host.is_empty()) {
        add("host", decoded(host.trim_start_matches('[').trim_end_matches(']'))?);
    }
    if let Some(port) = parsed.port() {
        add("port", port.to_string());
    }
    let database = parsed.path().trim_start_matches('/');
    if !database.is_empty() {
        add("database", decoded(database)?);
    }
    options.extend(parsed.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())));
    Ok(options)
}

/// Options out of `scheme:PATH?name=value`. The path becomes `path`; `scheme://PATH` is the same as `scheme:PATH`.
pub fn parse_path_url(url: &str) -> Result<Vec<(String, String)>> {
    let rest = url.split_once(':').map_or("", |(_, rest)| rest);
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if path.is_empty() {
        return Err(Error::InvalidUrl { reason: "expected a path after the colon".into() });
    }
    let path = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| Error::InvalidUrl { reason: "percent escapes are not UTF-8".into() })?;
    let mut options = vec![("path".to_owned(), path.into_owned())];
    options.extend(url::form_urlencoded::parse(query.as_bytes()).into_owned());
    Ok(options)
}

/// Replaces each `${env:NAME}` with what `lookup` says of `NAME`.
///
/// # Errors
/// [`Error::InvalidOption`] naming `option` and the variable when it is not set or the braces do not close.
pub fn expand_variables(option: &str, value: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<String> {
    let invalid = |reason: String| Error::InvalidOption { option: option.into(), reason };
    let mut expanded = String::new();
    let mut rest = value;
    while let Some(at) = rest.find("${env:") {
        expanded.push_str(&rest[..at]);
        let tail = &rest[at + 6..];
        let end = tail.find('}').ok_or_else(|| invalid("has `${env:` without a closing brace".into()))?;
        let name = &tail[..end];
        expanded.push_str(&lookup(name).ok_or_else(|| invalid(format!("needs the environment variable {name}")))?);
        rest = &tail[end + 1..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// `30s`, `500ms`, `2m`, `1h`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..split].parse().ok()?;
    let seconds = match text[split..].trim() {
        "" | "s" => number,
        "ms" => number / 1000.0,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// Everything needed to connect.
#[derive(Debug, Clone)]
pub struct ConnectionConfig {
    pub id: ConnectionId,
    /// Free text, shown to people.
    pub name: String,
    pub alias: Alias,
    pub driver: String,
    pub options: Options,
    pub prefer: Prefer,
    /// Connections Junto may hold to this source at once.
    pub max_connections: usize,
}

/// What a plan should spare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prefer {
    /// The shortest time.
    #[default]
    Fastest,
    /// The fewest bytes from this source and the least work on it.
    LeastData,
}

fn find_spec<'a>(specs: &'a [OptionSpec], name: &str) -> Option<&'a OptionSpec> {
    specs.iter().find(|spec| {
        spec.name == name
            || (spec.kind == OptionKind::Map
                && name.strip_prefix(spec.name).is_some_and(|rest| rest.len() > 1 && rest.starts_with('.')))
    })
}

fn parse_boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Some(true),
        "false" | "off" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn check_value(spec: &OptionSpec, value: &str) -> Result<()> {
    let invalid = |reason: String| Err(Error::InvalidOption { option: spec.name.into(), reason });
    match spec.kind {
        OptionKind::Text | OptionKind::Path | OptionKind::Map => Ok(()),
        OptionKind::Boolean if parse_boolean(value).is_some() => Ok(()),
        OptionKind::Boolean => invalid("is `true` or `false`".into()),
        OptionKind::Duration if parse_duration(value).is_some() => Ok(()),
        OptionKind::Duration => invalid("is a duration such as `30s` or `500ms`".into()),
        OptionKind::Integer { min, max } => match value.parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(()),
            _ => invalid(format!("is a whole number from {min} to {max}")),
        },
        OptionKind::Choice(choices) if choices.contains(&value) => Ok(()),
        OptionKind::Choice(choices) => invalid(match nearest(value, choices.iter().copied()) {
            Some(near) => format!("is one of {}; did you mean `{near}`?", choices.join(", ")),
            None => format!("is one of {}", choices.join(", ")),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: &[OptionSpec] = &[
        OptionSpec::new("host", OptionKind::Text, "Host.").required(),
        OptionSpec::new("port", OptionKind::Integer { min: 1, max: 65535 }, "Port.").with_default("5432"),
        OptionSpec::new("password", OptionKind::Text, "Password.").secret(),
        OptionSpec::new("user", OptionKind::Text, "User."),
        OptionSpec::new("database", OptionKind::Text, "Database."),
        OptionSpec::new("sslmode", OptionKind::Choice(&["disable", "require"]), "TLS."),
        OptionSpec::new("type", OptionKind::Map, "Types."),
    ];

    fn parse(url: &str) -> Result<Options> {
        Options::checked(SPECS, parse_server_url(url)?)
    }

    #[test]
    fn reads_every_part_of_a_url() {
        let options = parse("postgres://ada:p%40ss@db:7/shop?sslmode=require&type.a.b=text").expect("valid");
        assert_eq!(options.text("user"), Some("ada"));
        assert_eq!(options.text("password"), Some("p@ss"));
        assert_eq!(options.integer("port"), Some(7));
        assert_eq!(options.text("database"), Some("shop"));
        assert_eq!(options.entries("type").collect::<Vec<_>>(), [("a.b", "text")]);
        assert!(!format!("{options:?}").contains("p@ss"));
    }

    #[test]
    fn says_what_is_wrong() {
        let message = |url: &str| parse(url).map_err(|error| (error.to_string(), error.hint())).expect_err("invalid");
        assert_eq!(
            message("postgres://db?prot=1"),
            ("unknown option `prot`".into(), Some("did you mean `port`?".into()))
        );
        assert_eq!(message("postgres://db?port=0").0, "option `port` is a whole number from 1 to 65535");
        assert_eq!(message("postgres:///x").0, "option `host` is required");
    }

    #[test]
    fn paths_and_variables() {
        assert_eq!(parse_path_url("sqlite:a%20b.db?mode=x").expect("valid")[0], ("path".into(), "a b.db".into()));
        let lookup = |name: &str| (name == "X").then(|| "1".to_owned());
        assert_eq!(expand_variables("o", "a${env:X}b", lookup).expect("set"), "a1b");
        assert!(expand_variables("o", "${env:Y}", lookup).is_err());
    }
}
