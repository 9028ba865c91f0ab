//! How a command that failed says so: the one place that turns errors into text and exit codes.

use std::error::Error as StdError;
use std::io::{self, Write};
use std::iter::successors;

use hako_types::Fault;

use crate::args::UsageError;

/// Why a command failed: what is printed, and the exit code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    usage: bool,
}

impl Failure {
    /// Returns a plain failure with exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        let message = without_numbers(&message.into());
        Self { code: 1, message, causes: Vec::new(), hint: None, usage: false }
    }

    /// Returns a failure of a command that was to run a program, before there was one: exit code 125.
    pub(crate) fn engine(message: impl Into<String>) -> Self {
        Self::new(message).with_code(125)
    }

    /// Returns the failure for a value that a flag does not take.
    pub(crate) fn flag(flag: &str, value: &str, reason: &str) -> Self {
        Self::engine(format!("invalid argument \"{value}\" for \"--{flag}\" flag: {reason}"))
    }

    /// Returns the failure for words that a command cannot be; the usage is shown with it.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the error is handed over, as `map_err` does it"
    )]
    pub(crate) fn usage(error: UsageError) -> Self {
        let code = if matches!(error, UsageError::Count(_)) { 1 } else { 125 };
        let shown = !matches!(error, UsageError::Value { .. });
        Self { usage: shown, ..Self::new(error.to_string()).with_code(code) }
    }

    /// Returns the failure of something that the system refused.
    pub(crate) fn io(message: impl Into<String>, error: &io::Error) -> Self {
        Self { causes: vec![reason(error)], ..Self::new(message) }
    }

    /// Returns a failure that says nothing: all has been said, only the exit code is left.
    pub(crate) fn silent(code: u8) -> Self {
        Self::new("").with_code(code)
    }

    /// Returns the same failure with another exit code.
    pub(crate) fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// Returns the same failure with a hint.
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Returns the failure of a run-like command from an error of the engine: 125, 126 or 127.
    pub(crate) fn running(error: hako_engine::Error) -> Self {
        let code = error.exit_code();
        Self::from(error).with_code(code)
    }

    /// Tells whether the usage of the command should be shown too.
    pub(crate) fn wants_usage(&self) -> bool {
        self.usage
    }

    /// Returns the message alone.
    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Writes the failure, its causes and its hint.
    ///
    /// # Errors
    /// What writing gives.
    pub(crate) fn write(&self, mut out: impl Write) -> io::Result<()> {
        if self.message.is_empty() {
            return Ok(());
        }
        let mut text = format!("error: {}\n", self.message);
        for cause in &self.causes {
            text.push_str(&format!("  because: {cause}\n"));
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("hint: {hint}\n"));
        }
        out.write_all(text.as_bytes())
    }

    /// Prints the failure on standard error.
    pub(crate) fn print(&self) {
        self.write(io::stderr().lock()).ok();
    }
}

impl<E: Fault> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut causes: Vec<String> = Vec::new();
        let message = familiar(&error.to_string());
        for cause in
            successors(error.source(), |cause: &&(dyn StdError + 'static)| (*cause).source())
        {
            let text = cause
                .downcast_ref::<io::Error>()
                .map_or_else(|| without_numbers(&cause.to_string()), reason);
            if text != message && causes.last() != Some(&text) {
                causes.push(text);
            }
        }
        Self { causes, hint: error.hint(), ..Self::new(message) }
    }
}

/// Takes Rust's ` (os error 2)` out of a message: the words before it say the same.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.split_once(')').map_or(part, |(_, rest)| rest));
    }
    out
}

/// Says what is not there in the words that people look for in scripts (`No such image: x`).
fn familiar(message: &str) -> String {
    match message.strip_prefix("no such image: `").and_then(|rest| rest.strip_suffix('`')) {
        Some(name) => format!("No such image: {name}"),
        None => message.to_owned(),
    }
}

/// Returns what the system said, without Rust's `(os error 2)`, in lower case as the C library's neighbours write it.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if error.raw_os_error().is_some() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

/// Returns an error and all its sources as one line.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let all: Vec<String> =
        successors(Some(error), |cause| (*cause).source()).map(ToString::to_string).collect();
    all.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_to_do() {
        let failure =
            Failure::io("cannot read `x`", &io::Error::from_raw_os_error(2)).with_hint("make it");
        let mut text = Vec::new();
        failure.write(&mut text).unwrap();
        let want = "error: cannot read `x`\n  because: no such file or directory\nhint: make it\n";
        assert_eq!(String::from_utf8(text).unwrap(), want);
    }

    #[test]
    fn numbers_of_errors_are_left_out() {
        assert_eq!(
            without_numbers("io: refused (os error 111): twice (os error 2)"),
            "io: refused: twice"
        );
        assert_eq!(familiar("no such image: `x:1`"), "No such image: x:1");
    }
}
