//! `scale`: how many containers services have.

use std::collections::BTreeSet;

use super::Command;
use super::context::{Context, failure};
use super::provision::Provision;
use super::scene::all_services;
use super::up::{Request, scales};
use crate::args::{Parsed, Syntax, Words, switch};
use crate::report::Failure;

pub(super) const COMMAND: Command = Command {
    names: &["scale"],
    about: "Set how many containers services have",
    syntax: Syntax {
        words: "[SERVICE=REPLICAS...]",
        count: Words::AtLeast(1),
        program: false,
        flags: &[&[switch("no-deps", "leave what the services need alone")]],
    },
    run,
};

fn run(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let mut loaded = context.load()?;
    let names: Vec<String> = parsed
        .words
        .iter()
        .map(|text| text.split('=').next().unwrap_or_default().to_owned())
        .collect();
    loaded.enable(&names).map_err(|error| failure(error).with_code(1))?;
    loaded.settle().map_err(failure)?;
    let scale = scales(&loaded, &parsed.words)?;
    let named = loaded.select(&names, false).map_err(failure)?;
    let services = loaded.select(&names, !parsed.on("no-deps")).map_err(failure)?;
    let request = Request {
        known: all_services(&loaded),
        named: named.clone(),
        services: services.clone(),
        scale,
        provision: Provision::default(),
        remove_orphans: false,
        forced: BTreeSet::new(),
        no_recreate: true,
        apply: context.apply_options()?,
        loaded,
    };
    let raised = request.converge(context)?;
    raised.work(context)?.start(&services, Some(&raised.plan))?;
    Ok(0)
}
