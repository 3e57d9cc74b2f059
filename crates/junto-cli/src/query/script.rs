//! The text of the user's statements and where each of them stands in it.

use std::io::Read;
use std::path::{Path, PathBuf};

use junto_engine::StatementOptions;
use junto_types::Span;

use crate::failure::{Failure, Result};
use crate::session::Session;
use crate::terminal;

/// Reads the statements: given on the command line, from a file, or from standard input (`-`, or nothing at all when
/// something is piped in).
pub(crate) fn read(sql: Option<&str>, file: Option<&Path>) -> Result<String> {
    match (sql, file) {
        (Some("-"), _) => standard_input(),
        (Some(sql), _) => Ok(sql.to_owned()),
        (None, Some(path)) => {
            let bytes = std::fs::read(path)
                .map_err(|error| Failure::file(&error, format!("cannot read {}", path.display())))?;
            utf8(bytes, &path.display().to_string())
        }
        (None, None) if terminal::stdin_is_terminal() => {
            Err(Failure::user("no statement").hint("write one in quotes, or name a file with `--file`"))
        }
        (None, None) => standard_input(),
    }
}

fn standard_input() -> Result<String> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::file(&error, "cannot read standard input".into()))?;
    utf8(bytes, "standard input")
}

fn utf8(bytes: Vec<u8>, name: &str) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Failure::user(format!("{name} is not UTF-8, line {line}")).hint("save the statements as UTF-8")
    })
}

/// Statements in the order of the text.
pub(super) struct Script {
    text: String,
    file: Option<PathBuf>,
    pub(super) statements: Vec<Span>,
}

impl Script {
    /// Cuts a text at its semicolons.
    ///
    /// # Errors
    /// A quote that does not end; no statement at all.
    pub(super) fn split(
        text: String,
        file: Option<&Path>,
        session: &Session,
        options: &StatementOptions,
    ) -> Result<Self> {
        let mut script = Self { text, file: file.map(Path::to_owned), statements: Vec::new() };
        let dialect = session.dialect(&script.text, options);
        match junto_sql::split_statements(&script.text, dialect) {
            Ok(statements) => script.statements = statements.into_iter().map(|statement| statement.span).collect(),
            Err(error) => {
                let span = error.span();
                let failure = Failure::from(junto_engine::Error::from(error));
                return Err(span.map_or(failure.clone(), |span| script.underlined(failure, span)));
            }
        }
        if script.statements.is_empty() {
            return Err(Failure::from(junto_engine::Error::from(junto_sql::Error::Empty)));
        }
        Ok(script)
    }

    /// The statement with this number, from 1, and where it stands.
    pub(super) fn statement(&self, number: usize) -> (&str, Span) {
        let span = self.statements[number - 1];
        (span.of(&self.text), span)
    }

    /// The failure with a place of the text underlined.
    pub(super) fn underlined(&self, failure: Failure, span: Span) -> Failure {
        let name = self.file.as_ref().map(|path| path.display().to_string());
        failure.at(name.as_deref(), &self.text, span)
    }
}
