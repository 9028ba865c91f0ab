//! The networks that a container joins, its addresses and names in them, and how it finds others.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hako_engine::model::{EndpointConfig, HostConfig};

use super::mount::fields;
use crate::args::Parsed;
use crate::report::Failure;

/// Sets the network mode, names and addresses, and returns the endpoints of the networks by name.
///
/// # Errors
/// When a value is malformed, or flags contradict each other.
pub(crate) fn apply(
    parsed: &Parsed,
    host: &mut HostConfig,
) -> Result<BTreeMap<String, EndpointConfig>, Failure> {
    let mut asked = parsed.read_all("net", network)?;
    asked.extend(parsed.read_all("network", network)?);
    let mut endpoints = BTreeMap::new();
    for (index, (name, mut endpoint)) in asked.iter().cloned().enumerate() {
        if index == 0 {
            shared(parsed, &mut endpoint)?;
            host.network_mode.clone_from(&name);
        }
        if asked.len() > 1 && !is_network(&name) {
            let message = "conflicting options: cannot attach both user-defined and non-user-defined network-modes";
            return Err(Failure::engine(message));
        }
        if endpoints.insert(name.clone(), endpoint).is_some() {
            return Err(Failure::engine(format!("network \"{name}\" is specified multiple times")));
        }
    }
    if asked.is_empty() {
        let mut endpoint = EndpointConfig::default();
        shared(parsed, &mut endpoint)?;
        if !endpoint.aliases.is_empty() {
            return Err(Failure::engine(
                "network-scoped aliases are only supported for user-defined networks",
            ));
        }
        host.network_mode = "default".into();
        if endpoint != EndpointConfig::default() {
            endpoints.insert("bridge".into(), endpoint);
        }
    } else if asked.len() == 1 {
        endpoints.retain(|name, _| is_network(name));
    }
    host.links = parsed.read_all("link", link)?;
    host.dns = parsed.read_all("dns", address)?;
    host.dns_search = parsed.read_all("dns-search", domain)?;
    host.dns_options =
        parsed.all("dns-option").chain(parsed.all("dns-opt")).map(str::to_owned).collect();
    host.extra_hosts = parsed.read_all("add-host", add_host)?;
    Ok(endpoints)
}

/// Tells whether `mode` is the name of a network rather than another way to have one.
fn is_network(mode: &str) -> bool {
    !matches!(mode, "host" | "none") && !mode.starts_with("container:")
}

/// Sets what the plain flags say of the first network.
fn shared(parsed: &Parsed, endpoint: &mut EndpointConfig) -> Result<(), Failure> {
    let conflict = |flag: &str, what: &str| {
        Failure::engine(format!(
            "conflicting options: cannot specify both --{flag} and per-network {what}"
        ))
    };
    let aliases: Vec<String> =
        parsed.all("network-alias").chain(parsed.all("net-alias")).map(str::to_owned).collect();
    if !aliases.is_empty() && !endpoint.aliases.is_empty() {
        return Err(conflict("network-alias", "alias"));
    }
    endpoint.aliases.extend(aliases);
    if let Some(ip) = parsed.read("ip", ipv4)?
        && endpoint.ipv4_address.replace(ip).is_some()
    {
        return Err(conflict("ip", "IPv4 address"));
    }
    if let Some(ip) = parsed.read("ip6", ipv6)?
        && endpoint.ipv6_address.replace(ip).is_some()
    {
        return Err(conflict("ip6", "IPv6 address"));
    }
    if let Some(mac) = parsed.read("mac-address", mac)?
        && endpoint.mac_address.replace(mac).is_some()
    {
        return Err(conflict("mac-address", "MAC address"));
    }
    let local = parsed.read_all("link-local-ip", address)?;
    if !local.is_empty() && !endpoint.link_local_ips.is_empty() {
        return Err(conflict("link-local-ip", "link-local IP addresses"));
    }
    endpoint.link_local_ips.extend(local);
    Ok(())
}

/// Reads a network's name or `name=…,alias=…,ip=…`.
fn network(text: &str) -> Result<(String, EndpointConfig), String> {
    let mut endpoint = EndpointConfig::default();
    if !text.contains('=') {
        return if text.is_empty() {
            Err("network name must not be empty".into())
        } else {
            Ok((text.into(), endpoint))
        };
    }
    let mut name = String::new();
    for field in fields(text)? {
        let (key, value) =
            field.split_once('=').ok_or_else(|| format!("invalid network field {field}"))?;
        match key.trim().to_lowercase().as_str() {
            "name" => value.clone_into(&mut name),
            "alias" => endpoint.aliases.push(value.to_lowercase()),
            "ip" => endpoint.ipv4_address = Some(ipv4(value)?),
            "ip6" => endpoint.ipv6_address = Some(ipv6(value)?),
            "mac-address" => endpoint.mac_address = Some(mac(value)?),
            "link-local-ip" => endpoint.link_local_ips.push(address(value)?),
            "interface-name" => endpoint.interface_name = Some(value.to_owned()),
            "driver-opt" => {
                let (name, value) = value
                    .split_once('=')
                    .ok_or("invalid key/value pair format in driver options")?;
                endpoint.driver_opts.insert(name.to_lowercase(), value.to_owned());
            }
            "gw-priority" => {
                endpoint.gw_priority =
                    value.parse().map_err(|_| format!("invalid gw-priority ({value})"))?;
            }
            other => return Err(format!("invalid field key {other}")),
        }
    }
    if name.is_empty() {
        return Err("network name/id is not specified".into());
    }
    Ok((name, endpoint))
}

