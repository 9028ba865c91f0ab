//! `rmi`.

use hako_types::{Fault, Kind};

use super::{Command, say};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value};
use crate::image;
use crate::report::Failure;
use crate::session::Session;

const FLAGS: &[Flag] = &[
    switch("force", "take all names away, and remove the image under stopped containers")
        .short('f'),
    switch("no-prune", "keep layers that nothing needs any more"),
    value("platform", "string", ""),
];

pub(super) const COMMAND: Command = Command {
    names: &["rmi", "image rm", "image remove"],
    about: "Remove one or more images",
    syntax: Syntax {
        words: "IMAGE [IMAGE...]",
        count: Words::AtLeast(1),
        program: false,
        flags: &[FLAGS],
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let engine = session.engine()?;
    let force = parsed.on("force");
    let (mut code, mut deleted) = (0, false);
    for name in &parsed.words {
        let id =
            engine.images()?.resolve(name).map(|image| image.id.to_string()).unwrap_or_default();
        match engine.images()?.remove(name, force, &image::uses(engine)?) {
            Ok(removed) => {
                for one in &removed {
                    let (action, id) = match one {
                        hako_image::Removed::Untagged(_) => ("untag", id.clone()),
                        hako_image::Removed::Deleted(id) => ("delete", id.to_string()),
                    };
                    engine.events().image(action, &id, &id);
                    deleted |= matches!(one, hako_image::Removed::Deleted(_));
                    say(&format!("{one}\n"));
                }
            }
            Err(error) => {
                let absent = error.kind() == Kind::NotFound;
                Failure::from(error).print();
                code = if absent && force { code } else { 1 };
            }
        }
    }
    if deleted && !parsed.on("no-prune") {
        engine.system().free_layers()?;
    }
    Ok(code)
}
