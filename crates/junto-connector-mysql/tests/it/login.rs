//! Logging in: plugins, wrong words, TLS.

use junto_connector::Error;
use junto_testkit::mariadb::{PASSWORD, Server, Settings, USER};
use junto_testkit::{Certificates, mariadb, require};

use crate::support::{connect_url, native, shown};

async fn error_of(url: &str) -> Error {
    let error = connect_url(url).await.map(drop).expect_err(url);
    assert!(!format!("{error} {error:?}").contains("canary"), "a password in {error:?}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn both_plugins_of_mariadb_log_in() {
    let server = require!(mariadb::shared());
    server.create_database("logins");
    server.execute(
        "logins",
        "install soname 'auth_ed25519'; \
         create or replace user ed@'127.0.0.1' identified via ed25519 using password('canary-ed'); \
         create or replace user nat@'127.0.0.1' identified via mysql_native_password using password('canary-nat'); \
         create or replace user nobody@'127.0.0.1'; \
         grant select on logins.* to ed@'127.0.0.1', nat@'127.0.0.1', nobody@'127.0.0.1'",
    );
    let port = server.port();
    for login in ["ed:canary-ed", "nat:canary-nat", "nobody"] {
        let url = format!("mariadb://{login}@127.0.0.1:{port}/logins");
        let connector = connect_url(&url).await.expect(login);
        let rows = native(connector.as_ref(), "select current_user()", true).await.expect("a read");
        let name = login.split(':').next().expect("a name");
        assert_eq!(shown(&rows), [[format!("{name}@127.0.0.1")]]);
        assert!(!connector.privileges().await.expect("known").can_write);
    }
    for login in ["ed:canary-nat", "nat:canary-ed", "nat"] {
        let error = error_of(&format!("mysql://{login}@127.0.0.1:{port}/logins")).await;
        assert!(matches!(error, Error::LoginRefused { .. }), "{error:?}");
    }
    let error = error_of(&format!("mysql://nat:canary-nat@127.0.0.1:{port}/mysql")).await;
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_is_named() {
    let server = require!(mariadb::shared());
    let error = error_of(&server.url("no_such_database")).await;
    assert!(matches!(&error, Error::DatabaseNotFound { database } if database == "no_such_database"), "{error:?}");
    let error = error_of("mysql://root:canary@127.0.0.1:1/x").await;
    assert!(matches!(&error, Error::Unreachable { host, .. } if host == "127.0.0.1:1"), "{error:?}");
    let error = error_of("mysql://root:canary@host.invalid/x").await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    let error = error_of(&format!("{}?sslmode=require", server.url("mysql"))).await;
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_serves_too() {
    let server = require!(mariadb::shared());
    let socket = server.socket();
    let url = format!("mysql://{USER}:{PASSWORD}@localhost/mysql?socket={}", socket.display());
    let connector = connect_url(&url).await.expect("logged in");
    assert!(connector.health().await.expect("healthy").version.contains("MariaDB"));
    assert_eq!(connector.privileges().await.expect("known").not_enforceable.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_verifies_what_its_mode_says() {
    let certificates = Certificates::self_signed("localhost");
    let folder = tempfile::tempdir().expect("a folder");
    let authority = folder.path().join("ca.pem");
    std::fs::write(&authority, &certificates.certificate).expect("written");
    let other = folder.path().join("other.pem");
    std::fs::write(&other, Certificates::self_signed("localhost").certificate).expect("written");
    let settings = Settings { tls: Some(certificates), ..Settings::default() };
    let server = require!(Server::start_with(&settings));
    let url = |host: &str, options: &str| format!("mysql://{USER}:{PASSWORD}@{host}:{}/mysql?{options}", server.port());
    let cipher = async |url: &str| {
        let connector = connect_url(url).await?;
        let sql = "show session status like 'Ssl_cipher'";
        Ok::<_, Error>(shown(&native(connector.as_ref(), sql, true).await?)[0][1].clone())
    };
    let (trusted, untrusted) = (format!("ssl_ca={}", authority.display()), format!("ssl_ca={}", other.display()));
    for mode in ["prefer", "require"] {
        assert_ne!(cipher(&url("127.0.0.1", &format!("sslmode={mode}"))).await.expect(mode), "");
    }
    assert_ne!(cipher(&url("127.0.0.1", &format!("sslmode=verify-ca&{trusted}"))).await.expect("trusted"), "");
    assert_ne!(cipher(&url("localhost", &format!("sslmode=verify-full&{trusted}"))).await.expect("named"), "");
    assert_eq!(cipher(&url("127.0.0.1", "sslmode=disable")).await.expect("open"), "");
    for refused in [
        url("127.0.0.1", &format!("sslmode=verify-full&{trusted}")),
        url("localhost", &format!("sslmode=verify-full&{untrusted}")),
        url("localhost", "sslmode=verify-ca"),
        url("localhost", "sslmode=verify-ca&ssl_ca=/no/such/file"),
    ] {
        let error = cipher(&refused).await.expect_err(&refused);
        assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    }
}
