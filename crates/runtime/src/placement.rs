//! What the runtime needs of control groups: a process in them, and their directories as mounts.

use std::os::fd::BorrowedFd;

use crate::Error;
use crate::cgroup::Cgroup;
use crate::plan::Groups;

/// Returns the directory in which a process can be born, if there is a unified hierarchy.
pub(crate) fn birthplace(cgroup: &Cgroup) -> Option<BorrowedFd<'_>> {
    cgroup.fd()
}

/// Puts a process, which was born in the [`birthplace`] if there is one, into the control group.
pub(crate) fn enter(cgroup: &Cgroup, pid: i32) -> Result<(), Error> {
    let done = if cgroup.fd().is_some() { cgroup.add_cloned(pid) } else { cgroup.add(pid) };
    done.map_err(|source| Error::Cgroup(Box::new(source)))
}

/// Returns how the container sees its control groups.
pub(crate) fn layout(cgroup: &Cgroup) -> Groups {
    let directories: Vec<_> = cgroup.directories().collect();
    if let [only] = directories.as_slice()
        && only.is_unified
    {
        return Groups::Bound(only.path.to_owned());
    }
    let hierarchies: Vec<_> =
        directories.iter().map(|one| (one.name.to_owned(), one.path.to_owned())).collect();
    let shared = hierarchies.iter().filter(|(name, _)| name.contains(','));
    let links = shared
        .flat_map(|(name, _)| name.split(',').map(|one| (one.to_owned(), name.clone())))
        .collect();
    Groups::Legacy { hierarchies, links }
}
