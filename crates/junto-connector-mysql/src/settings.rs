//! The options of a MySQL or MariaDB connection, declared and read into types.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use junto_connector::{Error, OptionKind, OptionSpec, Options, Result};
use junto_types::Secret;

use crate::wire::TlsMode;

/// Every option, in the order of the documentation.
pub(crate) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::new("host", OptionKind::Text, "Host name or address of the server.").with_default("127.0.0.1"),
    OptionSpec::new("port", OptionKind::Integer { min: 1, max: 65535 }, "TCP port.").with_default("3306"),
    OptionSpec::new("socket", OptionKind::Path, "Unix socket of the server; wins over host and port."),
    OptionSpec::new("user", OptionKind::Text, "Login name.").with_default("root"),
    OptionSpec::new("password", OptionKind::Text, "Password of the login.").secret(),
    OptionSpec::new("database", OptionKind::Text, "Default schema: where `@alias.table` looks."),
    OptionSpec::new(
        "sslmode",
        OptionKind::Choice(&["disable", "prefer", "require", "verify-ca", "verify-full"]),
        "How the connection is secured; by default verify-full, but disable on this machine.",
    ),
    OptionSpec::new("ssl_ca", OptionKind::Path, "PEM file with the authorities to trust instead of the built-in list."),
    OptionSpec::new("connect_timeout", OptionKind::Duration, "Time for connecting and logging in.").with_default("5s"),
    OptionSpec::new(
        "zero_dates",
        OptionKind::Choice(&["null", "text", "error"]),
        "What dates with a zero in them, such as 0000-00-00, are read as.",
    )
    .with_default("null"),
    OptionSpec::new(
        "tinyint1",
        OptionKind::Choice(&["integer", "boolean"]),
        "What tinyint(1) is read as; with boolean, values other than 0 and 1 are errors.",
    )
    .with_default("integer"),
    OptionSpec::new("bit1", OptionKind::Choice(&["boolean", "integer"]), "What bit(1) is read as.")
        .with_default("boolean"),
    OptionSpec::new(
        "time",
        OptionKind::Choice(&["interval", "time", "text"]),
        "What time is read as; with time, values outside one day are errors.",
    )
    .with_default("interval"),
    OptionSpec::new("type", OptionKind::Map, "`type.schema.table.column = text` reads a column as text."),
    OptionSpec::new("max_row_mb", OptionKind::Integer { min: 1, max: 4096 }, "Largest row taken, in MB.")
        .with_default("64"),
    OptionSpec::new(
        "allow_clear_password",
        OptionKind::Boolean,
        "Lets the server ask for the password itself over TLS or a unix socket (LDAP, PAM).",
    ),
    OptionSpec::new(
        "allow_public_key",
        OptionKind::Boolean,
        "Takes the server's RSA key over a connection without TLS; by default only on this machine.",
    ),
];

