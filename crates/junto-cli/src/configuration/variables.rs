//! `${env:NAME}` in options and URLs.

use junto_connector::options::expand_variables;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The value with its variables replaced.
pub(super) fn expand(option: &str, value: &str) -> junto_connector::Result<String> {
    expand_variables(option, value, |name| std::env::var(name).ok())
}

/// The URL with its variables replaced: one that begins the URL as it is (it may hold a whole URL), any other
/// percent-encoded, so that a password may hold `@` and `/`.
pub(super) fn expand_url(url: &str) -> junto_connector::Result<String> {
    expand_url_from(url, |name| std::env::var(name).ok())
}

fn expand_url_from(url: &str, lookup: impl Fn(&str) -> Option<String>) -> junto_connector::Result<String> {
    let whole = url.starts_with("${env:").then(|| url.find('}')).flatten().map_or(0, |end| end + 1);
    let first = expand_variables("url", &url[..whole], &lookup)?;
    let encoded = |name: &str| lookup(name).map(|value| utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string());
    Ok(first + &expand_variables("url", &url[whole..], encoded)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_change_the_shape_of_a_url() {
        let lookup = |name: &str| match name {
            "PW" => Some("p@ss/1".to_owned()),
            "URL" => Some("postgres://h/db".to_owned()),
            _ => None,
        };
        let expand = |url| expand_url_from(url, lookup).map_err(|error| error.to_string());
        assert_eq!(expand("mysql://u:${env:PW}@h/db"), Ok("mysql://u:p%40ss%2F1@h/db".into()));
        assert_eq!(expand("${env:URL}?sslmode=require"), Ok("postgres://h/db?sslmode=require".into()));
        assert_eq!(expand("${env:NO}"), Err("option `url` needs the environment variable NO".into()));
    }
}
