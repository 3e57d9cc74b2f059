//! `cargo xtask fetch-duckdb`: puts DuckDB's shared library where the `duckdb` driver looks for it.
//!
//! The library comes ready-made in an npm package (MIT licence); nothing is compiled. npm checks the download against
//! the registry's digest, and this file checks it against the digest pinned here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Version of the npm packages. Its first three numbers are DuckDB's; `junto-connector-adbc` looks for the same one.
const VERSION: &str = "1.5.5-r.5";
const DUCKDB_VERSION: &str = "1.5.5";

/// Operating system and architecture as Rust names them, npm package, library in it, digest of the package.
const PACKAGES: [(&str, &str, &str, &str, &str); 4] = [
    (
        "linux",
        "x86_64",
        "@duckdb/node-bindings-linux-x64",
        "libduckdb.so",
        "sha512-kCyq6BXhn6QXfwF8yVdVKriSSHP+rfVWcJ56cG8qZzlOZpxyvT5WGm6jMshxg4ditLlOsHsIN/D47RYrcjXuHQ==",
    ),
    (
        "linux",
        "aarch64",
        "@duckdb/node-bindings-linux-arm64",
        "libduckdb.so",
        "sha512-CafH2AIvXtpwDynG3KB/4uEOHRGlFoB7auCRMIwH3BKNIobsANV5LSpDJ3tfyRCFIsK6e8AT1eseWVnu2Dv3cw==",
    ),
    (
        "macos",
        "aarch64",
        "@duckdb/node-bindings-darwin-arm64",
        "libduckdb.dylib",
        "sha512-WJdeLTFy4pRg60rkbp9smtlP1iIQ8ErtIJkxS+2LQtM1ZZMSByyW+3WPpNoKe7IwPtVl2fLlPw7tDmQW4Z974g==",
    ),
    (
        "macos",
        "x86_64",
        "@duckdb/node-bindings-darwin-x64",
        "libduckdb.dylib",
        "sha512-rN0KjX13MwVQ5V5ufykolty/tf4SaafOpGWcUA1Cegf98jPeRdsJsEE1IMXn8n3u6WvMSZEVJmHJ3ma4Hr7Vzg==",
    ),
];

/// Path of the library in the cache folder, downloaded first when it is not there. Prints nothing.
///
/// # Errors
/// No package for this machine, npm or tar missing or failing, or a package with another digest.
pub(crate) fn run() -> Result<PathBuf> {
    let (os, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    let Some((_, _, package, library, digest)) = PACKAGES.iter().find(|p| p.0 == os && p.1 == architecture) else {
        bail!("DuckDB's npm packages hold no library for {os} on {architecture}; set JUNTO_DUCKDB_LIBRARY to one");
    };
    let folder = cache_folder()?.join("junto").join("duckdb").join(DUCKDB_VERSION);
    let target = folder.join(library);
    if target.is_file() {
        return Ok(target);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let scratch = folder.join(format!("fetch-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let fetched = download(package, library, digest, &scratch)
        .and_then(|from| fs::rename(&from, &target).context("cannot move the library into the cache folder"));
    fs::remove_dir_all(&scratch)?;
    fetched.map(|()| target)
}

/// `$XDG_CACHE_HOME`, else `~/.cache`: the rule of `junto-connector-adbc`, which reads what is put here.
fn cache_folder() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")
}

fn download(package: &str, library: &str, digest: &str, scratch: &Path) -> Result<PathBuf> {
    let report = output(
        Command::new("npm")
            .args(["pack", &format!("{package}@{VERSION}"), "--json", "--pack-destination"])
            .arg(scratch),
    )?;
    ensure!(report.contains(digest), "{package}@{VERSION} does not have the pinned digest {digest}");
    let archive = fs::read_dir(scratch)?.next().context("npm wrote no file")??.path();
    let member = format!("package/{library}");
    output(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(scratch).arg(&member))?;
    Ok(scratch.join(member))
}

/// What a command writes to its standard output.
fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {name}; is it installed?"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} failed: {}", errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
