//! `restart`.

use super::{Command, stop};
use crate::args::{Parsed, Syntax, Words};
use crate::report::Failure;
use crate::session::Session;

pub(super) const COMMAND: Command = Command {
    names: &["restart", "container restart"],
    about: "Restart one or more containers",
    syntax: Syntax {
        words: "CONTAINER [CONTAINER...]",
        count: Words::AtLeast(1),
        program: false,
        flags: &[stop::FLAGS],
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let timeout = stop::timeout(parsed)?;
    let signal = parsed.text("signal").filter(|signal| !signal.is_empty());
    stop::at_once(session, &parsed.words, |engine, name| {
        Ok(engine.containers().restart(name, signal, timeout)?)
    })
}
