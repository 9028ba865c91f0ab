//! `rename`.

use super::Command;
use crate::args::{Parsed, Syntax, Words};
use crate::report::Failure;
use crate::session::Session;

pub(super) const COMMAND: Command = Command {
    names: &["rename", "container rename"],
    about: "Rename a container",
    syntax: Syntax {
        words: "CONTAINER NEW_NAME",
        count: Words::Exactly(2),
        program: false,
        flags: &[],
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    session.engine()?.containers().rename(&parsed.words[0], &parsed.words[1])?;
    Ok(0)
}
