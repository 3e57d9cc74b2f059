//! A server process of our own: its folder, its port, signals, and a watchdog that outlives the test process.

use std::fmt::Write as _;
use std::fs;
use std::future::Future;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take until it answers.
pub(crate) const START_LIMIT: Duration = Duration::from_mins(1);
/// How long a killed server's processes may take to be gone.
const END_LIMIT: Duration = Duration::from_secs(10);

/// Why there is no server.
#[derive(Debug, Clone)]
pub enum StartError {
    /// The program is not installed.
    Unavailable { program: &'static str, package: &'static str },
    /// It is installed and did not start.
    Failed { what: String },
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::Unavailable { program, package } => {
                write!(f, "{program} is not installed; Debian has it in the package `{package}`")
            }
            StartError::Failed { what } => f.write_str(what),
        }
    }
}

impl std::error::Error for StartError {}

impl StartError {
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        StartError::Failed { what: what.into() }
    }
}

/// Whether a missing server fails tests instead of skipping them: `CI=true` or `JUNTO_REQUIRE_SERVERS=1`.
pub fn servers_required() -> bool {
    ["CI", "JUNTO_REQUIRE_SERVERS"].iter().any(|name| std::env::var(name).is_ok_and(|v| matches!(&*v, "1" | "true")))
}

