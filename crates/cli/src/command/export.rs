//! `export`.

use super::Command;
use crate::args::{Flag, Parsed, Syntax, Words, value};
use crate::image::Output;
use crate::report::Failure;
use crate::session::Session;

const FLAGS: &[Flag] = &[value("output", "string", "write to this file").short('o')];

pub(super) const COMMAND: Command = Command {
    names: &["export", "container export"],
    about: "Write a container's files as a tar archive",
    syntax: Syntax {
        words: "CONTAINER",
        count: Words::Exactly(1),
        program: false,
        flags: &[FLAGS],
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let containers = session.engine()?.containers();
    containers.find(&parsed.words[0])?;
    let mut output = Output::open(session, parsed.text("output"))?;
    containers.export(&parsed.words[0], output.writer())?;
    output.keep()?;
    Ok(0)
}
