//! What `inspect` tells of a container.

use std::collections::BTreeMap;

use hako_runtime::defaults;
use hako_store::rusqlite::params;
use serde_json::json;

use super::{Container, Containers};
use crate::model::{ContainerInspect, EndpointSettings, HostConfig, NetworkSettings, PortBinding};
use crate::monitor;
use crate::{Error, network};

impl Containers<'_> {
    /// Returns what `inspect` prints; with `size` also how much its files take.
    ///
    /// # Errors
    /// When there is no such container.
    pub fn inspect(self, name: &str, size: bool) -> Result<ContainerInspect, Error> {
        let container = self.find(name)?;
        self.describe(&container, size)
    }

    /// Returns what `inspect` prints of a container that was read already.
    ///
    /// # Errors
    /// When the database fails.
    pub fn describe(self, container: &Container, size: bool) -> Result<ContainerInspect, Error> {
        let directory = container.directory(self.engine);
        let text = |name: &str| directory.join(name).to_string_lossy().into_owned();
        let (size_rw, size_root_fs) = if size {
            self.size(container).map(|(a, b)| (Some(a), Some(b)))?
        } else {
            (None, None)
        };
        let mut config = container.record.config.clone();
        if config.user == "0" && container.record.config.user.is_empty() {
            config.user.clear();
        }
        Ok(ContainerInspect {
            id: container.id.as_str().to_owned(),
            created: container.created,
            path: container.record.path.clone(),
            args: container.record.args.clone(),
            state: container.live.state.clone(),
            image: container.image.clone(),
            resolv_conf_path: text("resolv.conf"),
            hostname_path: text("hostname"),
            hosts_path: text("hosts"),
            log_path: monitor::log_path(&directory, &container.id).to_string_lossy().into_owned(),
            name: format!("/{}", container.name),
            restart_count: container.live.restart_count,
            driver: "overlay2".into(),
            platform: container.record.platform.clone(),
            mount_label: String::new(),
            process_label: String::new(),
            app_armor_profile: String::new(),
            exec_ids: None,
            host_config: shown(&container.record.host),
            graph_driver: json!({
                "Name": "overlay2",
                "Data": {"UpperDir": text("upper"), "WorkDir": text("work")},
            }),
            size_rw,
            size_root_fs,
            mounts: container.record.mounts.iter().map(|planned| planned.point.clone()).collect(),
            config,
            network_settings: self.network_settings(container)?,
        })
    }

    /// Returns how much a container's own files take, and all it sees, in bytes.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn size(self, container: &Container) -> Result<(i64, i64), Error> {
        let upper = container.directory(self.engine).join("upper");
        let own = disk_size(&upper);
        let id = container.image.parse().map_err(|_| Error::Invalid(container.image.clone()))?;
        let images = self.engine.images()?;
        let image = images.get(&id).map_or(0, |image| image.size);
        let number = |size: u64| i64::try_from(size).unwrap_or(i64::MAX);
        Ok((number(own), number(own + image)))
    }

    /// Returns a container's networks and ports.
    ///
    /// # Errors
    /// When the database fails.
    pub fn network_settings(self, container: &Container) -> Result<NetworkSettings, Error> {
        let connection = self.engine.database().connection();
        let mut settings =
            NetworkSettings { ports: self.ports(container)?, ..NetworkSettings::default() };
        if container.is_running() && !container.record.host.network_mode.starts_with("container:") {
            settings.sandbox_id = container.id.as_str().to_owned();
            settings.sandbox_key = format!("/proc/{}/ns/net", container.live.state.pid);
        }
        for row in network::memberships(connection, &container.id)? {
            let Ok(network) = self.engine.networks().find(&row.network) else { continue };
            let mut endpoint = EndpointSettings {
                ipam_config: (row.config.ipv4_address.is_some()
                    || row.config.ipv6_address.is_some())
                .then(|| {
                    let mut wanted = serde_json::Map::new();
                    for (key, value) in [
                        ("IPv4Address", &row.config.ipv4_address),
                        ("IPv6Address", &row.config.ipv6_address),
                    ] {
                        if let Some(value) = value {
                            wanted.insert(key.into(), value.clone().into());
                        }
                    }
                    wanted.into()
                }),
                links: (!row.config.links.is_empty()).then(|| row.config.links.clone()),
                aliases: (!row.config.aliases.is_empty()).then(|| row.config.aliases.clone()),
                driver_opts: (!row.config.driver_opts.is_empty())
                    .then(|| row.config.driver_opts.clone()),
                gw_priority: row.config.gw_priority,
                network_id: network.id.clone(),
                mac_address: row.mac.clone().unwrap_or_default(),
                dns_names: names(connection, &network.id, container)?,
                ..EndpointSettings::default()
            };
            if row.mac.is_some() {
                endpoint.endpoint_id.clone_from(&row.id);
                fill_addresses(&mut endpoint, &network, &row);
            }
            settings.networks.insert(network.spec.name.clone(), endpoint);
        }
        Ok(settings)
    }

    /// Returns a container's ports: those exposed, and where the host offers them.
    fn ports(
        self,
        container: &Container,
    ) -> Result<BTreeMap<String, Option<Vec<PortBinding>>>, Error> {
        let mut ports: BTreeMap<String, Option<Vec<PortBinding>>> = BTreeMap::new();
        if !container.is_running() {
            return Ok(ports);
        }
        for port in container
            .record
            .config
            .exposed_ports
            .keys()
            .chain(container.record.host.port_bindings.keys())
        {
            for (number, protocol) in hako_types::port::parse_exposed(port).unwrap_or_default() {
                ports.insert(format!("{number}/{protocol}"), None);
            }
        }
        let sql = "SELECT protocol, host_ip, host_port, target_port FROM port WHERE container = ?1 ORDER BY target_port, host_ip, host_port";
        let mut statement = self.engine.database().connection().prepare_cached(sql)?;
        let rows = statement.query_map([container.id.as_str()], |row| {
            let (protocol, ip, port, target): (String, String, u16, u16) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            Ok((
                format!("{target}/{protocol}"),
                PortBinding { host_ip: ip, host_port: port.to_string() },
            ))
        })?;
        for row in rows {
            let (port, binding) = row?;
            ports.entry(port).or_default().get_or_insert_default().push(binding);
        }
        Ok(ports)
    }
}

