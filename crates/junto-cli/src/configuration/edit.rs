//! Changes the connections of `junto.toml` and leaves everything else of it as the user wrote it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use junto_connector::{Prefer, Registry};
use toml_edit::{DocumentMut, Item, Table, value};

use super::{Configuration, Declared, alias, file};
use crate::failure::{Failure, Result};

/// Whether a connection's secrets are in the file itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// None, or only as `${env:NAME}`.
    Outside,
    /// In plain text.
    InFile,
}

/// A configuration file that is being changed.
#[derive(Debug)]
pub(crate) struct Editor {
    path: PathBuf,
    /// Comments of a file that held nothing else; `toml_edit` would put them behind the first section.
    preface: String,
    document: DocumentMut,
}

impl Editor {
    /// Opens a file; one that does not exist is empty.
    ///
    /// # Errors
    /// A file that [`Configuration::load`] would refuse.
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other.map_err(|error| Failure::file(&error, format!("cannot read {}", path.display())))?,
        };
        file::parse(&text, &path)?;
        let document = text.parse::<DocumentMut>().map_err(|error| Failure::user(error.to_string()))?;
        if document.is_empty() && !text.trim().is_empty() {
            return Ok(Self { path, preface: format!("{}\n\n", text.trim_end()), document: DocumentMut::new() });
        }
        Ok(Self { path, preface: String::new(), document })
    }

    /// An empty file that is not to be saved.
    pub(crate) fn scratch() -> Self {
        Self { path: PathBuf::from("junto.toml"), preface: String::new(), document: DocumentMut::new() }
    }

    /// The file's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The connections as they are now.
    pub(crate) fn connections(&self) -> Result<Vec<Declared>> {
        Ok(self.configuration()?.connections)
    }

    fn configuration(&self) -> Result<Configuration> {
        file::parse(&self.text(), &self.path)
    }

    /// The connection with this alias.
    ///
    /// # Errors
    /// None has it; the hint names the nearest.
    pub(crate) fn connection(&self, name: &str) -> Result<Declared> {
        let connections = self.connections()?;
        let wanted = alias(name)?;
        if let Some(found) = connections.iter().find(|connection| connection.alias == wanted) {
            return Ok(found.clone());
        }
        let failure = Failure::user(format!("no connection `{name}` in {}", self.path.display()));
        let near = junto_types::nearest(name, connections.iter().map(|connection| connection.alias.as_str()));
        Err(match near {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("`junto connections list` shows them"),
        })
    }

    /// Writes a connection in place of the one called `alias` before, or at the end.
    pub(crate) fn put(&mut self, before: Option<&Declared>, connection: &Declared) {
        let section = self.document.entry("connections").or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        let Some(section) = section.as_table_like_mut() else { return };
        let mut entry = match before {
            Some(before) => section.remove(before.alias.as_str()).unwrap_or_else(|| Item::Table(Table::new())),
            None => Item::Table(Table::new()),
        };
        if let Some(table) = entry.as_table_like_mut() {
            fill(table, connection);
        }
        section.insert(connection.alias.as_str(), entry);
    }

    /// Removes a connection.
    pub(crate) fn remove(&mut self, connection: &Declared) {
        if let Some(section) = self.document.get_mut("connections").and_then(Item::as_table_like_mut) {
            section.remove(connection.alias.as_str());
        }
    }

    /// The file's text as it would be written.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.preface, self.document)
    }

    /// Writes the file, readable by its owner alone when a secret is in it.
    pub(crate) fn save(&self, registry: &Registry) -> Result<Secrecy> {
        let configuration = self.configuration()?;
        let secret = configuration.connections.iter().any(|connection| connection.secrecy(registry) == Secrecy::InFile);
        let secrecy = if secret { Secrecy::InFile } else { Secrecy::Outside };
        replace(&self.path, &self.text(), secrecy)
            .map_err(|error| Failure::file(&error, format!("cannot write {}", self.path.display())))?;
        Ok(secrecy)
    }
}

