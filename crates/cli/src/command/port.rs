//! `port`.

use std::collections::BTreeMap;

use hako_engine::model::PortBinding;

use super::{Command, say};
use crate::args::{Parsed, Syntax, Words};
use crate::report::Failure;
use crate::session::Session;
use crate::show::bracketed;

pub(super) const COMMAND: Command = Command {
    names: &["port", "container port"],
    about: "List where a container's ports are published",
    syntax: Syntax {
        words: "CONTAINER [PRIVATE_PORT[/PROTO]]",
        count: Words::Between(1, 2),
        program: false,
        flags: &[],
    },
    run: work,
};

fn work(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let name = &parsed.words[0];
    let ports = session.engine()?.containers().inspect(name, false)?.network_settings.ports;
    match parsed.words.get(1) {
        Some(wanted) => say(&one(name, &ports, wanted)?),
        None => say(&every(&ports)),
    }
    Ok(0)
}

fn place(binding: &PortBinding) -> String {
    format!("{}:{}", bracketed(&binding.host_ip), binding.host_port)
}

fn one(
    name: &str,
    ports: &BTreeMap<String, Option<Vec<PortBinding>>>,
    wanted: &str,
) -> Result<String, Failure> {
    let (number, protocol) = wanted.split_once('/').unwrap_or((wanted, "tcp"));
    if number.parse::<u16>().is_err() {
        return Err(Failure::new(format!("invalid port '{wanted}'")));
    }
    match ports.get(&format!("{number}/{}", protocol.to_lowercase())) {
        Some(Some(bindings)) if !bindings.is_empty() => {
            Ok(bindings.iter().map(|binding| place(binding) + "\n").collect())
        }
        _ => Err(Failure::new(format!("no public port '{wanted}' published for {name}"))),
    }
}

fn every(ports: &BTreeMap<String, Option<Vec<PortBinding>>>) -> String {
    let key = |port: &str| {
        port.split('/').next().and_then(|number| number.parse::<u16>().ok()).unwrap_or(0)
    };
    let mut all: Vec<(&String, &Vec<PortBinding>)> =
        ports.iter().filter_map(|(port, bindings)| Some((port, bindings.as_ref()?))).collect();
    all.sort_by_key(|(port, _)| (key(port), port.as_str()));
    let lines = all.iter().flat_map(|(port, bindings)| {
        bindings.iter().map(move |b| format!("{port} -> {}\n", place(b)))
    });
    lines.collect()
}
