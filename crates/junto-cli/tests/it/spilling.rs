//! What statements that spill leave on the disk: nothing.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Outcome, Place};

const TABLE: &str = "CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
    SELECT i, 'some text that makes the row a little longer ' || (i * 7919 % 300000) AS text FROM n";

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn holds_rows(folder: &Path) -> bool {
    let below = entries(folder);
    let is_filled = |path: &PathBuf| path.metadata().is_ok_and(|file| file.is_file() && file.len() > 0);
    below.iter().flat_map(|path| entries(path)).any(|path| is_filled(&path))
}

/// A process that works on an aggregate and has spilled.
fn spawn_spilling(place: &Place, spill: &Path, stdout: Stdio) -> Child {
    let mut command = place.command(&["query", "-c", "shop=sqlite:shop.db", "--memory-limit", "16MB"]);
    command.arg("SELECT md5(text) AS m, count(*) AS n FROM @shop.t GROUP BY md5(text)").env("TMPDIR", spill);
    let mut child = command.stdout(stdout).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let patience = Instant::now() + Duration::from_secs(30);
    while !entries(spill).iter().any(|folder| holds_rows(folder)) {
        if Instant::now() > patience || child.try_wait().expect("a child").is_some() {
            child.kill().expect("killed");
            panic!("it never spilled: {:?}", Outcome::from(child.wait_with_output().expect("it ends")));
        }
        std::thread::yield_now();
    }
    child
}

#[test]
fn a_killed_process_leaves_its_rows_to_the_next_to_remove() {
    let place = Place::with(TABLE);
    let spill = tempfile::tempdir().expect("a folder");
    // Nobody reads what it writes, so it never comes to its end.
    let mut child = spawn_spilling(&place, spill.path(), Stdio::piped());
    let folder = entries(spill.path()).remove(0);
    let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(name.starts_with(&format!("junto-spill-{}-", child.id())), "{name}");
    let run_another = || {
        let mut command = place.command(&["query", "-c", "shop=sqlite:shop.db", "select 1"]);
        let outcome: Outcome = command.env("TMPDIR", spill.path()).output().expect("the binary starts").into();
        assert_eq!(outcome.rows(), "1\n1\n");
    };
    run_another();
    assert!(folder.exists(), "its owner lives");

    child.kill().expect("killed");
    child.wait().expect("it ends");
    assert!(folder.exists(), "nobody could remove it");
    run_another();
    assert!(entries(spill.path()).is_empty(), "{:?}", entries(spill.path()));
}

#[test]
fn a_process_that_ends_removes_its_own() {
    let place = Place::with(TABLE);
    let spill = tempfile::tempdir().expect("a folder");
    let answer = File::create(place.path().join("answer.csv")).expect("a file");
    let outcome = spawn_spilling(&place, spill.path(), answer.into()).wait_with_output().expect("it ends");
    assert_eq!(Outcome::from(outcome).rows(), "");
    assert_eq!(place.read("answer.csv").lines().count(), 300_001);
    assert!(entries(spill.path()).is_empty(), "{:?}", entries(spill.path()));
}
