//! Opening a connection: address, TLS as the mode demands, start-up options, password.

use bytes::BytesMut;
use junto_types::Secret;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::{CancelKey, Duplex, Session};
use crate::error::WireError;
use crate::settings::{Address, Settings, SslMode};
use crate::tls;

/// What a session may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// `default_transaction_read_only` is on from the start.
    ReadOnly,
    Write,
}

/// How often a server looks whether we are still there while it works, so that a query ends with a killed Junto.
const CHECK_CLIENT: (&str, &str) = ("client_connection_check_interval", "500ms");

/// Connects and logs in. The caller bounds the time.
///
/// Servers before version 14, some platforms and poolers refuse [`CHECK_CLIENT`]; they are asked again without it.
pub(crate) async fn login(settings: &Settings, access: Access) -> Result<Session, WireError> {
    match attempt(settings, access, Some(CHECK_CLIENT)).await {
        Err(WireError::Server(error)) if matches!(error.code.as_str(), "42704" | "22023" | "08P01") => {
            attempt(settings, access, None).await
        }
        outcome => outcome,
    }
}

async fn attempt(
    settings: &Settings,
    access: Access,
    more: Option<(&'static str, &str)>,
) -> Result<Session, WireError> {
    let (socket, encrypted) = open(settings).await?;
    let mut session = Session::new(socket);
    let mut parameters = start_up(settings, access);
    parameters.extend(more.map(|(name, value)| (name, value.to_owned())));
    session.append(|out| frontend::startup_message(parameters.iter().map(|(n, v)| (*n, v.as_str())), out))?;
    session.flush().await?;
    authenticate(&mut session, settings, encrypted).await?;
    session.owed = 1;
    while let Some(message) = session.message().await? {
        if let Message::BackendKeyData(key) = message {
            session.cancel_key = CancelKey { process: key.process_id(), secret: key.secret_key() };
        }
    }
    Ok(session)
}

/// The session's settings, pinned so that text renderings and literals mean the same on every server.
fn start_up(settings: &Settings, access: Access) -> Vec<(&'static str, String)> {
    let mut parameters = vec![
        ("user", settings.user.clone()),
        ("database", settings.database.clone()),
        ("application_name", settings.application_name.clone()),
        ("client_encoding", "UTF8".into()),
        ("TimeZone", "UTC".into()),
        ("DateStyle", "ISO, YMD".into()),
        ("IntervalStyle", "postgres".into()),
        ("extra_float_digits", "3".into()),
        ("bytea_output", "hex".into()),
        ("standard_conforming_strings", "on".into()),
    ];
    if access == Access::ReadOnly {
        parameters.push(("default_transaction_read_only", "on".into()));
    }
    if let Some(schema) = &settings.schema {
        parameters.push(("search_path", format!("\"{}\", public", schema.replace('"', "\"\""))));
    }
    parameters
}

/// A socket on which the start-up message or a cancel request may be sent.
pub(super) async fn open_socket(settings: &Settings) -> Result<Box<dyn Duplex>, WireError> {
    Ok(open(settings).await?.0)
}

/// The socket, and whether it is encrypted.
async fn open(settings: &Settings) -> Result<(Box<dyn Duplex>, bool), WireError> {
    let host = match &settings.address {
        Address::Unix(path) => return Ok((Box::new(UnixStream::connect(path).await?), false)),
        Address::Tcp(host) => host,
    };
    let mut socket = TcpStream::connect((host.as_str(), settings.port)).await?;
    socket.set_nodelay(true)?;
    if settings.ssl_mode == SslMode::Disable {
        return Ok((Box::new(socket), false));
    }
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    socket.write_all(&request).await?;
    // One byte and not one more: whatever a man in the middle appends in clear must not be taken for encrypted.
    match (socket.read_u8().await?, settings.ssl_mode) {
        (b'S', _) => Ok((Box::new(tls::connect(settings, host, socket).await?), true)),
        (b'N', SslMode::Prefer) => Ok((Box::new(socket), false)),
        (b'N', _) => Err(WireError::Tls("the server offers no TLS".into())),
        _ => Err(WireError::Protocol("an answer to the TLS request that is neither yes nor no")),
    }
}

async fn authenticate(session: &mut Session, settings: &Settings, encrypted: bool) -> Result<(), WireError> {
    let password = || {
        let missing = || WireError::Refused("the server asks for a password and none is given".into());
        settings.password.as_ref().ok_or_else(missing)
    };
    loop {
        match session.message().await? {
            Some(Message::AuthenticationOk) => return Ok(()),
            Some(Message::AuthenticationCleartextPassword) if encrypted || settings.address.is_local() => {
                let password = password()?.expose().to_owned();
                session.append(|out| frontend::password_message(password.as_bytes(), out))?;
                session.flush().await?;
            }
            Some(Message::AuthenticationCleartextPassword) => {
                let reason = "the server asks for the password in clear text over an unencrypted connection";
                return Err(WireError::Refused(reason.into()));
            }
            Some(Message::AuthenticationMd5Password(body)) => {
                let hash = md5_hash(settings.user.as_bytes(), password()?.expose().as_bytes(), body.salt());
                session.append(|out| frontend::password_message(hash.as_bytes(), out))?;
                session.flush().await?;
            }
            Some(Message::AuthenticationSasl(body)) => scram(session, password()?, &body).await?,
            Some(_) => return Err(WireError::Refused("the server asks for a login method Junto does not have".into())),
            None => return Err(WireError::Protocol("ready before the login")),
        }
    }
}

/// SCRAM-SHA-256, which also proves that the server knows the password's hash. `postgres-protocol` caps iterations.
async fn scram(session: &mut Session, password: &Secret, body: &AuthenticationSaslBody) -> Result<(), WireError> {
    use fallible_iterator::FallibleIterator;
    if !body.mechanisms().any(|mechanism| Ok(mechanism == SCRAM_SHA_256))? {
        return Err(WireError::Refused("the server offers no login method Junto has".into()));
    }
    let refused = |cause: std::io::Error| WireError::Refused(cause.to_string());
    let mut scram = ScramSha256::new(password.expose().as_bytes(), ChannelBinding::unsupported());
    session.append(|out| frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), out))?;
    session.flush().await?;
    let Some(Message::AuthenticationSaslContinue(body)) = session.message().await? else {
        return Err(WireError::Protocol("a login that does not continue"));
    };
    scram.update(body.data()).map_err(refused)?;
    session.append(|out| frontend::sasl_response(scram.message(), out))?;
    session.flush().await?;
    let Some(Message::AuthenticationSaslFinal(body)) = session.message().await? else {
        return Err(WireError::Protocol("a login that does not end"));
    };
    scram.finish(body.data()).map_err(refused)
}
