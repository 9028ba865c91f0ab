//! Parts of what listings show: states, ports, commands, ages, ids.

use std::collections::BTreeMap;

use hako_engine::model::{PortBinding, State, Status};
use hako_types::Moment;

/// Returns a container's state in words (`Up 2 minutes (healthy)`).
pub(crate) fn status(state: &State, now: Moment) -> String {
    let ended = || format!("({}) {} ago", state.exit_code, state.finished_at.age(now));
    match state.status {
        Status::Running | Status::Paused => {
            let up = format!("Up {}", state.started_at.age(now));
            let health = state.health.as_ref().map_or("none", |health| health.status.as_str());
            match health {
                _ if state.status == Status::Paused => format!("{up} (Paused)"),
                "starting" => format!("{up} (health: starting)"),
                "healthy" | "unhealthy" => format!("{up} ({health})"),
                _ => up,
            }
        }
        Status::Restarting => format!("Restarting {}", ended()),
        Status::Removing => "Removal In Progress".into(),
        Status::Dead => "Dead".into(),
        Status::Created => "Created".into(),
        Status::Exited => format!("Exited {}", ended()),
    }
}

/// A port of a container, and where the host offers it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Port {
    inside: u16,
    ip: String,
    outside: u16,
    protocol: String,
}

/// Returns ports in one line (`0.0.0.0:80->80/tcp, [::]:80->80/tcp`); those that follow each other become a range.
pub(crate) fn ports(ports: &BTreeMap<String, Option<Vec<PortBinding>>>) -> String {
    let mut all: Vec<Port> = Vec::new();
    for (key, bindings) in ports {
        let (inside, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
        let port = Port {
            inside: inside.parse().unwrap_or(0),
            ip: String::new(),
            outside: 0,
            protocol: protocol.into(),
        };
        match bindings.as_deref() {
            None | Some([]) => all.push(port),
            Some(bindings) => all.extend(bindings.iter().map(|binding| Port {
                ip: binding.host_ip.clone(),
                outside: binding.host_port.parse().unwrap_or(0),
                ..port.clone()
            })),
        }
    }
    all.sort();
    let (mut groups, mut shown, mut mapped): (Vec<(Port, Port)>, Vec<String>, Vec<String>) =
        Default::default();
    for port in all {
        if port.outside != 0 && port.outside != port.inside {
            mapped.push(format!(
                "{}:{}->{}/{}",
                bracketed(&port.ip),
                port.outside,
                port.inside,
                port.protocol
            ));
            continue;
        }
        let same =
            |(_, last): &&mut (Port, Port)| last.ip == port.ip && last.protocol == port.protocol;
        match groups.iter_mut().find(same) {
            None => groups.push((port.clone(), port)),
            Some((_, last)) if last.inside.checked_add(1) == Some(port.inside) => *last = port,
            Some(group) => {
                shown.push(range(&group.0, &group.1));
                *group = (port.clone(), port);
            }
        }
    }
    shown.extend(groups.iter().map(|(first, last)| range(first, last)));
    shown.extend(mapped);
    shown.join(", ")
}

fn range(first: &Port, last: &Port) -> String {
    let ports = if first.inside == last.inside {
        first.inside.to_string()
    } else {
        format!("{}-{}", first.inside, last.inside)
    };
    if first.ip.is_empty() {
        format!("{ports}/{}", first.protocol)
    } else {
        format!("{}:{ports}->{ports}/{}", bracketed(&first.ip), first.protocol)
    }
}

/// Returns an address as it stands before a port.
pub(crate) fn bracketed(ip: &str) -> String {
    if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() }
}

/// Returns a command as `ps` shows it, in quotes.
pub(crate) fn command(path: &str, args: &[String], truncate: bool) -> String {
    let word = |word: &String| if word.contains(' ') { format!("'{word}'") } else { word.clone() };
    let mut line = path.to_owned();
    for arg in args {
        line.push(' ');
        line.push_str(&word(arg));
    }
    let line = if truncate { ellipsis(&line, 20) } else { line };
    quoted(&line)
}

/// Returns `text` in double quotes, as Go quotes it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            letter if letter.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// Returns at most `most` letters of `text`, the last one an ellipsis where some are left out.
pub(crate) fn ellipsis(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Returns a moment as Go prints it in UTC.
pub(crate) fn go_time(moment: Moment) -> String {
    let text = moment.to_string();
    let plain = text.trim_end_matches('Z').split('.').next().unwrap_or_default().replace('T', " ");
    format!("{plain} +0000 UTC")
}

/// Returns labels as listings show them.
pub(crate) fn labels(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

/// Returns the twelve digits of an id that people read, with or without the algorithm before it.
pub(crate) fn short_id(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..12).unwrap_or(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_shown_as_docker_shows_them() {
        let bind =
            |ip: &str, port: &str| PortBinding { host_ip: ip.into(), host_port: port.into() };
        let both = |port: &str| Some(vec![bind("0.0.0.0", port), bind("::", port)]);
        let all = BTreeMap::from([
            ("80/tcp".to_owned(), both("8080")),
            ("90/tcp".to_owned(), both("90")),
            ("91/tcp".to_owned(), both("91")),
            ("99/udp".to_owned(), None),
            ("100/udp".to_owned(), None),
        ]);
        assert_eq!(
            ports(&all),
            "0.0.0.0:90-91->90-91/tcp, [::]:90-91->90-91/tcp, 99-100/udp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"
        );
    }

    #[test]
    fn commands_and_states_are_shown_as_docker_shows_them() {
        assert_eq!(command("echo", &["some words".into()], false), "\"echo 'some words'\"");
        assert_eq!(
            command("sh", &["-c".into(), "while true; do :; done".into()], true),
            "\"sh -c 'while true; …\""
        );
        let now = Moment::from_seconds(1000);
        let mut state = State {
            status: Status::Exited,
            exit_code: 3,
            finished_at: Moment::from_seconds(997),
            ..State::default()
        };
        assert_eq!(status(&state, now), "Exited (3) 3 seconds ago");
        state.status = Status::Running;
        state.started_at = Moment::from_seconds(880);
        state.health =
            Some(hako_engine::model::Health { status: "healthy".into(), ..Default::default() });
        assert_eq!(status(&state, now), "Up 2 minutes (healthy)");
        assert_eq!(go_time(Moment::from_nanos(1_500_000_000)), "1970-01-01 00:00:01 +0000 UTC");
    }
}
