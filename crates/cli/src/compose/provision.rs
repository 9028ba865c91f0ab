//! Images before containers: built, pulled, or already here.

use std::collections::{BTreeMap, BTreeSet};

use hako_compose::Loaded;
use hako_compose::model::Service;
use hako_project::{Progress, Status};
use hako_types::Platform;

use crate::compose::build;
use crate::compose::context::Context;
use crate::compose::progress::Mode;
use crate::image;
use crate::report::Failure;

/// When images are built.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Building {
    /// When they are not here.
    #[default]
    Missing,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How images are come by.
#[derive(Clone, Debug, Default)]
pub(super) struct Provision {
    pub(super) building: Building,
    /// The policy of the command line, over that of the services.
    pub(super) pull: Option<String>,
    pub(super) quiet_pull: bool,
    pub(super) quiet_build: bool,
}

/// What has to be done for a service's image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Need {
    Nothing,
    Build,
    Pull,
    Absent,
}

fn need(service: &Service, is_here: bool, how: &Provision) -> Need {
    let policy = how.pull.as_deref().unwrap_or(&service.pull_policy);
    if service.build.is_some() {
        return match how.building {
            Building::Always => Need::Build,
            Building::Never if is_here => Need::Nothing,
            Building::Never if service.image.is_empty() => Need::Absent,
            Building::Never => Need::Pull,
            Building::Missing if policy == "build" => Need::Build,
            Building::Missing if is_here => Need::Nothing,
            Building::Missing => Need::Build,
        };
    }
    match policy {
        "always" | "newer" => Need::Pull,
        "never" if !is_here => Need::Absent,
        "" | "missing" | "build" if !is_here => Need::Pull,
        _ if is_here => Need::Nothing,
        _ => Need::Pull,
    }
}

/// Comes by the images of services; returns their ids by service.
///
/// # Errors
/// When one cannot be built or pulled, or is not here and may not be.
pub(super) fn provide(
    context: &Context<'_>,
    loaded: &Loaded,
    services: &BTreeSet<String>,
    how: &Provision,
) -> Result<BTreeMap<String, String>, Failure> {
    let project = &loaded.project;
    let mut builds = BTreeSet::new();
    let mut pulls: BTreeMap<String, (String, Option<Platform>)> = BTreeMap::new();
    for (name, service) in project.services.iter().filter(|(name, _)| services.contains(*name)) {
        if service.provider.is_some() {
            let text = format!("the service `{name}` has a provider, which is not supported");
            return Err(Failure::new(text));
        }
        let image = service.image_name(&project.name, name);
        match need(service, id(context, &image)?.is_some(), how) {
            Need::Nothing => {}
            Need::Build => {
                builds.insert(name.clone());
            }
            Need::Pull => {
                pulls.insert(image, (name.clone(), service.platform.parse().ok()));
            }
            Need::Absent => {
                return Err(Failure::new(format!("No such image: {image}")).with_hint(format!(
                    "the service `{name}` needs it; build it with `hako compose build {name}`"
                )));
            }
        }
    }
    for (image, (service, platform)) in &pulls {
        pull(context, service, image, platform.as_ref(), how.quiet_pull)?;
    }
    if !builds.is_empty() {
        build::build(
            context,
            loaded,
            &builds,
            &build::Options { quiet: how.quiet_build, ..Default::default() },
        )?;
    }
    let mut images = BTreeMap::new();
    for (name, service) in project.services.iter().filter(|(name, _)| services.contains(*name)) {
        if let Some(id) = id(context, &service.image_name(&project.name, name))? {
            images.insert(name.clone(), id);
        }
    }
    Ok(images)
}

/// Returns an image's id; nothing when it is not here.
pub(super) fn id(context: &Context<'_>, image: &str) -> Result<Option<String>, Failure> {
    match context.engine()?.images()?.resolve(image) {
        Ok(found) => Ok(Some(found.id.to_string())),
        Err(error) if hako_types::Fault::kind(&error) == hako_types::Kind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Pulls the image of a service.
///
/// # Errors
/// When it cannot be pulled; the message names it.
pub(super) fn pull(
    context: &Context<'_>,
    service: &str,
    name: &str,
    platform: Option<&Platform>,
    quiet: bool,
) -> Result<(), Failure> {
    let subject = service.to_owned();
    let screen = &context.screen;
    screen.tell(&subject, "Pulling", Status::Working);
    if !context.is_dry() {
        let quiet = quiet || matches!(screen.mode(), Mode::Quiet | Mode::Json);
        screen.settle();
        if let Err(failure) = image::pull(context.session, name, platform, quiet) {
            screen.tell(&subject, &format!("Error: cannot pull {name}"), Status::Failed);
            return Err(failure);
        }
    }
    screen.tell(&subject, "Pulled", Status::Done);
    Ok(())
}
