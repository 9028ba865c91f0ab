//! `system df`: what lies on the disk, and what could go.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use hako_engine::Engine;
use hako_engine::container::Container;
use hako_types::{Bytes, Moment};

use super::{Command, images, say};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value};
use crate::format::{Columns, Listing, Row};
use crate::report::Failure;
use crate::session::Session;
use crate::{image, show};

const FLAGS: &[Flag] = &[
    value("format", "string", "print by a Go template, as `table …`, or as json"),
    switch("verbose", "tell of each object").short('v'),
];

pub(super) const COMMAND: Command = Command {
    names: &["system df"],
    about: "Show disk usage",
    syntax: Syntax { words: "", count: Words::Exactly(0), program: false, flags: &[FLAGS] },
    run: work,
};

const COLUMNS: Columns = Columns {
    headings: &[
        ("Type", "TYPE"),
        ("TotalCount", "TOTAL"),
        ("Active", "ACTIVE"),
        ("Size", "SIZE"),
        ("Reclaimable", "RECLAIMABLE"),
    ],
    table: "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
};

/// One sort of object.
struct Usage {
    kind: &'static str,
    total: usize,
    active: usize,
    size: u64,
    reclaimable: u64,
}

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let engine = session.engine()?;
    if parsed.on("verbose") {
        return verbose(engine);
    }
    let all = [of_images(engine)?, of_containers(engine)?, of_volumes(engine)?, of_builds(engine)];
    let rows = all.iter().map(|one| {
        let share = if one.size > 0 && one.kind != "Build Cache" {
            format!("{} ({}%)", Bytes(one.reclaimable).human3(), one.reclaimable * 100 / one.size)
        } else {
            Bytes(one.reclaimable).human3()
        };
        Row::default()
            .set("Type", one.kind)
            .set("TotalCount", one.total.to_string())
            .set("Active", one.active.to_string())
            .set("Size", Bytes(one.size).human3())
            .set("Reclaimable", share)
    });
    Listing::new(parsed.text("format"), COLUMNS)?.print(rows.collect::<Vec<_>>())?;
    Ok(0)
}

fn of_images(engine: &Engine) -> Result<Usage, Failure> {
    let uses = image::uses(engine)?;
    let usage = engine.images()?.usage(&uses)?;
    let active =
        usage.images.iter().filter(|image| uses.iter().any(|one| one.image == image.id)).count();
    let (size, reclaimable) = (usage.layers, usage.reclaimable);
    Ok(Usage { kind: "Images", total: usage.images.len(), active, size, reclaimable })
}

fn of_containers(engine: &Engine) -> Result<Usage, Failure> {
    let mut usage = Usage { kind: "Containers", total: 0, active: 0, size: 0, reclaimable: 0 };
    for one in engine.containers().list()? {
        let size = own_size(engine, &one);
        usage.total += 1;
        usage.size += size;
        if one.is_running() {
            usage.active += 1;
        } else {
            usage.reclaimable += size;
        }
    }
    Ok(usage)
}

fn of_volumes(engine: &Engine) -> Result<Usage, Failure> {
    let volumes = engine.volumes();
    let mut usage = Usage { kind: "Local Volumes", total: 0, active: 0, size: 0, reclaimable: 0 };
    for one in volumes.list()? {
        let size = directory_size(&volumes.data(&one.spec.name));
        usage.total += 1;
        usage.size += size;
        if volumes.users(&one.spec.name)?.is_empty() {
            usage.reclaimable += size;
        } else {
            usage.active += 1;
        }
    }
    Ok(usage)
}

fn of_builds(engine: &Engine) -> Usage {
    let directory = engine.paths().build();
    let size = directory_size(&directory);
    let total = std::fs::read_dir(&directory).map_or(0, Iterator::count);
    Usage { kind: "Build Cache", total, active: 0, size, reclaimable: size }
}

/// Returns the size of a container's own files; one that is removed meanwhile has none.
pub(super) fn own_size(engine: &Engine, one: &Container) -> u64 {
    engine.containers().size(one).map_or(0, |(own, _)| u64::try_from(own).unwrap_or(0))
}

/// Returns the sizes of all files below a directory; what cannot be read counts for nothing.
pub(super) fn directory_size(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let mut size = 0;
    for entry in entries.flatten() {
        match entry.metadata() {
            Ok(meta) if meta.is_dir() => size += directory_size(&entry.path()),
            Ok(meta) if meta.is_file() => size += meta.size(),
            _ => {}
        }
    }
    size
}

fn verbose(engine: &Engine) -> Result<u8, Failure> {
    let now = Moment::now();
    let uses = image::uses(engine)?;
    let store = engine.images()?;
    let (list, usage) = (store.list()?, store.usage(&uses)?);
    let mut lines = vec![
        "REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE\tSHARED SIZE\tUNIQUE SIZE\tCONTAINERS".to_owned(),
    ];
    for image in &list {
        let name = image.names.first();
        let repository = name.map_or_else(|| "<none>".into(), |name| name.familiar_repository());
        let tag = name.and_then(|name| name.tag.clone()).unwrap_or_else(|| "<none>".into());
        let shared = usage.images.iter().find(|one| one.id == image.id).map_or(0, |one| one.shared);
        let count = uses.iter().filter(|one| one.image == image.id).count();
        let sizes = [image.size, shared, image.size.saturating_sub(shared)]
            .map(|size| Bytes(size).human3());
        let created = images::age(image.created, now);
        lines.push(format!(
            "{repository}\t{tag}\t{}\t{created}\t{}\t{count}",
            image.id.short(),
            sizes.join("\t")
        ));
    }
    say(&format!("Images space usage:\n\n{}", crate::format::lines(&lines)));
    let mut lines = vec![
        "CONTAINER ID\tIMAGE\tCOMMAND\tLOCAL VOLUMES\tSIZE\tCREATED\tSTATUS\tNAMES".to_owned(),
    ];
    for one in engine.containers().list()? {
        let size = own_size(engine, &one);
        let volumes = one.record.mounts.iter().filter(|mount| !mount.point.name.is_empty()).count();
        lines.push(format!(
            "{}\t{}\t{}\t{volumes}\t{}\t{} ago\t{}\t{}",
            one.id.short(),
            one.record.config.image,
            show::command(&one.record.path, &one.record.args, true),
            Bytes(size).human3(),
            one.created.age(now),
            show::status(&one.live.state, now),
            one.name
        ));
    }
    say(&format!("\nContainers space usage:\n\n{}", crate::format::lines(&lines)));
    let volumes = engine.volumes();
    let mut lines = vec!["VOLUME NAME\tLINKS\tSIZE".to_owned()];
    for one in volumes.list()? {
        let size = Bytes(directory_size(&volumes.data(&one.spec.name))).human3();
        lines.push(format!("{}\t{}\t{size}", one.spec.name, volumes.users(&one.spec.name)?.len()));
    }
    say(&format!("\nLocal Volumes space usage:\n\n{}", crate::format::lines(&lines)));
    say(&format!("\nBuild cache usage: {}\n", Bytes(of_builds(engine).size).human3()));
    Ok(0)
}
