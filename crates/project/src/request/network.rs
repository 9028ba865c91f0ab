//! Networks: modes, endpoints with their names, links.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use hako_compose::model::{Endpoint, Service};
use hako_engine::model::{EndpointConfig, HostConfig};

use crate::Error;
use crate::request::{Kind, Situation};

/// Sets the network mode and returns the endpoints by the networks' names.
pub(super) fn networks(
    situation: &Situation<'_>,
    service: &Service,
    host: &mut HostConfig,
) -> Result<BTreeMap<String, EndpointConfig>, Error> {
    if !service.network_mode.is_empty() {
        host.network_mode = situation.mode(&service.network_mode)?;
        if host.network_mode == "bridge" {
            host.links = links(situation, service)?;
        }
        return Ok(BTreeMap::new());
    }
    let mut keys: Vec<(&String, &Option<Endpoint>)> = service.networks.iter().collect();
    keys.sort_by_key(|(_, endpoint)| {
        Reverse(endpoint.as_ref().and_then(|endpoint| endpoint.priority).unwrap_or(0))
    });
    host.links = links(situation, service)?;
    let mut out = BTreeMap::new();
    for (at, (key, endpoint)) in keys.into_iter().enumerate() {
        let name = situation.wanted.project.networks.get(key).map_or(key, |network| &network.name);
        if at == 0 {
            host.network_mode.clone_from(name);
        }
        let mut config = config(situation, endpoint.as_ref());
        if at == 0 && config.mac_address.is_none() && !service.mac_address.is_empty() {
            config.mac_address = Some(service.mac_address.clone());
        }
        out.insert(name.clone(), config);
    }
    if out.is_empty() {
        host.network_mode = "none".into();
    }
    Ok(out)
}

fn config(situation: &Situation<'_>, endpoint: Option<&Endpoint>) -> EndpointConfig {
    let endpoint = endpoint.cloned().unwrap_or_default();
    let is_replica = matches!(situation.kind, Kind::Replica { .. });
    let with_aliases = is_replica || matches!(situation.kind, Kind::OneOff { aliases: true, .. });
    let mut aliases = Vec::new();
    if with_aliases {
        aliases.push(situation.service.to_owned());
        aliases.extend(endpoint.aliases);
    }
    let given = |text: String| Some(text).filter(|text| !text.is_empty() && is_replica);
    EndpointConfig {
        aliases,
        links: Vec::new(),
        ipv4_address: given(endpoint.ipv4_address),
        ipv6_address: given(endpoint.ipv6_address),
        link_local_ips: endpoint.link_local_ips,
        mac_address: given(endpoint.mac_address),
        driver_opts: endpoint.driver_opts,
        gw_priority: endpoint.gw_priority.unwrap_or_default(),
        interface_name: Some(endpoint.interface_name).filter(|name| !name.is_empty()),
    }
}

/// `service[:alias]` names the service's containers, `external_links` name containers as they are.
fn links(situation: &Situation<'_>, service: &Service) -> Result<Vec<String>, Error> {
    let mut out = Vec::new();
    for link in &service.links {
        let (other, alias) = link.split_once(':').unwrap_or((link, link));
        situation.container(other)?;
        for id in situation.containers.get(other).into_iter().flatten() {
            out.push(format!("{}:{alias}", &id[..id.len().min(12)]));
        }
    }
    for link in &service.external_links {
        let (name, alias) = link.split_once(':').unwrap_or((link, link));
        out.push(format!("{name}:{alias}"));
    }
    Ok(out)
}
