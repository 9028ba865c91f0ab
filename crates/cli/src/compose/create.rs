//! `create`: make containers and start none.

use super::Command;
use super::context::Context;
use super::up::{Request, SHARED};
use crate::args::{Parsed, Syntax, Words};
use crate::report::Failure;

pub(super) const COMMAND: Command = Command {
    names: &["create"],
    about: "Make the services' containers",
    syntax: Syntax {
        words: "[SERVICE...]",
        count: Words::AtLeast(0),
        program: false,
        flags: &[SHARED],
    },
    run,
};

fn run(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    Request::read(context, parsed)?.converge(context).map(|_| 0)
}
