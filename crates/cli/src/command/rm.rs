//! `rm`.

use hako_engine::Error;
use hako_engine::container::RemoveOptions;

use super::Command;
use super::each::each;
use crate::args::{Flag, Parsed, Syntax, Words, switch};
use crate::report::Failure;
use crate::session::Session;

const FLAGS: &[Flag] = &[
    switch("force", "kill it first where it runs").short('f'),
    switch("link", "remove the link, not the container").short('l'),
    switch("volumes", "remove its anonymous volumes too").short('v'),
];

pub(super) const COMMAND: Command = Command {
    names: &["rm", "container rm", "container remove"],
    about: "Remove one or more containers",
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
    let (force, volumes) = (parsed.on("force"), parsed.on("volumes"));
    if parsed.on("link") {
        return Err(Failure::new("hako has no links that could be removed")
            .with_hint("disconnect the container from the network"));
    }
    let options = RemoveOptions { force, volumes };
    each(&parsed.words, |name| match containers.remove(name, options) {
        // What is gone already is as wanted.
        Err(error @ Error::NoSuch { .. }) if force => {
            Failure::from(error).print();
            Err(Failure::silent(0))
        }
        result => Ok(result?),
    })
    .map(|code| if force && code == 1 { forced_code(session, parsed) } else { code })
}

/// With `--force`, containers that are not there are no failure.
fn forced_code(session: &Session, parsed: &Parsed) -> u8 {
    let left =
        |name: &String| session.engine().is_ok_and(|engine| engine.containers().find(name).is_ok());
    u8::from(parsed.words.iter().any(left))
}
