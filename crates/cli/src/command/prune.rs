//! What nobody uses any more: `container prune`, `image prune`, `network prune`, `volume prune`, `system prune`.

use hako_engine::container::RemoveOptions;
use hako_engine::model::Status;
use hako_engine::{Engine, Error};
use hako_image::content::{LabelFilter, PruneFilter};
use hako_types::Bytes;

use super::{Command, network, say};
use crate::args::{Flag, Parsed, Syntax, Words, switch, values};
use crate::filter::Filters;
use crate::image;
use crate::prompt::confirm;
use crate::report::Failure;
use crate::session::Session;

const FORCE: Flag = switch("force", "do not ask").short('f');
const FILTER: Flag = values("filter", "filter", "only these: label=…, label!=…, until=…");
const ALL_IMAGES: Flag =
    switch("all", "all that no container uses, not only those without a name").short('a');
const ALL_VOLUMES: Flag = switch("all", "named ones too").short('a');
const VOLUMES_TOO: Flag = switch("volumes", "anonymous volumes too");

const fn syntax(flags: &'static [&'static [Flag]]) -> Syntax {
    Syntax { words: "", count: Words::Exactly(0), program: false, flags }
}

pub(super) const CONTAINERS: Command = Command {
    names: &["container prune"],
    about: "Remove all containers that do not run",
    syntax: syntax(&[&[FORCE, FILTER]]),
    run: containers,
};

pub(super) const IMAGES: Command = Command {
    names: &["image prune"],
    about: "Remove unused images",
    syntax: syntax(&[&[ALL_IMAGES, FORCE, FILTER]]),
    run: images,
};

pub(super) const NETWORKS: Command = Command {
    names: &["network prune"],
    about: "Remove all unused networks",
    syntax: syntax(&[&[FORCE, FILTER]]),
    run: networks,
};

pub(super) const VOLUMES: Command = Command {
    names: &["volume prune"],
    about: "Remove unused volumes",
    syntax: syntax(&[&[ALL_VOLUMES, FORCE, FILTER]]),
    run: volumes,
};

pub(super) const SYSTEM: Command = Command {
    names: &["system prune"],
    about: "Remove everything that is unused",
    syntax: syntax(&[&[ALL_IMAGES, FORCE, FILTER, VOLUMES_TOO]]),
    run: system,
};

const KNOWN: &[&str] = &["label", "label!", "until"];

/// What was removed: lines to print, and bytes.
#[derive(Debug, Default)]
struct Pruned {
    lines: Vec<String>,
    bytes: u64,
}

impl Pruned {
    fn print(&self, heading: &str) {
        if !self.lines.is_empty() {
            say(&format!("{heading}:\n{}\n\n", self.lines.join("\n")));
        }
    }
}

fn asked(parsed: &Parsed, warning: &str) -> bool {
    parsed.on("force") || confirm(&format!("WARNING! {warning}"))
}

fn reclaimed(bytes: u64) -> u8 {
    say(&format!("Total reclaimed space: {}\n", Bytes(bytes).human3()));
    0
}

fn containers(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let filters = Filters::read(parsed, KNOWN)?;
    if !asked(parsed, "This will remove all stopped containers.") {
        return Ok(0);
    }
    let pruned = prune_containers(session.engine()?, &filters)?;
    pruned.print("Deleted Containers");
    Ok(reclaimed(pruned.bytes))
}

