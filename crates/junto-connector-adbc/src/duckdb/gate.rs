//! Lets only reading statements through to a read-only session.
//!
//! The session itself refuses writes, files, extensions and settings. What it does not refuse are statements that
//! change the session or print (`ALTER DATABASE … SET ALIAS`, `USE`, `PRAGMA enable_profiling`, `DETACH`), and it would
//! run several statements of one text. This gate refuses those; it is the second of two layers, never the only one.

use junto_connector::{Error, Result};

/// First words of statements that read.
const READING: [&str; 12] = [
    "SELECT",
    "WITH",
    "FROM",
    "VALUES",
    "TABLE",
    "SHOW",
    "DESCRIBE",
    "DESC",
    "SUMMARIZE",
    "EXPLAIN",
    "PIVOT",
    "UNPIVOT",
];

/// First words of DuckDB's other statements.
const OTHERS: [&str; 32] = [
    "ABORT",
    "ALTER",
    "ANALYZE",
    "ATTACH",
    "BEGIN",
    "CALL",
    "CHECKPOINT",
    "COMMENT",
    "COMMIT",
    "COPY",
    "CREATE",
    "DEALLOCATE",
    "DELETE",
    "DETACH",
    "DROP",
    "END",
    "EXECUTE",
    "EXPORT",
    "FORCE",
    "IMPORT",
    "INSERT",
    "INSTALL",
    "LOAD",
    "MERGE",
    "PRAGMA",
    "PREPARE",
    "RESET",
    "ROLLBACK",
    "SET",
    "UPDATE",
    "USE",
    "VACUUM",
];

/// Words that may stand between EXPLAIN and its statement.
const OF_EXPLAIN: [&str; 7] = ["ANALYZE", "FORMAT", "TEXT", "JSON", "HTML", "GRAPHVIZ", "YAML"];

/// Words looked at; enough for EXPLAIN with all it can have.
const LEADING_WORDS: usize = 5;

/// # Errors
/// [`Error::ReadOnly`] for a statement that does not read, [`Error::Statement`] for none or several.
pub(super) fn check(sql: &str) -> Result<()> {
    let words = words_of_first_statement(sql)?;
    let mut words = words.iter().map(String::as_str);
    let mut first = words.next();
    if first == Some("EXPLAIN") {
        first = words.find(|word| !OF_EXPLAIN.contains(word));
    }
    match first {
        None => Err(Error::statement("the statement is empty")),
        Some(word) if READING.contains(&word) => Ok(()),
        Some(word) if OTHERS.contains(&word) => {
            Err(Error::ReadOnly { reason: format!("{word} statements do more than read") })
        }
        Some(word) => Err(Error::statement(format!("syntax error: no statement begins with {word}"))),
    }
}

/// Leading words (upper case) of the only statement of a text. An opening parenthesis is skipped.
fn words_of_first_statement(sql: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut ended = false;
    let mut rest = sql;
    while let Some(character) = rest.chars().next() {
        if let Some(length) = blank_length(rest) {
            rest = &rest[length..];
            continue;
        }
        if character == ';' {
            ended = true;
            rest = &rest[1..];
            continue;
        }
        if ended {
            return Err(Error::statement("one statement at a time"));
        }
        if character.is_alphabetic() || character == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(rest.len());
            let word = rest[..end].to_uppercase();
            rest = &rest[end..];
            if word == "E" && rest.starts_with('\'') {
                rest = &rest[escaped_length(rest)..];
            } else if words.len() < LEADING_WORDS {
                words.push(word);
            }
            continue;
        }
        if words.is_empty() && character != '(' {
            words.push(character.to_string());
        }
        rest = &rest[quoted_length(rest).unwrap_or(character.len_utf8())..];
    }
    Ok(words)
}

/// Bytes of white space or a comment at the start. DuckDB's comments do not nest.
fn blank_length(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    if first.is_whitespace() {
        return Some(first.len_utf8());
    }
    if text.starts_with("--") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    let comment = text.strip_prefix("/*")?;
    Some(comment.find("*/").map_or(text.len(), |end| end + 4))
}

/// Bytes of a quoted name, a text or a dollar-quoted text at the start. One that does not end takes the rest.
fn quoted_length(text: &str) -> Option<usize> {
    if let Some(body) = text.strip_prefix('$') {
        let tag = &text[..body.find('$')? + 2];
        if tag[1..tag.len() - 1].chars().any(|c| !c.is_alphanumeric() && c != '_') {
            return None;
        }
        return Some(text[tag.len()..].find(tag).map_or(text.len(), |end| end + 2 * tag.len()));
    }
    let mark = text.chars().next().filter(|c| *c == '\'' || *c == '"')?;
    // A doubled mark ends one quoted piece and begins the next, which is all the same here.
    Some(text[1..].find(mark).map_or(text.len(), |end| end + 2))
}

/// Bytes of the quoted part of `E'…'`, in which a backslash escapes.
fn escaped_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            '\'' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_statements_pass() {
        for sql in [
            "select 1",
            " -- note\n/* ; */ (select ';' as \"a;b\") ;\n",
            "with x as (select 1) from x",
            "FROM t",
            "explain analyze select 1",
            "select $$ ; drop $$, $a$;$a$, $1",
            "summarize t;",
            r"select E'it\'s; ' || 'x'",
            "explain (format json) select 1",
        ] {
            assert!(check(sql).is_ok(), "{sql}");
        }
    }

    #[test]
    fn others_do_not() {
        for sql in [
            "alter database a set alias to b",
            "use x",
            "pragma enable_profiling",
            "explain analyze attach 'x'",
            "set threads = 1",
            "call enable_logging()",
            "(insert into t values (1))",
        ] {
            assert!(matches!(check(sql), Err(Error::ReadOnly { .. })), "{sql}");
        }
        for sql in [
            "select 1; select 2",
            "this is none",
            "select 'it''s'; use x",
            r"select E'\''; use x --'",
            "",
            ";",
            "-- nothing",
        ] {
            assert!(matches!(check(sql), Err(Error::Statement { .. })), "{sql}");
        }
    }
}
