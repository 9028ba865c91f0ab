//! `pause` and `unpause`.

use super::Command;
use super::each::each;
use crate::args::{Parsed, Syntax, Words};
use crate::report::Failure;
use crate::session::Session;

const SYNTAX: Syntax = Syntax {
    words: "CONTAINER [CONTAINER...]",
    count: Words::AtLeast(1),
    program: false,
    flags: &[],
};

pub(super) const PAUSE: Command = Command {
    names: &["pause", "container pause"],
    about: "Pause all processes within one or more containers",
    syntax: SYNTAX,
    run: pause,
};

pub(super) const UNPAUSE: Command = Command {
    names: &["unpause", "container unpause"],
    about: "Unpause all processes within one or more containers",
    syntax: SYNTAX,
    run: unpause,
};

fn pause(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let containers = session.engine()?.containers();
    each(&parsed.words, |name| Ok(containers.pause(name)?))
}

fn unpause(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let containers = session.engine()?.containers();
    each(&parsed.words, |name| Ok(containers.unpause(name)?))
}
