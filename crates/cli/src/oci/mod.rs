//! `hako oci`: an OCI runtime with runc's command line.
//!
//! Docker, containerd, Podman and Kubernetes call it beneath them: what they parse (exit codes, the
//! log's JSON, the state's fields, a few sentences) is as runc has it.
//!
//! ```text
//!   words ─▶ words::Parsed ─▶ one file per family of commands ─▶ hako-runtime
//!                                    │
//!                              record: /run/hako-oci/ID/{state.json, config.json, start}
//! ```

mod bundle;
mod console;
mod control;
mod create;
mod exec;
mod features;
mod groups;
mod hooks;
mod list;
mod log;
mod record;
mod resources;
mod template;
mod words;

use std::error::Error as _;
use std::path::PathBuf;

use words::Parsed;

/// Why a command failed: a sentence with all its causes, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 1 }
    }

    fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// Puts what was being done in front.
    fn during(self, doing: &str) -> Self {
        Self { text: format!("{doing}: {}", self.text), ..self }
    }
}

/// Joins an error with its causes, as Go programs print theirs.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

impl From<hako_runtime::Error> for Failure {
    fn from(error: hako_runtime::Error) -> Self {
        Self::new(chain(&error))
    }
}

impl From<hako_runtime::cgroup::Error> for Failure {
    fn from(error: hako_runtime::cgroup::Error) -> Self {
        let _has_source = error.source();
        Self::new(chain(&error))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// What holds for every command.
#[derive(Debug)]
struct Globals {
    /// Where the containers' records are.
    root: PathBuf,
    /// Where failures are written to, beside standard error.
    log: log::Log,
}

const GLOBALS: &[(&str, bool)] = &[
    ("root", true),
    ("log", true),
    ("log-format", true),
    ("debug", false),
    ("systemd-cgroup", false),
    ("cgroup-manager", true),
    ("rootless", true),
    ("config", true),
    ("criu", true),
    ("help", false),
    ("h", false),
    ("version", false),
    ("v", false),
];

const USAGE: &str = "NAME:
   hako oci - an Open Container Initiative runtime

Usage: hako oci [--root DIR] [--log FILE] [--log-format text|json] COMMAND

  create start run exec     make containers and run programs in them
  state list ps events      look at them
  kill delete               end them
  pause resume update       change them
  spec features plan        write a configuration; what this runtime can do; how it would do it
";

/// Runs `hako oci` with the words after `oci`; returns the exit code.
pub(crate) fn main(words: &[String]) -> u8 {
    let (parsed, rest) = match Parsed::leading(words, GLOBALS) {
        Ok(parsed) => parsed,
        Err(failure) => return log::Log::default().report(&failure),
    };
    let globals = Globals {
        root: parsed.value("root").map_or_else(record::default_root, PathBuf::from),
        log: log::Log::new(parsed.value("log"), parsed.value("log-format") == Some("json")),
    };
    if parsed.has("version") || parsed.has("v") {
        features::version();
        return 0;
    }
    let Some((command, rest)) = rest.split_first() else {
        log::print(USAGE);
        return u8::from(!(parsed.has("help") || parsed.has("h")));
    };
    match run(&globals, command, rest) {
        Ok(code) => code,
        Err(failure) => globals.log.report(&failure),
    }
}

fn is_known(command: &str) -> bool {
    USAGE.split_whitespace().any(|word| word == command)
}

fn run(globals: &Globals, command: &str, rest: &[String]) -> Result<u8, Failure> {
    if rest.first().is_some_and(|word| word == "-h" || word == "--help") && is_known(command) {
        log::print(&USAGE.replacen("hako oci -", &format!("hako oci {command} -"), 1));
        return Ok(0);
    }
    match command {
        "create" => create::create(globals, rest),
        "run" => create::run(globals, rest),
        "start" => create::start(globals, rest),
        "plan" => create::plan(globals, rest),
        "exec" => exec::exec(globals, rest),
        "state" => list::state(globals, rest),
        "list" => list::list(globals, rest),
        "ps" => list::ps(globals, rest),
        "events" => list::events(globals, rest),
        "kill" => control::kill(globals, rest),
        "delete" => control::delete(globals, rest),
        "pause" => control::pause(globals, rest),
        "resume" => control::resume(globals, rest),
        "update" => resources::update(globals, rest),
        "features" => features::features(rest),
        "spec" => template::spec(rest),
        "help" => {
            log::print(USAGE);
            Ok(0)
        }
        other => Err(Failure::new(format!("No help topic for '{other}'")).with_code(3)),
    }
}
