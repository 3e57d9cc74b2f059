//! Finds the tables below a folder, and never anything outside it.
//!
//! ```text
//! DIR/customers.csv                     main.customers
//! DIR/rates.csv, DIR/rates.json         main."rates.csv", main."rates.json"
//! DIR/events/{a,b}.parquet              main.events
//! DIR/visits/year=2024/part.parquet     main.visits, with a column `year`
//! DIR/raw/{x.csv,y.json}                raw.x, raw.y        (files of several formats: a schema)
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use junto_connector::{Error, Result};
use junto_types::TableName;

use crate::formats::Format;

/// The schema of what lies in the folder itself.
pub(crate) const DEFAULT_SCHEMA: &str = "main";

/// Files of one connection. More are refused, so that a wrong folder (such as `/`) does not take forever.
const MOST_FILES: usize = 100_000;

/// Depth of `key=value` folders below a table's folder.
const MOST_PARTITION_KEYS: usize = 16;

/// A data file, with what tells whether it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DataFile {
    pub(crate) path: PathBuf,
    pub(crate) size_bytes: u64,
    pub(crate) modified: Option<SystemTime>,
    /// Values of the table's partition keys, from the names of the folders.
    pub(crate) partition: Vec<String>,
}

/// A table: one file, or a folder of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: TableName,
    pub(crate) format: Format,
    /// The file, or the folder that holds all files.
    pub(crate) location: PathBuf,
    pub(crate) files: Vec<DataFile>,
    pub(crate) partition_keys: Vec<String>,
    /// Why the table cannot be read: a link in it leads out of the folder.
    pub(crate) refused: Option<String>,
}

impl Found {
    /// Size of all files.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }
}

/// The folder of a connection, by its real path.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// # Errors
    /// [`Error::FileNotFound`], or [`Error::WrongFileType`] for what is not a folder.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let shown = path.display().to_string();
        let root = path.canonicalize().map_err(|_| Error::FileNotFound { path: shown.clone() })?;
        if !root.is_dir() {
            return Err(Error::WrongFileType { path: shown, expected: "folder" });
        }
        Ok(Self { root })
    }

    /// The real path.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// All tables, by schema and name. Reads folders, not files.
    pub(crate) fn tables(&self) -> Result<Vec<Found>> {
        let mut search = Search { root: &self.root, files: 0 };
        let listing = search.listing(&self.root)?;
        let mut found = search.tables_of(DEFAULT_SCHEMA, &listing)?;
        for folder in &listing.folders {
            if search.as_table(DEFAULT_SCHEMA, folder)?.is_none() && partition_of(&folder.name).is_none() {
                let inner = search.listing(&folder.path)?;
                found.extend(search.tables_of(&folder.name, &inner)?);
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }
}

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    path: PathBuf,
}

/// What a folder holds, in the order of names. Hidden files and those of other kinds are left out.
#[derive(Debug, Default)]
struct Listing {
    files: Vec<(Entry, Format)>,
    folders: Vec<Entry>,
    /// A link that leads out of the folder, or to nothing.
    astray: Option<Entry>,
}

struct Search<'a> {
    root: &'a Path,
    files: usize,
}

