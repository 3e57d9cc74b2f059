//! Which of the user's statements a read-only session takes.
//!
//! The session itself refuses writes to tables, but the server lets TRUNCATE, CREATE USER, SET PASSWORD and INTO OUTFILE
//! pass a read-only session, and SET ends it. So only statements that begin like a read are taken.

use junto_connector::{Error, Result};

/// Words a reading statement begins with.
const READING: &[&str] =
    &["SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "TABLE", "VALUES", "HELP", "CHECKSUM"];

/// Words other statements begin with. What begins with none of the two lists is a slip of the pen.
const OTHER: &[&str] = &[
    "ALTER",
    "ANALYZE",
    "BACKUP",
    "BEGIN",
    "BINLOG",
    "CACHE",
    "CALL",
    "CHANGE",
    "CHECK",
    "CLONE",
    "COMMIT",
    "CREATE",
    "DEALLOCATE",
    "DECLARE",
    "DELETE",
    "DO",
    "DROP",
    "EXECUTE",
    "FLUSH",
    "GRANT",
    "HANDLER",
    "IMPORT",
    "INSERT",
    "INSTALL",
    "KILL",
    "LOAD",
    "LOCK",
    "OPTIMIZE",
    "PREPARE",
    "PURGE",
    "RELEASE",
    "RENAME",
    "REPAIR",
    "REPLACE",
    "RESET",
    "RESTART",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SET",
    "SHUTDOWN",
    "SIGNAL",
    "START",
    "STOP",
    "TRUNCATE",
    "UNINSTALL",
    "UNLOCK",
    "UPDATE",
    "USE",
    "XA",
];

/// What the text is made of, as far as the gate looks.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// A bare word, in upper case.
    Word(String),
    /// A quoted name or text.
    Quoted,
    /// A comment that the server executes.
    ExecutableComment,
    Symbol(u8),
}

/// Refuses what is not a read.
///
/// # Errors
/// [`Error::ReadOnly`] saying why.
pub(crate) fn check_read_only(sql: &str, sql_mode: &str) -> Result<()> {
    let refuse = |reason: &str| Err(Error::ReadOnly { reason: reason.into() });
    let tokens = tokens(sql.as_bytes(), sql_mode.contains("NO_BACKSLASH_ESCAPES"));
    if tokens.contains(&Token::ExecutableComment) {
        return refuse("comments of the form /*! */ are executed by the server");
    }
    let first = tokens.iter().find_map(|token| match token {
        Token::Symbol(b'(') => None,
        Token::Word(word) => Some(Some(word.as_str())),
        _ => Some(None),
    });
    match first {
        None => return Err(Error::statement("the statement is empty")),
        Some(Some(word)) if READING.contains(&word) => {}
        Some(Some(word)) if OTHER.contains(&word) => return refuse(&format!("{word} is no read")),
        Some(_) => return Err(Error::statement("this begins like no statement of MySQL or MariaDB")),
    }
    let words: Vec<&Token> = tokens.iter().collect();
    for pair in words.windows(2) {
        match pair {
            [Token::Word(into), Token::Word(file)] if into == "INTO" && (file == "OUTFILE" || file == "DUMPFILE") => {
                return refuse("INTO OUTFILE and INTO DUMPFILE write files of the server");
            }
            [Token::Word(call), Token::Symbol(b'(')] if call == "LOAD_FILE" => {
                return refuse("LOAD_FILE reads files of the server");
            }
            [Token::Symbol(b';'), Token::Symbol(b';')] => {}
            [Token::Symbol(b';'), _] => return refuse("only one statement at a time"),
            _ => {}
        }
    }
    Ok(())
}

fn tokens(sql: &[u8], backslash_is_plain: bool) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(byte) = sql.get(at).copied() {
        let rest = &sql[at..];
        at += match byte {
            b'#' => line_length(rest),
            b'-' if rest.starts_with(b"--")
                && rest.get(2).is_none_or(|next| next.is_ascii_whitespace() || *next < b' ') =>
            {
                line_length(rest)
            }
            b'/' if rest.starts_with(b"/*!") || rest.starts_with(b"/*M!") => {
                tokens.push(Token::ExecutableComment);
                2
            }
            b'/' if rest.starts_with(b"/*") => find(&rest[2..], b"*/").map_or(rest.len(), |end| end + 4),
            b'\'' | b'"' => {
                tokens.push(Token::Quoted);
                quoted_length(rest, !backslash_is_plain)
            }
            b'`' => {
                tokens.push(Token::Quoted);
                quoted_length(rest, false)
            }
            byte if is_word(byte) => {
                let length = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
                tokens.push(Token::Word(String::from_utf8_lossy(&rest[..length]).to_ascii_uppercase()));
                length
            }
            byte => {
                if !byte.is_ascii_whitespace() {
                    tokens.push(Token::Symbol(byte));
                }
                1
            }
        };
    }
    tokens
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// Length of a quoted part with both quotes; doubled quotes follow as a part of their own, which changes nothing here.
fn quoted_length(rest: &[u8], backslash_escapes: bool) -> usize {
    let quote = rest[0];
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' if backslash_escapes => at += 2,
            byte if *byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_pass() {
        for sql in [
            "select 1",
            "  -- note\n/* another */ (SELECT 1) UNION (select 2);",
            "with x as (select 1) select * from x",
            "show tables",
            "explain select * from dropoff",
            "select 'into outfile', \"/*! no comment */\", `load_file` from t",
            "select 'it\\'s' -- fine",
            "select 4--1",
        ] {
            assert!(check_read_only(sql, "").is_ok(), "{sql}");
        }
        assert!(check_read_only("select '\\' , '/*!'", "NO_BACKSLASH_ESCAPES").is_ok());
    }

    #[test]
    fn everything_else_is_refused() {
        for sql in [
            "",
            "/* only a comment */",
            "insert into t values (1)",
            "/**/ delete\nfrom t",
            "set password = 'x'",
            "truncate t",
            "create user x",
            "select 1 into outfile '/x'",
            "select 1 INTO/**/DUMPFILE '/x'",
            "select load_file ('/etc/passwd')",
            "select /*!50000 1 into outfile '/x' */",
            "select /*M! 1 */",
            "select 1; delete from t",
            "(((delete from t)))",
            "`select`",
            "call p()",
            "do sleep(1)",
            "handler t open",
        ] {
            assert!(check_read_only(sql, "").is_err(), "{sql}");
        }
        // A backslash that is a plain character ends the text here.
        assert!(check_read_only("select '\\' /*! into outfile */ , '", "NO_BACKSLASH_ESCAPES").is_err());
    }
}
