//! Parses one federated statement, with references blanked out so that every byte offset stays the user's.

use crate::depth::{MAX_NESTING, balance, too_deep};
use crate::lexer::{LexemeKind, Lexer};
use crate::lines::{LineIndex, locations};
use crate::reference::{Reference, blank, references};
use crate::{Dialect, Error, Place, Result};
use junto_types::{Hint, Limits, Span, nearest};
use sqlparser::ast::{Ident, Statement};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span as ParserSpan, Token, TokenWithSpan, Tokenizer};
use std::collections::{HashMap, HashSet};

/// What to do about an `@` that starts no reference.
pub(crate) const REFERENCE_HINT: &str = "a reference is `@connection.table` without spaces; write other aliases in \
                                         double quotes: `@\"my-conn\".table`";

/// A federated statement and the text it came from.
#[derive(Debug, Clone)]
pub struct Parsed {
    text: String,
    references: Vec<Reference>,
    /// Reference by the place where the parser saw its first part.
    by_location: HashMap<Location, usize>,
    lines: LineIndex,
    statement: Statement,
}

impl Parsed {
    /// The user's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Every `@` reference of the text, tables and columns, in order.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// The syntax tree: in place of references it holds their names without `@`.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The reference whose first part is `ident`.
    pub(crate) fn reference_at(&self, ident: &Ident) -> Option<usize> {
        self.by_location.get(&ident.span.start).copied()
    }

    /// The bytes of a span of the parser.
    pub(crate) fn span(&self, span: ParserSpan) -> Span {
        self.lines.span(&self.text, span)
    }

    /// Where a span of bytes is.
    pub(crate) fn place(&self, span: Span) -> Place {
        Place::new(&self.text, span)
    }

    /// From the first to the last of some names.
    pub(crate) fn place_of(&self, idents: &[Ident]) -> Place {
        let start = idents.first().map_or(self.text.len(), |ident| self.span(ident.span).start);
        let end = idents.last().map_or(start, |ident| self.span(ident.span).end);
        self.place(Span::new(start, end.max(start)))
    }
}

/// Parses one statement of at most the default [`Limits::max_statement_bytes`]; a semicolon may end it.
///
/// # Errors
/// As [`parse_within`].
pub fn parse(text: &str) -> Result<Parsed> {
    parse_within(text, &Limits::default())
}

/// Parses one statement; a semicolon may end it. Reads only `max_statement_bytes` of `limits`.
///
/// # Errors
/// No statement, several, one that is too long or nests too deeply, or a text that is not SQL: each with its place in
/// `text`.
pub fn parse_within(text: &str, limits: &Limits) -> Result<Parsed> {
    if text.len() > limits.max_statement_bytes {
        return Err(Error::TooLong { bytes: text.len(), limit: limits.max_statement_bytes });
    }
    let references = references(text)?;
    let blanked = blank(text, &references);
    let lines = LineIndex::new(text);
    let problems = Problems { text, lines: &lines };
    let rules = Dialect::Federated.parser_rules();
    let mut tokens = Tokenizer::new(rules, &blanked)
        .tokenize_with_location()
        .map_err(|error| problems.syntax(&error.message, Some(error.location)))?;
    quote_references(&mut tokens, text, &references);
    if let Some(at) = too_deep(&tokens) {
        return Err(Error::TooDeep { place: Some(problems.place_at(Some(at))) });
    }
    let mut parser = Parser::new(rules).with_recursion_limit(MAX_NESTING).with_tokens_with_locations(tokens);
    let mut statement = parse_one(&mut parser, &problems)?;
    balance(&mut statement);
    let starts: Vec<usize> = references.iter().map(|reference| reference.connection().span.start).collect();
    let by_location = locations(text, &starts).into_iter().enumerate().map(|(index, at)| (at, index)).collect();
    Ok(Parsed { text: text.to_owned(), references, by_location, lines, statement })
}

fn parse_one(parser: &mut Parser<'_>, problems: &Problems<'_>) -> Result<Statement> {
    while parser.consume_token(&Token::SemiColon) {}
    if parser.peek_token().token == Token::EOF {
        return Err(Error::Empty);
    }
    let statement = parser.parse_statement().map_err(|error| problems.translate(&error))?;
    let ended = parser.consume_token(&Token::SemiColon);
    while parser.consume_token(&Token::SemiColon) {}
    let next = parser.peek_token();
    if next.token == Token::EOF {
        return Ok(statement);
    }
    let place = problems.place_at(Some(next.span.start));
    if ended {
        return Err(Error::SeveralStatements { place });
    }
    Err(problems.syntax(&format!("Expected: end of statement, found: {next}"), Some(next.span.start)))
}