impl Search<'_> {
    fn listing(&mut self, folder: &Path) -> Result<Listing> {
        let unreadable = |cause: std::io::Error| Error::PermissionDenied {
            reason: format!("cannot list {}: {cause}", folder.display()),
        };
        let mut entries: Vec<Entry> = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !name.starts_with(['.', '_']) {
                entries.push(Entry { name, path: entry.path() });
            }
        }
        self.files += entries.len();
        if self.files > MOST_FILES {
            return Err(Error::Resource { what: format!("more than {MOST_FILES} files; connect to a smaller folder") });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let mut listing = Listing::default();
        for entry in entries {
            let format = Format::of(&entry.name);
            let inside = entry.path.canonicalize().is_ok_and(|real| real.starts_with(self.root));
            if !inside {
                if format.is_some() {
                    listing.astray.get_or_insert(entry);
                }
            } else if entry.path.is_dir() {
                // A link to a folder above would make a circle.
                if !entry.path.is_symlink() {
                    listing.folders.push(entry);
                }
            } else if let Some(format) = format {
                listing.files.push((entry, format));
            }
        }
        Ok(listing)
    }

    fn tables_of(&mut self, schema: &str, listing: &Listing) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        let mut stems: BTreeMap<&str, usize> = BTreeMap::new();
        for name in listing
            .files
            .iter()
            .map(|(entry, _)| stem(&entry.name))
            .chain(listing.folders.iter().map(|f| f.name.as_str()))
        {
            *stems.entry(name).or_default() += 1;
        }
        for (entry, format) in &listing.files {
            let short = stem(&entry.name);
            let name = if stems.get(short).copied().unwrap_or(0) > 1 { &entry.name } else { short };
            found.push(Found {
                name: TableName::new(schema, name),
                format: *format,
                location: entry.path.clone(),
                files: vec![data_file(&entry.path, Vec::new())?],
                partition_keys: Vec::new(),
                refused: None,
            });
        }
        for folder in &listing.folders {
            found.extend(self.as_table(schema, folder)?);
        }
        if let Some(entry) = &listing.astray {
            found.extend(Format::of(&entry.name).map(|format| Found {
                name: TableName::new(schema, stem(&entry.name)),
                format,
                location: entry.path.clone(),
                files: Vec::new(),
                partition_keys: Vec::new(),
                refused: Some(leads_out(entry)),
            }));
        }
        Ok(found)
    }

    /// The folder as one table: files of one format, in it or in `key=value` folders that all have the same keys.
    fn as_table(&mut self, schema: &str, folder: &Entry) -> Result<Option<Found>> {
        let mut found = Found {
            name: TableName::new(schema, &folder.name),
            format: Format::Parquet,
            location: folder.path.clone(),
            files: Vec::new(),
            partition_keys: Vec::new(),
            refused: None,
        };
        let complete = self.gather(&folder.path, &mut Vec::new(), &mut found)?;
        Ok((complete && (!found.files.is_empty() || found.refused.is_some())).then_some(found))
    }

    /// Adds the files of `folder` to the table; false when the folder is not of that shape.
    fn gather(&mut self, folder: &Path, partition: &mut Vec<(String, String)>, found: &mut Found) -> Result<bool> {
        let listing = self.listing(folder)?;
        let keys: Vec<String> = partition.iter().map(|(key, _)| key.clone()).collect();
        for (entry, format) in &listing.files {
            if found.files.is_empty() {
                found.format = *format;
                found.partition_keys.clone_from(&keys);
            }
            if found.format != *format || found.partition_keys != keys {
                return Ok(false);
            }
            let values = partition.iter().map(|(_, value)| value.clone()).collect();
            found.files.push(data_file(&entry.path, values)?);
        }
        if let Some(entry) = &listing.astray {
            found.refused.get_or_insert(leads_out(entry));
        }
        for inner in &listing.folders {
            let Some((key, value)) = partition_of(&inner.name) else { return Ok(false) };
            if partition.len() == MOST_PARTITION_KEYS {
                return Ok(false);
            }
            partition.push((key.to_owned(), value.to_owned()));
            let fits = self.gather(&inner.path, partition, found)?;
            partition.pop();
            if !fits {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn data_file(path: &Path, partition: Vec<String>) -> Result<DataFile> {
    let metadata = fs::metadata(path).map_err(|_| Error::FileNotFound { path: path.display().to_string() })?;
    Ok(DataFile { path: path.to_owned(), size_bytes: metadata.len(), modified: metadata.modified().ok(), partition })
}

fn leads_out(entry: &Entry) -> String {
    format!("`{}` is a link that leads out of the folder or to nothing", entry.name)
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// `key=value`, as in the folders of a partitioned table.
fn partition_of(name: &str) -> Option<(&str, &str)> {
    name.split_once('=').filter(|(key, _)| !key.is_empty())
}
