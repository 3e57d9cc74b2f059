//! Turns the parser's places (line and column, counted in characters) into bytes of the user's text.

use junto_types::Span;
use sqlparser::tokenizer::{Location, Span as ParserSpan};

/// Characters between two remembered byte offsets.
const STRIDE: usize = 256;

/// Index of a text; look-ups take constant time however long its lines are.
#[derive(Debug, Clone)]
pub(crate) struct LineIndex {
    /// Number of the first character of each line.
    lines: Vec<usize>,
    /// Byte offset of every `STRIDE`th character.
    marks: Vec<usize>,
    /// Length of the text in bytes.
    length: usize,
}

impl LineIndex {
    pub(crate) fn new(text: &str) -> Self {
        let mut lines = vec![0];
        let mut marks = Vec::with_capacity(text.len() / STRIDE + 1);
        for (number, (at, c)) in text.char_indices().enumerate() {
            if number % STRIDE == 0 {
                marks.push(at);
            }
            if c == '\n' {
                lines.push(number + 1);
            }
        }
        Self { lines, marks, length: text.len() }
    }

    /// The byte of `text`, which must be the text of this index, at a place of the parser; its end if out of range.
    pub(crate) fn byte(&self, text: &str, location: Location) -> usize {
        let (line, column) = (location.line as usize, location.column as usize);
        let Some(start) = line.checked_sub(1).and_then(|line| self.lines.get(line)) else { return self.length };
        let number = start + column.saturating_sub(1);
        let Some(mark) = self.marks.get(number / STRIDE) else { return self.length };
        let rest = text.get(*mark..).unwrap_or_default();
        rest.char_indices().nth(number % STRIDE).map_or(self.length, |(at, _)| mark + at)
    }

    /// The bytes of a span of the parser.
    pub(crate) fn span(&self, text: &str, span: ParserSpan) -> Span {
        let start = self.byte(text, span.start);
        Span::new(start, self.byte(text, span.end).max(start))
    }
}

/// Where the parser will see each of `offsets`, which must ascend.
pub(crate) fn locations(text: &str, offsets: &[usize]) -> Vec<Location> {
    let mut found = Vec::with_capacity(offsets.len());
    let (mut line, mut column, mut last) = (1, 1, 0);
    for &offset in offsets {
        for c in text[last..offset].chars() {
            if c == '\n' {
                line += 1;
                column = 1;
            } else {
                column += 1;
            }
        }
        last = offset;
        found.push(Location { line, column });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_bytes_behind_wide_characters_and_line_ends() {
        let text = format!("ä\r\n{}é@\n", "ü".repeat(1000));
        let index = LineIndex::new(&text);
        let at = text.find('@').expect("present");
        assert_eq!(index.byte(&text, Location { line: 2, column: 1002 }), at);
        assert_eq!(locations(&text, &[0, at]), [Location { line: 1, column: 1 }, Location { line: 2, column: 1002 }]);
        assert_eq!(index.byte(&text, Location { line: 0, column: 0 }), text.len());
        assert_eq!(index.byte(&text, Location { line: 9, column: 1 }), text.len());
    }
}
