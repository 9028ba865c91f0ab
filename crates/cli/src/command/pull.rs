//! `pull`.

use hako_types::Platform;

use super::{Command, say};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value};
use crate::image::{self, Mode};
use crate::report::Failure;
use crate::session::Session;

const FLAGS: &[Flag] = &[
    switch("all-tags", "pull all tags of the repository").short('a'),
    value("platform", "string", "platform of the image: os/arch[/variant]"),
    switch("quiet", "print the name only").short('q'),
    switch("disable-content-trust", ""),
];

pub(super) const COMMAND: Command = Command {
    names: &["pull", "image pull"],
    about: "Download an image from a registry",
    syntax: Syntax {
        words: "NAME[:TAG|@DIGEST]",
        count: Words::Exactly(1),
        program: false,
        flags: &[FLAGS],
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let asked = image::reference(&parsed.words[0])?;
    let platform = parsed.read("platform", str::parse::<Platform>)?;
    let (quiet, all) = (parsed.on("quiet"), parsed.on("all-tags"));
    let mode = if quiet { Mode::Quiet } else { Mode::Stdout };
    let client = image::client(session);
    if all {
        if asked.tag.is_some() || asked.digest.is_some() {
            return Err(Failure::new("tag can't be used with --all-tags/-a"));
        }
        for tag in client.repository(&asked)?.tags()? {
            image::pull_named(session, &client, (&asked.with_tag(&tag), platform.as_ref()), mode)?;
        }
        say(&format!("{}\n", asked.repository()));
        return Ok(0);
    }
    if asked.tag.is_none() && asked.digest.is_none() && !quiet {
        say("Using default tag: latest\n");
    }
    let name = asked.tagged();
    image::pull_named(session, &client, (&name, platform.as_ref()), mode)?;
    let familiar = name.familiar();
    session.engine()?.events().image("pull", &familiar, &familiar);
    say(&format!("{name}\n"));
    Ok(0)
}
