//! `wait`.

use hako_engine::container::Wait;

use super::Command;
use super::each::each_printing;
use crate::args::{Parsed, Syntax, Words};
use crate::report::Failure;
use crate::session::Session;

pub(super) const COMMAND: Command = Command {
    names: &["wait", "container wait"],
    about: "Wait until one or more containers stop, then print their exit codes",
    syntax: Syntax {
        words: "CONTAINER [CONTAINER...]",
        count: Words::AtLeast(1),
        program: false,
        flags: &[],
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let containers = session.engine()?.containers();
    each_printing(&parsed.words, |name| {
        Ok(Some(containers.wait(name, Wait::NotRunning)?.to_string()))
    })
}