/// Makes `table` say what `connection` says, touching only what differs.
fn fill(table: &mut dyn toml_edit::TableLike, connection: &Declared) {
    let prefer = (connection.prefer == Prefer::LeastData).then_some("least_data");
    let texts = [
        ("name", connection.name.as_deref()),
        ("url", connection.url.as_deref()),
        ("driver", connection.driver.as_deref()),
        ("prefer", prefer),
    ];
    for (key, text) in texts {
        put_text(table, key, text);
    }
    match connection.max_connections {
        Some(number) => put_item(table, "max_connections", value(number as i64)),
        None => drop(table.remove("max_connections")),
    }
    put_text(table, "id", connection.id.map(|id| id.to_string()).as_deref());
    let roots: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
    for root in roots.iter().filter(|root| !file::CONNECTION_KEYS.contains(&root.as_str())) {
        let kept = connection.options.iter().any(|(name, _)| name.split('.').next() == Some(root.as_str()));
        if !kept {
            table.remove(root);
        }
    }
    for (name, text) in &connection.options {
        // A dotted option stands under its first name, so `type.orders.note` goes into the table `type`.
        match name.split_once('.') {
            None => put_text(table, name, Some(text)),
            Some((root, rest)) => {
                let inner = table.entry(root).or_insert_with(|| {
                    let mut inner = Table::new();
                    inner.set_dotted(true);
                    Item::Table(inner)
                });
                if let Some(inner) = inner.as_table_like_mut() {
                    put_text(inner, rest, Some(text));
                }
            }
        }
    }
}

fn put_text(table: &mut dyn toml_edit::TableLike, key: &str, text: Option<&str>) {
    match text {
        None => drop(table.remove(key)),
        Some(text) if table.get(key).and_then(Item::as_str) == Some(text) => {}
        Some(text) => put_item(table, key, value(text)),
    }
}

/// Replaces a value and keeps the comment behind it.
fn put_item(table: &mut dyn toml_edit::TableLike, key: &str, mut item: Item) {
    let decor = table.get(key).and_then(Item::as_value).map(|old| old.decor().clone());
    if let (Some(new), Some(decor)) = (item.as_value_mut(), decor) {
        *new.decor_mut() = decor;
    }
    table.insert(key, item);
}

/// Writes a file beside the old one and moves it there, so that a crash leaves the old one.
fn replace(path: &Path, text: &str, secrecy: Secrecy) -> io::Result<()> {
    if let Some(folder) = Declared::folder_of(path) {
        fs::create_dir_all(folder)?;
    }
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let mut file = create(&part, path, secrecy)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

#[cfg(unix)]
fn create(part: &Path, old: &Path, secrecy: Secrecy) -> io::Result<File> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let mode = match secrecy {
        Secrecy::InFile => 0o600,
        Secrecy::Outside => fs::metadata(old).map_or(0o644, |old| old.permissions().mode() & 0o777),
    };
    File::options().write(true).create_new(true).mode(mode).open(part)
}

#[cfg(not(unix))]
fn create(part: &Path, _old: &Path, _secrecy: Secrecy) -> io::Result<File> {
    File::options().write(true).create_new(true).open(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# mine\n[multiquery]\ntimeout = '5s' # short\n\n[connections.a]\nurl = 'sqlite:a.db' # the first\nnote = 'x'\n";

    fn editor(folder: &tempfile::TempDir) -> Editor {
        let path = folder.path().join("junto.toml");
        fs::write(&path, FILE).expect("written");
        Editor::open(path).expect("a good file")
    }

    #[test]
    fn comments_and_order_survive() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut editor = editor(&folder);
        let before = editor.connection("A").expect("found ignoring case");
        let mut after = before.clone();
        after.url = Some("sqlite:b.db".into());
        editor.put(Some(&before), &after);
        let b = Declared { driver: Some("postgres".into()), ..Declared::new(alias("b c").expect("valid")) };
        editor.put(None, &b);
        assert_eq!(
            editor.document.to_string(),
            FILE.replace("'sqlite:a.db'", "\"sqlite:b.db\"") + "\n[connections.\"b c\"]\ndriver = \"postgres\"\n"
        );
    }

    #[test]
    fn removes_and_reports_unknown_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut editor = editor(&folder);
        let found = editor.connection("a").expect("found");
        editor.remove(&found);
        assert!(!editor.document.to_string().contains("sqlite:a.db"));
        assert!(editor.connection("a").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_for_the_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/junto.toml");
        replace(&path, "x", Secrecy::InFile).expect("written");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }
}
