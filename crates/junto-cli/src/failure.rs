//! What went wrong, as the command line reports it: message, causes, the place in a text, a hint, an exit code.

use std::fmt::Write as _;
use std::io;

use junto_types::{ErrorKind, Hint, Span};

use crate::output::visible;

/// Result of anything the command line does.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// A failure that ends a command, or one statement of it.
#[derive(Debug, Clone)]
pub(crate) struct Failure(Box<Details>);

#[derive(Debug, Clone)]
struct Details {
    kind: ErrorKind,
    message: String,
    /// From the outermost to the root.
    causes: Vec<String>,
    hint: Option<Hint>,
    excerpt: Option<String>,
    voice: Voice,
}

/// Whether a failure is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voice {
    Loud,
    /// It has been told; only the exit code is left.
    Reported,
    /// The reader of our output is gone: nobody is left to be told.
    BrokenPipe,
}

impl Failure {
    /// A mistake of the user's.
    pub(crate) fn user(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::User, message)
    }

    /// A failure of some kind.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            kind,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            excerpt: None,
            voice: Voice::Loud,
        }))
    }

    /// The user stopped it.
    pub(crate) fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "cancelled")
    }

    /// A failure while rows or files are written.
    pub(crate) fn output(error: &io::Error, place: &str) -> Self {
        let mut failure = Self::user(format!("cannot write {place}")).because(error.to_string());
        if is_broken_pipe(error) {
            failure.0.voice = Voice::BrokenPipe;
        }
        failure
    }

    /// A failure of a file operation; `what` is a clause such as `cannot read x.toml`.
    pub(crate) fn file(error: &io::Error, what: String) -> Self {
        Self::user(what).because(error.to_string())
    }

    /// With one more cause.
    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.0.causes.push(cause.into());
        self
    }

    /// With a hint.
    pub(crate) fn hint(mut self, hint: impl Into<Hint>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// With the place `span` of `text` underlined; `name` says what the text is, if it is a file.
    pub(crate) fn at(mut self, name: Option<&str>, text: &str, span: Span) -> Self {
        self.0.excerpt = Some(excerpt(name, text, span));
        self
    }

    /// A failure of a source, outside of a statement.
    pub(crate) fn source(alias: &str, error: &junto_connector::Error) -> Self {
        let mut failure = Self::new(error.kind(), format!("connection @{alias}: {error}"));
        failure.0.causes = causes(error);
        failure.0.hint = error.hint();
        failure
    }

    /// The message without causes and hint.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// Exit code of a command that ends with this.
    pub(crate) fn exit_code(&self) -> u8 {
        if self.0.voice == Voice::BrokenPipe { 0 } else { self.0.kind.exit_code() }
    }

    /// The same, once it has been told.
    pub(crate) fn reported(mut self) -> Self {
        self.0.voice = Voice::Reported;
        self
    }

    /// Says that rows were written before it happened.
    pub(crate) fn partial(self, rows: u64) -> Self {
        self.because(format!("the {rows} rows written before are not the whole result"))
    }

    /// Whether nothing should be said.
    pub(crate) fn is_silent(&self) -> bool {
        self.0.voice != Voice::Loud
    }

    /// Whether nobody reads the output any more.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.0.voice == Voice::BrokenPipe
    }

    /// The whole report. Colour is never the only signal.
    pub(crate) fn report(&self, colour: bool) -> String {
        let paint = |style: &str, text: &str| if colour { format!("{style}{text}\u{1b}[0m") } else { text.to_owned() };
        let mut report = format!("{} {}\n", paint("\u{1b}[1;31m", "error:"), lines_of(&self.0.message));
        if let Some(excerpt) = &self.0.excerpt {
            report.push_str(excerpt);
        }
        for cause in &self.0.causes {
            let _ = writeln!(report, "  {} {}", paint("\u{1b}[2m", "caused by:"), lines_of(cause));
        }
        if let Some(hint) = &self.0.hint {
            let _ = writeln!(report, "{} {}", paint("\u{1b}[1;36m", "hint:"), lines_of(hint));
        }
        report
    }
}