/// Reads any address.
///
/// # Errors
/// When it is none.
pub(crate) fn address(text: &str) -> Result<String, String> {
    let ip: Result<IpAddr, _> = text.trim().parse();
    ip.map(|ip| ip.to_string())
        .map_err(|_| format!("IP address is not correctly formatted: {text}"))
}

/// Reads an IPv4 address.
///
/// # Errors
/// When it is none.
pub(crate) fn ipv4(text: &str) -> Result<String, String> {
    text.parse::<Ipv4Addr>()
        .map(|ip| ip.to_string())
        .map_err(|_| format!("invalid IPv4 address: {text}"))
}

/// Reads an IPv6 address.
///
/// # Errors
/// When it is none.
pub(crate) fn ipv6(text: &str) -> Result<String, String> {
    text.parse::<Ipv6Addr>()
        .map(|ip| ip.to_string())
        .map_err(|_| format!("invalid IPv6 address: {text}"))
}

fn mac(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    let hex = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    if parts.len() == 6 && parts.iter().all(hex) {
        Ok(parts.join(":").to_lowercase())
    } else {
        Err(format!("{text} is not a valid mac address"))
    }
}

/// Reads `name` or `name:alias`.
///
/// # Errors
/// When it is neither.
pub(crate) fn link(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [name] if !name.is_empty() => Ok(format!("{name}:{name}")),
        [name, alias] if !name.is_empty() && !alias.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("bad format for links: {text}")),
    }
}

fn domain(text: &str) -> Result<String, String> {
    let trimmed = text.trim();
    if trimmed == "." {
        return Ok(String::new());
    }
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if trimmed.len() <= 255 && trimmed.trim_end_matches('.').split('.').all(label) {
        Ok(trimmed.to_owned())
    } else {
        Err(format!("{text} is not a valid domain"))
    }
}

/// Reads `name:address` or `name=address`; an address may stand in brackets, and `host-gateway` stands for the host's.
///
/// # Errors
/// When it is neither.
pub(crate) fn add_host(text: &str) -> Result<String, String> {
    let bad = || format!("bad format for add-host: \"{text}\"");
    let (name, ip) = text.split_once('=').or_else(|| text.split_once(':')).ok_or_else(bad)?;
    if name.is_empty() || ip.is_empty() {
        return Err(bad());
    }
    if ip == "host-gateway" {
        return Ok(format!("{name}:{ip}"));
    }
    let bare = ip.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(ip);
    bare.parse::<IpAddr>().map_err(|_| format!("invalid IP address in add-host: \"{ip}\""))?;
    Ok(format!("{name}:{bare}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_in_both_forms() {
        let (name, endpoint) =
            network("name=n,alias=Web,alias=w2,ip=10.0.0.2,driver-opt=a=b,gw-priority=-1").unwrap();
        assert_eq!((name.as_str(), endpoint.gw_priority), ("n", -1));
        assert_eq!(endpoint.aliases, ["web", "w2"]);
        assert_eq!(endpoint.ipv4_address.as_deref(), Some("10.0.0.2"));
        assert_eq!(network("host").unwrap().0, "host");
        assert!(
            network("alias=x").is_err() && network("name=n,foo=1").is_err() && network("").is_err()
        );
    }

    #[test]
    fn hosts_links_and_addresses_are_checked() {
        assert_eq!(add_host("db:10.1.2.3").unwrap(), "db:10.1.2.3");
        assert_eq!(add_host("six:::1").unwrap(), "six:::1");
        assert_eq!(add_host("six=[::1]").unwrap(), "six:::1");
        assert_eq!(add_host("up:host-gateway").unwrap(), "up:host-gateway");
        assert!(add_host("nonsense").unwrap_err().contains("nonsense"));
        assert!(add_host("x:1.2.3").unwrap_err().contains("1.2.3"));
        assert_eq!(link("a").unwrap(), "a:a");
        assert!(link("a:b:c").is_err());
        assert_eq!(mac("92-D0-c6-0a-29-33").unwrap(), "92:d0:c6:0a:29:33");
        assert!(mac("92:d0").is_err() && address("x").is_err() && domain("a b").is_err());
    }
}
