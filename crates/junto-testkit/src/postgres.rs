//! A PostgreSQL server of our own, from the newest version Debian's packages put on the machine.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use crate::process::{Account, Folder, Process, StartError, block_on, free_port, run};
use crate::tls::Certificates;

/// The superuser of every server; [`PASSWORD`] is asked for over TCP and over the socket.
pub const USER: &str = "postgres";
/// Password of [`USER`].
pub const PASSWORD: &str = "Secret-5432";

/// What a server may be started with.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Offers TLS with this certificate.
    pub tls: Option<Certificates>,
    /// More settings of the server, as `name=value`.
    pub settings: Vec<String>,
}

/// A running server. Killed, and its data removed, when it is dropped or when the test process ends.
#[derive(Debug)]
pub struct Server {
    // Before the folder, so that the process has ended when its files go.
    process: parking_lot::Mutex<Process>,
    programs: PathBuf,
    account: Option<Account>,
    arguments: Vec<String>,
    port: u16,
    folder: Folder,
}

/// The server all tests of this process share, started by the first that asks.
pub fn shared() -> Result<&'static Server, StartError> {
    static SHARED: OnceLock<Result<Server, StartError>> = OnceLock::new();
    SHARED.get_or_init(Server::start).as_ref().map_err(Clone::clone)
}

impl Server {
    /// Starts a server with settings for tests: no fsync, small buffers, 150 connections, SCRAM passwords.
    pub fn start() -> Result<Self, StartError> {
        Self::start_with(&Settings::default())
    }

    /// Starts a server with more settings.
    pub fn start_with(settings: &Settings) -> Result<Self, StartError> {
        let programs = newest_programs()?;
        let account = Account::for_root(&["postgres", "nobody"]);
        let folder = Folder::create("postgres", account)?;
        create_cluster(&programs, account, &folder)?;
        let mut arguments = vec![
            "fsync=off".to_owned(),
            "full_page_writes=off".into(),
            "shared_buffers=16MB".into(),
            "max_wal_size=64MB".into(),
            "max_connections=150".into(),
            "client_connection_check_interval=500ms".into(),
            "listen_addresses=127.0.0.1".into(),
            format!("unix_socket_directories={}", folder.path().display()),
        ];
        if let Some(certificates) = &settings.tls {
            let certificate = folder.write("server.crt", &certificates.certificate, account)?;
            let key = folder.write("server.key", &certificates.key, account)?;
            arguments.extend(["ssl=on".into(), format!("ssl_cert_file={}", certificate.display())]);
            arguments.push(format!("ssl_key_file={}", key.display()));
        }
        arguments.extend(settings.settings.iter().cloned());
        let mut attempts = 0;
        let (port, process) = loop {
            let port = free_port()?;
            match launch(&programs, account, &folder, &arguments, port) {
                Ok(process) => break (port, process),
                Err(error) if attempts == 3 => return Err(error),
                Err(_) => attempts += 1,
            }
        };
        Ok(Self { process: parking_lot::Mutex::new(process), programs, account, arguments, port, folder })
    }

    /// TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Folder with the Unix socket, to be given as `host`.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// Connection URL of a database, for the superuser.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// Creates an empty database, in place of one with this name.
    pub fn create_database(&self, name: &str) {
        self.execute("postgres", &format!("drop database if exists \"{name}\" with (force)"));
        self.execute("postgres", &format!("create database \"{name}\""));
    }

    /// Runs statements separated by semicolons.
    ///
    /// # Panics
    /// With the server's message when one fails.
    pub fn execute(&self, database: &str, sql: &str) {
        self.query(database, sql);
    }

    /// Runs statements and returns the rows of all of them as text.
    pub fn query(&self, database: &str, sql: &str) -> Vec<Vec<Option<String>>> {
        self.try_query(database, sql).unwrap_or_else(|error| panic!("{error}\nin: {}", shortened(sql)))
    }

    /// As [`Self::query`], giving the server's error back as text.
    pub fn try_query(&self, database: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        block_on(simple_query(self.port, database, sql)).map_err(|error| describe(&error))
    }

    /// Kills the server at once, as a crash would. Its data stay for [`Self::restart`].
    pub fn kill(&self) {
        self.process.lock().kill();
    }

    /// Starts it again after [`Self::kill`], on the same port with the same data.
    pub fn restart(&self) -> Result<(), StartError> {
        let mut process = self.process.lock();
        process.kill();
        // What the killed server left of its lock; nobody else uses this folder.
        let _ = std::fs::remove_file(self.folder.path().join("data/postmaster.pid"));
        *process = launch(&self.programs, self.account, &self.folder, &self.arguments, self.port)?;
        Ok(())
    }

    /// Stops all its processes without closing anything (SIGSTOP): connections hang. [`Self::thaw`] ends that.
    pub fn freeze(&self) {
        self.process.lock().signal("STOP");
    }

    /// Lets it go on after [`Self::freeze`].
    pub fn thaw(&self) {
        self.process.lock().signal("CONT");
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        self.process.lock().log_tail()
    }
}

/// Folder of the newest installed version, or of `initdb` on the search path.
fn newest_programs() -> Result<PathBuf, StartError> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .filter(|(_, programs)| programs.join("initdb").exists())
        .max_by_key(|(version, _)| *version);
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
    };
    let found = newest.map(|(_, programs)| programs).or_else(on_path);
    found.ok_or(StartError::Unavailable { program: "PostgreSQL", package: "postgresql" })
}

fn create_cluster(programs: &Path, account: Option<Account>, folder: &Folder) -> Result<(), StartError> {
    let password = folder.write("password", PASSWORD.as_bytes(), account)?;
    let mut command = Account::command(account, &programs.join("initdb"));
    command.args(["--no-sync", "--no-instructions", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]);
    command.arg("--username").arg(USER).arg("--pwfile").arg(password);
    command.arg("--pgdata").arg(folder.path().join("data")).current_dir(folder.path());
    run(command)
}

fn launch(
    programs: &Path,
    account: Option<Account>,
    folder: &Folder,
    arguments: &[String],
    port: u16,
) -> Result<Process, StartError> {
    let mut command = Account::command(account, &programs.join("postgres"));
    command.arg("-D").arg(folder.path().join("data")).args(["-p", &port.to_string()]).current_dir(folder.path());
    for argument in arguments {
        command.args(["-c", argument]);
    }
    let mut process = Process::spawn(command, folder)?;
    process.wait_until(|| {
        block_on(simple_query(port, "postgres", "select 1")).map(drop).map_err(|error| describe(&error))
    })?;
    Ok(process)
}

async fn simple_query(port: u16, database: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, tokio_postgres::Error> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user(USER).password(PASSWORD).dbname(database);
    config.connect_timeout(Duration::from_secs(10)).application_name("junto-testkit");
    let (client, connection) = config.connect(NoTls).await?;
    let driver = tokio::spawn(connection);
    let messages = client.simple_query(sql).await;
    drop(client);
    let _ = driver.await;
    let rows = messages?.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
        _ => None,
    });
    Ok(rows.collect())
}

fn describe(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| format!("{error}: {:?}", std::error::Error::source(error)), ToString::to_string)
}

fn shortened(sql: &str) -> String {
    sql.chars().take(2_000).collect()
}
