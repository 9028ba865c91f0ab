//! `--device`, `--device-cgroup-rule`, `--gpus`.

use hako_engine::model::{Device, DeviceRequest, HostConfig};

use super::mount::fields;
use crate::args::Parsed;
use crate::report::Failure;

/// Sets the devices that were asked for.
///
/// # Errors
/// When one is malformed.
pub(crate) fn apply(parsed: &Parsed, host: &mut HostConfig) -> Result<(), Failure> {
    for text in parsed.all("device") {
        match cdi(text) {
            Some(request) => host.device_requests.push(request),
            None => host
                .devices
                .push(device(text).map_err(|reason| Failure::flag("device", text, &reason))?),
        }
    }
    host.device_cgroup_rules = parsed.read_all("device-cgroup-rule", rule)?;
    host.device_requests.extend(parsed.read("gpus", gpus)?);
    Ok(())
}

/// Returns the request for a device by its CDI name (`vendor.com/class=name`).
fn cdi(text: &str) -> Option<DeviceRequest> {
    let (kind, name) = text.split_once('=')?;
    let (vendor, class) = kind.split_once('/')?;
    if vendor.is_empty() || class.is_empty() || name.is_empty() || text.starts_with('/') {
        return None;
    }
    Some(DeviceRequest {
        driver: "cdi".into(),
        device_ids: vec![text.to_owned()],
        ..DeviceRequest::default()
    })
}

/// Reads `path[:path][:rwm]`.
fn device(text: &str) -> Result<Device, String> {
    let is_mode = |part: &str| {
        !part.is_empty()
            && part.len() <= 3
            && part
                .bytes()
                .enumerate()
                .all(|(i, byte)| b"rwm".contains(&byte) && !part.as_bytes()[..i].contains(&byte))
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (host, inside, mode) = match parts[..] {
        [host] => (host, host, "rwm"),
        [host, mode] if is_mode(mode) => (host, host, mode),
        [host, inside] => (host, inside, "rwm"),
        [host, inside, mode] if is_mode(mode) => (host, inside, mode),
        [_, _, mode] => return Err(format!("bad mode specified: {mode}")),
        _ => return Err(format!("bad format for path: {text}")),
    };
    if host.is_empty() {
        return Err("device path must not be empty".into());
    }
    let inside = if inside.is_empty() { host } else { inside };
    if !inside.starts_with('/') {
        return Err(format!("{inside} is not an absolute path"));
    }
    Ok(Device {
        path_on_host: host.to_owned(),
        path_in_container: inside.to_owned(),
        cgroup_permissions: mode.to_owned(),
    })
}

/// Checks `c 10:229 rwm`.
fn rule(text: &str) -> Result<String, String> {
    let bad = || format!("invalid device cgroup format '{text}'");
    let [kind, numbers, rights] = text.split(' ').collect::<Vec<_>>()[..] else {
        return Err(bad());
    };
    let (major, minor) = numbers.split_once(':').ok_or_else(bad)?;
    let number = |part: &str| {
        part == "*" || (!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let known = matches!(kind, "a" | "b" | "c")
        && number(major)
        && number(minor)
        && (1..=3).contains(&rights.len())
        && rights.bytes().all(|byte| b"rwm".contains(&byte));
    if known { Ok(text.to_owned()) } else { Err(bad()) }
}

/// Reads `all`, a number, or fields.
fn gpus(text: &str) -> Result<DeviceRequest, String> {
    let mut request = DeviceRequest::default();
    let mut counted = false;
    for field in fields(text)? {
        let (key, value) = field.split_once('=').unwrap_or(("count", &field));
        match key {
            "count" => {
                let bad = |_| {
                    format!("invalid count ({value}): value must be either \"all\" or an integer")
                };
                request.count = if value == "all" { -1 } else { value.parse().map_err(bad)? };
                counted = true;
            }
            "driver" => request.driver = value.to_owned(),
            "device" => request.device_ids = value.split(',').map(str::to_owned).collect(),
            "capabilities" => {
                let mut all: Vec<String> = value.split(',').map(str::to_owned).collect();
                all.push("gpu".into());
                request.capabilities = vec![all];
            }
            "options" => request.options = super::variables::pairs(value.split(',')),
            other => return Err(format!("unexpected key '{other}' in '{field}'")),
        }
    }
    if !counted && request.device_ids.is_empty() {
        request.count = 1;
    }
    if request.capabilities.is_empty() {
        request.capabilities = vec![vec!["gpu".into()]];
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        device(text).map_or_else(
            |e| e,
            |d| format!("{} {} {}", d.path_on_host, d.path_in_container, d.cgroup_permissions),
        )
    }

    #[test]
    fn devices_are_read() {
        assert_eq!(shown("/dev/fuse"), "/dev/fuse /dev/fuse rwm");
        assert_eq!(shown("/dev/fuse:r"), "/dev/fuse /dev/fuse r");
        assert_eq!(shown("/dev/zero:/dev/z:rw"), "/dev/zero /dev/z rw");
        assert_eq!(shown("/dev/zero:/dev/z:rx"), "bad mode specified: rx");
        assert_eq!(shown("/dev/zero:z"), "z is not an absolute path");
        assert!(cdi("nvidia.com/gpu=all").is_some() && cdi("/dev/x=y").is_none());
    }

    #[test]
    fn rules_and_gpus_are_read() {
        assert!(rule("c 10:229 rwm").is_ok() && rule("a *:* r").is_ok());
        assert!(rule("c 10 rwm").is_err() && rule("d 1:1 r").is_err() && rule("c 1:1 rx").is_err());
        assert_eq!(gpus("all").unwrap().count, -1);
        let some = gpus("driver=nvidia,\"device=0,1\",\"capabilities=compute,utility\"").unwrap();
        assert_eq!((some.device_ids.len(), some.count), (2, 0));
        assert_eq!(some.capabilities[0], ["compute", "utility", "gpu"]);
    }
}
