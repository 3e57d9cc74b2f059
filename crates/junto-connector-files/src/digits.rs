//! Finds numbers in text files that the inferred types would change without a word.
//!
//! In CSV files these are names made of digits, such as the postal code `01067`: inference takes them for integers, and
//! the zeros would be lost. In JSON files they are integers beyond 64 bits, which become rounded doubles.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::csv::ReaderBuilder;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use datafusion::common::config::CsvOptions;

/// Positions of the integer columns of `inferred` that hold a number with a leading zero in the rows that inference
/// looks at.
pub(crate) fn columns_with_leading_zeros(
    files: &[PathBuf],
    inferred: &Schema,
    options: &CsvOptions,
) -> Result<Vec<usize>, ArrowError> {
    let integers = inferred.fields().iter().enumerate().filter(|(_, field)| field.data_type().is_integer());
    let mut suspects: Vec<usize> = integers.map(|(at, _)| at).collect();
    let mut found = Vec::new();
    let mut rows_left = options.schema_infer_max_rec.unwrap_or(usize::MAX);
    let texts = inferred.fields().iter().map(|field| Field::new(field.name(), DataType::Utf8View, true));
    let texts = Arc::new(Schema::new(texts.collect::<Vec<_>>()));
    for file in files {
        let mut reader = ReaderBuilder::new(Arc::clone(&texts))
            .with_header(options.has_header.unwrap_or(true))
            .with_delimiter(options.delimiter)
            .with_quote(options.quote);
        if let Some(escape) = options.escape {
            reader = reader.with_escape(escape);
        }
        for batch in reader.build(File::open(file)?)? {
            let batch = batch?;
            suspects.retain(|at| {
                let hit = batch.column(*at).as_string_view().iter().flatten().any(has_leading_zero);
                if hit {
                    found.push(*at);
                }
                !hit
            });
            rows_left = rows_left.saturating_sub(batch.num_rows());
            if suspects.is_empty() || rows_left == 0 {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

fn has_leading_zero(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.len() > 1 && digits.starts_with('0')
}

/// Whether a JSON file has a whole number beyond 64 bits among its first `limit` bytes, outside of texts.
pub(crate) fn has_integer_beyond_64_bits(file: &PathBuf, limit: u64) -> std::io::Result<bool> {
    let mut token = String::new();
    let (mut in_text, mut escaped) = (false, false);
    for byte in BufReader::new(File::open(file)?).take(limit).bytes() {
        let byte = byte?;
        if in_text {
            in_text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.') {
            token.push(char::from(byte));
        } else {
            if is_beyond_64_bits(&token) {
                return Ok(true);
            }
            token.clear();
            in_text = byte == b'"';
        }
    }
    Ok(is_beyond_64_bits(&token))
}

fn is_beyond_64_bits(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    digits.len() >= 19 && digits.bytes().all(|byte| byte.is_ascii_digit()) && token.parse::<i64>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_found_outside_of_texts_only() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let check = |text: &str| {
            let path = folder.path().join("a.json");
            std::fs::write(&path, text).expect("a file");
            has_integer_beyond_64_bits(&path, 1 << 20).expect("readable")
        };
        assert!(check(r#"{"a":18446744073709551615}"#));
        assert!(check(r"[-99999999999999999999]"));
        assert!(!check(
            r#"{"a":9223372036854775807,"b":"99999999999999999999","c":1e30,"d":"x\"99999999999999999999"}"#
        ));
        assert!(!check(r#"{"a":0.99999999999999999999}"#));
    }
}
