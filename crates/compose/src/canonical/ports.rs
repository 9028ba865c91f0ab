//! Published ports: `[[IP:]HOST:]CONTAINER[/PROTOCOL]`, with ranges.

use std::net::IpAddr;

use crate::canonical::{Base, forms};
use crate::error::{Error, Trail};
use crate::yaml::{Node, Value};

/// Every entry becomes one entry per container port, in the long form.
pub(super) fn ports(node: &mut Node, trail: Trail<'_>, _: &Base) -> Result<(), Error> {
    let Value::List(items) = &mut node.value else { return Ok(()) };
    let mut out = Vec::new();
    for (at, mut item) in std::mem::take(items).into_iter().enumerate() {
        let trail = trail.index(at);
        match item.scalar_text() {
            Some(text) => {
                let entries = short(&text).map_err(|message| {
                    Error::at(
                        &item.span,
                        trail,
                        format!("`{text}` is not a port to publish: {message}"),
                    )
                })?;
                out.extend(
                    entries.into_iter().map(|entry| Node::new(entry.value(&item), &item.span)),
                );
            }
            None => {
                if !item.is_reset() {
                    long(&mut item, trail)?;
                }
                out.push(item);
            }
        }
    }
    *items = out;
    Ok(())
}

struct Entry {
    address: Option<IpAddr>,
    published: Option<String>,
    target: u16,
    protocol: String,
}

impl Entry {
    fn value(self, at: &Node) -> Value {
        let mut fields = vec![("mode", Value::Text("ingress".into()))];
        fields.extend(self.address.map(|address| ("host_ip", Value::Text(address.to_string()))));
        fields.push(("target", Value::Int(i64::from(self.target))));
        fields.extend(self.published.map(|published| ("published", Value::Text(published))));
        fields.push(("protocol", Value::Text(self.protocol)));
        forms::map(at, fields)
    }
}

fn short(text: &str) -> Result<Vec<Entry>, String> {
    let (rest, protocol) = match text.split_once('/') {
        Some((rest, protocol)) => (rest, protocol.to_ascii_lowercase()),
        None => (text, "tcp".to_owned()),
    };
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(format!("unknown protocol `{protocol}`"));
    }
    let (host, container) = match rest.rsplit_once(':') {
        Some((host, container)) => (Some(host), container),
        None => (None, rest),
    };
    let (address, published) = match host {
        None => (None, ""),
        Some(host) => match host.rsplit_once(':') {
            None => (None, host),
            Some((address, published)) => (Some(parse_address(address)?), published),
        },
    };
    let target = range(container)?;
    if published.is_empty() {
        let entry = |target| Entry { address, published: None, target, protocol: protocol.clone() };
        return Ok((target.0..=target.1).map(entry).collect());
    }
    let outside = range(published)?;
    if target.0 == target.1 {
        let published =
            if outside.0 == outside.1 { outside.0.to_string() } else { published.to_owned() };
        return Ok(vec![Entry { address, published: Some(published), target: target.0, protocol }]);
    }
    if target.1 - target.0 != outside.1 - outside.0 {
        return Err(format!("the ranges {published} and {container} differ in length"));
    }
    let entry = |(target, published): (u16, u16)| {
        let published = Some(published.to_string());
        Entry { address, published, target, protocol: protocol.clone() }
    };
    Ok((target.0..=target.1).zip(outside.0..=outside.1).map(entry).collect())
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| format!("`{text}` is not an address"))
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) if port > 0 && text.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
        _ if text.is_empty() => Err("the container port is missing".to_owned()),
        _ => Err(format!("`{text}` is not a port between 1 and 65535")),
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    if last < first {
        Err(format!("the range {text} ends before it begins"))
    } else {
        Ok((first, last))
    }
}

fn long(node: &mut Node, trail: Trail<'_>) -> Result<(), Error> {
    match node.get("target").map(|target| &target.value) {
        Some(Value::Int(target)) if (1..=65535).contains(target) => {}
        Some(_) => {
            return Err(Error::at(
                &node.span,
                trail,
                "`target` must be a port between 1 and 65535",
            ));
        }
        None => return Err(Error::at(&node.span, trail, "`target` is missing")),
    }
    if let Some(published) = node.as_map_mut().and_then(|map| map.get_mut("published")) {
        let text = published.scalar_text().unwrap_or_default();
        if !text.is_empty() && text != "0" {
            range(&text)
                .map_err(|message| Error::at(&published.span, trail.key("published"), message))?;
        }
        published.value = Value::Text(text);
    }
    if let Some(address) =
        node.get("host_ip").and_then(Node::as_text).filter(|text| !text.is_empty())
    {
        parse_address(address)
            .map_err(|message| Error::at(&node.span, trail.key("host_ip"), message))?;
    }
    if let Some(protocol) = node.get("protocol").and_then(Node::as_text)
        && !["tcp", "udp", "sctp"].contains(&protocol)
    {
        return Err(Error::at(
            &node.span,
            trail.key("protocol"),
            format!("unknown protocol `{protocol}`"),
        ));
    }
    forms::default(node, "mode", Value::Text("ingress".into()));
    forms::default(node, "protocol", Value::Text("tcp".into()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_says_address_host_port_container_port_and_protocol() {
        let show = |text: &str| match short(text) {
            Ok(entries) => entries
                .iter()
                .map(|e| {
                    let address = e.address.map(|a| a.to_string()).unwrap_or_default();
                    format!(
                        "{address}|{}|{}/{}",
                        e.published.clone().unwrap_or_default(),
                        e.target,
                        e.protocol
                    )
                })
                .collect::<Vec<_>>()
                .join(" "),
            Err(_) => "bad".into(),
        };
        for (text, want) in [
            ("3000", "||3000/tcp"),
            ("9090-9091:8080-8081", "|9090|8080/tcp |9091|8081/tcp"),
            ("8000-8010:80", "|8000-8010|80/tcp"),
            ("127.0.0.1::5000", "127.0.0.1||5000/tcp"),
            ("[::1]:7001:7002/udp", "::1|7001|7002/udp"),
            ("8000-8002:80-81", "bad"),
            ("80:", "bad"),
            ("1.2.3.400:80:80", "bad"),
            ("99999:80", "bad"),
            ("80/icmpx", "bad"),
            ("+80", "bad"),
        ] {
            assert_eq!(show(text), want, "{text}");
        }
    }
}
