//! `hako build` and its other names, and `hako builder`.

mod asked;
mod display;
mod flags;
mod housekeeping;
mod inputs;
mod inspection;
mod job;
mod mistakes;
mod output;
mod secrets;
mod terminal;

use crate::args::{Parsed, UsageError, help, parse, usage_line};
use crate::report::Failure;
use crate::session::Session;

/// Runs a command whose first word is `build`, `builder`, `buildx` or `bake`, or whose first two are `image build`. The
/// words are all of them, the name included.
///
/// # Errors
/// When the command fails.
pub(crate) fn main(session: &Session, words: &[String]) -> Result<u8, Failure> {
    let first = words.first().map(String::as_str).unwrap_or_default();
    let second = words.get(1).map(String::as_str).unwrap_or_default();
    let (name, skipped): (&str, usize) = match (first, second) {
        ("build", _) => ("build", 1),
        ("lint", _) => ("lint", 1),
        ("image", _) => ("image build", 2),
        ("builder", "build" | "b") => ("builder build", 2),
        ("buildx", "build" | "b") => ("buildx build", 2),
        ("builder" | "buildx", "prune") => return housekeeping::prune(session, &words[2..]),
        ("builder" | "buildx", "du") => return housekeeping::usage(session, &words[2..]),
        ("builder" | "buildx", "version") => {
            super::say(&format!("hako builder {}\n", env!("CARGO_PKG_VERSION")));
            return Ok(0);
        }
        ("builder" | "buildx", "ls" | "inspect") => {
            super::say(
                "NAME/NODE    DRIVER/ENDPOINT    STATUS     PLATFORMS\nhako*        hako               running    ",
            );
            super::say(&format!("{}\n", hako_types::Platform::host()));
            return Ok(0);
        }
        ("builder" | "buildx", "" | "--help" | "-h" | "help") => {
            super::say(housekeeping::HELP);
            return Ok(0);
        }
        ("builder" | "buildx", other) => {
            return Err(Failure::new(format!("unknown command: hako {first} {other}")));
        }
        _ => return Err(Failure::new("`hako bake` is not built into this hako")),
    };
    let syntax = flags::SYNTAX;
    let parsed: Parsed = match parse(&format!("hako {name}"), &syntax, &words[skipped..]) {
        Ok(parsed) => parsed,
        Err(UsageError::Help) => {
            super::say(&help(
                &["build", "image build", "builder build", "buildx build"],
                flags::ABOUT,
                &syntax,
            ));
            return Ok(0);
        }
        Err(error) => {
            super::complain(&format!("Usage:  {}\n\n", usage_line(name, &syntax)));
            return Err(Failure::usage(error));
        }
    };
    job::run(session, &parsed, first == "lint")
}