/// Says that the running test is skipped, on the real stderr, or panics where servers are required.
pub fn skip_or_fail(error: &StartError) {
    let missing = matches!(error, StartError::Unavailable { .. });
    assert!(missing && !servers_required(), "{error}");
    let thread = std::thread::current();
    let line = format!("SKIPPED {}: {error}\n", thread.name().unwrap_or("a test"));
    // Not eprintln!: the test harness would swallow it for a test that passes.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Runs a future to its end on a thread of its own, so that callers may be inside a runtime.
pub(crate) fn block_on<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be built").block_on(future)
        });
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The account a server runs under when the tests run as root, which database servers refuse.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The first of these users that exists, when this process is root; nothing otherwise.
    pub(crate) fn for_root(names: &[&str]) -> Option<Self> {
        if id(&["-u"])? != 0 {
            return None;
        }
        names.iter().find_map(|name| Some(Self { uid: id(&["-u", name])?, gid: id(&["-g", name])? }))
    }

    /// A command that runs under `account`, or as ourselves.
    pub(crate) fn command(account: Option<Self>, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some(Account { uid, gid }) = account {
            command.uid(uid).gid(gid);
        }
        command
    }
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// A folder that is removed with its server, or by the next test process if everything was killed.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A new folder under the temporary directory, owned by `account`.
    pub(crate) fn create(kind: &str, account: Option<Account>) -> Result<Self, StartError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let failed = |error: std::io::Error| StartError::failed(format!("cannot make a temporary folder: {error}"));
        let root = std::env::temp_dir().join(format!("junto-testkit-{}", id(&["-u"]).unwrap_or_default()));
        fs::create_dir_all(&root).map_err(failed)?;
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).map_err(failed)?;
        sweep(&root);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = root.join(format!("{}-{kind}{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).map_err(failed)?;
        let folder = Self { path };
        folder.give_to(&folder.path, account).map_err(failed)?;
        fs::set_permissions(&folder.path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file that the server can read and nobody else.
    pub(crate) fn write(&self, name: &str, content: &[u8], account: Option<Account>) -> Result<PathBuf, StartError> {
        let path = self.path.join(name);
        let write = || {
            fs::write(&path, content)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            self.give_to(&path, account)
        };
        write().map_err(|error| StartError::failed(format!("cannot write {}: {error}", path.display())))?;
        Ok(path)
    }

    #[expect(clippy::unused_self, reason = "only paths of the folder are given away")]
    fn give_to(&self, path: &Path, account: Option<Account>) -> std::io::Result<()> {
        match account {
            Some(Account { uid, gid }) => std::os::unix::fs::chown(path, Some(uid), Some(gid)),
            None => Ok(()),
        }
    }
}

/// Whether a process is there and not only waited for by its parent.
fn is_running(pid: &str) -> bool {
    // After the name in parentheses comes the state; Z is a zombie, which holds nothing.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes folders of test processes that are no more.
fn sweep(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.split('-').next()).and_then(|pid| pid.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) && Path::new("/proc/self").exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A port nobody listens on now. Somebody else may take it before the server does: callers try again then.
pub(crate) fn free_port() -> Result<u16, StartError> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    bound.map(|address| address.port()).map_err(|error| StartError::failed(format!("no free port: {error}")))
}

/// Runs a set-up program to its end.
pub(crate) fn run(mut command: Command) -> Result<(), StartError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| StartError::failed(format!("cannot run {program}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let mut what = format!("{program} failed ({})", output.status);
    for text in [output.stdout, output.stderr] {
        let _ = write!(what, "\n{}", String::from_utf8_lossy(&text).trim());
    }
    Err(StartError::Failed { what })
}

/// A running server with its watchdog.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Ends when this process does, because its standard input does; then it kills the server and removes its folder.
    watchdog: Child,
    pid_file: PathBuf,
    log: PathBuf,
}

/// Waits for the test process to end, then kills the server with its children and removes its folder.
const WATCHDOG: &str = r#"cat >/dev/null
pid=$(cat "$1/server.pid") && kill -s KILL "$pid" $(cat "/proc/$pid/task/"*/children 2>/dev/null)
for attempt in 1 2 3; do rm -rf "$1" && break; sleep 1; done"#;

impl Process {
    /// Starts `command`, its output going to `server.log` in the folder.
    pub(crate) fn spawn(mut command: Command, folder: &Folder) -> Result<Self, StartError> {
        let failed = |error: std::io::Error| StartError::failed(format!("cannot start a server: {error}"));
        let pid_file = folder.path.join("server.pid");
        let log = folder.path.join("server.log");
        let mut watchdog = Command::new("sh");
        watchdog.args(["-c", WATCHDOG, "junto-testkit-watchdog"]).arg(&folder.path).process_group(0);
        watchdog.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let watchdog = watchdog.spawn().map_err(failed)?;
        let output = fs::File::create(&log).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0).spawn();
        let mut process = Self { child: child.map_err(failed)?, watchdog, pid_file, log };
        let written = fs::write(&process.pid_file, process.child.id().to_string());
        written.inspect_err(|_| process.kill()).map_err(failed)?;
        Ok(process)
    }

    /// The exit status, once it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until `ready` says so.
    pub(crate) fn wait_until(&mut self, mut ready: impl FnMut() -> Result<(), String>) -> Result<(), StartError> {
        let started = Instant::now();
        loop {
            let Err(last) = ready() else { return Ok(()) };
            let ended = self.ended();
            if ended.is_some() || started.elapsed() > START_LIMIT {
                let state = ended.map_or("does not answer".to_owned(), |status| format!("ended with {status}"));
                return Err(StartError::failed(format!("the server {state}: {last}\n{}", self.log_tail())));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The end of the server's log.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Sends a signal (`STOP`, `CONT`, `TERM` …) to the server and its children.
    pub(crate) fn signal(&self, name: &str) {
        let mut command = Command::new("sh");
        command.args(["-c", r#"kill -s "$0" "$@""#, name]).arg(self.child.id().to_string());
        let sent = command.args(self.children()).stderr(Stdio::null()).status();
        sent.expect("a shell can be run");
    }

    /// Ends the server at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        let children = self.children();
        if self.ended().is_none() {
            self.signal("KILL");
        }
        let _ = self.child.wait();
        // PostgreSQL does not start again while a backend of the last one still holds its memory.
        let started = Instant::now();
        while children.iter().any(|pid| is_running(pid)) && started.elapsed() < END_LIMIT {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = fs::remove_file(&self.pid_file);
    }

    /// PostgreSQL gives each backend a process group of its own, so a group signal would not reach them.
    fn children(&self) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
    }
}
