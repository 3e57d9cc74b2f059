//! Cuts a text into statements at its top-level semicolons.

use crate::lexer::{LexemeKind, Lexer};
use crate::{Dialect, Result};
use junto_types::Span;

/// One statement of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementText {
    /// From its first to its last token: no semicolon, no surrounding blanks and comments.
    pub span: Span,
}

/// The statements of `text`, without empty ones. Time and memory are linear in the text.
///
/// Semicolons within strings, comments, dollar quotes, quoted names and parentheses do not end a statement. Bodies
/// written `BEGIN … END` without quotes (triggers and procedures of MySQL and SQLite) *are* cut at their semicolons:
/// run such a statement on its own, without splitting.
///
/// # Errors
/// A quote or comment that does not end.
pub fn split_statements(text: &str, dialect: Dialect) -> Result<Vec<StatementText>> {
    let mut statements = Vec::new();
    let mut current: Option<Span> = None;
    let mut depth = 0_usize;
    for lexeme in Lexer::new(text, dialect) {
        let lexeme = lexeme?;
        match lexeme.kind {
            LexemeKind::Blank => continue,
            LexemeKind::Semicolon if depth == 0 => {
                statements.extend(current.take().map(|span| StatementText { span }));
                continue;
            }
            LexemeKind::Open => depth += 1,
            LexemeKind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        let start = current.map_or(lexeme.span.start, |span| span.start);
        current = Some(Span::new(start, lexeme.span.end));
    }
    statements.extend(current.map(|span| StatementText { span }));
    Ok(statements)
}
