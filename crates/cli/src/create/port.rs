//! `-p` and `--expose`.

use std::collections::BTreeMap;

use hako_engine::model::{Empty, PortBinding, Set};
use hako_types::PortMapping;
use hako_types::port::{parse_exposed, parse_publish};

/// Published ports by `port/protocol`.
pub(crate) type Bindings = BTreeMap<String, Vec<PortBinding>>;

/// Reads one `-p`, in short form or as `target=80,published=8080,protocol=tcp`.
///
/// # Errors
/// When it is neither.
pub(crate) fn publish(text: &str) -> Result<Vec<PortMapping>, String> {
    let short = if text.contains('=') { from_fields(text)? } else { text.to_owned() };
    parse_publish(&short).map_err(|_| why_not(text))
}

/// Says what is wrong with a mapping: which part, where that can be told.
fn why_not(text: &str) -> String {
    let (rest, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    if !matches!(protocol.to_lowercase().as_str(), "tcp" | "udp" | "sctp") {
        return format!("invalid proto: {protocol}");
    }
    let container = rest.rsplit(':').next().unwrap_or_default();
    let number = |part: &str| part.split('-').all(|end| end.parse::<u16>().is_ok());
    if container.is_empty() {
        return format!("no port specified: {text}<empty>");
    }
    if !number(container) {
        return format!("invalid containerPort: {container}");
    }
    let host = rest.rsplit(':').nth(1).unwrap_or_default();
    if !host.is_empty() && !number(host) {
        return format!("invalid hostPort: {host}");
    }
    format!("invalid port mapping: {text}: want [[ip:]hostPort:]containerPort[/protocol]")
}

fn from_fields(text: &str) -> Result<String, String> {
    let (mut target, mut published, mut protocol) = ("", "", "tcp");
    for field in text.split(',') {
        match field.split_once('=') {
            Some(("target", value)) => target = value,
            Some(("published", value)) => published = value,
            Some(("protocol", value)) => protocol = value,
            Some(("mode", "ingress" | "host")) => {}
            _ => return Err(format!("invalid field {field}")),
        }
    }
    if target.is_empty() {
        return Err(format!("missing mandatory field 'target' in '{text}'"));
    }
    Ok(format!("{published}:{target}/{protocol}"))
}

/// Returns the exposed ports and the bindings of all mappings together.
pub(crate) fn bindings(mappings: impl IntoIterator<Item = PortMapping>) -> (Set, Bindings) {
    let (mut exposed, mut bound) = (Set::new(), Bindings::new());
    for mapping in mappings {
        let key = format!("{}/{}", mapping.container, mapping.protocol);
        exposed.insert(key.clone(), Empty {});
        let host_port = match mapping.host {
            Some((low, high)) if low == high => low.to_string(),
            Some((low, high)) => format!("{low}-{high}"),
            None => String::new(),
        };
        let host_ip = mapping.host_ip.map(|ip| ip.to_string()).unwrap_or_default();
        let binding = PortBinding { host_ip, host_port };
        let list = bound.entry(key).or_default();
        if !list.contains(&binding) {
            list.push(binding);
        }
    }
    (exposed, bound)
}

/// Reads one `--expose`.
///
/// # Errors
/// When it is no port.
pub(crate) fn expose(text: &str) -> Result<Vec<String>, String> {
    if text.contains(':') {
        return Err(format!("invalid port format for --expose: {text}"));
    }
    let ports =
        parse_exposed(text).map_err(|_| format!("invalid range format for --expose: {text}"))?;
    Ok(ports.into_iter().map(|(port, protocol)| format!("{port}/{protocol}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_ports_become_bindings() {
        let all = ["8080:80", "127.0.0.1::53/udp", "90-91:90-91", "target=70,published=7000"];
        let (exposed, bound) = bindings(all.iter().flat_map(|text| publish(text).unwrap()));
        assert_eq!(
            exposed.keys().cloned().collect::<Vec<_>>(),
            ["53/udp", "70/tcp", "80/tcp", "90/tcp", "91/tcp"]
        );
        assert_eq!(
            bound["53/udp"],
            [PortBinding { host_ip: "127.0.0.1".into(), host_port: String::new() }]
        );
        assert_eq!(bound["91/tcp"][0].host_port, "91");
        assert_eq!(bound["70/tcp"][0].host_port, "7000");
        assert_eq!(expose("3000-3001").unwrap(), ["3000/tcp", "3001/tcp"]);
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(publish("80:x").unwrap_err(), "invalid containerPort: x");
        assert_eq!(publish("x:80").unwrap_err(), "invalid hostPort: x");
        assert_eq!(publish("80/icmp").unwrap_err(), "invalid proto: icmp");
        assert!(publish("published=80").unwrap_err().contains("'target'"));
        assert!(expose("80:80").is_err());
    }
}
