//! What is known of the terminal, and messages to standard error.

use std::io::{self, IsTerminal, Write};

use crate::failure::Failure;

/// Whether results go to a person.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether a person would have to type the input.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Whether messages go to a person.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Whether results may be coloured: at a terminal, unless NO_COLOR (no-color.org) is set.
pub(crate) fn colour_on_stdout() -> bool {
    stdout_is_terminal() && no_color_is_unset()
}

fn no_color_is_unset() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Tells the user of a failure, unless there is nobody left to tell or the rest has been said.
pub(crate) fn report(failure: &Failure) {
    if !failure.is_silent() {
        let colour = stderr_is_terminal() && no_color_is_unset();
        write_error(&failure.report(colour));
    }
}

/// A line for the user, beside the result.
pub(crate) fn note(text: &str) {
    write_error(&format!("{text}\n"));
}

/// Standard error may be closed; then nobody wants to know.
fn write_error(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
