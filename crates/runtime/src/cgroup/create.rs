//! Making and opening the directories of a cgroup.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, Mode, OFlags, access, mkdir, open as open_file, rmdir};
use rustix::io::Errno;

use super::controller::{Controller, Controllers};
use super::host::{Home, Host};
use super::settings::{needed, settings};
use super::{Cgroup, Error, Missing, Node, devices, file, is_denied};
use crate::spec::LinuxResources;

/// In which hierarchies a cgroup is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Extent {
    /// Those with a controller that is of use.
    Needed,
    /// All.
    Everywhere,
}

/// See [`Cgroup::create`].
pub(super) fn create(
    host: &Host,
    path: &str,
    resources: &LinuxResources,
    extent: Extent,
) -> Result<Cgroup, Error> {
    let settings = settings(resources, host)?;
    let rules = devices::rules(&resources.devices)?;
    let mut cgroup = empty(host, path)?;
    let mut made = Vec::new();
    let wanted = Controllers::USUAL.union(needed(resources));
    let done = make(&mut cgroup, wanted, extent, &mut made)
        .and_then(|()| cgroup.apply(&settings))
        .and_then(|()| if rules.is_empty() { Ok(()) } else { cgroup.set_devices(&rules) });
    match done {
        Ok(()) => Ok(cgroup),
        Err(error) => {
            for dir in made.iter().rev() {
                // The error that stopped us says more than one from here.
                let _ = rmdir(dir);
            }
            Err(error)
        }
    }
}

/// See [`Cgroup::open`].
pub(super) fn open(host: &Host, path: &str) -> Result<Cgroup, Error> {
    let mut cgroup = empty(host, path)?;
    for (home, controllers) in homes(host) {
        let dir = directory(host, home, path)?;
        if access(&dir, Access::EXISTS).is_err() {
            continue;
        }
        // On v2 the directory says what was enabled for it.
        let controllers = match home {
            Home::V1(_) => controllers,
            Home::V2 => built_in(controllers).union(enabled(&dir)?),
        };
        cgroup.nodes.push(Node { dir, home, controllers });
    }
    if cgroup.nodes.is_empty() {
        return Err(Error::NotFound(path.to_owned()));
    }
    let unified = cgroup.nodes.iter().find(|node| node.home == Home::V2);
    cgroup.unified = unified.map(|node| open_dir(&node.dir)).transpose()?;
    Ok(cgroup)
}

impl Cgroup {
    /// Adds nodes for controllers that were not needed before, and moves all processes there.
    pub(super) fn join_later(&mut self, wanted: Controllers) -> Result<(), Error> {
        let there =
            self.nodes.iter().fold(Controllers::default(), |all, node| all.union(node.controllers));
        let wanted = wanted.without(there);
        if wanted.is_empty() {
            return Ok(());
        }
        if let Some(node) = self.nodes.iter_mut().find(|node| node.home == Home::V2) {
            let at_home = wanted.iter().filter(|one| self.host.home(*one) == Some(Home::V2));
            let more = enable(&self.host, &node.dir, at_home.collect(), &mut self.missing)?;
            node.controllers = node.controllers.union(more);
        }
        let pids = self.pids()?;
        let known = self.nodes.len();
        make(self, wanted, Extent::Needed, &mut Vec::new())?;
        for node in &self.nodes[known..] {
            for pid in &pids {
                node.add(*pid)?;
            }
        }
        Ok(())
    }
}

fn empty(host: &Host, path: &str) -> Result<Cgroup, Error> {
    if path.split('/').any(|part| part == "..") || path.trim_matches('/').is_empty() {
        return Err(Error::invalid(
            "path of a cgroup",
            path,
            "it has to name one below a hierarchy's root",
        ));
    }
    Ok(Cgroup {
        host: host.clone(),
        path: path.to_owned(),
        nodes: Vec::new(),
        unified: None,
        missing: Vec::new(),
    })
}

/// Returns every hierarchy with the controllers that a node there has.
fn homes(host: &Host) -> impl Iterator<Item = (Home, Controllers)> {
    let v1 =
        host.v1.iter().enumerate().map(|(at, hierarchy)| (Home::V1(at), hierarchy.controllers));
    let v2 = host.unified().map(|_| {
        Controller::ALL.into_iter().filter(|one| host.home(*one) == Some(Home::V2)).collect()
    });
    // On hybrid machines the freezer of v1 is not at home there.
    let v1 = v1.map(|(home, all)| {
        (home, all.iter().filter(|one| host.home(*one) == Some(home)).collect())
    });
    v1.chain(v2.map(|controllers| (Home::V2, controllers)))
}

