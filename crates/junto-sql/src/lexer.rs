//! Cuts a text into lexemes with exact byte spans: just enough to know what is code and what is quoted.
//!
//! One pass, linear in the length of the text, and tolerant: anything that is not quoted is passed on as it stands.

use crate::{Dialect, Error, Place, Result};
use junto_types::Span;

/// What a lexeme is, as far as references and statement ends care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LexemeKind {
    /// White space or a comment.
    Blank,
    /// An unquoted name or keyword.
    Word,
    /// A number.
    Number,
    /// A quoted name.
    QuotedName,
    /// A string in any quoting.
    Text,
    /// An opening parenthesis.
    Open,
    /// A closing parenthesis.
    Close,
    /// `;`
    Semicolon,
    /// Any other single character, `@` and `.` among them.
    Symbol(char),
}

/// One piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lexeme {
    pub(crate) kind: LexemeKind,
    pub(crate) span: Span,
}

/// Iterator over the lexemes of a text; ends after the first error.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    dialect: Dialect,
    at: usize,
    /// Set once a search for a closing backtick failed, so that no later one searches again.
    no_more_backticks: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str, dialect: Dialect) -> Self {
        Self { text, dialect, at: 0, no_more_backticks: false }
    }

    /// Continues at `at`, which must be a character boundary.
    pub(crate) fn skip_to(&mut self, at: usize) {
        self.at = at;
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Advances over the characters that satisfy `wanted`.
    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    }

    fn lexeme(&mut self, first: char) -> Result<LexemeKind> {
        let start = self.at;
        let rest = self.rest();
        if first.is_whitespace() {
            self.skip_while(char::is_whitespace);
            return Ok(LexemeKind::Blank);
        }
        if self.starts_line_comment(rest) {
            self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
            return Ok(LexemeKind::Blank);
        }
        if rest.starts_with("/*") {
            return self.block_comment();
        }
        if is_name_start(first) {
            self.skip_while(is_name_part);
            let escape_prefix = self.dialect.escape_strings() && matches!(&self.text[start..self.at], "e" | "E");
            if escape_prefix && self.rest().starts_with('\'') {
                self.quoted(start, '\'', true, "string")?;
                return Ok(LexemeKind::Text);
            }
            return Ok(LexemeKind::Word);
        }
        if first.is_ascii_digit() {
            self.skip_while(is_name_part);
            return Ok(LexemeKind::Number);
        }
        self.quoted_or_symbol(first)
    }

    fn quoted_or_symbol(&mut self, first: char) -> Result<LexemeKind> {
        let start = self.at;
        match first {
            '\'' => {
                self.quoted(start, '\'', self.dialect.backslash_escapes(), "string")?;
                return Ok(LexemeKind::Text);
            }
            '"' if self.dialect.double_quoted_strings() => {
                self.quoted(start, '"', self.dialect.backslash_escapes(), "string")?;
                return Ok(LexemeKind::Text);
            }
            '"' => {
                self.quoted(start, '"', false, "quoted name")?;
                return Ok(LexemeKind::QuotedName);
            }
            '`' if self.backtick_closes() => {
                self.quoted(start, '`', false, "quoted name")?;
                return Ok(LexemeKind::QuotedName);
            }
            '[' if self.dialect.bracket_identifiers() => {
                self.at += self.rest().find(']').ok_or_else(|| self.unterminated(start, "quoted name"))? + 1;
                return Ok(LexemeKind::QuotedName);
            }
            '$' if self.dialect.dollar_quotes() => {
                if let Some(tag) = dollar_tag(self.rest()) {
                    let body = start + tag.len();
                    let end = self.text[body..].find(tag);
                    self.at = body + end.ok_or_else(|| self.unterminated(start, "dollar-quoted string"))? + tag.len();
                    return Ok(LexemeKind::Text);
                }
            }
            _ => {}
        }
        self.at += first.len_utf8();
        Ok(match first {
            '(' => LexemeKind::Open,
            ')' => LexemeKind::Close,
            ';' => LexemeKind::Semicolon,
            other => LexemeKind::Symbol(other),
        })
    }

    fn starts_line_comment(&self, rest: &str) -> bool {
        if !self.dialect.mysql_comments() {
            return rest.starts_with("--");
        }
        rest.starts_with('#')
            || rest.strip_prefix("--").is_some_and(|after| {
                after.is_empty() || after.starts_with(|c: char| c.is_whitespace() || c.is_control())
            })
    }

    /// Consumes a comment. MySQL runs what is inside `/*! … */`, so that is no blank there.
    fn block_comment(&mut self) -> Result<LexemeKind> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let executable = self.dialect == Dialect::MySql && self.rest().starts_with("/*!");
        let mut depth = 1_usize;
        self.at += 2;
        while depth > 0 {
            let Some(next) = self.rest().find(['/', '*']) else {
                self.at = self.text.len();
                // SQLite lets the end of the text close a comment (sqlite.org, "Comments").
                if self.dialect == Dialect::Sqlite {
                    break;
                }
                return Err(self.unterminated(start, "comment"));
            };
            self.at += next;
            match (bytes[self.at], bytes.get(self.at + 1)) {
                (b'*', Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                }
                (b'/', Some(b'*')) if self.dialect.nested_comments() => {
                    depth += 1;
                    self.at += 2;
                }
                _ => self.at += 1,
            }
        }
        Ok(if executable { LexemeKind::Text } else { LexemeKind::Blank })
    }

    /// Consumes from the opening `quote` at the current place to its end; a doubled quote is part of the content.
    fn quoted(&mut self, start: usize, quote: char, backslash: bool, what: &'static str) -> Result<()> {
        self.at += quote.len_utf8();
        loop {
            let Some(next) = self.rest().find(|c| c == quote || (backslash && c == '\\')) else {
                return Err(self.unterminated(start, what));
            };
            self.at += next;
            if self.rest().starts_with('\\') {
                self.at += 1;
                self.at += self.rest().chars().next().map_or(0, char::len_utf8);
                continue;
            }
            self.at += quote.len_utf8();
            if !self.rest().starts_with(quote) {
                return Ok(());
            }
            self.at += quote.len_utf8();
        }
    }

    /// Whether a backtick opens a quoted name: PostgreSQL has none, but a closed pair can only be meant as one.
    fn backtick_closes(&mut self) -> bool {
        if !self.no_more_backticks {
            self.no_more_backticks = !self.text[self.at + 1..].contains('`');
        }
        !self.no_more_backticks
    }

    fn unterminated(&self, start: usize, what: &'static str) -> Error {
        let opening = self.text[start..].chars().next().map_or(1, char::len_utf8);
        Error::Unterminated { what, place: Place::new(self.text, Span::new(start, start + opening)) }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Result<Lexeme>;

    fn next(&mut self) -> Option<Result<Lexeme>> {
        let start = self.at;
        let first = self.rest().chars().next()?;
        match self.lexeme(first) {
            Ok(kind) => Some(Ok(Lexeme { kind, span: Span::new(start, self.at) })),
            Err(error) => {
                self.at = self.text.len();
                Some(Err(error))
            }
        }
    }
}

/// Whether an unquoted name may start with `c`; the parser's PostgreSQL rules.
pub(crate) fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || (!c.is_ascii() && !c.is_whitespace())
}

/// Whether an unquoted name may continue with `c`.
pub(crate) fn is_name_part(c: char) -> bool {
    is_name_start(c) || c.is_ascii_digit() || c == '$'
}

/// The tag with its two `$`, if `text` starts with one.
fn dollar_tag(text: &str) -> Option<&str> {
    let after = text.strip_prefix('$')?;
    let length = after.find('$')?;
    let name = &after[..length];
    let valid = name.chars().all(|c| is_name_part(c) && c != '$') && !name.starts_with(|c: char| c.is_ascii_digit());
    valid.then(|| &text[..length + 2])
}
