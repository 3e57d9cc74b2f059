//! Finds `@connection.schema.table` references in the raw text, before any parser sees it.
//!
//! Parsers cannot do this: to PostgreSQL's rules `>=@b` and `<@b` are operators, and `a@b` is one word elsewhere.

use crate::lexer::{Lexeme, LexemeKind, Lexer, is_name_part, is_name_start};
use crate::{Dialect, Error, Place, Result};
use junto_types::Span;

/// One `@` reference. Whether it stands for a table or a column is known only after parsing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// From the `@` to the last part.
    pub span: Span,
    /// At least two: the connection, then schema, table or column.
    pub parts: Vec<Part>,
}

/// One name in a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The name, without quotes and with doubled quotes resolved; case as typed.
    pub text: String,
    /// Whether it was written in double quotes.
    pub quoted: bool,
    /// Where it stands, quotes included.
    pub span: Span,
}

impl Reference {
    /// The part after `@`: the alias or `{domain}:{connection}` key of a connection.
    pub fn connection(&self) -> &Part {
        self.parts.first().expect("a reference has at least two parts")
    }
}

/// All references of a federated statement, in the order of the text.
///
/// Never references: `@` in strings, comments, dollar quotes and quoted names; `@x` without a dot; `@@x`,
/// `@@session.x`, `@x := …`; the operators `@>`, `<@`, `@@`, `@-@` and `@` before a value; `@` glued to the end of a
/// name (`user@host.domain`).
///
/// # Errors
/// A quote or comment that does not end, and a reference that ends in its dot.
pub fn references(text: &str) -> Result<Vec<Reference>> {
    references_in(text, Dialect::Federated)
}

/// As [`references`], reading strings and comments by the rules of `dialect`.
///
/// For a text that may be native: under MySQL's rules `'it\'s @a.b'` is one string.
///
/// # Errors
/// As [`references`].
pub fn references_in(text: &str, dialect: Dialect) -> Result<Vec<Reference>> {
    let mut found = Vec::new();
    if !text.contains('@') {
        return Ok(found);
    }
    let mut lexer = Lexer::new(text, dialect);
    let mut before: Option<Lexeme> = None;
    while let Some(lexeme) = lexer.next() {
        let lexeme = lexeme?;
        if lexeme.kind == LexemeKind::Symbol('@')
            && may_start_reference(text, lexeme, before)
            && let Some(reference) = read_reference(text, lexeme.span.start)?
        {
            lexer.skip_to(reference.span.end);
            before = Some(Lexeme { kind: LexemeKind::QuotedName, span: reference.span });
            found.push(reference);
            continue;
        }
        before = Some(lexeme);
    }
    Ok(found)
}

/// Whether the text holds a reference: such a statement takes the federated path.
///
/// A text that cannot be read to its end counts by what was found before.
pub fn has_references(text: &str) -> bool {
    has_references_in(text, Dialect::Federated)
}

/// As [`has_references`], reading strings and comments by the rules of `dialect`.
pub fn has_references_in(text: &str, dialect: Dialect) -> bool {
    match references_in(text, dialect) {
        Ok(found) => !found.is_empty(),
        Err(Error::IncompleteReference { .. }) => true,
        Err(error) => {
            let readable = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            references_in(readable, dialect).is_ok_and(|found| !found.is_empty())
        }
    }
}

/// The text with the `@` of each reference overwritten by a space: every byte offset stays what it was.
pub fn blank(text: &str, references: &[Reference]) -> String {
    let mut blanked = String::with_capacity(text.len());
    let mut copied = 0;
    for reference in references {
        let at = reference.span.start;
        if text.as_bytes().get(at) == Some(&b'@') && at >= copied {
            blanked.push_str(&text[copied..at]);
            blanked.push(' ');
            copied = at + 1;
        }
    }
    blanked.push_str(&text[copied..]);
    blanked
}

/// Looks at what stands before the `@`.
fn may_start_reference(text: &str, at: Lexeme, before: Option<Lexeme>) -> bool {
    let left = &text[..at.span.start];
    if left.ends_with('@') || left.ends_with("@-") {
        return false;
    }
    let Some(before) = before.filter(|before| before.span.end == at.span.start) else {
        return true;
    };
    match before.kind {
        LexemeKind::Word => precedes_expression(before.span.of(text)),
        LexemeKind::Number | LexemeKind::QuotedName | LexemeKind::Text => false,
        _ => true,
    }
}

/// Keywords a reference may follow without a space (`FROM@a.t`); after any other word, `@` joins `user@host`.
fn precedes_expression(word: &str) -> bool {
    const KEYWORDS: &[&str] = &[
        "all", "and", "any", "as", "between", "by", "case", "distinct", "else", "exists", "from", "having", "ilike",
        "in", "into", "is", "join", "lateral", "like", "limit", "not", "on", "or", "select", "table", "then", "using",
        "when", "where",
    ];
    KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// Reads the reference whose `@` is at `at`; nothing when what follows is no dotted name.
fn read_reference(text: &str, at: usize) -> Result<Option<Reference>> {
    let mut parts = Vec::new();
    let mut end = at + 1;
    while let Some(part) = read_part(text, end)? {
        end = part.span.end;
        parts.push(part);
        let Some(after_dot) = text[end..].strip_prefix('.') else { break };
        // `@a.t.*` is the reference `@a.t`; `@a.*` lacks its table.
        if parts.len() > 1 && after_dot.starts_with('*') {
            break;
        }
        if !after_dot.starts_with(|c| is_name_start(c) || c == '"') {
            return Err(incomplete(text, Span::new(at, end + 1)));
        }
        end += 1;
    }
    let assigned = text[end..].trim_start().starts_with(":=");
    Ok((parts.len() > 1 && !assigned).then(|| Reference { span: Span::new(at, end), parts }))
}

fn read_part(text: &str, start: usize) -> Result<Option<Part>> {
    let rest = &text[start..];
    if rest.starts_with('"') {
        return read_quoted_part(text, start).map(Some);
    }
    if !rest.starts_with(is_name_start) {
        return Ok(None);
    }
    let length = rest.find(|c| !is_name_part(c)).unwrap_or(rest.len());
    Ok(Some(Part { text: rest[..length].to_owned(), quoted: false, span: Span::new(start, start + length) }))
}

fn read_quoted_part(text: &str, start: usize) -> Result<Part> {
    let mut name = String::new();
    let mut at = start + 1;
    loop {
        let Some(length) = text[at..].find('"') else {
            return Err(Error::Unterminated {
                what: "quoted name",
                place: Place::new(text, Span::new(start, start + 1)),
            });
        };
        name.push_str(&text[at..at + length]);
        at += length + 1;
        if !text[at..].starts_with('"') {
            return Ok(Part { text: name, quoted: true, span: Span::new(start, at) });
        }
        name.push('"');
        at += 1;
    }
}

fn incomplete(text: &str, span: Span) -> Error {
    Error::IncompleteReference { reference: span.of(text).to_owned(), place: Place::new(text, span) }
}
