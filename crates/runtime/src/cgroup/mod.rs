//! Control groups: limits, accounts and a handle for all processes of a container.
//!
//! A container has one [`Cgroup`]; on v2 that is one directory, on v1 and hybrid machines one *node* in
//! every hierarchy that it needs. What is to be written is decided by pure functions (a list of
//! [`Setting`](settings::Setting)s); version matters only to them and to the readers of statistics:
//!
//! ```text
//!   LinuxResources ──▶ settings ──▶ v1: cpu.cfs_quota_us = 25000      ┐
//!                       │           v2: cpu.max = 25000 100000         ├──▶ nodes' files
//!                       └─ each controller where Host has it at home  ┘
//! ```
//!
//! What a machine or an ordinary user cannot have is not an error as long as nothing was asked of it:
//! [`Cgroup::missing`] says what there is not, and why.

mod controller;
mod create;
mod devices;
mod error;
mod file;
mod host;
mod processes;
mod settings;
mod stats;
mod v1;
mod v2;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

pub use controller::Controller;
use controller::Controllers;
pub use error::Error;
pub use host::{Host, Version};
pub use stats::{CpuStats, HugetlbStats, IoStats, MemoryStats, PidsStats, Stats};

use crate::spec::LinuxResources;
use host::Home;
use settings::Setting;

/// A container's cgroup, in every hierarchy it needs.
///
/// Dropping it leaves the cgroup as it is: it lives until [`remove`](Self::remove).
#[derive(Debug)]
pub struct Cgroup {
    host: Host,
    path: String,
    nodes: Vec<Node>,
    /// The directory in the unified hierarchy, open.
    unified: Option<OwnedFd>,
    missing: Vec<Missing>,
}

/// A directory in one hierarchy.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Node {
    dir: PathBuf,
    home: Home,
    controllers: Controllers,
}

/// Something that a cgroup goes without.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Missing {
    /// A controller, or a file of one.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// A directory of a cgroup, for mounting it into the container and for the record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Directory<'a> {
    /// Name of the hierarchy's mount point (`memory`, `cpu,cpuacct`, `unified`); empty on v2.
    pub name: &'a str,
    /// Where it is on the host.
    pub path: &'a Path,
    /// Whether it is in the unified hierarchy.
    pub is_unified: bool,
}

impl Cgroup {
    /// Makes the cgroup `path` and sets its limits, before any process is in it.
    ///
    /// An absolute path is below each hierarchy's root, a relative one below this process's own cgroup (on
    /// v2, beside it: a cgroup with processes cannot have children with controllers). Parents are
    /// made too and stay. Device rules are put in force if there are any. When something fails, what
    /// was made is removed again. A cgroup that exists is taken over if it is empty. Where the parents
    /// are new, the machine is asked to [favour moves](Host::favor_moves), if it has v1 hierarchies.
    pub fn create(host: &Host, path: &str, resources: &LinuxResources) -> Result<Self, Error> {
        create::create(host, path, resources, create::Extent::Needed)
    }

    /// The same in every hierarchy, whether a limit needs it or not: those who look for the container's
    /// processes from outside may look in any.
    pub fn create_everywhere(
        host: &Host,
        path: &str,
        resources: &LinuxResources,
    ) -> Result<Self, Error> {
        create::create(host, path, resources, create::Extent::Everywhere)
    }

    /// Opens the cgroup `path` that was made before.
    pub fn open(host: &Host, path: &str) -> Result<Self, Error> {
        create::open(host, path)
    }

    /// Opens what is below it at `path`: in the hierarchies of these controllers, or in all when none
    /// is named; elsewhere it is the cgroup itself.
    ///
    /// `..` is refused. Whether there is such a cgroup shows when a process enters it.
    pub fn below(mut self, controllers: &[&str], path: &str) -> Result<Self, Error> {
        if path.split('/').any(|part| part == "..") {
            return Err(Error::invalid("path below a cgroup", path, "bad sub cgroup path"));
        }
        let known = |name: &str| {
            Controller::from_v1(name).filter(|one| self.node(*one).is_some()).ok_or_else(|| {
                Error::invalid("name of a controller", name, format!("unknown controller {name}"))
            })
        };
        let chosen =
            controllers.iter().map(|name| known(name)).collect::<Result<Controllers, _>>()?;
        for node in &mut self.nodes {
            if controllers.is_empty() || !node.controllers.both(chosen).is_empty() {
                node.dir.push(path.trim_matches('/'));
                if node.home == Home::V2 {
                    self.unified = Some(create::open_dir(&node.dir)?);
                }
            }
        }
        Ok(self)
    }