impl From<junto_engine::Error> for Failure {
    fn from(error: junto_engine::Error) -> Self {
        let mut failure = Self::new(error.kind(), error.to_string());
        failure.0.causes = causes(&error);
        failure.0.hint = error.hint();
        failure
    }
}

/// The causes that the message does not tell already.
fn causes(error: &dyn std::error::Error) -> Vec<String> {
    let mut said = error.to_string();
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.contains(&text) {
            said.clone_from(&text);
            causes.push(text);
        }
        next = cause.source();
    }
    causes
}

/// Errors of Parquet and Arrow writers hide the I/O error among their causes.
fn is_broken_pipe(error: &io::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return true;
        }
        next = match cause.downcast_ref::<io::Error>() {
            Some(error) => error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static)),
            None => cause.source(),
        };
    }
    false
}

/// A server's message may have several lines; none may steer the terminal.
fn lines_of(text: &str) -> String {
    text.trim_end().lines().map(visible).collect::<Vec<_>>().join("\n  ")
}

/// The line of `span` with the place underlined, under the name of the file it is in.
fn excerpt(name: Option<&str>, text: &str, span: Span) -> String {
    let at = span.line_column(text);
    let (text, span) = surroundings(text, span);
    let underlined = junto_sql::underline(text, span);
    let (line, carets) = underlined.split_once('\n').unwrap_or((&underlined, "^"));
    let number = at.line.to_string();
    let margin = " ".repeat(number.len());
    let title = name.map(|name| format!("{margin}--> {name}:{number}:{}\n", at.column)).unwrap_or_default();
    format!("{title}{margin} |\n{number} | {line}\n{margin} | {carets}\n")
}

/// The part of the text that can be shown: a statement of megabytes may be one line.
fn surroundings(text: &str, span: Span) -> (&str, Span) {
    const BYTES: usize = 4096;
    let place = span.start.min(text.len());
    let mut first = place.saturating_sub(BYTES);
    while !text.is_char_boundary(first) {
        first += 1;
    }
    let mut last = (place + BYTES).min(text.len());
    while !text.is_char_boundary(last) {
        last -= 1;
    }
    let shifted = Span::new(place - first, span.end.min(last).max(place) - first);
    (&text[first..last], shifted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, place: &str, expected: &str) {
        let start = text.find(place).expect("present");
        assert_eq!(excerpt(None, text, Span::new(start, start + place.len())), expected);
    }

    #[test]
    fn underlines_the_place() {
        check("select *\nfrom @shpo.orders o", "@shpo", "  |\n2 | from @shpo.orders o\n  |      ^^^^^\n");
        check("select '日本', x", "x", "  |\n1 | select '日本', x\n  |                ^\n");
    }

    #[test]
    fn megabytes_on_one_line_are_cut_around_the_place() {
        let text = format!("{}bad{}", "a".repeat(10 << 20), "z".repeat(10 << 20));
        let shown = excerpt(None, &text, Span::new(10 << 20, (10 << 20) + 3));
        assert!(shown.contains("aaabadzzz") && shown.contains(" ^^^\n") && shown.len() < 500, "{shown}");
    }

    #[test]
    fn reports_everything_without_colour_and_control_characters() {
        let failure = Failure::user("broken\u{1b}[31m").because("first\nsecond").hint("mend it");
        assert_eq!(failure.report(false), "error: broken\n  caused by: first\n  second\nhint: mend it\n");
        assert!(failure.report(true).contains("\u{1b}[1;31merror:\u{1b}[0m"));
    }

    #[test]
    fn a_broken_pipe_is_no_failure() {
        let pipe = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(Failure::output(&pipe, "x").exit_code(), 0);
        assert!(Failure::output(&io::Error::other(pipe), "x").is_silent());
        assert_eq!(Failure::output(&io::Error::other("full"), "x").exit_code(), 1);
    }
}
