//! Mounts: the service's own, those of secrets and configs, and volumes taken over from the container before.

use std::collections::BTreeSet;

use hako_compose::model::{self as compose, Service};
use hako_engine::model::{
    BindOptions, HostConfig, ImageOptions, Mount, MountKind, TmpfsOptions, VolumeOptions,
};

use crate::Wanted;
use crate::request::Situation;

pub(super) fn mounts(situation: &Situation<'_>, service: &Service, host: &mut HostConfig) {
    let mut out: Vec<Mount> =
        service.volumes.iter().map(|mount| convert(situation.wanted, mount)).collect();
    out.extend(situation.grants.iter().cloned());
    let targets: BTreeSet<String> = out
        .iter()
        .filter(|mount| !(mount.kind == MountKind::Volume && mount.source.is_empty()))
        .map(|mount| mount.target.clone())
        .chain(host.tmpfs.keys().cloned())
        .collect();
    for (target, volume) in
        situation.carried.iter().filter(|(target, _)| !targets.contains(*target))
    {
        match out.iter_mut().find(|mount| mount.target == *target) {
            Some(mount) => mount.source.clone_from(volume),
            None => out.push(Mount {
                kind: MountKind::Volume,
                source: volume.clone(),
                target: target.clone(),
                ..Mount::default()
            }),
        }
    }
    host.mounts = out;
}

fn convert(wanted: &Wanted, mount: &compose::Mount) -> Mount {
    let mut out = Mount {
        source: mount.source.clone(),
        target: mount.target.clone(),
        read_only: mount.read_only,
        ..Mount::default()
    };
    match mount.r#type.as_str() {
        "bind" | "npipe" => {
            out.kind = MountKind::Bind;
            let bind = mount.bind.clone().unwrap_or_default();
            out.bind_options = Some(BindOptions {
                propagation: bind.propagation,
                create_mountpoint: bind.create_host_path,
                non_recursive: bind.recursive == "disabled",
                read_only_non_recursive: bind.recursive == "writable",
                read_only_force_recursive: bind.recursive == "readonly",
            });
        }
        "tmpfs" => {
            out.kind = MountKind::Tmpfs;
            out.source = String::new();
            out.tmpfs_options = mount.tmpfs.as_ref().map(|tmpfs| TmpfsOptions {
                size_bytes: tmpfs.size.parse().unwrap_or_default(),
                mode: u32::from_str_radix(&tmpfs.mode, 8).ok(),
                ..TmpfsOptions::default()
            });
        }
        "image" => {
            out.kind = MountKind::Image;
            out.image_options =
                mount.image.as_ref().map(|image| ImageOptions { subpath: image.subpath.clone() });
        }
        _ => {
            if let Some(volume) = wanted.project.volumes.get(&mount.source) {
                out.source.clone_from(&volume.name);
            }
            out.volume_options = mount
                .volume
                .as_ref()
                .filter(|options| **options != compose::NamedVolume::default())
                .map(|options| VolumeOptions {
                    no_copy: options.nocopy,
                    labels: options.labels.clone(),
                    subpath: options.subpath.clone(),
                    ..VolumeOptions::default()
                });
        }
    }
    out
}
