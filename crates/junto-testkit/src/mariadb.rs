//! A MariaDB (or MySQL-compatible) server of our own, from Debian's packages.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Row, Value};

use crate::process::{Account, Folder, Process, StartError, block_on, free_port, run};
use crate::tls::Certificates;

/// The login with all rights, from 127.0.0.1 and over the socket.
pub const USER: &str = "root";
/// Password of [`USER`].
pub const PASSWORD: &str = "Secret-3306";

/// What a server may be started with.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Offers TLS with this certificate.
    pub tls: Option<Certificates>,
    /// More arguments of the server, as `--name=value`.
    pub arguments: Vec<String>,
}

/// A running server. Killed, and its data removed, when it is dropped or when the test process ends.
#[derive(Debug)]
pub struct Server {
    // Before the folder, so that the process has ended when its files go.
    process: parking_lot::Mutex<Process>,
    program: PathBuf,
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
    /// Starts a server with settings for tests: nothing flushed, small buffers, 150 connections, no LOCAL INFILE.
    pub fn start() -> Result<Self, StartError> {
        Self::start_with(&Settings::default())
    }

    /// Starts a server with more settings.
    pub fn start_with(settings: &Settings) -> Result<Self, StartError> {
        let unavailable = StartError::Unavailable { program: "MariaDB", package: "mariadb-server" };
        let program = find_program(&["mariadbd", "mysqld"]).ok_or_else(|| unavailable.clone())?;
        let installer = find_program(&["mariadb-install-db", "mysql_install_db"]).ok_or(unavailable)?;
        let account = Account::for_root(&["mysql", "nobody"]);
        let folder = Folder::create("mariadb", account)?;
        create_data(&installer, account, &folder)?;
        let logins = folder.write("logins.sql", LOGINS.replace("PASSWORD", PASSWORD).as_bytes(), account)?;
        let mut arguments = vec![
            "--bind-address=127.0.0.1".to_owned(),
            "--max-connections=150".into(),
            "--skip-name-resolve".into(),
            "--skip-log-bin".into(),
            "--local-infile=0".into(),
            "--performance-schema=off".into(),
            "--innodb-flush-log-at-trx-commit=0".into(),
            "--innodb-fast-shutdown=2".into(),
            "--innodb-doublewrite=0".into(),
            "--innodb-buffer-pool-size=32M".into(),
            "--innodb-log-file-size=16M".into(),
            "--max-allowed-packet=64M".into(),
            format!("--init-file={}", logins.display()),
        ];
        if let Some(certificates) = &settings.tls {
            let certificate = folder.write("server.crt", &certificates.certificate, account)?;
            let key = folder.write("server.key", &certificates.key, account)?;
            arguments.extend([format!("--ssl-cert={}", certificate.display()), format!("--ssl-key={}", key.display())]);
        }
        arguments.extend(settings.arguments.iter().cloned());
        let mut attempts = 0;
        let (port, process) = loop {
            let port = free_port()?;
            match launch(&program, account, &folder, &arguments, port) {
                Ok(process) => break (port, process),
                Err(error) if attempts == 3 => return Err(error),
                Err(_) => attempts += 1,
            }
        };
        Ok(Self { process: parking_lot::Mutex::new(process), program, account, arguments, port, folder })
    }

    /// TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The Unix socket.
    pub fn socket(&self) -> PathBuf {
        socket(&self.folder)
    }

