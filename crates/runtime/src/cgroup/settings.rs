//! Limits as files and values: what is to be written, decided before anything is.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

use super::controller::{Controller, Controllers};
use super::host::{Home, Host};
use super::{Error, file, v1, v2};
use crate::spec::LinuxResources;

/// A file of a cgroup and what to write there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Setting {
    /// Whose file it is.
    pub(super) controller: Controller,
    /// Which.
    pub(super) file: Cow<'static, str>,
    /// What to write.
    pub(super) value: String,
    /// What it means when there is no such file.
    pub(super) if_absent: IfAbsent,
}

/// What it means that a kernel lacks a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum IfAbsent {
    /// The limit cannot be set, and that is an error.
    Fail,
    /// The container goes without, and the caller learns of it.
    Forgo,
    /// Nothing: the value is what holds without the file, or the file is one of several.
    Skip,
}

impl Setting {
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike")]
    pub(super) fn new(
        controller: Controller,
        file: impl Into<Cow<'static, str>>,
        value: impl ToString,
    ) -> Self {
        Self { controller, file: file.into(), value: value.to_string(), if_absent: IfAbsent::Fail }
    }

    pub(super) fn or(self, if_absent: IfAbsent) -> Self {
        Self { if_absent, ..self }
    }
}

/// Returns the controllers that `resources` needs, device rules aside.
pub(super) fn needed(resources: &LinuxResources) -> Controllers {
    let network = resources.network.as_ref();
    let unified = resources
        .unified
        .keys()
        .filter_map(|key| Controller::from_v2(key.split('.').next().unwrap_or_default()));
    let cpu = resources.cpu.as_ref();
    let given = [
        (Controller::Cpu, cpu.is_some_and(v1::has_cpu)),
        (
            Controller::Cpuset,
            cpu.is_some_and(|cpu| v1::given(cpu.cpus.as_ref()) || v1::given(cpu.mems.as_ref())),
        ),
        (Controller::Memory, resources.memory.as_ref().is_some_and(v1::has_memory)),
        (Controller::Io, resources.block_io.as_ref().is_some_and(v1::has_io)),
        (Controller::Pids, resources.pids.as_ref().is_some_and(|pids| pids.limit.is_some())),
        (Controller::Hugetlb, !resources.hugepage_limits.is_empty()),
        (Controller::Rdma, !resources.rdma.is_empty()),
        (
            Controller::NetCls,
            network.is_some_and(|network| network.class_id.is_some_and(|id| id != 0)),
        ),
        (Controller::NetPrio, network.is_some_and(|network| !network.priorities.is_empty())),
    ];
    given
        .into_iter()
        .filter(|(_, is_given)| *is_given)
        .map(|(controller, _)| controller)
        .chain(unified)
        .collect()
}

/// Returns what is to be written for `resources` on `host`, device rules aside.
pub(super) fn settings(resources: &LinuxResources, host: &Host) -> Result<Vec<Setting>, Error> {
    let mut all = Vec::new();
    for controller in needed(resources).iter() {
        match host.home(controller) {
            Some(Home::V1(_)) => v1::settings(controller, resources, &mut all)?,
            Some(Home::V2) => v2::settings(controller, resources, &mut all)?,
            // Without packet controllers v2 goes on: they are the firewall's there.
            None if matches!(controller, Controller::NetCls | Controller::NetPrio) => {}
            None => {
                return Err(Error::NoController {
                    file: format!("{}.*", controller.v2_name().unwrap_or(controller.v1_name())),
                    controller: controller.to_string(),
                    reason: "the kernel offers none".to_owned(),
                });
            }
        }
    }
    v2::unified(resources, host, &mut all)?;
    Ok(all)
}

/// Writes `settings` of one controller into the cgroup `dir`; returns the files that were forgone.
///
/// Limits that depend on each other (quota and period, memory and swap) are refused while the other
/// has its old value, so what is refused is tried again after the rest.
pub(super) fn apply(dir: &Path, settings: &[&Setting]) -> Result<Vec<String>, Error> {
    let (mut refused, mut forgone, mut has_other) = (Vec::new(), Vec::new(), false);
    for setting in settings {
        match file::write(dir, &setting.file, &setting.value) {
            // A file that may be absent stands before another for the same.
            Ok(()) => has_other = setting.if_absent == IfAbsent::Skip,
            Err(error) => match (error.errno(), setting.if_absent) {
                (Some(rustix::io::Errno::INVAL), _) if settings.len() > 1 => {
                    refused.push((setting, error));
                }
                (Some(rustix::io::Errno::NOENT), IfAbsent::Skip) => {}
                (Some(rustix::io::Errno::NOENT), IfAbsent::Forgo) => {
                    if !has_other {
                        forgone.push(setting.file.to_string());
                    }
                    has_other = false;
                }
                _ => return Err(error),
            },
        }
    }
    if refused.len() == settings.len()
        && let Some((_, error)) = refused.pop()
    {
        return Err(error);
    }
    for (setting, _) in refused {
        file::write(dir, &setting.file, &setting.value)?;
    }
    Ok(forgone)
}

/// Returns the value of `rdma.max` for a device; both versions take the same.
pub(super) fn rdma(device: &str, limits: &crate::spec::Rdma) -> String {
    let mut value = device.to_owned();
    for (key, limit) in [("hca_handle", limits.hca_handles), ("hca_object", limits.hca_objects)] {
        if let Some(limit) = limit {
            let written = write!(value, " {key}={limit}");
            debug_assert!(written.is_ok(), "a string takes all");
        }
    }
    value
}
