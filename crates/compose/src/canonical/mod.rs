//! Short forms → long forms: after this a tree has one way to say each thing, and absolute paths.
//!
//! It happens before files are merged, so that merging is plain: mappings merge, lists append.

mod duration;
mod forms;
mod grants;
mod paths;
mod ports;
mod service;
mod volumes;
mod words;

pub(crate) use duration::{format_duration, parse_duration};
pub(crate) use paths::{Base, clean};

use crate::error::{Error, Trail};
use crate::yaml::{Map, Node, Value};

type Form = fn(&mut Node, Trail<'_>, &Base) -> Result<(), Error>;

/// Which form the value at a path takes; `*` is every entry of a mapping or list.
const FORMS: &[(&str, Form)] = &[
    ("include.*", paths::include),
    ("networks.*", service::external),
    ("networks.*.driver_opts", forms::labels),
    ("networks.*.labels", forms::labels),
    ("volumes.*", service::external),
    ("volumes.*.driver_opts", forms::labels),
    ("volumes.*", paths::bound_volume),
    ("volumes.*.labels", forms::labels),
    ("secrets.*", service::external),
    ("secrets.*.labels", forms::labels),
    ("secrets.*.file", paths::path),
    ("configs.*", service::external),
    ("configs.*.labels", forms::labels),
    ("configs.*.file", paths::path),
    ("services.*", service::without_nulls),
    ("services.*.annotations", forms::labels),
    ("services.*.build", service::build),
    ("services.*.build.context", paths::context),
    ("services.*.build.additional_contexts", forms::labels),
    ("services.*.build.additional_contexts.*", paths::context),
    ("services.*.build.args", forms::pairs),
    ("services.*.build.extra_hosts", service::extra_hosts),
    ("services.*.build.labels", forms::labels),
    ("services.*.build.secrets", grants::grants),
    ("services.*.build.shm_size", forms::size),
    ("services.*.build.ssh", service::ssh),
    ("services.*.build.ulimits.*", service::ulimit),
    ("services.*.build.provenance", forms::text),
    ("services.*.build.sbom", forms::text),
    ("services.*.blkio_config.device_read_bps.*.rate", forms::size),
    ("services.*.blkio_config.device_write_bps.*.rate", forms::size),
    ("services.*.blkio_config.device_read_iops.*.rate", forms::size),
    ("services.*.blkio_config.device_write_iops.*.rate", forms::size),
    ("services.*.command", words::command),
    ("services.*.configs", grants::grants),
    ("services.*.cpu_period", service::microseconds),
    ("services.*.cpu_quota", forms::integer),
    ("services.*.cpu_rt_period", service::microseconds),
    ("services.*.cpu_rt_runtime", service::microseconds),
    ("services.*.cpu_shares", forms::integer),
    ("services.*.cpus", forms::number),
    ("services.*.depends_on", service::depends_on),
    ("services.*.deploy.labels", forms::labels),
    ("services.*.deploy.resources.limits.cpus", forms::number),
    ("services.*.deploy.resources.limits.memory", forms::size),
    ("services.*.deploy.resources.reservations.cpus", forms::number),
    ("services.*.deploy.resources.reservations.memory", forms::size),
    ("services.*.deploy.resources.reservations.devices.*", service::device_request),
    ("services.*.deploy.restart_policy.delay", forms::duration),
    ("services.*.deploy.restart_policy.window", forms::duration),
    ("services.*.deploy.update_config.delay", forms::duration),
    ("services.*.deploy.update_config.monitor", forms::duration),
    ("services.*.deploy.rollback_config.delay", forms::duration),
    ("services.*.deploy.rollback_config.monitor", forms::duration),
    ("services.*.develop.watch.*.path", paths::path),
    ("services.*.develop.watch.*.ignore", forms::list),
    ("services.*.develop.watch.*.include", forms::list),
    ("services.*.develop.watch.*.exec", service::hook),
    ("services.*.devices.*", service::device),
    ("services.*.dns", forms::list),
    ("services.*.dns_opt", forms::list),
    ("services.*.dns_search", forms::list),
    ("services.*.entrypoint", words::command),
    ("services.*.env_file", service::env_file),
    ("services.*.env_file.*.path", paths::path),
    ("services.*.environment", forms::pairs),
    ("services.*.expose", forms::texts),
    ("services.*.extends", service::extends),
    ("services.*.extra_hosts", service::extra_hosts),
    ("services.*.gpus", service::gpus),
    ("services.*.group_add", forms::texts),
    ("services.*.healthcheck", service::healthcheck),
    ("services.*.healthcheck.interval", forms::duration),
    ("services.*.healthcheck.timeout", forms::duration),
    ("services.*.healthcheck.start_period", forms::duration),
    ("services.*.healthcheck.start_interval", forms::duration),
    ("services.*.label_file", forms::list),
    ("services.*.label_file.*", paths::path),
    ("services.*.labels", forms::labels),
    ("services.*.logging.options", forms::labels),
    ("services.*.mem_limit", forms::size),
    ("services.*.mem_reservation", forms::size),
    ("services.*.memswap_limit", forms::size),
    ("services.*.models", service::models),
    ("services.*.networks", service::networks),
    ("services.*.networks.*.driver_opts", forms::labels),
    ("services.*.ports", ports::ports),
    ("services.*.post_start.*", service::hook),
    ("services.*.pre_stop.*", service::hook),
    ("services.*.restart", service::restart),
    ("services.*.secrets", grants::grants),
    ("services.*.shm_size", forms::size),
    ("services.*.stop_grace_period", forms::duration),
    ("services.*.storage_opt", forms::labels),
    ("services.*.sysctls", forms::labels),
    ("services.*.tmpfs", forms::list),
    ("services.*.ulimits.*", service::ulimit),
    ("services.*.volumes", volumes::volumes),
];

/// Brings a file's tree to its one form. With `lenient`, what does not read stays as it is: that is for
/// text whose variables are not filled.
pub(crate) fn canonicalise(document: &mut Node, base: &Base, lenient: bool) -> Result<(), Error> {
    for (path, form) in FORMS {
        let segments: Vec<&str> = path.split('.').collect();
        walk(document, &segments, Trail::Root, &mut |node, trail| match form(node, trail, base) {
            Err(_) if lenient => Ok(()),
            done => done,
        })?;
    }
    Ok(())
}

fn walk(
    node: &mut Node,
    path: &[&str],
    trail: Trail<'_>,
    visit: &mut dyn FnMut(&mut Node, Trail<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    if node.is_reset() {
        return Ok(());
    }
    let Some((first, rest)) = path.split_first() else {
        return visit(node, trail);
    };
    match &mut node.value {
        Value::Map(Map { entries }) if *first == "*" => entries
            .iter_mut()
            .filter(|(key, _)| !key.text.starts_with("x-"))
            .try_for_each(|(key, node)| walk(node, rest, trail.key(&key.text), visit)),
        Value::List(items) if *first == "*" => items
            .iter_mut()
            .enumerate()
            .try_for_each(|(at, node)| walk(node, rest, trail.index(at), visit)),
        Value::Map(map) => match map.get_mut(first) {
            Some(node) => walk(node, rest, trail.key(first), visit),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}