    /// Connection URL of a database, for the login with all rights.
    pub fn url(&self, database: &str) -> String {
        format!("mysql://{USER}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// Creates an empty database, in place of one with this name. Its character set is utf8mb4.
    pub fn create_database(&self, name: &str) {
        self.execute("", &format!("drop database if exists `{name}`; create database `{name}` character set utf8mb4"));
    }

    /// Runs statements separated by semicolons.
    ///
    /// # Panics
    /// With the server's message when one fails.
    pub fn execute(&self, database: &str, sql: &str) {
        self.query(database, sql);
    }

    /// Runs statements and returns the rows of all of them as text; bytes that are not UTF-8 are replaced.
    pub fn query(&self, database: &str, sql: &str) -> Vec<Vec<Option<String>>> {
        self.try_query(database, sql).unwrap_or_else(|error| panic!("{error}\nin: {}", shortened(sql)))
    }

    /// As [`Self::query`], giving the server's error back as text.
    pub fn try_query(&self, database: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        block_on(text_query(self.port, database, sql)).map_err(|error| error.to_string())
    }

    /// Kills the server at once, as a crash would. Its data stay for [`Self::restart`].
    pub fn kill(&self) {
        self.process.lock().kill();
    }

    /// Starts it again after [`Self::kill`], on the same port with the same data.
    pub fn restart(&self) -> Result<(), StartError> {
        let mut process = self.process.lock();
        process.kill();
        *process = launch(&self.program, self.account, &self.folder, &self.arguments, self.port)?;
        Ok(())
    }

    /// Stops the process without closing anything (SIGSTOP): connections hang. [`Self::thaw`] ends that.
    pub fn freeze(&self) {
        self.process.lock().signal("STOP");
    }

    /// Lets it go on after [`Self::freeze`].
    pub fn thaw(&self) {
        self.process.lock().signal("CONT");
    }

    /// Numbers of the connections that hold temporary tables in files, as those of Aria are: a server that was started
    /// with `--default-tmp-storage-engine=Aria`.
    pub fn owners_of_temporary_files(&self) -> BTreeSet<u64> {
        let files = std::fs::read_dir(self.folder.path()).into_iter().flatten().flatten();
        let names = files.filter_map(|file| file.file_name().into_string().ok());
        // The name goes on with the process, the connection and a number.
        let owner =
            |name: String| u64::from_str_radix(name.strip_prefix("#sql-temptable-")?.split('-').nth(1)?, 16).ok();
        names.filter_map(owner).collect()
    }

    /// What it logged of slow statements, plans included: a server that was started with `--slow-query-log`,
    /// `--slow-query-log-file=slow.log`, `--long-query-time=0` and `--log-slow-verbosity=explain`. A statement
    /// is logged after it was answered.
    pub fn slow_log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("data/slow.log")).unwrap_or_default()
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        self.process.lock().log_tail()
    }
}

/// Runs at every start, so it must be repeatable.
const LOGINS: &str = "\
ALTER USER root@localhost IDENTIFIED BY 'PASSWORD';
CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY 'PASSWORD';
GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;
";

fn find_program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]).collect();
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|program| program.exists()))
}

fn socket(folder: &Folder) -> PathBuf {
    folder.path().join("mysqld.sock")
}

/// A server that starts removes temporary tables from this folder, those of others included: each has its own.
fn temporary(folder: &Folder) -> String {
    format!("--tmpdir={}", folder.path().display())
}

fn create_data(installer: &Path, account: Option<Account>, folder: &Folder) -> Result<(), StartError> {
    let mut command = Account::command(account, installer);
    command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
    command.arg("--innodb-log-file-size=16M").arg("--innodb-flush-log-at-trx-commit=0");
    command.arg(temporary(folder));
    command.arg(format!("--datadir={}", folder.path().join("data").display())).current_dir(folder.path());
    run(command)
}

fn launch(
    program: &Path,
    account: Option<Account>,
    folder: &Folder,
    arguments: &[String],
    port: u16,
) -> Result<Process, StartError> {
    let mut command = Account::command(account, program);
    command.arg("--no-defaults").arg(format!("--datadir={}", folder.path().join("data").display()));
    command.arg(format!("--socket={}", socket(folder).display())).arg(format!("--port={port}"));
    command.arg(format!("--pid-file={}", folder.path().join("mysqld.pid").display()));
    command.arg(temporary(folder)).args(arguments).current_dir(folder.path());
    let mut process = Process::spawn(command, folder)?;
    process.wait_until(|| block_on(text_query(port, "", "select 1")).map(drop).map_err(|error| error.to_string()))?;
    Ok(process)
}

async fn text_query(port: u16, database: &str, sql: &str) -> mysql_async::Result<Vec<Vec<Option<String>>>> {
    let options = OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(port).prefer_socket(false);
    let options = options.user(Some(USER)).pass(Some(PASSWORD)).db_name((!database.is_empty()).then_some(database));
    let mut connection = Conn::new(Opts::from(options)).await?;
    let mut result = connection.query_iter(sql).await?;
    let mut rows = Vec::new();
    while !result.is_empty() {
        rows.extend(result.collect::<Row>().await?.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()));
    }
    drop(result);
    connection.disconnect().await?;
    Ok(rows)
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true)),
    }
}

fn shortened(sql: &str) -> String {
    sql.chars().take(2_000).collect()
}
