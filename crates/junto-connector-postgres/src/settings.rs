//! Options of a connection: their declaration, and their values in the form the connector uses.

use std::path::PathBuf;
use std::time::Duration;

use junto_connector::{ConnectionConfig, Error, OptionKind, OptionSpec, Options, RemoteId, Result};
use junto_types::Secret;

use crate::numeric_rules::NumericRules;

const SSL_MODES: &[&str] = &["disable", "prefer", "require", "verify-ca", "verify-full"];
const DEFAULT_PORT: u16 = 5432;

/// Every option of the driver.
pub(crate) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::new("host", OptionKind::Text, "Host name, address, or folder of a Unix socket (begins with `/`).")
        .with_default("localhost"),
    OptionSpec::new("port", OptionKind::Integer { min: 1, max: 65535 }, "Port.").with_default("5432"),
    OptionSpec::new("user", OptionKind::Text, "Login.").with_default("postgres"),
    OptionSpec::new("password", OptionKind::Text, "Password; MD5 and SCRAM logins never send it.").secret(),
    OptionSpec::new("database", OptionKind::Text, "Database; the name of the user when absent."),
    OptionSpec::new("schema", OptionKind::Text, "Schema of `@alias.table`; the server's own search path when absent."),
    OptionSpec::new(
        "sslmode",
        OptionKind::Choice(SSL_MODES),
        "TLS: `disable`, `prefer` (without checking who answers), `require` (encrypted, unchecked unless `sslrootcert` \
         is given), `verify-ca`, `verify-full`. Default: `verify-full`; on loopback `prefer`. Unix sockets have none.",
    ),
    OptionSpec::new("sslrootcert", OptionKind::Path, "PEM file of trusted authorities, in place of the public ones."),
    OptionSpec::new("connect_timeout", OptionKind::Duration, "Longest time to connect and log in.").with_default("5s"),
    OptionSpec::new("application_name", OptionKind::Text, "Shown in the server's activity list.").with_default("junto"),
    OptionSpec::new(
        "numeric",
        OptionKind::Text,
        "How `numeric` columns without precision are read: `auto` (exact, scale from a sample), `text`, `double`, or \
         `decimal(p,s)`.",
    )
    .with_default("auto"),
    OptionSpec::new(
        "type",
        OptionKind::Map,
        "`type.schema.table.column` = `text`, `double` or `decimal(p,s)`: how that one column is read.",
    ),
];

/// Where the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(String),
    /// The socket itself.
    Unix(PathBuf),
}

impl Address {
    /// Whether the way there does not leave the machine.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Address::Unix(_) => true,
            Address::Tcp(host) => {
                host.eq_ignore_ascii_case("localhost")
                    || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

/// What TLS must achieve, as in libpq.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SslMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// Checked options.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) address: Address,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Option<Secret>,
    pub(crate) database: String,
    pub(crate) schema: Option<String>,
    pub(crate) ssl_mode: SslMode,
    pub(crate) root_certificates: Option<PathBuf>,
    pub(crate) connect_timeout: Duration,
    pub(crate) application_name: String,
    pub(crate) numeric: NumericRules,
    pub(crate) max_connections: usize,
}

impl Settings {
    /// Reads the options, which were checked against [`OPTIONS`].
    pub(crate) fn new(config: &ConnectionConfig) -> Result<Self> {
        let options = &config.options;
        let text = |name: &str| options.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
        let port = options.integer("port").and_then(|port| u16::try_from(port).ok()).unwrap_or(DEFAULT_PORT);
        let host = text("host").unwrap_or_else(|| "localhost".into());
        let address = match host.strip_prefix('/') {
            Some(_) => Address::Unix(PathBuf::from(&host).join(format!(".s.PGSQL.{port}"))),
            None => Address::Tcp(host),
        };
        let user = text("user").unwrap_or_else(|| "postgres".into());
        for (option, value) in [("user", Some(&user)), ("schema", text("schema").as_ref())] {
            if value.is_some_and(|value| value.contains('\0')) {
                return Err(Error::InvalidOption { option: option.into(), reason: "contains NUL".into() });
            }
        }
        Ok(Self {
            port,
            password: options.secret("password"),
            database: text("database").unwrap_or_else(|| user.clone()),
            schema: text("schema"),
            ssl_mode: ssl_mode(options, &address),
            root_certificates: text("sslrootcert").map(PathBuf::from),
            connect_timeout: options.duration("connect_timeout").unwrap_or(Duration::from_secs(5)),
            application_name: text("application_name").unwrap_or_else(|| "junto".into()),
            numeric: NumericRules::parse(options)?,
            max_connections: config.max_connections.max(1),
            address,
            user,
        })
    }

    /// Host and port, for errors.
    pub(crate) fn host(&self) -> String {
        match &self.address {
            Address::Tcp(host) => format!("{host}:{}", self.port),
            Address::Unix(path) => path.display().to_string(),
        }
    }

    /// Driver, user, place and database.
    pub(crate) fn remote_id(&self) -> RemoteId {
        RemoteId::new(format!("postgres://{}@{}/{}", self.user, self.host(), self.database))
    }
}

fn ssl_mode(options: &Options, address: &Address) -> SslMode {
    match options.text("sslmode") {
        _ if matches!(address, Address::Unix(_)) => SslMode::Disable,
        Some("disable") => SslMode::Disable,
        Some("prefer") => SslMode::Prefer,
        Some("require") => SslMode::Require,
        Some("verify-ca") => SslMode::VerifyCa,
        None if address.is_local() => SslMode::Prefer,
        _ => SslMode::VerifyFull,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_strict_beyond_this_machine() {
        let mode = |host: &str, given: Option<&str>| {
            let given = given.map(|mode| ("sslmode".to_owned(), mode.to_owned()));
            let options = Options::checked(OPTIONS, given).expect("valid options");
            let address = if host.starts_with('/') { Address::Unix(host.into()) } else { Address::Tcp(host.into()) };
            ssl_mode(&options, &address)
        };
        assert_eq!(mode("db.example", None), SslMode::VerifyFull);
        assert_eq!(mode("127.0.0.1", None), SslMode::Prefer);
        assert_eq!(mode("::1", None), SslMode::Prefer);
        assert_eq!(mode("localhost", Some("verify-full")), SslMode::VerifyFull);
        assert_eq!(mode("10.0.0.1", Some("require")), SslMode::Require);
        assert_eq!(mode("/run/postgresql", None), SslMode::Disable);
    }
}
