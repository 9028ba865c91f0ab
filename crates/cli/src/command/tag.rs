//! `tag`.

use hako_types::Reference;

use super::Command;
use crate::args::{Parsed, Syntax, Words};
use crate::image;
use crate::report::Failure;
use crate::session::Session;

pub(super) const COMMAND: Command = Command {
    names: &["tag", "image tag"],
    about: "Give an image one more name",
    syntax: Syntax {
        words: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
        count: Words::Exactly(2),
        program: false,
        flags: &[],
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let images = session.engine()?.images()?;
    let target: Reference = image::reference(&parsed.words[1])?;
    let source = images.resolve(&parsed.words[0])?;
    images.tag(&source.id, &target)?;
    session.engine()?.events().image("tag", &source.id.to_string(), &target.tagged().familiar());
    Ok(0)
}