fn directory(host: &Host, home: Home, path: &str) -> Result<PathBuf, Error> {
    let (root, controller) = match home {
        Home::V1(at) => (host.v1[at].dir.as_path(), host.v1[at].controllers.iter().next()),
        Home::V2 => (host.unified().unwrap_or(Path::new("/")), None),
    };
    if path.starts_with('/') {
        return Ok(root.join(path.trim_matches('/')));
    }
    let own = Host::own(controller)?;
    let own = Path::new(own.trim_start_matches('/'));
    let base = if home == Home::V2 { own.parent().unwrap_or(own) } else { own };
    Ok(root.join(base).join(path.trim_end_matches('/')))
}

/// Makes the nodes for `wanted`; lists in `made` the directories that were not there before.
fn make(
    cgroup: &mut Cgroup,
    wanted: Controllers,
    extent: Extent,
    made: &mut Vec<PathBuf>,
) -> Result<(), Error> {
    let host = cgroup.host.clone();
    for (home, controllers) in homes(&host) {
        let use_of = controllers.both(wanted);
        let is_idle = use_of.is_empty() && extent == Extent::Needed;
        if is_idle || cgroup.nodes.iter().any(|node| node.home == home) {
            continue;
        }
        let dir = directory(&host, home, &cgroup.path)?;
        let done = make_dir(&host, home, &dir, made).and_then(|()| match home {
            Home::V1(_) if controllers.has(Controller::Cpuset) => {
                inherit_cpuset(&dir).map(|()| controllers)
            }
            Home::V1(_) => Ok(controllers),
            Home::V2 => enable(&host, &dir, use_of, &mut cgroup.missing),
        });
        match done {
            Ok(controllers) => cgroup.nodes.push(Node { dir, home, controllers }),
            Err(error) if is_denied(&error) => {
                let reason = format!("{error}: {}", error.errno().unwrap_or(Errno::PERM));
                cgroup.missing.extend(
                    controllers
                        .iter()
                        .map(|one| Missing { what: one.to_string(), reason: reason.clone() }),
                );
            }
            Err(error) => return Err(error),
        }
    }
    let unified = cgroup.nodes.iter().find(|node| node.home == Home::V2);
    if cgroup.unified.is_none() {
        cgroup.unified = unified.map(|node| open_dir(&node.dir)).transpose()?;
    }
    Ok(())
}

/// Makes a directory, and its parents if they are missing; one that exists has to be empty.
fn make_dir(host: &Host, home: Home, dir: &Path, made: &mut Vec<PathBuf>) -> Result<(), Error> {
    let failed = |source: Errno| Error::Create { dir: dir.to_owned(), source: source.into() };
    match mkdir(dir, Mode::from_raw_mode(0o755)) {
        Ok(()) => {
            made.push(dir.to_owned());
            Ok(())
        }
        Err(Errno::EXIST) => {
            let procs = file::read_if_there(dir, "cgroup.procs")?;
            let count = procs.map_or(0, |text| text.lines().count());
            if count > 0 {
                return Err(Error::NotEmpty { dir: dir.to_owned(), count });
            }
            check_thawed(dir)
        }
        Err(Errno::NOENT) => {
            let parent = dir.parent().ok_or_else(|| failed(Errno::NOENT))?;
            make_parents(host, home, parent)?;
            if home == Home::V1(0) {
                // The first of our cgroups since the machine was booted: the moment to ask for it. Whoever
                // may not, or whose kernel cannot, goes on with slow moves.
                drop(host.favor_moves());
            }
            mkdir(dir, Mode::from_raw_mode(0o755)).map_err(failed)?;
            made.push(dir.to_owned());
            Ok(())
        }
        Err(errno) => Err(failed(errno)),
    }
}

/// Refuses a directory whose processes would be suspended.
fn check_thawed(dir: &Path) -> Result<(), Error> {
    let state = file::read_if_there(dir, "freezer.state")?;
    let freeze = file::read_if_there(dir, "cgroup.freeze")?;
    let is_frozen = state.is_some_and(|text| text.trim() != "THAWED")
        || freeze.is_some_and(|text| text.trim() == "1");
    if is_frozen { Err(Error::Frozen(dir.to_owned())) } else { Ok(()) }
}

