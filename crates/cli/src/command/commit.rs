//! `commit`.

use hako_engine::container::CommitRequest;

use super::{Command, say};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value, values};
use crate::image;
use crate::report::Failure;
use crate::session::Session;

const FLAGS: &[Flag] = &[
    value("author", "string", "who made it").short('a'),
    values("change", "list", "a Dockerfile instruction to apply to the image").short('c'),
    value("message", "string", "what it is about").short('m'),
    switch("pause", "pause the container meanwhile (default true)").short('p'),
    switch("no-pause", "do not pause the container meanwhile"),
];

pub(super) const COMMAND: Command = Command {
    names: &["commit", "container commit"],
    about: "Create a new image from a container's changes",
    syntax: Syntax {
        words: "CONTAINER [REPOSITORY[:TAG]]",
        count: Words::Between(1, 2),
        program: false,
        flags: &[FLAGS],
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let reference = parsed.words.get(1).map(|name| image::reference(name)).transpose()?;
    let request = CommitRequest {
        reference,
        author: parsed.string("author"),
        message: parsed.string("message"),
        changes: parsed.list("change"),
        pause: !(parsed.on("no-pause") || parsed.text("pause") == Some("false")),
    };
    let id = session.engine()?.containers().commit(&parsed.words[0], &request)?;
    say(&format!("{id}\n"));
    Ok(0)
}
