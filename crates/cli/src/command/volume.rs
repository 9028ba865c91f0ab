//! `volume`: create, list, inspect, remove.

use hako_engine::Error;
use hako_engine::model::VolumeSpec;

use super::each::each;
use super::inspect::tell;
use super::{Command, say};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value, values};
use crate::filter::{Filters, matches_pattern};
use crate::format::{Columns, Listing, Row};
use crate::report::Failure;
use crate::session::Session;
use crate::{create, show};

const MAKING: &[Flag] = &[
    value("driver", "string", "driver (default local)").short('d'),
    values("label", "list", "set a label"),
    values("opt", "map", "option of the driver: type, device, o").short('o'),
    value("name", "string", ""),
];

pub(super) const CREATE: Command = Command {
    names: &["volume create"],
    about: "Create a volume",
    syntax: Syntax { words: "[VOLUME]", count: Words::AtMost(1), program: false, flags: &[MAKING] },
    run: make,
};

const LISTING: &[Flag] = &[
    values("filter", "filter", "show only these: name=…, label=…, driver=…, dangling=…").short('f'),
    value("format", "string", "print by a Go template, as `table …`, or as json"),
    switch("quiet", "print names only").short('q'),
    switch("cluster", ""),
];

pub(super) const LIST: Command = Command {
    names: &["volume ls", "volume list"],
    about: "List volumes",
    syntax: Syntax { words: "", count: Words::Exactly(0), program: false, flags: &[LISTING] },
    run: list,
};

const TELLING: &[Flag] =
    &[value("format", "string", "print by a Go template, or as json").short('f')];

pub(super) const INSPECT: Command = Command {
    names: &["volume inspect"],
    about: "Tell everything about volumes",
    syntax: Syntax {
        words: "VOLUME [VOLUME...]",
        count: Words::AtLeast(1),
        program: false,
        flags: &[TELLING],
    },
    run: inspect,
};

const REMOVING: &[Flag] = &[switch("force", "a volume that is not there is no failure").short('f')];

pub(super) const REMOVE: Command = Command {
    names: &["volume rm", "volume remove"],
    about: "Remove one or more volumes that no container uses",
    syntax: Syntax {
        words: "VOLUME [VOLUME...]",
        count: Words::AtLeast(1),
        program: false,
        flags: &[REMOVING],
    },
    run: remove,
};

fn make(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let labels =
        create::labels(&session.around, &[], &parsed.list("label")).map_err(Failure::new)?;
    let name = parsed.words.first().cloned().unwrap_or_else(|| parsed.string("name"));
    if !parsed.words.is_empty() && name.is_empty() {
        return Err(Failure::new("a volume's name must not be empty"));
    }
    let driver_opts = create::pairs(parsed.all("opt"));
    let spec = VolumeSpec { name, driver: parsed.string("driver"), driver_opts, labels };
    let volume = session.engine()?.volumes().create(&spec)?;
    say(&format!("{}\n", volume.spec.name));
    Ok(0)
}

const COLUMNS: Columns = Columns {
    headings: &[
        ("Name", "VOLUME NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("Mountpoint", "MOUNTPOINT"),
        ("Labels", "LABELS"),
        ("Links", "LINKS"),
        ("Size", "SIZE"),
        ("Status", "STATUS"),
        ("Availability", "AVAILABILITY"),
        ("Group", "GROUP"),
    ],
    table: "{{.Driver}}\t{{.Name}}",
};

const KNOWN: &[&str] = &["dangling", "driver", "label", "label!", "name"];

fn list(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let volumes = session.engine()?.volumes();
    let filters = Filters::read(parsed, KNOWN)?;
    let dangling = filters.truth("dangling")?;
    let mut all = Vec::new();
    for one in volumes.list()? {
        let takes = filters.any("name", |wanted| matches_pattern(wanted, &one.spec.name))
            && filters.any("driver", |wanted| one.spec.driver == wanted)
            && filters.labels(&one.spec.labels);
        if takes
            && (dangling.is_none() || dangling == Some(volumes.users(&one.spec.name)?.is_empty()))
        {
            all.push(one);
        }
    }
    if parsed.on("quiet") && !parsed.given("format") {
        say(&all.iter().map(|one| format!("{}\n", one.spec.name)).collect::<String>());
        return Ok(0);
    }
    let rows = all.iter().map(|one| {
        Row::default()
            .set("Name", &one.spec.name)
            .set("Driver", &one.spec.driver)
            .set("Scope", "local")
            .set("Mountpoint", volumes.data(&one.spec.name).to_string_lossy())
            .set("Labels", show::labels(&one.spec.labels))
            .set("Links", "N/A")
            .set("Size", "N/A")
            .set("Status", "N/A")
            .set("Availability", "N/A")
            .set("Group", "N/A")
            .labels(&one.spec.labels)
    });
    let format = parsed.text("format").or(session.config().volumes_format.as_deref());
    Listing::new(format, COLUMNS)?.print(rows.collect::<Vec<_>>())?;
    Ok(0)
}

fn inspect(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let volumes = session.engine()?.volumes();
    tell(parsed, |name| {
        serde_json::to_value(volumes.inspect(name)?)
            .map_err(|error| Failure::new(error.to_string()))
    })
}

fn remove(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let volumes = session.engine()?.volumes();
    let force = parsed.on("force");
    each(&parsed.words, |name| match volumes.remove(name) {
        Err(Error::NoSuch { .. }) if force => Ok(()),
        result => Ok(result?),
    })
}
