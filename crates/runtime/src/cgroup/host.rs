//! Where this machine has its controllers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::controller::{Controller, Controllers};
use super::{Error, file};

/// Which kind of hierarchies a machine has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// None is mounted.
    None,
    /// One per controller or group of controllers.
    V1,
    /// Those, and a unified one with few or no controllers.
    Hybrid,
    /// One for all.
    V2,
}

/// The cgroup file systems of this machine.
///
/// Found once and handed down; nothing here changes while a machine runs.
#[derive(Clone, Debug)]
pub struct Host {
    pub(super) v1: Vec<Hierarchy>,
    pub(super) v2: Option<PathBuf>,
    /// Controllers of the unified hierarchy's root, when somebody asked.
    v2_controllers: OnceLock<Controllers>,
}

/// A mounted v1 hierarchy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Hierarchy {
    pub(super) dir: PathBuf,
    pub(super) controllers: Controllers,
}

/// Where a controller is at home.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Home {
    /// In the v1 hierarchy of this index.
    V1(usize),
    /// In the unified one.
    V2,
}

const ROOT: &str = "/sys/fs/cgroup";
/// `CGROUP_SUPER_MAGIC`.
const CGROUP1: u64 = 0x0027_e0eb;
/// `CGROUP2_SUPER_MAGIC`.
const CGROUP2: u64 = 0x6367_7270;

fn is_on(dir: &Path, magic: u64) -> bool {
    rustix::fs::statfs(dir).is_ok_and(|found| u64::try_from(found.f_type) == Ok(magic))
}

/// Reads the cgroup mounts of mountinfo: where, kind, options of the file system.
fn mounts(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    text.lines().filter_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let (dir, mut kind) = (mount.split(' ').nth(4)?, kind.split(' '));
        let (kind, options) = (kind.next()?, kind.nth(1)?);
        kind.starts_with("cgroup").then_some((dir, kind, options))
    })
}

impl Host {
    /// Looks where the hierarchies are: one call on a machine with v2, a dozen cheap ones elsewhere.
    ///
    /// Mounts in unusual places are found too, by reading all mounts.
    pub fn probe() -> Result<Self, Error> {
        let root = Path::new(ROOT);
        if is_on(root, CGROUP2) {
            return Ok(Self::new(Vec::new(), Some(ROOT.into())));
        }
        let usual = Self::below(root);
        if usual.version() != Version::None {
            return Ok(usual);
        }
        file::read(Path::new("/proc/self"), "mountinfo").map(|text| Self::from_mountinfo(&text))
    }

    const fn new(v1: Vec<Hierarchy>, v2: Option<PathBuf>) -> Self {
        Self { v1, v2, v2_controllers: OnceLock::new() }
    }