fn fill_addresses(
    endpoint: &mut EndpointSettings,
    network: &network::Network,
    row: &network::EndpointRow,
) {
    for (config, prefix) in network.spec.ipam.config.iter().zip(network.prefixes()) {
        let (address, gateway) = if prefix.is_ipv4() {
            (&row.ipv4, &config.gateway)
        } else {
            (&row.ipv6, &config.gateway)
        };
        let Some(address) = address else { continue };
        if prefix.is_ipv4() {
            endpoint.ip_address.clone_from(address);
            endpoint.ip_prefix_len = prefix.length();
            endpoint.gateway.clone_from(gateway);
        } else {
            endpoint.global_ipv6_address.clone_from(address);
            endpoint.global_ipv6_prefix_len = prefix.length();
            endpoint.ipv6_gateway.clone_from(gateway);
        }
    }
}

fn names(
    connection: &hako_store::rusqlite::Connection,
    network: &str,
    container: &Container,
) -> Result<Vec<String>, Error> {
    let sql = "SELECT name FROM endpoint_name WHERE network = ?1 AND container = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![network, container.id.as_str()], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns what the machine gives a container, with the paths that are hidden although nobody asked.
fn shown(host: &HostConfig) -> HostConfig {
    let usual = |own: &Option<Vec<String>>, paths: &[&str]| match own {
        None if !host.privileged => Some(paths.iter().map(|&path| path.to_owned()).collect()),
        own => own.clone(),
    };
    let is_v2 = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let cgroupns_mode = match host.cgroupns_mode.as_str() {
        "" if is_v2 => "private".to_owned(),
        "" => "host".to_owned(),
        asked => asked.to_owned(),
    };
    HostConfig {
        cgroupns_mode,
        masked_paths: usual(&host.masked_paths, defaults::masked_paths()),
        readonly_paths: usual(&host.readonly_paths, defaults::readonly_paths()),
        ..host.clone()
    }
}

/// Returns the sizes of all files below a directory; hard links count once. What vanishes meanwhile counts for nothing.
pub(crate) fn disk_size(path: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut seen = std::collections::HashSet::new();
    let mut total = 0;
    let mut left = vec![path.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok) {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                left.push(entry.path());
            } else if meta.nlink() == 1 || seen.insert((meta.dev(), meta.ino())) {
                total += if meta.is_file() { meta.len() } else { 0 };
            }
        }
    }
    total
}
