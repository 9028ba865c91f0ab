//! `ps`.

use std::collections::BTreeMap;

use hako_engine::Engine;
use hako_engine::container::Container;
use hako_engine::model::{ContainerInspect, MountKind, Status};
use hako_types::{Bytes, Moment};

use super::{Command, say};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value, values};
use crate::filter::{Filters, matches_pattern};
use crate::format::{Columns, Listing, Row};
use crate::report::Failure;
use crate::session::Session;
use crate::show;

const FLAGS: &[Flag] = &[
    switch("all", "show those that do not run too").short('a'),
    values("filter", "filter", "show only these: name=…, status=…, label=…, ancestor=…, …")
        .short('f'),
    value("format", "string", "print by a Go template, as `table …`, or as json"),
    value("last", "int", "show the newest ones, whatever they do").short('n'),
    switch("latest", "show the newest one, whatever it does").short('l'),
    switch("no-trunc", "do not shorten anything"),
    switch("quiet", "print ids only").short('q'),
    switch("size", "show the sizes of their files").short('s'),
];

pub(super) const COMMAND: Command = Command {
    names: &["ps", "container ls", "container list", "container ps"],
    about: "List containers",
    syntax: Syntax { words: "", count: Words::Exactly(0), program: false, flags: &[FLAGS] },
    run: work,
};

const HEADINGS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Names", "NAMES"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Ports", "PORTS"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Size", "SIZE"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
    ("Platform", "PLATFORM"),
];

const TABLE: Columns = Columns {
    headings: HEADINGS,
    table: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}",
};

const SIZED: Columns = Columns {
    headings: HEADINGS,
    table: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}\t{{.Size}}",
};

const KNOWN: &[&str] = &[
    "ancestor",
    "annotation",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let engine = session.engine()?;
    let filters = Filters::read(parsed, KNOWN)?;
    let mut all = chosen(engine, parsed, &filters)?;
    let full = parsed.on("no-trunc");
    if parsed.on("quiet") && !parsed.given("format") {
        let id = |one: &Container| {
            if full { one.id.as_str().to_owned() } else { one.id.short().to_owned() }
        };
        say(&all.iter().map(|one| id(one) + "\n").collect::<String>());
        return Ok(0);
    }
    let sized = parsed.on("size");
    let format = parsed.text("format").or(session.config().ps_format.as_deref());
    let listing = Listing::new(format, if sized { SIZED } else { TABLE })?;
    let sized = sized || format.is_some_and(|format| format.contains(".Size"));
    let now = Moment::now();
    let names = ImageNames::default();
    let rows = all.drain(..).filter_map(|one| {
        // One that has been removed in the meantime is left out.
        let told = engine.containers().describe(&one, sized).ok()?;
        Some(row(engine, &one, &told, &names, (now, full)))
    });
    listing.print(rows.collect::<Vec<_>>())?;
    Ok(0)
}

/// Returns the containers that are asked for, newest first.
fn chosen(engine: &Engine, parsed: &Parsed, filters: &Filters) -> Result<Vec<Container>, Failure> {
    let last = if parsed.on("latest") {
        Some(1)
    } else {
        parsed.read("last", str::parse::<i64>)?.filter(|n| *n > 0)
    };
    let everything = parsed.on("all")
        || last.is_some()
        || filters.has("status")
        || filters.has("exited")
        || filters.has("since")
        || filters.has("before");
    let selection = Selection::new(engine, filters)?;
    let mut all = Vec::new();
    for one in engine.containers().list()? {
        if (everything || is_up(&one)) && selection.takes(engine, &one)? {
            all.push(one);
        }
    }
    if let Some(last) = last {
        all.truncate(usize::try_from(last).unwrap_or(usize::MAX));
    }
    Ok(all)
}

fn is_up(one: &Container) -> bool {
    matches!(one.live.state.status, Status::Running | Status::Paused | Status::Restarting)
}

/// The filters, read once.
struct Selection<'a> {
    filters: &'a Filters,
    statuses: Vec<Status>,
    exited: Vec<i32>,
    before: Option<Moment>,
    since: Option<Moment>,
    ancestors: Option<Vec<String>>,
}