/// Marks the parts of references as quoted names, so that `@values.order` is not read as keywords.
fn quote_references(tokens: &mut [TokenWithSpan], text: &str, references: &[Reference]) {
    let starts: Vec<usize> = references.iter().flat_map(|one| &one.parts).map(|part| part.span.start).collect();
    let parts: HashSet<Location> = locations(text, &starts).into_iter().collect();
    if parts.is_empty() {
        return;
    }
    for token in tokens {
        if let Token::Word(word) = &mut token.token
            && parts.contains(&token.span.start)
        {
            word.quote_style = Some('"');
            word.keyword = Keyword::NoKeyword;
        }
    }
}

/// Turns the parser's complaints into errors about the user's text.
struct Problems<'a> {
    text: &'a str,
    lines: &'a LineIndex,
}

impl Problems<'_> {
    fn translate(&self, error: &ParserError) -> Error {
        match error {
            ParserError::RecursionLimitExceeded => Error::TooDeep { place: None },
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
                let (message, at) = split_location(message);
                self.syntax(message, at)
            }
        }
    }

    fn syntax(&self, message: &str, at: Option<Location>) -> Error {
        let complaint = message.strip_prefix("Expected").and_then(|rest| rest.rsplit_once(", found: "));
        let complaint = complaint.map(|(expected, found)| (expected.trim_start_matches([':', ' ']), found));
        let place = self.place_of_token(at, complaint.map(|(_, found)| found));
        let found = place.span.of(self.text);
        let message = match complaint {
            Some((expected, _)) if found.is_empty() => format!("expected {expected}, found the end of the statement"),
            Some((expected, _)) => format!("expected {expected}, found `{found}`"),
            None => lower_first(message),
        };
        Error::Syntax { message, place, hint: self.hint(found, place.span) }
    }

    /// As [`Self::place_at`], but for complaints about `token` that point to the token behind it.
    fn place_of_token(&self, at: Option<Location>, token: Option<&str>) -> Place {
        let place = self.place_at(at);
        let Some(token) = token.filter(|token| *token != "EOF" && *token != place.span.of(self.text)) else {
            return place;
        };
        match self.text[..place.span.start].rfind(token) {
            Some(start)
                if self.text[start + token.len()..place.span.start].trim_matches([' ', '@', '\n']).is_empty() =>
            {
                Place::new(self.text, Span::new(start, start + token.len()))
            }
            _ => place,
        }
    }

    /// The token at `at`, or the end of the text.
    fn place_at(&self, at: Option<Location>) -> Place {
        let start = at.map_or(self.text.len(), |at| self.lines.byte(self.text, at));
        if start >= self.text.len() {
            let end = self.text.trim_end().len();
            return Place::new(self.text, Span::new(end, end));
        }
        let mut lexer = Lexer::new(self.text, Dialect::Federated);
        lexer.skip_to(start);
        let end = match lexer.next() {
            Some(Ok(lexeme)) if lexeme.kind != LexemeKind::Blank => lexeme.span.end,
            _ => start + self.text[start..].chars().next().map_or(0, char::len_utf8),
        };
        Place::new(self.text, Span::new(start, end))
    }

    fn hint(&self, found: &str, span: Span) -> Option<Hint> {
        const KEYWORDS: &[&str] = &[
            "SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "HAVING", "JOIN", "LEFT", "LIMIT", "OFFSET", "UNION",
            "INSERT", "VALUES", "EXPLAIN", "BETWEEN", "DISTINCT", "CREATE",
        ];
        let around = &self.text[..span.end.min(self.text.len())];
        if around.ends_with('@') || around[..span.start.min(around.len())].ends_with('@') {
            return Some(REFERENCE_HINT.into());
        }
        if found.is_empty() {
            return Some("the statement ends too early: look for a missing parenthesis or expression".into());
        }
        if found.starts_with('`') || found.starts_with('[') {
            return Some("names with other characters go in double quotes: `\"my column\"`".into());
        }
        nearest(found, KEYWORDS.iter().copied())
            .filter(|keyword| !keyword.eq_ignore_ascii_case(found) && found.len() > 2)
            .map(|keyword| format!("did you mean `{keyword}`?").into())
    }
}

/// Cuts ` at Line: 1, Column: 8` off the parser's message.
fn split_location(message: &str) -> (&str, Option<Location>) {
    let Some((text, place)) = message.rsplit_once(" at Line: ") else { return (message, None) };
    let location = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
    });
    (text, location)
}

fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
