//! One connection: connecting, logging in, and the few commands that Junto sends.
//!
//! LOCAL INFILE is never offered, and a server that asks for a file all the same is cut off.

use std::time::Duration;

use junto_connector::{Error, Result};
use mysql_common::constants::CapabilityFlags as Capability;
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};

use super::cursor::{Cursor, malformed};
use super::login::{Channel, Plugin, clear, refused, sealed};
use super::messages::{Done, Failure, Greeting, RowPacket, ServerError, WireColumn};
use super::packet_io::{PacketIo, PacketRun, Transport};
use super::tls::{TlsMode, client_config};
use crate::error::login_error;
use crate::settings::{Address, Settings};

/// Columns a result may have. Servers stop at 4,096.
const MAX_COLUMNS: u64 = 16_384;
/// Packets of a login, switches and keys included.
const MAX_LOGIN_PACKETS: usize = 8;
/// No packet of a login is larger.
const MAX_LOGIN_PACKET: usize = 64 << 10;
const UTF8MB4_GENERAL_CI: u8 = 45;

/// First byte of a row in the binary form, and of nothing else among rows.
const BINARY_ROW: u8 = 0x00;

const COM_QUIT: u8 = 0x01;
const COM_QUERY: u8 = 0x03;
const COM_STMT_PREPARE: u8 = 0x16;
const COM_STMT_EXECUTE: u8 = 0x17;
const COM_STMT_CLOSE: u8 = 0x19;
const COM_RESET_CONNECTION: u8 = 0x1F;

/// A connection after login.
#[derive(Debug)]
pub(crate) struct Connection {
    io: PacketIo,
    thread_id: u32,
    version: String,
    ends_with_ok: bool,
    /// A command was sent whose answer was not read to its end.
    is_busy: bool,
    /// A prepared statement to close with the next command.
    finished_statement: Option<u32>,
}

/// What the server answers to a command.
#[derive(Debug)]
pub(crate) enum Answer {
    Done(Done),
    /// Rows follow.
    Rows(Vec<WireColumn>),
}

impl Connection {
    /// Connects and logs in, within the option `connect_timeout`.
    pub(crate) async fn open(settings: &Settings) -> Result<Self> {
        let host = settings.address.to_string();
        let limit: Duration = settings.connect_timeout;
        match tokio::time::timeout(limit, Self::open_unlimited(settings)).await {
            Ok(opened) => opened,
            Err(_) => Err(Error::Unreachable { host, reason: format!("no answer within {} ms", limit.as_millis()) }),
        }
    }

    async fn open_unlimited(settings: &Settings) -> Result<Self> {
        let transport = dial(&settings.address).await?;
        let mut io = PacketIo::new(transport, MAX_LOGIN_PACKET);
        let greeting = greeting(&mut io, settings).await?;
        let capabilities = capabilities(&greeting, settings)?;
        let uses_tls = capabilities.contains(Capability::CLIENT_SSL);
        if uses_tls {
            io = secure(io, settings, capabilities).await?;
        }
        let is_local = matches!(settings.address, Address::Unix(_));
        let channel = Channel {
            is_private: uses_tls || is_local,
            allow_clear_password: settings.allow_clear_password,
            allow_public_key: settings.allow_public_key,
        };
        login(&mut io, &greeting, capabilities, channel, settings).await?;
        io.set_max_packet(settings.max_row_bytes);
        Ok(Self {
            io,
            thread_id: greeting.thread_id,
            ends_with_ok: capabilities.contains(Capability::CLIENT_DEPRECATE_EOF),
            version: greeting.version,
            is_busy: false,
            finished_statement: None,
        })
    }

    /// The server's number of this connection, as KILL takes it.
    pub(crate) fn thread_id(&self) -> u32 {
        self.thread_id
    }

    /// Version in the server's words.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Whether the server is MariaDB. MySQL never says so in its version.
    pub(crate) fn is_mariadb(&self) -> bool {
        self.version.contains("MariaDB")
    }

    /// Whether nothing is under way and the socket is silent, so that the next command may be sent.
    pub(crate) fn is_usable(&mut self) -> bool {
        !self.is_busy && self.io.is_idle()
    }

