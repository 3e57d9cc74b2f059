//! Text columns.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewBuilder};

use super::numeric::numeric_text;
use super::{Cells, Encoding, Misfit};

/// Text as the server sends it, checked to be UTF-8 (a database in SQL_ASCII sends whatever was stored).
pub(super) struct TextCells {
    builder: StringViewBuilder,
    encoding: Encoding,
}

impl TextCells {
    pub(super) fn new(encoding: Encoding, rows: usize) -> Self {
        Self { builder: StringViewBuilder::with_capacity(rows), encoding }
    }
}

impl Cells for TextCells {
    fn value(&mut self, bytes: &[u8]) -> Result<(), Misfit> {
        if self.encoding == Encoding::Numeric {
            self.builder.append_value(numeric_text(bytes)?);
            return Ok(());
        }
        let bytes = match self.encoding {
            Encoding::Jsonb => bytes.strip_prefix(&[1]).ok_or(Misfit::Malformed("jsonb of an unknown version"))?,
            _ => bytes,
        };
        let text = std::str::from_utf8(bytes).map_err(|_| Misfit::NotUtf8)?;
        self.builder.append_value(match self.encoding {
            Encoding::Padded => text.trim_end_matches(' '),
            _ => text,
        });
        Ok(())
    }

    fn null(&mut self) {
        self.builder.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.builder.finish())
    }
}

/// UUIDs as canonical lower-case text.
pub(super) struct UuidCells {
    builder: StringViewBuilder,
    text: String,
}

impl UuidCells {
    pub(super) fn new(rows: usize) -> Self {
        Self { builder: StringViewBuilder::with_capacity(rows), text: String::with_capacity(36) }
    }
}

impl Cells for UuidCells {
    fn value(&mut self, bytes: &[u8]) -> Result<(), Misfit> {
        let bytes: [u8; 16] = bytes.try_into().map_err(|_| Misfit::Malformed("a uuid of another width"))?;
        self.text.clear();
        for (at, byte) in bytes.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                self.text.push('-');
            }
            let _ = write!(self.text, "{byte:02x}");
        }
        self.builder.append_value(&self.text);
        Ok(())
    }

    fn null(&mut self) {
        self.builder.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.builder.finish())
    }
}
