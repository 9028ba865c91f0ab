//! What services share: networks and volumes.

use std::collections::BTreeSet;

use hako_compose::model::{Network, Volume};
use hako_engine::Engine;
use hako_engine::model::{Ipam, IpamConfig, Map, NetworkSpec, VolumeSpec};

use crate::apply::Work;
use crate::{Error, Status, labels};

/// Makes the networks that services use.
pub(super) fn networks(
    work: &Work<'_>,
    engine: &Engine,
    services: &BTreeSet<String>,
) -> Result<(), Error> {
    let project = &work.wanted.project;
    let used: BTreeSet<&String> = services
        .iter()
        .filter_map(|name| project.services.get(name))
        .flat_map(|service| service.networks.keys())
        .collect();
    for (key, network) in project.networks.iter().filter(|(key, _)| used.contains(key)) {
        let found = engine.networks().find(&network.name);
        if network.external {
            found.map_err(|_| Error::ExternalNetwork(network.name.clone()))?;
            continue;
        }
        let subject = format!("Network {}", network.name);
        let hash = work.wanted.network_hashes.get(key);
        match found.ok().filter(|found| found.spec.name == network.name) {
            None => {}
            Some(found) => {
                let made_from = found.spec.labels.get(labels::NETWORK_HASH);
                if made_from.is_none() || made_from == hash {
                    continue;
                }
                renew(work, engine, &found, &subject)?;
            }
        }
        work.tell(&subject, "Creating", Status::Working);
        if !work.options.dry_run {
            let mut spec = network_spec(&project.name, key, network);
            spec.labels.extend(hash.map(|hash| (labels::NETWORK_HASH.to_owned(), hash.clone())));
            let made = engine.networks().create(&spec);
            made.map_err(|error| {
                work.tell(&subject, "Error", Status::Failed);
                Error::engine(format!("cannot create the network `{}`", network.name))(error)
            })?;
        }
        work.tell(&subject, "Created", Status::Done);
    }
    Ok(())
}

/// Takes away a network that was made from something else. The containers on it are stopped and leave it; their services'
/// hashes have changed with it, so that they are made anew.
fn renew(
    work: &Work<'_>,
    engine: &Engine,
    network: &hako_engine::network::Network,
    subject: &str,
) -> Result<(), Error> {
    let name = &network.spec.name;
    work.tell(subject, "Recreate", Status::Working);
    if work.options.dry_run {
        return Ok(());
    }
    let doing = || format!("cannot renew the network `{name}`");
    for actual in work.containers(engine)? {
        let settings = engine
            .containers()
            .network_settings(&actual.container)
            .map_err(Error::engine(doing()))?;
        if settings.networks.contains_key(name) {
            if actual.is_up() {
                engine
                    .containers()
                    .stop(&actual.id, None, work.options.timeout)
                    .map_err(Error::engine(doing()))?;
            }
            engine
                .networks()
                .disconnect(&network.id, &actual.id, true)
                .map_err(Error::engine(doing()))?;
        }
    }
    engine.networks().remove(&network.id).map_err(Error::engine(doing())).map(drop)
}

fn network_spec(project: &str, key: &str, network: &Network) -> NetworkSpec {
    NetworkSpec {
        name: network.name.clone(),
        driver: network.driver.clone(),
        internal: network.internal,
        attachable: network.attachable,
        enable_ipv4: network.enable_ipv4,
        enable_ipv6: network.enable_ipv6.unwrap_or_default(),
        ipam: Ipam {
            driver: network.ipam.driver.clone(),
            options: Some(network.ipam.options.clone()).filter(|options| !options.is_empty()),
            config: network
                .ipam
                .config
                .iter()
                .map(|pool| IpamConfig {
                    subnet: pool.subnet.clone(),
                    ip_range: pool.ip_range.clone(),
                    gateway: pool.gateway.clone(),
                    auxiliary_addresses: pool.aux_addresses.clone(),
                })
                .collect(),
        },
        options: network.driver_opts.clone(),
        labels: with_own(&network.labels, project, labels::NETWORK, key),
    }
}

/// Makes the volumes that services use.
pub(super) fn volumes(
    work: &Work<'_>,
    engine: &Engine,
    services: &BTreeSet<String>,
) -> Result<(), Error> {
    let project = &work.wanted.project;
    let used: BTreeSet<&String> = services
        .iter()
        .filter_map(|name| project.services.get(name))
        .flat_map(|service| {
            service
                .volumes
                .iter()
                .filter(|mount| mount.r#type == "volume")
                .map(|mount| &mount.source)
        })
        .collect();
    for (key, volume) in project.volumes.iter().filter(|(key, _)| used.contains(key)) {
        let found = engine.volumes().get(&volume.name);
        let found =
            found.map_err(Error::engine(format!("cannot read the volume `{}`", volume.name)))?;
        match found {
            None if volume.external => return Err(Error::ExternalVolume(volume.name.clone())),
            Some(found) => {
                let own = found.spec.labels.get(labels::PROJECT);
                if !volume.external && own.is_none_or(|own| *own != project.name) {
                    let text = "exists but was not created for this project. Use `external: true` to use it";
                    work.tell(&format!("Volume {}", volume.name), text, Status::Warning);
                }
            }
            None => create_volume(work, engine, key, volume)?,
        }
    }
    Ok(())
}

fn create_volume(
    work: &Work<'_>,
    engine: &Engine,
    key: &str,
    volume: &Volume,
) -> Result<(), Error> {
    let subject = format!("Volume {}", volume.name);
    work.tell(&subject, "Creating", Status::Working);
    if !work.options.dry_run {
        let spec = VolumeSpec {
            name: volume.name.clone(),
            driver: volume.driver.clone(),
            driver_opts: volume.driver_opts.clone(),
            labels: with_own(&volume.labels, &work.wanted.project.name, labels::VOLUME, key),
        };
        let made = engine.volumes().create(&spec);
        made.map_err(|error| {
            work.tell(&subject, "Error", Status::Failed);
            Error::engine(format!("cannot create the volume `{}`", volume.name))(error)
        })?;
    }
    work.tell(&subject, "Created", Status::Done);
    Ok(())
}

fn with_own(given: &Map, project: &str, kind: &str, key: &str) -> Map {
    let mut out = given.clone();
    out.insert(labels::PROJECT.into(), project.to_owned());
    out.insert(kind.into(), key.to_owned());
    out.insert(labels::VERSION.into(), labels::SPOKEN.into());
    out
}
