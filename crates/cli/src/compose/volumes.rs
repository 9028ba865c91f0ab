//! `volumes`: the project's volumes.

use std::collections::BTreeSet;

use hako_project::labels;
use serde_json::json;

use super::Command;
use super::context::Context;
use super::ps::print_as;
use super::scene::Scene;
use crate::args::{Parsed, Syntax, Words, switch, value};
use crate::command::say;
use crate::format::Columns;
use crate::report::Failure;
use crate::show;

pub(super) const COMMAND: Command = Command {
    names: &["volumes"],
    about: "List volumes",
    syntax: Syntax {
        words: "[SERVICE...]",
        count: Words::AtLeast(0),
        program: false,
        flags: &[&[
            value("format", "string", "table, json, or a Go template"),
            switch("quiet", "only names").short('q'),
        ]],
    },
    run,
};

const COLUMNS: Columns = Columns {
    headings: &[
        ("Driver", "DRIVER"),
        ("Name", "VOLUME NAME"),
        ("Mountpoint", "MOUNTPOINT"),
        ("Labels", "LABELS"),
    ],
    table: "{{.Driver}}\t{{.Name}}",
};

fn run(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let scene = Scene::find(context)?;
    let chosen = scene.chosen(context, &parsed.words, true)?.containers;
    let used: BTreeSet<&str> = chosen
        .iter()
        .flat_map(|actual| &actual.container.record.mounts)
        .map(|mount| mount.point.name.as_str())
        .collect();
    let engine = context.engine()?;
    let project = &scene.wanted.project.name;
    let mut rows = Vec::new();
    for volume in engine.volumes().list()? {
        let own = volume.spec.labels.get(labels::PROJECT) == Some(project);
        if !own || !(parsed.words.is_empty() || used.contains(volume.spec.name.as_str())) {
            continue;
        }
        rows.push(json!({
            "Availability": "N/A",
            "Driver": volume.spec.driver,
            "Group": "N/A",
            "Labels": show::labels(&volume.spec.labels),
            "Links": "N/A",
            "Mountpoint": engine.volumes().data(&volume.spec.name).to_string_lossy(),
            "Name": volume.spec.name,
            "Scope": "local",
            "Size": "N/A",
            "Status": "N/A",
        }));
    }
    if parsed.on("quiet") {
        let names = rows.iter().filter_map(|row| row["Name"].as_str());
        say(&names.map(|name| format!("{name}\n")).collect::<String>());
        return Ok(0);
    }
    print_as(parsed.text("format"), &rows, COLUMNS)?;
    Ok(0)
}
