//! Which mounts a container has: one list out of the five places where they can be asked for.
//!
//! Later places win over earlier ones, where both name one target: other containers' volumes (`--volumes-from`), then
//! the image's and `-v /path` volumes only where nothing else is; but two of one's own at one target are an error.

use hako_types::ObjectName;

use super::PlannedMount;
use crate::Error;
use crate::model::{BindOptions, Config, HostConfig, Mount, MountKind, MountPoint, VolumeOptions};

/// Returns the mounts that `config` and `host` ask for, given those of the containers in `volumes_from`.
///
/// Anonymous volumes have an empty name yet.
///
/// # Errors
/// When a mount is malformed, or two are at one target.
pub(super) fn plan(
    config: &Config,
    host: &HostConfig,
    inherited: Vec<PlannedMount>,
) -> Result<Vec<PlannedMount>, Error> {
    let mut own: Vec<PlannedMount> = Vec::new();
    for bind in &host.binds {
        own.push(from_bind(bind)?);
    }
    for mount in &host.mounts {
        own.push(from_mount(mount)?);
    }
    let mut targets: Vec<String> =
        own.iter().map(|planned| planned.point.destination.clone()).collect();
    targets.extend(host.tmpfs.keys().map(|target| clean(target)));
    targets.sort();
    if let Some(twice) = targets.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::Invalid(format!("Duplicate mount point: {}", twice[0])));
    }
    let taken = |target: &str, own: &[PlannedMount]| {
        own.iter().any(|planned| planned.point.destination == target)
            || host.tmpfs.keys().any(|tmpfs| clean(tmpfs) == target)
    };
    for planned in inherited {
        if !taken(&planned.point.destination, &own) {
            own.push(planned);
        }
    }
    for target in config.volumes.keys() {
        let target = target_path(target)?;
        if !taken(&target, &own) {
            own.push(anonymous(&target, &host.volume_driver));
        }
    }
    Ok(own)
}

fn anonymous(target: &str, driver: &str) -> PlannedMount {
    let mount = Mount { kind: MountKind::Volume, target: target.to_owned(), ..Mount::default() };
    let mut planned = from_volume(mount, driver);
    planned.anonymous = true;
    planned.point.mode.clear();
    planned
}

/// Reads `source:target[:options]`.
fn from_bind(text: &str) -> Result<PlannedMount, Error> {
    let bad = |why: &str| Error::Invalid(format!("invalid volume specification: '{text}': {why}"));
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, mode) = match parts[..] {
        [source, target] => (source, target, ""),
        [source, target, mode] => (source, target, mode),
        _ => return Err(bad("want source:target[:options]")),
    };
    let target = target_path(target)?;
    let mut mount = Mount { source: source.to_owned(), target, ..Mount::default() };
    if source.starts_with('/') {
        mount.kind = MountKind::Bind;
        mount.source = clean(source);
        mount.bind_options =
            Some(BindOptions { create_mountpoint: true, ..BindOptions::default() });
    } else {
        let name: Result<ObjectName, _> = source.parse();
        name.map_err(|error| bad(&format!("{error}; a path of the host begins with / or ./")))?;
    }
    for option in mode.split(',').filter(|option| !option.is_empty()) {
        apply_option(&mut mount, option).ok_or_else(|| bad(&format!("invalid mode: {option}")))?;
    }
    let mut planned = from_mount(&mount)?;
    // A volume without options says `z`, as if its label could be shared.
    if !mode.is_empty() || planned.point.kind == MountKind::Bind {
        mode.clone_into(&mut planned.point.mode);
    }
    Ok(planned)
}

/// Applies one option of the short form; nothing when there is none such.
fn apply_option(mount: &mut Mount, option: &str) -> Option<()> {
    match option {
        "rw" | "z" | "Z" | "consistent" | "cached" | "delegated" => {}
        "ro" => mount.read_only = true,
        "nocopy" if mount.kind == MountKind::Volume => {
            mount.volume_options.get_or_insert_default().no_copy = true;
        }
        "rprivate" | "private" | "rshared" | "shared" | "rslave" | "slave"
            if mount.kind == MountKind::Bind =>
        {
            option.clone_into(&mut mount.bind_options.get_or_insert_default().propagation);
        }
        "rbind" if mount.kind == MountKind::Bind => {}
        "bind" if mount.kind == MountKind::Bind => {
            mount.bind_options.get_or_insert_default().non_recursive = true;
        }
        _ => return None,
    }
    Some(())
}

