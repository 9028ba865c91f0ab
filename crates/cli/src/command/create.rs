//! `create`: everything of `run` but the running.

use super::{Command, run, say};
use crate::args::{Parsed, Syntax, Words};
use crate::create;
use crate::report::Failure;
use crate::session::Session;

pub(super) const COMMAND: Command = Command {
    names: &["create", "container create"],
    about: "Create a new container",
    syntax: Syntax {
        words: "IMAGE [COMMAND] [ARG...]",
        count: Words::AtLeast(1),
        program: true,
        flags: create::CREATE,
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let request = run::request(session, parsed)?;
    let id = run::made(session, parsed, &request).map_err(|failure| {
        // What Docker's own client says of a container that it could not make ends with 1; `run` ends with 125.
        if failure.code == 125 { failure.with_code(1) } else { failure }
    })?;
    say(&format!("{id}\n"));
    Ok(0)
}
