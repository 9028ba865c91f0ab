//! What a person sees: exit codes, standard output, standard error. One file for each kind of promise.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail, and says aloud that it was skipped"
)]

mod listings;
mod mistakes;
mod run;

use std::path::Path;
use std::process::{Command, Output};

/// A state directory of its own, and commands that work on it.
struct Env(tempfile::TempDir);

impl Env {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn directory(&self) -> &Path {
        self.0.path()
    }

    /// Runs `hako` with nothing of this process's environment but the path.
    fn hako(&self, words: &[&str]) -> Told {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hako"));
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.directory());
        command.env("HAKO_ROOT", self.directory().join("root")).current_dir(self.directory());
        Told::of(&command.args(words).stdin(std::process::Stdio::null()).output().unwrap())
    }
}

/// What a command did.
#[derive(Debug)]
struct Told {
    code: i32,
    out: String,
    err: String,
}

impl Told {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

/// Tells whether this process may mount and make namespaces; says so aloud where it may not.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: needs root");
    }
    root
}
