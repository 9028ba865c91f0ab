//! The commands: one file each, and the table that finds them.

mod attach;
mod build;
mod commit;
mod completion;
mod containers;
mod cp;
mod create;
mod df;
mod diff;
mod each;
mod events;
mod exec;
mod export;
mod history;
mod images;
mod import;
mod info;
mod inspect;
mod kill;
mod load;
mod login;
mod logs;
mod network;
mod port;
mod prune;
mod ps;
mod pull;
mod push;
mod rename;
mod restart;
mod rm;
mod rmi;
mod run;
mod save;
mod start;
mod stats;
mod stop;
mod system;
mod tag;
mod top;
mod unsupported;
mod update;
mod version;
mod volume;
mod wait;

use std::io::Write;
use std::process::ExitCode;

use crate::args::{Parsed, Syntax, UsageError, did_you_mean, help, parse, usage_line};
use crate::environment::Surroundings;
use crate::globals::{self, Globals};
use crate::report::Failure;
use crate::session::Session;
use crate::{compose, oci};

/// One command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    /// What it is called, the common name first (`run`, `container run`).
    pub(crate) names: &'static [&'static str],
    /// What it does, in a line.
    pub(crate) about: &'static str,
    /// How it is typed.
    pub(crate) syntax: Syntax,
    /// What it does; returns the exit code.
    pub(crate) run: fn(&Session, &Parsed) -> Result<u8, Failure>,
}

/// Headings of the help and the commands below them.
const SECTIONS: &[(&str, &[&Command])] = &[
    (
        "Common Commands",
        &[
            &run::COMMAND,
            &exec::COMMAND,
            &ps::COMMAND,
            &pull::COMMAND,
            &push::COMMAND,
            &images::COMMAND,
            &login::LOGIN,
            &login::LOGOUT,
            &version::COMMAND,
            &info::COMMAND,
        ],
    ),
    (
        "Commands",
        &[
            &attach::COMMAND,
            &commit::COMMAND,
            &cp::COMMAND,
            &create::COMMAND,
            &diff::COMMAND,
            &events::COMMAND,
            &export::COMMAND,
            &history::COMMAND,
            &import::COMMAND,
            &inspect::COMMAND,
            &kill::COMMAND,
            &load::COMMAND,
            &logs::COMMAND,
            &containers::PAUSE,
            &port::COMMAND,
            &rename::COMMAND,
            &restart::COMMAND,
            &rm::COMMAND,
            &rmi::COMMAND,
            &save::COMMAND,
            &start::COMMAND,
            &stats::COMMAND,
            &stop::COMMAND,
            &tag::COMMAND,
            &top::COMMAND,
            &containers::UNPAUSE,
            &update::COMMAND,
            &wait::COMMAND,
            &completion::COMMAND,
            &unsupported::SEARCH,
        ],
    ),
    ("", &[&inspect::CONTAINER, &inspect::IMAGE, &prune::CONTAINERS, &prune::IMAGES]),
    (
        "",
        &[
            &network::CREATE,
            &network::LIST,
            &network::INSPECT,
            &network::REMOVE,
            &network::CONNECT,
            &network::DISCONNECT,
            &prune::NETWORKS,
        ],
    ),
    ("", &[&volume::CREATE, &volume::LIST, &volume::INSPECT, &volume::REMOVE, &prune::VOLUMES]),
    ("", &[&df::COMMAND, &prune::SYSTEM, &system::CHECK]),
];

/// Groups of commands.
const GROUPS: &[(&str, &str)] = &[
    ("builder", "Manage builds"),
    ("compose", "Projects of several containers"),
    ("container", "Manage containers"),
    ("image", "Manage images"),
    ("network", "Manage networks"),
    ("oci", "The OCI runtime, with runc's command line"),
    ("system", "Manage the engine's state"),
    ("volume", "Manage volumes"),
];

fn all() -> impl Iterator<Item = &'static Command> {
    SECTIONS.iter().flat_map(|(_, commands)| commands.iter().copied())
}

/// Runs the program: returns what it ends with.
pub(crate) fn main() -> ExitCode {
    let typed: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if typed.first().is_some_and(|word| word == "oci") {
        return oci::main(&typed[1..]).into();
    }
    let around = Surroundings::real();
    let code = match Globals::read(&around, &typed) {
        Ok((globals, words)) => {
            let session = Session::new(globals, around);
            let code = dispatch(&session, &words);
            if let Some(timings) = session.timings() {
                std::io::stderr().lock().write_all(timings.as_bytes()).ok();
            }
            code
        }
        Err(failure) => ended(&failure),
    };
    code.into()
}

fn ended(failure: &Failure) -> u8 {
    failure.print();
    failure.code
}

pub(crate) fn dispatch(session: &Session, words: &[String]) -> u8 {
    if session.globals.version {
        say(&format!("hako version {}\n", env!("CARGO_PKG_VERSION")));
        return 0;
    }
    let Some(first) = words.first() else {
        say(&overview());
        return 0;
    };
    if session.globals.help {
        say(&overview());
        return 0;
    }
    let second = words.get(1).map(String::as_str);
    let special = match (first.as_str(), second) {
        ("help", None) => {
            say(&overview());
            return 0;
        }
        ("help", Some(_)) => {
            let mut asked = words[1..].to_vec();
            asked.push("--help".into());
            return dispatch(session, &asked);
        }
        (completion::ASKS, _) => {
            let words = completion::words(session, &words[1..]);
            say(&words.into_iter().map(|word| word + "\n").collect::<String>());
            return 0;
        }
        ("compose", _) => Some(compose::main(session, &words[1..])),
        ("build" | "builder" | "buildx" | "bake" | "lint", _) | ("image", Some("build")) => {
            Some(build::main(session, words))
        }
        _ => None,
    };
    if let Some(result) = special {
        return result.unwrap_or_else(|failure| ended(&failure));
    }
    match find(words) {
        Some((name, command, rest)) => call(session, name, command, rest),
        None => unknown(words),
    }
}

