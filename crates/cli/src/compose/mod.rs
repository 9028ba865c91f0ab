//! `hako compose`: projects.
//!
//! The words become a call of `hako_compose` (files → model) and `hako_project` (model → containers). What is done to
//! single containers that docker has a command for as well (`exec`, `cp`, `stats`, …) is that command, called with the
//! container's id.

mod attached;
mod build;
mod config;
mod containers;
mod context;
mod create;
mod down;
mod events;
mod files;
mod images;
mod lifecycle;
mod logs;
mod ls;
mod port;
mod printer;
mod progress;
mod provision;
mod ps;
mod run;
mod scale;
mod scene;
mod up;
mod volumes;
mod watch;

use crate::args::{
    Flag, Parsed, Syntax, UsageError, Words, did_you_mean, help, parse, switch, usage_line, value,
    values,
};
use crate::command::{complain, say};
use crate::report::Failure;
use crate::session::Session;
use context::Context;

/// A command of `hako compose`.
#[derive(Clone, Copy, Debug)]
struct Command {
    names: &'static [&'static str],
    about: &'static str,
    syntax: Syntax,
    run: fn(&Context<'_>, &Parsed) -> Result<u8, Failure>,
}

/// The flags before the command.
const FLAGS: &[Flag] = &[
    switch("all-resources", "include all resources, even those not used by services"),
    value("ansi", "string", "when to use colours: never, always or auto"),
    switch("compatibility", ""),
    switch("dry-run", "tell what would be done, and do nothing"),
    values("env-file", "list", "a file of variables in the place of .env"),
    values("file", "list", "a Compose file").short('f'),
    value("parallel", "int", "how many services are worked on at the same time, -1 for all"),
    values("profile", "list", "a profile to turn on"),
    value("progress", "string", "how progress is shown: auto, tty, plain, json or quiet"),
    value("project-directory", "string", "what relative paths are relative to"),
    value("project-name", "string", "the project's name").short('p'),
    switch("verbose", ""),
    switch("version", "print the version and end").short('v'),
    value("workdir", "string", ""),
];

const SYNTAX: Syntax =
    Syntax { words: "COMMAND", count: Words::AtLeast(0), program: true, flags: &[FLAGS] };

const COMMANDS: &[&Command] = &[
    &containers::ATTACH,
    &build::COMMAND,
    &containers::COMMIT,
    &config::COMMAND,
    &containers::CP,
    &create::COMMAND,
    &down::COMMAND,
    &events::COMMAND,
    &containers::EXEC,
    &containers::EXPORT,
    &images::COMMAND,
    &lifecycle::KILL,
    &logs::COMMAND,
    &ls::COMMAND,
    &lifecycle::PAUSE,
    &port::COMMAND,
    &ps::COMMAND,
    &images::PULL,
    &images::PUSH,
    &lifecycle::RESTART,
    &lifecycle::RM,
    &run::COMMAND,
    &scale::COMMAND,
    &lifecycle::START,
    &containers::STATS,
    &lifecycle::STOP,
    &containers::TOP,
    &lifecycle::UNPAUSE,
    &up::COMMAND,
    &ls::VERSION,
    &volumes::COMMAND,
    &watch::COMMAND,
    &lifecycle::WAIT,
];

/// Runs `hako compose` with the words after `compose`; returns the exit code.
///
/// # Errors
/// When the command fails.
pub(crate) fn main(session: &Session, words: &[String]) -> Result<u8, Failure> {
    let globals = match parse("hako compose", &SYNTAX, words) {
        Err(UsageError::Help) => {
            say(&overview());
            return Ok(0);
        }
        read => read.map_err(|error| misused(&error, "compose", &SYNTAX))?,
    };
    if globals.on("version") {
        return (ls::VERSION.run)(&Context::new(session, globals)?, &Parsed::default());
    }
    let Some((name, rest)) = globals.words.split_first() else {
        say(&overview());
        return Ok(0);
    };
    let (name, rest) = match (name.as_str(), rest.split_first()) {
        ("help", None) => {
            say(&overview());
            return Ok(0);
        }
        ("help", Some((asked, _))) => (asked.clone(), vec!["--help".to_owned()]),
        _ => (name.clone(), rest.to_vec()),
    };
    let Some(command) = COMMANDS.iter().find(|command| command.names.contains(&name.as_str()))
    else {
        let failure = Failure::new(format!("unknown docker command: \"compose {name}\""));
        let names = COMMANDS.iter().flat_map(|command| command.names.iter().copied());
        return Err(match did_you_mean(&name, names) {
            Some(near) => failure.with_hint(format!("did you mean `hako compose {near}`?")),
            None => failure.with_hint("see `hako compose --help`"),
        });
    };
    let shown = format!("compose {}", command.names[0]);
    let parsed = match parse(&format!("hako {shown}"), &command.syntax, &rest) {
        Err(UsageError::Help) => {
            say(&help(&[&shown], command.about, &command.syntax));
            return Ok(0);
        }
        read => read.map_err(|error| misused(&error, &shown, &command.syntax))?,
    };
    (command.run)(&Context::new(session, globals)?, &parsed)
}

fn misused(error: &UsageError, name: &str, syntax: &Syntax) -> Failure {
    let code = if matches!(error, UsageError::Count(_)) { 1 } else { 16 };
    let near = match error {
        UsageError::UnknownLong(flag) => did_you_mean(flag, syntax.all().map(|flag| flag.long)),
        _ => None,
    };
    let hint =
        near.map_or_else(|| usage_line(name, syntax), |flag| format!("did you mean `--{flag}`?"));
    Failure::new(error.to_string()).with_code(code).with_hint(hint)
}

fn overview() -> String {
    let mut text =
        help(&["compose"], "Projects of several containers, described by Compose files", &SYNTAX);
    text.push_str("\nCommands:\n");
    for command in COMMANDS {
        text.push_str(&format!("  {:<12}{}\n", command.names[0], command.about));
    }
    text
}

/// Tells of something that is no failure.
fn warn(text: &str) {
    complain(&format!("warning: {text}\n"));
}
