//! `push`.

use hako_image::Image;
use hako_types::Reference;

use super::{Command, say};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value};
use crate::image::{self, Mode};
use crate::report::Failure;
use crate::session::Session;

const FLAGS: &[Flag] = &[
    switch("all-tags", "push all tags of the repository").short('a'),
    value("platform", "string", ""),
    switch("quiet", "print the name only").short('q'),
    switch("disable-content-trust", ""),
];

pub(super) const COMMAND: Command = Command {
    names: &["push", "image push"],
    about: "Upload an image to a registry",
    syntax: Syntax {
        words: "NAME[:TAG]",
        count: Words::Exactly(1),
        program: false,
        flags: &[FLAGS],
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let asked = image::reference(&parsed.words[0])?;
    if asked.digest.is_some() {
        return Err(Failure::new("cannot push a digest reference"));
    }
    let all = parsed.on("all-tags");
    if all && asked.tag.is_some() {
        return Err(Failure::new("tag can't be used with --all-tags/-a"));
    }
    let images = session.engine()?.images()?;
    let quiet = parsed.on("quiet");
    let mode = if quiet { Mode::Quiet } else { Mode::Stdout };
    let wanted: Vec<(Image, Reference)> = if all {
        let mut found = Vec::new();
        for image in images.list()? {
            let names: Vec<Reference> = images.names_of(&image.id)?;
            found.extend(
                names
                    .into_iter()
                    .filter(|name| name.repository() == asked.repository())
                    .map(|name| (image.clone(), name)),
            );
        }
        found
    } else {
        if asked.tag.is_none() && !quiet {
            say("Using default tag: latest\n");
        }
        let name = asked.clone().tagged();
        let image = images.resolve(&name.to_string());
        let missing = |_| {
            Failure::new(format!(
                "An image does not exist locally with the tag: {}",
                asked.familiar()
            ))
        };
        vec![(image.map_err(missing)?, name)]
    };
    if wanted.is_empty() {
        let message = format!(
            "An image does not exist locally with the tag: {}",
            asked.familiar_repository()
        );
        return Err(Failure::new(message));
    }
    if !quiet {
        say(&format!("The push refers to repository [{}]\n", asked.repository()));
    }
    let client = image::client(session);
    for (image, name) in &wanted {
        image::push_named(session, &client, (image, name), mode)?;
        if quiet {
            say(&format!("{name}\n"));
        }
    }
    Ok(0)
}
