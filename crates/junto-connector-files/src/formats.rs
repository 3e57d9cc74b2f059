//! The file formats, and how DataFusion is told to read each.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use datafusion::common::config::{CsvOptions, JsonOptions};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use junto_connector::{Error, OptionKind, OptionSpec, Options, Result};

/// Tables of at most this size are read whole to learn their columns' types.
pub(crate) const INFERRED_FROM_ALL_BYTES: u64 = 16 << 20;

/// Rows that larger tables are judged by.
const INFERRED_FROM_ROWS: usize = 100_000;

/// Options about formats.
pub(crate) const OPTIONS: [OptionSpec; 5] = [
    OptionSpec::new("header", OptionKind::Boolean, "Whether the first line of CSV files names the columns.")
        .with_default("true"),
    OptionSpec::new("delimiter", OptionKind::Text, "One character between CSV fields; `.tsv` files have tabs.")
        .with_default(","),
    OptionSpec::new("quote", OptionKind::Text, "One character around CSV fields.").with_default("\""),
    OptionSpec::new("escape", OptionKind::Text, "One character that escapes a quote in CSV fields; default: doubling."),
    OptionSpec::new("null", OptionKind::Text, "CSV fields that are NULL, separated by commas; empty ones always are."),
];

/// What a file is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    Csv,
    /// CSV with tabs.
    Tsv,
    /// One value per line, or one array of them.
    Json,
}

impl Format {
    pub(crate) fn of(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        Some(match extension.to_ascii_lowercase().as_str() {
            "parquet" | "pq" => Format::Parquet,
            "csv" => Format::Csv,
            "tsv" => Format::Tsv,
            "json" | "jsonl" | "ndjson" => Format::Json,
            _ => return None,
        })
    }

    /// For messages.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Format::Parquet => "Parquet file",
            Format::Csv | Format::Tsv => "CSV file with columns",
            Format::Json => "JSON file with objects",
        }
    }

    /// Whether types are learnt from the values.
    pub(crate) fn is_inferred(self) -> bool {
        self != Format::Parquet
    }

    /// Texts that mean NULL. The empty text always does.
    pub(crate) fn nulls(self, options: &Options) -> Vec<&str> {
        match (self, options.text("null")) {
            (Format::Csv | Format::Tsv, Some(list)) => list.split(',').collect(),
            _ => Vec::new(),
        }
    }

    /// DataFusion's reader. `sample` is the first file, and `size_bytes` the size of all.
    pub(crate) fn reader(self, options: &Options, sample: &Path, size_bytes: u64) -> Result<Arc<dyn FileFormat>> {
        if let Some(csv) = self.csv_options(options, size_bytes)? {
            return Ok(Arc::new(CsvFormat::default().with_options(csv)));
        }
        Ok(match self {
            Format::Parquet => Arc::new(ParquetFormat::new()),
            _ => Arc::new(JsonFormat::default().with_options(JsonOptions {
                schema_infer_max_rec: Some(rows_inferred_from(size_bytes)),
                newline_delimited: !begins_with_bracket(sample)?,
                ..JsonOptions::default()
            })),
        })
    }

    /// How the values are separated; none for formats that are not CSV.
    pub(crate) fn csv_options(self, options: &Options, size_bytes: u64) -> Result<Option<CsvOptions>> {
        let delimiter = match self {
            Format::Csv => character(options, "delimiter")?,
            Format::Tsv => Some(b'\t'),
            Format::Parquet | Format::Json => return Ok(None),
        };
        Ok(Some(CsvOptions {
            has_header: Some(options.is_on("header")),
            delimiter: delimiter.unwrap_or(b','),
            quote: character(options, "quote")?.unwrap_or(b'"'),
            escape: character(options, "escape")?,
            schema_infer_max_rec: Some(rows_inferred_from(size_bytes)),
            // Only for learning the types; DataFusion does not use it to read values. See `table::without_nulls`.
            null_regex: options.text("null").map(null_pattern),
            // Otherwise a big file is cut at line ends, some of which may be inside quotes.
            newlines_in_values: Some(true),
            ..CsvOptions::default()
        }))
    }
}

fn rows_inferred_from(size_bytes: u64) -> usize {
    if size_bytes <= INFERRED_FROM_ALL_BYTES { usize::MAX } else { INFERRED_FROM_ROWS }
}

/// `NA,-` becomes `^(NA|\-)?$`.
fn null_pattern(list: &str) -> String {
    let escaped = |text: &str| {
        let special = |c: char| !c.is_alphanumeric() && c != ' ';
        text.chars().map(|c| if special(c) { format!("\\{c}") } else { c.to_string() }).collect::<String>()
    };
    format!("^({})?$", list.split(',').map(escaped).collect::<Vec<_>>().join("|"))
}

fn character(options: &Options, name: &str) -> Result<Option<u8>> {
    match options.text(name).map(str::as_bytes) {
        None => Ok(None),
        Some([byte]) if byte.is_ascii() => Ok(Some(*byte)),
        Some(b"\\t") => Ok(Some(b'\t')),
        Some(_) => Err(Error::InvalidOption { option: name.into(), reason: "is one ASCII character".into() }),
    }
}

fn begins_with_bracket(path: &Path) -> Result<bool> {
    let unreadable = |cause: std::io::Error| Error::PermissionDenied { reason: format!("{}: {cause}", path.display()) };
    let mut start = [0; 4096];
    let length = File::open(path).and_then(|mut file| file.read(&mut start)).map_err(unreadable)?;
    let text = start[..length].strip_prefix("\u{feff}".as_bytes()).unwrap_or(&start[..length]);
    Ok(text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'['))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_go_by_extension() {
        assert_eq!(Format::of("a.b.CSV"), Some(Format::Csv));
        assert_eq!(Format::of("a.ndjson"), Some(Format::Json));
        assert_eq!(Format::of("a"), None);
        assert_eq!(null_pattern("NA,-"), r"^(NA|\-)?$");
    }
}