fn from_mount(mount: &Mount) -> Result<PlannedMount, Error> {
    let mut mount = mount.clone();
    mount.target = target_path(&mount.target)?;
    let bad =
        |why: &str| Error::Invalid(format!("invalid mount config for `{}`: {why}", mount.target));
    match mount.kind {
        MountKind::Bind => {
            if !mount.source.starts_with('/') {
                return Err(bad("the source of a bind mount must be an absolute path"));
            }
            let point = bind_point(&mount);
            Ok(PlannedMount { point, mount, anonymous: false })
        }
        MountKind::Volume => {
            if !mount.source.is_empty() {
                let name: Result<ObjectName, _> = mount.source.parse();
                name.map_err(|error| bad(&error.to_string()))?;
            }
            let driver = mount
                .volume_options
                .as_ref()
                .map(|options| options.driver.clone())
                .unwrap_or_default();
            let anonymous = mount.source.is_empty();
            let mut planned = from_volume(mount, &driver);
            planned.anonymous = anonymous;
            Ok(planned)
        }
        MountKind::Tmpfs => {
            if !mount.source.is_empty() {
                return Err(bad("a tmpfs mount has no source"));
            }
            let point = MountPoint {
                kind: MountKind::Tmpfs,
                destination: mount.target.clone(),
                rw: !mount.read_only,
                ..MountPoint::default()
            };
            Ok(PlannedMount { point, mount, anonymous: false })
        }
        MountKind::Image => {
            if mount.source.is_empty() {
                return Err(bad("the source of an image mount is an image"));
            }
            let point = MountPoint {
                kind: MountKind::Image,
                source: mount.source.clone(),
                destination: mount.target.clone(),
                rw: false,
                ..MountPoint::default()
            };
            Ok(PlannedMount { point, mount, anonymous: false })
        }
    }
}

/// Returns what `inspect` tells of a bind mount.
fn bind_point(mount: &Mount) -> MountPoint {
    let propagation =
        mount.bind_options.as_ref().map(|options| options.propagation.clone()).unwrap_or_default();
    MountPoint {
        kind: MountKind::Bind,
        source: mount.source.clone(),
        destination: mount.target.clone(),
        rw: !mount.read_only,
        propagation: if propagation.is_empty() { "rprivate".into() } else { propagation },
        ..MountPoint::default()
    }
}

fn from_volume(mut mount: Mount, driver: &str) -> PlannedMount {
    let options = mount.volume_options.get_or_insert_with(VolumeOptions::default);
    driver.clone_into(&mut options.driver);
    let point = MountPoint {
        kind: MountKind::Volume,
        name: mount.source.clone(),
        destination: mount.target.clone(),
        driver: if driver.is_empty() { "local".into() } else { driver.to_owned() },
        mode: "z".into(),
        rw: !mount.read_only,
        ..MountPoint::default()
    };
    PlannedMount { point, mount, anonymous: false }
}

/// Checks a path inside the container and returns it without `.`, `..` and doubled slashes.
pub(super) fn target_path(text: &str) -> Result<String, Error> {
    if !text.starts_with('/') {
        return Err(Error::Invalid(format!(
            "invalid mount path: '{text}' mount path must be absolute"
        )));
    }
    let path = clean(text);
    if path == "/" {
        return Err(Error::Invalid(format!(
            "invalid mount path: '{text}': destination can't be '/'"
        )));
    }
    Ok(path)
}

/// Returns an absolute path without `.`, `..` and doubled slashes, by its text alone (Go's `path.Clean`).
pub(crate) fn clean(text: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Empty;

    fn host(binds: &[&str]) -> HostConfig {
        HostConfig { binds: binds.iter().map(|&b| b.to_owned()).collect(), ..HostConfig::default() }
    }

    #[test]
    fn short_forms_become_binds_and_volumes() {
        let planned =
            plan(&Config::default(), &host(&["/a/../b:/x/:ro,rslave", "vol:/y"]), Vec::new())
                .unwrap();
        assert_eq!(
            (planned[0].point.source.as_str(), planned[0].point.destination.as_str()),
            ("/b", "/x")
        );
        assert!(!planned[0].point.rw);
        assert_eq!(planned[0].point.propagation, "rslave");
        assert_eq!(
            (planned[1].point.kind, planned[1].point.name.as_str()),
            (MountKind::Volume, "vol")
        );
    }

    #[test]
    fn malformed_and_doubled_mounts_are_refused_by_name() {
        for bad in ["/tmp:relative", "/tmp:/", "a/b:/d", "x", "/a:/b:nonsense", "/a:/b:ro:x"] {
            assert!(plan(&Config::default(), &host(&[bad]), Vec::new()).is_err(), "{bad}");
        }
        let error =
            plan(&Config::default(), &host(&["vol:/d", "web:/d/"]), Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "Duplicate mount point: /d");
    }

    #[test]
    fn an_images_volume_gives_way_to_ones_own_mount() {
        let config =
            Config { volumes: [("/data".to_owned(), Empty {})].into(), ..Config::default() };
        assert!(plan(&config, &host(&[]), Vec::new()).unwrap()[0].anonymous);
        let planned = plan(&config, &host(&["/own:/data"]), Vec::new()).unwrap();
        assert_eq!((planned.len(), planned[0].point.kind), (1, MountKind::Bind));
    }
}