/// Returns the command that the first one or two words name, the name, and the words after it.
fn find(words: &[String]) -> Option<(&'static str, &'static Command, &[String])> {
    let named = |typed: &str| {
        all().find_map(|command| {
            Some((*command.names.iter().find(|name| **name == typed)?, command))
        })
    };
    if let [first, second, ..] = words
        && let Some((name, command)) = named(&format!("{first} {second}"))
    {
        return Some((name, command, &words[2..]));
    }
    let (name, command) = named(words.first()?)?;
    Some((name, command, &words[1..]))
}

fn call(session: &Session, name: &str, command: &Command, words: &[String]) -> u8 {
    let shown = format!("hako {name}");
    let parsed = match parse(&shown, &command.syntax, words) {
        Ok(parsed) => parsed,
        Err(UsageError::Help) => {
            say(&help(command.names, command.about, &command.syntax));
            return 0;
        }
        Err(error) => return misused(name, command, error),
    };
    session.mark("read the command line");
    match (command.run)(session, &parsed) {
        Ok(code) => code,
        Err(failure) => {
            let code = ended(&failure);
            if failure.wants_usage() {
                complain(&format!("\nUsage:  {}\n", usage_line(name, &command.syntax)));
            }
            code
        }
    }
}

fn misused(name: &str, command: &Command, error: UsageError) -> u8 {
    let meant = match &error {
        UsageError::UnknownLong(flag) => {
            let known =
                command.syntax.all().filter(|flag| !flag.help.is_empty()).map(|flag| flag.long);
            did_you_mean(flag, known).map(|flag| format!("did you mean `--{flag}`?"))
        }
        _ => None,
    };
    let failure = Failure::usage(error);
    let wants_usage = failure.wants_usage();
    let failure = match meant {
        Some(meant) => failure.with_hint(meant),
        None => failure,
    };
    let code = ended(&failure);
    if wants_usage {
        let usage = usage_line(name, &command.syntax);
        complain(&format!("\nUsage:  {usage}\n\nRun 'hako {name} --help' for more information\n"));
    }
    code
}

fn unknown(words: &[String]) -> u8 {
    let first = words[0].as_str();
    if let Some((group, about)) = GROUPS.iter().find(|(group, _)| *group == first) {
        let text = group_help(group, about);
        let asked = words.len() == 1 || matches!(words[1].as_str(), "--help" | "-h" | "help");
        if asked {
            say(&text);
            return 0;
        }
        let failure = Failure::new(format!("unknown command: hako {group} {}", words[1]));
        complain(&text);
        return ended(&failure);
    }
    if let Some(failure) = unsupported::refusal(first) {
        return ended(&failure);
    }
    let names = all().map(|command| command.names[0]).chain(GROUPS.iter().map(|(group, _)| *group));
    let hint = did_you_mean(first, names.filter(|name| !name.contains(' ')));
    let hint = hint.map_or_else(
        || "see `hako --help`".to_owned(),
        |name| format!("did you mean `hako {name}`?"),
    );
    ended(&Failure::new(format!("unknown command: hako {first}")).with_hint(hint))
}

/// Returns the help of the whole program.
fn overview() -> String {
    let mut text = String::from("Usage:  hako [OPTIONS] COMMAND\n\nContainers without a daemon\n");
    let mut section = |title: &str, lines: &mut dyn Iterator<Item = (&str, &str)>| {
        text.push_str(&format!("\n{title}:\n"));
        for (name, about) in lines {
            text.push_str(&format!("  {name:11} {about}\n"));
        }
    };
    for (index, (title, commands)) in
        SECTIONS.iter().filter(|(title, _)| !title.is_empty()).enumerate()
    {
        if index == 1 {
            section("Management Commands", &mut GROUPS.iter().copied());
        }
        let build = (index == 0).then_some(("build", "Build an image from a Dockerfile"));
        section(
            title,
            &mut commands.iter().map(|command| (command.names[0], command.about)).chain(build),
        );
    }
    let options = help(&[""], "", &globals::SYNTAX);
    if let Some(at) = options.find("\nOptions:") {
        text.push_str(&options[at..].replacen("Options:", "Global Options:", 1));
    }
    text.push_str("\nRun 'hako COMMAND --help' for more information on a command.\n");
    text
}

fn group_help(group: &str, about: &str) -> String {
    let mut text = format!("Usage:  hako {group} COMMAND\n\n{about}\n\nCommands:\n");
    let prefix = format!("{group} ");
    let mut lines: Vec<(&str, &str)> = all()
        .filter_map(|command| {
            Some((command.names.iter().find_map(|name| name.strip_prefix(&prefix))?, command.about))
        })
        .collect();
    lines.sort_unstable();
    for (name, about) in lines {
        text.push_str(&format!("  {name:11} {about}\n"));
    }
    text.push_str(&format!(
        "\nRun 'hako {group} COMMAND --help' for more information on a command.\n"
    ));
    text
}

/// Prints on standard output; a reader that has gone is not an error.
pub(crate) fn say(text: &str) {
    crate::terminal::print(text);
}

/// Prints on standard error.
pub(crate) fn complain(text: &str) {
    std::io::stderr().lock().write_all(text.as_bytes()).ok();
}