    /// Whether a statement may still run on the server.
    pub(crate) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Gives back the memory of a large row, before the connection waits for its next use.
    pub(crate) fn release_memory(&mut self) {
        self.io.release_memory();
    }

    /// Sends one statement as text; rows come in the text form.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Answer, Failure> {
        self.send(COM_QUERY, sql.as_bytes()).await?;
        self.answer().await
    }

    /// Prepares and executes one statement; rows come in the binary form. The statement is closed with the next
    /// command.
    pub(crate) async fn query_binary(&mut self, sql: &str) -> Result<Answer, Failure> {
        self.send(COM_STMT_PREPARE, sql.as_bytes()).await?;
        let id = self.prepared().await?;
        let [a, b, c, d] = id.to_le_bytes();
        // No cursor, one iteration, no parameters.
        self.send(COM_STMT_EXECUTE, &[a, b, c, d, 0, 1, 0, 0, 0]).await?;
        self.finished_statement = Some(id);
        self.answer().await
    }

    /// Forgets everything the session holds: variables, temporary tables, locks.
    pub(crate) async fn reset(&mut self) -> Result<(), Failure> {
        self.send(COM_RESET_CONNECTION, &[]).await?;
        self.answer().await.map(drop)
    }

    /// Says goodbye; errors do not matter any more.
    pub(crate) async fn close(mut self) {
        self.io.command(COM_QUIT, &[]);
        let _ = self.io.flush().await;
    }

    /// The next row, or the end, when it has arrived. Otherwise call [`Self::fill`].
    #[inline]
    pub(crate) fn buffered_row(&mut self) -> Result<Option<RowPacket<'_>>, Failure> {
        let Some(packet) = self.io.read_buffered()? else { return Ok(None) };
        let row = RowPacket::parse(packet, self.ends_with_ok);
        if !matches!(row, Ok(RowPacket::Row(_)) | Err(Failure::Local(_))) {
            self.is_busy = false;
        }
        row.map(Some)
    }

    /// Rows of the binary form that have arrived, at most `limit`. Empty when [`Self::buffered_row`] has to decide what
    /// comes next.
    pub(crate) fn buffered_binary_rows(&mut self, limit: usize) -> Result<PacketRun<'_>> {
        self.io.read_run(BINARY_ROW, limit)
    }

    /// Waits for more bytes of the answer.
    pub(crate) async fn fill(&mut self) -> Result<()> {
        self.io.fill().await
    }

    /// Waits until the server ends the connection, between commands. Safe to drop while waiting.
    pub(crate) async fn ended(&mut self) -> Error {
        // Unasked, it only says goodbye.
        let reason = "the server closed the connection".to_owned();
        self.io.fill().await.err().unwrap_or(Error::ConnectionLost { reason })
    }

    async fn send(&mut self, command: u8, body: &[u8]) -> Result<()> {
        debug_assert!(!self.is_busy, "one command at a time");
        self.is_busy = true;
        if let Some(id) = self.finished_statement.take() {
            self.io.command(COM_STMT_CLOSE, &id.to_le_bytes());
        }
        self.io.command(command, body);
        self.io.flush().await
    }

    /// Reads up to the first row.
    async fn answer(&mut self) -> Result<Answer, Failure> {
        let packet = self.io.read().await?;
        let count = match packet.first() {
            Some(0x00) => {
                let done = Done::parse(packet)?;
                done.check_last()?;
                self.is_busy = false;
                return Ok(Answer::Done(done));
            }
            Some(0xFF) => {
                let error = ServerError::parse(packet);
                self.is_busy = false;
                return Err(Failure::Server(error));
            }
            Some(0xFB) => return Err(malformed("it asks for a file of this machine").into()),
            _ => Cursor::new(packet).integer()?,
        };
        Ok(Answer::Rows(self.columns(count).await?))
    }

    async fn columns(&mut self, count: u64) -> Result<Vec<WireColumn>> {
        if count > MAX_COLUMNS {
            return Err(malformed("too many columns"));
        }
        let mut columns = Vec::new();
        for _ in 0..count {
            columns.push(WireColumn::parse(self.io.read().await?)?);
        }
        if count > 0 && !self.ends_with_ok {
            self.io.read().await?;
        }
        Ok(columns)
    }

    /// Reads the answer to a preparation: the statement's number.
    async fn prepared(&mut self) -> Result<u32, Failure> {
        let packet = self.io.read().await?;
        if packet.first() == Some(&0xFF) {
            let error = ServerError::parse(packet);
            self.is_busy = false;
            return Err(Failure::Server(error));
        }
        let mut cursor = Cursor::new(packet);
        cursor.u8()?;
        let id = cursor.u32()?;
        let columns = cursor.u16()?;
        let parameters = cursor.u16()?;
        self.columns(parameters.into()).await?;
        self.columns(columns.into()).await?;
        self.is_busy = false;
        if parameters > 0 {
            let message = "a parameter marker `?` without a value".to_owned();
            return Err(Failure::Server(ServerError { code: 1210, state: "HY000".into(), message }));
        }
        Ok(id)
    }
}

