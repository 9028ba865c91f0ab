//! `start`.

use hako_engine::container::{StartOptions, Streams};

use super::each::each;
use super::{Command, run};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value};
use crate::report::Failure;
use crate::session::Session;
use crate::terminal::{Conversation, size};

const FLAGS: &[Flag] = &[
    switch("attach", "show its output and pass signals on").short('a'),
    switch("interactive", "pass standard input on").short('i'),
    value("detach-keys", "string", "the keys that detach a terminal"),
    switch("sig-proxy", ""),
    value("checkpoint", "string", ""),
    value("checkpoint-dir", "string", ""),
];

pub(super) const COMMAND: Command = Command {
    names: &["start", "container start"],
    about: "Start one or more stopped containers",
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
    if !parsed.on("attach") && !parsed.on("interactive") {
        return each(&parsed.words, |name| {
            containers.start(name, StartOptions::default())?;
            Ok(())
        });
    }
    let [name] = parsed.words.as_slice() else {
        return Err(Failure::new("you cannot start and attach multiple containers at once"));
    };
    let container = containers.find(name)?;
    let config = &container.record.config;
    let stdin = parsed.on("interactive") && config.open_stdin;
    run::check_terminal(config.tty, stdin)?;
    let keys = run::keys(session, parsed.text("detach-keys"))?;
    let streams = Streams { stdin, stdout: true, stderr: true };
    let size = if config.tty { size(rustix::stdio::stdout()) } else { None };
    let attachment = containers.start(name, StartOptions { attach: Some(streams), size })?;
    let Some(attachment) = attachment else { return Ok(0) };
    let proxy = !config.tty && (!parsed.given("sig-proxy") || parsed.on("sig-proxy"));
    let conversation = Conversation { stdin, tty: config.tty, proxy, keys };
    let end = conversation
        .hold(&attachment)
        .map_err(|error| Failure::io("the container cannot be heard", &error))?;
    run::ended(end)
}
