//! `port`: where the host offers a service's port.

use super::Command;
use super::context::Context;
use super::scene::Scene;
use crate::args::{Parsed, Syntax, Words, value};
use crate::command::say;
use crate::report::Failure;
use crate::show::bracketed;

pub(super) const COMMAND: Command = Command {
    names: &["port"],
    about: "Print where a service's port is published",
    syntax: Syntax {
        words: "SERVICE PRIVATE_PORT",
        count: Words::Exactly(2),
        program: false,
        flags: &[&[
            value("index", "int", "the number of the service's container"),
            value("protocol", "string", "tcp or udp (default tcp)"),
        ]],
    },
    run,
};

fn run(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let index = if parsed.given("index") { parsed.integer("index")? } else { 0 };
    let index = u32::try_from(index).map_err(|_| Failure::new("--index must be positive"))?;
    let (port, inner) = match parsed.words[1].split_once('/') {
        Some((port, protocol)) => (port, Some(protocol)),
        None => (parsed.words[1].as_str(), None),
    };
    if port.parse::<u16>().is_err() {
        return Err(Failure::new(format!("invalid port '{port}'")));
    }
    let protocol = parsed.text("protocol").or(inner).unwrap_or("tcp").to_lowercase();
    let actual = Scene::find(context)?.container(context, &parsed.words[0], index)?;
    let settings = context.engine()?.containers().network_settings(&actual.container)?;
    let bindings =
        settings.ports.get(&format!("{port}/{protocol}")).cloned().flatten().unwrap_or_default();
    let Some(first) = bindings.first() else {
        return Err(Failure::new(format!(
            "no port {port}/{protocol} for container {}",
            actual.name
        )));
    };
    say(&format!("{}:{}\n", bracketed(&first.host_ip), first.host_port));
    Ok(0)
}
