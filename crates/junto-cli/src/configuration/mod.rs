//! Where settings and connections come from: flags over environment (`JUNTO_*`) over `junto.toml`.

mod declared;
mod edit;
mod file;
mod multiquery;
mod quantity;
mod variables;

use std::path::{Path, PathBuf};

use junto_engine::MultiQuery;

pub(crate) use declared::{Declared, alias};
pub(crate) use edit::{Editor, Secrecy};
pub(crate) use quantity::{parse_bytes, parse_timeout};

use crate::failure::{Failure, Result};

/// What a configuration file and the environment say.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    /// The file that was read.
    pub(crate) path: Option<PathBuf>,
    pub(crate) multiquery: MultiQuery,
    pub(crate) connections: Vec<Declared>,
}

impl Configuration {
    /// Reads the file `--config` names, or the one the search finds, and the environment.
    ///
    /// # Errors
    /// A named file that is missing, TOML that cannot be read, unknown keys, values of the wrong kind.
    pub(crate) fn load(flag: Option<&Path>) -> Result<Self> {
        let path = find(flag)?;
        let mut configuration = match &path {
            Some(path) => file::read(path)?,
            None => Self::default(),
        };
        configuration.path = path;
        multiquery::apply_environment(&mut configuration.multiquery, std::env::vars_os())?;
        Ok(configuration)
    }
}

/// The file to read: `--config`, `$JUNTO_CONFIG`, `./junto.toml`, `~/.config/junto/junto.toml`; the first two must exist.
pub(crate) fn find(flag: Option<&Path>) -> Result<Option<PathBuf>> {
    let named = flag.map(Path::to_owned).or_else(|| set_variable("JUNTO_CONFIG"));
    if let Some(path) = named {
        return match path.is_file() {
            true => Ok(Some(path)),
            false => Err(Failure::user(format!("no such file: {}", path.display()))
                .hint("`--config` and JUNTO_CONFIG name a file that exists")),
        };
    }
    let here = PathBuf::from("junto.toml");
    Ok([Some(here), home_file()].into_iter().flatten().find(|path| path.is_file()))
}

/// The connections of a file that is not the configuration.
pub(crate) fn connections_of(path: &Path) -> Result<Vec<Declared>> {
    Ok(file::read(path)?.connections)
}

/// The file to write connections to: the one that is read, else the named one, else that of the home folder.
pub(crate) fn find_for_writing(flag: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = flag.map(Path::to_owned).or_else(|| set_variable("JUNTO_CONFIG")) {
        return Ok(path);
    }
    find(None)?.or_else(home_file).ok_or_else(|| Failure::user("HOME is not set").hint("name a file with `--config`"))
}

fn home_file() -> Option<PathBuf> {
    let folder = set_variable("XDG_CONFIG_HOME").or_else(|| set_variable("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("junto").join("junto.toml"))
}

fn set_variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