/// Makes directories that stay, for others may make theirs below at the same time.
fn make_parents(host: &Host, home: Home, dir: &Path) -> Result<(), Error> {
    let made = match mkdir(dir, Mode::from_raw_mode(0o755)) {
        Err(Errno::NOENT) => {
            let parent = dir.parent().unwrap_or(dir);
            make_parents(host, home, parent)?;
            mkdir(dir, Mode::from_raw_mode(0o755))
        }
        done => done,
    };
    match made {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(Error::Create { dir: dir.to_owned(), source: errno.into() }),
    }
    if let Home::V1(at) = home
        && host.v1[at].controllers.has(Controller::Cpuset)
    {
        inherit_cpuset(dir)?;
        // Children made from now on have the same processors and nodes from the start.
        file::write(dir, "cgroup.clone_children", "1")?;
    }
    Ok(())
}

/// Gives a new v1 cpuset what its parent has: no process can enter an empty one.
fn inherit_cpuset(dir: &Path) -> Result<(), Error> {
    if !file::read(dir, "cpuset.cpus")?.trim().is_empty() {
        return Ok(());
    }
    let Some(parent) = dir.parent() else { return Ok(()) };
    for name in ["cpuset.cpus", "cpuset.mems"] {
        let mut inherited = file::read(parent, name)?;
        if inherited.trim().is_empty() {
            inherit_cpuset(parent)?;
            inherited = file::read(parent, name)?;
        }
        file::write(dir, name, inherited.trim())?;
    }
    Ok(())
}

/// Enables the controllers `wanted` for a v2 cgroup in all of its parents.
///
/// Returns those that it has in the end; for each that it has not, `missing` says why. No process is
/// moved: a parent with processes of its own keeps its controllers for itself.
fn enable(
    host: &Host,
    dir: &Path,
    wanted: Controllers,
    missing: &mut Vec<Missing>,
) -> Result<Controllers, Error> {
    let built_in = built_in(wanted);
    let wanted = wanted.without(built_in);
    if wanted.is_empty() {
        return Ok(built_in);
    }
    let mut there = enabled(dir)?;
    if !wanted.without(there).is_empty() {
        let root = host.unified().unwrap_or(dir);
        let mut above: Vec<_> =
            dir.ancestors().skip(1).take_while(|parent| parent.starts_with(root)).collect();
        above.reverse();
        for parent in above {
            enable_below(parent, wanted.without(there), missing)?;
        }
        there = enabled(dir)?;
    }
    for one in wanted.without(there).iter() {
        if !missing.iter().any(|known| known.what == one.to_string()) {
            missing.push(Missing {
                what: one.to_string(),
                reason: "a parent does not have it".to_owned(),
            });
        }
    }
    Ok(built_in.union(there))
}

/// Returns those of `all` that need not be enabled.
fn built_in(all: Controllers) -> Controllers {
    all.iter().filter(|one| one.is_built_in()).collect()
}

/// Writes `cgroup.subtree_control` of one cgroup; all at once, and one by one if that is refused.
fn enable_below(
    parent: &Path,
    wanted: Controllers,
    missing: &mut Vec<Missing>,
) -> Result<(), Error> {
    const FILE: &str = "cgroup.subtree_control";
    let wanted = wanted.both(enabled(parent)?).without(listed(&file::read(parent, FILE)?));
    if wanted.is_empty() {
        return Ok(());
    }
    let names: Vec<_> =
        wanted.iter().filter_map(|one| Some((one, format!("+{}", one.v2_name()?)))).collect();
    let together = names.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(" ");
    if file::write(parent, FILE, &together).is_ok() {
        return Ok(());
    }
    for (one, name) in names {
        if let Err(error) = file::write(parent, FILE, &name) {
            let reason = format!("{error}: {}", error.errno().unwrap_or(Errno::IO));
            missing.push(Missing { what: one.to_string(), reason });
        }
    }
    Ok(())
}

fn enabled(dir: &Path) -> Result<Controllers, Error> {
    file::read(dir, "cgroup.controllers").map(|text| listed(&text))
}

fn listed(text: &str) -> Controllers {
    text.split_whitespace().filter_map(Controller::from_v2).collect()
}

pub(super) fn open_dir(dir: &Path) -> Result<std::os::fd::OwnedFd, Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open_file(dir, flags, Mode::empty())
        .map_err(|errno| Error::Create { dir: dir.to_owned(), source: errno.into() })
}
