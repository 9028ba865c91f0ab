//! `events`: what happens to the project's containers.

use std::io::Write;

use hako_engine::event::{Event, EventQuery};
use hako_project::labels;
use hako_types::Moment;
use serde_json::json;

use super::Command;
use super::context::Context;
use super::scene::Scene;
use crate::args::{Parsed, Syntax, Words, switch, value};
use crate::report::Failure;

pub(super) const COMMAND: Command = Command {
    names: &["events"],
    about: "Show what happens to the project's containers",
    syntax: Syntax {
        words: "[SERVICE...]",
        count: Words::AtLeast(0),
        program: false,
        flags: &[&[
            switch("json", "one JSON object a line"),
            value("since", "string", "from this moment on"),
            value("until", "string", "up to this moment"),
        ]],
    },
    run,
};

fn run(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let scene = Scene::find(context)?;
    scene.check(&parsed.words, &scene.containers(context, true)?)?;
    let now = Moment::now();
    let moment = |flag: &str| -> Result<Option<Moment>, Failure> {
        let Some(text) = parsed.text(flag).filter(|text| !text.is_empty()) else { return Ok(None) };
        Moment::parse_flag(text, now).map(Some).map_err(|error| Failure::new(error.to_string()))
    };
    let query = EventQuery { since: moment("since")?, until: moment("until")? };
    for event in context.engine()?.events().read(&query)? {
        let event = event?;
        let label = |key: &str| event.attributes.get(key).map_or("", String::as_str);
        let service = label(labels::SERVICE);
        let is_meant = parsed.words.is_empty() || parsed.words.iter().any(|name| name == service);
        if event.kind != "container"
            || label(labels::PROJECT) != scene.wanted.project.name
            || label(labels::ONEOFF) == "True"
            || !is_meant
        {
            continue;
        }
        let line = line(&event, service, parsed.on("json"));
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            break;
        }
    }
    Ok(0)
}

fn line(event: &Event, service: &str, as_json: bool) -> String {
    let attributes: serde_json::Map<String, serde_json::Value> = event
        .attributes
        .iter()
        .filter(|(key, _)| !key.starts_with("com.docker.compose."))
        .map(|(key, value)| (key.clone(), value.clone().into()))
        .collect();
    if as_json {
        let value = json!({
            "action": event.action,
            "attributes": attributes,
            "id": event.id,
            "service": service,
            "time": event.time.fixed(),
            "type": "container",
        });
        return value.to_string();
    }
    let pairs: Vec<String> = attributes
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    format!("{} container {} {} ({})", event.time.fixed(), event.action, event.id, pairs.join(", "))
}
