//! `save`.

use hako_image::archive::SavePlan;

use super::Command;
use crate::args::{Flag, Parsed, Syntax, Words, value};
use crate::image::Output;
use crate::report::Failure;
use crate::session::Session;

const FLAGS: &[Flag] =
    &[value("output", "string", "write to this file").short('o'), value("platform", "string", "")];

pub(super) const COMMAND: Command = Command {
    names: &["save", "image save"],
    about: "Write images to a tar archive",
    syntax: Syntax {
        words: "IMAGE [IMAGE...]",
        count: Words::AtLeast(1),
        program: false,
        flags: &[FLAGS],
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let images = session.engine()?.images()?;
    let plan = SavePlan::new(&images, &parsed.words)?;
    let mut output = Output::open(session, parsed.text("output"))?;
    plan.write(output.writer())?;
    output.keep()?;
    Ok(0)
}
