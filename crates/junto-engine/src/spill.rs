//! Where statements spill: a folder of this process, removed with the engine, or by the next one if the process is killed.
//!
//! A file `lock` in the folder is locked for as long as the process lives. The file appears locked: a folder whose lock is
//! free has no owner any more.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::disk_manager::{DiskManager, DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::{SpillFile, TempFileFactory};
use parking_lot::Mutex;
use tempfile::TempDir;

/// Begins the name of every spill folder; the process id follows.
const PREFIX: &str = "junto-spill-";
const LOCK: &str = "lock";

/// The spill folder of one engine; made when a statement first spills.
#[derive(Debug)]
pub(crate) struct SpillFolder {
    root: PathBuf,
    opened: Mutex<Option<Opened>>,
}

#[derive(Debug)]
struct Opened {
    files: Arc<DiskManager>,
    // Before the folder: some systems do not remove an open file.
    _lock: File,
    _folder: TempDir,
}

impl SpillFolder {
    /// To be made below `root`, by default the system's temporary folder. Removes what killed processes left there.
    pub(crate) fn below(root: Option<PathBuf>) -> Self {
        let root = root.unwrap_or_else(std::env::temp_dir);
        sweep(&root);
        Self { root, opened: Mutex::default() }
    }
}

impl TempFileFactory for SpillFolder {
    fn create_temp_file(&self, description: &str) -> Result<Arc<dyn SpillFile>> {
        let mut opened = self.opened.lock();
        let opened = match &mut *opened {
            Some(opened) => opened,
            none => none.insert(Opened::below(&self.root)?),
        };
        opened.files.create_tmp_file(description)
    }
}

impl Opened {
    fn below(root: &Path) -> Result<Self> {
        fs::create_dir_all(root)?;
        let folder = tempfile::Builder::new().prefix(&format!("{PREFIX}{}-", std::process::id())).tempdir_in(root)?;
        let lock = locked(folder.path())?;
        let mode = DiskManagerMode::Directories(vec![folder.path().to_owned()]);
        let files = Arc::new(DiskManagerBuilder::default().with_mode(mode).build()?);
        Ok(Self { files, _lock: lock, _folder: folder })
    }
}

/// Makes the lock of a folder, which gets its name when it is locked.
fn locked(folder: &Path) -> io::Result<File> {
    let unnamed = folder.join("lock.new");
    let lock = File::create_new(&unnamed)?;
    lock.lock()?;
    fs::rename(unnamed, folder.join(LOCK))?;
    Ok(lock)
}

/// Removes the spill folders below `root` that nobody owns any more. What cannot be removed, such as another user's, stays.
fn sweep(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_ours
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Err(error) = remove_if_orphaned(&entry.path())
        {
            tracing::debug!(folder = %entry.path().display(), %error, "a spill folder stays");
        }
    }
}

fn remove_if_orphaned(folder: &Path) -> io::Result<()> {
    let lock = File::open(folder.join(LOCK))?;
    if lock.try_lock().is_err() {
        return Ok(());
    }
    // The lock goes last: what is left when this process is killed too is found by the next.
    for entry in fs::read_dir(folder)?.flatten().filter(|entry| entry.file_name() != LOCK) {
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    drop(lock);
    fs::remove_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path) -> Vec<String> {
        let entries = fs::read_dir(root).expect("a folder").flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_is_made_when_needed_and_goes_with_its_engine() {
        let root = tempfile::tempdir().expect("a folder");
        let spill = SpillFolder::below(Some(root.path().to_owned()));
        assert!(names(root.path()).is_empty());
        let file = spill.create_temp_file("a test").expect("a file");
        let name = names(root.path()).pop().expect("a folder");
        assert!(name.starts_with(&format!("junto-spill-{}-", std::process::id())), "{name}");
        drop(SpillFolder::below(Some(root.path().to_owned())));
        assert_eq!(names(root.path()), [name], "it is in use");
        drop((file, spill));
        assert!(names(root.path()).is_empty());
    }

    #[test]
    fn only_folders_whose_lock_is_free_are_removed() {
        let root = tempfile::tempdir().expect("a folder");
        let make = |name: &str| {
            let folder = root.path().join(name);
            fs::create_dir_all(folder.join("datafusion-x")).expect("a folder");
            fs::write(folder.join("datafusion-x/run"), "rows").expect("a file");
            folder
        };
        let (orphaned, owned, other) = (make("junto-spill-1-a"), make("junto-spill-1-b"), make("other-1-c"));
        make("junto-spill-1-d");
        fs::write(root.path().join("junto-spill-1-e"), "a file").expect("a file");
        drop(locked(&orphaned).expect("a lock"));
        drop(locked(&other).expect("a lock"));
        let held = locked(&owned).expect("a lock");
        let kept = ["junto-spill-1-b", "junto-spill-1-d", "junto-spill-1-e", "other-1-c"];
        sweep(root.path());
        assert_eq!(names(root.path()), kept);
        drop(held);
        sweep(root.path());
        assert_eq!(names(root.path()), kept[1..]);
    }
}
