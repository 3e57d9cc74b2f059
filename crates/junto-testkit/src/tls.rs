//! Certificates for tests of secure connections, made by the `openssl` program.

use std::process::{Command, Stdio};

/// A self-signed certificate with its key, in PEM. Clients trust it by naming it as authority.
#[derive(Debug, Clone)]
pub struct Certificates {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
}

impl Certificates {
    /// A certificate for a host name or IP address, valid for a day.
    ///
    /// # Panics
    /// When `openssl` is missing or fails.
    pub fn self_signed(host: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (certificate, key) = (folder.path().join("server.crt"), folder.path().join("server.key"));
        let kind = if host.parse::<std::net::IpAddr>().is_ok() { "IP" } else { "DNS" };
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"])
            .args(["-subj", &format!("/CN={host}"), "-addext", &format!("subjectAltName={kind}:{host}")])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .stdin(Stdio::null())
            .output()
            .expect("openssl can be run (Debian: package `openssl`)");
        assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        let read = |path| std::fs::read(path).expect("openssl wrote its files");
        Self { certificate: read(&certificate), key: read(&key) }
    }
}