/// Where the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl Address {
    /// Host name, as a certificate has it.
    pub(crate) fn host(&self) -> &str {
        match self {
            Address::Tcp { host, .. } => host,
            Address::Unix(_) => "localhost",
        }
    }

    /// Whether packets stay on this machine.
    fn is_local(&self) -> bool {
        match self {
            Address::Unix(_) => true,
            Address::Tcp { host, .. } => {
                host.eq_ignore_ascii_case("localhost")
                    || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What dates with a zero or another impossible part are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ZeroDates {
    #[default]
    Null,
    Text,
    Error,
}

/// What TIME is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TimeAs {
    #[default]
    Interval,
    Time,
    Text,
}

/// How types of the server become Arrow types, as far as options decide.
#[derive(Debug, Clone, Default)]
pub(crate) struct TypeSettings {
    pub(crate) zero_dates: ZeroDates,
    pub(crate) tinyint1_is_boolean: bool,
    pub(crate) bit1_is_integer: bool,
    pub(crate) time: TimeAs,
    /// `schema.table.column` (or `table.column`) of the columns read as text.
    pub(crate) as_text: HashMap<String, String>,
}

/// Options, read.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) address: Address,
    pub(crate) user: String,
    pub(crate) password: Secret,
    pub(crate) database: Option<String>,
    pub(crate) tls_mode: TlsMode,
    pub(crate) tls_authority: Option<PathBuf>,
    pub(crate) connect_timeout: Duration,
    pub(crate) types: TypeSettings,
    pub(crate) max_row_bytes: usize,
    pub(crate) allow_clear_password: bool,
    pub(crate) allow_public_key: bool,
}

impl Settings {
    /// Reads checked options.
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let missing = |option: &str| Error::InvalidOption { option: option.into(), reason: "is required".into() };
        let owned = |name: &str| options.text(name).map(str::to_owned);
        let address = match options.text("socket") {
            Some(path) => Address::Unix(path.into()),
            None => Address::Tcp {
                host: owned("host").ok_or_else(|| missing("host"))?,
                port: options.integer("port").and_then(|port| port.try_into().ok()).ok_or_else(|| missing("port"))?,
            },
        };
        let tls_mode = match (options.text("sslmode").and_then(TlsMode::named), &address) {
            (Some(TlsMode::Disable | TlsMode::Prefer) | None, Address::Unix(_)) => TlsMode::Disable,
            (Some(_), Address::Unix(_)) => {
                let reason = "needs a TCP connection; a unix socket has no TLS".into();
                return Err(Error::InvalidOption { option: "sslmode".into(), reason });
            }
            (Some(mode), _) => mode,
            (None, address) if address.is_local() => TlsMode::Disable,
            (None, _) => TlsMode::VerifyFull,
        };
        let allow_public_key = match options.text("allow_public_key") {
            Some(_) => options.is_on("allow_public_key"),
            None => address.is_local(),
        };
        Ok(Self {
            address,
            user: owned("user").ok_or_else(|| missing("user"))?,
            password: options.secret("password").unwrap_or_else(|| Secret::new("")),
            database: owned("database").filter(|name| !name.is_empty()),
            tls_mode,
            tls_authority: options.text("ssl_ca").map(PathBuf::from),
            connect_timeout: options.duration("connect_timeout").unwrap_or(Duration::from_secs(5)),
            types: TypeSettings::new(options)?,
            max_row_bytes: usize::try_from(options.integer("max_row_mb").unwrap_or(64)).unwrap_or(64) << 20,
            allow_clear_password: options.is_on("allow_clear_password"),
            allow_public_key,
        })
    }
}

impl TypeSettings {
    fn new(options: &Options) -> Result<Self> {
        let mut as_text = HashMap::new();
        for (column, wanted) in options.entries("type") {
            if wanted != "text" {
                let reason = "can only be `text`".into();
                return Err(Error::InvalidOption { option: format!("type.{column}"), reason });
            }
            as_text.insert(column.to_owned(), wanted.to_owned());
        }
        Ok(Self {
            zero_dates: match options.text("zero_dates") {
                Some("text") => ZeroDates::Text,
                Some("error") => ZeroDates::Error,
                _ => ZeroDates::Null,
            },
            tinyint1_is_boolean: options.text("tinyint1") == Some("boolean"),
            bit1_is_integer: options.text("bit1") == Some("integer"),
            time: match options.text("time") {
                Some("time") => TimeAs::Time,
                Some("text") => TimeAs::Text,
                _ => TimeAs::Interval,
            },
            as_text,
        })
    }

    /// Whether the user wants this column as text.
    pub(crate) fn wants_text(&self, schema: &str, table: &str, column: &str) -> bool {
        !self.as_text.is_empty()
            && (self.as_text.contains_key(&format!("{schema}.{table}.{column}"))
                || self.as_text.contains_key(&format!("{table}.{column}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use junto_connector::options::parse_server_url;

    fn settings(url: &str) -> Result<Settings> {
        Settings::new(&Options::checked(OPTIONS, parse_server_url(url)?)?)
    }

    #[test]
    fn connections_that_leave_the_machine_are_verified_by_default() {
        let mode = |url: &str| settings(url).expect("valid").tls_mode;
        assert_eq!(mode("mysql://u@127.0.0.1/d"), TlsMode::Disable);
        assert_eq!(mode("mysql://u@db.example.org/d"), TlsMode::VerifyFull);
        assert_eq!(mode("mysql://u@db.example.org/d?sslmode=prefer"), TlsMode::Prefer);
        assert!(!settings("mysql://u@db.example.org/d").expect("valid").allow_public_key);
        assert!(settings("mysql://u@localhost/d?socket=/run/s&sslmode=require").is_err());
    }

    #[test]
    fn columns_can_be_read_as_text() {
        let types = settings("mysql://u@localhost/d?type.d.t.c=text").expect("valid").types;
        assert!(types.wants_text("d", "t", "c") && !types.wants_text("d", "t", "x"));
        assert!(settings("mysql://u@localhost/d?type.d.t.c=blob").is_err());
    }

    #[test]
    fn the_password_is_not_printed() {
        assert!(!format!("{:?}", settings("mysql://u:canary@localhost/d").expect("valid")).contains("canary"));
    }
}