impl<'a> Selection<'a> {
    fn new(engine: &Engine, filters: &'a Filters) -> Result<Self, Failure> {
        let status = |text: &String| {
            text.parse().map_err(|()| {
                let known = "created, running, paused, restarting, removing, exited, dead";
                Failure::new(format!("invalid filter 'status={text}'"))
                    .with_hint(format!("known states: {known}"))
            })
        };
        let number = |text: &String| {
            text.parse().map_err(|_| Failure::new(format!("invalid filter 'exited={text}'")))
        };
        let created = |name: &str| -> Result<Option<Moment>, Failure> {
            let Some(name) = filters.values(name).last() else { return Ok(None) };
            Ok(Some(engine.containers().find(name)?.created))
        };
        for health in filters.values("health") {
            if !matches!(health.as_str(), "starting" | "healthy" | "unhealthy" | "none") {
                return Err(Failure::new(format!("invalid filter 'health={health}'")));
            }
        }
        Ok(Self {
            filters,
            statuses: filters.values("status").iter().map(status).collect::<Result<_, _>>()?,
            exited: filters.values("exited").iter().map(number).collect::<Result<_, _>>()?,
            before: created("before")?,
            since: created("since")?,
            ancestors: ancestors(engine, filters)?,
        })
    }

    fn takes(&self, engine: &Engine, one: &Container) -> Result<bool, Failure> {
        let (state, filters) = (&one.live.state, self.filters);
        let health = state.health.as_ref().map_or("none", |health| health.status.as_str());
        let slashed = format!("/{}", one.name);
        let cheap = filters.any("id", |wanted| one.id.as_str().starts_with(wanted))
            && filters.any("name", |wanted| {
                matches_pattern(wanted, &slashed) || matches_pattern(wanted, &one.name)
            })
            && filters.labels(&one.record.config.labels)
            && (self.statuses.is_empty() || self.statuses.contains(&state.status))
            && (self.exited.is_empty()
                || (state.status == Status::Exited && self.exited.contains(&state.exit_code)))
            && filters.any("health", |wanted| health == wanted)
            && self.before.is_none_or(|before| one.created < before)
            && self.since.is_none_or(|since| one.created > since)
            && self.ancestors.as_ref().is_none_or(|ids| ids.contains(&one.image))
            && filters.any("is-task", |wanted| wanted == "false")
            && filters.any("isolation", |_| true)
            && filters.any("volume", |wanted| {
                one.record.mounts.iter().any(|mount| {
                    [&mount.point.name, &mount.point.destination, &mount.point.source]
                        .iter()
                        .any(|text| text.as_str() == wanted)
                })
            });
        if !cheap || !(filters.has("network") || filters.has("publish") || filters.has("expose")) {
            return Ok(cheap);
        }
        let told = engine.containers().describe(one, false)?;
        Ok(self.wired(&told))
    }

    fn wired(&self, told: &ContainerInspect) -> bool {
        let networks = &told.network_settings.networks;
        self.filters.any("network", |wanted| {
            networks.iter().any(|(name, place)| {
                name == wanted || (!wanted.is_empty() && place.network_id.starts_with(wanted))
            }) || told.host_config.network_mode == wanted
        }) && self.filters.any("publish", |wanted| {
            let ports = &told.network_settings.ports;
            told.host_config.port_bindings.iter().any(|(port, bindings)| {
                in_range(wanted, port)
                    || bindings
                        .iter()
                        .any(|binding| in_range(wanted, &with_protocol(&binding.host_port, port)))
            }) || ports.iter().any(|(port, bindings)| {
                bindings
                    .iter()
                    .flatten()
                    .any(|binding| in_range(wanted, &with_protocol(&binding.host_port, port)))
            })
        }) && self.filters.any("expose", |wanted| {
            told.config.exposed_ports.keys().any(|port| in_range(wanted, port))
        })
    }
}

fn with_protocol(number: &str, like: &str) -> String {
    format!("{number}/{}", like.split_once('/').map_or("tcp", |(_, protocol)| protocol))
}

/// Tells whether `port` (`80/tcp`) is one of `wanted` (`80`, `80/udp`, `8000-8080/tcp`).
fn in_range(wanted: &str, port: &str) -> bool {
    let (range, protocol) = wanted.split_once('/').unwrap_or((wanted, "tcp"));
    let (number, own) = port.split_once('/').unwrap_or((port, "tcp"));
    let (low, high) = range.split_once('-').unwrap_or((range, range));
    let inside = |number: u16| {
        Some(low.parse::<u16>().ok()? <= number && number <= high.parse::<u16>().ok()?)
    };
    protocol == own && number.parse().ok().and_then(inside).unwrap_or(false)
}

