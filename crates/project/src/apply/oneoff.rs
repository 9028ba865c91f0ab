//! Containers of `run`: made like a service's own, but apart from them.

use std::collections::{BTreeMap, BTreeSet};

use hako_compose::model::Service;

use crate::apply::{Work, network};
use crate::request::{Kind, Situation, request};
use crate::{Error, grants};

/// A container of `run`.
#[derive(Clone, Debug)]
pub struct OneOff<'a> {
    /// The service's name.
    pub service: &'a str,
    /// The service as it is to be for this container.
    pub model: &'a Service,
    /// The container's name.
    pub name: &'a str,
    /// The random part of that name.
    pub slug: &'a str,
    /// Whether it answers to the service's name.
    pub aliases: bool,
    /// Whether it is removed when it ends.
    pub auto_remove: bool,
    /// Whether somebody talks to it.
    pub interactive: bool,
}

/// Makes the container, with the networks and volumes that it uses; returns its id.
///
/// # Errors
/// When something cannot be made.
pub fn create_oneoff(work: &Work<'_>, one: &OneOff<'_>) -> Result<String, Error> {
    let engine = work.open()?;
    let services = BTreeSet::from([one.service.to_owned()]);
    let mounts = grants::mounts(&engine, work.wanted, one.service, one.model)?;
    network::networks(work, &engine, &services)?;
    network::volumes(work, &engine, &services)?;
    let mut by_service: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for actual in work.containers(&engine)?.into_iter().filter(|actual| !actual.oneoff) {
        by_service.entry(actual.service).or_default().push(actual.id);
    }
    let situation = Situation {
        wanted: work.wanted,
        service: one.service,
        name: one.name.to_owned(),
        kind: Kind::OneOff { slug: one.slug.to_owned(), aliases: one.aliases },
        image: work.options.images.get(one.service).cloned().unwrap_or_default(),
        containers: by_service,
        grants: mounts,
        carried: BTreeMap::new(),
        replaces: None,
    };
    let mut request = request(&situation, one.model)?;
    request.host.auto_remove = one.auto_remove;
    request.config.attach_stdin = one.interactive;
    request.config.open_stdin = one.interactive || one.model.stdin_open;
    request.config.stdin_once = one.interactive;
    let created = engine.containers().create(&request);
    let created =
        created.map_err(Error::engine(format!("cannot create the container `{}`", one.name)))?;
    Ok(created.id.as_str().to_owned())
}