fn prune_containers(engine: &Engine, filters: &Filters) -> Result<Pruned, Failure> {
    let until = filters.until()?;
    let mut pruned = Pruned::default();
    for one in engine.containers().list()? {
        let idle = matches!(one.live.state.status, Status::Created | Status::Exited | Status::Dead);
        let wanted = filters.labels(&one.record.config.labels)
            && until.is_none_or(|until| one.created < until);
        if !idle || !wanted {
            continue;
        }
        let id = one.id.as_str();
        let size = super::df::own_size(engine, &one);
        match engine.containers().remove(id, RemoveOptions::default()) {
            Ok(()) => {
                pruned.lines.push(id.to_owned());
                pruned.bytes += size;
            }
            // Somebody started or removed it in the meantime.
            Err(Error::NoSuch { .. } | Error::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(pruned)
}

fn images(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let filters = Filters::read(parsed, &["dangling", "label", "label!", "until"])?;
    let all = parsed.on("all") || filters.truth("dangling")? == Some(false);
    let what = if all {
        "images without at least one container associated to them"
    } else {
        "dangling images"
    };
    if !asked(parsed, &format!("This will remove all {what}.")) {
        return Ok(0);
    }
    let pruned = prune_images(session.engine()?, &filters, all)?;
    pruned.print("Deleted Images");
    Ok(reclaimed(pruned.bytes))
}

fn prune_images(engine: &Engine, filters: &Filters, all: bool) -> Result<Pruned, Failure> {
    let wanted = filters.values("label").iter().map(|text| LabelFilter::parse(text, true));
    let unwanted = filters.values("label!").iter().map(|text| LabelFilter::parse(text, false));
    let filter =
        PruneFilter { all, until: filters.until()?, labels: wanted.chain(unwanted).collect() };
    let removed = engine.images()?.prune(&filter, &image::uses(engine)?)?;
    let lines = removed.iter().map(|one| one.to_string().to_lowercase()).collect();
    let bytes = engine.system().free_layers()?;
    Ok(Pruned { lines, bytes })
}

fn networks(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let filters = Filters::read(parsed, KNOWN)?;
    if !asked(parsed, "This will remove all custom networks not used by at least one container.") {
        return Ok(0);
    }
    prune_networks(session.engine()?, &filters)?.print("Deleted Networks");
    Ok(0)
}

fn prune_networks(engine: &Engine, filters: &Filters) -> Result<Pruned, Failure> {
    let until = filters.until()?;
    let mut pruned = Pruned::default();
    for one in engine.networks().list()? {
        let wanted =
            filters.labels(&one.spec.labels) && until.is_none_or(|until| one.created < until);
        if one.is_predefined() || !wanted || !network::is_unused(engine, &one.id) {
            continue;
        }
        match engine.networks().remove(&one.id) {
            Ok(_) => pruned.lines.push(one.spec.name.clone()),
            Err(Error::NoSuch { .. } | Error::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(pruned)
}

fn volumes(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let filters = Filters::read(parsed, &["all", "label", "label!"])?;
    let all = parsed.on("all") || filters.truth("all")?.unwrap_or(false);
    let which = if all { "" } else { "anonymous " };
    if !asked(
        parsed,
        &format!("This will remove {which}local volumes not used by at least one container."),
    ) {
        return Ok(0);
    }
    let pruned = prune_volumes(session.engine()?, &filters, all)?;
    pruned.print("Deleted Volumes");
    Ok(reclaimed(pruned.bytes))
}

fn prune_volumes(engine: &Engine, filters: &Filters, all: bool) -> Result<Pruned, Failure> {
    let volumes = engine.volumes();
    let mut pruned = Pruned::default();
    for one in volumes.list()? {
        let name = one.spec.name.as_str();
        if !(all || one.anonymous)
            || !filters.labels(&one.spec.labels)
            || !volumes.users(name)?.is_empty()
        {
            continue;
        }
        let size = super::df::directory_size(&volumes.data(name));
        match volumes.remove(name) {
            Ok(()) => {
                pruned.lines.push(name.to_owned());
                pruned.bytes += size;
            }
            Err(Error::NoSuch { .. } | Error::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(pruned)
}

fn system(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let filters = Filters::read(parsed, KNOWN)?;
    let (all, with_volumes) = (parsed.on("all"), parsed.on("volumes"));
    if with_volumes && filters.has("until") {
        return Err(Failure::new("the \"until\" filter is not supported with \"--volumes\""));
    }
    let mut warning = String::from(
        "This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n",
    );
    if with_volumes {
        warning.push_str("  - all anonymous volumes not used by at least one container\n");
    }
    warning.push_str(if all {
        "  - all images without at least one container associated to them\n"
    } else {
        "  - all dangling images\n"
    });
    if !asked(parsed, &warning) {
        return Ok(0);
    }
    let engine = session.engine()?;
    let containers = prune_containers(engine, &filters)?;
    containers.print("Deleted Containers");
    prune_networks(engine, &filters)?.print("Deleted Networks");
    let mut bytes = containers.bytes;
    if with_volumes {
        let volumes = prune_volumes(engine, &filters, false)?;
        volumes.print("Deleted Volumes");
        bytes += volumes.bytes;
    }
    let images = prune_images(engine, &filters, all)?;
    images.print("Deleted Images");
    Ok(reclaimed(bytes + images.bytes))
}
