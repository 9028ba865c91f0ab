//! `ls` and `version`.

use std::collections::{BTreeMap, BTreeSet};

use hako_project::{Actual, all_projects, labels};
use serde_json::{Value, json};

use super::Command;
use super::context::Context;
use super::ps::print_as;
use crate::args::{Parsed, Syntax, Words, switch, value};
use crate::command::say;
use crate::format::Columns;
use crate::report::Failure;

pub(super) const COMMAND: Command = Command {
    names: &["ls"],
    about: "List projects",
    syntax: Syntax {
        words: "",
        count: Words::Exactly(0),
        program: false,
        flags: &[&[
            switch("all", "also those of which nothing runs").short('a'),
            value("filter", "filter", "name=PATTERN"),
            value("format", "string", "table or json"),
            switch("quiet", "only names").short('q'),
        ]],
    },
    run,
};

pub(super) const VERSION: Command = Command {
    names: &["version"],
    about: "Print the version",
    syntax: Syntax {
        words: "",
        count: Words::Exactly(0),
        program: false,
        flags: &[&[
            switch("short", "only the version of Compose that is spoken"),
            value("format", "string", "pretty or json").short('f'),
            switch("dry-run", ""),
        ]],
    },
    run: version,
};

const COLUMNS: Columns = Columns {
    headings: &[("Name", "NAME"), ("Status", "STATUS"), ("ConfigFiles", "CONFIG FILES")],
    table: "{{.Name}}\t{{.Status}}\t{{.ConfigFiles}}",
};

fn run(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let part = parsed
        .text("filter")
        .and_then(|text| text.strip_prefix("name="))
        .unwrap_or_default()
        .to_owned();
    let mut rows = Vec::new();
    for (name, containers) in all_projects(context.engine()?)? {
        let runs = containers.iter().any(Actual::is_up);
        if !(runs || parsed.on("all")) || !name.contains(&part) {
            continue;
        }
        let files: BTreeSet<&str> =
            containers.iter().filter_map(|actual| actual.label(labels::FILES)).collect();
        let files: Vec<&str> = files.into_iter().collect();
        rows.push(
            json!({"Name": name, "Status": status(&containers), "ConfigFiles": files.join(",")}),
        );
    }
    if parsed.on("quiet") {
        let names = rows.iter().filter_map(|row| row["Name"].as_str());
        say(&names.map(|name| format!("{name}\n")).collect::<String>());
        return Ok(0);
    }
    if parsed.text("format") == Some("json") {
        say(&format!("{}\n", Value::Array(rows)));
        return Ok(0);
    }
    print_as(parsed.text("format"), &rows, COLUMNS)?;
    Ok(0)
}

/// Returns how many containers are in which state: `exited(1), running(2)`.
fn status(containers: &[Actual]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for actual in containers {
        *counts.entry(actual.status.as_str()).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|(state, count)| format!("{state}({count})"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn version(_: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let spoken = labels::SPOKEN;
    if parsed.on("short") {
        say(&format!("{spoken}\n"));
    } else if parsed.text("format") == Some("json") {
        say(&format!("{}\n", json!({"version": format!("v{spoken}")})));
    } else {
        say(&format!(
            "hako compose version {} (Docker Compose version v{spoken})\n",
            env!("CARGO_PKG_VERSION")
        ));
    }
    Ok(0)
}