async fn dial(address: &Address) -> Result<Box<dyn Transport>> {
    let unreachable =
        |cause: std::io::Error| Error::Unreachable { host: address.to_string(), reason: cause.to_string() };
    match address {
        Address::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
            stream.set_nodelay(true).map_err(unreachable)?;
            Ok(Box::new(stream))
        }
        Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await.map_err(unreachable)?)),
    }
}

async fn greeting(io: &mut PacketIo, settings: &Settings) -> Result<Greeting> {
    let packet = io.read().await?;
    if packet.first() == Some(&0xFF) {
        return Err(login_error(ServerError::parse(packet), settings));
    }
    Greeting::parse(packet)
}

/// What both sides can do and Junto wants.
fn capabilities(greeting: &Greeting, settings: &Settings) -> Result<Capability> {
    let needed = Capability::CLIENT_PROTOCOL_41 | Capability::CLIENT_SECURE_CONNECTION | Capability::CLIENT_PLUGIN_AUTH;
    if !greeting.capabilities.contains(needed) {
        return Err(malformed("it is older than MySQL 5.5"));
    }
    let mut wanted = needed
        | Capability::CLIENT_LONG_PASSWORD
        | Capability::CLIENT_LONG_FLAG
        | Capability::CLIENT_TRANSACTIONS
        | Capability::CLIENT_CONNECT_ATTRS
        | Capability::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
        | Capability::CLIENT_DEPRECATE_EOF;
    if settings.database.is_some() {
        wanted |= Capability::CLIENT_CONNECT_WITH_DB;
    }
    let offers_tls = greeting.capabilities.contains(Capability::CLIENT_SSL);
    match settings.tls_mode {
        TlsMode::Disable => {}
        TlsMode::Prefer if !offers_tls => {}
        _ if offers_tls => wanted |= Capability::CLIENT_SSL,
        _ => {
            let reason = "the server offers no TLS".to_owned();
            return Err(Error::Tls { host: settings.address.to_string(), reason });
        }
    }
    Ok(wanted & (greeting.capabilities | Capability::CLIENT_LONG_PASSWORD))
}

/// Asks for TLS and puts it around the stream.
async fn secure(mut io: PacketIo, settings: &Settings, capabilities: Capability) -> Result<PacketIo> {
    let host = settings.address.host();
    let failed = |reason: String| Error::Tls { host: settings.address.to_string(), reason };
    let config = client_config(settings.tls_mode, settings.tls_authority.as_deref(), host)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|cause| failed(cause.to_string()))?;
    io.packet(&response_head(capabilities));
    io.flush().await?;
    let (transport, sequence) = io.into_transport()?;
    let stream = tokio_rustls::TlsConnector::from(config)
        .connect(name, transport)
        .await
        .map_err(|cause| failed(cause.to_string()))?;
    let mut io = PacketIo::new(Box::new(stream), MAX_LOGIN_PACKET);
    io.continue_sequence(sequence);
    Ok(io)
}

/// What the request for TLS and the login have in common.
fn response_head(capabilities: Capability) -> Vec<u8> {
    let mut head = capabilities.bits().to_le_bytes().to_vec();
    head.extend_from_slice(&(1_u32 << 30).to_le_bytes());
    head.push(UTF8MB4_GENERAL_CI);
    head.extend_from_slice(&[0; 23]);
    head
}

