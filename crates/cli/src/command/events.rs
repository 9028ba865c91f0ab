//! `events`.

use hako_engine::event::{Event, EventQuery};
use hako_types::Moment;

use super::Command;
use crate::args::{Flag, Parsed, Syntax, Words, value, values};
use crate::filter::{Filters, has_label};
use crate::format::{Template, of_struct};
use crate::report::Failure;
use crate::session::Session;

const FLAGS: &[Flag] = &[
    values(
        "filter",
        "filter",
        "only these: type, event, container, image, network, volume, label, …",
    )
    .short('f'),
    value("format", "string", "print by a Go template, or json"),
    value("since", "string", "from this moment on: a time, or an age such as 42m"),
    value("until", "string", "up to this moment: a time, or an age such as 42m"),
];

pub(super) const COMMAND: Command = Command {
    names: &["events", "system events"],
    about: "Show what happens",
    syntax: Syntax { words: "", count: Words::Exactly(0), program: false, flags: &[FLAGS] },
    run: work,
};

const KNOWN: &[&str] = &[
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "secret",
    "service",
    "type",
    "volume",
];

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let filters = Filters::read(parsed, KNOWN)?;
    let now = Moment::now();
    let moment = |flag: &str| -> Result<Option<Moment>, Failure> {
        let Some(text) = parsed.text(flag).filter(|text| !text.is_empty()) else { return Ok(None) };
        Moment::parse_flag(text, now).map(Some).map_err(|error| Failure::new(error.to_string()))
    };
    let template = match parsed.text("format") {
        None => None,
        Some("json") => Some("{{json .}}"),
        Some(other) => Some(other),
    };
    let failed = |error: crate::format::TemplateError| Failure::new(error.to_string());
    let template = template.map(Template::parse).transpose().map_err(failed)?;
    let query = EventQuery { since: moment("since")?, until: moment("until")? };
    for event in session.engine()?.events().read(&query)? {
        let event = event?;
        if !wanted(&filters, &event) {
            continue;
        }
        let line = match &template {
            Some(template) => template.run(&of_struct(&json(&event))).map_err(failed)?,
            None => plain(&event),
        };
        if !shown(&line) {
            break;
        }
    }
    Ok(0)
}

/// Prints a line; tells whether somebody still reads.
fn shown(line: &str) -> bool {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

fn wanted(filters: &Filters, event: &Event) -> bool {
    let name = event.attributes.get("name").map_or("", String::as_str);
    let object = |kind: &str| {
        filters.any(kind, |wanted| {
            event.kind == kind
                && (event.id == wanted
                    || name == wanted
                    || (wanted.len() >= 4 && event.id.starts_with(wanted)))
        })
    };
    let image = filters.any("image", |wanted| {
        let of = event.attributes.get("image").map_or("", String::as_str);
        let bare = |text: &str| text.split([':', '@']).next().unwrap_or_default().to_owned();
        let own = if event.kind == "image" { name } else { of };
        own == wanted || bare(own) == wanted || event.id == wanted
    });
    let containers = filters.any("container", |wanted| {
        let of_network = event.attributes.get("container").is_some_and(|id| id == wanted);
        (event.kind == "container" && (event.id.starts_with(wanted) || name == wanted))
            || of_network
    });
    containers
        && image
        && object("network")
        && object("volume")
        && filters.any("type", |wanted| event.kind == wanted)
        && filters.any("scope", |wanted| wanted == "local")
        && filters.any("event", |wanted| {
            event.action == wanted
                || event.action.split(':').next().is_some_and(|action| action == wanted)
        })
        && filters.all("label", |wanted| has_label(&event.attributes, wanted))
        && filters.any("daemon", |_| false)
}

fn plain(event: &Event) -> String {
    let attributes: Vec<String> =
        event.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let attributes =
        if attributes.is_empty() { String::new() } else { format!(" ({})", attributes.join(", ")) };
    format!("{} {} {} {}{attributes}", event.time.fixed(), event.kind, event.action, event.id)
}

fn json(event: &Event) -> serde_json::Value {
    let mut all = serde_json::Map::new();
    // The older names of the same things come first, as Docker still writes them for containers and images.
    if matches!(event.kind.as_str(), "container" | "image") {
        all.insert("status".into(), event.action.clone().into());
        all.insert("id".into(), event.id.clone().into());
        if event.kind == "container" {
            all.insert(
                "from".into(),
                event.attributes.get("image").cloned().unwrap_or_default().into(),
            );
        }
    }
    all.insert("Type".into(), event.kind.clone().into());
    all.insert("Action".into(), event.action.clone().into());
    all.insert("Actor".into(), serde_json::json!({"ID": event.id, "Attributes": event.attributes}));
    all.insert("scope".into(), "local".into());
    all.insert("time".into(), event.time.seconds().into());
    all.insert("timeNano".into(), event.time.nanos().into());
    all.into()
}
