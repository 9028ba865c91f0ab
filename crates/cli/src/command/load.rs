//! `load`.

use hako_image::archive;

use super::{Command, say};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value};
use crate::image::input;
use crate::report::Failure;
use crate::session::Session;
use crate::terminal::is_terminal;

const FLAGS: &[Flag] = &[
    value("input", "string", "read from this file").short('i'),
    switch("quiet", "show no progress").short('q'),
    value("platform", "string", ""),
];

pub(super) const COMMAND: Command = Command {
    names: &["load", "image load"],
    about: "Read images from a tar archive",
    syntax: Syntax { words: "", count: Words::Exactly(0), program: false, flags: &[FLAGS] },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let path = parsed.text("input");
    if path.is_none() && is_terminal(rustix::stdio::stdin()) {
        return Err(Failure::new("requested load from stdin, but stdin is empty")
            .with_hint("use -i FILE or redirect"));
    }
    let source = input(session, path)?;
    let images = session.engine()?.images()?;
    for loaded in archive::load(&images, source)? {
        for (name, id) in &loaded.displaced {
            let name = name.familiar();
            say(&format!(
                "The image {name} already exists, renaming the old one with ID {id} to empty string\n"
            ));
        }
        let id = loaded.image.id.to_string();
        session.engine()?.events().image("load", &id, &id);
        if loaded.names.is_empty() {
            say(&format!("Loaded image ID: {}\n", loaded.image.id));
        }
        for name in &loaded.names {
            say(&format!("Loaded image: {}\n", name.familiar()));
        }
    }
    Ok(0)
}
