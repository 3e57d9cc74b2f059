//! A proxy in front of a real server that disturbs what the server sends.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

/// Bytes passed on at a time.
const CHUNK: usize = 16 << 10;
/// Bytes of the clients that are remembered.
const REMEMBERED: usize = 1 << 20;

/// What happens to the bytes that the server sends over each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// Nothing.
    None,
    /// They come one by one, with this pause before each.
    Drip { pause: Duration },
    /// The connection is cut after so many of them.
    Cut { after: u64 },
    /// Nothing more comes after so many of them, and the connection stays open.
    Stall { after: u64 },
}

/// A running proxy. Its connections end when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    disturbance: Mutex<Disturbance>,
    longest: AtomicU64,
    from_clients: Mutex<Vec<u8>>,
    connections: Mutex<Vec<Weak<Connection>>>,
    has_ended: AtomicBool,
}

/// A client and its server. Closed with the last of its two threads: a server that still writes would not notice an end of
/// what it reads.
#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: TcpStream,
}

impl Proxy {
    /// A proxy on a free port of 127.0.0.1, before a server on this port. It disturbs nothing yet.
    ///
    /// # Panics
    /// When no port is free.
    pub fn start(server_port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            server: (Ipv4Addr::LOCALHOST, server_port).into(),
            disturbance: Mutex::new(Disturbance::None),
            longest: AtomicU64::new(0),
            from_clients: Mutex::default(),
            connections: Mutex::default(),
            has_ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.has_ended.load(Ordering::SeqCst) {
                    return;
                }
                // A server that is gone refuses; so does the proxy then.
                let _closed = Arc::clone(&accepting).serve(client);
            }
        });
        Self { port, shared }
    }

    /// TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Disturbs the connections that are made from now on.
    pub fn disturb(&self, disturbance: Disturbance) {
        *self.shared.disturbance.lock() = disturbance;
    }

    /// Bytes that the server sent over one connection, at most.
    pub fn longest(&self) -> u64 {
        self.shared.longest.load(Ordering::SeqCst)
    }

    /// Forgets what the clients sent.
    pub fn forget(&self) {
        self.shared.from_clients.lock().clear();
    }

    /// Whether a client sent these bytes as they are.
    pub fn saw(&self, bytes: &[u8]) -> bool {
        self.shared.from_clients.lock().windows(bytes.len()).any(|window| window == bytes)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        for connection in self.shared.connections.lock().drain(..).filter_map(|connection| connection.upgrade()) {
            connection.end();
        }
    }
}

impl Shared {
    /// Connects a client with the server, on two threads.
    fn serve(self: Arc<Self>, client: TcpStream) -> std::io::Result<()> {
        let connection = Arc::new(Connection { client, server: TcpStream::connect(self.server)? });
        for socket in [&connection.client, &connection.server] {
            socket.set_nodelay(true)?;
        }
        self.connections.lock().push(Arc::downgrade(&connection));
        let (shared, asking) = (Arc::clone(&self), Arc::clone(&connection));
        std::thread::spawn(move || {
            let _closed = shared.pass_to_server(&asking.client, &asking.server);
            asking.end();
        });
        let disturbance = *self.disturbance.lock();
        std::thread::spawn(move || {
            let _closed = self.pass_to_client(&connection.server, &connection.client, disturbance);
            connection.end();
        });
        Ok(())
    }

    fn pass_to_server(&self, mut client: &TcpStream, mut server: &TcpStream) -> std::io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = client.read(&mut chunk)?;
            if length == 0 {
                return Ok(());
            }
            let mut remembered = self.from_clients.lock();
            if remembered.len() < REMEMBERED {
                remembered.extend_from_slice(&chunk[..length]);
            }
            drop(remembered);
            server.write_all(&chunk[..length])?;
        }
    }

    fn pass_to_client(&self, mut server: &TcpStream, client: &TcpStream, how: Disturbance) -> std::io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        let mut passed = 0;
        loop {
            let length = server.read(&mut chunk)?;
            if length == 0 {
                return Ok(());
            }
            let (kept, is_cut) = match how {
                Disturbance::Cut { after } => (length.min((after - passed) as usize), passed + length as u64 >= after),
                // What follows disappears until the client has enough.
                Disturbance::Stall { after } => (length.min((after - passed) as usize), false),
                Disturbance::None | Disturbance::Drip { .. } => (length, false),
            };
            send(client, &chunk[..kept], how)?;
            passed += kept as u64;
            self.longest.fetch_max(passed, Ordering::SeqCst);
            if is_cut {
                return Ok(());
            }
        }
    }
}

fn send(mut client: &TcpStream, bytes: &[u8], how: Disturbance) -> std::io::Result<()> {
    let Disturbance::Drip { pause } = how else { return client.write_all(bytes) };
    for byte in bytes {
        std::thread::sleep(pause);
        client.write_all(&[*byte])?;
    }
    Ok(())
}

impl Connection {
    /// Wakes both threads, which let go of it.
    fn end(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}
