//! Published ports: the forms that `-p` takes.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A transport protocol whose ports can be published.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

impl FromStr for Protocol {
    type Err = InvalidPort;

    fn from_str(text: &str) -> Result<Self, InvalidPort> {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            _ => Err(InvalidPort(text.to_owned())),
        }
    }
}

/// One port of a container, and where the host is to offer it.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct PortMapping {
    /// The port inside the container.
    pub container: u16,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The host's address; none means all of them, IPv4 and IPv6.
    pub host_ip: Option<IpAddr>,
    /// The host's port, or the first and last of those to choose from; none lets the engine choose.
    pub host: Option<(u16, u16)>,
}

/// Text that is not a port or a mapping of ports.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` is not a port mapping: want [[ip:]hostPort:]containerPort[/protocol]")]
pub struct InvalidPort(pub String);

/// Reads `80`, `80/udp` or `80-90/tcp` (a range gives one entry each), as `--expose` and `EXPOSE` take them.
///
/// # Errors
/// When the text is none of these, or a port is 0 or above 65535, or the range runs backwards.
pub fn parse_exposed(text: &str) -> Result<Vec<(u16, Protocol)>, InvalidPort> {
    let bad = || InvalidPort(text.to_owned());
    let (ports, protocol) = split_protocol(text).ok_or_else(bad)?;
    let (first, last) = parse_range(ports).ok_or_else(bad)?;
    if first == 0 {
        return Err(bad());
    }
    Ok((first..=last).map(|port| (port, protocol)).collect())
}

/// Reads one `-p` argument: `80`, `8080:80`, `127.0.0.1:8080:80/udp`, `127.0.0.1::80`, `[::1]:80:80`, and ranges.
///
/// A host range as long as the container's range maps one to one; a host range over one container port
/// is a choice.
///
/// # Errors
/// When the text is none of these.
pub fn parse_publish(text: &str) -> Result<Vec<PortMapping>, InvalidPort> {
    let bad = || InvalidPort(text.to_owned());
    let (rest, protocol) = split_protocol(text).ok_or_else(bad)?;
    let (rest, container) = rest.rsplit_once(':').unwrap_or(("", rest));
    let (ip, host) = rest.rsplit_once(':').map_or(("", rest), |(ip, host)| (ip, host));
    let host_ip = match ip.strip_prefix('[').map_or(Some(ip), |inner| inner.strip_suffix(']')) {
        Some("") => None,
        Some(ip) => Some(ip.parse().map_err(|_| bad())?),
        None => return Err(bad()),
    };
    let (first, last) = parse_range(container).filter(|(first, _)| *first > 0).ok_or_else(bad)?;
    let host = match host {
        "" => None,
        host => Some(parse_range(host).ok_or_else(bad)?).filter(|range| *range != (0, 0)),
    };
    let length = last - first;
    let choice = match host {
        Some((low, high)) if high - low == length => false,
        Some(_) if length == 0 => true,
        Some(_) => return Err(bad()),
        None => false,
    };
    let mapping = |offset: u16| PortMapping {
        container: first + offset,
        protocol,
        host_ip,
        host: host
            .map(|(low, high)| if choice { (low, high) } else { (low + offset, low + offset) }),
    };
    Ok((0..=length).map(mapping).collect())
}

fn split_protocol(text: &str) -> Option<(&str, Protocol)> {
    match text.split_once('/') {
        Some((ports, protocol)) => Some((ports, protocol.parse().ok()?)),
        None => Some((text, Protocol::Tcp)),
    }
}

fn parse_range(text: &str) -> Option<(u16, u16)> {
    let number =
        |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let one = |m: PortMapping| {
            let ip = m.host_ip.map(|ip| ip.to_string()).unwrap_or_default();
            let host = m.host.map(|(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") });
            format!("{ip}|{}|{}/{}", host.unwrap_or_default(), m.container, m.protocol)
        };
        parse_publish(text).unwrap().into_iter().map(one).collect()
    }

    #[test]
    fn all_forms_of_publishing_read() {
        assert_eq!(shown("80"), ["||80/tcp"]);
        assert_eq!(shown("8080:80/udp"), ["|8080|80/udp"]);
        assert_eq!(shown("127.0.0.1:8080:80"), ["127.0.0.1|8080|80/tcp"]);
        assert_eq!(shown("127.0.0.1::80"), ["127.0.0.1||80/tcp"]);
        assert_eq!(shown("[::1]:8080:80"), ["::1|8080|80/tcp"]);
        assert_eq!(shown("::1:8080:80"), ["::1|8080|80/tcp"]);
        assert_eq!(shown("8080-8081:80-81"), ["|8080|80/tcp", "|8081|81/tcp"]);
        assert_eq!(shown("8080-8090:80"), ["|8080-8090|80/tcp"]);
        assert_eq!(shown("0:80"), ["||80/tcp"]);
    }

    #[test]
    fn other_forms_are_refused() {
        for bad in [
            "",
            "a",
            "80/x",
            "1:2:3:x",
            "8080-8090:80-81",
            "90-80",
            "70000",
            "0",
            "1.2.3:80:80",
            "80:0",
        ] {
            assert!(parse_publish(bad).is_err(), "{bad}");
        }
    }
}
