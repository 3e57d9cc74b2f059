//! The words of a select list as the user wrote them, for the headings of results.

use crate::Dialect;
use crate::lexer::{LexemeKind, Lexer};

/// Keywords that end a select list.
const ENDS: &[&str] = &[
    "from",
    "into",
    "where",
    "group",
    "having",
    "window",
    "qualify",
    "order",
    "limit",
    "offset",
    "fetch",
    "union",
    "except",
    "intersect",
    "for",
];

/// The user's text of each item of the select list that starts at `start`, behind the keyword; nothing if it cannot be
/// told.
pub(super) fn item_texts(text: &str, start: usize) -> Option<Vec<String>> {
    let mut lexer = Lexer::new(text, Dialect::Federated);
    lexer.skip_to(start);
    let mut items = Vec::new();
    let mut current: Option<(usize, usize)> = None;
    let mut depth = 0_usize;
    let mut before = String::new();
    let mut distinct_on = false;
    for lexeme in lexer {
        let lexeme = lexeme.ok()?;
        let written = lexeme.span.of(text);
        let name = before == "." || before == "as";
        match lexeme.kind {
            LexemeKind::Blank => continue,
            LexemeKind::Open | LexemeKind::Symbol('[') => depth += 1,
            LexemeKind::Close if depth == 0 => break,
            LexemeKind::Close | LexemeKind::Symbol(']') => {
                depth = depth.saturating_sub(1);
                if distinct_on && depth == 0 {
                    distinct_on = false;
                    before.clear();
                    continue;
                }
            }
            LexemeKind::Semicolon if depth == 0 => break,
            LexemeKind::Symbol(',') if depth == 0 => {
                items.push(current.take()?);
                before.clear();
                continue;
            }
            LexemeKind::Word if depth == 0 && !name => {
                let word = written.to_ascii_lowercase();
                // `IS DISTINCT FROM` is an operator.
                if ENDS.contains(&word.as_str()) && !(word == "from" && before == "distinct") {
                    break;
                }
                if current.is_none() && items.is_empty() && matches!(word.as_str(), "distinct" | "all") {
                    before.clear();
                    continue;
                }
                if current.is_none() && items.is_empty() && word == "on" {
                    distinct_on = true;
                    continue;
                }
            }
            _ => {}
        }
        before = written.to_ascii_lowercase();
        if !distinct_on {
            let first = current.map_or(lexeme.span.start, |(first, _)| first);
            current = Some((first, lexeme.span.end));
        }
    }
    items.push(current?);
    Some(items.into_iter().map(|(first, end)| text[first..end].to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::item_texts;

    #[test]
    fn items_end_at_their_commas_and_at_the_next_clause() {
        for (list, expect) in [
            (" a , f(b, c) FROM t", vec!["a", "f(b, c)"]),
            (" DISTINCT ON (a, b) c, d[1, 2]", vec!["c", "d[1, 2]"]),
            (
                " a IS DISTINCT FROM b, t.from -- x\n, 'y, from' WHERE 1",
                vec!["a IS DISTINCT FROM b", "t.from", "'y, from'"],
            ),
            (" 1) x", vec!["1"]),
        ] {
            assert_eq!(item_texts(list, 0), Some(expect.into_iter().map(str::to_owned).collect()), "{list}");
        }
    }
}
