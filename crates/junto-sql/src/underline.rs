//! Shows a place in a text the way compilers do: the line, and carets beneath.

use junto_types::Span;

/// Columns of a terminal that a line may take before it is clipped around the place.
const WIDTH: usize = 100;
/// Spaces a tab is shown as.
const TAB: usize = 4;

/// The line of `text` where `span` starts, with `^` under its characters; two lines without a final line end.
///
/// Tabs become spaces, wide characters count twice, control characters are shown as `·`, and long lines are clipped
/// with `…` on both sides. A span over several lines is underlined to the end of its first.
///
/// ```text
/// FROM @usres.orders o
///       ^^^^^
/// ```
pub fn underline(text: &str, span: Span) -> String {
    let start = floor_boundary(text, span.start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find(['\n', '\r']).map_or(text.len(), |at| start + at);
    let end = floor_boundary(text, span.end).clamp(start, line_end);

    let cells: Vec<Cell> = cells(&text[line_start..line_end]);
    let before = cells.iter().filter(|cell| line_start + cell.at < start).count();
    let marked = cells.iter().filter(|cell| (start..end).contains(&(line_start + cell.at))).count();
    let (from, to) = window(&cells, before, before + marked);

    let mut line = String::new();
    let mut carets = String::new();
    if from > 0 {
        line.push('…');
        carets.push(' ');
    }
    for cell in &cells[from..to] {
        line.push_str(&cell.shown);
        let inside = (start..end).contains(&(line_start + cell.at));
        carets.extend(std::iter::repeat_n(if inside { '^' } else { ' ' }, cell.width));
    }
    if to < cells.len() {
        line.push('…');
    }
    let mut carets = carets.trim_end().to_owned();
    if marked == 0 {
        let width: usize = cells[from..before.min(to)].iter().map(|cell| cell.width).sum();
        carets = format!("{}^", " ".repeat(width + usize::from(from > 0)));
    }
    format!("{line}\n{carets}")
}

/// One character as a terminal shows it.
struct Cell {
    /// Byte within the line.
    at: usize,
    shown: String,
    width: usize,
}

fn cells(line: &str) -> Vec<Cell> {
    let mut column = 0;
    line.char_indices()
        .map(|(at, c)| {
            let (shown, width) = match c {
                '\t' => {
                    let width = TAB - column % TAB;
                    (" ".repeat(width), width)
                }
                c if c.is_control() => ("·".into(), 1),
                c => (c.to_string(), width_of(c)),
            };
            column += width;
            Cell { at, shown, width }
        })
        .collect()
}

/// The cells to show: all that fit, else those around `first..last`.
fn window(cells: &[Cell], first: usize, last: usize) -> (usize, usize) {
    let total: usize = cells.iter().map(|cell| cell.width).sum();
    if total <= WIDTH {
        return (0, cells.len());
    }
    let mut from = first.min(cells.len());
    let mut to = from;
    let mut width = 0;
    while to < last.min(cells.len()) && width < WIDTH * 2 / 3 {
        width += cells[to].width;
        to += 1;
    }
    loop {
        let widened = width;
        if from > 0 && width + cells[from - 1].width <= WIDTH {
            from -= 1;
            width += cells[from].width;
        }
        if to < cells.len() && width + cells[to].width <= WIDTH {
            width += cells[to].width;
            to += 1;
        }
        if width == widened {
            return (from, to);
        }
    }
}

/// Columns a character takes: the ranges of East Asian wide characters and emoji, and none for combining marks.
fn width_of(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036F | 0x200B..=0x200F | 0x20D0..=0x20FF | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F | 0xFF00..=0xFF60 => 2,
        0xFFE0..=0xFFE6 | 0x1F300..=0x1F64F | 0x1F680..=0x1F6FF | 0x1F900..=0x1F9FF | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, word: &str, expect: &str) {
        let start = text.find(word).expect("present");
        assert_eq!(underline(text, Span::new(start, start + word.len())), expect);
    }

    #[test]
    fn carets_stand_under_the_place() {
        check("SELECT 1\nFROM @usres.t u\nWHERE 1", "usres", "FROM @usres.t u\n      ^^^^^");
        check("\tSELECT 名前, x", "x", "    SELECT 名前, x\n                 ^");
        check("SELECT 'ä\r\n'", "'ä", "SELECT 'ä\n       ^^");
        check("a\nb\nc", "b\nc", "b\n^");
    }

    #[test]
    fn the_end_of_the_text_is_a_place() {
        assert_eq!(underline("SELECT", Span::new(6, 6)), "SELECT\n      ^");
        assert_eq!(underline("", Span::new(3, 9)), "\n^");
    }

    #[test]
    fn long_lines_are_clipped_around_the_place() {
        let text = format!("SELECT {} here {}", "a, ".repeat(200), ", b".repeat(200));
        let start = text.find("here").expect("present");
        let shown = underline(&text, Span::new(start, start + 4));
        let (line, carets) = shown.split_once('\n').expect("two lines");
        assert!(line.chars().count() <= WIDTH + 2 && line.starts_with('…') && line.ends_with('…'));
        let column = carets.chars().position(|c| c == '^').expect("a caret");
        assert_eq!(line.chars().skip(column).take(4).collect::<String>(), "here");
    }
}
