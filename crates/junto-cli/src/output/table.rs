//! Aligned columns for people. Widths come from the first rows; later values that are longer push their row wider.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use unicode_width::UnicodeWidthStr;

use super::cells::{Spelling, is_number};
use super::{Look, RowWriter, columns};

/// A table under construction.
pub(super) struct Table<'a> {
    sink: &'a mut (dyn Write + Send),
    schema: SchemaRef,
    look: Look,
    /// Rows that wait for the widths.
    waiting: Vec<Vec<Option<String>>>,
    /// Known once the header is out.
    widths: Option<Vec<usize>>,
}

impl<'a> Table<'a> {
    /// Rows that decide the widths.
    const MEASURED_ROWS: usize = 1000;
    /// Wider values do not widen their column.
    const MAX_WIDTH: usize = 80;

    pub(super) fn new(sink: &'a mut (dyn Write + Send), schema: SchemaRef, look: Look) -> Self {
        Self { sink, schema, look, waiting: Vec::new(), widths: None }
    }

    fn begin(&mut self) -> io::Result<()> {
        let names: Vec<String> = self.schema.fields().iter().map(|field| visible(field.name())).collect();
        let widest = |column: usize, name: &String| {
            let values =
                self.waiting.iter().map(|row| row[column].as_deref().map_or(NULL.len(), UnicodeWidthStr::width));
            values.max().unwrap_or(0).min(Self::MAX_WIDTH).max(name.width())
        };
        let widths: Vec<usize> = names.iter().enumerate().map(|(column, name)| widest(column, name)).collect();
        let mut text = String::new();
        self.push_row(&mut text, &widths, &names.into_iter().map(Some).collect::<Vec<_>>(), BOLD);
        for (at, width) in widths.iter().enumerate() {
            text.push_str(if at == 0 { "" } else { "─┼─" });
            text.extend(std::iter::repeat_n('─', *width));
        }
        text.push('\n');
        for row in std::mem::take(&mut self.waiting) {
            self.push_row(&mut text, &widths, &row, "");
        }
        self.widths = Some(widths);
        self.sink.write_all(text.as_bytes())
    }

    fn push_row(&self, text: &mut String, widths: &[usize], row: &[Option<String>], style: &str) {
        let last = widths.len().saturating_sub(1);
        for (at, ((value, width), field)) in row.iter().zip(widths).zip(self.schema.fields()).enumerate() {
            text.push_str(if at == 0 { "" } else { " │ " });
            let shown = value.as_deref().unwrap_or(NULL);
            let padding = width.saturating_sub(shown.width());
            let style = if value.is_none() { DIM } else { style };
            let styled = |text: &mut String| {
                if self.look.colour && !style.is_empty() {
                    text.push_str(style);
                    text.push_str(shown);
                    text.push_str(RESET);
                } else {
                    text.push_str(shown);
                }
            };
            if is_number(field.data_type()) {
                text.extend(std::iter::repeat_n(' ', padding));
                styled(text);
            } else {
                styled(text);
                text.extend(std::iter::repeat_n(' ', if at == last { 0 } else { padding }));
            }
        }
        text.push('\n');
    }
}

impl RowWriter for Table<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let cells = columns(batch, Spelling::Text);
        let mut text = String::new();
        let mut bytes = Vec::new();
        for row in 0..batch.num_rows() {
            let mut values = Vec::with_capacity(cells.len());
            for cell in &cells {
                bytes.clear();
                let value = (!cell.is_null(row)).then(|| {
                    cell.write(row, &mut bytes);
                    visible(&String::from_utf8_lossy(&bytes))
                });
                values.push(value);
            }
            match &self.widths {
                Some(widths) => self.push_row(&mut text, widths, &values, ""),
                None => self.waiting.push(values),
            }
            if self.waiting.len() >= Self::MEASURED_ROWS {
                self.begin()?;
            }
        }
        self.sink.write_all(text.as_bytes())
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.widths.is_none() {
            self.begin()?;
        }
        self.sink.flush()
    }
}

const NULL: &str = "NULL";
const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const RESET: &str = "\u{1b}[0m";

/// `text` on one line and without anything a terminal would obey: line breaks and tabs as `\n`, `\r`, `\t`, escape
/// sequences and other control and direction-changing characters left out.
pub(crate) fn visible(text: &str) -> String {
    let harmless = |c: char| !c.is_control() && !is_direction_change(c);
    if text.chars().all(harmless) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                // A control sequence ends with a byte from @ to ~ (ECMA-48, 5.4).
                while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            }
            '\u{1b}' if chars.peek() == Some(&']') => {
                // An operating system command ends with BEL or ESC \.
                while chars.next().is_some_and(|c| c != '\u{7}' && c != '\\') {}
            }
            c if harmless(c) => shown.push(c),
            _ => {}
        }
    }
    shown
}

fn is_direction_change(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