    /// Finds the hierarchies that are mounted in `root` under the names of their controllers.
    fn below(root: &Path) -> Self {
        let (mut v1, mut v2) = (Vec::new(), None);
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            // Links are further names for one hierarchy.
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let (name, dir) = (entry.file_name(), entry.path());
            let controllers: Controllers =
                name.to_string_lossy().split(',').filter_map(Controller::from_v1).collect();
            if !controllers.is_empty() && is_on(&dir, CGROUP1) {
                v1.push(Hierarchy { dir, controllers });
            } else if name == "unified" && is_on(&dir, CGROUP2) {
                v2 = Some(dir);
            }
        }
        v1.sort_by(|one, other| one.dir.cmp(&other.dir));
        Self::new(v1, v2)
    }

    /// Finds the hierarchies in the text of `/proc/self/mountinfo`; the first mount of each counts.
    fn from_mountinfo(text: &str) -> Self {
        let (mut v1, mut v2) = (Vec::<Hierarchy>::new(), None);
        for (dir, kind, options) in mounts(text) {
            if kind == "cgroup2" {
                v2.get_or_insert_with(|| PathBuf::from(dir));
                continue;
            }
            let controllers: Controllers =
                options.split(',').filter_map(Controller::from_v1).collect();
            if !controllers.is_empty() && !v1.iter().any(|known| known.controllers == controllers) {
                v1.push(Hierarchy { dir: dir.into(), controllers });
            }
        }
        Self::new(v1, v2)
    }

    /// Returns which kind of hierarchies there are.
    #[must_use]
    pub const fn version(&self) -> Version {
        match (self.v1.is_empty(), &self.v2) {
            (true, None) => Version::None,
            (true, Some(_)) => Version::V2,
            (false, None) => Version::V1,
            (false, Some(_)) => Version::Hybrid,
        }
    }

    /// Returns where the unified hierarchy is mounted.
    #[must_use]
    pub fn unified(&self) -> Option<&Path> {
        self.v2.as_deref()
    }

    /// Returns the controllers that can be had, for `info`.
    #[must_use]
    pub fn controllers(&self) -> Vec<Controller> {
        Controller::ALL.into_iter().filter(|one| self.home(*one).is_some()).collect()
    }

    /// Returns where `controller` can be used.
    ///
    /// Suspension by the unified hierarchy is the better one: what is suspended can still be killed.
    pub(super) fn home(&self, controller: Controller) -> Option<Home> {
        if controller == Controller::Freezer && self.v2.is_some() {
            return Some(Home::V2);
        }
        if let Some(at) = self.v1.iter().position(|hierarchy| hierarchy.controllers.has(controller))
        {
            return Some(Home::V1(at));
        }
        let there = self.v2.is_some()
            && (controller.is_built_in() || self.unified_controllers().has(controller));
        there.then_some(Home::V2)
    }

    /// Returns the controllers that the unified hierarchy's root offers.
    pub(super) fn unified_controllers(&self) -> Controllers {
        *self.v2_controllers.get_or_init(|| {
            let text =
                self.v2.as_deref().and_then(|dir| file::read(dir, "cgroup.controllers").ok());
            text.unwrap_or_default().split_whitespace().filter_map(Controller::from_v2).collect()
        })
    }

    /// Makes moving processes between cgroups fast on machines with v1 hierarchies, until they reboot.
    ///
    /// There, every container is moved into its cgroups, and the kernel waits some ten milliseconds
    /// for that to be safe unless it was told to favour such moves, at the price of slightly slower
    /// forks everywhere. On v2 a process is born in its cgroup, so nothing is done. Returns whether
    /// something was changed; without privilege that fails. Takes a tenth of a millisecond even when
    /// there is nothing to do, so remember that it was called since the machine was booted.
    /// Source: `favordynmods` in the kernel's `cgroup-v2.rst`; Linux 6.0.
    pub fn favor_moves(&self) -> io::Result<bool> {
        const OTHERS: [&str; 5] = [
            "nsdelegate",
            "memory_localevents",
            "memory_recursiveprot",
            "memory_hugetlb_accounting",
            "pids_localevents",
        ];
        if self.v1.is_empty() {
            return Ok(false);
        }
        let text = fs::read_to_string("/proc/self/mountinfo")?;
        let options = mounts(&text)
            .find(|(_, kind, _)| *kind == "cgroup2")
            .map_or("", |(_, _, options)| options);
        let is_set = |option: &str| options.split(',').any(|set| set == option);
        if is_set("favordynmods") {
            return Ok(false);
        }
        // Making an instance of the unified file system sets the options of all: the others are repeated.
        let instance =
            rustix::mount::fsopen("cgroup2", rustix::mount::FsOpenFlags::FSOPEN_CLOEXEC)?;
        for option in OTHERS.into_iter().filter(|option| is_set(option)).chain(["favordynmods"]) {
            rustix::mount::fsconfig_set_flag(&instance, option)?;
        }
        rustix::mount::fsconfig_create(&instance)?;
        Ok(true)
    }

    /// Returns the path of this process's own cgroup in a hierarchy, from `/proc/self/cgroup`.
    pub(super) fn own(home: Option<Controller>) -> Result<String, Error> {
        let text = file::read(Path::new("/proc/self"), "cgroup")?;
        let own = text.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (number, names, path) = (fields.next()?, fields.next()?, fields.next()?);
            let is_it = match home {
                Some(controller) => names.split(',').any(|name| name == controller.v1_name()),
                None => number == "0",
            };
            is_it.then(|| path.to_owned())
        });
        Ok(own.unwrap_or_else(|| "/".to_owned()))
    }
}

/// Returns whether this process lacks the rights that only root in the first user namespace has.
pub(super) fn is_rootless() -> bool {
    let is_whole = |map: &str| map.split_whitespace().eq(["0", "0", "4294967295"]);
    !rustix::process::geteuid().is_root()
        || fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !is_whole(&map))
}

#[cfg(test)]
mod tests {
    use super::{Controller, Home, Host, Version};

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
42 31 0:32 / /elsewhere rw,relatime - cgroup cgroup rw,memory
";

    #[test]
    fn a_hybrid_machine_has_both_kinds() {
        let host = Host::from_mountinfo(HYBRID);
        assert_eq!(host.version(), Version::Hybrid);
        assert_eq!(host.v1.len(), 2);
        assert_eq!(host.home(Controller::Memory), Some(Home::V1(1)));
        assert_eq!(host.home(Controller::Cpuacct), Some(Home::V1(0)));
        assert_eq!(host.home(Controller::Devices), Some(Home::V2));
        assert_eq!(host.unified().unwrap().to_str(), Some("/sys/fs/cgroup/unified"));
    }

    #[test]
    fn a_machine_without_mounts_has_no_controller() {
        let host = Host::from_mountinfo("1 1 0:1 / / rw - ext4 /dev/vda rw\n");
        assert_eq!((host.version(), host.home(Controller::Memory)), (Version::None, None));
    }
}