/// Answers the greeting and what follows until the server is content.
async fn login(
    io: &mut PacketIo,
    greeting: &Greeting,
    capabilities: Capability,
    channel: Channel,
    settings: &Settings,
) -> Result<()> {
    let user = settings.user.as_str();
    let mut nonce = greeting.nonce.clone();
    // A server whose default Junto does not use over this channel may still know the user by another plugin.
    let mut plugin = match Plugin::named(&greeting.plugin, user) {
        Ok(plugin @ (Plugin::Native | Plugin::CachingSha2)) => plugin,
        _ => Plugin::Native,
    };
    let answer = plugin.answer(&settings.password, &nonce, channel, user)?;
    io.packet(&login_packet(capabilities, settings, plugin, &answer)?);
    io.flush().await?;
    for _ in 0..MAX_LOGIN_PACKETS {
        let packet = io.read().await?;
        match packet.first() {
            Some(0x00) => return Ok(()),
            Some(0xFF) => return Err(login_error(ServerError::parse(packet), settings)),
            Some(0xFE) if packet.len() == 1 => {
                return Err(refused(user, "the server asks for a password scheme from before MySQL 4.1"));
            }
            Some(0xFE) => {
                let mut cursor = Cursor::new(&packet[1..]);
                plugin = Plugin::named(cursor.until_nul(), user)?;
                nonce = cursor.take_rest().to_vec();
                let answer = plugin.answer(&settings.password, &nonce, channel, user)?;
                io.packet(&answer);
            }
            Some(0x01) if plugin == Plugin::CachingSha2 => match packet.get(1..) {
                Some([0x03]) => continue,
                Some([0x04]) => full_sha2(io, channel, settings, &nonce).await?,
                _ => return Err(malformed("an unknown step of the login")),
            },
            _ => return Err(malformed("an unknown step of the login")),
        }
        io.flush().await?;
    }
    Err(malformed("a login without end"))
}

/// The password itself, which a server asks for that has not seen this user since its start.
async fn full_sha2(io: &mut PacketIo, channel: Channel, settings: &Settings, nonce: &[u8]) -> Result<()> {
    if channel.is_private {
        io.packet(&clear(settings.password.expose().as_bytes()));
        return Ok(());
    }
    if !channel.allow_public_key {
        let reason = "the server wants the password over a secure channel; use TLS, or `allow_public_key = true`";
        return Err(refused(&settings.user, reason));
    }
    io.packet(&[0x02]);
    io.flush().await?;
    let packet = io.read().await?;
    match packet.split_first() {
        Some((0x01, key)) => {
            let nonce = nonce.strip_suffix(&[0]).unwrap_or(nonce);
            let answer = sealed(&settings.password, nonce, key)?;
            io.packet(&answer);
            Ok(())
        }
        Some((0xFF, _)) => Err(login_error(ServerError::parse(packet), settings)),
        _ => Err(malformed("an unknown step of the login")),
    }
}

fn login_packet(capabilities: Capability, settings: &Settings, plugin: Plugin, answer: &[u8]) -> Result<Vec<u8>> {
    if settings.user.contains('\0') || settings.database.as_ref().is_some_and(|name| name.contains('\0')) {
        return Err(refused(&settings.user.replace('\0', ""), "names cannot hold a NUL"));
    }
    let mut packet = response_head(capabilities);
    packet.extend_from_slice(settings.user.as_bytes());
    packet.push(0);
    // All answers sent here are shorter than 251 bytes, so that both forms of length are one byte.
    packet.push(answer.len() as u8);
    packet.extend_from_slice(answer);
    if let Some(database) = &settings.database {
        packet.extend_from_slice(database.as_bytes());
        packet.push(0);
    }
    packet.extend_from_slice(match plugin {
        Plugin::CachingSha2 => b"caching_sha2_password\0",
        _ => b"mysql_native_password\0",
    });
    if capabilities.contains(Capability::CLIENT_CONNECT_ATTRS) {
        let attributes =
            ["program_name", "junto", "_client_name", "junto", "_client_version", env!("CARGO_PKG_VERSION")];
        let body: Vec<u8> =
            attributes.iter().flat_map(|text| std::iter::once(text.len() as u8).chain(text.bytes())).collect();
        packet.push(body.len() as u8);
        packet.extend_from_slice(&body);
    }
    Ok(packet)
}