    /// Returns the path that it was made with.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the open directory in the unified hierarchy, for `CLONE_INTO_CGROUP`.
    ///
    /// On hybrid machines [`add_cloned`](Self::add_cloned) has to follow.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.unified.as_ref().map(AsFd::as_fd)
    }

    /// Returns what the cgroup goes without.
    #[must_use]
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// Returns its directories, one per hierarchy.
    pub fn directories(&self) -> impl Iterator<Item = Directory<'_>> {
        let is_v2 = self.host.version() == Version::V2;
        self.nodes.iter().map(move |node| {
            let mount = match node.home {
                Home::V1(at) => self.host.v1.get(at).map(|hierarchy| hierarchy.dir.as_path()),
                Home::V2 => self.host.unified(),
            };
            let name =
                mount.and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
            Directory {
                name: if is_v2 { "" } else { name },
                path: &node.dir,
                is_unified: node.home == Home::V2,
            }
        })
    }

    /// Changes the limits that `resources` has; device rules replace all earlier ones.
    ///
    /// With `checkBeforeUpdate`, a limit of memory below what is in use is refused (on v1 it always is).
    /// What was written before an error stays.
    pub fn update(&mut self, resources: &LinuxResources) -> Result<(), Error> {
        let settings = settings::settings(resources, &self.host)?;
        let rules = devices::rules(&resources.devices)?;
        self.check_memory(resources)?;
        self.join_later(settings::needed(resources))?;
        self.apply(&settings)?;
        if rules.is_empty() { Ok(()) } else { self.set_devices(&rules) }
    }

    /// Returns the node that has `controller`.
    fn node(&self, controller: Controller) -> Option<&Node> {
        self.nodes.iter().find(|node| node.controllers.has(controller))
    }

    /// Writes `settings`, controller by controller.
    fn apply(&mut self, settings: &[Setting]) -> Result<(), Error> {
        let mut by_controller: Vec<(Controller, Vec<&Setting>)> = Vec::new();
        for setting in settings {
            match by_controller.iter_mut().find(|(controller, _)| *controller == setting.controller)
            {
                Some((_, all)) => all.push(setting),
                None => by_controller.push((setting.controller, vec![setting])),
            }
        }
        for (controller, settings) in by_controller {
            let Some(node) = self.node(controller) else {
                return Err(self.no_controller(controller, settings[0]));
            };
            let forgone = settings::apply(&node.dir, &settings)?;
            let reason = "the kernel has no such file";
            self.missing.extend(
                forgone.into_iter().map(|what| Missing { what, reason: reason.to_owned() }),
            );
        }
        Ok(())
    }

    fn no_controller(&self, controller: Controller, setting: &Setting) -> Error {
        let missing = self.missing.iter().find(|missing| missing.what == controller.to_string());
        Error::NoController {
            file: setting.file.to_string(),
            controller: controller.to_string(),
            reason: missing.map_or("not enabled", |missing| &missing.reason).to_owned(),
        }
    }

    /// Puts device rules in force.
    ///
    /// Without privilege there is no way to, and no need: the kernel lets a user namespace make no nodes.
    fn set_devices(&mut self, rules: &[devices::Rule]) -> Result<(), Error> {
        let done = match self.node(Controller::Devices) {
            Some(node) if node.home == Home::V2 => match self.fd() {
                Some(fd) => devices::attach(fd, rules)
                    .map_err(|source| Error::Devices { dir: node.dir.clone(), source }),
                None => Ok(()),
            },
            Some(node) => devices_v1(&node.dir, rules),
            None if host::is_rootless() => return Ok(()),
            None => {
                let rule = Setting::new(Controller::Devices, "devices.allow", "");
                return Err(self.no_controller(Controller::Devices, &rule));
            }
        };
        match done {
            Err(error) if is_denied(&error) && host::is_rootless() => {
                self.missing.push(Missing {
                    what: Controller::Devices.to_string(),
                    reason: error.to_string(),
                });
                Ok(())
            }
            done => done,
        }
    }

    /// Refuses a limit of memory that would kill at once, if asked to.
    fn check_memory(&self, resources: &LinuxResources) -> Result<(), Error> {
        let Some(memory) =
            resources.memory.as_ref().filter(|memory| memory.check_before_update == Some(true))
        else {
            return Ok(());
        };
        let (Some(node), Some(limit)) = (self.node(Controller::Memory), memory.limit) else {
            return Ok(());
        };
        if node.home != Home::V2 {
            return Ok(());
        }
        let usage = file::read_number(&node.dir, "memory.current")?;
        match u64::try_from(limit) {
            Ok(limit) if limit != 0 && limit < usage => {
                Err(Error::invalid("limit of memory", limit, format!("`{usage}` bytes are in use")))
            }
            _ => Ok(()),
        }
    }
}

fn devices_v1(dir: &Path, rules: &[devices::Rule]) -> Result<(), Error> {
    let lines: Vec<_> = rules.iter().map(|rule| rule.v1_line()).collect();
    // Neighbours for one file share an open file.
    for chunk in lines.chunk_by(|one, other| one.0 == other.0) {
        file::write_each(dir, chunk[0].0, chunk.iter().map(|(_, line)| line.as_str()))?;
    }
    Ok(())
}

fn is_denied(error: &Error) -> bool {
    use rustix::io::Errno;
    matches!(error.errno(), Some(Errno::PERM | Errno::ACCESS | Errno::ROFS))
}
