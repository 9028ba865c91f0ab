//! `down`: take a project away.

use hako_project::apply::{ApplyOptions, DownOptions, down};
use hako_project::{Progress, Status, lock};

use super::context::Context;
use super::provision::id;
use super::scene::Scene;
use super::{Command, warn};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value};
use crate::report::Failure;

const FLAGS: &[Flag] = &[
    switch("remove-orphans", "remove containers of services that are not in the file"),
    value("rmi", "string", "remove images: local for those without a name of their own, or all"),
    value("timeout", "int", "seconds that containers have to stop").short('t'),
    switch("volumes", "remove named and anonymous volumes").short('v'),
];

pub(super) const COMMAND: Command = Command {
    names: &["down"],
    about: "Stop and remove containers and networks",
    syntax: Syntax {
        words: "[SERVICE...]",
        count: Words::AtLeast(0),
        program: false,
        flags: &[FLAGS],
    },
    run,
};

fn run(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let images = parsed.text("rmi").unwrap_or_default().to_owned();
    if !["", "local", "all"].contains(&images.as_str()) {
        return Err(Failure::new(format!("invalid value for --rmi: {images:?}")));
    }
    let scene = Scene::find(context)?;
    let _nobody_else = lock(context.engine()?, &scene.wanted.project.name)?;
    let chosen = scene.chosen(context, &parsed.words, true)?;
    let options = ApplyOptions {
        timeout: parsed.given("timeout").then(|| parsed.integer("timeout")).transpose()?,
        ..context.apply_options()?
    };
    let work = scene.work(context, &options)?;
    let found = down(
        &work,
        &DownOptions {
            services: parsed.words.iter().cloned().collect(),
            known: scene.known.clone(),
            remove_orphans: context.switched(parsed, "remove-orphans", "COMPOSE_REMOVE_ORPHANS"),
            volumes: parsed.on("volumes"),
        },
    )?;
    if !images.is_empty() {
        remove_images(context, &scene, &images)?;
    }
    if !found && chosen.containers.is_empty() && parsed.words.is_empty() {
        warn(&format!(
            "No resource found to remove for project \"{}\".",
            scene.wanted.project.name
        ));
    }
    Ok(0)
}

fn remove_images(context: &Context<'_>, scene: &Scene, which: &str) -> Result<(), Failure> {
    let project = &scene.wanted.project;
    for (name, service) in &project.services {
        if which == "local" && !(service.image.is_empty() && service.build.is_some()) {
            continue;
        }
        let image = service.image_name(&project.name, name);
        if id(context, &image)?.is_none() {
            continue;
        }
        let subject = format!("Image {image}");
        context.screen.tell(&subject, "Removing", Status::Working);
        if !context.is_dry() {
            let engine = context.engine()?;
            engine.images()?.remove(&image, false, &crate::image::uses(engine)?)?;
        }
        context.screen.tell(&subject, "Removed", Status::Done);
    }
    Ok(())
}
