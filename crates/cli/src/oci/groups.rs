//! Which control group a container has.

use std::path::PathBuf;

use hako_runtime::cgroup::{Cgroup, Host};
use hako_runtime::defaults;
use hako_runtime::spec::Spec;

use super::Failure;

/// Returns the path of the container's control group.
///
/// The notation of systemd, `slice:prefix:name`, becomes the directory that systemd would make.
pub(super) fn path(spec: &Spec, id: &str) -> String {
    let wanted = spec
        .linux
        .as_ref()
        .and_then(|linux| linux.cgroups_path.as_deref())
        .filter(|path| !path.is_empty());
    let Some(wanted) = wanted else { return id.to_owned() };
    let mut parts = wanted.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(slice), Some(prefix), Some(name), None) => {
            let slice = if slice.is_empty() { "system.slice" } else { slice };
            let unit = match (name.ends_with(".slice"), prefix.is_empty()) {
                (true, _) => name.to_owned(),
                (false, true) => format!("{name}.scope"),
                (false, false) => format!("{prefix}-{name}.scope"),
            };
            format!("/{}", expand(slice).join(unit).display())
        }
        _ => wanted.to_owned(),
    }
}

/// Returns the directory of a slice: each dash in its name is a level.
fn expand(slice: &str) -> PathBuf {
    let Some(name) = slice.strip_suffix(".slice").filter(|name| *name != "-") else {
        return PathBuf::new();
    };
    let mut path = PathBuf::new();
    for (at, _) in name.match_indices('-').chain([(name.len(), "")]) {
        path.push(format!("{}.slice", &name[..at]));
    }
    path
}

/// Makes the container's control group; `None` for a user who may have none and asked for no limits.
pub(super) fn make(spec: &Spec, id: &str) -> Result<Option<Cgroup>, Failure> {
    let wanted = spec.linux.as_ref().and_then(|linux| linux.resources.clone());
    let asks = wanted.is_some();
    let mut resources = wanted.unwrap_or_default();
    if !resources.devices.is_empty() {
        // The devices that the specification gives to every container, whatever else is denied.
        resources.devices.extend(defaults::device_rules().into_iter().filter(|rule| rule.allow));
    }
    let host = Host::probe()?;
    match Cgroup::create_everywhere(&host, &path(spec, id), &resources) {
        Ok(cgroup) => Ok(Some(cgroup)),
        Err(_) if !rustix::process::geteuid().is_root() && !asks => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hako_runtime::spec::Linux;

    fn of(path: &str) -> String {
        let linux = Linux { cgroups_path: Some(path.into()), ..Linux::default() };
        super::path(&Spec { linux: Some(linux), ..Spec::default() }, "id")
    }

    #[test]
    fn systemds_notation_becomes_the_directory_that_it_means() {
        assert_eq!(of("system.slice:docker:c1"), "/system.slice/docker-c1.scope");
        assert_eq!(
            of("kube-pods-a.slice:cri:c1"),
            "/kube.slice/kube-pods.slice/kube-pods-a.slice/cri-c1.scope"
        );
        assert_eq!(of("-.slice::c1"), "/c1.scope");
        assert_eq!(of("/docker/c1"), "/docker/c1");
        assert_eq!(of(""), "id");
    }
}
