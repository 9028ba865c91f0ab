//! Other programs, run with a line that tells of them and an error that names them.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Outcome;

/// A program and its words, not yet run.
#[derive(Debug)]
pub(crate) struct Program(Command);

/// Returns `name`, to be given words.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Program {
    Program(Command::new(name))
}

impl Program {
    /// Adds words, split at the blanks of `words`.
    pub(crate) fn words(mut self, words: &str) -> Self {
        self.0.args(words.split_whitespace());
        self
    }

    /// Adds one word as it is.
    pub(crate) fn word(mut self, word: impl AsRef<OsStr>) -> Self {
        self.0.arg(word);
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Sets its working directory.
    pub(crate) fn within(mut self, dir: &Path) -> Self {
        self.0.current_dir(dir);
        self
    }

    /// Returns the command line, for people.
    fn line(&self) -> String {
        let words = std::iter::once(self.0.get_program()).chain(self.0.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    /// Runs it on this terminal, after a line that shows what is run.
    pub(crate) fn show(self) -> Outcome {
        println!("$ {}", self.line());
        self.run()
    }

    /// Runs it on this terminal.
    pub(crate) fn run(mut self) -> Outcome {
        let line = self.line();
        let status = self.0.status().map_err(|error| format!("cannot run `{line}`: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("`{line}` failed: {status}")) }
    }

    /// Runs it with its output kept from the terminal, unless it fails.
    pub(crate) fn quiet(mut self) -> Outcome {
        let line = self.line();
        let output = self
            .0
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot run `{line}`: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        eprint!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Err(format!("`{line}` failed: {}", output.status))
    }

    /// Returns what it writes to its standard output; its errors go to the terminal.
    pub(crate) fn output(mut self) -> Outcome<String> {
        let line = self.line();
        let child = self.0.stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = child.output().map_err(|error| format!("cannot run `{line}`: {error}"))?;
        if !output.status.success() {
            return Err(format!("`{line}` failed: {}", output.status));
        }
        String::from_utf8(output.stdout).map_err(|_| format!("`{line}` wrote what is not text"))
    }

    /// Tells whether it can be run and succeeds; says nothing.
    pub(crate) fn succeeds(mut self) -> bool {
        let child = self.0.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        child.status().is_ok_and(|status| status.success())
    }

    /// Returns the command itself.
    pub(crate) fn into_command(self) -> Command {
        self.0
    }
}
