//! `kill`.

use super::Command;
use super::each::each;
use crate::args::{Flag, Parsed, Syntax, Words, value};
use crate::report::Failure;
use crate::session::Session;

const FLAGS: &[Flag] = &[value("signal", "string", "signal to send (default KILL)").short('s')];

pub(super) const COMMAND: Command = Command {
    names: &["kill", "container kill"],
    about: "Kill one or more running containers",
    syntax: Syntax {
        words: "CONTAINER [CONTAINER...]",
        count: Words::AtLeast(1),
        program: false,
        flags: &[FLAGS],
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let containers = session.engine()?.containers();
    let signal = parsed.text("signal").filter(|signal| !signal.is_empty()).unwrap_or("KILL");
    each(&parsed.words, |name| Ok(containers.kill(name, signal)?))
}
