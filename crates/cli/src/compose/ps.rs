//! `ps`: the project's containers.

use std::collections::BTreeSet;

use hako_engine::Engine;
use hako_project::Actual;
use hako_types::Moment;
use serde_json::{Value, json};

use super::Command;
use super::context::Context;
use super::scene::Scene;
use crate::args::{Flag, Parsed, Syntax, Words, switch, value, values};
use crate::command::say;
use crate::format::{Columns, Listing, Row, Template, of_struct};
use crate::report::Failure;
use crate::show;

const FLAGS: &[Flag] = &[
    switch("all", "also those that have ended, and those of run").short('a'),
    value("filter", "string", "status=STATUS"),
    value("format", "string", "table, json, or a Go template"),
    switch("no-trunc", "do not shorten"),
    switch("orphans", "also those of services that are not in the file (default true)"),
    switch("quiet", "only ids").short('q'),
    switch("services", "only services"),
    values("status", "stringArray", "only those that are so"),
];

pub(super) const COMMAND: Command = Command {
    names: &["ps"],
    about: "List containers",
    syntax: Syntax {
        words: "[SERVICE...]",
        count: Words::AtLeast(0),
        program: false,
        flags: &[FLAGS],
    },
    run,
};

const COLUMNS: Columns = Columns {
    headings: &[
        ("ID", "CONTAINER ID"),
        ("Name", "NAME"),
        ("Names", "NAMES"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("Project", "PROJECT"),
        ("Service", "SERVICE"),
        ("CreatedAt", "CREATED AT"),
        ("RunningFor", "CREATED"),
        ("Status", "STATUS"),
        ("State", "STATE"),
        ("Health", "HEALTH"),
        ("ExitCode", "EXIT CODE"),
        ("Ports", "PORTS"),
        ("Labels", "LABELS"),
        ("Networks", "NETWORKS"),
        ("Mounts", "MOUNTS"),
    ],
    table: "{{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}",
};

const STATES: [&str; 7] =
    ["paused", "restarting", "removing", "running", "dead", "created", "exited"];

fn run(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let states = states(parsed)?;
    let all = parsed.on("all") || !states.is_empty();
    let scene = Scene::find(context)?;
    let mut chosen = scene.chosen(context, &parsed.words, parsed.on("all"))?.containers;
    chosen.retain(|actual| {
        let fits = states.is_empty() || states.contains(actual.status.as_str());
        let is_known = parsed.text("orphans") != Some("false")
            || scene.known.as_ref().is_none_or(|known| known.contains(&actual.service));
        fits && is_known && (all || actual.is_up())
    });
    if parsed.on("quiet") {
        say(&chosen.iter().map(|actual| format!("{}\n", actual.id)).collect::<String>());
        return Ok(0);
    }
    if parsed.on("services") {
        let services: BTreeSet<&str> =
            chosen.iter().map(|actual| actual.service.as_str()).collect();
        say(&services.into_iter().map(|name| format!("{name}\n")).collect::<String>());
        return Ok(0);
    }
    let engine = context.engine()?;
    let rows = chosen
        .iter()
        .map(|actual| row(engine, actual, parsed.on("no-trunc")))
        .collect::<Result<Vec<_>, _>>()?;
    print(parsed.text("format"), &rows)?;
    Ok(0)
}

/// Returns the states that are asked for.
fn states(parsed: &Parsed) -> Result<BTreeSet<String>, Failure> {
    let mut out: BTreeSet<String> = parsed.all("status").map(str::to_owned).collect();
    if let Some(filter) = parsed.text("filter").filter(|text| !text.is_empty()) {
        match filter.split_once('=') {
            Some(("status", state)) => {
                out.insert(state.to_owned());
            }
            Some(("source", _)) => {
                return Err(Failure::new("filtering by source is not supported"));
            }
            Some((name, _)) => return Err(Failure::new(format!("unknown filter {name}"))),
            None => return Err(Failure::new("arguments to --filter should be in form KEY=VAL")),
        }
    }
    match out.iter().find(|state| !STATES.contains(&state.as_str())) {
        Some(state) => {
            Err(Failure::new(format!("unknown status \"{state}\"")).with_hint(STATES.join(", ")))
        }
        None => Ok(out),
    }
}

fn row(engine: &Engine, actual: &Actual, whole: bool) -> Result<Value, Failure> {
    let container = &actual.container;
    let record = &container.record;
    let state = &container.live.state;
    let settings = engine.containers().network_settings(container)?;
    let now = Moment::now();
    let mut publishers = Vec::new();
    for (key, bindings) in &settings.ports {
        let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
        let port: u16 = port.parse().unwrap_or(0);
        match bindings.as_deref() {
            None | Some([]) => {
                publishers.push(json!({"URL": "", "TargetPort": port, "PublishedPort": 0, "Protocol": protocol}));
            }
            Some(bindings) => publishers.extend(bindings.iter().map(|binding| {
                let published: u16 = binding.host_port.parse().unwrap_or(0);
                json!({"URL": binding.host_ip, "TargetPort": port, "PublishedPort": published, "Protocol": protocol})
            })),
        }
    }
    let mounts: Vec<&str> = record
        .mounts
        .iter()
        .map(|mount| {
            if mount.point.name.is_empty() {
                mount.point.source.as_str()
            } else {
                mount.point.name.as_str()
            }
        })
        .collect();
    let volumes = record.mounts.iter().filter(|mount| !mount.point.name.is_empty()).count();
    let names: Vec<&str> = settings.networks.keys().map(String::as_str).collect();
    Ok(json!({
        "Command": show::command(&record.path, &record.args, !whole),
        "CreatedAt": show::go_time(container.created),
        "ExitCode": state.exit_code,
        "Health": state.health.as_ref().map_or("", |health| health.status.as_str()),
        "ID": if whole { actual.id.as_str() } else { &actual.id[..actual.id.len().min(12)] },
        "Image": record.config.image,
        "Labels": show::labels(&record.config.labels),
        "LocalVolumes": volumes.to_string(),
        "Mounts": mounts.join(","),
        "Name": actual.name,
        "Names": actual.name,
        "Networks": names.join(","),
        "Ports": show::ports(&settings.ports),
        "Project": actual.project(),
        "Publishers": publishers,
        "RunningFor": format!("{} ago", container.created.age(now)),
        "Service": actual.service,
        "Size": "0B",
        "State": actual.status.as_str(),
        "Status": show::status(state, now),
    }))
}

/// Prints rows as a table, as JSON lines, or through a template.
pub(super) fn print(format: Option<&str>, rows: &[Value]) -> Result<(), Failure> {
    print_as(format, rows, COLUMNS)
}

/// Prints rows as a table of `columns`, as JSON lines, or through a template.
pub(super) fn print_as(
    format: Option<&str>,
    rows: &[Value],
    columns: Columns,
) -> Result<(), Failure> {
    match format {
        Some("json") => {
            say(&rows.iter().map(|row| format!("{row}\n")).collect::<String>());
            Ok(())
        }
        Some(text) if !text.is_empty() && !text.starts_with("table") => {
            let source = text.replace("\\t", "\t").replace("\\n", "\n");
            let failed =
                |error: crate::format::TemplateError| Failure::new(error.to_string()).with_code(64);
            let template = Template::parse(&source).map_err(failed)?;
            for row in rows {
                say(&format!("{}\n", template.run(&of_struct(row)).map_err(failed)?));
            }
            Ok(())
        }
        format => {
            let listing = Listing::new(format.filter(|text| !text.is_empty()), columns)?;
            listing.print(rows.iter().map(|row| {
                columns.headings.iter().fold(Row::default(), |out, (field, _)| {
                    let text = match &row[*field] {
                        Value::String(text) => text.clone(),
                        Value::Null => String::new(),
                        other => other.to_string(),
                    };
                    out.set(field, text)
                })
            }))
        }
    }
}