/// Returns the ids of the images that `ancestor` names, and of all that stand on them.
fn ancestors(engine: &Engine, filters: &Filters) -> Result<Option<Vec<String>>, Failure> {
    if !filters.has("ancestor") {
        return Ok(None);
    }
    let images = engine.images()?;
    let roots: Vec<_> =
        filters.values("ancestor").iter().filter_map(|name| images.resolve(name).ok()).collect();
    let stands_on = |layers: &[hako_types::Digest]| {
        roots.iter().any(|root| !root.diff_ids().is_empty() && layers.starts_with(root.diff_ids()))
    };
    let all = images.list()?.into_iter().filter(|image| {
        roots.iter().any(|root| root.id == image.id || image.parent.as_ref() == Some(&root.id))
            || stands_on(image.diff_ids())
    });
    Ok(Some(all.map(|image| image.id.to_string()).collect()))
}

/// The ids of images by the names that containers were made from, each looked up once.
#[derive(Default)]
struct ImageNames(std::cell::RefCell<BTreeMap<String, Option<String>>>);

impl ImageNames {
    /// Returns how a container's image is shown: by the name it was asked by, while that name still means it.
    fn shown(&self, engine: &Engine, one: &Container, full: bool) -> String {
        let name = &one.record.config.image;
        let mut known = self.0.borrow_mut();
        let now = known.entry(name.clone()).or_insert_with(|| {
            engine
                .images()
                .ok()
                .and_then(|images| images.resolve(name).ok())
                .map(|image| image.id.to_string())
        });
        if now.as_deref() != Some(one.image.as_str()) {
            return if full { one.image.clone() } else { show::short_id(&one.image).to_owned() };
        }
        if !full && name.strip_prefix("sha256:").unwrap_or(name).len() == 64 {
            show::short_id(name).to_owned()
        } else {
            name.clone()
        }
    }
}

fn row(
    engine: &Engine,
    one: &Container,
    told: &ContainerInspect,
    names: &ImageNames,
    (now, full): (Moment, bool),
) -> Row {
    let config = &one.record.config;
    let mounts: Vec<String> = told
        .mounts
        .iter()
        .map(|mount| if mount.name.is_empty() { &mount.source } else { &mount.name })
        .map(|text| if full { text.clone() } else { show::ellipsis(text, 15) })
        .collect();
    let volumes = told.mounts.iter().filter(|mount| mount.kind == MountKind::Volume).count();
    let networks: Vec<&str> = told.network_settings.networks.keys().map(String::as_str).collect();
    let human = |bytes: Option<i64>| {
        Bytes(bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)).human3()
    };
    let size = match told.size_root_fs {
        Some(all) if all > 0 => {
            format!("{} (virtual {})", human(told.size_rw), human(told.size_root_fs))
        }
        _ => human(told.size_rw),
    };
    Row::default()
        .set("ID", if full { one.id.as_str() } else { one.id.short() })
        .set("Names", &one.name)
        .set("Image", names.shown(engine, one, full))
        .set("Command", show::command(&one.record.path, &one.record.args, !full))
        .set("CreatedAt", show::go_time(one.created))
        .set("RunningFor", format!("{} ago", one.created.age(now)))
        .set("Ports", show::ports(&told.network_settings.ports))
        .set("State", one.live.state.status.as_str())
        .set("Status", show::status(&one.live.state, now))
        .set("Size", size)
        .set("Labels", show::labels(&config.labels))
        .set("Mounts", mounts.join(","))
        .set("LocalVolumes", volumes.to_string())
        .set("Networks", networks.join(","))
        .set("Platform", &told.platform)
        .labels(&config.labels)
}

#[cfg(test)]
mod tests {
    #[test]
    fn ports_are_found_in_ranges() {
        assert!(super::in_range("80", "80/tcp") && super::in_range("8000-8080/udp", "8001/udp"));
        assert!(
            !super::in_range("80", "80/udp")
                && !super::in_range("x", "80/tcp")
                && !super::in_range("81", "80/tcp")
        );
    }
}
