//! `attach`.

use hako_engine::container::Streams;
use hako_engine::model::Status;

use super::{Command, run};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value};
use crate::report::Failure;
use crate::session::Session;
use crate::terminal::Conversation;

const FLAGS: &[Flag] = &[
    value("detach-keys", "string", "the keys that detach a terminal"),
    switch("no-stdin", "do not pass standard input on"),
    switch("sig-proxy", "pass signals on to the program (default true)"),
];

pub(super) const COMMAND: Command = Command {
    names: &["attach", "container attach"],
    about: "Attach to a running container's streams",
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
    let name = &parsed.words[0];
    let container = containers.find(name)?;
    match container.live.state.status {
        Status::Running => {}
        Status::Paused => {
            return Err(Failure::new("You cannot attach to a paused container, unpause it first"));
        }
        Status::Restarting => {
            return Err(Failure::new(
                "You cannot attach to a restarting container, wait until it is running",
            ));
        }
        _ => return Err(Failure::new("You cannot attach to a stopped container, start it first")),
    }
    let config = &container.record.config;
    let stdin = config.open_stdin && !parsed.on("no-stdin");
    run::check_terminal(config.tty, stdin)?;
    let keys = run::keys(session, parsed.text("detach-keys"))?;
    let streams = Streams { stdin, stdout: true, stderr: true };
    let attachment = containers.attach(name, streams)?;
    let proxy = !config.tty && (!parsed.given("sig-proxy") || parsed.on("sig-proxy"));
    let conversation = Conversation { stdin, tty: config.tty, proxy, keys };
    let end = conversation
        .hold(&attachment)
        .map_err(|error| Failure::io("the container cannot be heard", &error))?;
    run::ended(end)
}
