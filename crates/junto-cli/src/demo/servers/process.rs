//! Programs, folders and processes of servers.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::Reason;

/// A server ends by itself after this time, as `timeout` takes it.
pub(crate) const LIFE: &str = "8h";

/// The path of a Unix socket has room for 107 bytes; this leaves some for its name below the folder of the servers.
const LONGEST_PLACE: usize = 70;

const LOG: &str = "server.log";

/// The first of the folders that has all of the programs.
pub(super) fn folder_with(programs: &[&str], folders: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    folders.into_iter().find(|folder| programs.iter().all(|program| folder.join(program).is_file()))
}

/// Folders of programs: the search path, then those that it lacks for users who are not root.
pub(super) fn search_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]).collect()
}

/// A user that a server runs as in place of root, which servers refuse.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The first of these users that exists, when this process is root; nothing otherwise.
    pub(super) fn for_root(names: &[&str]) -> Option<Self> {
        if !is_root() {
            return None;
        }
        names.iter().find_map(|name| Some(Self { uid: id(&["-u", name])?, gid: id(&["-g", name])? }))
    }
}

fn is_root() -> bool {
    id(&["-u"]) == Some(0)
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// A command that runs in `place`, under `account` or as ourselves.
pub(super) fn command(account: Option<Account>, program: &Path, place: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(place).stdin(Stdio::null());
    if let Some(Account { uid, gid }) = account {
        command.uid(uid).gid(gid);
    }
    command
}

/// The folder of all servers, if the demo has one.
pub(super) fn place(demo: &Path) -> Option<PathBuf> {
    demo.join("servers").canonicalize().ok()
}

/// The folder of all servers: `servers` in the demo's folder. Where a server's user cannot enter that, or sockets would
/// have too long a path, it is a link to a temporary folder.
pub(super) fn find_place(demo: &Path) -> io::Result<PathBuf> {
    if let Some(place) = place(demo) {
        return Ok(place);
    }
    let place = demo.canonicalize()?.join("servers");
    // A temporary folder that is gone.
    let _ = fs::remove_file(&place);
    let may_enter = |folder: &Path| fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o001 != 0);
    let is_reachable = !is_root() || place.ancestors().skip(1).all(may_enter);
    if is_reachable && place.as_os_str().len() <= LONGEST_PLACE {
        fs::create_dir(&place)?;
        return Ok(place);
    }
    let temporary = tempfile::Builder::new().prefix("junto-demo-").tempdir()?;
    set_mode(temporary.path(), 0o755)?;
    std::os::unix::fs::symlink(temporary.path(), &place)?;
    Ok(temporary.keep())
}

/// An empty folder that `account` alone may enter.
pub(super) fn empty_folder(path: &Path, account: Option<Account>) -> Result<(), Reason> {
    let create = || {
        if path.exists() {
            fs::remove_dir_all(path)?;
        }
        fs::create_dir(path)?;
        set_mode(path, 0o700)?;
        match account {
            Some(Account { uid, gid }) => std::os::unix::fs::chown(path, Some(uid), Some(gid)),
            None => Ok(()),
        }
    };
    create().map_err(|error| format!("no folder for it: {error}"))
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Runs a program to its end.
pub(super) fn run_to_end(mut command: Command) -> Result<(), Reason> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = if output.stderr.trim_ascii().is_empty() { &output.stdout } else { &output.stderr };
    Err(format!("{program} failed: {}", last_line(said)))
}

/// A server that was started. Dropping it stops the server, unless it was left running.
#[derive(Debug)]
pub(super) struct Process {
    /// `timeout` with the server below it.
    child: Child,
    log: PathBuf,
    is_left: bool,
}

impl Process {
    /// Starts `server` below `timeout`, which hands signals on to it; its output goes to a file in `place`.
    pub(super) fn spawn(server: (Option<Account>, Command), signal: &str, place: &Path) -> Result<Self, Reason> {
        let (account, server) = server;
        let log = place.join(LOG);
        let start = || {
            let output = fs::File::create(&log)?;
            let mut command = command(account, Path::new("timeout"), place);
            command.args(["--signal", signal, LIFE]).arg(server.get_program()).args(server.get_args());
            command.stdout(output.try_clone()?).stderr(output).process_group(0).spawn()
        };
        let child = start().map_err(|error| format!("it does not start: {error}"))?;
        Ok(Self { child, log, is_left: false })
    }

    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The end of its log.
    pub(super) fn last_words(&self) -> String {
        last_line(&fs::read(&self.log).unwrap_or_default())
    }

    pub(super) fn leave_running(mut self) {
        self.is_left = true;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.is_left && !self.has_ended() {
            let process = self.child.id().to_string();
            let _ = Command::new("sh").args(["-c", r#"kill -s TERM "$0""#, &process]).status();
        }
    }
}

fn last_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_together_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, program) in [("one", "initdb"), ("two", "initdb"), ("two", "postgres")] {
            fs::create_dir_all(folder.path().join(name)).expect("a folder");
            fs::write(folder.path().join(name).join(program), "").expect("written");
        }
        let folders = ["none", "one", "two"].map(|name| folder.path().join(name));
        assert_eq!(folder_with(&["initdb", "postgres"], folders.clone()), Some(folders[2].clone()));
        assert_eq!(folder_with(&["initdb", "postgres"], folders[..2].to_vec()), None);
    }

    #[test]
    fn the_place_is_found_again_and_sockets_have_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("d".repeat(100));
        fs::create_dir(&deep).expect("a folder");
        let place = find_place(&deep).expect("a place");
        assert!(place.as_os_str().len() <= LONGEST_PLACE, "{}", place.display());
        assert_eq!(find_place(&deep).expect("a place"), place);
        fs::remove_dir(&place).expect("removed");
        let other = find_place(&deep).expect("a place");
        assert!(other != place && other.is_dir());
        fs::remove_dir(&other).expect("removed");
    }
}
